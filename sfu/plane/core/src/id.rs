//! The ids that the application and the plane share. The caller chooses them; they are never used twice.

/// The number of low bits that count within a worker. The bits above are the worker's number.
pub const WORKER_SHIFT: u32 = 40;

/// Set in the ids of channels that a peer opens, which the caller does not choose.
pub const PEER_OPENED: u64 = 1 << 39;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub struct $name(pub u64);

        impl $name {
            /// The worker that it belongs to.
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
    /// A track that a participant publishes.
    TrackId
);
id!(
    /// A receive section of a transport.
    SlotId
);
id!(
    /// A room: the participants that may hear one another.
    RoomId
);
id!(
    /// One data channel of a participant.
    ChannelId
);
id!(
    /// A group of data channels that exchange messages.
    GroupId
);

/// What carries datagrams to a peer: the worker's UDP port, which is always there, or one TCP connection (RFC 4571). The
/// socket layer numbers the connections of a worker, and never uses a number twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct LinkId(pub u64);

impl LinkId {
    /// The worker's UDP port.
    pub const UDP: LinkId = LinkId(0);

    /// True if it is a TCP connection.
    pub fn is_tcp(self) -> bool {
        self != LinkId::UDP
    }
}
