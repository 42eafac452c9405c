//! The sink of a peer: a slot, which sends by the transport of its participant.

use std::collections::VecDeque;

use super::{Sink, Update};
use crate::command::Kind;
use crate::event::Event;
use crate::layer::{Ladder, Layer, Lives};
use crate::plane::media::{leave, replay};
use crate::plane::published::Published;
use crate::plane::transports::Transports;
use crate::plane::{report, start};
use crate::receive::packet::Packet;
use crate::receive::rung::{EncodingId, Rung};
use crate::send::Slot;
use crate::time::Instant;

/// A slot and the arena key of its transport.
pub(in crate::plane) struct Placed {
    pub slot: Slot,
    pub transport: usize,
    /// The ladder that was set last, numbered by the encodings that a spec lists.
    requested: Ladder,
}

impl Placed {
    pub fn new(slot: Slot, transport: usize) -> Self {
        let requested = slot.ladder().iter().map(|rung| rung.layer).collect();
        Self { slot, transport, requested }
    }

    /// Sets the ladder, numbered by the encodings that the spec of its source lists. Returns the encodings that it did
    /// not want before, or the spatial layers of the only one, as bits.
    pub fn set_ladder(&mut self, requested: Ladder, source: Option<&Published>) -> u8 {
        let before = listed(self.slot.ladder());
        self.requested = requested;
        self.slot.set_ladder(self.ladder(source));
        listed(self.slot.ladder()) & !before
    }

    /// Uses the ladder that was set last, if that means other encodings now.
    fn use_requested(&mut self, source: Option<&Published>) {
        let ladder = self.ladder(source);
        if self.slot.ladder() != ladder {
            self.slot.set_ladder(ladder);
        }
    }

    /// The ladder that was set last, with the encodings of the source. Empty: the source is muted.
    fn ladder(&self, source: Option<&Published>) -> Vec<Rung> {
        match source {
            Some(source) if source.muted => Vec::new(),
            Some(source) => source.track.ladder(&self.requested),
            None => self.requested.iter().map(|&layer| layer.into()).collect(),
        }
    }
}

/// A slot with all that it changes.
pub(in crate::plane) struct PeerSink<'a> {
    /// The arena keys of the slot and of its track.
    pub keys: (usize, usize),
    pub placed: &'a mut Placed,
    pub transports: &'a mut Transports,
    pub events: &'a mut VecDeque<Event>,
    pub steps: &'a mut u64,
    /// Transports that may try a picture although nothing is heard of their peers.
    pub tried: &'a mut Vec<usize>,
}

impl PeerSink<'_> {
    /// True if the peer may be sent media of this kind.
    fn sends_media(&self) -> bool {
        self.transports[self.placed.transport].sends(self.placed.slot.kind())
    }
}

impl Sink for PeerSink<'_> {
    fn set_source(&mut self, source: &Published) {
        self.transports[self.placed.transport].sending.renew();
        self.placed.slot.muted = source.muted;
        self.placed.slot.set_source(Some(source.id()), source.track.lives());
        self.placed.use_requested(Some(source));
    }

    fn source_removed(&mut self) {
        self.placed.slot.muted = false;
        self.placed.slot.set_source(None, Lives::default());
        self.placed.use_requested(None);
        report(self.events, &mut self.placed.slot, None);
    }

    /// Its ladder names the same encodings as before, wherever the new spec lists them, until the application sets
    /// another; a new encoding in the place of a removed one takes its rung.
    fn source_updated(&mut self, source: &Published, update: &Update) {
        let Placed { slot, requested, .. } = &mut *self.placed;
        for &encoding in update.gone {
            slot.encoding_removed(encoding);
        }
        if update.renumbers {
            renumber(requested, update.before, source.track.ids());
        }
        slot.report_layer_again();
        self.placed.use_requested(Some(source));
    }

    /// Its ladder stays, and applies again when the mute ends.
    fn source_muted(&mut self, source: &Published) {
        let ladder = self.placed.ladder(Some(source));
        self.placed.slot.set_muted(source.muted, ladder);
    }

    fn source_restarted(&mut self, encoding: EncodingId) {
        self.placed.slot.source_restarted(encoding);
    }

    fn source_resumed(&mut self) {
        self.placed.slot.source_resumed();
    }

    fn set_lives(&mut self, lives: Lives) -> bool {
        self.placed.slot.set_lives(lives);
        self.sends_media() && self.placed.slot.poll_keyframe_request().is_some()
    }

    fn report(&mut self, source: &Published) {
        report(self.events, &mut self.placed.slot, Some(source));
    }

    fn wanted(&self) -> u8 {
        if self.placed.slot.is_refusing() { 0 } else { listed(self.placed.slot.ladder()) }
    }

    fn wanted_keyframe(&self) -> Option<EncodingId> {
        self.placed.slot.wanted_keyframe().filter(|_| self.sends_media())
    }

    fn start(&mut self, source: &Published, now: Instant) -> bool {
        if !self.sends_media() {
            return false;
        }
        let round_trip = self.transports[source.transport].round_trip.get();
        let transport = self.transports.sending(self.placed.transport);
        let started = start::fast(source, self.keys, &mut self.placed.slot, transport, round_trip, now, self.steps);
        self.report(source);
        started
    }

    /// No numbers are assigned for a peer that cannot receive: a gap of 2^15 would break its rollover counter.
    #[inline]
    fn is_ready(&mut self, now: Instant) -> bool {
        if self.sends_media() {
            return true;
        }
        let key = self.placed.transport;
        if !self.placed.slot.is_paused()
            && self.transports[key].may_try_picture(now)
            && self.transports[key].sending.try_picture(now)
        {
            self.tried.push(key);
        }
        false
    }

    #[inline]
    fn handle_packet(&mut self, source: &Published, packet: &Packet, now: Instant) -> Option<EncodingId> {
        let Self { keys, placed: Placed { slot, transport: key, .. }, transports, events, steps, .. } = self;
        let mut wanted = None;
        if slot.kind() == Kind::Audio {
            let is_silent = transports[*key].unacknowledged.is_silent();
            slot.set_distance(if is_silent { 0 } else { slot.cold.protection.distance() });
        }
        if let Some(outgoing) = slot.handle_packet(packet, now) {
            let transport = transports.sending(*key);
            leave(*keys, slot, transport, packet, outgoing, now);
            **steps += replay(source, *keys, slot, transport, now);
            if slot.poll_anew() {
                transport.report_soon(now);
            }
        } else if let Some(encoding) = slot.poll_keyframe_request() {
            let round_trip = transports[source.transport].round_trip.get();
            let transport = transports.sending(*key);
            let started = start::fast(source, *keys, slot, transport, round_trip, now, steps);
            wanted = Some(encoding).filter(|_| !started);
        }
        report(events, slot, Some(source));
        wanted
    }
}

/// The encodings or spatial layers of a ladder, as bits.
fn listed(ladder: &[Rung]) -> u8 {
    ladder.iter().fold(0, |bits, rung| bits | 1 << (rung.layer.spatial & 7))
}

/// Changes a ladder of indices in the list `before` to those in the list `now`. The rung of a removed encoding goes to
/// the new one in its place, if there is one. If no rung remains, the ladder stays: it names encodings by the new list.
fn renumber(ladder: &mut Ladder, before: &[EncodingId], now: &[EncodingId]) {
    let index = |layer: &Layer| {
        let was = *before.get(usize::from(layer.spatial))?;
        let index = now.iter().position(|&id| id == was || id == was.successor())?;
        Some(Layer { spatial: index as u8, ..*layer })
    };
    let renumbered: Ladder = ladder.iter().filter_map(index).collect();
    if !renumbered.is_empty() {
        *ladder = renumbered;
    }
}
