//! What a room says of its sound, carried out: which of its microphones are forwarded, and what is made redundant.

use super::{Place, Plane};
use crate::command::AudioPolicy;
use crate::id::TrackId;
use crate::receive::loudest::Loudest;
use crate::rtp::elements::AudioLevel;
use crate::time::Instant;

/// One room's sound.
#[derive(Default)]
pub struct Sounds {
    loudest: Loudest,
    tracks: Vec<TrackId>,
}

/// What a track's room says of it.
#[derive(Clone, Copy, Default)]
pub struct Sound {
    /// Arena key of the room, if only its loudest are forwarded and this is one of those that count.
    ranked: Option<usize>,
    always: bool,
    /// So many packets go along with the one after them.
    pub redundancy: u8,
    /// The last packet was held back.
    held: bool,
}

/// What becomes of a packet, as loud as it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Hearing {
    Passes,
    /// After others that were held back.
    Resumes,
    HeldBack,
}

impl Plane {
    pub(super) fn set_audio(&mut self, policy: AudioPolicy) {
        let key = match self.places.get(&policy.room.0) {
            Some(&Place::Sounds(key)) => key,
            Some(_) => return,
            None => {
                let key = self.sounds.insert(Sounds::default());
                self.places.insert(policy.room.0, Place::Sounds(key));
                key
            }
        };
        for id in std::mem::take(&mut self.sounds[key].tracks) {
            if let Some(sound) = self.sound(id) {
                *sound = Sound { held: sound.held, ..Sound::default() };
            }
            if policy.loudest == 0 || !policy.ranked.contains(&id) {
                self.sounds[key].loudest.remove(id);
            }
        }
        self.sounds[key].loudest.set_most(policy.loudest);
        for &id in policy.redundant.iter().chain(&policy.ranked) {
            if self.sound(id).is_some() {
                self.sounds[key].tracks.push(id);
            }
        }
        for &id in &policy.redundant {
            if let Some(sound) = self.sound(id) {
                sound.redundancy = policy.redundancy;
            }
        }
        for &id in policy.ranked.iter().filter(|_| policy.loudest > 0) {
            if let Some(sound) = self.sound(id) {
                (sound.ranked, sound.always) = (Some(key), policy.always.contains(&id));
            }
        }
    }

    pub(super) fn remove_sounds(&mut self, key: usize) {
        for id in self.sounds.remove(key).tracks {
            if let Some(sound) = self.sound(id) {
                *sound = Sound { held: sound.held, ..Sound::default() };
            }
        }
    }

    /// The track is gone.
    pub(super) fn forget_sound(&mut self, track: TrackId, sound: Sound) {
        if let Some(key) = sound.ranked {
            self.sounds[key].loudest.remove(track);
        }
    }

    /// Notes how loud a packet is. One without a level cannot be ranked, and passes; so does one that comes late: what it
    /// fills is a gap in what passed, or it has no place.
    pub(super) fn handle_level(
        &mut self,
        track: usize,
        level: Option<AudioLevel>,
        recovered: bool,
        now: Instant,
    ) -> Hearing {
        if recovered {
            return Hearing::Passes;
        }
        let published = &mut self.tracks[track];
        let (id, sound) = (published.id(), &mut published.sound);
        let mut passes = true;
        if let Some(AudioLevel { level, .. }) = level {
            self.levels.record(id, level, now);
            if let Some(key) = sound.ranked {
                passes = self.sounds[key].loudest.handle_level(id, level, now) || sound.always;
            }
        }
        match (passes, std::mem::replace(&mut sound.held, !passes)) {
            (true, false) => Hearing::Passes,
            (true, true) => Hearing::Resumes,
            (false, _) => Hearing::HeldBack,
        }
    }

    fn sound(&mut self, id: TrackId) -> Option<&mut Sound> {
        match self.places.get(&id.0) {
            Some(&Place::Track(track)) => Some(&mut self.tracks[track].sound),
            _ => None,
        }
    }
}
