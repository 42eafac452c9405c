use super::*;
use crate::bwe::units::Arrival;

struct Run {
    limit: LossLimit,
    start: Instant,
    number: u64,
    now: Duration,
}

impl Run {
    fn new() -> Self {
        let mut limit = LossLimit::new(Rate::kbps(10), Rate::kbps(100_000));
        limit.set_limit(Rate::kbps(600));
        Self { limit, start: Instant::now(), number: 0, now: Duration::ZERO }
    }

    /// Sends at a rate for a quarter of a second, of which each packet is lost where `is_lost` says so, and hands the
    /// feedback over with what arrived.
    fn next(&mut self, rate: Rate, delay: Rate, is_lost: impl Fn(u64) -> bool) -> Rate {
        let gap = rate.time_for(1_000);
        let (begun, mut reports, mut arrived) = (self.now, Vec::new(), 0);
        while self.now < begun + ms(250) {
            let sent = self.start + self.now;
            let arrival = (!is_lost(self.number)).then_some(Arrival(self.now.as_micros() as i64));
            arrived += if arrival.is_some() { 1_000 } else { 0 };
            reports.push(Report { arrived: arrival, ..Report::arrived(self.number, sent, 1_000, Arrival(0)) });
            self.number += 1;
            self.now += gap;
        }
        let throughput = Rate::of(arrived, self.now - begun);
        self.limit.next(&reports, Some(throughput), delay, false)
    }

    fn run(&mut self, quarters: u32, rate: Rate, delay: Rate, is_lost: impl Fn(u64) -> bool + Copy) -> Rate {
        (0..quarters).map(|_| self.next(rate, delay, is_lost)).last().expect("at least one")
    }
}

/// libwebrtc: LossBasedBweV2Test.NoBandwidthEstimateGivenNotEnoughFeedback.
#[test]
fn no_bandwidth_estimate_given_not_enough_feedback() {
    let mut run = Run::new();
    assert_eq!(run.next(Rate::kbps(500), Rate::kbps(700), |_| false), Rate::UNLIMITED);
    assert_eq!(run.limit.state(), LossState::Delay);
}

/// libwebrtc: LossBasedBweV2Test.NoBandwidthEstimateGivenNoInitialization.
#[test]
fn no_bandwidth_estimate_given_no_initialization() {
    let mut run = Run::new();
    run.limit = LossLimit::new(Rate::kbps(10), Rate::kbps(10_000));
    assert_eq!(run.run(8, Rate::kbps(500), Rate::UNLIMITED, |_| false), Rate::UNLIMITED);
}

/// libwebrtc: LossBasedBweV2Test.UseDelayBasedEstimateWhenNoLoss... without loss the delay limits.
#[test]
fn without_loss_the_delay_limits() {
    let mut run = Run::new();
    assert_eq!(run.run(12, Rate::kbps(600), Rate::kbps(700), |_| false), Rate::kbps(700));
    assert_eq!(run.limit.state(), LossState::Delay);
}

/// libwebrtc: LossBasedBweV2Test.IncreaseToDelayBasedEstimateIfNoLossOrDelayIncrease.
#[test]
fn increase_to_delay_based_estimate_if_no_loss_or_delay_increase() {
    let mut run = Run::new();
    run.run(4, Rate::kbps(600), Rate::kbps(5_000), |_| false);
    assert_eq!(run.run(8, Rate::kbps(600), Rate::kbps(5_000), |_| false), Rate::kbps(5_000));
}

/// libwebrtc: LossBasedBweV2Test.LossLimitedEstimateIncreasesAfterLoss..., and the row of 10 % random loss.
#[test]
fn loss_that_does_not_depend_on_the_rate_is_the_links_own() {
    let mut run = Run::new();
    let limit = run.run(80, Rate::kbps(1_000), Rate::kbps(1_500), |n| n.wrapping_mul(0x9E37_79B9) % 20 == 0);
    assert!(limit >= Rate::kbps(950), "5 % of loss: {limit:?}");
}

/// libwebrtc: LossBasedBweV2Test.BoundsEstimateByInstantUpperBound.
#[test]
fn much_loss_bounds_the_estimate_at_once() {
    let mut run = Run::new();
    run.run(8, Rate::kbps(2_000), Rate::kbps(3_000), |_| false);
    let limit = run.run(8, Rate::kbps(2_000), Rate::kbps(3_000), |n| n % 2 == 0);
    assert!(limit <= Rate::kbps(1_100), "what arrives is 1,000 kbit/s: {limit:?}");
    assert_ne!(run.limit.state(), LossState::Delay);
    assert!((0.3..0.6).contains(&run.limit.loss()), "{}", run.limit.loss());
}

/// libwebrtc: LossBasedBweV2Test.EstimateRecoversAfterHighLoss.
#[test]
fn estimate_recovers_after_high_loss() {
    let mut run = Run::new();
    run.run(8, Rate::kbps(1_000), Rate::kbps(1_500), |_| false);
    let low = run.run(8, Rate::kbps(1_000), Rate::kbps(1_500), |n| n % 2 == 0);
    // No more is sent, so that it grows to 1.2 times of what arrives.
    let high = run.run(80, Rate::kbps(1_000), Rate::kbps(1_500), |_| false);
    assert!(low < Rate::kbps(800) && high >= Rate::kbps(1_200), "{low:?} {high:?}");
}

/// libwebrtc: LossBasedBweV2Test.HasDecreaseStateBecauseOfLowerBound, "not below the acknowledged rate".
#[test]
fn the_limit_is_not_below_what_arrives() {
    let mut run = Run::new();
    let limit = run.run(20, Rate::kbps(2_000), Rate::kbps(3_000), |n| n % 4 == 0);
    assert!(limit >= Rate::kbps(1_450), "{limit:?}");
}

#[test]
fn a_packet_that_arrives_late_is_not_lost() {
    let mut run = Run::new();
    run.run(4, Rate::kbps(1_000), Rate::kbps(1_500), |_| false);
    for _ in 0..2 {
        let first = run.number;
        let sent = run.start + run.now;
        let half = |number: u64, late: bool, arrived: Option<Arrival>| Report {
            arrived,
            is_late: late,
            is_repeated: false,
            ..Report::arrived(number, sent + ms(number - first), 1_000, Arrival(0))
        };
        let lost: Vec<_> = (first..first + 100).map(|n| half(n, false, None)).collect();
        run.limit.next(&lost, None, Rate::kbps(1_500), false);
        let late: Vec<_> = (first..first + 100).map(|n| half(n, true, Some(Arrival(0)))).collect();
        run.limit.next(&late, None, Rate::kbps(1_500), false);
        run.number += 100;
        run.now += ms(100);
    }
    run.run(2, Rate::kbps(1_000), Rate::kbps(1_500), |_| false);
    assert_eq!(run.limit.loss(), 0.0);
}
