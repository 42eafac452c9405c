//! When something next has to happen, per transport: a heap whose stale entries are skipped, not removed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::time::Instant;

/// Deadlines of things that live in an arena, by key. Each has at most one that counts: the last one armed.
#[derive(Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Instant, usize)>>,
    armed: Vec<Option<Instant>>,
}

impl Timers {
    /// `None` disarms.
    pub fn arm(&mut self, key: usize, deadline: Option<Instant>) {
        if self.armed.len() <= key {
            self.armed.resize(key + 1, None);
        }
        if self.armed[key] == deadline {
            return;
        }
        self.armed[key] = deadline;
        if let Some(deadline) = deadline {
            self.heap.push(Reverse((deadline, key)));
        }
        self.skip_stale();
    }

    /// The key whose deadline has passed, disarmed; the earliest first.
    pub fn expired(&mut self, now: Instant) -> Option<usize> {
        self.skip_stale();
        let &Reverse((deadline, key)) = self.heap.peek()?;
        if deadline > now {
            return None;
        }
        self.heap.pop();
        self.armed[key] = None;
        Some(key)
    }

    /// The next deadline. Never a stale one: `arm` and `expired` leave none on top.
    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|&Reverse((deadline, _))| deadline)
    }

    fn skip_stale(&mut self) {
        while let Some(&Reverse((deadline, key))) = self.heap.peek() {
            if self.armed[key] == Some(deadline) {
                return;
            }
            self.heap.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ms;

    #[test]
    fn only_the_last_deadline_of_a_key_counts() {
        let start = Instant::now();
        let mut timers = Timers::default();
        timers.arm(0, Some(start + ms(10)));
        timers.arm(1, Some(start + ms(20)));
        timers.arm(0, Some(start + ms(30)));
        assert_eq!(timers.next(), Some(start + ms(20)));
        assert_eq!(timers.expired(start + ms(25)), Some(1));
        assert_eq!(timers.expired(start + ms(25)), None);
        timers.arm(0, None);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn arming_sooner_again_is_not_undone_by_what_was_armed_before() {
        let start = Instant::now();
        let mut timers = Timers::default();
        timers.arm(3, Some(start + ms(10)));
        timers.arm(3, Some(start + ms(50)));
        timers.arm(3, Some(start + ms(10)));
        assert_eq!(timers.expired(start + ms(10)), Some(3));
        assert_eq!(timers.expired(start + ms(60)), None);
    }
}
