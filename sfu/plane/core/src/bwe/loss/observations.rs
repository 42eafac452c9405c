//! What was sent and lost in intervals of a quarter of a second.

use std::collections::{BTreeMap, VecDeque};

use crate::bwe::Report;
use crate::bwe::units::Rate;
use crate::time::{Duration, Instant, ms};

/// An observation covers at least this time of sending (`ObservationDurationLowerBound`).
const LEAST: Duration = ms(250);
/// Observations that count (`ObservationWindowSize`), and the weight of each against the next one
/// (`TemporalWeightFactor`, `InstantUpperBoundTemporalWeightFactor`).
const WINDOW: usize = 15;
const AGEING: f64 = 0.9;
/// The most lossy observation is no outlier if it was sent at this multiple of the usual rate
/// (`MedianSendingRateFactor`).
const SURGE: f64 = 2.0;

/// One interval.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observation {
    /// The rate at which it was sent.
    pub(super) rate: Rate,
    octets: u64,
    lost: u64,
}

impl Observation {
    pub(super) fn lost_kilobytes(&self) -> f64 {
        self.lost as f64 / 1_000.0
    }

    pub(super) fn arrived_kilobytes(&self) -> f64 {
        (self.octets - self.lost) as f64 / 1_000.0
    }

    fn loss(&self) -> f64 {
        if self.octets == 0 { 0.0 } else { self.lost as f64 / self.octets as f64 }
    }
}

/// The last intervals, and the one that is not complete.
#[derive(Clone, Debug, Default)]
pub(super) struct Observations {
    /// Newest first.
    window: VecDeque<Observation>,
    count: u64,
    octets: u64,
    /// Octets by number of packets that did not arrive yet. It holds packets of one interval and is bounded by the
    /// history of sent packets.
    lost: BTreeMap<u64, u32>,
    last_sent: Option<Instant>,
    average: f64,
}

impl Observations {
    /// The number of intervals so far.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// When the last packet of the last interval was sent.
    ///
    /// # Panics
    /// If there is no interval yet.
    pub(super) fn last_sent(&self) -> Instant {
        self.last_sent.expect("an observation is complete")
    }

    /// The weighted share of octets that were lost, without the intervals of the least and the most loss.
    pub(super) fn average_loss(&self) -> f64 {
        self.average
    }

    /// The intervals with their weights.
    pub(super) fn weighted(&self) -> impl Iterator<Item = (f64, &Observation)> {
        let weights = std::iter::successors(Some(1.0), |weight| Some(weight * AGEING));
        weights.zip(&self.window)
    }

    /// Takes the packets of a feedback. True if an interval is complete.
    pub(super) fn next(&mut self, reports: &[Report]) -> bool {
        let (Some(first), Some(last)) =
            (reports.iter().map(|report| report.sent).min(), reports.iter().map(|report| report.sent).max())
        else {
            return false;
        };
        for report in reports {
            if report.arrived.is_some() {
                if self.lost.remove(&report.number).is_none() || !report.is_late {
                    self.octets += u64::from(report.octets);
                }
            } else {
                self.lost.insert(report.number, report.octets);
                self.octets += u64::from(report.octets);
            }
        }
        let begun = *self.last_sent.get_or_insert(first);
        let duration = last.saturating_duration_since(begun);
        if duration < LEAST {
            return false;
        }
        self.last_sent = Some(last);
        let lost = std::mem::take(&mut self.lost).into_values().map(u64::from).sum();
        let octets = std::mem::take(&mut self.octets);
        self.window.truncate(WINDOW - 1);
        self.window.push_front(Observation { rate: Rate::of(octets, duration), octets, lost });
        self.count += 1;
        self.average = self.measured_loss();
        true
    }

    fn measured_loss(&self) -> f64 {
        let share = |lost: f64, octets: f64| if octets > 0.0 { lost / octets } else { 0.0 };
        let weigh =
            |(weight, observed): (f64, &Observation)| (weight * observed.lost as f64, weight * observed.octets as f64);
        let (lost, octets) = self
            .weighted()
            .map(weigh)
            .fold((0.0, 0.0), |(lost, octets), (more_lost, more)| (lost + more_lost, octets + more));
        if self.count <= 3 {
            return share(lost, octets);
        }
        let by_loss = |a: &(f64, &Observation), b: &(f64, &Observation)| a.1.loss().total_cmp(&b.1.loss());
        let (Some(worst), Some(best)) = (self.weighted().max_by(by_loss), self.weighted().min_by(by_loss)) else {
            return share(lost, octets);
        };
        if worst.1.loss() == best.1.loss() || self.median_rate().scaled(SURGE) <= worst.1.rate {
            // Much more was sent at once than usual, so the loss is no accident.
            return share(lost, octets);
        }
        let ((worst_lost, worst_octets), (best_lost, best_octets)) = (weigh(worst), weigh(best));
        let rest = octets - worst_octets - best_octets;
        if rest <= 0.0 { share(lost, octets) } else { share(lost - worst_lost - best_lost, rest) }
    }

    fn median_rate(&self) -> Rate {
        let mut rates: Vec<u64> = self.window.iter().map(|observed| observed.rate.as_bps()).collect();
        rates.retain(|rate| *rate > 0);
        rates.sort_unstable();
        let middle = rates.len() / 2;
        match rates.len() {
            0 => Rate::ZERO,
            n if n % 2 == 1 => Rate::bps(rates[middle]),
            _ => Rate::bps(rates[middle - 1].midpoint(rates[middle])),
        }
    }
}
