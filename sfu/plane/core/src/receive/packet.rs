//! A received packet in the form in which an encoding offers it to subscribers. Its payload stays in the cache.

use crate::codec::{Description, PayloadType};
use crate::receive::cache::Cached;
use crate::receive::rung::EncodingId;
use crate::rtp::clock::SenderClock;
use crate::rtp::sequence::ExtendedSeq;
use crate::time::Instant;

/// The most earlier packets that are copied into one (RFC 2198). libwebrtc: audio_encoder_copy_red.cc has one by default
/// and accepts up to nine.
pub const MOST_COPIES: usize = 2;

/// Octets of the packets that may be copied into a packet: the one before it, then the one before that. 0: not copied.
pub type Copies = [u16; MOST_COPIES];

/// A packet of an encoding, as received.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Its encoding in the track.
    pub encoding: EncodingId,
    /// The encoding is the only one of its track: the layers to choose from are within it (SVC).
    pub alone: bool,
    /// Keyframes of its encoding cannot be recognised: it is end-to-end encrypted and has no dependency descriptor.
    pub encrypted: bool,
    /// Its number within its encoding.
    pub seq: ExtendedSeq,
    /// As on the wire.
    pub timestamp: u32,
    /// As on the wire.
    pub marker: bool,
    /// The publisher's payload type.
    pub payload_type: &'a PayloadType,
    /// Octets; zero if the packet is padding only.
    pub payload_length: usize,
    /// What its payload and its dependency descriptor state.
    pub description: &'a Description,
    /// The sender's clock for its encoding.
    pub clock: Option<SenderClock>,
    /// The packet arrived late or by RTX, after a newer one of its encoding.
    pub recovered: bool,
    /// When it arrived.
    pub received: Instant,
    /// Octets of the parameter sets that a decoder needs before it; 0 if there are none.
    pub parameter_sets: usize,
    /// The earlier packets that may be copied into it for subscribers that take redundancy (RFC 2198). None: no
    /// redundancy is added to it.
    pub copies: Option<Copies>,
}

impl<'a> Packet<'a> {
    /// A packet from the cache, without what its track knows of it.
    pub fn again(cached: &'a Cached, encoding: EncodingId, clock: Option<SenderClock>) -> Self {
        Self {
            encoding,
            alone: false,
            encrypted: false,
            seq: cached.seq,
            timestamp: cached.timestamp,
            marker: cached.marker,
            payload_type: &cached.payload_type,
            payload_length: cached.payload_length,
            description: &cached.description,
            clock,
            recovered: true,
            received: cached.received,
            parameter_sets: cached.parameter_sets.len(),
            copies: None,
        }
    }
}
