//! The congestion window of CUBIC (RFC 9438), in segments, with the slow start of HyStart++ (RFC 9406).

use plane_core::time::{Duration, Instant, ms};

/// RFC 9438 s4.1, s4.6.
const C: f64 = 0.4;
const BETA: f64 = 0.7;
/// RFC 6928.
const INITIAL_WINDOW: f64 = 10.0;
/// RFC 9406 s4.3: the increase of a round's minimum round trip that ends slow start.
const MIN_INCREASE: Duration = ms(4);
const MAX_INCREASE: Duration = ms(16);
const MIN_SAMPLES: u32 = 8;

#[derive(Clone, Debug)]
pub struct Cubic {
    window: f64,
    threshold: f64,
    /// The window of the last reduction, with fast convergence (RFC 9438 s4.7).
    most: f64,
    epoch: Option<Epoch>,
    /// The minimum round trips of this round and of the one before, and the round's last segment.
    rounds: Rounds,
}

/// Congestion avoidance since the last reduction.
#[derive(Clone, Debug)]
struct Epoch {
    start: Instant,
    /// The window at its start.
    window: f64,
    /// Seconds until the window is `most` again.
    k: f64,
    /// What Reno would have (s4.3).
    reno: f64,
}

#[derive(Clone, Default, Debug)]
struct Rounds {
    ends: u64,
    samples: u32,
    least: Option<Duration>,
    before: Option<Duration>,
}

impl Default for Cubic {
    fn default() -> Self {
        let (window, threshold) = (INITIAL_WINDOW, f64::INFINITY);
        Self { window, threshold, most: 0.0, epoch: None, rounds: Rounds::default() }
    }
}

impl Cubic {
    /// Segments that may be in flight.
    pub fn window(&self) -> f64 {
        self.window
    }

    pub fn is_slow_start(&self) -> bool {
        self.window < self.threshold
    }

    /// Grows after new acknowledgements.
    pub fn grow(&mut self, acknowledged: u64, round_trip: Duration, now: Instant) {
        let acknowledged = acknowledged as f64;
        if self.is_slow_start() {
            self.window = (self.window + acknowledged).min(self.threshold.max(self.window));
            return;
        }
        let (window, most) = (self.window, self.most.max(self.window));
        let epoch = self.epoch.get_or_insert_with(|| Epoch {
            start: now,
            window,
            k: ((most - window) / C).cbrt(),
            reno: window,
        });
        let origin = epoch.window + C * epoch.k.powi(3);
        let at = |elapsed: f64| C * (elapsed - epoch.k).powi(3) + origin;
        let elapsed = (now - epoch.start).as_secs_f64();
        // s4.3: as fast as Reno with this reduction, then with its own one.
        let alpha = if epoch.reno < most { 3.0 * (1.0 - BETA) / (1.0 + BETA) } else { 1.0 };
        epoch.reno += alpha * acknowledged / self.window;
        if at(elapsed) < epoch.reno {
            self.window = self.window.max(epoch.reno);
            return;
        }
        let target = at(elapsed + round_trip.as_secs_f64()).clamp(self.window, 1.5 * self.window);
        self.window += (target - self.window) / self.window * acknowledged;
    }

    /// After a loss (s4.6, s4.7).
    pub fn reduce(&mut self) {
        self.most = if self.window < self.most { self.window * (1.0 + BETA) / 2.0 } else { self.window };
        self.threshold = (self.window * BETA).max(2.0);
        self.window = self.threshold;
        self.epoch = None;
    }

    /// After a retransmission timeout (s4.8).
    pub fn time_out(&mut self) {
        self.reduce();
        self.window = 1.0;
    }

    /// Ends slow start when the queue grows. `next`: the next new segment; `oldest`: the oldest one in flight.
    pub fn note_round_trip(&mut self, sample: Duration, next: u64, oldest: u64) {
        let rounds = &mut self.rounds;
        if oldest >= rounds.ends {
            *rounds = Rounds { ends: next, samples: 0, least: None, before: rounds.least };
        }
        rounds.samples += 1;
        rounds.least = Some(rounds.least.map_or(sample, |least| least.min(sample)));
        let (Some(least), Some(before)) = (rounds.least, rounds.before) else { return };
        let increase = (before / 8).clamp(MIN_INCREASE, MAX_INCREASE);
        let grows = rounds.samples >= MIN_SAMPLES && least >= before + increase;
        if grows && self.window < self.threshold {
            self.threshold = self.window;
        }
    }
}
