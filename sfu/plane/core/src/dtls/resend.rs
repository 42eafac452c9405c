//! Resends the last flight of a DTLS 1.2 server, which is not acknowledged and for which the library runs no timer.
//!
//! The library repeats the flight when the client's Finished arrives again, but some clients wait a second before they
//! repeat it (OpenSSL), and media waits meanwhile. A resent record is the identical datagram, so a client that already
//! has it drops it in its record layer.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::time::ms;

/// The flight is two records in one datagram. With these waits it is sent six times within 1.6 seconds.
const FIRST_WAIT: Duration = ms(50);
const LONGEST_WAIT: Duration = ms(1_000);
const MAX_RESENDS: u32 = 5;

#[derive(Debug, Default)]
pub(super) struct Resend {
    flight: Vec<Vec<u8>>,
    resends: u32,
    due: Option<Instant>,
}

impl Resend {
    /// Keeps `flight`, which was just sent for the first time.
    pub(super) fn keep(flight: Vec<Vec<u8>>, now: Instant) -> Resend {
        Resend { flight, resends: 0, due: Some(now + FIRST_WAIT) }
    }

    /// Stops resending: a record from the client proves that it has the flight.
    pub(super) fn stop(&mut self) {
        *self = Resend::default();
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, outgoing: &mut VecDeque<Vec<u8>>) {
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        self.resends += 1;
        if self.resends == MAX_RESENDS {
            outgoing.extend(std::mem::take(&mut self.flight));
            self.stop();
            return;
        }
        outgoing.extend(self.flight.iter().cloned());
        self.due = Some(now + (FIRST_WAIT * (1 << self.resends)).min(LONGEST_WAIT));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_flight_is_sent_again_with_doubling_waits_and_then_forgotten() {
        let start = Instant::now();
        let mut resend = Resend::keep(vec![vec![1], vec![2]], start);
        let mut sent_at = Vec::new();
        while let Some(due) = resend.poll_timeout() {
            let mut outgoing = VecDeque::new();
            resend.handle_timeout(due - ms(1), &mut outgoing);
            assert!(outgoing.is_empty(), "not before its time");
            resend.handle_timeout(due, &mut outgoing);
            assert_eq!(outgoing, [vec![1], vec![2]]);
            sent_at.push((due - start).as_millis());
        }
        assert_eq!(sent_at, [50, 150, 350, 750, 1_550]);
        assert!(resend.flight.is_empty());
    }

    #[test]
    fn a_client_that_has_it_is_left_in_peace() {
        let start = Instant::now();
        let mut resend = Resend::keep(vec![vec![1]], start);
        resend.stop();
        assert_eq!(resend.poll_timeout(), None);
    }
}
