//! Records when packets of a stream arrived lately. This shows that its transport works while another stream is silent.

use crate::time::{Duration, Instant, ms};

/// The length of a tick. One tick for each bit is recorded: 640 ms.
const TICK: Duration = ms(20);
/// Packets this far apart show that a stream flows. After an outage of the whole transport, one stream may resume a
/// little before another.
const VOUCHES: Duration = ms(160);
/// The same in ticks.
const VOUCHING: u32 = (VOUCHES.as_millis() / TICK.as_millis()) as u32;

#[derive(Clone, Copy, Debug)]
pub struct Pulse {
    /// The beginning of the newest tick.
    newest: Instant,
    /// Ticks with packets in them; bit n is n ticks before the newest.
    ticks: u32,
}

impl Pulse {
    pub fn new(now: Instant) -> Self {
        Self { newest: now, ticks: 1 }
    }

    pub fn beat(&mut self, now: Instant) {
        let behind = now.saturating_duration_since(self.newest);
        if behind >= TICK {
            let steps = (behind.as_nanos() / TICK.as_nanos()).min(u128::from(u32::MAX)) as u32;
            self.ticks = self.ticks.checked_shl(steps).unwrap_or(0) | 1;
            self.newest = if steps > u32::BITS { now } else { self.newest + TICK * steps };
        }
    }

    /// The stream flowed in every silence that began before this: it has packets [`VOUCHES`] apart after it. None if it
    /// flowed for less.
    pub fn evidence(&self) -> Option<Instant> {
        let earlier = self.ticks >> VOUCHING;
        (earlier != 0).then(|| self.newest - TICK * (VOUCHING + earlier.trailing_zeros()))
    }

    /// True if the stream flowed while another was silent.
    pub fn vouches(&self, silence: Instant) -> bool {
        self.evidence().is_some_and(|until| silence < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beats(start: Instant, times: impl IntoIterator<Item = u64>) -> Pulse {
        let mut pulse = Pulse::new(start);
        times.into_iter().for_each(|at| pulse.beat(start + ms(at)));
        pulse
    }

    #[test]
    fn it_vouches_for_silences_after_which_it_flowed_for_160_ms() {
        let start = Instant::now();
        let pulse = beats(start, (0..=600).step_by(40));
        let vouches = [0, 300, 439, 440, 500, 600, 700].map(|silence| pulse.vouches(start + ms(silence)));
        assert_eq!(vouches, [true, true, true, false, false, false, false]);
        assert_eq!(pulse.evidence(), Some(start + ms(440)));
    }

    #[test]
    fn a_burst_after_a_silence_is_no_evidence() {
        let start = Instant::now();
        assert!(!beats(start, [400, 401, 402, 403]).vouches(start), "only one tick is after it");
        assert_eq!(beats(start, [400, 401, 3_600_000]).evidence(), None);
    }

    #[test]
    fn evidence_never_fades_while_a_stream_flows() {
        let start = Instant::now();
        let mut pulse = Pulse::new(start);
        let mut before = None;
        for at in (0..3_000).step_by(33) {
            pulse.beat(start + ms(at));
            assert!(pulse.evidence() >= before, "at {at} ms");
            before = pulse.evidence();
        }
        assert_eq!(before.map(|until| until >= start + ms(2_700)), Some(true));
    }
}
