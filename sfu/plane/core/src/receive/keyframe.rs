//! Turns many wishes for a keyframe of one encoding into few requests (PLI, RFC 4585 s6.3.1; FIR, RFC 5104 s4.3.1).
//!
//! One request is in flight at a time. It is repeated while it stays unanswered; a wish made meanwhile is served by the
//! same keyframe.

use crate::time::{Duration, Instant, ms};

/// Between two requests. Browsers make no keyframes closer together than this, and subscribers that ask after the same
/// loss do so within it.
const INTERVAL: Duration = ms(300);
/// A request unanswered for so long is repeated. mediasoup: KeyFrameRequestManager.cpp.
const RETRY: Duration = ms(1_000);
/// Requests after the last wish: an encoding that its publisher has paused answers none.
const MAX_REQUESTS: u8 = 5;

#[derive(Clone, Copy, Debug)]
enum State {
    Idle { not_before: Option<Instant> },
    Wished { due: Instant },
    Asked { at: Instant, requests: u8 },
}

/// For one encoding.
#[derive(Clone, Debug)]
pub struct KeyframeRequests {
    state: State,
    sequence: u8,
}

impl Default for KeyframeRequests {
    fn default() -> Self {
        Self { state: State::Idle { not_before: None }, sequence: 0 }
    }
}

impl KeyframeRequests {
    pub fn new() -> Self {
        Self::default()
    }

    /// Somebody cannot go on without a keyframe.
    pub fn wish(&mut self, now: Instant) {
        match &mut self.state {
            State::Idle { not_before } => {
                let due = not_before.map_or(now, |earliest| earliest.max(now));
                self.state = State::Wished { due };
            }
            State::Wished { .. } => {}
            State::Asked { requests, .. } => *requests = 1,
        }
    }

    /// A keyframe begins to arrive: it answers every wish there is.
    pub fn handle_keyframe(&mut self) {
        match self.state {
            State::Idle { .. } => {}
            State::Wished { due } => self.state = State::Idle { not_before: Some(due) },
            State::Asked { at, .. } => self.state = State::Idle { not_before: Some(at + INTERVAL) },
        }
    }

    /// Another encoding of the track is being asked for. Browsers answer with keyframes of all of them, and hear no
    /// other request for a while, whichever it is for. libwebrtc: encoder_rtcp_feedback.cc.
    pub fn defer(&mut self, now: Instant) {
        let until = now + INTERVAL;
        match &mut self.state {
            State::Idle { not_before } => *not_before = Some(not_before.map_or(until, |earliest| earliest.max(until))),
            State::Wished { due } => *due = until.max(*due),
            State::Asked { at, .. } if *at + RETRY < until => *at += until - (*at + RETRY),
            State::Asked { .. } => {}
        }
    }

    /// Whether to send a request now.
    pub fn poll(&mut self, now: Instant) -> bool {
        match self.state {
            State::Wished { due } if due <= now => {
                self.sequence = self.sequence.wrapping_add(1);
                self.state = State::Asked { at: now, requests: 1 };
                true
            }
            State::Asked { at, requests } if at + RETRY <= now => {
                let again = requests < MAX_REQUESTS;
                self.state = if again {
                    State::Asked { at: now, requests: requests + 1 }
                } else {
                    State::Idle { not_before: None }
                };
                again
            }
            _ => false,
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Idle { .. } => None,
            State::Wished { due } => Some(due),
            State::Asked { at, .. } => Some(at + RETRY),
        }
    }

    /// For FIR: a repetition carries the number of the request it repeats (RFC 5104 s4.3.1.1).
    pub fn sequence(&self) -> u8 {
        self.sequence
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn while_another_encoding_is_asked_for_none_is_and_its_keyframe_serves_as_well() {
        let (mut requests, now) = (KeyframeRequests::new(), Instant::now());
        requests.defer(now);
        requests.wish(now + ms(100));
        assert!(!requests.poll(now + ms(299)));
        assert!(requests.poll(now + ms(300)), "the keyframe that came with the other's was before the wish");

        // Unanswered, it is about to be repeated.
        requests.defer(now + ms(1_200));
        assert!(!requests.poll(now + ms(1_499)));
        assert!(requests.poll(now + ms(1_500)));

        let mut requests = KeyframeRequests::new();
        requests.wish(now);
        requests.defer(now);
        requests.handle_keyframe();
        assert!(!requests.poll(now + ms(300)));
    }

    #[test]
    fn many_wishes_become_one_request() {
        let (mut requests, now) = (KeyframeRequests::new(), Instant::now());
        (0..50).for_each(|_| requests.wish(now));
        assert!(requests.poll(now));
        (1..900).for_each(|at| {
            requests.wish(now + ms(at));
            assert!(!requests.poll(now + ms(at)));
        });
    }

    #[test]
    fn an_unanswered_request_is_repeated_each_second_and_not_for_ever() {
        let (mut requests, now) = (KeyframeRequests::new(), Instant::now());
        requests.wish(now);
        let times: Vec<u64> = (0..20_000).filter(|&at| requests.poll(now + ms(at))).collect();
        assert_eq!(times, [0, 1_000, 2_000, 3_000, 4_000]);
        assert_eq!((requests.sequence(), requests.poll_timeout()), (1, None));
    }

    #[test]
    fn a_wish_after_the_keyframe_waits_for_the_interval() {
        let (mut requests, now) = (KeyframeRequests::new(), Instant::now());
        requests.wish(now);
        assert!(requests.poll(now));
        requests.handle_keyframe();
        assert_eq!(requests.poll_timeout(), None);
        requests.wish(now + ms(50));
        assert_eq!(requests.poll_timeout(), Some(now + INTERVAL));
        assert!(!requests.poll(now + ms(299)));
        assert!(requests.poll(now + ms(300)));
        assert_eq!(requests.sequence(), 2);
    }

    #[test]
    fn a_keyframe_that_comes_by_itself_answers_a_wish_that_waits() {
        let (mut requests, now) = (KeyframeRequests::new(), Instant::now());
        requests.wish(now);
        assert!(requests.poll(now));
        requests.handle_keyframe();
        requests.wish(now + ms(50));
        requests.handle_keyframe();
        assert!(!requests.poll(now + ms(5_000)));
    }

    proptest! {
        #[test]
        fn requests_keep_their_distance_and_no_wish_is_forgotten(
            steps in prop::collection::vec((0_u64..400, any::<bool>()), 1..200),
        ) {
            let (mut requests, start) = (KeyframeRequests::new(), Instant::now());
            let (mut at, mut last, mut wished) = (0, None, None::<u64>);
            for (wait, keyframe) in steps {
                for _ in 0..wait {
                    at += 1;
                    if requests.poll(start + ms(at)) {
                        prop_assert!(last.is_none_or(|last| at - last >= 300));
                        last = Some(at);
                    }
                    if let Some(wished) = wished {
                        prop_assert!(last.is_some_and(|last| last + 1_000 >= at) || wished + 300 >= at);
                    }
                }
                if keyframe {
                    requests.handle_keyframe();
                    wished = None;
                } else {
                    requests.wish(start + ms(at));
                    wished = Some(at);
                }
            }
        }
    }
}
