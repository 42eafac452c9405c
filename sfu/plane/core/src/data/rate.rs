//! Limits the messages of a participant: a rate per second and a burst (a leaky bucket, implemented as GCRA).

use crate::time::{Duration, Instant};

pub struct Rate {
    interval: Duration,
    /// How far ahead of its schedule a sender may be.
    tolerance: Duration,
    /// When the next message is due at the exact rate.
    schedule: Instant,
}

impl Rate {
    pub fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self { interval, tolerance: interval * burst.saturating_sub(1), schedule: now }
    }

    /// Returns whether a message may pass now, and counts it if so.
    pub fn admit(&mut self, now: Instant) -> bool {
        if self.schedule > now + self.tolerance {
            return false;
        }
        self.schedule = self.schedule.max(now) + self.interval;
        true
    }

    /// Returns when the next message may pass.
    pub fn next(&self) -> Instant {
        self.schedule.checked_sub(self.tolerance).unwrap_or(self.schedule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ms;

    #[test]
    fn a_burst_passes_at_once_and_then_the_rate_holds() {
        let start = Instant::now() + ms(60_000);
        let mut rate = Rate::new(200, 400, start);
        assert_eq!((0..1_000).filter(|_| rate.admit(start)).count(), 400);
        assert_eq!(rate.next(), start + ms(5));
        assert_eq!((1..=1_000).filter(|&at| rate.admit(start + ms(at))).count(), 200);
        assert_eq!((0..1_000).filter(|_| rate.admit(start + ms(60_000))).count(), 400, "and is allowed again");
    }
}
