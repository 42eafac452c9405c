//! What of one encoding is let through: the limit that is set, the choice that is made within it, and the verdict on each
//! packet.

/// Nothing of a picture above these is let through.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Within the encoding, as is `uppermost`: the highest spatial layer that is known to be sent.
    pub spatial: u8,
    pub temporal: u8,
    pub uppermost: u8,
}

/// The highest layers, within the encoding, that are let through.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Choice {
    pub spatial: u8,
    pub temporal: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    LeftOut,
    Sends {
        /// The last packet of what leaves of its picture.
        ends_picture: bool,
        /// Decode targets that are left for the subscriber, if the packet has a dependency descriptor.
        targets: u32,
    },
}
