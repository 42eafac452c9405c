//! How often one subscriber may ask the publisher for keyframes: a decoder that can do nothing with them (a wrong key)
//! must not spend the bandwidth of everybody else.

use crate::time::{Duration, Instant, ms};

/// jitsi-videobridge: a receiver's 3 requests in 10 s, 200 ms apart.
const MOST: usize = 3;
const WITHIN: Duration = ms(10_000);
const APART: Duration = ms(200);

/// The last requests that were let through, oldest first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Complaints([Option<Instant>; MOST]);

impl Complaints {
    /// Whether to pass one on. If so, it counts.
    pub fn allow(&mut self, now: Instant) -> bool {
        let since = |at: Instant| now.saturating_duration_since(at);
        let too_many = self.0[0].is_some_and(|oldest| since(oldest) < WITHIN);
        let too_soon = self.0[MOST - 1].is_some_and(|newest| since(newest) < APART);
        if too_many || too_soon {
            return false;
        }
        self.0.rotate_left(1);
        self.0[MOST - 1] = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_in_ten_seconds_pass_if_they_are_apart() {
        let (mut complaints, start) = (Complaints::default(), Instant::now());
        let asked = [(0, true), (199, false), (200, true), (450, true), (700, false), (9_999, false), (10_000, true)];
        for (at, passes) in asked {
            assert_eq!(complaints.allow(start + ms(at)), passes, "at {at} ms");
        }
    }
}
