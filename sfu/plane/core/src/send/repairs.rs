//! Limits the retransmissions to one peer to a share of its first transmissions, however much loss it reports.

use crate::limits::{REPAIR_BURST, REPAIR_SHARE, REPAIRS_AT_ONCE};
use crate::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// The octets that one transport may retransmit.
#[derive(Clone, Copy, Debug)]
pub struct Repairs {
    /// Below 0 if the last retransmission was larger than what was left.
    left: i64,
    /// Octets of first transmissions in the second that ends at `until`, and in the second before.
    sent: usize,
    before: usize,
    until: Option<Instant>,
}

impl Default for Repairs {
    fn default() -> Self {
        Self { left: REPAIR_BURST as i64, sent: 0, before: 0, until: None }
    }
}

impl Repairs {
    /// Adds `octets` of media that are sent for the first time.
    pub fn earn(&mut self, octets: usize, now: Instant) {
        let until = *self.until.get_or_insert_with(|| now + SECOND);
        if now >= until {
            self.before = if now < until + SECOND { self.sent } else { 0 };
            self.sent = 0;
            self.until = Some(now + SECOND);
        }
        self.sent += octets;
        // An outage of a second loses everything that was sent in it.
        let most = (REPAIR_BURST + self.sent.max(self.before)).min(REPAIRS_AT_ONCE);
        self.left = (self.left + (octets / REPAIR_SHARE) as i64).min(most as i64);
    }

    /// True if a retransmission is allowed.
    pub fn is_allowed(&self) -> bool {
        self.left > 0
    }

    /// Subtracts `octets` that are retransmitted.
    pub fn take(&mut self, octets: usize) {
        self.left -= octets as i64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ms;

    #[test]
    fn half_of_what_is_sent_may_be_sent_again_and_a_burst() {
        let (mut repairs, start) = (Repairs::default(), Instant::now());
        let (mut sent, mut again) = (0, 0);
        for packet in 0..20_000_u64 {
            repairs.earn(1_200, start + ms(packet));
            sent += 1_200;
            while repairs.is_allowed() {
                repairs.take(1_200);
                again += 1_200;
            }
        }
        let most = REPAIR_BURST + sent / REPAIR_SHARE;
        assert!(again <= most + 1_200 && again >= sent / REPAIR_SHARE, "{again} of {sent}");
    }

    #[test]
    fn who_is_sent_nothing_is_sent_a_burst_again_and_no_more() {
        let mut repairs = Repairs::default();
        let mut again = 0;
        while repairs.is_allowed() {
            repairs.take(1_000);
            again += 1_000;
        }
        assert!((REPAIR_BURST..REPAIR_BURST + 1_000).contains(&again));
    }

    #[test]
    fn a_wall_of_cameras_earns_no_more_than_may_leave_at_once() {
        let (mut repairs, start) = (Repairs::default(), Instant::now());
        (0..3_000).for_each(|packet| repairs.earn(10_000, start + ms(packet)));
        assert_eq!(repairs.left, REPAIRS_AT_ONCE as i64);
    }

    #[test]
    fn a_second_that_was_lost_can_be_sent_again() {
        let (mut repairs, start) = (Repairs::default(), Instant::now());
        (0..5_000).for_each(|packet| repairs.earn(400, start + ms(packet)));
        let mut again = 0;
        while repairs.is_allowed() {
            repairs.take(1_000);
            again += 1_000;
        }
        assert!(again >= 400_000, "{again} octets of 3.2 Mbit/s");
    }

    #[test]
    fn what_was_sent_raises_what_may_wait_for_a_second_or_two() {
        let second = 300_000;
        for (pause, most) in
            [(0, second + 2), (999, second + 2), (1_000, second), (1_999, second), (2_000, 2), (60_000, 2)]
        {
            let (mut repairs, start) = (Repairs { left: 0, ..Repairs::default() }, Instant::now());
            (0..8).for_each(|_| repairs.earn(second / 8, start));
            repairs.left = REPAIRS_AT_ONCE as i64;
            repairs.earn(2, start + ms(pause));
            assert_eq!(repairs.left, (REPAIR_BURST + most).min(REPAIRS_AT_ONCE) as i64, "after {pause} ms");
        }
    }
}
