//! Whether an encoding flows: at once with its first packet, no longer after a silence, and again only when it has
//! flowed for a while, so that an encoder at its limit does not make every subscriber switch to and fro.

use crate::time::{Duration, Instant, ms};

/// Silence after which video has stopped. LiveKit: streamtracker_packet.go, one empty cycle.
const SHORTEST_SILENCE: Duration = ms(500);
/// A still screen is sent at one frame a second or less: the limit grows with the gaps that were seen, up to this.
const LONGEST_SILENCE: Duration = ms(3_000);
/// With discontinuous transmission (RFC 7587 s3.1.3) a quiet microphone sends 2.5 packets a second, or none for longer.
/// mediasoup: RtpStreamRecv.cpp, inactivity check with DTX.
const AUDIO_SILENCE: Duration = ms(5_000);
/// How long it must flow to be active again. LiveKit: streamtracker_packet.go, four good cycles.
const PROVING: Duration = ms(2_000);

#[derive(Clone, Copy, Debug)]
enum State {
    /// Nothing yet: the first packet is enough.
    New,
    Active {
        last: Instant,
    },
    /// It stopped; since `since` it flows again.
    Proving {
        since: Instant,
        last: Instant,
    },
}

#[derive(Clone, Debug)]
pub struct Activity {
    state: State,
    video: bool,
    /// The longest gap lately: jumps up, and fades by an eighth per packet.
    gap: Duration,
    told: bool,
}

impl Activity {
    pub fn new(video: bool) -> Self {
        Self { state: State::New, video, gap: Duration::ZERO, told: false }
    }

    /// A packet with media in it arrived.
    pub fn handle_packet(&mut self, now: Instant) {
        let limit = self.limit();
        self.state = match self.state {
            State::New => State::Active { last: now },
            State::Active { last } if now <= last + limit => State::Active { last: now },
            State::Active { .. } => State::Proving { since: now, last: now },
            State::Proving { last, .. } if now > last + limit => State::Proving { since: now, last: now },
            State::Proving { since, .. } if now >= since + PROVING => State::Active { last: now },
            State::Proving { since, .. } => State::Proving { since, last: now },
        };
    }

    /// A frame began `gap` after the one before it.
    pub fn handle_frame(&mut self, gap: Duration) {
        self.gap = gap.min(LONGEST_SILENCE).max(self.gap * 7 / 8);
    }

    /// The publisher was asked to send it: its next packet is enough again.
    pub fn expect(&mut self) {
        self.state = State::New;
    }

    pub fn is_active(&self, now: Instant) -> bool {
        matches!(self.state, State::Active { last } if now <= last + self.limit())
    }

    /// Nothing has come for longer than it should.
    pub fn is_silent(&self, now: Instant) -> bool {
        match self.state {
            State::New => true,
            State::Active { last } | State::Proving { last, .. } => now > last + self.limit(),
        }
    }

    /// The new state, when it is another than was told last.
    pub fn poll(&mut self, now: Instant) -> Option<bool> {
        let active = self.is_active(now);
        (std::mem::replace(&mut self.told, active) != active).then_some(active)
    }

    /// When it will have stopped, unless a packet comes.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Active { last } if self.told => Some(last + self.limit() + ms(1)),
            _ => None,
        }
    }

    fn limit(&self) -> Duration {
        if !self.video {
            return AUDIO_SILENCE;
        }
        (self.gap * 5 / 2).clamp(SHORTEST_SILENCE, LONGEST_SILENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets each `every` ms of `range`; the frame gaps are told as the encoding does.
    fn flow(activity: &mut Activity, start: Instant, range: std::ops::Range<u64>, every: u64) {
        for at in range.step_by(every as usize) {
            activity.handle_packet(start + ms(at));
            activity.handle_frame(ms(every));
        }
    }

    #[test]
    fn it_is_active_with_the_first_packet_and_stops_after_half_a_second() {
        let (mut activity, now) = (Activity::new(true), Instant::now());
        assert_eq!(activity.poll(now), None);
        activity.handle_packet(now);
        assert_eq!(activity.poll(now), Some(true));
        assert_eq!(activity.poll(now + ms(500)), None);
        let stop = activity.poll_timeout().unwrap();
        assert_eq!(stop, now + ms(501));
        assert_eq!(activity.poll(stop), Some(false));
        assert_eq!(activity.poll_timeout(), None);
    }

    #[test]
    fn after_a_stop_it_must_flow_for_two_seconds() {
        let (mut activity, now) = (Activity::new(true), Instant::now());
        flow(&mut activity, now, 0..1_000, 33);
        flow(&mut activity, now, 3_000..4_000, 33);
        assert!(!activity.is_active(now + ms(4_000)));
        flow(&mut activity, now, 4_000..5_000, 33);
        assert!(!activity.is_active(now + ms(4_990)));
        flow(&mut activity, now, 5_000..5_100, 33);
        assert!(activity.is_active(now + ms(5_100)));
    }

    #[test]
    fn what_was_asked_for_is_active_with_its_next_packet() {
        let (mut activity, now) = (Activity::new(true), Instant::now());
        flow(&mut activity, now, 0..1_000, 33);
        activity.expect();
        activity.handle_packet(now + ms(9_000));
        assert!(activity.is_active(now + ms(9_000)));
    }

    #[test]
    fn a_still_screen_at_one_frame_a_second_stays_active() {
        let (mut activity, now) = (Activity::new(true), Instant::now());
        flow(&mut activity, now, 0..2_000, 250);
        // The first second without a frame looks like a stop; from then on it is known.
        let stopped = (2_000..60_000).filter(|at| {
            if at % 1_000 == 0 {
                flow(&mut activity, now, *at..at + 1, 1_000);
            }
            !activity.is_active(now + ms(*at))
        });
        assert!(stopped.max().is_none_or(|last| last < 5_000));
        assert!(!activity.is_active(now + ms(59_000 + 2_501)));
    }

    #[test]
    fn quiet_audio_is_active_for_five_seconds() {
        let (mut activity, now) = (Activity::new(false), Instant::now());
        activity.handle_packet(now);
        assert!(activity.is_active(now + ms(5_000)));
        assert!(!activity.is_active(now + ms(5_001)));
    }
}
