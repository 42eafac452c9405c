//! The input and output of a slot.

use std::num::NonZeroU16;

use crate::command::Kind;
use crate::event::Cause;
use crate::id::TrackId;
use crate::layer::Layer;
use crate::receive::packet::Packet;
use crate::receive::rung::EncodingId;
use crate::rtp::sequence::ExtendedSeq;
use crate::send::redundancy;

/// What to rewrite in the payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Patch {
    None,
    /// 15, 8 and 5 bits (RFC 7741 s4.2).
    Vp8 {
        picture_id: u16,
        tl0: u8,
        key_index: u8,
    },
    /// 15 and 8 bits (RFC 9628 s4.2).
    Vp9 {
        picture_id: u16,
        tl0: u8,
    },
    /// The new payload type of the blocks of RFC 2198.
    Red {
        block: u8,
    },
    /// Makes RFC 2198 of a packet without it. Bit 0 of `earlier` adds the packet before it, bit 1 the one before that.
    RedMade {
        block: u8,
        earlier: u8,
    },
    /// Removes RFC 2198 for a subscriber that does not support it: only the newest block is sent.
    RedPrimary,
    /// A packet of its own with the parameter sets that precede the packet, instead of its payload.
    ParameterSets,
    /// No payload: the packet belongs to a dropped layer and arrived late, after a number was reserved for it. It is
    /// sent so that the subscriber does not ask for it again.
    Empty,
}

impl Patch {
    /// Octets of the payload of `packet` with the patch applied.
    pub fn octets(self, packet: &Packet) -> usize {
        match (self, packet.copies) {
            (Self::Empty, _) => 0,
            (Self::ParameterSets, _) => packet.parameter_sets,
            (Self::RedMade { earlier, .. }, Some(copies)) => redundancy::octets(packet.payload_length, copies, earlier),
            _ => packet.payload_length,
        }
    }

    /// The patch for one packet of a source that the subscriber is shown since number `begun`, with copies from this
    /// distance on.
    pub fn of(self, packet: &Packet, begun: u64, distance: u8) -> Self {
        let most = (1 << distance) - 1;
        match (self, packet.copies) {
            (Self::RedMade { block, .. }, Some(copies)) => {
                Self::RedMade { block, earlier: redundancy::since(copies, packet.seq, begun) & most }
            }
            _ => self,
        }
    }
}

/// What to rewrite in the dependency descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DependencyPatch {
    pub frame_number: u16,
    /// The offset that is added to template ids.
    pub templates: u8,
    /// The decode targets that the subscriber still gets, as bits. No scalability mode has more than 16 (L3T3: 9).
    pub active_targets: NonZeroU16,
}

impl DependencyPatch {
    /// None if `targets` is empty or does not fit 16 bits.
    pub fn new(frame_number: u16, templates: u8, targets: u32) -> Option<Self> {
        let active_targets = u16::try_from(targets).ok().and_then(NonZeroU16::new)?;
        Some(Self { frame_number, templates, active_targets })
    }
}

/// The kind of transmission of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transmission {
    /// The first transmission. If it is lost, RTX repairs it.
    First,
    /// The first transmission to a subscriber that has no RTX for it: its varying values are remembered.
    Remembered,
    /// A retransmission by RTX (RFC 4588) under a number of its own. Holds the number of the first transmission.
    Rtx(u16),
    /// A retransmission without RTX: the identical datagram, or nothing.
    Identical,
}

impl Transmission {
    pub fn is_first(self) -> bool {
        matches!(self, Self::First | Self::Remembered)
    }
}

/// A packet to write from the cache: everything except what changes with each transmission.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outgoing {
    pub kind: Kind,
    pub transmission: Transmission,
    pub ssrc: u32,
    /// The SRTP packet index of its SSRC; never used twice, except for the identical datagram.
    pub seq: ExtendedSeq,
    pub timestamp: u32,
    pub marker: bool,
    pub payload_type: u8,
    /// Locates the payload: `source_seq` in the cache of `encoding` of `track`.
    pub encoding: EncodingId,
    pub source_seq: ExtendedSeq,
    pub track: TrackId,
    pub patch: Patch,
    /// None: the dependency descriptor is omitted.
    pub dependency: Option<DependencyPatch>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SlotEvent {
    /// The forwarded layer changed. No layer: nothing is forwarded.
    Switched {
        layer: Option<Layer>,
        cause: Cause,
    },
    Refused {
        reason: &'static str,
    },
}

/// How to answer a NACK for one packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Nack {
    Send(Outgoing),
    /// The number was reserved for a packet that never arrived, or arrived while another encoding was shown. If the
    /// cache has it, pass it to [`handle_packet`] by [`Packet::again`]; otherwise ask the publisher.
    ///
    /// [`handle_packet`]: crate::send::slot::Slot::handle_packet
    Missing {
        encoding: EncodingId,
        seq: ExtendedSeq,
    },
    /// Just sent, sent often enough, or too old.
    Ignore,
}

/// Source packets that arrived before the keyframe or structure that precedes them. Pass the cached ones to
/// [`handle_packet`], in order, by [`Packet::again`]; otherwise the subscriber would ask for them a round trip later.
///
/// [`handle_packet`]: crate::send::slot::Slot::handle_packet
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replay {
    pub encoding: EncodingId,
    pub seqs: std::ops::RangeInclusive<u64>,
}
