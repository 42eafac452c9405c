//! Decides when a change of the estimate is worth reporting to the application.

use super::Estimate;
use crate::time::{Duration, Instant, ms};

/// The least time between two reports.
const SOONEST: Duration = ms(100);
/// A rate that moved by this share is reported at once, and a queue that moved by this time.
const MOVED: f64 = 0.05;
const QUEUE_MOVED: Duration = ms(40);
/// Anything else that moved is reported after this time.
const LATEST: Duration = ms(2_000);

/// What was reported last, and when.
#[derive(Clone, Copy, Debug, Default)]
pub struct Notices {
    last: Option<(Estimate, Instant)>,
}

impl Notices {
    /// True if this estimate is to be reported now. It then counts as reported.
    pub fn is_due(&mut self, estimate: &Estimate, now: Instant) -> bool {
        let is_due = self.last.is_none_or(|(last, at)| {
            let moved = |before: f64, after: f64| (after - before).abs() > before * MOVED;
            let is_sudden = moved(last.rate.as_kbps(), estimate.rate.as_kbps())
                || moved(last.budget.as_kbps(), estimate.budget.as_kbps())
                || last.queue.abs_diff(estimate.queue) > QUEUE_MOVED;
            let since = now.saturating_duration_since(at);
            since >= LATEST && last != *estimate || since >= SOONEST && is_sudden
        });
        if is_due {
            self.last = Some((*estimate, now));
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bwe::Usage;
    use crate::bwe::units::Rate;

    fn estimate(kbps: u64, queue: u64) -> Estimate {
        Estimate {
            rate: Rate::kbps(kbps),
            budget: Rate::kbps(kbps),
            queue: ms(queue),
            throughput: None,
            usage: Usage::Normal,
            loss: 0.0,
            is_loss_limited: false,
            round_trip: None,
        }
    }

    #[test]
    fn what_moved_is_reported_soon_and_the_rest_later() {
        let (mut notices, start) = (Notices::default(), Instant::now());
        let told: Vec<u64> = [
            (0, 1_000, 0),
            (50, 2_000, 0),
            (100, 2_000, 0),
            (200, 2_050, 0),
            (300, 2_060, 50),
            (400, 2_060, 50),
            (1_000, 2_100, 60),
            (2_300, 2_100, 60),
            (9_000, 2_100, 60),
            (9_100, 1_900, 60),
        ]
        .into_iter()
        .filter_map(|(at, kbps, queue)| notices.is_due(&estimate(kbps, queue), start + ms(at)).then_some(at))
        .collect();
        assert_eq!(told, [0, 100, 300, 2_300, 9_100]);
    }
}
