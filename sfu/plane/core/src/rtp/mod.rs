//! RTP packets: header (RFC 3550), header extensions (RFC 8285), sequence numbers, retransmission (RFC 4588).

pub mod clock;
pub mod elements;
pub mod extension;
pub mod header;
pub mod layers_allocation;
pub mod passed;
pub mod rtx;
pub mod sequence;
