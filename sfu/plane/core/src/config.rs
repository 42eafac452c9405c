//! The configuration of a plane. Fixed bounds are in [`crate::limits`]. Other numbers from an RFC or from
//! libwebrtc are `const` beside their use.

use std::sync::Arc;

use crate::dtls::Identity;
use crate::time::{Duration, WallClock, ms};

/// The configuration of a plane, set once.
#[derive(Clone)]
pub struct Config {
    /// The seed of every random number except keys and tags.
    pub seed: u64,
    /// The certificate of the process.
    pub identity: Arc<Identity>,
    /// The clock for RTCP timestamps.
    pub wall_clock: WallClock,
    /// The worker's number, which is part of the ids of channels that peers open.
    pub worker: u64,
    /// How long a peer may be silent.
    pub silence: Silence,
    /// Bounds on data channels.
    pub data: DataLimits,
}

/// How long a peer may send nothing authenticated before it is `disconnected`.
#[derive(Clone, Copy, Debug)]
pub struct Silence {
    /// The limit for a peer that was sent packets with transport-wide numbers in the last second and has returned
    /// feedback before.
    pub with_feedback: Duration,
    /// The least limit for any other peer. Its limit is `factor` times the longest gap of its last minute, but at least
    /// `shortest` and at most `longest`.
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

/// Limits on data channels, per participant unless stated otherwise.
#[derive(Clone, Copy, Debug)]
pub struct DataLimits {
    /// Channels that are open or opening.
    pub channels: usize,
    /// Octets.
    pub message: usize,
    /// Messages from the participant per second, in the long run.
    pub messages_per_second: u32,
    /// Messages from the participant at once.
    pub message_burst: u32,
    /// Queued and unacknowledged octets of an association.
    pub buffered: usize,
    /// Octets of the receive window.
    pub receive_window: usize,
    /// Octets of reliable messages that wait for a channel that is still opening.
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
