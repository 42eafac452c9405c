//! The forwarded part of one encoding: the limit, the choice within it, and the verdict on each packet.

/// Layers above these are not forwarded.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Spatial layers within the encoding. `uppermost` is the highest one that is known to be sent.
    pub spatial: u8,
    pub temporal: u8,
    pub uppermost: u8,
}

/// The highest layers within the encoding that are forwarded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Choice {
    pub spatial: u8,
    pub temporal: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    LeftOut,
    Sends {
        /// This is the last forwarded packet of its picture.
        ends_picture: bool,
        /// The decode targets that the subscriber still gets, if the packet has a dependency descriptor.
        targets: u32,
    },
}
