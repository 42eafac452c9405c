//! The receivers of a track's packets. The media path asks a sink what it needs, informs it of changes of its source, and
//! passes packets to it; the sink decides how to send or store them. Only the sink of a peer has a transport.
//!
//! ```text
//! handle_media ----> deliver -> Sink { is_ready  handle_packet -> keyframe request }
//! subscribers  ---------------> Sink { set_source  source_*  set_lives  report  wanted*  start }
//!                               PeerSink: a slot, its transport         a tap: neither
//! ```

mod peer;
#[cfg(test)]
mod tap;

use std::collections::VecDeque;

use slab::Slab;

use super::Plane;
use super::arena::Arena;
use super::published::Published;
use super::transports::Transports;
use crate::event::Event;
use crate::layer::Lives;
use crate::receive::packet::Packet;
use crate::receive::rung::EncodingId;
use crate::time::Instant;

pub(super) use peer::{PeerSink, Placed};
#[cfg(test)]
pub(super) use tap::Tap;

/// Names a receiver of a track's packets, by its kind and its arena key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Subscriber {
    /// The slot of a peer.
    Slot(usize),
    /// A recorder without a transport, for tests.
    #[cfg(test)]
    Tap(usize),
}

/// A receiver of a track's packets. Its calls are dispatched statically, by [`with_sink`].
pub(super) trait Sink {
    /// From now on it receives this track. Nothing happens if it does already.
    fn set_source(&mut self, source: &Published);

    /// From now on it receives no track.
    fn source_removed(&mut self);

    /// The spec of the track changed.
    fn source_updated(&mut self, source: &Published, update: &Update);

    /// The track was muted, or no longer is.
    fn source_muted(&mut self, source: &Published);

    /// An encoding became another stream: its numbers restart.
    fn source_restarted(&mut self, encoding: EncodingId);

    /// The source continues after its packets were held back for all sinks.
    fn source_resumed(&mut self);

    /// Sets which encodings of the source arrive. Returns true if it newly needs a keyframe.
    fn set_lives(&mut self, lives: Lives) -> bool;

    /// Reports to the application what changed since the last call, if it reports anything.
    fn report(&mut self, source: &Published);

    /// The encodings of its source that it wants, or the spatial layers of the only one, as bits.
    fn wanted(&self) -> u8;

    /// The encoding whose keyframe it waits for. None also while it cannot receive: it would miss the keyframe.
    fn wanted_keyframe(&self) -> Option<EncodingId>;

    /// Starts with the packets since the last keyframe, if it waits for one and this takes less time than a request.
    /// Returns true if it no longer waits.
    fn start(&mut self, source: &Published, now: Instant) -> bool;

    /// True if it can take packets now.
    fn is_ready(&mut self, now: Instant) -> bool;

    /// Takes a packet of any encoding, or ignores it; the payload is in the cache of `source`. Returns the encoding whose
    /// keyframe it newly needs.
    fn handle_packet(&mut self, source: &Published, packet: &Packet, now: Instant) -> Option<EncodingId>;
}

/// What changed with the spec of a track.
pub(super) struct Update<'a> {
    /// The removed encodings.
    pub gone: &'a [EncodingId],
    /// The encodings of the spec before, in its order.
    pub before: &'a [EncodingId],
    /// Ladders of indices in that order mean the same encodings in the new order.
    pub renumbers: bool,
}

/// What happened to the encoding of a packet before it.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Before {
    /// It became another stream.
    pub restarted: bool,
    /// Packets of its track were held back.
    pub resumed: bool,
}

/// Hands a packet to a sink. Returns the encoding whose keyframe the sink newly needs.
#[inline]
pub(super) fn deliver<S: Sink>(
    sink: &mut S,
    source: &Published,
    packet: &Packet,
    before: Before,
    now: Instant,
) -> Option<EncodingId> {
    if before.restarted {
        sink.source_restarted(packet.encoding);
    }
    if before.resumed {
        sink.source_resumed();
    }
    if !sink.is_ready(now) {
        return None;
    }
    sink.handle_packet(source, packet, now)
}

/// Everything that sinks change.
pub(super) struct Sinks<'a> {
    pub slots: &'a mut Slab<Placed>,
    pub transports: &'a mut Transports,
    pub events: &'a mut VecDeque<Event>,
    /// See [`Plane::steps`].
    pub steps: &'a mut u64,
    /// Transports that may try a picture although nothing is heard of their peers.
    pub tried: Vec<usize>,
    #[cfg(test)]
    pub taps: &'a mut Slab<Tap>,
}

impl Sinks<'_> {
    /// The sink of a slot, which shows the track with this arena key.
    #[inline]
    pub fn peer(&mut self, slot: usize, track: usize) -> PeerSink<'_> {
        let Self { slots, transports, events, steps, tried, .. } = self;
        PeerSink { keys: (slot, track), placed: &mut slots[slot], transports, events, steps, tried }
    }
}

/// Evaluates an expression with the sink of a subscriber, once for each kind of sink.
macro_rules! with_sink {
    ($sinks:ident, $subscriber:expr, $track:expr, $sink:ident => $body:expr) => {
        match $subscriber {
            $crate::plane::sink::Subscriber::Slot(key) => {
                let $sink = &mut $sinks.peer(key, $track);
                $body
            }
            #[cfg(test)]
            $crate::plane::sink::Subscriber::Tap(key) => {
                let $sink = &mut $sinks.taps[key];
                $body
            }
        }
    };
}
pub(super) use with_sink;

impl Plane {
    /// The tracks, and everything that their sinks change.
    #[inline]
    pub(super) fn sinks(&mut self) -> (&Arena<Published>, Sinks<'_>) {
        let Self { tracks, slots, transports, events, steps, .. } = self;
        #[cfg(test)]
        let taps = &mut self.taps;
        let sinks = Sinks {
            slots,
            transports,
            events,
            steps,
            tried: Vec::new(),
            #[cfg(test)]
            taps,
        };
        (tracks, sinks)
    }
}
