//! Decides when to probe, and at which rate: once connected, for what the application wants, after a drop, and now and
//! then while the application sends too little to show what the link carries.
//!
//! Source: libwebrtc, modules/congestion_controller/goog_cc/probe_controller.{h,cc}. What differs is said at the
//! constant.

use super::probe_result::Cluster;
use super::units::Rate;
use crate::time::{Duration, Instant, ms};

/// The first probes are these multiples of the start rate (`first_exponential_probe_scale`,
/// `second_exponential_probe_scale`).
const FIRST: [f64; 2] = [3.0, 6.0];
/// A probe that found this share of its rate is followed by one at this multiple of what it found
/// (`further_probe_threshold`, `further_exponential_probe_scale`).
const FURTHER_FROM: f64 = 0.7;
const FURTHER: f64 = 2.0;
/// A result counts for so long (`kMaxWaitingTimeForProbingResult`).
const WAITING: Duration = ms(1_000);
/// A cluster has at least so many packets (`min_probe_packets_sent`) and takes this time (libwebrtc: 15 ms,
/// `min_probe_duration`; packets leave each 5 ms here, and three of these are too few to measure with).
const PACKETS: u32 = 5;
const DURATION: Duration = ms(20);
/// Probes while the application sends too little: this long after the last one (`alr_probing_interval`), at this
/// multiple of the estimate (`alr_probe_scale`).
const INTERVAL: Duration = ms(5_000);
const SCALE: f64 = 2.0;
/// Nothing above this multiple of the demand is probed (`InitiateProbing`), because more would never be sent, nor above
/// `MOST` if that is more: a still shared screen needs little until it moves.
const DEMAND: f64 = 2.0;
/// An estimate below the demand is probed at this multiple, after the first time, which doubles up to the second one
/// with each probe that finds no more. libwebrtc waits for enough to send instead; a forwarder has layers that it does
/// not send.
const SHORT_OF_DEMAND: f64 = 1.6;
const RETRY: Duration = ms(1_000);
const MOST_RETRY: Duration = ms(3_500);
/// A new demand is probed at these multiples of it, and at most at this one of the estimate (`first_allocation_probe_scale`,
/// `second_allocation_probe_scale`, `allocation_probe_limit_by_current_scale`).
const DEMANDED: [f64; 2] = [1.0, 2.0];
const DEMANDED_MOST: f64 = 2.0;
/// A drop to this share of the estimate is large (`kBitrateDropThreshold`); if the queue has drained within this time
/// (`kBitrateDropTimeout`), this share of what was there before is probed (`kProbeFractionAfterDrop`), unless it would
/// find no more than the estimate (`kProbeUncertainty`) or the last such probe was this short ago
/// (`kMinTimeBetweenAlrProbes`).
const DROP: f64 = 0.66;
const DROP_AGE: Duration = ms(5_000);
const AFTER_DROP: f64 = 0.85;
const UNCERTAINTY: f64 = 0.05;
const DROP_INTERVAL: Duration = ms(5_000);
/// A time without enough to send counts for so long after its end (`kAlrEndedTimeout`).
const ENDED: Duration = ms(3_000);
/// While loss limits, but the limit grows, at most this multiple of the estimate is probed (`loss_limited_probe_scale`).
const LOSSY: f64 = 1.5;
/// Without a larger demand nothing above this is probed (`kDefaultMaxProbingBitrate`).
const MOST: Rate = Rate::kbps(5_000);
/// A probe at less than this multiple of the estimate tells nothing new, so that none is sent. libwebrtc:
/// `skip_if_estimate_larger_than_fraction_of_max`, which is off by default.
const NEW: f64 = 1.02;
/// Clusters that wait to be sent.
const WAITING_CLUSTERS: usize = 4;

/// What stops a probe.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Cause {
    /// Nothing does: the delay limits, and does not grow.
    #[default]
    Steady,
    /// Loss limits, and the limit grows.
    LossGrowing,
    /// The queue fills, loss lowers the limit, or feedback is overdue.
    Congested,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Begun,
    /// A result above this rate is followed by another probe.
    Waiting(Rate),
    Complete,
}

/// When and how to probe one transport.
#[derive(Clone, Debug)]
pub struct Probing {
    state: State,
    start: Rate,
    estimate: Rate,
    cause: Cause,
    demand: Option<Rate>,
    probed: Option<Instant>,
    drop: Option<(Rate, Instant)>,
    drop_probed: Option<Instant>,
    /// The time between probes for a demand, and the estimate at the last one.
    retry: (Duration, Rate),
    next_id: u32,
    clusters: Vec<Cluster>,
}

impl Probing {
    /// Begins at an assumed rate.
    pub fn new(start: Rate) -> Self {
        Self {
            state: State::Begun,
            start,
            estimate: start,
            cause: Cause::Steady,
            demand: None,
            probed: None,
            drop: None,
            drop_probed: None,
            retry: (RETRY, Rate::ZERO),
            next_id: 0,
            clusters: Vec::new(),
        }
    }

    /// The clusters to send, each after the one before.
    pub fn poll(&mut self) -> Option<Cluster> {
        (!self.clusters.is_empty()).then(|| self.clusters.remove(0))
    }

    /// The transport is connected: begins to probe.
    pub fn connected(&mut self, now: Instant) {
        if self.state == State::Begun {
            self.begin(now);
        }
    }

    /// Sends the first probes, perhaps again.
    pub fn begin(&mut self, now: Instant) {
        self.probe(&FIRST.map(|scale| self.start.scaled(scale)), true, now);
    }

    /// Probes this rate, and more if it was found.
    pub fn begin_at(&mut self, rate: Rate, now: Instant) {
        self.probe(&[rate], true, now);
    }

    /// Probes the present estimate, because a probe found less.
    pub fn confirm(&mut self, now: Instant) {
        if self.clusters.is_empty() && self.cause != Cause::Congested {
            self.push(self.estimate);
            self.probed = Some(now);
        }
    }

    /// When the last probe was asked for.
    pub fn probed(&self) -> Option<Instant> {
        self.probed
    }

    /// What the application would send if it could.
    pub fn set_demand(&mut self, demand: Rate, is_limited: bool, now: Instant) {
        let before = self.demand.replace(demand);
        if before.is_none_or(|before| demand > before.scaled(NEW)) {
            self.retry.0 = RETRY;
        }
        if self.state != State::Complete || before == Some(demand) || demand <= self.estimate || !is_limited {
            return;
        }
        let most = self.estimate.scaled(DEMANDED_MOST);
        let wished = DEMANDED.map(|scale| demand.scaled(scale).min(most));
        let count = if wished[1] > wished[0] { 2 } else { 1 };
        self.probe(&wished[..count], wished[count - 1] == most, now);
    }

    /// A new estimate, and what limits it.
    pub fn set_estimate(&mut self, estimate: Rate, cause: Cause, now: Instant) {
        self.cause = cause;
        if estimate < self.estimate.scaled(DROP) {
            self.retry.0 = RETRY;
            self.drop = Some((self.estimate, now));
        }
        self.estimate = estimate;
        if let State::Waiting(least) = self.state
            && estimate > least
        {
            self.probe(&[estimate.scaled(FURTHER)], true, now);
        }
    }

    /// The queue drained. `limited` and `ended`: since when too little is sent, and until when it was.
    pub fn recovered(&mut self, limited: Option<Instant>, ended: Option<Instant>, now: Instant) {
        let was_limited = ended.is_some_and(|ended| now.saturating_duration_since(ended) < ENDED);
        let Some((before, dropped)) = self.drop else { return };
        let suggested = before.scaled(AFTER_DROP);
        let is_due = |last: Instant| now.saturating_duration_since(last) > DROP_INTERVAL;
        if self.state == State::Complete
            && (limited.is_some() || was_limited)
            && suggested.scaled(1.0 - UNCERTAINTY) > self.estimate
            && now.saturating_duration_since(dropped) < DROP_AGE
            && self.drop_probed.is_none_or(is_due)
        {
            self.drop_probed = Some(now);
            self.probe(&[suggested], false, now);
        }
    }

    /// Time passed. `limited`: since when too little is sent.
    pub fn handle_timeout(&mut self, limited: Option<Instant>, now: Instant) {
        if matches!(self.state, State::Waiting(_))
            && self.probed.is_none_or(|at| now.saturating_duration_since(at) > WAITING)
        {
            self.state = State::Complete;
        }
        if self.state != State::Complete {
            return;
        }
        if let Some(limited) = limited
            && now.saturating_duration_since(self.probed.map_or(limited, |at| at.max(limited))) >= INTERVAL
        {
            self.probe(&[self.estimate.scaled(SCALE)], true, now);
        }
        if self.is_short_of_demand()
            && self.cause != Cause::Congested
            && self.probed.is_none_or(|at| now.saturating_duration_since(at) >= self.retry.0)
        {
            let (interval, before) = self.retry;
            let found_more = self.estimate > before.scaled(1.1);
            self.retry = (if found_more { RETRY } else { (interval * 2).min(MOST_RETRY) }, self.estimate);
            self.probe(&[self.estimate.scaled(SHORT_OF_DEMAND)], true, now);
        }
    }

    fn is_short_of_demand(&self) -> bool {
        self.demand.is_some_and(|demand| demand > self.estimate.scaled(1.05))
    }

    /// When [`Probing::handle_timeout`] has something to do.
    pub fn poll_timeout(&self, limited: Option<Instant>) -> Option<Instant> {
        match self.state {
            State::Begun => None,
            State::Waiting(_) => self.probed?.checked_add(WAITING + ms(1)),
            // The cause changes with feedback.
            State::Complete if self.cause == Cause::Congested => None,
            State::Complete => {
                let idle = limited.map(|at| at.max(self.probed.unwrap_or(at)) + INTERVAL);
                let demanded = self.probed.filter(|_| self.is_short_of_demand()).map(|at| at + self.retry.0);
                [idle, demanded].into_iter().flatten().min()
            }
        }
    }

    fn probe(&mut self, rates: &[Rate], is_further: bool, now: Instant) {
        let mut most = self.most();
        match self.cause {
            Cause::Congested => return,
            Cause::LossGrowing => most = most.min(self.estimate.scaled(LOSSY)),
            Cause::Steady => {}
        }
        let (mut last, mut is_further) = (Rate::ZERO, is_further);
        for rate in rates {
            is_further &= *rate < most;
            last = (*rate).min(most);
            if last >= self.estimate.scaled(NEW) {
                self.push(last);
            }
        }
        self.probed = Some(now);
        self.state = if is_further { State::Waiting(last.scaled(FURTHER_FROM)) } else { State::Complete };
    }

    fn push(&mut self, rate: Rate) {
        if self.clusters.len() < WAITING_CLUSTERS {
            self.clusters.push(Cluster { id: self.next_id, rate, packets: PACKETS, octets: rate.octets_in(DURATION) });
            self.next_id = self.next_id.wrapping_add(1);
        }
    }

    /// Nothing above this is probed.
    fn most(&self) -> Rate {
        self.demand.map_or(MOST, |demand| demand.scaled(DEMAND).max(MOST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Run {
        probing: Probing,
        now: Instant,
    }

    impl Run {
        fn new() -> Self {
            Self { probing: Probing::new(Rate::kbps(300)), now: Instant::now() }
        }

        /// The rates of the clusters to send, in kbit/s.
        fn rates(&mut self) -> Vec<f64> {
            std::iter::from_fn(|| self.probing.poll()).map(|cluster| cluster.rate.as_kbps()).collect()
        }

        fn estimate(&mut self, kbps: u64) {
            self.probing.set_estimate(Rate::kbps(kbps), Cause::Steady, self.now);
        }

        fn wait(&mut self, milliseconds: u64, limited: Option<Instant>) {
            self.now += ms(milliseconds);
            self.probing.handle_timeout(limited, self.now);
        }
    }

    /// libwebrtc: ProbeControllerTest.InitiatesProbingAtStart.
    #[test]
    fn initiates_probing_at_start() {
        let mut run = Run::new();
        assert_eq!(run.rates(), [0.0; 0]);
        run.probing.connected(run.now);
        assert_eq!(run.rates(), [900.0, 1_800.0]);
        run.probing.connected(run.now);
        assert_eq!(run.rates(), [0.0; 0], "once");
    }

    /// libwebrtc: ProbeControllerTest.TestExponentialProbing.
    #[test]
    fn exponential_probing() {
        let mut run = Run::new();
        run.probing.connected(run.now);
        run.rates();
        run.estimate(1_000);
        assert_eq!(run.rates(), [0.0; 0], "below 70 % of 1,800");
        run.estimate(1_800);
        assert_eq!(run.rates(), [3_600.0]);
    }

    /// libwebrtc: ProbeControllerTest.TestExponentialProbingTimeout.
    #[test]
    fn exponential_probing_timeout() {
        let mut run = Run::new();
        run.probing.connected(run.now);
        run.rates();
        run.wait(5_000, None);
        run.estimate(1_800);
        assert_eq!(run.rates(), [0.0; 0]);
    }

    /// libwebrtc: ProbeControllerTest.RequestProbeInAlr.
    #[test]
    fn request_probe_in_alr() {
        let mut run = Run::new();
        run.probing.connected(run.now);
        run.wait(5_000, None);
        run.rates();
        run.estimate(500);
        let limited = Some(run.now);
        run.estimate(250);
        run.probing.recovered(limited, None, run.now);
        assert_eq!(run.rates(), [425.0], "85 % of what was there before");
        run.probing.recovered(limited, None, run.now);
        assert_eq!(run.rates(), [0.0; 0], "not again within five seconds");
    }

    /// libwebrtc: ProbeControllerTest.RequestProbeWhenAlrEndedRecently, RequestProbeWhenAlrNotEndedRecently,
    /// RequestProbeWhenBweDropNotRecent.
    #[test]
    fn request_probe_when_alr_and_drop_are_recent() {
        for (ended, dropped, expected) in [(2_900, 4_900, 1), (3_000, 4_900, 0), (2_900, 5_000, 0)] {
            let mut run = Run::new();
            run.probing.connected(run.now);
            run.wait(5_000, None);
            run.estimate(500);
            run.rates();
            run.estimate(250);
            run.now += ms(dropped);
            let ended = run.now - ms(ended);
            run.probing.recovered(None, Some(ended), run.now);
            assert_eq!(run.rates().len(), expected, "{ended:?} {dropped}");
        }
    }

    /// libwebrtc: ProbeControllerTest.PeriodicProbing.
    #[test]
    fn periodic_probing() {
        let mut run = Run::new();
        run.probing.connected(run.now);
        run.wait(5_000, None);
        run.rates();
        run.estimate(500);
        let limited = Some(run.now);
        run.wait(5_000, limited);
        assert_eq!(run.rates(), [1_000.0]);
        run.estimate(500);
        run.wait(4_000, limited);
        assert_eq!(run.rates(), [0.0; 0]);
        run.wait(1_000, limited);
        assert_eq!(run.rates(), [1_000.0]);
        run.wait(5_000, None);
        assert_eq!(run.rates(), [0.0; 0], "enough is sent");
    }

    /// libwebrtc: ProbeControllerTest.ProbeOnMaxAllocatedBitrateChange... probes on demand.
    #[test]
    fn a_demand_above_the_estimate_is_probed_at_once() {
        let mut run = Run::new();
        run.probing.connected(run.now);
        run.wait(5_000, None);
        run.estimate(1_000);
        run.rates();
        run.probing.set_demand(Rate::kbps(1_500), true, run.now);
        assert_eq!(run.rates(), [1_500.0, 2_000.0], "at most twice the estimate");
        run.probing.set_demand(Rate::kbps(1_500), true, run.now);
        assert_eq!(run.rates(), [0.0; 0], "the same demand");
        run.probing.set_demand(Rate::kbps(900), true, run.now);
        assert_eq!(run.rates(), [0.0; 0], "the estimate carries it");
    }

    /// libwebrtc: ProbeControllerTest.SkipAlrProbeIfEstimateLargerThanMaxProbe.
    #[test]
    fn an_idle_link_is_not_probed_at_less_than_the_estimate() {
        for (demand, estimate, expected) in [
            (None, 4_800, vec![5_000.0]),
            (None, 4_950, vec![]),
            (Some(100), 5_120, vec![]),
            (Some(100), 2_000, vec![4_000.0]),
            (Some(4_000), 5_120, vec![8_000.0]),
            (Some(4_000), 8_000, vec![]),
        ] {
            let mut run = Run::new();
            run.probing.connected(run.now);
            run.wait(5_000, None);
            run.estimate(estimate);
            run.rates();
            if let Some(demand) = demand {
                run.probing.set_demand(Rate::kbps(demand), true, run.now);
            }
            let limited = Some(run.now);
            run.wait(5_000, limited);
            assert_eq!(run.rates(), expected, "{demand:?} {estimate}");
        }
    }

    #[test]
    fn a_low_result_is_confirmed_at_the_estimate() {
        let mut run = Run::new();
        run.probing.connected(run.now);
        run.wait(5_000, None);
        run.rates();
        run.estimate(1_000);
        run.probing.confirm(run.now);
        run.probing.confirm(run.now);
        assert_eq!(run.rates(), [1_000.0], "once");
    }

    /// libwebrtc: ProbeControllerTest.DontProbeIfDelayIncreased, DontProbeIfHighRtt, ProbeFurtherInLossLimited.
    #[test]
    fn congestion_stops_probes() {
        for (cause, expected) in
            [(Cause::Congested, vec![]), (Cause::LossGrowing, vec![750.0]), (Cause::Steady, vec![1_000.0])]
        {
            let mut run = Run::new();
            run.probing.connected(run.now);
            run.wait(5_000, None);
            run.rates();
            run.probing.set_estimate(Rate::kbps(500), cause, run.now);
            let limited = Some(run.now);
            run.wait(5_000, limited);
            assert_eq!(run.rates(), expected);
        }
    }
}
