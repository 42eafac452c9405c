//! Whether media may be sent to a peer: with its consent, on trial, or not at all (RFC 7675 s5.1).
//!
//! A trial is short and small, so it does little harm to whoever has that address. A path trial is for a new path that
//! is not proven yet. A picture trial is for a peer that keeps its path alive but sends nothing authenticated: libnice
//! makes no consent checks, and GStreamer sends no RTCP before it has received something.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use crate::limits::{PATH_TRIAL, PICTURE_TRIAL};
use crate::time::{Duration, Instant, ms};

/// The length of a path trial: twice the time until the next receiver report of an audio call is due.
const PATH_TIME: Duration = ms(10_000);
/// The length of a picture trial: enough time for the receiver to answer.
const PICTURE_TIME: Duration = ms(2_000);
/// The waits between a picture trial without an answer and the next.
const WAITS: [Duration; 3] = [ms(5_000), ms(10_000), ms(20_000)];
const LONGEST_WAIT: Duration = ms(20_000);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Consented,
    Tried { octets: usize, until: Instant },
    Held,
}

/// Whether one transport may send media.
#[derive(Debug)]
pub struct Sending {
    state: State,
    /// The number of picture trials without an answer.
    pictures: usize,
    /// When the last picture trial ends.
    last: Option<Instant>,
    /// A source changed, which allows one more picture trial after those in [`WAITS`].
    renewed: bool,
    /// A trial used up its octets, and [`Self::poll_used_up`] has not reported it yet.
    used_up: bool,
}

impl Sending {
    /// Creates the state in which nothing may be sent yet.
    pub fn new() -> Self {
        Self { state: State::Held, pictures: 0, last: None, renewed: false, used_up: false }
    }

    pub fn is_allowed(&self) -> bool {
        self.state != State::Held
    }

    pub fn is_consented(&self) -> bool {
        self.state == State::Consented
    }

    /// Handles an answer of the peer over the path in use, which is consent.
    pub fn consent(&mut self) {
        *self = Self { state: State::Consented, ..Self::new() };
    }

    /// Stops sending. Returns true if media could be sent until now.
    pub fn hold(&mut self) -> bool {
        std::mem::replace(&mut self.state, State::Held) != State::Held
    }

    /// Starts a trial of a new path that is not proven.
    pub fn try_path(&mut self, now: Instant) {
        if let Some(until) = now.checked_add(PATH_TIME) {
            self.state = State::Tried { octets: PATH_TRIAL, until };
        }
    }

    /// Starts a picture trial, if one is allowed now. Returns true if it started.
    pub fn try_picture(&mut self, now: Instant) -> bool {
        if !self.may_try_picture(now) {
            return false;
        }
        let Some(until) = now.checked_add(PICTURE_TIME) else { return false };
        self.state = State::Tried { octets: PICTURE_TRIAL, until };
        self.pictures = self.pictures.saturating_add(1);
        self.last = Some(until);
        self.renewed = false;
        true
    }

    /// Allows one more picture trial when the earlier ones had no answer, because a source changed.
    pub fn renew(&mut self) {
        self.renewed = true;
    }

    /// Counts octets sent, and ends a trial that has used up its octets.
    pub fn spend(&mut self, sent: usize) {
        if let State::Tried { octets, .. } = &mut self.state {
            match octets.checked_sub(sent) {
                Some(left) if left > 0 => *octets = left,
                _ => (self.state, self.used_up) = (State::Held, true),
            }
        }
    }

    /// Returns true once after a trial has used up its octets.
    pub fn poll_used_up(&mut self) -> bool {
        std::mem::take(&mut self.used_up)
    }

    /// Returns true if a trial has just ended.
    pub fn handle_timeout(&mut self, now: Instant) -> bool {
        let over = self.poll_timeout().is_some_and(|until| until <= now);
        over && self.hold()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Tried { until, .. } => Some(until),
            State::Consented | State::Held => None,
        }
    }

    /// True if nothing may be sent otherwise and a picture trial is due.
    pub fn may_try_picture(&self, now: Instant) -> bool {
        if self.state != State::Held {
            return false;
        }
        let Some(last) = self.last else { return true };
        let wait = match self.pictures.checked_sub(1).and_then(|pictures| WAITS.get(pictures)) {
            Some(wait) => *wait,
            None if self.renewed => LONGEST_WAIT,
            None => return false,
        };
        now.saturating_duration_since(last) >= wait
    }
}

impl Default for Sending {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Seconds at which picture trials start until `end`, if there is always a picture to send.
    fn tries(sending: &mut Sending, start: Instant, from: u64, end: u64) -> Vec<u64> {
        let mut tries = Vec::new();
        for at in (from * 1_000..end * 1_000).step_by(100) {
            let now = start + ms(at);
            sending.handle_timeout(now);
            if sending.try_picture(now) {
                tries.push(at / 1_000);
            }
        }
        tries
    }

    #[test]
    fn a_picture_is_tried_again_after_5_10_and_20_seconds_and_then_only_for_something_new() {
        let (mut sending, start) = (Sending::new(), Instant::now());
        assert_eq!(tries(&mut sending, start, 0, 200), [0, 7, 19, 41], "each trial takes 2 s");
        sending.renew();
        assert_eq!(tries(&mut sending, start, 200, 300), [200]);
        sending.renew();
        assert_eq!(tries(&mut sending, start, 202, 300), [222]);
        sending.consent();
        assert!(sending.hold());
        assert_eq!(tries(&mut sending, start, 300, 302), [300], "an answer begins the count anew");
    }

    #[test]
    fn a_trial_ends_after_its_octets_or_its_time() {
        let (mut sending, start) = (Sending::new(), Instant::now());
        for (begin, octets, time) in [(true, PATH_TRIAL, 10_000), (false, PICTURE_TRIAL, 2_000)] {
            let begin = |sending: &mut Sending, now| {
                if begin { sending.try_path(now) } else { assert!(sending.try_picture(now)) }
            };
            begin(&mut sending, start);
            sending.spend(octets - 1);
            assert!(sending.is_allowed() && !sending.is_consented());
            sending.spend(1_200);
            assert!(!sending.is_allowed());
            let later = start + ms(60_000);
            begin(&mut sending, later);
            assert!(!sending.handle_timeout(later + ms(time - 1)) && sending.is_allowed());
            assert!(sending.handle_timeout(later + ms(time)) && !sending.is_allowed());
        }
    }

    #[test]
    fn who_consents_is_not_counted() {
        let (mut sending, start) = (Sending::new(), Instant::now());
        sending.consent();
        sending.spend(1_000_000);
        assert!(sending.is_consented() && sending.poll_timeout().is_none() && !sending.try_picture(start));
    }
}
