//! What a plane is told once. Bounds that nobody sets are in [`crate::limits`], other numbers of an RFC or of libwebrtc
//! `const` beside their use.

use std::sync::Arc;

use crate::dtls::Identity;
use crate::time::{Duration, WallClock, ms};

/// What a plane is told once.
#[derive(Clone)]
pub struct Config {
    /// Decides every random number but keys and tags.
    pub seed: u64,
    /// The certificate of the process.
    pub identity: Arc<Identity>,
    /// For the timestamps of RTCP.
    pub wall_clock: WallClock,
    /// Added to the ids of channels that peers open.
    pub worker: u64,
    /// When a peer counts as gone.
    pub silence: Silence,
    /// Bounds on data channels.
    pub data: DataLimits,
}

/// How long nothing authenticated may come from a peer before it is `disconnected`.
#[derive(Clone, Copy, Debug)]
pub struct Silence {
    /// For a peer that was sent transport-wide numbered packets in the last second and has returned feedback before.
    pub with_feedback: Duration,
    /// For any other, at least this and at most `longest`; between them `factor` times the longest gap of its last minute.
    pub shortest: Duration,
    /// See `shortest`.
    pub longest: Duration,
    /// See `shortest`.
    pub factor: f32,
}

impl Default for Silence {
    fn default() -> Self {
        Self { with_feedback: ms(4_000), shortest: ms(8_000), longest: ms(15_000), factor: 2.5 }
    }
}

/// Per participant, unless said otherwise.
#[derive(Clone, Copy, Debug)]
pub struct DataLimits {
    /// Open or opening.
    pub channels: usize,
    /// Octets.
    pub message: usize,
    /// From the participant, in the long run.
    pub messages_per_second: u32,
    /// From the participant, at once.
    pub message_burst: u32,
    /// Octets queued and unacknowledged of an association.
    pub buffered: usize,
    /// Octets of the receive window.
    pub receive_window: usize,
    /// Reliable messages for a channel that is still opening.
    pub backlog_octets: usize,
    /// How long they wait.
    pub backlog_age: Duration,
    /// Messages for the server that wait for Python, per transport.
    pub server_messages: usize,
}

impl Default for DataLimits {
    fn default() -> Self {
        Self {
            channels: 64,
            message: 64 * 1024,
            messages_per_second: 200,
            message_burst: 400,
            buffered: 256 * 1024,
            receive_window: 512 * 1024,
            backlog_octets: 100_000,
            backlog_age: ms(2_000),
            server_messages: 64,
        }
    }
}
