//! Sequence numbers that do not wrap. The wire's u16 is gone after this file.

/// A sequence number with its rollovers in the upper bits (RFC 3711 s3.3.1 calls it the packet index).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct ExtendedSeq(pub u64);

impl ExtendedSeq {
    pub fn wire(self) -> u16 {
        self.0 as u16
    }

    pub fn rollovers(self) -> u32 {
        (self.0 >> 16) as u32
    }
}
