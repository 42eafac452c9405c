//! Records when packets of a stream arrived lately. This shows that its transport works while another stream is silent.

use crate::time::{Duration, Instant, ms};

/// The length of a tick. One tick for each bit is recorded: 640 ms.
const TICK: Duration = ms(20);
/// Packets this far apart show that a stream flows. After an outage of the whole transport, one stream may resume a
/// little before another.
const VOUCHES: Duration = ms(160);

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

    /// True if the stream flowed while another was silent.
    pub fn vouches(&self, silence: Instant) -> bool {
        self.span_since(silence) >= VOUCHES
    }

    /// The time from the first to the last tick with packets that began after `silence`.
    fn span_since(&self, silence: Instant) -> Duration {
        let behind = self.newest.saturating_duration_since(silence);
        let ticks = (behind.as_nanos().div_ceil(TICK.as_nanos())).min(u128::from(u32::BITS)) as u32;
        let after = self.ticks & u32::MAX.checked_shr(u32::BITS - ticks).unwrap_or(0);
        TICK * after.checked_ilog2().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_span_is_of_what_came_since_the_silence_began() {
        let start = Instant::now();
        let mut pulse = Pulse::new(start);
        for at in (0..=600).step_by(40) {
            pulse.beat(start + ms(at));
        }
        let spans = [0, 100, 300, 500, 590, 600, 700].map(|silence| pulse.span_since(start + ms(silence)).as_millis());
        assert_eq!(spans, [560, 480, 280, 80, 0, 0, 0]);
    }

    #[test]
    fn a_burst_after_a_silence_spans_nothing() {
        let start = Instant::now();
        let mut pulse = Pulse::new(start);
        for at in [400, 401, 402, 403] {
            pulse.beat(start + ms(at));
        }
        assert_eq!(pulse.span_since(start), ms(0));
        pulse.beat(start + ms(3_600_000));
        assert_eq!(pulse.span_since(start), ms(0));
    }
}
