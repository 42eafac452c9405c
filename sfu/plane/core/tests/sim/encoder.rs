//! The frame sizes of a video encoder at a target rate: noise, and keyframes that are larger by a factor and paid for by
//! the frames after them.

use super::random::Random;

/// The spread of frame sizes, relative to their mean.
const NOISE: f64 = 0.15;
/// A frame saves at most this share for a keyframe before it.
const SAVING: f64 = 0.25;

#[derive(Clone, Debug)]
pub struct Encoder {
    /// Bits per second.
    pub rate: u64,
    pub frames_per_second: f64,
    /// A keyframe has this many times the octets of other frames.
    pub keyframe_factor: f64,
    /// Octets to save.
    debt: f64,
    random: Random,
}

impl Encoder {
    pub fn new(seed: u64, rate: u64) -> Self {
        Self { rate, frames_per_second: 30.0, keyframe_factor: 5.0, debt: 0.0, random: Random::new(seed) }
    }

    /// Octets of the next frame.
    pub fn next_frame(&mut self, is_keyframe: bool) -> usize {
        let mean = self.rate as f64 / 8.0 / self.frames_per_second;
        let noise = (1.0 + NOISE * self.random.normal()).clamp(0.4, 2.0);
        if is_keyframe {
            self.debt += mean * (self.keyframe_factor - 1.0);
            return (mean * self.keyframe_factor * noise) as usize;
        }
        let saved = self.debt.min(mean * SAVING);
        self.debt -= saved;
        ((mean - saved) * noise).max(50.0) as usize
    }
}
