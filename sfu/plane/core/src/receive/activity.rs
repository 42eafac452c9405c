//! Determines whether an encoding or a spatial layer flows. It flows from its first packet. It stops after a silence in
//! which other streams flowed, or when its sender reports that it stopped. It then must flow for a while before it
//! counts as flowing again, so that an encoder at its limit does not make every subscriber switch back and forth.
//!
//! ```text
//!         a packet            silence                       a packet               for PROVING
//!   new ───────────> flowing ─────────> stopped (a sibling) ────────> proving ───────────────────> flowing
//!                       ↑               stopped (all of its track) ──────────────────────────────────↑
//! ```

use super::pulse::Pulse;
use crate::time::{Duration, Instant, ms};

/// Silence after which video of five or more frames a second has stopped if other streams flowed meanwhile. The stop is
/// noticed within 500 ms, whenever their packets arrive.
const SHORTEST_SILENCE: Duration = ms(380);
/// Silence after which slower video has stopped (a still screen is sent at one frame a second), and any video if no
/// other stream shows that the transport works.
const LONGEST_SILENCE: Duration = ms(3_000);
/// Frame interval above which video counts as slow: below five frames a second.
const SLOW: Duration = ms(200);
/// Silence after which another stream may take this one's place, if it is also twice the usual gap. It leaves half a
/// second without a picture when a sender restarts with another SSRC, and is long compared to reordering.
pub const GONE: Duration = ms(380);
/// The same for audio: discontinuous transmission makes gaps of 400 ms.
const GONE_AUDIO: Duration = ms(1_000);
/// Silence after which audio has stopped. With discontinuous transmission (RFC 7587 s3.1.3) a quiet microphone sends
/// 2.5 packets a second, or none for longer. mediasoup: RtpStreamRecv.cpp, inactivity check with DTX.
const AUDIO_SILENCE: Duration = ms(5_000);
/// Interval of further checks while a stream is silent and not yet stopped.
const LOOK_AGAIN: Duration = ms(40);
/// How long a stopped stream must flow to count as flowing again, so that a keyframe is requested and arrives within
/// 2 s. LiveKit waits for 2 s to 10 s: streamtracker_packet.go, good cycles.
const PROVING: Duration = ms(1_500);
/// After a stop that was followed by more packets soon, silence is tolerated for this time: a muted track or still
/// screen does not count as stopped each time.
const PATIENT: Duration = ms(60_000);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// No packet yet: the first packet is enough to flow.
    New,
    Flowing,
    /// `alone`: other streams of its track flow.
    Stopped {
        alone: bool,
    },
    /// It stopped, and packets arrive again since `since`.
    Proving {
        since: Instant,
    },
}

/// Which other streams flowed during the silence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Voucher {
    Nobody,
    /// A stream of another track of its transport.
    Transport,
    /// Another encoding or layer of its track, which shows the same picture.
    Sibling,
}

#[derive(Clone, Debug)]
pub struct Activity {
    state: State,
    video: bool,
    last: Option<Instant>,
    pulse: Option<Pulse>,
    timestamp: u32,
    frame: Option<Instant>,
    /// The longest gap between frames lately: a longer gap replaces it, and each frame reduces it by an eighth.
    gap: Duration,
    patient_until: Option<Instant>,
    look_at: Option<Instant>,
}

impl Activity {
    pub fn new(video: bool) -> Self {
        Self {
            state: State::New,
            video,
            last: None,
            pulse: None,
            timestamp: 0,
            frame: None,
            gap: Duration::ZERO,
            patient_until: None,
            look_at: None,
        }
    }

    /// Handles a packet with a payload. `late` is true if newer packets arrived before.
    pub fn handle_packet(&mut self, timestamp: u32, late: bool, now: Instant) {
        let silence = self.last.replace(now).map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        self.look_at = None;
        match &mut self.pulse {
            Some(pulse) => pulse.beat(now),
            None => self.pulse = Some(Pulse::new(now)),
        }
        self.state = match self.state {
            State::New => State::Flowing,
            State::Stopped { alone: false } => {
                if silence <= LONGEST_SILENCE {
                    self.patient_until = Some(now + PATIENT);
                }
                State::Flowing
            }
            State::Stopped { alone: true } => State::Proving { since: now },
            State::Proving { .. } if silence > SHORTEST_SILENCE => State::Proving { since: now },
            State::Proving { since } if now >= since + PROVING => State::Flowing,
            state => state,
        };
        if !late && (self.timestamp != timestamp || self.frame.is_none()) {
            self.timestamp = timestamp;
            let gap = self.frame.replace(now).map_or(Duration::ZERO, |before| now.saturating_duration_since(before));
            self.gap = gap.min(LONGEST_SILENCE).max(self.gap - self.gap / 8);
        }
    }

    /// The sender starts to send it: its next packet is enough to flow.
    pub fn expect(&mut self) {
        self.state = State::New;
    }

    /// The sender has stopped it. Packets that are still in flight do not restart it at once.
    pub fn stop(&mut self) {
        if self.state != State::New {
            self.state = State::Stopped { alone: true };
        }
    }

    pub fn is_flowing(&self) -> bool {
        self.state == State::Flowing
    }

    /// When the newest packet arrived.
    pub fn last(&self) -> Option<Instant> {
        self.last
    }

    /// True if no packets arrive, or none arrived for too long.
    pub fn is_silent(&self, now: Instant) -> bool {
        match self.state {
            State::New | State::Stopped { .. } => true,
            State::Flowing => false,
            State::Proving { .. } => self.last.is_none_or(|last| now > last + SHORTEST_SILENCE),
        }
    }

    /// True if another stream may take its place. None: no packet has arrived yet.
    pub fn is_gone(&self, now: Instant) -> Option<bool> {
        let patience = if self.video { GONE } else { GONE_AUDIO };
        let patience = (self.gap * 2).max(patience).min(self.longest());
        self.last.map(|last| now >= last + patience)
    }

    /// True if it flowed before and does not now.
    pub fn has_stopped(&self) -> bool {
        matches!(self.state, State::Stopped { .. } | State::Proving { .. })
    }

    pub fn pulse(&self) -> Option<Pulse> {
        self.pulse
    }

    /// Since when it is silent, if [`Activity::handle_silence`] is due.
    pub fn overdue(&self, now: Instant) -> Option<Instant> {
        self.last.filter(|_| self.poll_timeout().is_some_and(|due| due <= now))
    }

    /// Decides whether the silence means a stop, by which other streams flowed since it began.
    pub fn handle_silence(&mut self, voucher: Voucher, now: Instant) {
        let Some(last) = self.overdue(now) else { return };
        let patience = match voucher {
            Voucher::Nobody => self.longest(),
            Voucher::Transport if self.patient_until.is_some_and(|until| now < until) => self.longest(),
            Voucher::Transport | Voucher::Sibling => self.shortest(),
        };
        if now >= last + patience {
            self.state = State::Stopped { alone: voucher == Voucher::Sibling };
        } else {
            self.look_at = Some((now + LOOK_AGAIN).min(last + self.longest()));
        }
    }

    /// When [`Activity::handle_silence`] is due, unless a packet arrives.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let last = self.last.filter(|_| self.is_flowing())?;
        Some(self.look_at.unwrap_or(last + self.shortest()))
    }

    fn shortest(&self) -> Duration {
        if !self.video {
            AUDIO_SILENCE
        } else if self.gap > SLOW {
            LONGEST_SILENCE
        } else {
            SHORTEST_SILENCE
        }
    }

    fn longest(&self) -> Duration {
        if self.video { LONGEST_SILENCE } else { AUDIO_SILENCE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream that sends a frame each `every` ms during `range` (ms), evaluated each 5 ms while `voucher` flows.
    fn flow(activity: &mut Activity, start: Instant, range: std::ops::Range<u64>, every: u64) {
        for at in range.step_by(every as usize) {
            activity.handle_packet(at as u32, false, start + ms(at));
        }
    }

    /// The time in ms at which its stop is detected.
    fn stopped(activity: &mut Activity, start: Instant, from: u64, voucher: Voucher) -> Option<u64> {
        (from..from + 20_000).find(|&at| {
            activity.handle_silence(voucher, start + ms(at));
            !activity.is_flowing()
        })
    }

    #[test]
    fn its_silence_is_judged_by_its_rate_and_by_who_flows_meanwhile() {
        let table = [
            (33, Voucher::Sibling, 380),
            (33, Voucher::Transport, 380),
            (33, Voucher::Nobody, 3_000),
            (200, Voucher::Transport, 380),
            (250, Voucher::Sibling, 3_000),
            (1_000, Voucher::Transport, 3_000),
        ];
        for (every, voucher, expected) in table {
            let (mut activity, start) = (Activity::new(true), Instant::now());
            flow(&mut activity, start, 0..4_001, every);
            let last = 4_000 / every * every;
            let after = stopped(&mut activity, start, last, voucher).expect("it stops") - last;
            assert_eq!(after, expected, "a frame each {every} ms, {voucher:?}");
        }
    }

    #[test]
    fn it_flows_with_its_first_packet() {
        let (mut activity, now) = (Activity::new(true), Instant::now());
        assert!(!activity.is_flowing() && !activity.has_stopped());
        activity.handle_packet(0, false, now);
        assert!(activity.is_flowing());
        assert_eq!(activity.poll_timeout(), Some(now + ms(380)));
    }

    #[test]
    fn one_that_stopped_beside_its_siblings_proves_itself_before_it_is_back() {
        let (mut activity, start) = (Activity::new(true), Instant::now());
        flow(&mut activity, start, 0..1_000, 33);
        assert!(stopped(&mut activity, start, 1_000, Voucher::Sibling).is_some());
        flow(&mut activity, start, 3_000..4_480, 20);
        assert!(!activity.is_flowing() && activity.has_stopped());
        flow(&mut activity, start, 4_480..4_520, 20);
        assert!(activity.is_flowing());
    }

    #[test]
    fn one_that_comes_and_goes_is_not_back() {
        let (mut activity, start) = (Activity::new(true), Instant::now());
        flow(&mut activity, start, 0..1_000, 33);
        stopped(&mut activity, start, 1_000, Voucher::Sibling);
        for second in 2..60 {
            flow(&mut activity, start, second * 1_000..second * 1_000 + 600, 20);
            assert!(!activity.is_flowing(), "after {second} s");
        }
    }

    #[test]
    fn a_picture_that_stood_still_is_back_at_once_and_taken_for_stopped_no_second_time() {
        let (mut activity, start) = (Activity::new(true), Instant::now());
        flow(&mut activity, start, 0..1_000, 33);
        assert!(stopped(&mut activity, start, 1_000, Voucher::Transport).is_some());
        flow(&mut activity, start, 2_000..5_000, 33);
        assert!(activity.is_flowing());
        let last = 2_000 + 2_999 / 33 * 33;
        assert_eq!(stopped(&mut activity, start, 5_000, Voucher::Transport), Some(last + 3_000));
    }

    #[test]
    fn one_that_its_sender_stopped_is_stopped_until_it_says_otherwise_or_sends_for_long() {
        let (mut activity, start) = (Activity::new(true), Instant::now());
        flow(&mut activity, start, 0..1_000, 33);
        activity.stop();
        flow(&mut activity, start, 1_000..1_200, 33);
        assert!(activity.has_stopped(), "what was on its way");
        activity.expect();
        flow(&mut activity, start, 9_000..9_001, 33);
        assert!(activity.is_flowing());
    }

    #[test]
    fn quiet_audio_flows_for_five_seconds() {
        let (mut activity, start) = (Activity::new(false), Instant::now());
        activity.handle_packet(0, false, start);
        assert_eq!(stopped(&mut activity, start, 0, Voucher::Transport), Some(5_000));
    }
}
