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
    Requested {
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
    pub fn request(&mut self, now: Instant) {
        match &mut self.state {
            State::Idle { not_before } => {
                let due = not_before.map_or(now, |earliest| earliest.max(now));
                self.state = State::Requested { due };
            }
            State::Requested { .. } => {}
            State::Asked { requests, .. } => *requests = 1,
        }
    }

    /// The same of an encoding that does not arrive. Its publisher is told by other means to send it, and its encoder
    /// then begins with a keyframe: only if it does not, one is asked for.
    pub fn request_raised(&mut self, now: Instant, round_trip: Duration) {
        match &mut self.state {
            State::Idle { .. } => self.state = State::Requested { due: now + round_trip + BY_ITSELF },
            State::Requested { .. } => {}
            State::Asked { requests, .. } => *requests = 1,
        }
    }

    /// Another encoding of the track is being asked for. Browsers answer with keyframes of all of them, and hear no
    /// other request for a while, whichever it is for. libwebrtc: encoder_rtcp_feedback.cc.
    pub fn defer(&mut self, now: Instant) {
        let until = now + INTERVAL;
        match &mut self.state {
            State::Idle { not_before } => *not_before = Some(not_before.map_or(until, |earliest| earliest.max(until))),
            State::Requested { due } => *due = until.max(*due),
            State::Asked { at, ignored: true, .. } if *at + RETRY < until => *at += until - (*at + RETRY),
            State::Asked { .. } => {}
        }
    }

    /// It begins to arrive, or does so again after a silence.
    pub fn handle_start(&mut self, now: Instant) {
        let until = now + BY_ITSELF;
        match &mut self.state {
            State::Idle { not_before } => *not_before = Some(not_before.map_or(until, |earliest| earliest.max(until))),
            State::Requested { due } => *due = until.max(*due),
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
            State::Requested { due } => due.max(settled),
            State::Asked { at, ignored, .. } => {
                if !ignored && !by_itself {
                    self.add_answer(now.saturating_duration_since(at));
                }
                settled.max(at + INTERVAL)
            }
        };
        let burst_over = self.asked[0].map_or(not_before, |oldest| oldest + BURST_TIME);
        self.state = State::Idle { not_before: Some(not_before.max(burst_over)) };
    }

    /// What to do now. `heard`: when the newest packet of the encoding came. If none did since the request, that it is not
    /// answered says nothing of the publisher.
    pub fn poll(&mut self, now: Instant, heard: Option<Instant>) -> Option<Due> {
        match self.state {
            State::Requested { due } if due <= now => {
                self.sequence = self.sequence.wrapping_add(1);
                self.asked.rotate_left(1);
                self.asked[BURST - 1] = Some(now);
                self.state = State::Asked { at: now, requests: 1, ignored: false };
                Some(Due::Request)
            }
            State::Asked { at, requests, ignored: false } if at + PATIENCE <= now => {
                self.state = State::Asked { at, requests, ignored: true };
                if heard.is_some_and(|heard| heard > at) {
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
            State::Requested { due } => Some(due),
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
            State::Requested { due } => Some(left(due) + answer),
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

    fn add_answer(&mut self, took: Duration) {
        self.evidence = (self.evidence - 1).max(LEAST_EVIDENCE);
        self.deaf &= self.evidence > HEARS;
        self.answer = Some(self.answer.map_or(took, |usual| (usual * 3 + took) / 4));
    }
}

#[cfg(test)]
mod tests;
