//! Keyframes of a track: which encoding a subscriber can begin with, how soon one comes, and asking for one.

use super::Track;
use crate::command::Kind;
use crate::layer::Layer;
use crate::time::{Duration, Instant};

impl Track {
    /// Whether packets of this encoding come.
    pub fn arrives(&self, encoding: u8, now: Instant) -> bool {
        self.encoding(encoding).is_some_and(|encoding| !encoding.life.is_silent(now))
    }

    /// The encoding to begin with for a slot that waits for `wanted`, as it may not know yet what there is: if nothing
    /// of that arrives, the best one in its ladder of which something does.
    pub fn arriving(&self, wanted: u8, ladder: &[Layer], now: Instant) -> Option<u8> {
        let arrives = |&encoding: &u8| self.arrives(encoding, now);
        if self.is_alone() {
            return Some(0).filter(arrives);
        }
        std::iter::once(wanted).chain(ladder.iter().map(|rung| rung.spatial)).find(arrives)
    }

    /// A keyframe is about to be asked for, or was: one wish more makes no difference.
    pub fn is_asking(&self, encoding: u8) -> bool {
        self.encoding(encoding).is_some_and(|encoding| encoding.keyframes.is_asking())
    }

    /// In how long a keyframe will begin to arrive for somebody who wishes for it now. None: nobody can tell.
    pub fn time_to_keyframe(&self, encoding: u8, round_trip: Duration, now: Instant) -> Option<Duration> {
        let keyframes = &self.encoding(encoding)?.keyframes;
        if self.takes_requests() { keyframes.time_to_keyframe(now, round_trip) } else { keyframes.time_by_itself(now) }
    }

    /// A subscriber needs a keyframe of this encoding. A publisher that takes no requests is sent none.
    pub fn request_keyframe(&mut self, encoding: u8, round_trip: Duration, now: Instant) {
        let takes = self.takes_requests();
        // Before its first packet a slot does not know that there is one encoding only.
        let encoding = if self.is_alone() { 0 } else { encoding };
        if let Some(encoding) = self.encodings.get_mut(usize::from(encoding)).filter(|_| takes) {
            encoding.request_keyframe(round_trip, now);
        }
    }

    /// The same for several encodings, by their bits.
    pub fn request_keyframes(&mut self, encodings: u8, round_trip: Duration, now: Instant) {
        for encoding in (0..8).filter(|encoding| encodings & 1 << encoding != 0) {
            self.request_keyframe(encoding, round_trip, now);
        }
    }

    /// It ignores requests for keyframes, or said that it takes none.
    pub fn is_deaf(&self) -> bool {
        let ignores = self.encodings.iter().any(|state| state.keyframes.is_deaf());
        self.spec.kind == Kind::Video && (ignores || !self.takes_requests())
    }

    fn takes_requests(&self) -> bool {
        self.spec.pli || self.spec.fir
    }
}
