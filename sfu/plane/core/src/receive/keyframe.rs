//! Merges the subscribers' needs for a keyframe of one encoding into few requests (PLI, RFC 4585 s6.3.1; FIR, RFC 5104
//! s4.3.1), and measures the answers: how soon a keyframe arrives, and whether the publisher ignores requests.
//!
//! One request is in flight at a time. It is repeated while it stays unanswered. A need that arises meanwhile is served
//! by the same keyframe, and so is one that arises soon after a keyframe.

use crate::time::{Duration, Instant, ms};

/// The shortest time between two requests. Browsers send keyframes no closer together, and subscribers that report the
/// same loss do so within it. jitsi-videobridge: its group window.
const INTERVAL: Duration = ms(300);
/// At most [`BURST`] requests are sent within this time, however many subscribers join one after another.
const BURST_TIME: Duration = ms(1_500);
const BURST: usize = 3;
/// The wait after any keyframe. A need within it is of a subscriber that has just missed the keyframe's beginning.
const SETTLING: Duration = ms(150);
/// An unanswered request is repeated after this. mediasoup: KeyFrameRequestManager.cpp.
const RETRY: Duration = ms(1_000);
/// Most requests after the last need: an encoding that its publisher has paused answers none.
const MAX_REQUESTS: u8 = 5;

/// An encoder that starts or restarts sends a keyframe unasked: a request within this time would cause a second one.
const BY_ITSELF: Duration = ms(100);
/// The assumed time from request to keyframe beside the round trip, until one is measured: one frame and its encoding.
const USUAL_ANSWER: Duration = ms(60);
/// A request without a keyframe after this is unanswered. libwebrtc answers with its next frame.
const PATIENCE: Duration = ms(600);

/// Evidence that requests are ignored: plus one for each ignored request, minus one for each answered one. A request
/// that is lost looks ignored, so one proves nothing; and a keyframe that was sent unasked may look like an answer. It
/// begins at zero.
const MOST_EVIDENCE: i8 = 4;
const DEAF: i8 = 3;
const HEARS: i8 = 1;
const SURELY_ANSWERS: i8 = -2;
const LEAST_EVIDENCE: i8 = -3;
/// A keyframe within this time of its expected periodic time is no answer: its publisher sends keyframes periodically.
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
        /// The last request was not answered in time.
        ignored: bool,
    },
}

/// What [`KeyframeRequests::poll`] reports as due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    /// Send a request to the publisher.
    Request,
    /// The last request was not answered: the waiting subscribers may wait for long.
    Ignored,
}

/// The keyframe requests of one encoding.
#[derive(Clone, Debug)]
pub struct KeyframeRequests {
    state: State,
    sequence: u8,
    /// The times of the last requests, oldest first.
    asked: [Option<Instant>; BURST],
    evidence: i8,
    deaf: bool,
    /// The time from request to keyframe, a moving average.
    answer: Option<Duration>,
    last: Option<Instant>,
    /// The last keyframe was sent unasked, or would have been.
    by_itself: bool,
    /// The time between the last two keyframes, if both were sent unasked.
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

    /// A subscriber needs a keyframe.
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

    /// A subscriber needs a keyframe of an encoding that does not arrive. Its publisher learns elsewhere to send the
    /// encoding, and the encoder then starts with a keyframe: one is requested only if it does not.
    pub fn request_raised(&mut self, now: Instant, round_trip: Duration) {
        match &mut self.state {
            State::Idle { .. } => self.state = State::Requested { due: now + round_trip + BY_ITSELF },
            State::Requested { .. } => {}
            State::Asked { requests, .. } => *requests = 1,
        }
    }

    /// Delays the next request, as one for another encoding of the track is being sent. Browsers answer it with
    /// keyframes of all encodings and ignore requests for a while. libwebrtc: encoder_rtcp_feedback.cc.
    pub fn defer(&mut self, now: Instant) {
        let until = now + INTERVAL;
        match &mut self.state {
            State::Idle { not_before } => *not_before = Some(not_before.map_or(until, |earliest| earliest.max(until))),
            State::Requested { due } => *due = until.max(*due),
            State::Asked { at, ignored: true, .. } if *at + RETRY < until => *at += until - (*at + RETRY),
            State::Asked { .. } => {}
        }
    }

    /// The encoding begins to arrive, or arrives again after a silence.
    pub fn handle_start(&mut self, now: Instant) {
        let until = now + BY_ITSELF;
        match &mut self.state {
            State::Idle { not_before } => *not_before = Some(not_before.map_or(until, |earliest| earliest.max(until))),
            State::Requested { due } => *due = until.max(*due),
            State::Asked { .. } => {}
        }
    }

    /// A keyframe begins to arrive: it serves every pending need.
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

    /// Returns what is due now. `heard` is when the encoding's newest packet arrived: if none arrived since the
    /// request, a missing answer is no evidence against the publisher.
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

    /// The sequence number for FIR: a repetition has the number of the request that it repeats (RFC 5104 s4.3.1.1).
    pub fn sequence(&self) -> u8 {
        self.sequence
    }

    /// True if the publisher ignores requests. It is still asked once per need, which lets it answer.
    pub fn is_deaf(&self) -> bool {
        self.deaf
    }

    /// True if the publisher answered often enough.
    pub fn surely_answers(&self) -> bool {
        !self.deaf && self.evidence <= SURELY_ANSWERS
    }

    /// True if a request is in flight or pending.
    pub fn is_asking(&self) -> bool {
        !matches!(self.state, State::Idle { .. })
    }

    /// The time until a keyframe begins to arrive if a subscriber needs it now: by a request, or, where requests are
    /// ignored, by the publisher's own period. None: unknown.
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

    /// The time until the next periodic keyframe of the publisher. None if there is no period or the keyframe is
    /// overdue.
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
