//! How much redundancy (RFC 2198) a subscriber's audio gets, by what the subscriber loses: none on a clean network, the
//! packet before from 1 % of loss on, and the two before from 4 % on.
//!
//! libwebrtc: audio_encoder_opus.cc has steps of loss with margins for its own error correction (kPacketLossRate1,
//! kPacketLossRate5). The steps here are lower by the margin, because copies cost less than a repair that is missing.

use crate::receive::packet::MOST_COPIES;
use crate::time::{Duration, Instant, ms};

/// The loss from which on the distance is 1, and 2.
const RISES: [f64; MOST_COPIES] = [0.01, 0.04];
/// The loss below which it is no longer 1, and 2.
const FALLS: [f64; MOST_COPIES] = [0.005, 0.025];
/// It falls by one after this time below: loss comes in spells, and receivers report audio each 5 s (RFC 3550 s6.2).
const HOLD: Duration = ms(20_000);
/// Before anything is known.
const FIRST: u8 = 1;

/// The redundancy of one subscriber's slot.
#[derive(Clone, Copy, Debug)]
pub struct Protection {
    distance: u8,
    /// By its receiver reports, without what the publisher's network lost; and by transport-wide feedback.
    reported: f64,
    estimated: f64,
    /// Since when the loss is low enough for less.
    low: Option<Instant>,
}

impl Default for Protection {
    fn default() -> Self {
        Self { distance: FIRST, reported: 0.0, estimated: 0.0, low: None }
    }
}

impl Protection {
    /// How far back copies go: 0 to [`MOST_COPIES`].
    pub fn distance(&self) -> u8 {
        self.distance
    }

    /// Takes the loss of the last receiver report, 0 to 1.
    pub fn handle_reported(&mut self, loss: f64, now: Instant) {
        self.reported = loss;
        self.update(now);
    }

    /// Takes the loss by transport-wide feedback, 0 to 1.
    pub fn handle_estimated(&mut self, loss: f64, now: Instant) {
        self.estimated = loss;
        self.update(now);
    }

    fn update(&mut self, now: Instant) {
        let loss = self.reported.max(self.estimated);
        let needed = RISES.iter().filter(|&&rises| loss >= rises).count() as u8;
        if needed >= self.distance {
            (self.distance, self.low) = (needed, None);
        }
        let falls = usize::from(self.distance).checked_sub(1).is_some_and(|place| loss < FALLS[place]);
        if !falls {
            self.low = None;
        } else if now.saturating_duration_since(*self.low.get_or_insert(now)) >= HOLD {
            (self.distance, self.low) = (self.distance - 1, Some(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_follows_the_loss_at_once_upwards_and_slowly_downwards() {
        // Seconds, the loss that is reported then in percent, and the distance after it.
        let table = [
            (0, 0.0, 1),
            (19, 0.0, 1),
            (20, 0.0, 0),
            (25, 0.9, 0),
            (30, 1.0, 1),
            (31, 3.9, 1),
            (32, 4.0, 2),
            (40, 2.5, 2),
            (50, 2.4, 2),
            (60, 2.5, 2),
            (61, 2.4, 2),
            (80, 2.4, 2),
            (81, 2.4, 1),
            (85, 30.0, 2),
            (90, 0.0, 2),
            (110, 0.0, 1),
            (129, 0.0, 1),
            (130, 0.0, 0),
            (140, 100.0, 2),
        ];
        let (mut protection, start) = (Protection::default(), Instant::now());
        for (second, percent, distance) in table {
            protection.handle_reported(percent / 100.0, start + ms(1_000 * second));
            assert_eq!(protection.distance(), distance, "{percent} % at {second} s");
        }
    }

    #[test]
    fn the_worse_of_reports_and_feedback_counts() {
        let (mut protection, start) = (Protection::default(), Instant::now());
        protection.handle_estimated(0.05, start);
        protection.handle_reported(0.0, start);
        assert_eq!(protection.distance(), 2);
        for second in 0..60 {
            protection.handle_reported(0.0, start + ms(1_000 * second));
        }
        assert_eq!(protection.distance(), 2);
    }
}
