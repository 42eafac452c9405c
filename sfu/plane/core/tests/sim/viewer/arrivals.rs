//! Transport-wide feedback as Chromium sends it (transport_sequence_number_feedback_generator.cc).

use std::collections::BTreeMap;

use plane_core::time::{Duration, Instant, ms};

use super::Extended;

/// Chromium sends feedback in 5 % of its own send estimate, each 50 to 250 ms. A report with its headers is 68 octets:
/// with the start estimate of 300 kbit/s, or more, 50 ms.
pub const INTERVAL: Duration = ms(50);
/// Older arrivals are forgotten once they are reported.
const KEPT: Duration = ms(500);
const UNIT: Duration = Duration::from_micros(250);
const REFERENCE: Duration = ms(64);
/// Numbers in one report.
const MOST: i64 = 4_000;

#[derive(Debug)]
pub struct Arrivals {
    origin: Instant,
    extended: Extended,
    times: BTreeMap<i64, Instant>,
    /// The first number of the next report. A late packet moves it back.
    start: Option<i64>,
}

impl Arrivals {
    pub fn new(origin: Instant) -> Self {
        Self { origin, extended: Extended::default(), times: BTreeMap::new(), start: None }
    }

    pub fn handle_packet(&mut self, number: u16, now: Instant) {
        let number = self.extended.sequence(number);
        if self.start.is_some_and(|start| self.times.range(start..).next().is_none()) {
            self.times.retain(|_, at| now.saturating_duration_since(*at) < KEPT);
        }
        self.start = Some(self.start.map_or(number, |start| start.min(number)));
        self.times.entry(number).or_insert(now);
    }

    /// The next report: reference time, base number, and by number the time since the arrival before.
    pub fn next(&mut self) -> Option<(i32, u16, Vec<Option<i16>>)> {
        let start = self.start?;
        let first = *self.times.range(start..).next()?.1;
        let reference = ((first - self.origin).as_millis() / REFERENCE.as_millis()) as i32;
        let mut previous = self.origin + REFERENCE * reference as u32;
        let mut deltas = Vec::new();
        for (&number, &at) in self.times.range(start..) {
            let delta = if at >= previous { signed(at - previous) } else { -signed(previous - at) };
            let Ok(delta) = i16::try_from(delta) else { break };
            if number - start >= MOST {
                break;
            }
            deltas.resize((number - start) as usize, None);
            deltas.push(Some(delta));
            // Rounding does not add up.
            let rounded = UNIT * u32::from(delta.unsigned_abs());
            previous = if delta < 0 { previous - rounded } else { previous + rounded };
        }
        self.start = Some(start + deltas.len() as i64);
        Some((reference, start as u16, deltas)).filter(|report| !report.2.is_empty())
    }
}

fn signed(time: Duration) -> i64 {
    (time.as_micros() / UNIT.as_micros()) as i64
}
