//! The numbers that name things across the seam. The caller chooses them; they are never used twice.

/// How many low bits count within a worker; the bits above name the worker.
pub const WORKER_SHIFT: u32 = 40;

/// Channels that a peer opens have no id of the caller's: theirs have this bit set.
pub const PEER_OPENED: u64 = 1 << 39;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub struct $name(pub u64);

        impl $name {
            /// Which worker it lives on.
            pub fn worker(self) -> usize {
                (self.0 >> WORKER_SHIFT) as usize
            }
        }
    };
}

id!(
    /// One ICE + DTLS + SRTP bundle with a participant.
    TransportId
);
id!(
    /// What a participant publishes.
    TrackId
);
id!(
    /// A receive section of a transport.
    SlotId
);
id!(
    /// Those who may hear one another, as far as their sound goes.
    RoomId
);
id!(
    /// One data channel of a participant.
    ChannelId
);
id!(
    /// Data channels that reach one another.
    GroupId
);
