//! What goes into a slot and comes out of it.

use std::num::NonZeroU16;

use crate::codec::{Description, PayloadType};
use crate::command::Kind;
use crate::event::Cause;
use crate::id::TrackId;
use crate::layer::Layer;
use crate::receive::cache::Cached;
use crate::rtp::clock::SenderClock;
use crate::rtp::sequence::ExtendedSeq;
use crate::send::redundancy::{self, Copies};
use crate::time::Instant;

/// A packet of the slot's source, as it came.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    pub encoding: u8,
    /// The only one of its track: layers to choose from are within it (SVC).
    pub alone: bool,
    /// Keyframes of its encoding cannot be recognised: it is encrypted end to end, and has no dependency descriptor.
    pub encrypted: bool,
    pub seq: ExtendedSeq,
    pub timestamp: u32,
    pub marker: bool,
    /// The publisher's.
    pub payload_type: &'a PayloadType,
    pub payload_length: usize,
    pub description: &'a Description,
    /// Of its encoding.
    pub clock: Option<SenderClock>,
    /// It came late, or by RTX: a newer one of its encoding came before.
    pub recovered: bool,
    pub received: Instant,
    /// Octets of the parameter sets that a decoder needs before it; 0: none.
    pub parameter_sets: usize,
    /// What may go along with it for subscribers that take redundancy (RFC 2198). None: nothing shall be made of it.
    pub copies: Option<Copies>,
}

impl<'a> Packet<'a> {
    /// One that the cache has, once more: for a number that a subscriber misses and never got ([`Nack::Missing`]).
    pub fn again(cached: &'a Cached, encoding: u8, clock: Option<SenderClock>) -> Self {
        Self {
            encoding,
            alone: false,
            encrypted: false,
            seq: cached.seq,
            timestamp: cached.timestamp,
            marker: cached.marker,
            payload_type: &cached.payload_type,
            payload_length: cached.payload.len(),
            description: &cached.description,
            clock,
            recovered: true,
            received: cached.received,
            parameter_sets: cached.parameter_sets.len(),
            copies: None,
        }
    }

    /// Octets of its payload as it leaves.
    pub fn octets(&self, patch: Patch) -> usize {
        match (patch, self.copies) {
            (Patch::Empty, _) => 0,
            (Patch::ParameterSets, _) => self.parameter_sets,
            (Patch::RedMade { earlier, .. }, Some(copies)) => redundancy::octets(self.payload_length, copies, earlier),
            _ => self.payload_length,
        }
    }
}

/// What to exchange in the payload.
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
    /// The payload type of the blocks of RFC 2198.
    Red {
        block: u8,
    },
    /// RFC 2198, made of a packet without it and, by bit, of the one before it and the one before that.
    RedMade {
        block: u8,
        earlier: u8,
    },
    /// RFC 2198 for a subscriber who does not speak it: the newest block alone.
    RedPrimary,
    /// The parameter sets that go before it, in a packet of their own, instead of its payload.
    ParameterSets,
    /// No payload: a number was kept free for a packet of a layer that is left out, and it came late. Nobody shall ask
    /// for it again.
    Empty,
}

impl Patch {
    /// The same for one packet of a source that the subscriber is shown since number `begun`.
    pub fn of(self, packet: &Packet, begun: u64) -> Self {
        match (self, packet.copies) {
            (Self::RedMade { block, .. }, Some(copies)) => {
                Self::RedMade { block, earlier: redundancy::since(copies, packet.seq, begun) }
            }
            _ => self,
        }
    }
}

/// What to exchange in the dependency descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DependencyPatch {
    pub frame_number: u16,
    /// What is added to template ids.
    pub templates: u8,
    /// Decode targets that are left, as bits. More than 16 no scalability mode has (L3T3: 9).
    pub active_targets: NonZeroU16,
}

impl DependencyPatch {
    /// None: of these targets there is none that a subscriber could be told of.
    pub fn new(frame_number: u16, templates: u8, targets: u32) -> Option<Self> {
        let active_targets = u16::try_from(targets).ok().and_then(NonZeroU16::new)?;
        Some(Self { frame_number, templates, active_targets })
    }
}

/// Which transmission of a packet it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transmission {
    /// The first. If it is lost, RTX repairs it.
    First,
    /// The first, to a subscriber who has no RTX for it: what varies is remembered.
    Remembered,
    /// Sent again by RTX (RFC 4588), under a number of its own: the one it left under first.
    Rtx(u16),
    /// Sent again as it was, for want of RTX: the identical datagram, or nothing.
    Identical,
}

impl Transmission {
    pub fn is_first(self) -> bool {
        matches!(self, Self::First | Self::Remembered)
    }
}

/// A packet to write from the cache: all but what changes with each transmission.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outgoing {
    pub kind: Kind,
    pub transmission: Transmission,
    pub ssrc: u32,
    /// The SRTP packet index of its SSRC; never given out twice, but for the identical datagram.
    pub seq: ExtendedSeq,
    pub timestamp: u32,
    pub marker: bool,
    pub payload_type: u8,
    /// Where the payload is: `source_seq` in the cache of `encoding` of `track`.
    pub encoding: u8,
    pub source_seq: ExtendedSeq,
    pub track: TrackId,
    pub patch: Patch,
    /// Without, a descriptor is left out.
    pub dependency: Option<DependencyPatch>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SlotEvent {
    /// What leaves changed; no layer: nothing does.
    Switched {
        layer: Option<Layer>,
        cause: Cause,
    },
    Refused {
        reason: &'static str,
    },
}

/// What to do about a packet the subscriber misses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Nack {
    Send(Outgoing),
    /// Its number was kept free for a packet that never came, or came when another encoding was shown. If the cache has
    /// it, hand it to [`handle_packet`] by [`Packet::again`]; else ask the publisher.
    ///
    /// [`handle_packet`]: crate::send::slot::Slot::handle_packet
    Missing {
        encoding: u8,
        seq: ExtendedSeq,
    },
    /// Just sent, sent often enough, or too old.
    Ignore,
}

/// Source packets that came before the beginning of their picture did. Hand those that the cache has to
/// [`handle_packet`], in order, by [`Packet::again`]; the subscriber would ask for them a round trip later.
///
/// [`handle_packet`]: crate::send::slot::Slot::handle_packet
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replay {
    pub encoding: u8,
    pub seqs: std::ops::RangeInclusive<u64>,
}
