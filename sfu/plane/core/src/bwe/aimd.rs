//! Raises the delay-based limit while the queue is steady and lowers it when the queue fills: additive or
//! multiplicative increase, multiplicative decrease.
//!
//! Source: libwebrtc, modules/remote_bitrate_estimator/aimd_rate_control.{h,cc}.

use super::capacity::Capacity;
use super::trendline::Usage;
use super::units::Rate;
use crate::time::{Duration, Instant, ms};

/// The share of the throughput that is left when the queue fills (`kDefaultBackoffFactor`).
const BACK_OFF: f64 = 0.85;
/// Growth per second where the capacity is unknown, and its least value (`MultiplicativeRateIncrease`).
const GROWTH: f64 = 1.08;
const LEAST_GROWTH: Rate = Rate::kbps(1);
/// Growth per second near the capacity is one packet of this size or smaller per response time, at least this
/// (`GetNearMaxIncreaseRateBpsPerSecond`).
const PACKET: f64 = 1_200.0 * 8.0;
const FRAMES: f64 = 30.0;
const LEAST_LINEAR: f64 = 4_000.0;
/// The time until an increase shows as a longer delay, besides the round trip.
const RESPONSE: Duration = ms(100);
/// The limit is at most this much of the throughput, and this (`increase_limit`).
const LEAD: f64 = 1.5;
const LEAD_OFFSET: Rate = Rate::kbps(10);
/// Assumed before a round trip is measured (`kDefaultRtt`).
const ROUND_TRIP: Duration = ms(200);
/// Reductions are as far apart as they take to show: the round trip and `RESPONSE`, at most this (`TimeToReduceFurther`,
/// which waits for the round trip only and reduces twice for one queue where that is short).
const MOST_INTERVAL: Duration = ms(300);
/// Without a start rate the first throughput counts after this time (`kInitializationTime`).
const INITIALIZATION: Duration = ms(5_000);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The queue drains, or was just made to.
    Hold,
    Increase,
}

/// The limit, and what it follows from.
#[derive(Clone, Copy, Debug)]
pub struct RateControl {
    limit: Rate,
    is_valid: bool,
    least: Rate,
    throughput: Rate,
    capacity: Capacity,
    state: State,
    changed: Option<Instant>,
    first_throughput: Option<Instant>,
    round_trip: Duration,
}

impl RateControl {
    /// Begins with an assumed rate, and never falls below `least`.
    pub fn new(start: Option<Rate>, least: Rate) -> Self {
        let limit = start.unwrap_or(Rate::kbps(30_000)).max(least);
        Self {
            limit,
            is_valid: start.is_some(),
            least,
            throughput: limit,
            capacity: Capacity::default(),
            state: State::Hold,
            changed: None,
            first_throughput: None,
            round_trip: ROUND_TRIP,
        }
    }

    /// The limit, if anything is known.
    pub fn limit(&self) -> Option<Rate> {
        self.is_valid.then_some(self.limit)
    }

    /// A measured round trip.
    pub fn set_round_trip(&mut self, round_trip: Duration) {
        self.round_trip = round_trip;
    }

    /// Takes a limit that was measured in another way, by a probe.
    pub fn set_limit(&mut self, limit: Rate, now: Instant) {
        self.is_valid = true;
        self.limit = limit.max(self.least);
        self.changed = Some(now);
    }

    /// True if the last reduction had the time to show its effect, or was by far too small.
    pub fn may_reduce(&self, throughput: Rate, now: Instant) -> bool {
        let interval = (self.round_trip + RESPONSE).min(MOST_INTERVAL);
        self.changed.is_none_or(|changed| now.saturating_duration_since(changed) >= interval)
            || (self.is_valid && throughput < self.limit.scaled(0.5))
    }

    /// True if it may be halved before a throughput is known.
    pub fn may_halve(&self, now: Instant) -> bool {
        self.is_valid && self.may_reduce(self.limit.scaled(0.5), now)
    }

    /// Takes what the queue does and the throughput, if it is known. Returns the limit, if it is known.
    pub fn next(&mut self, usage: Usage, throughput: Option<Rate>, now: Instant) -> Option<Rate> {
        if let Some(throughput) = throughput {
            self.throughput = throughput;
            let first = *self.first_throughput.get_or_insert(now);
            if !self.is_valid && now.saturating_duration_since(first) > INITIALIZATION {
                self.limit = throughput;
                self.is_valid = true;
            }
        }
        match usage {
            Usage::Over => self.decrease(now),
            _ if !self.is_valid => {}
            Usage::Under => self.state = State::Hold,
            Usage::Normal => {
                if self.state == State::Hold {
                    self.changed = Some(now);
                    self.state = State::Increase;
                }
                self.increase(now);
            }
        }
        self.limit = self.limit.max(self.least);
        self.limit()
    }

    fn increase(&mut self, now: Instant) {
        if self.throughput > self.capacity.upper_bound() {
            self.capacity.reset();
        }
        let most = self.throughput.scaled(LEAD).plus(LEAD_OFFSET);
        if self.limit < most {
            let elapsed = self.changed.map(|changed| now.saturating_duration_since(changed).as_secs_f64());
            let growth = if self.capacity.estimate().is_some() {
                Rate::bps((self.linear_growth() * elapsed.unwrap_or(0.0)) as u64)
            } else {
                let factor = elapsed.map_or(GROWTH, |elapsed| GROWTH.powf(elapsed.min(1.0)));
                self.limit.scaled(factor - 1.0).max(LEAST_GROWTH)
            };
            self.limit = self.limit.plus(growth).min(most);
        }
        self.changed = Some(now);
    }

    fn decrease(&mut self, now: Instant) {
        let mut reduced = self.throughput.scaled(BACK_OFF);
        if reduced > self.limit {
            reduced = self.capacity.estimate().map_or(reduced, |capacity| capacity.scaled(BACK_OFF));
        }
        self.limit = self.limit.min(reduced);
        if self.throughput < self.capacity.lower_bound() {
            self.capacity.reset();
        }
        self.capacity.next(self.throughput);
        self.is_valid = true;
        self.state = State::Hold;
        self.changed = Some(now);
    }

    /// Bit/s per second, near the capacity.
    fn linear_growth(&self) -> f64 {
        let frame = self.limit.as_bps() as f64 / FRAMES;
        let packet = frame / (frame / PACKET).ceil().max(1.0);
        let response = 2.0 * (self.round_trip + RESPONSE).as_secs_f64();
        (packet / response).max(LEAST_LINEAR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: Rate = Rate::kbps(5);

    fn started(kbps: u64) -> (RateControl, Instant) {
        (RateControl::new(Some(Rate::kbps(kbps)), LEAST), Instant::now())
    }

    /// libwebrtc: AimdRateControlTest.MinNearMaxIncreaseRateOnLowBandwith.
    #[test]
    fn min_near_max_increase_rate_on_low_bandwidth() {
        let (control, _) = started(30);
        assert_eq!(control.linear_growth(), 4_000.0);
    }

    /// libwebrtc: AimdRateControlTest.NearMaxIncreaseRateIs5kbpsOn90kbpsAnd200msRtt.
    #[test]
    fn near_max_increase_rate_is_5_kbps_on_90_kbps_and_200_ms_rtt() {
        let (control, _) = started(90);
        assert_eq!(control.linear_growth().round(), 5_000.0);
    }

    /// libwebrtc: AimdRateControlTest.NearMaxIncreaseRateIs5kbpsOn60kbpsAnd100msRtt.
    #[test]
    fn near_max_increase_rate_is_5_kbps_on_60_kbps_and_100_ms_rtt() {
        let (mut control, _) = started(60);
        control.set_round_trip(ms(100));
        assert_eq!(control.linear_growth().round(), 5_000.0);
    }

    /// libwebrtc: AimdRateControlTest.BweLimitedByAckedBitrate.
    #[test]
    fn bwe_limited_by_acked_bitrate() {
        let (mut control, start) = started(123);
        for n in 0..200 {
            control.next(Usage::Normal, Some(Rate::kbps(123)), start + ms(100 * n));
        }
        assert_eq!(control.limit(), Some(Rate::bps(123_000 * 3 / 2 + 10_000)));
    }

    /// libwebrtc: AimdRateControlTest.DecreasesRateWithBeta... an over-use leaves 85 % of the throughput.
    #[test]
    fn an_over_use_leaves_85_percent_of_the_throughput() {
        let (mut control, start) = started(1_000);
        assert_eq!(control.next(Usage::Over, Some(Rate::kbps(600)), start), Some(Rate::kbps(510)));
        assert_eq!(control.next(Usage::Under, Some(Rate::kbps(600)), start + ms(100)), Some(Rate::kbps(510)));
        let after = control.next(Usage::Normal, Some(Rate::kbps(510)), start + ms(200));
        let later = control.next(Usage::Normal, Some(Rate::kbps(510)), start + ms(1_200));
        assert!(later > after && later < Some(Rate::kbps(560)), "near the capacity it grows by packets: {later:?}");
    }

    #[test]
    fn reductions_are_a_round_trip_apart_unless_half_is_left() {
        let (mut control, start) = started(1_000);
        control.set_round_trip(ms(100));
        control.next(Usage::Over, Some(Rate::kbps(800)), start);
        assert!(!control.may_reduce(Rate::kbps(600), start + ms(199)));
        assert!(control.may_reduce(Rate::kbps(600), start + ms(200)));
        assert!(control.may_reduce(Rate::kbps(300), start + ms(1)));
    }

    #[test]
    fn without_a_start_rate_the_throughput_after_five_seconds_is_the_limit() {
        let (mut control, start) = (RateControl::new(None, LEAST), Instant::now());
        assert_eq!(control.next(Usage::Normal, Some(Rate::kbps(300)), start), None);
        assert_eq!(control.next(Usage::Normal, Some(Rate::kbps(300)), start + ms(5_000)), None);
        let limit = control.next(Usage::Normal, Some(Rate::kbps(300)), start + ms(5_001)).expect("it is valid");
        assert!(limit >= Rate::kbps(300));
        let (mut control, start) = (RateControl::new(None, LEAST), Instant::now());
        assert_eq!(control.next(Usage::Over, Some(Rate::kbps(300)), start), Some(Rate::kbps(255)));
    }

    #[test]
    fn it_never_falls_below_its_least() {
        let (mut control, start) = started(6);
        assert_eq!(control.next(Usage::Over, Some(Rate::bps(1)), start), Some(LEAST));
        control.set_limit(Rate::ZERO, start);
        assert_eq!(control.limit(), Some(LEAST));
    }
}
