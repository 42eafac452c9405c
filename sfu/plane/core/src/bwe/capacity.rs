//! The rate at which the link was full, as far as it is known.
//!
//! Source: libwebrtc, modules/congestion_controller/goog_cc/link_capacity_estimator.{h,cc}.

use super::units::Rate;

/// The weight of a new sample.
const WEIGHT: f64 = 0.05;
/// The normalized variance in kbit/s, at the start and its bounds.
const LEAST_DEVIATION: f64 = 0.4;
const MOST_DEVIATION: f64 = 2.5;
/// The bounds lie so many standard deviations from the estimate.
const BOUNDS: f64 = 3.0;

/// A mean and a variance, in kbit/s.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    estimate: Option<f64>,
    deviation: f64,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { estimate: None, deviation: LEAST_DEVIATION }
    }
}

impl Capacity {
    /// Takes the throughput at which a queue began to fill.
    pub fn next(&mut self, throughput: Rate) {
        let sample = throughput.as_kbps();
        let estimate = self.estimate.map_or(sample, |before| (1.0 - WEIGHT) * before + WEIGHT * sample);
        let error = estimate - sample;
        let deviation = (1.0 - WEIGHT) * self.deviation + WEIGHT * error * error / estimate.max(1.0);
        self.deviation = deviation.clamp(LEAST_DEVIATION, MOST_DEVIATION);
        self.estimate = Some(estimate);
    }

    /// Forgets the estimate and keeps how much it varies.
    pub fn reset(&mut self) {
        self.estimate = None;
    }

    /// The mean, if known.
    pub fn estimate(&self) -> Option<Rate> {
        self.estimate.map(rate)
    }

    /// A throughput above this means that the link carries more now.
    pub fn upper_bound(&self) -> Rate {
        self.estimate.map_or(Rate::UNLIMITED, |mean| rate(mean + BOUNDS * self.spread(mean)))
    }

    /// A throughput below this means that the link carries less now.
    pub fn lower_bound(&self) -> Rate {
        self.estimate.map_or(Rate::ZERO, |mean| rate((mean - BOUNDS * self.spread(mean)).max(0.0)))
    }

    fn spread(&self, mean: f64) -> f64 {
        (self.deviation * mean).sqrt()
    }
}

fn rate(kbps: f64) -> Rate {
    Rate::bps((kbps * 1_000.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_link_has_narrow_bounds() {
        let mut capacity = Capacity::default();
        assert_eq!((capacity.lower_bound(), capacity.upper_bound()), (Rate::ZERO, Rate::UNLIMITED));
        for _ in 0..50 {
            capacity.next(Rate::kbps(1_000));
        }
        assert_eq!(capacity.estimate(), Some(Rate::kbps(1_000)));
        assert!(capacity.lower_bound() > Rate::kbps(930) && capacity.upper_bound() < Rate::kbps(1_070));
        capacity.reset();
        assert_eq!(capacity.estimate(), None);
    }
}
