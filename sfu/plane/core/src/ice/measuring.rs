//! Binding requests that measure the round trip of the selected path, for a peer by whose RTCP it is not measured.
//!
//! Each has a transaction of its own, so that its response cannot be taken for that to another one (Karn's algorithm,
//! RFC 6298 s3). None is repeated; while none is answered, they become rarer.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use std::collections::VecDeque;

use crate::command::Path;
use crate::limits::MEASURING_REQUESTS;
use crate::time::{Duration, Instant, ms};

/// The waits between requests while none is answered: twice as long as the one before.
const FIRST_WAIT: Duration = ms(500);
const LONGEST_WAIT: Duration = ms(30_000);

/// A request that was sent and is not answered yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    pub path: Path,
    pub transaction: u128,
    /// The number of restarts before its credentials.
    pub generation: u32,
    pub sent: Instant,
}

/// The measuring requests of one agent.
#[derive(Debug)]
pub struct Measuring {
    requests: VecDeque<Request>,
    /// A request is wanted.
    is_wanted: bool,
    wait: Duration,
    last: Option<Instant>,
}

impl Default for Measuring {
    fn default() -> Self {
        Self { requests: VecDeque::new(), is_wanted: false, wait: FIRST_WAIT, last: None }
    }
}

impl Measuring {
    /// Wants a request, unless the last one was sent too short a time ago.
    pub fn want(&mut self, now: Instant) {
        self.is_wanted |= self.last.is_none_or(|last| now.saturating_duration_since(last) >= self.wait);
    }

    /// Returns true once if a request is wanted.
    pub fn poll_wanted(&mut self) -> bool {
        std::mem::take(&mut self.is_wanted)
    }

    /// Notes that a request was sent. The oldest one is given up if there are too many.
    pub fn sent(&mut self, request: Request) {
        if self.last.replace(request.sent).is_some() {
            self.wait = self.wait.saturating_mul(2).min(LONGEST_WAIT);
        }
        self.requests.truncate(MEASURING_REQUESTS.saturating_sub(1));
        self.requests.push_front(request);
    }

    /// The request that a response on this path answers.
    pub fn find(&self, path: &Path, transaction: u128) -> Option<Request> {
        self.requests.iter().find(|request| request.path == *path && request.transaction == transaction).copied()
    }

    /// Notes that a request was answered. Earlier ones are lost.
    pub fn answered(&mut self) {
        *self = Self { last: self.last, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(port: u16) -> Path {
        Path::udp(([127, 0, 0, 1], 7_882).into(), ([127, 0, 0, 1], port).into())
    }

    #[test]
    fn without_answers_requests_become_rarer_and_few_are_remembered() {
        let (mut measuring, start) = (Measuring::default(), Instant::now());
        let mut times = Vec::new();
        for second in 0..150 {
            let now = start + ms(1_000 * second);
            measuring.want(now);
            if measuring.poll_wanted() {
                measuring.sent(Request { path: path(1), transaction: u128::from(second), generation: 0, sent: now });
                times.push(second);
            }
        }
        assert_eq!(times, [0, 1, 2, 4, 8, 16, 32, 62, 92, 122]);
        let remembered = times.iter().filter(|&&second| measuring.find(&path(1), second.into()).is_some());
        assert_eq!(remembered.copied().collect::<Vec<_>>(), [32, 62, 92, 122]);
        assert_eq!(measuring.find(&path(2), 122), None, "another path");
        measuring.answered();
        assert_eq!(measuring.find(&path(1), 122), None);
        measuring.want(start + ms(122_499));
        assert!(!measuring.poll_wanted());
        measuring.want(start + ms(122_500));
        assert!(measuring.poll_wanted() && !measuring.poll_wanted());
    }
}
