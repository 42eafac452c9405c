//! The VP8 payload descriptor (RFC 7741 s4.2) and the few bits of the frame header that tell a keyframe and its size.

/// The numbers of a payload descriptor that count over frames, and where they stand in the payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Numbers {
    /// 7 or 15 bits.
    pub picture_id: Option<u16>,
    /// Whether it takes two octets.
    pub long_picture_id: bool,
    pub tl0_picture_index: Option<u8>,
    /// 5 bits.
    pub key_index: Option<u8>,
    /// Octets of the whole descriptor.
    pub descriptor_length: u8,
}
