//! Limits how often one subscriber may request keyframes. A decoder that cannot use them (a wrong key) must not spend
//! the bandwidth of everybody else; a subscriber that received none during a network outage may ask again.
//!
//! The limit counts keyframes that were delivered completely, by the subscriber's own reports. While a keyframe is not
//! reported, requests pass at a longer interval, and each keyframe takes from a credit: a subscriber that never reports
//! cannot request forever.

use crate::limits::{KEYFRAME_CREDIT, KEYFRAME_CREDIT_REFILL, KEYFRAMES_DELIVERED, KEYFRAMES_DELIVERED_WITHIN};
use crate::rtp::sequence::ExtendedSeq;
use crate::time::{Duration, Instant, ms};

/// The interval between two requests if the keyframe of the first was reported as received.
const APART: Duration = ms(200);
/// The interval while the keyframe of the first is not reported as received. Publishers answer three requests in 1.5 s
/// (`receive/keyframe.rs`), so none of these waits for another.
const UNDELIVERED_APART: Duration = ms(500);
/// The number of keyframes in flight that are remembered.
const IN_FLIGHT: usize = 4;

/// The budget of one slot.
#[derive(Clone, Copy, Debug)]
pub struct KeyframeBudget {
    /// When the last keyframes that this slot requested were reported as received, oldest first.
    delivered: [Option<Instant>; KEYFRAMES_DELIVERED],
    /// The first packets of sent keyframes that are not reported yet, oldest first.
    in_flight: [Option<ExtendedSeq>; IN_FLIGHT],
    /// A request passed, and no keyframe was sent since.
    asked: bool,
    passed: Option<Instant>,
    credit: u32,
    refilled: Option<Instant>,
}

impl Default for KeyframeBudget {
    fn default() -> Self {
        Self {
            delivered: [None; KEYFRAMES_DELIVERED],
            in_flight: [None; IN_FLIGHT],
            asked: false,
            passed: None,
            credit: KEYFRAME_CREDIT,
            refilled: None,
        }
    }
}

impl KeyframeBudget {
    /// Handles a keyframe request of the subscriber. True if the publisher may be asked.
    pub fn allow(&mut self, now: Instant) -> bool {
        let waits = self.asked || self.in_flight[0].is_some();
        let apart = if waits { UNDELIVERED_APART } else { APART };
        if self.passed.is_some_and(|passed| now.saturating_duration_since(passed) < apart) {
            return false;
        }
        self.pass(now)
    }

    /// True if the publisher may be asked for a keyframe because the subscriber receives again after an outage, without
    /// a request.
    pub fn allow_unasked(&mut self, now: Instant) -> bool {
        self.pass(now)
    }

    /// Records that the first packet of a keyframe was sent.
    pub fn handle_keyframe(&mut self, seq: ExtendedSeq) {
        if !std::mem::take(&mut self.asked) {
            return;
        }
        self.credit = self.credit.saturating_sub(1);
        match self.in_flight.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some(seq),
            None => {
                self.in_flight.rotate_left(1);
                self.in_flight[IN_FLIGHT - 1] = Some(seq);
            }
        }
    }

    /// Handles a report that the subscriber received packets up to `highest`. `whole`: it missed none since its
    /// previous report.
    pub fn handle_report(&mut self, highest: ExtendedSeq, whole: bool, now: Instant) {
        while self.in_flight[0].is_some_and(|seq| seq <= highest) {
            self.in_flight[0] = None;
            self.in_flight.rotate_left(1);
            if whole {
                self.delivered.rotate_left(1);
                self.delivered[KEYFRAMES_DELIVERED - 1] = Some(now);
                self.credit = KEYFRAME_CREDIT;
            }
        }
    }

    fn pass(&mut self, now: Instant) -> bool {
        let since = |at: Instant| now.saturating_duration_since(at);
        if self.delivered[0].is_some_and(|oldest| since(oldest) < KEYFRAMES_DELIVERED_WITHIN) {
            return false;
        }
        let refilled = *self.refilled.get_or_insert(now);
        let refills = (since(refilled).as_millis() / KEYFRAME_CREDIT_REFILL.as_millis()) as u32;
        if refills > 0 {
            self.credit = self.credit.saturating_add(refills).min(KEYFRAME_CREDIT);
            self.refilled = Some(now);
        }
        if self.credit == 0 {
            return false;
        }
        (self.asked, self.passed) = (true, Some(now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests every `every` ms for `seconds`; each keyframe is delivered at once if `delivers`. Returns the number of
    /// allowed requests.
    fn asks(budget: &mut KeyframeBudget, start: Instant, seconds: u64, every: u64, delivers: bool) -> usize {
        let times = (0..seconds * 1_000).step_by(every as usize);
        let passed = times.filter(|&at| {
            let passes = budget.allow(start + ms(at));
            if passes {
                budget.handle_keyframe(ExtendedSeq(at));
            }
            if delivers {
                budget.handle_report(ExtendedSeq(at), true, start + ms(at));
            }
            passes
        });
        passed.count()
    }

    #[test]
    fn three_keyframes_are_delivered_in_ten_seconds() {
        for every in [20, 200, 1_000] {
            let start = Instant::now();
            assert_eq!(asks(&mut KeyframeBudget::default(), start, 10, every, true), 3, "one each {every} ms");
            assert_eq!(asks(&mut KeyframeBudget::default(), start, 60, every, true), 18, "one each {every} ms");
        }
    }

    #[test]
    fn during_an_outage_a_request_a_second_passes() {
        for seconds in [2, 4, 7, 10] {
            let passed = asks(&mut KeyframeBudget::default(), Instant::now(), seconds, 1_000, false);
            assert_eq!(passed as u64, seconds);
        }
    }

    #[test]
    fn who_never_reports_has_a_credit_and_then_one_in_three_seconds() {
        let (mut budget, start) = (KeyframeBudget::default(), Instant::now());
        let first = asks(&mut budget, start, 20, 20, false);
        assert!((20..=26).contains(&first), "{first}");
        assert_eq!(asks(&mut budget, start + ms(20_000), 60, 20, false), 20);
    }

    #[test]
    fn a_keyframe_with_holes_is_not_delivered() {
        let (mut budget, start) = (KeyframeBudget::default(), Instant::now());
        for second in 0..10 {
            let now = start + ms(1_000) * second;
            assert!(budget.allow(now), "{second} s");
            budget.handle_keyframe(ExtendedSeq(second.into()));
            budget.handle_report(ExtendedSeq(second.into()), false, now + ms(500));
        }
    }

    #[test]
    fn who_receives_again_is_served_at_once() {
        let (mut budget, start) = (KeyframeBudget::default(), Instant::now());
        assert!(budget.allow(start));
        assert!(!budget.allow(start + ms(100)));
        assert!(budget.allow_unasked(start + ms(100)));
    }

    #[test]
    fn the_distance_of_two_requests_depends_on_what_became_of_the_first_ones_keyframe() {
        let first = ExtendedSeq(70_000);
        let reported = |highest| Some((ExtendedSeq(highest), true));
        for (leaves, report, apart) in [
            (false, None, 500),
            (true, None, 500),
            (true, reported(69_999), 500),
            (true, reported(70_000), 200),
            (true, reported(70_001), 200),
            (true, Some((first, false)), 200),
        ] {
            let (mut budget, start) = (KeyframeBudget::default(), Instant::now());
            assert!(budget.allow(start));
            if leaves {
                budget.handle_keyframe(first);
            }
            if let Some((highest, whole)) = report {
                budget.handle_report(highest, whole, start + ms(50));
            }
            let passes = [apart - 1, apart].map(|at| budget.allow(start + ms(at)));
            assert_eq!(passes, [false, true], "left: {leaves}, reported: {report:?}");
        }
    }

    #[test]
    fn keyframes_that_others_asked_for_count_for_nothing() {
        let (mut budget, start) = (KeyframeBudget::default(), Instant::now());
        for n in 0..100 {
            budget.handle_keyframe(ExtendedSeq(n));
            budget.handle_report(ExtendedSeq(n), true, start + ms(n));
        }
        assert!(budget.allow(start + ms(100)));
        assert_eq!(asks(&mut budget, start + ms(200), 10, 1_000, true), 3);
    }

    #[test]
    fn who_asks_for_nothing_is_bounded_like_who_asks() {
        let (mut budget, start) = (KeyframeBudget::default(), Instant::now());
        let unasked = |budget: &mut KeyframeBudget, times: std::ops::Range<u64>| {
            let passed = times.filter(|&n| {
                let passes = budget.allow_unasked(start + ms(n));
                budget.handle_keyframe(ExtendedSeq(n));
                passes
            });
            passed.count()
        };
        assert_eq!(unasked(&mut budget, 0..1_000), KEYFRAME_CREDIT as usize);
        assert_eq!(unasked(&mut budget, 1_000..61_000), 20, "one in three seconds");
    }

    #[test]
    fn a_delivered_keyframe_counts_for_ten_seconds_and_gives_the_credit_back() {
        let (mut budget, start) = (KeyframeBudget::default(), Instant::now());
        asks(&mut budget, start, 10, 500, false);
        budget.handle_report(ExtendedSeq(10_000), true, start + ms(9_990));
        assert_eq!(budget.credit, KEYFRAME_CREDIT);
        // The last four of them were under way, and three of those count.
        let passes = [10_000, 19_989, 19_990].map(|at| budget.allow(start + ms(at)));
        assert_eq!(passes, [false, false, true]);
    }
}
