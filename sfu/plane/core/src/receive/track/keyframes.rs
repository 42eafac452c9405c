//! Keyframes of a track: selects the encoding that a subscriber can start with, estimates the time to its next
//! keyframe, and requests keyframes.

use super::Track;
use crate::command::Kind;
use crate::receive::rung::{EncodingId, Rung};
use crate::time::{Duration, Instant};

impl Track {
    /// True if packets of this encoding arrive.
    pub fn arrives(&self, encoding: EncodingId, now: Instant) -> bool {
        self.encoding(encoding).is_some_and(|encoding| !encoding.life.is_silent(now))
    }

    /// The encoding that a slot which waits for `wanted` starts with: `wanted` if it arrives, else the best encoding in
    /// the slot's ladder that does. The slot may not know yet which encodings arrive.
    pub fn arriving(&self, wanted: EncodingId, ladder: &[Rung], now: Instant) -> Option<EncodingId> {
        let arrives = |&encoding: &EncodingId| self.arrives(encoding, now);
        if self.is_alone() {
            return self.ids.first().copied().filter(arrives);
        }
        std::iter::once(wanted).chain(ladder.iter().map(|rung| rung.encoding)).find(arrives)
    }

    /// True if a keyframe request is pending or in flight: another request would make no difference.
    pub fn is_asking(&self, encoding: EncodingId) -> bool {
        self.encoding(encoding).is_some_and(|encoding| encoding.keyframes.is_asking())
    }

    /// The time until a keyframe begins to arrive if it is requested now. None: unknown.
    pub fn time_to_keyframe(&self, encoding: EncodingId, round_trip: Duration, now: Instant) -> Option<Duration> {
        let keyframes = &self.encoding(encoding)?.keyframes;
        if self.takes_requests() { keyframes.time_to_keyframe(now, round_trip) } else { keyframes.time_by_itself(now) }
    }

    /// Requests a keyframe of this encoding for a subscriber. A publisher that supports neither PLI nor FIR is sent no
    /// request.
    pub fn request_keyframe(&mut self, encoding: EncodingId, round_trip: Duration, now: Instant) {
        let takes = self.takes_requests();
        // Before its first packet, a slot does not know that the track has a single encoding.
        let encoding = if self.is_alone() { self.ids[0] } else { encoding };
        if let Some(encoding) = self.encoding_mut(encoding).filter(|_| takes) {
            encoding.request_keyframe(round_trip, now);
        }
    }

    /// Requests keyframes of several encodings, by the bits of their places.
    pub fn request_keyframes(&mut self, encodings: u8, round_trip: Duration, now: Instant) {
        for place in 0..self.encodings.len() {
            let id = self.encodings[place].id;
            if encodings & id.bit() != 0 {
                self.request_keyframe(id, round_trip, now);
            }
        }
    }

    /// True if the publisher ignores keyframe requests or negotiated neither PLI nor FIR.
    pub fn is_deaf(&self) -> bool {
        let ignores = self.encodings.iter().any(|state| state.keyframes.is_deaf());
        self.spec.kind == Kind::Video && (ignores || !self.takes_requests())
    }

    fn takes_requests(&self) -> bool {
        self.spec.pli || self.spec.fir
    }
}
