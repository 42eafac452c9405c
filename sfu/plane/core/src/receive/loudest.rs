//! Selects the loudest microphones of a room. If the room asks for it, only those are forwarded.
//!
//! Jitsi: DominantSpeakerIdentification, energyRanking. One difference: a selected microphone stays selected until
//! another is clearly louder, so that two of the same level do not alternate packet by packet.

use crate::id::TrackId;
use crate::time::{Duration, Instant, ms};

/// A microphone that sends nothing for this long is no longer selected, and its average restarts. Jitsi:
/// energyExpireTimeMs.
const EXPIRY: Duration = ms(150);
/// How much louder than the quietest selected microphone another must be to replace it: twice the energy.
const MARGIN: u16 = 3 * DECIBEL;
/// Energies are in this fraction of a decibel.
const DECIBEL: u16 = 256;
const SILENT: u8 = 127;

#[derive(Clone, Copy, Debug)]
struct Voice {
    track: TrackId,
    /// In 1/256 dB above silence, a moving average in which the newest packet counts for one half. Jitsi:
    /// energyAlphaPct.
    energy: u16,
    heard: Instant,
    is_in: bool,
}

impl Voice {
    fn is_there(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.heard) < EXPIRY
    }
}

/// The microphones of one room, sorted by track.
#[derive(Clone, Debug, Default)]
pub struct Loudest {
    most: usize,
    voices: Vec<Voice>,
}

impl Loudest {
    /// Sets how many microphones are selected at most.
    pub fn set_most(&mut self, most: usize) {
        self.most = most;
        while self.voices.iter().filter(|voice| voice.is_in).count() > most {
            let quietest = self.voices.iter_mut().filter(|voice| voice.is_in).min_by_key(|voice| voice.energy);
            quietest.into_iter().for_each(|voice| voice.is_in = false);
        }
    }

    pub fn remove(&mut self, track: TrackId) {
        self.voices.retain(|voice| voice.track != track);
    }

    /// Handles a packet of `level` (-dBov). Returns true if its track is selected.
    pub fn handle_level(&mut self, track: TrackId, level: u8, now: Instant) -> bool {
        let energy = u16::from(SILENT.saturating_sub(level)) * DECIBEL;
        let place = self.voices.binary_search_by_key(&track, |voice| voice.track).unwrap_or_else(|place| {
            self.voices.insert(place, Voice { track, energy, heard: now, is_in: false });
            place
        });
        let voice = &mut self.voices[place];
        if voice.is_there(now) {
            voice.energy = voice.energy.midpoint(energy);
        } else {
            (voice.energy, voice.is_in) = (energy, false);
        }
        voice.heard = now;
        if voice.is_in {
            return true;
        }
        let energy = voice.energy;
        let mut count = 0;
        let mut quietest: Option<&mut Voice> = None;
        for voice in self.voices.iter_mut().filter(|voice| voice.is_in) {
            if !voice.is_there(now) {
                voice.is_in = false;
                continue;
            }
            count += 1;
            if quietest.as_ref().is_none_or(|quietest| voice.energy < quietest.energy) {
                quietest = Some(voice);
            }
        }
        let enters = count < self.most
            || quietest.filter(|quietest| energy >= quietest.energy.saturating_add(MARGIN)).is_some_and(|quietest| {
                quietest.is_in = false;
                true
            });
        self.voices[place].is_in = enters;
        enters
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Room {
        loudest: Loudest,
        now: Instant,
    }

    impl Room {
        fn new(most: usize) -> Self {
            let mut loudest = Loudest::default();
            loudest.set_most(most);
            Self { loudest, now: Instant::now() }
        }

        /// Handles 20 ms of packets at these levels. Returns the selected microphones.
        fn handle_level(&mut self, levels: &[(u64, u8)]) -> Vec<u64> {
            self.now += ms(20);
            let heard = |&(track, level): &(u64, u8)| {
                self.loudest.handle_level(TrackId(track), level, self.now).then_some(track)
            };
            levels.iter().filter_map(heard).collect()
        }
    }

    #[test]
    fn as_many_as_there_is_room_for_are_in_however_quiet() {
        let mut room = Room::new(3);
        assert_eq!(room.handle_level(&[(1, 127), (2, 90), (3, 80)]), [1, 2, 3]);
    }

    #[test]
    fn who_is_clearly_louder_takes_the_place_of_the_quietest_within_40_ms() {
        let mut room = Room::new(2);
        room.handle_level(&[(1, 40), (2, 60), (3, 70)]);
        assert_eq!(room.handle_level(&[(1, 40), (2, 60), (3, 58)]), [1, 2]);
        assert_eq!(room.handle_level(&[(1, 40), (2, 60), (3, 30)]), [1, 2, 3], "2 is out from its next packet on");
        assert_eq!(room.handle_level(&[(1, 40), (2, 60), (3, 30)]), [1, 3]);
    }

    #[test]
    fn two_of_a_level_do_not_take_turns() {
        let mut room = Room::new(1);
        room.handle_level(&[(1, 50), (2, 50)]);
        for n in 0..100 {
            assert_eq!(room.handle_level(&[(1, 50 + n % 3), (2, 52 - n % 3)]), [1]);
        }
    }

    #[test]
    fn who_sends_nothing_for_150_ms_gives_its_place_away() {
        let mut room = Room::new(1);
        room.handle_level(&[(1, 20)]);
        for _ in 0..7 {
            assert_eq!(room.handle_level(&[(2, 60)]), []);
        }
        assert_eq!(room.handle_level(&[(2, 60)]), [2]);
        assert_eq!(room.handle_level(&[(1, 60), (2, 60)]), [2], "what it was before is forgotten");
    }

    #[test]
    fn fewer_places_put_the_quietest_out() {
        let mut room = Room::new(3);
        room.handle_level(&[(1, 50), (2, 40), (3, 60)]);
        room.loudest.set_most(1);
        assert_eq!(room.handle_level(&[(1, 50), (2, 40), (3, 60)]), [2]);
        room.loudest.remove(TrackId(2));
        assert_eq!(room.handle_level(&[(1, 50), (3, 60)]), [1]);
    }

    proptest! {
        #[test]
        fn at_most_so_many_are_in_at_a_time(most in 0..4_usize, steps in prop::collection::vec((0..8_u64, 0..=127_u8, 0..60_u64), 1..300)) {
            let mut room = Room::new(most);
            for (track, level, pause) in steps {
                room.now += ms(pause);
                room.loudest.handle_level(TrackId(track), level, room.now);
                let inside = room.loudest.voices.iter().filter(|voice| voice.is_in && voice.is_there(room.now));
                prop_assert!(inside.count() <= most);
            }
        }
    }
}
