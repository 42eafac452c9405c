//! The estimate for a peer that sends no transport-wide feedback: from the loss in its receiver reports (RFC 3550 s6.4),
//! without what was lost on the way from the publisher, and from its own estimate (REMB).
//!
//! Source: libwebrtc, modules/congestion_controller/goog_cc/send_side_bandwidth_estimation.{h,cc}, the part for peers
//! without transport-wide feedback. What differs is said at the constant.

use super::units::Rate;
use crate::time::{Duration, Instant, ms};

/// Reports count if no feedback came for so long since the first one: the first feedback may come after it.
const WITHOUT_FEEDBACK: Duration = ms(2_000);
/// The loss of fewer packets is not judged (`kLimitNumPackets`).
const PACKETS: u32 = 20;
/// Below this loss the estimate grows, above the other it falls (`kDefaultLowLossThreshold`,
/// `kDefaultHighLossThreshold`).
const LOW_LOSS: f64 = 0.02;
const HIGH_LOSS: f64 = 0.10;
/// It grows by this factor, once in the interval (`kBweIncreaseInterval`); until the first decrease by the other one:
/// there is no probe that finds more.
const GROWTH: f64 = 1.08;
const FIRST_GROWTH: f64 = 2.0;
const GROWTH_INTERVAL: Duration = ms(1_000);
/// It falls once in this time and a round trip (`kBweDecreaseInterval`).
const DECREASE_INTERVAL: Duration = ms(300);
/// Nothing above this multiple of what is sent is assumed: a subscriber's next better layer has three to four times the
/// rate. A decrease begins at no more than the other one. libwebrtc takes the estimate in both cases. Before the first
/// decrease what is sent and arrives is the least that the network carries: nothing limited it before reports came.
const UNTESTED: f64 = 4.0;
const TESTED: f64 = 1.25;
/// What a peer reports lowers the estimate no further: audio with its headers.
const LEAST: Rate = Rate::kbps(50);
/// A REMB counts for so long. Receivers send one a second (libwebrtc: remb_throttler.cc sends each 200 ms or more).
const REMB_AGE: Duration = ms(5_000);

/// What the receiver reports of one RTCP packet say together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reception {
    /// Packets that were sent, since the reports before.
    pub sent: u32,
    /// Those of them that did not arrive.
    pub lost: u32,
}

impl Reception {
    /// Adds what another report says.
    pub fn add(&mut self, other: Self) {
        self.sent = self.sent.saturating_add(other.sent);
        self.lost = self.lost.saturating_add(other.lost);
    }

    /// The share that did not arrive.
    pub fn loss(self) -> f64 {
        f64::from(self.lost.min(self.sent)) / f64::from(self.sent.max(1))
    }
}

/// The reports of one peer.
#[derive(Clone, Copy, Debug, Default)]
pub struct WithoutFeedback {
    first: Option<Instant>,
    /// What is not judged yet.
    waiting: Reception,
    loss: f64,
    grown: Option<Instant>,
    fallen: Option<Instant>,
    remb: Option<(Rate, Instant)>,
}

impl WithoutFeedback {
    /// The share of packets that was lost in the last reports.
    pub fn loss(&self) -> f64 {
        self.loss
    }

    /// Takes a report. `rate` is the present estimate, `sent` the rate of what is sent. Returns the new estimate, if
    /// reports count by now.
    pub fn handle_reception(
        &mut self,
        reception: Reception,
        (rate, sent): (Rate, Rate),
        round_trip: Duration,
        now: Instant,
    ) -> Option<Rate> {
        let first = *self.first.get_or_insert(now);
        if now.saturating_duration_since(first) < WITHOUT_FEEDBACK {
            return None;
        }
        self.waiting.add(reception);
        if self.waiting.sent < PACKETS {
            return Some(rate);
        }
        self.loss = std::mem::take(&mut self.waiting).loss();
        let is_tested = self.loss <= HIGH_LOSS && self.fallen.is_none();
        let rate = if is_tested { rate.max(sent) } else { rate };
        let is_due =
            |last: Option<Instant>, wait: Duration| last.is_none_or(|at| now.saturating_duration_since(at) >= wait);
        if self.loss > HIGH_LOSS && is_due(self.fallen, DECREASE_INTERVAL + round_trip) {
            self.fallen = Some(now);
            let tested = rate.min(sent.scaled(TESTED));
            return Some(tested.scaled(1.0 - 0.5 * self.loss).max(LEAST).min(rate));
        }
        if self.loss <= LOW_LOSS && is_due(self.grown, GROWTH_INTERVAL) {
            self.grown = Some(now);
            let factor = if self.fallen.is_none() { FIRST_GROWTH } else { GROWTH };
            let least = if is_tested { rate.max(sent.scaled(TESTED)) } else { rate };
            return Some(rate.scaled(factor).min(sent.scaled(UNTESTED)).max(least));
        }
        Some(rate)
    }

    /// Takes the peer's own estimate. It limits ours only while less than what is sent: a receiver that gets little
    /// knows of no more.
    pub fn handle_remb(&mut self, bps: u64, sent: Rate, now: Instant) {
        let remb = Rate::bps(bps).max(LEAST);
        if remb < sent {
            self.remb = Some((remb, now));
            self.fallen = Some(now);
        } else if let Some((limit, _)) = &mut self.remb {
            *limit = remb.max(*limit);
        }
    }

    /// The limit that the peer's own estimate sets, if it sets one.
    pub fn limit(&self, now: Instant) -> Option<Rate> {
        self.remb.filter(|(_, at)| now.saturating_duration_since(*at) < REMB_AGE).map(|(remb, _)| remb)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROUND_TRIP: Duration = ms(50);

    /// The estimate in kbit/s after each report, one a second, of 100 packets, if so much of the estimate is sent.
    fn estimates(start: u64, sent: f64, lost: &[u32]) -> Vec<u64> {
        let (mut reports, now) = (WithoutFeedback::default(), Instant::now());
        let mut rate = Rate::kbps(start);
        reports.handle_reception(Reception::default(), (rate, rate), ROUND_TRIP, now);
        (0..)
            .zip(lost)
            .map(|(second, &lost)| {
                let reception = Reception { sent: 100, lost };
                let now = now + WITHOUT_FEEDBACK + ms(1_000 * second);
                rate = reports
                    .handle_reception(reception, (rate, rate.scaled(sent)), ROUND_TRIP, now)
                    .expect("reports count");
                rate.as_kbps().round() as u64
            })
            .collect()
    }

    #[test]
    fn loss_lowers_and_its_absence_raises_the_estimate() {
        let table: [(f64, &[u32], &[u64], &str); 8] = [
            (1.0, &[0, 0, 0], &[600, 1_200, 2_400], "it doubles until the first decrease"),
            (1.0, &[2, 3, 10], &[600, 600, 600], "between 2 % and 10 % it stays"),
            (1.0, &[20, 20, 0, 0], &[270, 243, 262, 283], "half of the loss, then 8 %"),
            (0.2, &[0, 0, 0], &[300, 300, 300], "four times what is sent is 240"),
            (0.5, &[0, 0, 0], &[600, 1_200, 2_400], "four times what is sent is more"),
            (5.0, &[0], &[3_000], "what is sent arrives"),
            (5.0, &[3, 20], &[1_500, 1_350], "most of it does"),
            (0.4, &[20], &[135], "it falls from what is sent, and a quarter"),
        ];
        for (sent, lost, expected, why) in table {
            assert_eq!(estimates(300, sent, lost), expected, "{why}");
        }
        assert_eq!(estimates(60, 1.0, &[100; 5]), [50; 5], "audio goes on");
    }

    #[test]
    fn few_packets_are_judged_together_with_the_next() {
        let (mut reports, start) = (WithoutFeedback::default(), Instant::now());
        let rate = Rate::kbps(300);
        let mut report = |sent, lost, at| {
            reports.handle_reception(Reception { sent, lost }, (rate, rate), ROUND_TRIP, start + ms(at))
        };
        assert_eq!(report(100, 100, 0), None, "feedback may come");
        assert_eq!(report(100, 100, 1_999), None);
        assert_eq!(report(10, 10, 2_000), Some(rate));
        assert_eq!(report(9, 0, 3_000), Some(rate));
        assert!(report(1, 0, 4_000).is_some_and(|fallen| fallen < rate), "10 of 20");
    }

    #[test]
    fn a_remb_limits_only_below_what_is_sent_and_for_a_while() {
        let (mut reports, start) = (WithoutFeedback::default(), Instant::now());
        let table = [
            (2_000_000, 1_000, None),
            (1_000_000, 1_000, None),
            (800_000, 1_000, Some(800)),
            (900_000, 800, Some(900)),
            (0, 1_000, Some(50)),
            (0, 40, Some(50)),
            (70_000, 60, Some(70)),
        ];
        for (bps, sent, expected) in table {
            reports.handle_remb(bps, Rate::kbps(sent), start);
            assert_eq!(reports.limit(start), expected.map(Rate::kbps), "{bps} bit/s, {sent} kbit/s are sent");
        }
        reports.handle_remb(u64::MAX, Rate::kbps(60), start);
        assert_eq!(reports.limit(start), Some(Rate::UNLIMITED));
        reports.handle_remb(800_000, Rate::kbps(1_000), start);
        assert!(reports.limit(start + REMB_AGE - ms(1)).is_some() && reports.limit(start + REMB_AGE).is_none());
    }

    proptest! {
        #[test]
        fn any_reports_leave_an_estimate_within_bounds(
            steps in prop::collection::vec((any::<u32>(), any::<u32>(), any::<u64>(), 0u64..5_000, 0u64..1 << 32), 1..60),
        ) {
            let (mut reports, mut now, mut rate) = (WithoutFeedback::default(), Instant::now(), Rate::kbps(300));
            for (sent, lost, remb, wait, bps) in steps {
                now += ms(wait);
                let sending = Rate::kbps(bps / 1_000);
                reports.handle_remb(remb, sending, now);
                let next = reports.handle_reception(Reception { sent, lost }, (rate, sending), ROUND_TRIP, now);
                let next = next.unwrap_or(rate);
                prop_assert!(next >= LEAST && next <= rate.max(sending.scaled(UNTESTED)));
                prop_assert!(reports.limit(now).is_none_or(|limit| limit >= LEAST));
                prop_assert!((0.0..=1.0).contains(&reports.loss()));
                rate = next;
            }
        }
    }
}
