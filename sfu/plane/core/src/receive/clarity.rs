//! Detects whether an encoding's payloads are encrypted end to end.
//!
//! A payload that breaks its codec's rules in a way that no sender does (see [`Description::readable`]) is evidence of
//! encryption: SRTP authenticates that it is intact. Several are needed, and many readable ones to outweigh them, since
//! some random payloads look valid.

use crate::codec::Description;

/// The number of unreadable payloads until an encoding counts as encrypted, and how many readable ones outweigh one of
/// them.
const PROOFS: u8 = 2;
const WEIGHT: u8 = 16;
const MOST: u8 = PROOFS * WEIGHT;

#[derive(Clone, Copy, Debug, Default)]
pub struct Clarity {
    doubt: u8,
    encrypted: bool,
    /// Its packets have dependency descriptors, which mark keyframes and layers.
    described: bool,
}

impl Clarity {
    pub fn handle_description(&mut self, description: &Description) {
        self.described |= description.dependency.is_some();
        self.doubt = match description.readable {
            None => return,
            Some(true) => self.doubt.saturating_sub(1),
            Some(false) => self.doubt.saturating_add(WEIGHT).min(MOST),
        };
        self.encrypted = self.doubt == MOST || (self.encrypted && self.doubt > 0);
    }

    /// True if the payload is encrypted and its keyframes cannot be recognised.
    pub fn is_encrypted(&self) -> bool {
        self.encrypted && !self.described
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{self, Codec};

    /// SplitMix64: octets as a cipher makes them.
    fn random(state: &mut u64) -> u8 {
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (z >> 40) as u8
    }

    fn payload(codec: Codec, state: &mut u64) -> Vec<u8> {
        let head: &[u8] = if codec == Codec::Vp8 { &[0x10] } else { &[] };
        head.iter().copied().chain((0..100).map(|_| random(state))).collect()
    }

    #[test]
    fn noise_is_told_within_ten_frames_and_holds_no_keyframe() {
        for codec in [Codec::Vp8, Codec::H264, Codec::H265] {
            for seed in 0..50 {
                let (mut clarity, mut state) = (Clarity::default(), seed);
                for n in 0..500 {
                    let description = codec::describe(codec, &payload(codec, &mut state), None).unwrap();
                    clarity.handle_description(&description);
                    assert!(clarity.is_encrypted() || n < 20, "{codec:?}: not by frame {n}");
                    assert!(codec != Codec::Vp8 || !description.keyframe);
                }
            }
        }
    }

    #[test]
    fn one_strange_payload_in_a_readable_stream_proves_nothing() {
        let mut clarity = Clarity::default();
        for n in 0..10_000 {
            clarity.handle_description(&Description { readable: Some(n % 20 != 0), ..Description::default() });
            assert!(!clarity.is_encrypted());
        }
    }

    #[test]
    fn a_stream_that_is_in_clear_again_is_read_again() {
        let mut clarity = Clarity::default();
        let mut note = |readable, count| {
            (0..count).for_each(|_| {
                clarity.handle_description(&Description { readable: Some(readable), ..Description::default() })
            });
            clarity.is_encrypted()
        };
        assert!(note(false, 2));
        assert!(note(true, 31));
        assert!(!note(true, 1));
    }
}
