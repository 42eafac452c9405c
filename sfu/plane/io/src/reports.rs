//! When the sockets of reports are looked at: at once after a quiet time, then every few milliseconds, however much
//! comes.

use std::time::{Duration, Instant};

/// Between two looks, while there is something each time. It delays what a report asks for (a NACK behind it, say) by as
/// much at most, and by half on average.
pub const REST: Duration = Duration::from_millis(5);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reports {
    /// They wake the worker: there was nothing at the last look.
    Awaited,
    /// They are left alone until then, and looked at then without being asked for.
    Resting(Instant),
}

impl Reports {
    pub fn is_awaited(self) -> bool {
        self == Reports::Awaited
    }

    /// When to look at the latest.
    pub fn poll_timeout(self) -> Option<Instant> {
        match self {
            Reports::Awaited => None,
            Reports::Resting(until) => Some(until),
        }
    }

    /// `are_there`: the sockets have said so.
    pub fn are_due(self, are_there: bool, now: Instant) -> bool {
        match self {
            Reports::Awaited => are_there,
            Reports::Resting(until) => until <= now,
        }
    }

    /// After a look that found `any`.
    pub fn after(any: bool, now: Instant) -> Reports {
        if any { Reports::Resting(now + REST) } else { Reports::Awaited }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_report_is_taken_at_once_and_the_next_ones_together() {
        let start = Instant::now();
        assert!(Reports::Awaited.are_due(true, start));
        let reports = Reports::after(true, start);
        assert!(!reports.is_awaited());
        assert!(!reports.are_due(true, start + REST / 2));
        assert_eq!(reports.poll_timeout(), Some(start + REST));
        assert!(reports.are_due(false, start + REST));
    }

    #[test]
    fn nothing_found_is_nothing_to_wake_up_for() {
        let reports = Reports::after(false, Instant::now());
        assert_eq!((reports, reports.poll_timeout()), (Reports::Awaited, None));
        assert!(!reports.are_due(false, Instant::now()));
    }
}
