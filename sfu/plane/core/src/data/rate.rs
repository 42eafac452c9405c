//! How many messages a participant may send: so many a second, and a burst (a leaky bucket, as GCRA counts it).

use crate::time::{Duration, Instant};

pub struct Rate {
    interval: Duration,
    /// How far ahead of its schedule a sender may be.
    tolerance: Duration,
    /// When the next message would be due if all came on schedule.
    schedule: Instant,
}

impl Rate {
    pub fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self { interval, tolerance: interval * burst.saturating_sub(1), schedule: now }
    }

    /// Whether one more message may pass now; it is then counted.
    pub fn admit(&mut self, now: Instant) -> bool {
        if self.schedule > now + self.tolerance {
            return false;
        }
        self.schedule = self.schedule.max(now) + self.interval;
        true
    }

    /// When the next one may pass.
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
