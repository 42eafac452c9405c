//! The round trip to a peer, smoothed over all its measurements (RFC 6298 s2): how long to wait for a requested packet
//! before the next request.

use crate::limits::UNMEASURED_ROUND_TRIP;
use crate::time::{Duration, Instant, ms};

/// The weights of a new measurement: a part of this many. RFC 6298 s2.3: alpha and beta.
const WEIGHT: u32 = 8;
const DEVIATION_WEIGHT: u32 = 4;
/// How many deviations the wait is longer than the round trip. RFC 6298 s2.3: K.
const DEVIATIONS: u32 = 4;
/// The first measurement counts as uncertain by this part of it, so that the wait is 1.25 round trips (LiveKit: nack.go,
/// the growth of the interval). RFC 6298 s2.2 says a half, with which a lost packet would wait for three.
const FIRST_DEVIATION: u32 = 16;
/// The least margin beyond the round trip: the publisher's pacer sends every 5 ms (libwebrtc: pacing_controller.cc), and
/// its answer waits in both sockets.
const LEAST_MARGIN: Duration = ms(10);
/// A round trip that was measured this long ago is to be measured again: paths change slowly.
const FRESH: Duration = ms(5_000);

#[derive(Clone, Copy, Debug)]
struct Estimate {
    mean: Duration,
    deviation: Duration,
    at: Instant,
}

/// The smoothed round trip of one transport.
#[derive(Clone, Copy, Debug, Default)]
pub struct Smoothed {
    estimate: Option<Estimate>,
    /// The path changed: the next measurement replaces the estimate.
    outdated: bool,
}

impl Smoothed {
    /// Takes a measurement in.
    pub fn measured(&mut self, took: Duration, now: Instant) {
        let Some(Estimate { mean, deviation, .. }) = self.estimate.filter(|_| !self.outdated) else {
            self.estimate = Some(Estimate { mean: took, deviation: took / FIRST_DEVIATION, at: now });
            self.outdated = false;
            return;
        };
        let deviation = (deviation * (DEVIATION_WEIGHT - 1) + mean.abs_diff(took)) / DEVIATION_WEIGHT;
        let mean = (mean * (WEIGHT - 1) + took) / WEIGHT;
        self.estimate = Some(Estimate { mean, deviation, at: now });
    }

    /// Notes that another path is used, whose round trip is unknown.
    pub fn moved(&mut self) {
        self.outdated = true;
    }

    /// The round trip, if it was measured.
    pub fn mean(&self) -> Option<Duration> {
        self.estimate.map(|estimate| estimate.mean)
    }

    /// How long to wait for the answer to a request. Without a measurement: the assumed round trip.
    pub fn wait(&self) -> Duration {
        self.estimate.map_or(UNMEASURED_ROUND_TRIP, |Estimate { mean, deviation, .. }| {
            mean + LEAST_MARGIN.max(deviation * DEVIATIONS)
        })
    }

    /// True if there was no measurement lately.
    pub fn is_stale(&self, now: Instant) -> bool {
        self.outdated || self.estimate.is_none_or(|estimate| now.saturating_duration_since(estimate.at) >= FRESH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_the_round_trip_and_what_it_varies_by() {
        // Measurements in turn, and the wait after them.
        let table: [(&[u64], u64); 5] = [
            (&[], 100),
            (&[400], 500),
            (&[2], 12),
            (&[400; 40], 410),
            (&[400, 400, 400, 400, 440, 400, 400, 400, 400, 360, 400, 400], 440),
        ];
        for (measured, expected) in table {
            let (mut smoothed, now) = (Smoothed::default(), Instant::now());
            measured.iter().for_each(|&took| smoothed.measured(ms(took), now));
            let wait = smoothed.wait().as_millis() as u64;
            assert!(wait.abs_diff(expected) <= 6, "{wait} ms after {measured:?}, not {expected}");
        }
    }

    #[test]
    fn a_measurement_is_fresh_for_five_seconds_on_its_path() {
        let (mut smoothed, now) = (Smoothed::default(), Instant::now());
        assert!(smoothed.is_stale(now));
        assert_eq!(smoothed.mean(), None);
        smoothed.measured(ms(400), now);
        assert_eq!(smoothed.mean(), Some(ms(400)));
        assert!(!smoothed.is_stale(now + ms(4_999)) && smoothed.is_stale(now + ms(5_000)));
        smoothed.moved();
        assert!(smoothed.is_stale(now));
        assert_eq!(smoothed.wait(), ms(500), "until the other path is measured");
        smoothed.measured(ms(20), now);
        assert_eq!((smoothed.wait(), smoothed.is_stale(now)), (ms(30), false));
    }
}
