//! Determines which encodings of a track flow, from the packets and from the sender's layers allocation.

use super::Track;
use crate::layer::Lives;
use crate::receive::life::Life;
use crate::receive::pulse::Pulse;
use crate::receive::rung::EncodingId;
use crate::rtp::layers_allocation::LayersAllocation;
use crate::time::Instant;

impl Track {
    /// Applies a layers allocation that a packet of `encoding` carried. An allocation that numbers the streams
    /// differently from the offer is ignored.
    pub(super) fn allocate(&mut self, encoding: EncodingId, mut allocation: LayersAllocation) {
        if self.ids.get(usize::from(allocation.stream)) != Some(&encoding) {
            return;
        }
        let before = self.allocation.take();
        if let Some(before) = &before {
            allocation.complete_from(before);
        }
        let sent = |allocation: &LayersAllocation, stream: usize| {
            allocation.stream(stream).fold(0, |bits, (spatial, _)| bits | 1_u8 << spatial)
        };
        for (stream, id) in self.ids.iter().enumerate() {
            let before = before.as_ref().map_or(u8::MAX, |before| sent(before, stream));
            self.encodings[id.place()].life.allocate(before, sent(&allocation, stream));
        }
        self.allocation = Some(allocation);
    }

    /// Marks encodings that subscribers want now and did not want before, as bits; of a single encoding, its spatial
    /// layers.
    pub fn expect(&mut self, wanted: u8) {
        if self.is_alone() {
            return self.encodings[0].life.expect(wanted);
        }
        let places = self.encodings.iter_mut().take(8).enumerate();
        places.filter(|(at, _)| wanted >> at & 1 != 0).for_each(|(_, state)| state.life.expect(u8::MAX));
    }

    /// Decides whether silent encodings have stopped. Media of the transport flowed in every silence that began before
    /// `elsewhere`.
    pub fn handle_silence(&mut self, elsewhere: Option<Instant>, now: Instant) {
        let pulses: Vec<Pulse> = self.encodings.iter().filter_map(|state| state.life.pulse()).collect();
        self.encodings.iter_mut().for_each(|state| state.life.handle_silence(&pulses, elsewhere, now));
    }

    /// Which encodings flow and which have stopped; of a single encoding, which spatial layers.
    pub fn lives(&self) -> Lives {
        if self.is_alone() {
            return self.encodings[0].life.lives();
        }
        let bits = |is: fn(&Life) -> bool| {
            let places = self.encodings.iter().take(8).enumerate();
            places.fold(0, |bits, (at, state)| bits | u8::from(is(&state.life)) << at)
        };
        Lives { flowing: bits(Life::is_flowing), stopped: bits(Life::has_stopped) }
    }

    /// Returns [`Track::lives`] if it changed since the last call.
    pub fn poll_lives(&mut self, now: Instant) -> Option<Lives> {
        let lives = self.lives();
        if std::mem::replace(&mut self.lives, lives) == lives {
            return None;
        }
        self.set_layers_due(now);
        Some(lives)
    }
}
