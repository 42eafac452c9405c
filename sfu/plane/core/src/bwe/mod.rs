//! Estimates what the network to a peer carries, from transport-wide feedback. It follows GoogCC of libwebrtc; each file
//! names the source of its constants.
//!
//! ```text
//! packet sent ─> Names ──(RFC 8888)───┐
//! packet sent ─> History ──(feedback)──> Reports: what arrived when, and what did not
//!                                          │
//!        ┌───────────────┬─────────────────┼──────────────────┐
//!      Groups        Throughput          Probes           LossLimit ──> limit of loss
//!        │ Delta         │ Rate            │ Rate             ^              │
//!    Trendline           │                 │                  │              │
//!        │ Usage         │                 │                  │              v
//!        └──────> RateControl <────────────┘   limit of delay ┴──────────> Estimate ─> Probing ─> Cluster
//!
//! receiver reports, REMB ─> WithoutFeedback: instead of all this, for a peer that sends no feedback ───^
//! packet sent ─> Limited: less is sent than the estimate allows ─────────────────────────^
//! ```

mod aimd;
mod capacity;
mod clock;
mod delay;
mod estimator;
mod groups;
mod history;
mod limited;
mod loss;
mod names;
mod notices;
mod probe_result;
mod probing;
mod queue;
mod sent_rate;
#[cfg(test)]
mod tests;
mod throughput;
mod trendline;
pub mod units;
mod without_feedback;

pub use estimator::{Estimate, Estimator};
#[cfg(test)]
pub use history::History;
pub use probe_result::Cluster;
pub use trendline::Usage;
pub use without_feedback::Reception;

use crate::time::Instant;
use units::Arrival;

/// What a packet carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Audio.
    Audio,
    /// Video.
    Video,
    /// A retransmission.
    Repair,
    /// Sent only to measure.
    Probe,
}

/// What feedback tells of a packet.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Report {
    /// Its transport-wide number, without wrapping.
    pub number: u64,
    /// When it was sent.
    pub sent: Instant,
    /// Octets of the datagram.
    pub octets: u32,
    /// What it carries.
    pub kind: Kind,
    /// When it arrived. None: it did not, so far.
    pub arrived: Option<Arrival>,
    /// An earlier feedback said that it did not arrive.
    pub is_late: bool,
    /// It left twice under this number: nobody knows which of the two arrived.
    pub is_repeated: bool,
}

#[cfg(test)]
impl Report {
    /// Of a packet that arrived.
    fn arrived(number: u64, sent: Instant, octets: u32, arrived: Arrival) -> Self {
        Self { number, sent, octets, kind: Kind::Video, arrived: Some(arrived), is_late: false, is_repeated: false }
    }
}
