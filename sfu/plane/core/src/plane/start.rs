//! Gives a picture to a sink that waits for a keyframe: from the packets since the last one, if that takes less time
//! than a request to the publisher; otherwise by a request.

use super::Plane;
use super::published::Published;
use super::sink::{Sink, Subscriber, with_sink};
use crate::command::Kind;
use crate::discard::Discard;
use crate::limits::{MEDIA_OVERHEAD, START_PACKETS};
use crate::receive::rung::EncodingId;
use crate::send::Slot;
use crate::send::compression::Compression;
use crate::time::{Duration, Instant, ms};
use crate::trace;
use crate::transport::Transport;

/// A decoder that asks for a keyframe may restart from the stored packets no more often than this.
const ANEW: Duration = ms(2_000);

impl Plane {
    /// Starts a sink that may wait for a keyframe: its source or ladder changed, or it has become able to receive.
    pub(super) fn begin(&mut self, subscriber: Subscriber, track: usize, now: Instant) {
        let (tracks, mut sinks) = self.sinks();
        let source = &tracks[track];
        let wanted = with_sink!(sinks, subscriber, track, sink => {
            sink.report(source);
            if sink.start(source, now) { None } else { sink.wanted_keyframe() }
        });
        if let Some(encoding) = wanted {
            self.request_keyframe(track, encoding, now);
        }
    }

    /// Starts all slots of a transport that has just become able to receive.
    pub(super) fn begin_slots(&mut self, key: usize, now: Instant) {
        self.steps += self.transports[key].slots.len() as u64;
        for slot in self.transports[key].slots.clone() {
            if let Some(track) = self.source(slot) {
                self.begin(Subscriber::Slot(slot), track, now);
            }
        }
    }

    /// The publisher ignores a keyframe request: starts the waiting sinks from the stored packets.
    pub(super) fn begin_without_keyframe(&mut self, track: usize, now: Instant) {
        let (tracks, mut sinks) = self.sinks();
        let source = &tracks[track];
        *sinks.steps += source.subscribers().len() as u64;
        for &subscriber in source.subscribers() {
            with_sink!(sinks, subscriber, track, sink => sink.start(source, now));
        }
    }

    /// Handles a subscriber's keyframe request (PLI, FIR): its decoder waits for a keyframe or cannot continue.
    pub(super) fn handle_keyframe_request(&mut self, slot: usize, now: Instant) {
        let Some(track) = self.shown_track(slot) else { return };
        let placed = &mut self.slots[slot];
        let Some(encoding) = placed.slot.keyframe_source() else { return };
        if self.tracks[track].track.is_deaf()
            && placed.slot.wanted_keyframe().is_none()
            && placed.slot.caught_up().is_none_or(|at| now.saturating_duration_since(at) >= ANEW)
        {
            let cost = self.tracks[track].track.encoding(encoding).map_or(0, |kept| kept.start().cost(MEDIA_OVERHEAD));
            if !self.transports[placed.transport].starts.allows(cost, now) {
                let key = placed.transport;
                tracing::debug!(
                    target: trace::KEYFRAMES, slot = placed.slot.spec.id.0,
                    "fast start withheld: the peer's limit is used up"
                );
                return self.discard(key, Discard::RepairLimit, 1);
            }
            placed.slot.interrupt();
            let (tracks, mut sinks) = self.sinks();
            if sinks.peer(slot, track).start(&tracks[track], now) {
                return;
            }
        }
        if self.tracks[track].track.is_asking(encoding) || self.slots[slot].slot.cold.keyframe_budget.allow(now) {
            self.request_keyframe(track, encoding, now);
        } else {
            self.trace_withheld(slot);
        }
    }

    /// The subscriber receives again after an outage: requests a keyframe, as its decoder waits for packets that are no
    /// longer stored.
    pub(super) fn resume_picture(&mut self, slot: usize, now: Instant) {
        let Some(track) = self.shown_track(slot) else { return };
        let placed = &mut self.slots[slot];
        if placed.slot.spec.kind == Kind::Video
            && let Some(encoding) = placed.slot.encoding()
        {
            if self.tracks[track].track.is_asking(encoding) || placed.slot.cold.keyframe_budget.allow_unasked(now) {
                self.request_keyframe(track, encoding, now);
            } else {
                self.trace_withheld(slot);
            }
        }
    }

    fn trace_withheld(&self, slot: usize) {
        let slot = self.slots[slot].slot.spec.id.0;
        tracing::debug!(target: trace::KEYFRAMES, slot, "request withheld: the subscriber's limit is used up");
    }

    pub(super) fn resume_pictures(&mut self, key: usize, now: Instant) {
        self.steps += self.transports[key].slots.len() as u64;
        for slot in self.transports[key].slots.clone() {
            self.resume_picture(slot, now);
        }
    }

    fn request_keyframe(&mut self, track: usize, encoding: EncodingId, now: Instant) {
        let publisher = self.tracks[track].transport;
        let round_trip = self.transports[publisher].round_trip.get();
        self.tracks[track].track.request_keyframe(encoding, round_trip, now);
    }

    /// The track that the slot is to show, if its peer can receive.
    fn shown_track(&self, slot: usize) -> Option<usize> {
        let placed = &self.slots[slot];
        self.source(slot).filter(|_| self.transports[placed.transport].sends(placed.slot.kind()))
    }
}

/// Sends the packets since the last keyframe to a slot that waits for one, if that ends before a requested keyframe
/// could arrive: the time at the rate of the subscriber's pacer is compared to a round trip to the publisher and its
/// usual time to a keyframe. Returns true if the slot no longer waits. `keys` are those of the slot and its track. Each
/// packet that is looked at counts as a step.
pub(super) fn fast(
    published: &Published,
    keys: (usize, usize),
    slot: &mut Slot,
    transport: &mut Transport,
    round_trip: Duration,
    now: Instant,
    steps: &mut u64,
) -> bool {
    let Some(wanted) = slot.wanted_keyframe() else { return false };
    let track = &published.track;
    let Some(place) = track.arriving(wanted, slot.ladder(), now) else { return false };
    let Some(encoding) = track.encoding(place).filter(|encoding| !encoding.start().is_empty()) else { return false };
    let start = encoding.start();
    // The picture would jump back to what was already shown.
    if slot.encoding().is_some() && start.age(now) > slot.room(now) {
        return false;
    }
    // If the publisher ignores requests, there is nothing better, even with missing packets.
    if slot.encoding() == Some(place) || !(start.is_whole() || track.is_deaf()) {
        return false;
    }
    let cost = start.cost(MEDIA_OVERHEAD);
    if start.packets_to_send() > START_PACKETS || !transport.starts.allows(cost, now) {
        return false;
    }
    let time = start.time_to_send(transport.pacer.rate());
    let asking = track.time_to_keyframe(place, round_trip, now);
    if asking.is_some_and(|asking| asking <= time) {
        return false;
    }
    let Some(span) = start.span() else { return false };
    let compression = Compression::new(&span, place, time, slot.room(now), now);
    transport.starts.take(cost);
    *steps += start.len() as u64;
    let packets = start.packets(place, track.is_alone(), encoding.stream.clock());
    let began = slot.catch_up(compression, packets, now, |outgoing, octets| {
        transport.send(keys.0, keys.1, outgoing, octets, now);
    });
    if slot.poll_anew() {
        transport.report_soon(now);
    }
    tracing::debug!(
        target: trace::KEYFRAMES, slot = slot.spec.id.0, encoding = ?place, packets = start.len(), octets = cost, began,
        "started from cached packets"
    );
    began && slot.wanted_keyframe().is_none()
}
