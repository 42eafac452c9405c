//! Limits the octets of cached packets since keyframes that are sent to one peer at once. One datagram can make many
//! pictures start again, and each has up to a thousand packets.

use crate::limits::{STARTS_AT_ONCE, STARTS_PER_SECOND};
use crate::time::Instant;

/// The budget of one transport.
#[derive(Clone, Copy, Debug)]
pub struct StartBudget {
    left: usize,
    since: Option<Instant>,
}

impl Default for StartBudget {
    fn default() -> Self {
        Self { left: STARTS_AT_ONCE, since: None }
    }
}

impl StartBudget {
    /// True if `octets` may be sent at once at `now`.
    pub fn allows(&mut self, octets: usize, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let earned = now.saturating_duration_since(since).as_micros() * STARTS_PER_SECOND as u128 / 1_000_000;
        if earned > 0 {
            self.left = self.left.saturating_add(earned.try_into().unwrap_or(usize::MAX)).min(STARTS_AT_ONCE);
            self.since = Some(now);
        }
        octets <= self.left
    }

    /// Subtracts octets that are sent.
    pub fn take(&mut self, octets: usize) {
        self.left = self.left.saturating_sub(octets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ms;

    #[test]
    fn what_begins_anew_is_bounded_at_once_and_in_the_long_run() {
        let (mut budget, start) = (StartBudget::default(), Instant::now());
        assert!(!budget.allows(STARTS_AT_ONCE + 1, start));
        let mut sent = 0;
        for at in 0..60_000 {
            while budget.allows(100_000, start + ms(at)) {
                budget.take(100_000);
                sent += 100_000;
            }
            assert!(at > 0 || sent > STARTS_AT_ONCE - 100_000, "{sent} at once");
        }
        let most = STARTS_AT_ONCE + 60 * STARTS_PER_SECOND;
        assert!((most - 200_000..=most).contains(&sent), "{sent} of {most}");
    }
}
