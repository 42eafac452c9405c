//! When a decoded frame is shown: the jitter buffer of Chromium in short (jitter_estimator.cc, timing.cc). The delay
//! follows the deviation of frame delays, and after retransmissions one round trip more.
//!
//! Unlike there, large frames do not add to the delay. The model so shows more freezes, not fewer.

use plane_core::time::{Duration, Instant};

/// kNoiseStdDevs, kNoiseStdDevOffset.
const DEVIATIONS: f64 = 2.33;
const OFFSET: f64 = 30.0;
/// kAlphaCountMax.
const SAMPLES: f64 = 400.0;
/// kNackLimit: repaired frames until the round trip counts. They are forgotten after this time without one.
const REPAIRED: u32 = 3;
const FORGET: Duration = Duration::from_secs(60);
/// Decoding and rendering.
const PROCESSING: f64 = 20.0;
/// kDelayMaxChangeMsPerS, for the delay in ms.
const MAX_CHANGE: f64 = 100.0;
/// Clock rate of video, per ms.
const TICKS: f64 = 90.0;

#[derive(Debug)]
pub struct Playout {
    round_trip: Duration,
    last: Option<(i64, Instant)>,
    /// The least delay of frames, as time of arrival of timestamp 0, since `origin` and in ms.
    origin: Option<Instant>,
    base: f64,
    samples: f64,
    mean: f64,
    variance: f64,
    repaired: u32,
    repaired_at: Option<Instant>,
    delay: f64,
    last_shown: Option<Instant>,
}

impl Playout {
    pub fn new(round_trip: Duration) -> Self {
        Self {
            round_trip,
            last: None,
            origin: None,
            base: f64::INFINITY,
            samples: 1.0,
            mean: 0.0,
            variance: 4.0,
            repaired: 0,
            repaired_at: None,
            delay: 0.0,
            last_shown: None,
        }
    }

    /// A frame can be decoded: when it is shown. `is_repaired`: a packet of it was asked for.
    pub fn handle_frame(&mut self, timestamp: i64, is_repaired: bool, now: Instant) -> Instant {
        let origin = *self.origin.get_or_insert(now);
        let elapsed = (now - origin).as_secs_f64() * 1_000.0;
        let interval = self.last.map_or(0.0, |last| (timestamp - last.0) as f64 / TICKS);
        if is_repaired {
            self.repaired += 1;
            self.repaired_at = Some(now);
        } else {
            if let Some((_, at)) = self.last {
                self.note_deviation((now - at).as_secs_f64() * 1_000.0 - interval);
            }
            self.last = Some((timestamp, now));
        }
        if self.repaired_at.is_some_and(|at| now - at > FORGET) {
            (self.repaired, self.repaired_at) = (0, None);
        }
        self.last.get_or_insert((timestamp, now));
        // The clock of the sender: it follows an earlier frame at once, and a longer path slowly.
        let sent = elapsed - timestamp as f64 / TICKS;
        self.base = if self.base.is_infinite() { sent } else { sent.min(self.base + 0.5) };
        let target = self.target();
        let most = MAX_CHANGE * interval.clamp(0.0, 200.0) / 1_000.0;
        self.delay += (target - self.delay).clamp(-most, most);
        let due = self.base + timestamp as f64 / TICKS + self.delay;
        if elapsed > due {
            self.delay = (self.delay + elapsed - due).min(target).max(self.delay);
        }
        let due =
            origin + Duration::from_secs_f64((self.base + timestamp as f64 / TICKS + self.delay).max(0.0) / 1_000.0);
        let shown = self.last_shown.map_or(due, |last| last.max(due)).max(now);
        self.last_shown = Some(shown);
        shown
    }

    fn note_deviation(&mut self, deviation: f64) {
        self.samples = (self.samples + 1.0).min(SAMPLES);
        let keep = (self.samples - 1.0) / self.samples;
        let deviation = deviation.clamp(-3.5 * self.variance.sqrt().max(5.0), 3.5 * self.variance.sqrt().max(5.0));
        self.mean = keep * self.mean + (1.0 - keep) * deviation;
        self.variance = (keep * self.variance + (1.0 - keep) * (deviation - self.mean).powi(2)).max(1.0);
    }

    /// The wished delay in ms.
    fn target(&self) -> f64 {
        let noise = (DEVIATIONS * self.variance.sqrt() - OFFSET).max(1.0);
        let round_trip = if self.repaired >= REPAIRED { self.round_trip.as_secs_f64() * 1_000.0 } else { 0.0 };
        noise + round_trip + PROCESSING
    }
}
