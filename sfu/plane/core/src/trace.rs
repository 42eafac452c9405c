//! The targets of the events that the plane emits with `tracing` where it decides something.
//!
//! An event without a subscriber costs one comparison. Decisions are rare, and no event of level `INFO` or `DEBUG` is
//! emitted for each packet that is received or sent. Events for each packet have the level `TRACE`, and exist only in
//! builds with the feature `packet-events`.

macro_rules! targets {
    ($($(#[$doc:meta])* $name:ident = $label:literal),* $(,)?) => {
        $($(#[$doc])* pub const $name: &str = concat!("plane::", $label);)*

        /// All of them.
        pub const TARGETS: &[&str] = &[$($name),*];
    };
}

targets! {
    /// The commands of the application: spans, in which their consequences appear.
    COMMANDS = "commands",
    /// States of transports, each with its reason.
    TRANSPORT = "transport",
    /// Paths that are nominated, used and given up; consent to send.
    ICE = "ice",
    /// The layer that a slot forwards, and why no better one.
    LAYERS = "layers",
    /// Keyframes that are requested, withheld, ignored, or not needed because of a fast start.
    KEYFRAMES = "keyframes",
    /// Retransmissions that are refused, or requested of the publisher.
    RESENDS = "resends",
    /// What the network to a peer carries.
    ESTIMATES = "estimates",
    /// Why packets are discarded: per transport and reason the first one, the second, the fourth, and so on.
    DISCARDS = "discards",
    /// Each packet. Only in builds with the feature `packet-events`.
    PACKETS = "packets",
}

/// The prefix of all targets.
pub const PREFIX: &str = "plane::";

/// Emits an event for one packet, in builds with the feature `packet-events`.
macro_rules! packet_event {
    ($($field:tt)*) => {
        #[cfg(feature = "packet-events")]
        tracing::trace!(target: crate::trace::PACKETS, $($field)*);
    };
}
pub(crate) use packet_event;
