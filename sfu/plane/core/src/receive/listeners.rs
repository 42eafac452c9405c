//! The loss that the listeners of an audio track report (RFC 3550 s6.4.1), for the reports to its publisher, whose
//! encoder adds in-band forward error correction (RFC 6716 s2.1.7) by it.
//!
//! The worst value of the last 8 to 16 s counts: a maximum over two windows, so that the work is the same for any number
//! of listeners. It is bounded, because a single listener can make it up.

use crate::limits::LISTENERS_LOSS;
use crate::time::{Duration, Instant, ms};

/// The length of a window. Receivers of audio report every 5 s +-50 % (RFC 3550 s6.3.1), so that each is in every window.
const WINDOW: Duration = ms(8_000);

/// The worst fractions lost, in units of 1/256.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListenersLoss {
    began: Option<Instant>,
    worst: u8,
    /// Of the window before.
    before: u8,
}

impl ListenersLoss {
    /// Takes in the fraction lost that a listener reports.
    pub fn handle_report(&mut self, fraction: u8, now: Instant) {
        self.turn(now);
        self.worst = self.worst.max(fraction.min(LISTENERS_LOSS));
    }

    /// The worst fraction lost.
    pub fn worst(&mut self, now: Instant) -> u8 {
        self.turn(now);
        self.worst.max(self.before)
    }

    /// Begins a new window if the present one has passed.
    fn turn(&mut self, now: Instant) {
        let age = self.began.map_or(WINDOW * 2, |began| now.saturating_duration_since(began));
        if age >= WINDOW {
            self.before = if age >= WINDOW * 2 { 0 } else { self.worst };
            (self.worst, self.began) = (0, Some(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_listener_counts_until_it_reports_less_or_nothing() {
        let (mut loss, start) = (ListenersLoss::default(), Instant::now());
        assert_eq!(loss.worst(start), 0);
        let mut seen = Vec::new();
        for second in 0..40 {
            let now = start + ms(1_000 * second);
            // One listener loses 10 % for 20 s, and another one nothing.
            if second % 5 == 0 {
                loss.handle_report(if second < 20 { 26 } else { 0 }, now);
                loss.handle_report(0, now);
            }
            seen.push(loss.worst(now));
        }
        assert!(seen[..24].iter().all(|&worst| worst == 26), "{seen:?}");
        assert!(seen[32..].iter().all(|&worst| worst == 0), "{seen:?}");
        loss.handle_report(26, start + ms(100_000));
        assert_eq!(loss.worst(start + ms(115_000)), 26);
        assert_eq!(loss.worst(start + ms(131_000)), 0, "nobody reports");
    }

    #[test]
    fn no_listener_makes_the_loss_worse_than_an_encoder_reacts_to() {
        let (mut loss, now) = (ListenersLoss::default(), Instant::now());
        loss.handle_report(255, now);
        assert_eq!(loss.worst(now), LISTENERS_LOSS);
    }
}
