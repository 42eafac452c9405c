//! A model of the link: it carries so much, and loses so much of what it carries.

use super::observations::Observations;
use crate::bwe::units::Rate;

/// The bounds of a link's own loss: the least, and for a capacity `OFFSET` plus `BALANCE` by it
/// (`InherentLossLowerBound`, `InherentLossUpperBoundOffset`, `InherentLossUpperBoundBwBalance`).
const LEAST_LOSS: f64 = 1.0e-3;
const OFFSET: f64 = 0.05;
const BALANCE: Rate = Rate::kbps(100);
/// Assumed at the start (`InitialInherentLossEstimate`).
const FIRST_LOSS: f64 = 0.01;
/// A step of Newton's method goes so far (`NewtonStepSize`); one step is made (`NewtonIterations`).
const STEP: f64 = 0.75;
/// How much higher capacities are preferred, per kbit/s and per its logarithm, below this loss
/// (`HigherBwBiasFactor`, `HigherLogBwBiasFactor`, `LossThresholdOfHighBandwidthPreference`,
/// `BandwidthPreferenceSmoothingFactor`).
const BIAS: f64 = 0.0002;
const LOG_BIAS: f64 = 0.02;
const BIAS_BELOW: f64 = 0.2;
const BIAS_SMOOTHING: f64 = 0.002;
/// Probabilities stay so far from 0 and 1.
const MARGIN: f64 = 1.0e-6;

/// The parameters of the model.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Channel {
    /// What the link carries.
    pub(super) capacity: Rate,
    /// The share that it loses at any rate.
    pub(super) loss: f64,
}

impl Default for Channel {
    fn default() -> Self {
        Self { capacity: Rate::UNLIMITED, loss: FIRST_LOSS }
    }
}

impl Channel {
    /// This capacity, with the loss that explains the observations best.
    pub(super) fn fitted(self, observations: &Observations) -> Channel {
        let begun = Channel { loss: self.feasible(self.loss), ..self };
        let (mut first, mut second) = (0.0, 0.0);
        for (weight, observed) in observations.weighted() {
            let probability = begun.probability(observed.rate);
            let (lost, arrived) = (observed.lost_kilobytes(), observed.arrived_kilobytes());
            first += weight * (lost / probability - arrived / (1.0 - probability));
            second -= weight * (lost / probability.powi(2) + arrived / (1.0 - probability).powi(2));
        }
        if second >= 0.0 {
            return begun;
        }
        Channel { loss: begun.feasible(begun.loss - STEP * first / second), ..begun }
    }

    /// The logarithm of the likelihood of the observations, plus the preference for a high capacity.
    pub(super) fn score(self, observations: &Observations) -> f64 {
        let preference = self.preference(observations.average_loss());
        let likelihood = |(weight, observed): (f64, &super::observations::Observation)| {
            let probability = self.probability(observed.rate);
            let (lost, arrived) = (observed.lost_kilobytes(), observed.arrived_kilobytes());
            weight * (lost * probability.ln() + arrived * (1.0 - probability).ln() + preference * (lost + arrived))
        };
        observations.weighted().map(likelihood).sum()
    }

    /// The share that is lost at a rate: what exceeds the capacity, and of the rest what the link loses.
    fn probability(self, rate: Rate) -> f64 {
        let excess = if rate > self.capacity { rate.minus(self.capacity).ratio(rate) } else { 0.0 };
        (self.loss + (1.0 - self.loss) * excess).clamp(MARGIN, 1.0 - MARGIN)
    }

    fn feasible(self, loss: f64) -> f64 {
        let most = if self.capacity == Rate::ZERO { 1.0 } else { (OFFSET + BALANCE.ratio(self.capacity)).min(1.0) };
        loss.max(LEAST_LOSS).min(most)
    }

    fn preference(self, loss: f64) -> f64 {
        let below = BIAS_BELOW - loss;
        let adjusted = below / (BIAS_SMOOTHING + below.abs());
        let kbps = self.capacity.as_kbps();
        adjusted * (BIAS * kbps + LOG_BIAS * (1.0 + kbps).ln())
    }
}
