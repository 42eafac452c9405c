//! Detects that a subscriber's transport-wide feedback stopped while packets with transport-wide numbers leave. Then
//! nobody knows what the network carries: video stops, and audio goes on without redundancy.
//!
//! A peer that never acknowledged a packet is not silent: it may send no such feedback at all. Nor is one that is sent
//! nothing.

use crate::time::{Duration, Instant, ms};

/// Packets that left for this long without one acknowledgement mean silence. Receivers send feedback each 50 to 250 ms
/// (libwebrtc: transport_sequence_number_feedback_generator.cc), and no round trip takes as long.
const AFTER: Duration = ms(2_500);
/// A longer pause ends a run of packets: the last one before it may be lost.
const PAUSE: Duration = ms(1_000);
/// In silence one packet leaves at least this often, so that feedback can return: 3 kbit/s where there is no audio.
const REQUEST: Duration = ms(150);

/// What a transport knows of the acknowledgements of its peer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unacknowledged {
    /// A packet was acknowledged before.
    is_known: bool,
    /// When the first and the last packet left since an acknowledgement or a pause.
    run: Option<(Instant, Instant)>,
    is_silent: bool,
}

impl Unacknowledged {
    /// Records that a packet with a transport-wide number left.
    pub fn sent(&mut self, now: Instant) {
        match &mut self.run {
            Some((_, last)) if now.saturating_duration_since(*last) <= PAUSE => *last = now,
            run => *run = Some((now, now)),
        }
    }

    /// Handles the acknowledgement of a packet that is remembered. Returns true if it ends a silence.
    pub fn acknowledged(&mut self) -> bool {
        (self.is_known, self.run) = (true, None);
        std::mem::take(&mut self.is_silent)
    }

    /// The path changed, or the peer left: what is sent from now on is judged anew.
    pub fn begin_anew(&mut self) {
        (self.run, self.is_silent) = (None, false);
    }

    /// True while nothing is acknowledged.
    pub fn is_silent(&self) -> bool {
        self.is_silent
    }

    /// True if the last packet left so long ago that another one is needed for an acknowledgement. It then counts as
    /// sent.
    pub fn poll_request(&mut self, now: Instant) -> bool {
        let is_due = self.is_silent && self.request_due().is_none_or(|due| due <= now);
        if is_due {
            self.run = Some((now, now));
        }
        is_due
    }

    /// When [`Unacknowledged::poll_request`] is true.
    pub fn request_due(&self) -> Option<Instant> {
        self.run.filter(|_| self.is_silent).map(|(_, last)| last + REQUEST)
    }

    /// Returns true if the silence has just begun.
    pub fn handle_timeout(&mut self, now: Instant) -> bool {
        let Some((first, last)) = self.run else { return false };
        if self.poll_timeout().is_none_or(|due| due > now) {
            return false;
        }
        self.is_silent = last.saturating_duration_since(first) + PAUSE >= AFTER;
        if !self.is_silent {
            self.run = None;
        }
        self.is_silent
    }

    /// When [`Unacknowledged::handle_timeout`] has something to decide.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.run.filter(|_| self.is_known && !self.is_silent).map(|(first, _)| first + AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets leave each `interval` from the beginning until `until`, all in milliseconds; returns when the silence
    /// began.
    fn silent_at(state: &mut Unacknowledged, start: Instant, interval: u64, until: u64) -> Option<u64> {
        (0..10_000).step_by(10).find(|&at| {
            let now = start + ms(at);
            if at <= until && at % interval == 0 {
                state.sent(now);
            }
            state.poll_timeout().is_some_and(|due| due <= now) && state.handle_timeout(now)
        })
    }

    #[test]
    fn only_who_acknowledged_before_and_is_sent_packets_all_the_time_is_silent() {
        // Was acknowledged before, the interval of packets, the time of the last one, and when the silence begins.
        let table = [
            (true, 20, 10_000, Some(2_500)),
            (true, 1_000, 10_000, Some(2_500)),
            (true, 1_010, 10_000, None),
            (true, 20, 1_490, None),
            (true, 20, 1_500, Some(2_500)),
            (true, 20, 0, None),
            (false, 20, 10_000, None),
        ];
        for (is_known, interval, until, expected) in table {
            let (mut state, start) = (Unacknowledged::default(), Instant::now());
            if is_known {
                assert!(!state.acknowledged(), "it was not silent");
            }
            assert_eq!(silent_at(&mut state, start, interval, until), expected, "each {interval} ms until {until}");
            assert_eq!(state.is_silent(), expected.is_some());
        }
    }

    #[test]
    fn a_packet_leaves_now_and_then_in_silence_until_one_is_acknowledged() {
        let (mut state, start) = (Unacknowledged::default(), Instant::now());
        state.acknowledged();
        silent_at(&mut state, start, 20, 2_500);
        assert!(state.is_silent());
        let requests: Vec<u64> = (2_500..3_000).filter(|&at| state.poll_request(start + ms(at))).collect();
        assert_eq!(requests, [2_650, 2_800, 2_950]);
        state.sent(start + ms(3_020));
        assert_eq!(state.request_due(), Some(start + ms(3_170)), "audio leaves");
        assert!(state.acknowledged() && !state.is_silent() && !state.acknowledged(), "once");
        assert!(!state.poll_request(start + ms(9_000)));
    }

    #[test]
    fn another_path_is_judged_anew() {
        let (mut state, start) = (Unacknowledged::default(), Instant::now());
        state.acknowledged();
        silent_at(&mut state, start, 20, 2_500);
        state.begin_anew();
        assert!(!state.is_silent() && state.poll_timeout().is_none());
        assert_eq!(silent_at(&mut state, start + ms(5_000), 20, 9_000), Some(2_500));
    }
}
