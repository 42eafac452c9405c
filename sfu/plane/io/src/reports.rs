//! Schedules reading of the report sockets: as soon as something arrives while little arrives, otherwise every few
//! milliseconds.

use std::time::{Duration, Instant};

/// The time between two reads under load. It delays what a report requests (a NACK behind it, for example) by at most
/// this, and by half of it on average.
pub const REST: Duration = Duration::from_millis(5);

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reports {
    looked_at: Option<Instant>,
    /// The sockets are not read until then. With `None`, a report wakes the worker.
    rests_until: Option<Instant>,
}

impl Reports {
    /// True if a report wakes the worker.
    pub fn are_awaited(&self) -> bool {
        self.rests_until.is_none()
    }

    /// When to read the sockets, whether or not something arrived.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.rests_until
    }

    /// True if the sockets should be read now. `are_there`: the sockets are readable.
    pub fn are_due(&self, are_there: bool, now: Instant) -> bool {
        self.rests_until.map_or(are_there, |until| until <= now)
    }

    /// Handles a read that found `found` reports. A rest that collects at most one report saves no wake-up, and may
    /// cost one, so the next one is skipped.
    pub fn handle_look(&mut self, found: usize, now: Instant) {
        let is_busy = match self.rests_until {
            Some(_) => found > 1,
            None => self.looked_at.is_some_and(|before| now.saturating_duration_since(before) < REST),
        };
        self.looked_at = Some(now);
        self.rests_until = is_busy.then_some(now + REST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn what_comes_now_and_then_is_taken_at_once() {
        let (mut reports, start) = (Reports::default(), Instant::now());
        for at in [0, 8, 16, 100] {
            assert!(reports.are_awaited() && reports.are_due(true, start + at * MS), "at {at} ms");
            assert!(!reports.are_due(false, start + at * MS));
            reports.handle_look(1, start + at * MS);
        }
        assert_eq!(reports.poll_timeout(), None);
    }

    #[test]
    fn what_comes_thick_and_fast_is_taken_together() {
        let (mut reports, start) = (Reports::default(), Instant::now());
        reports.handle_look(1, start);
        reports.handle_look(1, start + MS);
        for look in 1..10 {
            let due = start + MS + look * REST;
            assert_eq!(reports.poll_timeout(), Some(due));
            assert!(!reports.are_awaited() && !reports.are_due(true, due - MS) && reports.are_due(false, due));
            reports.handle_look(6, due);
        }
    }

    #[test]
    fn a_rest_that_gathers_next_to_nothing_is_the_last() {
        for (found, rests) in [(0, false), (1, false), (2, true)] {
            let (mut reports, start) = (Reports::default(), Instant::now());
            reports.handle_look(1, start);
            reports.handle_look(1, start + MS);
            reports.handle_look(found, start + MS + REST);
            assert_eq!(reports.poll_timeout().is_some(), rests, "{found} found");
        }
    }
}
