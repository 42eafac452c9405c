//! Turns many wishes for a keyframe of one encoding into few requests (PLI, RFC 4585 s6.3.1; FIR, RFC 5104 s4.3.1), and
//! learns what comes of them: how soon a keyframe does, and whether the publisher heeds requests at all.
//!
//! One request is in flight at a time. It is repeated while it stays unanswered; a wish made meanwhile is served by the
//! same keyframe, and so is one made soon after a keyframe that another asked for.

use crate::time::{Duration, Instant, ms};

/// Between two requests. Browsers make no keyframes closer together than this, and subscribers that ask after the same
/// loss do so within it. jitsi-videobridge: its group window.
const INTERVAL: Duration = ms(300);
/// No more requests than [`BURST`] within this, however many join one after another.
const BURST_TIME: Duration = ms(1_500);
const BURST: usize = 3;
/// After a keyframe, whoever asked for it. A wish made within it is of somebody who missed its beginning by a little.
const SETTLING: Duration = ms(150);
/// A request unanswered for so long is repeated. mediasoup: KeyFrameRequestManager.cpp.
const RETRY: Duration = ms(1_000);
/// Requests after the last wish: an encoding that its publisher has paused answers none.
const MAX_REQUESTS: u8 = 5;

/// An encoder that begins, or begins again, makes a keyframe by itself: a request would make two of it.
const BY_ITSELF: Duration = ms(100);
/// From request to keyframe, beside the round trip, as long as none was seen: a frame, and its encoding.
const USUAL_ANSWER: Duration = ms(60);
/// An answer takes no longer, or it is none. libwebrtc answers with its next frame.
const PATIENCE: Duration = ms(600);

/// Evidence that requests are ignored: one more with each that was, one less with each that was answered. One that is
/// lost on its way looks the same, so a single one proves nothing; and a keyframe that came by itself may look like an
/// answer. Nothing is proven to begin with.
const MOST_EVIDENCE: i8 = 4;
const DEAF: i8 = 3;
const HEARS: i8 = 1;
const SURELY_HEARS: i8 = -2;
const LEAST_EVIDENCE: i8 = -3;
/// A keyframe within this of when it was due anyway is no answer: its publisher makes them at a pace of its own.
const PUNCTUAL: Duration = ms(250);

#[derive(Clone, Copy, Debug)]
enum State {
    Idle {
        not_before: Option<Instant>,
    },
    Wished {
        due: Instant,
    },
    Asked {
        at: Instant,
        requests: u8,
        /// Of the last request: no answer came in time.
        ignored: bool,
    },
}

/// What it is time for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    /// Ask the publisher.
    Request,
    /// The last request was not answered: who waits for the keyframe may wait long.
    Ignored,
}

/// For one encoding.
#[derive(Clone, Debug)]
pub struct KeyframeRequests {
    state: State,
    sequence: u8,
    /// When the last requests were made, oldest first.
    asked: [Option<Instant>; BURST],
    evidence: i8,
    deaf: bool,
    /// From request to keyframe: a moving average.
    answer: Option<Duration>,
    last: Option<Instant>,
    /// It came unasked, or would have.
    by_itself: bool,
    /// Between the last two keyframes, if both did.
    period: Option<Duration>,
}

impl Default for KeyframeRequests {
    fn default() -> Self {
        Self {
            state: State::Idle { not_before: None },
            sequence: 0,
            asked: [None; BURST],
            evidence: 0,
            deaf: false,
            answer: None,
            last: None,
            by_itself: false,
            period: None,
        }
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

    /// The same of an encoding that does not arrive. Its publisher is told by other means to send it, and its encoder
    /// then begins with a keyframe: only if it does not, one is asked for.
    pub fn wish_raised(&mut self, now: Instant, round_trip: Duration) {
        if let State::Idle { .. } = self.state {
            self.state = State::Wished { due: now + round_trip + BY_ITSELF };
        }
    }

    /// Another encoding of the track is being asked for. Browsers answer with keyframes of all of them, and hear no
    /// other request for a while, whichever it is for. libwebrtc: encoder_rtcp_feedback.cc.
    pub fn defer(&mut self, now: Instant) {
        let until = now + INTERVAL;
        match &mut self.state {
            State::Idle { not_before } => *not_before = Some(not_before.map_or(until, |earliest| earliest.max(until))),
            State::Wished { due } => *due = until.max(*due),
            State::Asked { at, ignored: true, .. } if *at + RETRY < until => *at += until - (*at + RETRY),
            State::Asked { .. } => {}
        }
    }

    /// It begins to arrive, or does so again after a silence.
    pub fn handle_start(&mut self, now: Instant) {
        let until = now + BY_ITSELF;
        match &mut self.state {
            State::Idle { not_before } => *not_before = Some(not_before.map_or(until, |earliest| earliest.max(until))),
            State::Wished { due } => *due = until.max(*due),
            State::Asked { .. } => {}
        }
    }

    /// A keyframe begins to arrive: it answers every wish there is.
    pub fn handle_keyframe(&mut self, now: Instant) {
        let asked = matches!(self.state, State::Asked { ignored: false, .. });
        let by_itself = !asked || self.is_punctual(now);
        let paces = by_itself && self.by_itself;
        self.period = self.last.filter(|_| paces).map(|last| now.saturating_duration_since(last));
        (self.last, self.by_itself) = (Some(now), by_itself);
        let settled = now + SETTLING;
        let not_before = match self.state {
            State::Idle { not_before } => not_before.map_or(settled, |earliest| earliest.max(settled)),
            State::Wished { due } => due.max(settled),
            State::Asked { at, ignored, .. } => {
                if !ignored && !by_itself {
                    self.note_answer(now.saturating_duration_since(at));
                }
                settled.max(at + INTERVAL)
            }
        };
        let burst_over = self.asked[0].map_or(not_before, |oldest| oldest + BURST_TIME);
        self.state = State::Idle { not_before: Some(not_before.max(burst_over)) };
    }

    /// What to do now. `arrives`: something of the encoding does; if not, an unanswered request says nothing.
    pub fn poll(&mut self, now: Instant, arrives: bool) -> Option<Due> {
        match self.state {
            State::Wished { due } if due <= now => {
                self.sequence = self.sequence.wrapping_add(1);
                self.asked.rotate_left(1);
                self.asked[BURST - 1] = Some(now);
                self.state = State::Asked { at: now, requests: 1, ignored: false };
                Some(Due::Request)
            }
            State::Asked { at, requests, ignored: false } if at + PATIENCE <= now => {
                self.state = State::Asked { at, requests, ignored: true };
                if arrives {
                    self.evidence = (self.evidence + 1).min(MOST_EVIDENCE);
                    self.deaf |= self.evidence >= DEAF;
                }
                Some(Due::Ignored)
            }
            State::Asked { at, requests, ignored: true } if at + RETRY <= now => {
                let again = requests < MAX_REQUESTS && !self.deaf;
                self.state = if again {
                    State::Asked { at: now, requests: requests + 1, ignored: false }
                } else {
                    State::Idle { not_before: None }
                };
                again.then_some(Due::Request)
            }
            _ => None,
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Idle { .. } => None,
            State::Wished { due } => Some(due),
            State::Asked { at, ignored: false, .. } => Some(at + PATIENCE),
            State::Asked { at, ignored: true, .. } => Some(at + RETRY),
        }
    }

    /// For FIR: a repetition carries the number of the request it repeats (RFC 5104 s4.3.1.1).
    pub fn sequence(&self) -> u8 {
        self.sequence
    }

    /// The publisher ignores requests. It is still asked once per wish, so that it can prove otherwise.
    pub fn is_deaf(&self) -> bool {
        self.deaf
    }

    /// It was seen to answer often enough.
    pub fn surely_hears(&self) -> bool {
        !self.deaf && self.evidence <= SURELY_HEARS
    }

    /// A request is in flight, or will be.
    pub fn is_asking(&self) -> bool {
        !matches!(self.state, State::Idle { .. })
    }

    /// In how long a keyframe will begin to arrive for somebody who wishes for it now: by asking, or, where that is of
    /// no use, at the publisher's own pace. None: nobody can tell.
    pub fn time_to_keyframe(&self, now: Instant, round_trip: Duration) -> Option<Duration> {
        let answer = self.answer.unwrap_or(round_trip + USUAL_ANSWER);
        let left = |at: Instant| at.saturating_duration_since(now);
        match self.state {
            State::Asked { ignored: true, .. } => self.time_by_itself(now),
            _ if self.deaf => self.time_by_itself(now),
            State::Asked { at, .. } => Some(left(at + answer)),
            State::Wished { due } => Some(left(due) + answer),
            State::Idle { not_before } => Some(not_before.map_or(Duration::ZERO, left) + answer),
        }
    }

    /// At the publisher's own pace. One that is overdue has another pace.
    pub fn time_by_itself(&self, now: Instant) -> Option<Duration> {
        let due = self.last? + self.period?;
        (due > now).then(|| due - now)
    }

    fn is_punctual(&self, now: Instant) -> bool {
        let due = self.last.zip(self.period).map(|(last, period)| last + period);
        due.is_some_and(|due| now + PUNCTUAL >= due && due + PUNCTUAL >= now)
    }

    fn note_answer(&mut self, took: Duration) {
        self.evidence = (self.evidence - 1).max(LEAST_EVIDENCE);
        self.deaf &= self.evidence > HEARS;
        self.answer = Some(self.answer.map_or(took, |usual| (usual * 3 + took) / 4));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ROUND_TRIP: Duration = ms(50);
    const NEVER: (u64, u64) = (u64::MAX, 0);

    fn asks(requests: &mut KeyframeRequests, now: Instant) -> bool {
        requests.poll(now, true) == Some(Due::Request)
    }

    /// When it asks in the first `most` ms a publisher that makes a keyframe each so many ms, come what may.
    fn asked(requests: &mut KeyframeRequests, start: Instant, most: u64, (period, phase): (u64, u64)) -> Vec<u64> {
        let ask = |&at: &u64| {
            if (at + phase) % period == period - 1 {
                requests.handle_keyframe(start + ms(at));
            }
            asks(requests, start + ms(at))
        };
        (0..most).filter(ask).collect()
    }

    #[test]
    fn while_another_encoding_is_asked_for_none_is_and_its_keyframe_serves_as_well() {
        let (mut requests, now) = (KeyframeRequests::new(), Instant::now());
        requests.defer(now);
        requests.wish(now + ms(100));
        assert!(!asks(&mut requests, now + ms(299)));
        assert!(asks(&mut requests, now + ms(300)), "the keyframe that came with the other's was before the wish");

        // Unanswered, it is about to be repeated.
        assert_eq!(requests.poll(now + ms(900), true), Some(Due::Ignored));
        requests.defer(now + ms(1_200));
        assert!(!asks(&mut requests, now + ms(1_499)));
        assert!(asks(&mut requests, now + ms(1_500)));

        let mut requests = KeyframeRequests::new();
        requests.wish(now);
        requests.defer(now);
        requests.handle_keyframe(now);
        assert!(!asks(&mut requests, now + ms(300)));
    }

    #[test]
    fn many_wishes_become_one_request() {
        let (mut requests, now) = (KeyframeRequests::new(), Instant::now());
        (0..50).for_each(|_| requests.wish(now));
        assert!(asks(&mut requests, now));
        (1..900).for_each(|at| {
            requests.wish(now + ms(at));
            assert!(!asks(&mut requests, now + ms(at)));
        });
    }

    #[test]
    fn an_unanswered_request_is_repeated_each_second_and_not_for_ever() {
        let (mut requests, now) = (KeyframeRequests::new(), Instant::now());
        requests.wish(now);
        // Nothing arrives: it is paused, not deaf.
        let times: Vec<u64> =
            (0..20_000).filter(|&at| requests.poll(now + ms(at), false) == Some(Due::Request)).collect();
        assert_eq!(times, [0, 1_000, 2_000, 3_000, 4_000]);
        assert_eq!((requests.sequence(), requests.poll_timeout(), requests.is_deaf()), (1, None, false));
    }

    #[test]
    fn a_wish_after_the_keyframe_waits_for_the_interval() {
        let (mut requests, now) = (KeyframeRequests::new(), Instant::now());
        requests.wish(now);
        assert!(asks(&mut requests, now));
        requests.handle_keyframe(now + ms(40));
        assert_eq!(requests.poll_timeout(), None);
        requests.wish(now + ms(50));
        assert_eq!(requests.poll_timeout(), Some(now + INTERVAL));
        assert!(!asks(&mut requests, now + ms(299)));
        assert!(asks(&mut requests, now + ms(300)));
        assert_eq!(requests.sequence(), 2);
    }

    #[test]
    fn a_keyframe_that_comes_by_itself_answers_a_wish_that_waits_and_those_soon_after_it() {
        let (mut requests, now) = (KeyframeRequests::new(), Instant::now());
        requests.wish(now);
        assert!(asks(&mut requests, now));
        requests.handle_keyframe(now);
        requests.wish(now + ms(50));
        requests.handle_keyframe(now + ms(290));
        assert!(!asks(&mut requests, now + ms(5_000)));

        let mut requests = KeyframeRequests::new();
        requests.handle_keyframe(now);
        requests.wish(now + ms(20));
        assert_eq!(requests.poll_timeout(), Some(now + SETTLING));
    }

    #[test]
    fn wishes_that_never_end_are_served_by_three_keyframes_a_second() {
        let (mut requests, now) = (KeyframeRequests::new(), Instant::now());
        let mut asked = Vec::new();
        for at in 0..2_000 {
            requests.wish(now + ms(at));
            if asks(&mut requests, now + ms(at)) {
                asked.push(at);
            }
            if asked.last().is_some_and(|last| last + 40 == at) {
                requests.handle_keyframe(now + ms(at));
            }
        }
        assert_eq!(asked, [0, 300, 600, 1_500, 1_800]);
    }

    #[test]
    fn a_raised_encoding_is_asked_for_only_if_it_does_not_begin_with_a_keyframe() {
        let now = Instant::now();
        let raised = || {
            let mut requests = KeyframeRequests::new();
            requests.wish_raised(now, ROUND_TRIP);
            requests.wish(now + ms(10));
            requests
        };
        let mut none_comes = raised();
        assert_eq!(none_comes.poll_timeout(), Some(now + ROUND_TRIP + ms(100)));
        assert!(asks(&mut none_comes, now + ms(150)));

        let mut comes = raised();
        comes.handle_start(now + ms(80));
        comes.handle_keyframe(now + ms(80));
        assert_eq!(comes.poll_timeout(), None);

        // Browsers probe with padding first.
        let mut late = raised();
        late.handle_start(now + ms(140));
        assert!(!asks(&mut late, now + ms(239)));
        late.handle_keyframe(now + ms(239));
        assert_eq!(late.poll_timeout(), None);
    }

    #[test]
    fn a_publisher_that_ignores_requests_is_found_out_at_whatever_pace_its_keyframes_come() {
        for period in [2_500, 4_000, 7_000, 10_000] {
            let (mut requests, start) = (KeyframeRequests::new(), Instant::now());
            let mut asked_for = 0;
            let mut round = 0;
            while !requests.is_deaf() {
                round += 1;
                assert!(round <= 8, "a keyframe each {period} ms");
                // Somebody comes at a phase that is another each time.
                let at = start + ms(period * 10 * round);
                requests.wish(at);
                asked_for += asked(&mut requests, at, period * 2, (period, round * 377)).len();
            }
            assert!(asked_for <= 30, "{asked_for} requests");
        }
    }

    #[test]
    fn a_deaf_publisher_is_asked_once_per_wish_and_may_prove_that_it_hears() {
        let (mut requests, mut now) = (KeyframeRequests::new(), Instant::now());
        requests.wish(now);
        asked(&mut requests, now, 20_000, NEVER);
        assert!(requests.is_deaf());
        let mut answered = 0_u64;
        while requests.is_deaf() {
            now += ms(20_000 + 3_000 * answered);
            requests.wish(now);
            assert_eq!(requests.poll(now, true), Some(Due::Request));
            requests.handle_keyframe(now + ms(60));
            answered += 1;
        }
        assert_eq!(answered, 2);
        assert!(!requests.surely_hears());
        now += ms(20_000);
        requests.deaf = true;
        requests.wish(now);
        assert_eq!(asked(&mut requests, now, 20_000, NEVER), [0]);
    }

    #[test]
    fn one_lost_request_makes_nobody_deaf() {
        let (mut requests, mut now) = (KeyframeRequests::new(), Instant::now());
        for n in 0..100 {
            now += ms(5_000);
            requests.wish(now);
            assert!(asks(&mut requests, now));
            if n % 3 == 0 {
                assert_eq!(requests.poll(now + PATIENCE, true), Some(Due::Ignored));
                assert!(asks(&mut requests, now + RETRY));
                requests.handle_keyframe(now + RETRY + ms(60));
            } else {
                requests.handle_keyframe(now + ms(60));
            }
            assert!(!requests.is_deaf());
        }
    }

    #[test]
    fn how_soon_a_keyframe_comes_is_learned() {
        let (mut requests, start) = (KeyframeRequests::new(), Instant::now());
        assert_eq!(requests.time_to_keyframe(start, ROUND_TRIP), Some(ms(110)));
        requests.wish(start);
        assert!(asks(&mut requests, start));
        assert_eq!(requests.time_to_keyframe(start + ms(30), ROUND_TRIP), Some(ms(80)));
        requests.handle_keyframe(start + ms(200));
        // A request now would wait until 350 ms.
        assert_eq!(requests.time_to_keyframe(start + ms(250), ROUND_TRIP), Some(ms(100 + 200)));
        assert_eq!(requests.time_to_keyframe(start + ms(9_000), ROUND_TRIP), Some(ms(200)));
    }

    #[test]
    fn the_next_keyframe_of_a_deaf_publisher_is_expected_at_its_own_pace() {
        let (mut requests, start) = (KeyframeRequests::new(), Instant::now());
        requests.wish(start);
        asked(&mut requests, start, 20_000, NEVER);
        let at = |at| start + ms(at);
        assert_eq!(requests.time_to_keyframe(at(20_000), ROUND_TRIP), None);
        requests.handle_keyframe(at(21_000));
        assert_eq!(requests.time_to_keyframe(at(22_000), ROUND_TRIP), None);
        requests.handle_keyframe(at(25_000));
        assert_eq!(requests.time_to_keyframe(at(26_000), ROUND_TRIP), Some(ms(3_000)));
        assert_eq!(requests.time_to_keyframe(at(29_500), ROUND_TRIP), None, "it has another pace now");
    }

    #[test]
    fn a_keyframe_that_was_due_anyway_does_not_prove_that_a_deaf_publisher_hears() {
        let (mut requests, start) = (KeyframeRequests::new(), Instant::now());
        requests.wish(start);
        asked(&mut requests, start, 20_000, NEVER);
        for n in 0..10 {
            let due = start + ms(30_000 + 4_000 * n);
            // Whoever comes shortly before waits for it, once the pace is known.
            if n >= 2 {
                requests.wish(due - ms(400));
            }
            requests.poll(due - ms(400), true);
            requests.handle_keyframe(due);
        }
        assert!(requests.is_deaf());
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
                    if asks(&mut requests, start + ms(at)) {
                        prop_assert!(last.is_none_or(|last| at - last >= 300));
                        last = Some(at);
                    }
                    if let Some(wished) = wished.filter(|_| !requests.is_deaf()) {
                        prop_assert!(last.is_some_and(|last| last + 1_000 >= at) || wished + 1_500 >= at);
                    }
                }
                if keyframe {
                    requests.handle_keyframe(start + ms(at));
                    wished = None;
                } else {
                    requests.wish(start + ms(at));
                    wished = Some(at);
                }
            }
        }
    }
}
