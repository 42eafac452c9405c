//! The share of a track's packets that its publisher's uplink loses, over the last seconds.

use std::collections::VecDeque;

/// Layer events that the share covers, of one second each: 250 packets of audio, of which one is 0.4 %.
const COVERED: usize = 5;
/// Fewer packets show no share: a single lost one would be a tenth.
const LEAST: u64 = 20;

/// The packets of a track that were expected, and those that did not arrive by themselves.
#[derive(Debug, Default)]
pub struct Losses {
    seconds: VecDeque<(u64, i64)>,
}

impl Losses {
    /// Adds a second. Late packets of the one before make `lost` negative.
    pub fn add(&mut self, expected: u64, lost: i64) {
        if self.seconds.len() == COVERED {
            self.seconds.pop_front();
        }
        self.seconds.push_back((expected, lost));
    }

    /// 0 to 1.
    pub fn share(&self) -> f32 {
        let (expected, lost) = self.seconds.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        if expected < LEAST { 0.0 } else { (lost as f32 / expected as f32).clamp(0.0, 1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_that_of_the_last_five_seconds() {
        let mut losses = Losses::default();
        assert_eq!(losses.share(), 0.0);
        losses.add(19, 19);
        assert_eq!(losses.share(), 0.0, "too few to tell");
        losses.add(31, 6);
        assert_eq!(losses.share(), 0.5);
        losses.add(0, -25);
        assert_eq!(losses.share(), 0.0, "all were late");
        (0..5).for_each(|_| losses.add(100, 10));
        assert_eq!(losses.share(), 0.1);
        losses.add(100, -900);
        assert_eq!(losses.share(), 0.0, "a peer that numbers its packets oddly");
    }
}
