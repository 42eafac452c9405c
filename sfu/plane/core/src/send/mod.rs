//! The subscriber's side: selects the packets of a track that a slot forwards, rewrites their numbers, paces them, and
//! retransmits lost ones.
//!
//! ```text
//! Packet -> Slot { Selector: which ones   Rewriter: new numbers   History: sent packets } -> Outgoing -> Pacer
//!                  News: changes of the layer                                              -> SlotEvent
//!                                        its payload, from the encoding's cache           -> packet::write
//! ```

pub mod compression;
pub mod history;
pub mod keyframe_budget;
pub mod mapping;
pub mod news;
pub mod outage;
pub mod pacer;
pub mod packet;
pub mod passing;
pub mod prober;
pub mod protection;
pub mod redundancy;
pub mod repairs;
pub mod repeats;
pub mod report;
pub mod rewriter;
pub mod round_trip;
pub mod selector;
pub mod slot;
pub mod start_budget;
#[cfg(test)]
mod tests;
pub mod unacknowledged;

#[cfg(test)]
pub(crate) use crate::receive::arrival::Arrival;
#[cfg(test)]
pub(crate) use crate::receive::cache::Cache;
pub(crate) use crate::receive::cache::Cached;
/// For tests and benchmarks, beside what they hand to a slot.
pub use crate::receive::packet::Packet;
pub use crate::receive::rung::{EncodingId, Rung};
#[cfg(test)]
pub(crate) use crate::receive::start::Start;
pub use pacer::{Class, Pacer};
pub use passing::{Nack, Outgoing, Patch, Replay, SlotEvent, Transmission};
pub use prober::Prober;
pub use repeats::Varied;
pub use round_trip::RoundTrip;
pub use slot::{Empty, Slot};
pub use start_budget::StartBudget;
pub use unacknowledged::Unacknowledged;
