//! Applies a room's audio settings: which of its microphones are forwarded, and which tracks get redundancy.

use super::{Place, Plane};
use crate::command::AudioPolicy;
use crate::id::TrackId;
use crate::receive::loudest::Loudest;
use crate::rtp::elements::AudioLevel;
use crate::time::Instant;

/// The audio state of one room.
#[derive(Default)]
pub struct Sounds {
    loudest: Loudest,
    tracks: Vec<TrackId>,
}

/// The audio settings of a track, set by its room.
#[derive(Clone, Copy, Default)]
pub struct Sound {
    /// The arena key of the room, if it forwards only its loudest microphones and ranks this one.
    ranked: Option<usize>,
    always: bool,
    /// How many earlier packets are sent along with each packet.
    pub redundancy: u8,
    /// The last packet was not forwarded.
    held: bool,
}

/// Whether a packet is forwarded, by its level.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Hearing {
    Passes,
    /// Forwarded, after packets that were not.
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

    /// Removes a deleted track from the ranking.
    pub(super) fn forget_sound(&mut self, track: TrackId, sound: Sound) {
        if let Some(key) = sound.ranked {
            self.sounds[key].loudest.remove(track);
        }
    }

    /// Records the level of a packet. A packet without a level cannot be ranked and is forwarded. So is a late packet:
    /// it fills a gap in forwarded packets, or slots drop it.
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
