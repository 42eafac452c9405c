//! The rate of what was sent in the last second, with and without transport-wide numbers.

use super::units::Rate;
use crate::time::{Duration, Instant, ms};

const BUCKETS: usize = 8;
const BUCKET: Duration = ms(125);

/// Octets by the time at which they left.
#[derive(Clone, Copy, Debug, Default)]
pub struct SentRate {
    octets: [u64; BUCKETS],
    /// When the newest bucket began, and its place.
    newest: Option<(Instant, usize)>,
}

impl SentRate {
    /// Records a packet.
    pub fn sent(&mut self, octets: u32, now: Instant) {
        let place = self.turn(now);
        self.octets[place] += u64::from(octets);
    }

    /// The rate of the last second.
    pub fn rate(&mut self, now: Instant) -> Rate {
        self.turn(now);
        Rate::of(self.octets.iter().sum(), BUCKET * BUCKETS as u32)
    }

    /// Empties the buckets of more than a second ago. Returns the place of the newest.
    fn turn(&mut self, now: Instant) -> usize {
        let (mut began, mut place) = *self.newest.get_or_insert((now, 0));
        if now.saturating_duration_since(began) >= BUCKET * BUCKETS as u32 {
            (self.octets, began, place) = ([0; BUCKETS], now, 0);
        }
        while now.saturating_duration_since(began) >= BUCKET {
            (began, place) = (began + BUCKET, (place + 1) % BUCKETS);
            self.octets[place] = 0;
        }
        self.newest = Some((began, place));
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_second_counts() {
        let (mut sent, start) = (SentRate::default(), Instant::now());
        assert_eq!(sent.rate(start), Rate::ZERO);
        // 1,250 octets each 10 ms are 1 Mbit/s.
        for at in (0..3_000).step_by(10) {
            sent.sent(1_250, start + ms(at));
        }
        let kbps = |sent: &mut SentRate, at| sent.rate(start + ms(at)).as_kbps().round();
        assert!((900.0..=1_000.0).contains(&kbps(&mut sent, 2_990)));
        assert!((300.0..550.0).contains(&kbps(&mut sent, 3_500)));
        assert_eq!(kbps(&mut sent, 4_000), 0.0);
        assert_eq!(kbps(&mut sent, 100_000), 0.0);
    }
}
