//! Detects from the trend of the one-way delay whether a queue fills or drains.
//!
//! Source: libwebrtc, modules/congestion_controller/goog_cc/trendline_estimator.{h,cc}.

use std::collections::VecDeque;

use super::groups::Delta;
use super::units::Arrival;

/// Groups over which a line is fitted (`kDefaultTrendlineWindowSize`).
const WINDOW: usize = 20;
/// The weight of the past in the smoothed delay (`kDefaultTrendlineSmoothingCoeff`).
const SMOOTHING: f64 = 0.9;
/// The slope is multiplied by this and by the number of groups, before it is compared with the threshold
/// (`kDefaultTrendlineThresholdGain`, `kMinNumDeltas`).
const GAIN: f64 = 4.0;
const MOST_DELTAS: u32 = 60;
/// The threshold at the start, its bounds, and how fast it grows and shrinks per millisecond (`threshold_`, `k_up_`,
/// `k_down_`, in `UpdateThreshold`).
const THRESHOLD: f64 = 12.5;
const LEAST_THRESHOLD: f64 = 6.0;
const MOST_THRESHOLD: f64 = 600.0;
const GROWTH: f64 = 0.0087;
const SHRINKAGE: f64 = 0.039;
/// A trend that far above the threshold is a sudden change of the link and does not adapt the threshold
/// (`kMaxAdaptOffsetMs`).
const MOST_ADAPTED: f64 = 15.0;
/// The threshold adapts to at most so many milliseconds at once (`kMaxTimeDeltaMs`).
const MOST_STEP: f64 = 100.0;
/// Milliseconds of sending for which the delay must grow (`kOverUsingTimeThreshold`).
const OVERUSE: f64 = 10.0;

/// What the queue of the link does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Usage {
    /// It stays as it is.
    #[default]
    Normal,
    /// It fills: more is sent than the link carries.
    Over,
    /// It drains.
    Under,
}

#[derive(Clone, Copy, Debug)]
struct Point {
    arrived: f64,
    delay: f64,
}

/// A line through the smoothed delays of the last groups.
#[derive(Clone, Debug)]
pub struct Trendline {
    points: VecDeque<Point>,
    first: Option<Arrival>,
    deltas: u32,
    accumulated: f64,
    smoothed: f64,
    trend: f64,
    threshold: f64,
    adapted: Option<Arrival>,
    /// Milliseconds of sending for which the trend was above the threshold.
    over_for: Option<f64>,
    over_count: u32,
    usage: Usage,
}

impl Default for Trendline {
    fn default() -> Self {
        Self {
            points: VecDeque::with_capacity(WINDOW + 1),
            first: None,
            deltas: 0,
            accumulated: 0.0,
            smoothed: 0.0,
            trend: 0.0,
            threshold: THRESHOLD,
            adapted: None,
            over_for: None,
            over_count: 0,
            usage: Usage::Normal,
        }
    }
}

impl Trendline {
    /// Takes the distance of two groups, the later of which was complete at `arrived`.
    pub fn next(&mut self, delta: Delta, arrived: Arrival) -> Usage {
        self.deltas = (self.deltas + 1).min(MOST_DELTAS);
        let first = *self.first.get_or_insert(arrived);
        self.accumulated += delta.arrived - delta.sent;
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * self.accumulated;
        self.points.push_back(Point { arrived: arrived.ms_since(first), delay: self.smoothed });
        if self.points.len() > WINDOW {
            self.points.pop_front();
        }
        let trend = if self.points.len() == WINDOW { self.slope().unwrap_or(self.trend) } else { self.trend };
        self.detect(trend, delta.sent, arrived);
        self.usage
    }

    /// What the queue did after the last group.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// The slope of the least squares fit: (rate - capacity) / capacity while a queue fills.
    fn slope(&self) -> Option<f64> {
        let count = self.points.len() as f64;
        let (x_sum, y_sum) = self.points.iter().fold((0.0, 0.0), |(x, y), p| (x + p.arrived, y + p.delay));
        let (x_mean, y_mean) = (x_sum / count, y_sum / count);
        let (mut above, mut below) = (0.0, 0.0);
        for point in &self.points {
            let x = point.arrived - x_mean;
            above += x * (point.delay - y_mean);
            below += x * x;
        }
        (below != 0.0).then_some(above / below)
    }

    fn detect(&mut self, trend: f64, sent: f64, arrived: Arrival) {
        if self.deltas < 2 {
            return;
        }
        let scaled = f64::from(self.deltas) * trend * GAIN;
        if scaled > self.threshold {
            // At first half of the time since the group before counts.
            let over_for = self.over_for.map_or(sent / 2.0, |before| before + sent);
            self.over_for = Some(over_for);
            self.over_count += 1;
            if over_for > OVERUSE && self.over_count > 1 && trend >= self.trend {
                self.over_for = Some(0.0);
                self.over_count = 0;
                self.usage = Usage::Over;
            }
        } else {
            self.over_for = None;
            self.over_count = 0;
            self.usage = if scaled < -self.threshold { Usage::Under } else { Usage::Normal };
        }
        self.trend = trend;
        self.adapt(scaled.abs(), arrived);
    }

    fn adapt(&mut self, scaled: f64, arrived: Arrival) {
        let since = arrived.ms_since(self.adapted.replace(arrived).unwrap_or(arrived)).clamp(0.0, MOST_STEP);
        if scaled > self.threshold + MOST_ADAPTED {
            return;
        }
        let speed = if scaled < self.threshold { SHRINKAGE } else { GROWTH };
        self.threshold += speed * (scaled - self.threshold) * since;
        self.threshold = self.threshold.clamp(LEAST_THRESHOLD, MOST_THRESHOLD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends a packet each 5 ms through a link whose delay grows by `slope`, and returns the usage after each.
    fn run(packets: u32, slope: f64, jitter: impl Fn(u32) -> f64) -> Vec<Usage> {
        let mut trendline = Trendline::default();
        let arrived = |n: u32| 5.0 * f64::from(n) * (1.0 + slope) + jitter(n);
        let step = |n: u32| {
            let delta = Delta { sent: 5.0, arrived: arrived(n) - arrived(n - 1) };
            trendline.next(delta, Arrival((arrived(n) * 1_000.0) as i64))
        };
        (1..packets).map(step).collect()
    }

    /// libwebrtc: TrendlineEstimatorTest.Normal.
    #[test]
    fn normal() {
        assert!(run(60, 0.0, |_| 0.0).iter().all(|usage| *usage == Usage::Normal));
    }

    /// libwebrtc: TrendlineEstimatorTest.Overusing.
    #[test]
    fn overusing() {
        let usages = run(60, 0.1, |_| 0.0);
        let found = usages.iter().position(|usage| *usage == Usage::Over).expect("it is seen");
        assert!(found < 30, "after {found} groups");
        assert!(usages[found..].iter().all(|usage| *usage == Usage::Over), "and stays while the queue fills");
    }

    /// libwebrtc: TrendlineEstimatorTest.Underusing.
    #[test]
    fn underusing() {
        let usages = run(60, -0.15, |_| 0.0);
        let found = usages.iter().position(|usage| *usage == Usage::Under).expect("it is seen");
        assert!(usages[found..].iter().all(|usage| *usage == Usage::Under));
    }

    /// libwebrtc: TrendlineEstimatorTest.IncludesSmallPacketsByDefault.
    #[test]
    fn jitter_without_a_trend_is_normal() {
        let usages = run(600, 0.0, |n| f64::from((n * 7919) % 10) / 10.0 * 4.0);
        assert!(!usages.contains(&Usage::Over), "{:?}", usages.iter().position(|usage| *usage == Usage::Over));
    }

    #[test]
    fn the_threshold_stays_in_its_bounds() {
        let mut trendline = Trendline::default();
        for n in 0..10_000_i64 {
            let delta = Delta { sent: 5.0, arrived: 5.0 + f64::from((n % 3) as i32 - 1) * 20.0 };
            trendline.next(delta, Arrival(n * 5_000));
            assert!((LEAST_THRESHOLD..=MOST_THRESHOLD).contains(&trendline.threshold));
        }
    }
}
