//! The round trip to a peer: the value that it reports (RFC 3550 s6.4.1), but not less than the measured one.
//!
//! It decides how soon the same packet is retransmitted. A peer can forge its report: with a false delay it can claim
//! any short round trip, and get everything retransmitted before the first repair can have arrived. It cannot forge the
//! end of a DTLS handshake before it has our part, or the response to the Binding request that validates a new path.
//! While neither was measured, the round trip counts as at least that of an unknown peer.
//!
//! Lost packets are requested of a publisher by the smoothed value of all measurements, forged or not: a publisher that
//! claims a short one is only asked more often. For one that is sent no media, and so sends no report blocks, the answer
//! to our receiver reference time measures it (RFC 3611 s4.4, 4.5; libwebrtc answers it without negotiation), else the
//! response to a Binding request of ours.

mod smoothed;

use crate::command::Path;
use crate::limits::UNMEASURED_ROUND_TRIP;
use crate::time::{Duration, Instant};
use smoothed::Smoothed;

/// One of our Binding requests that waits for its response.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    path: Path,
    sent: Instant,
    /// The request was repeated, so its response cannot be matched to one transmission (Karn's algorithm, RFC 6298 s3).
    repeated: bool,
}

/// The round trip of one transport.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundTrip {
    reported: Option<Duration>,
    /// The shortest measured on the path in use.
    measured: Option<Duration>,
    /// The mean of all measurements.
    smoothed: Smoothed,
    request: Option<Request>,
    /// When our part of the handshake was sent first, and whether it was repeated.
    handshake: Option<(Instant, bool)>,
}

impl RoundTrip {
    pub fn get(&self) -> Duration {
        let reported = self.reported.unwrap_or(UNMEASURED_ROUND_TRIP);
        reported.max(self.measured.unwrap_or(UNMEASURED_ROUND_TRIP))
    }

    /// How long to wait for a packet that was requested of the peer.
    pub fn wait(&self) -> Duration {
        self.smoothed.wait()
    }

    /// The mean of all measurements; none without one.
    pub fn smoothed(&self) -> Option<Duration> {
        self.smoothed.mean()
    }

    /// True if nothing measured the round trip lately.
    pub fn is_stale(&self, now: Instant) -> bool {
        self.smoothed.is_stale(now)
    }

    /// Sets the round trip that the peer reports of the media that it is sent.
    pub fn handle_report(&mut self, reported: Duration, now: Instant) {
        self.reported = Some(reported);
        self.smoothed.measured(reported, now);
    }

    /// Takes in what the answer to a receiver reference time measures.
    pub fn handle_reference(&mut self, took: Duration, now: Instant) {
        self.smoothed.measured(took, now);
    }

    /// Takes in what the response to a Binding request measures that was sent once.
    pub fn handle_check(&mut self, took: Duration, now: Instant) {
        self.measure(took, now);
    }

    /// Records that a Binding request was sent.
    pub fn asked(&mut self, path: Path, now: Instant) {
        match &mut self.request {
            Some(request) if request.path == path => request.repeated = true,
            request => *request = Some(Request { path, sent: now, repeated: false }),
        }
    }

    /// The pending request on `path`.
    pub fn request(&self, path: &Path) -> Option<Request> {
        self.request.filter(|request| request.path == *path)
    }

    /// Measures the round trip by the response to `request`.
    pub fn answered(&mut self, request: Request, received: Instant) {
        if !request.repeated {
            self.measure(received.saturating_duration_since(request.sent), received);
        }
    }

    /// Records that a part of the handshake was sent which does not end it. `again`: it is a repetition.
    pub fn handshake(&mut self, again: bool, now: Instant) {
        let (_, repeated) = self.handshake.get_or_insert((now, false));
        *repeated |= again;
    }

    /// Measures the round trip at the end of the handshake, if nothing was repeated.
    pub fn connected(&mut self, now: Instant) {
        if let Some((sent, false)) = self.handshake.take() {
            self.measure(now.saturating_duration_since(sent), now);
        }
    }

    fn measure(&mut self, took: Duration, now: Instant) {
        self.measured = Some(self.measured.map_or(took, |measured| measured.min(took)));
        self.smoothed.measured(took, now);
    }

    /// Forgets the pending request on `path`, which is proven by now, by whatever means.
    pub fn proven(&mut self, path: &Path) {
        self.request = self.request.filter(|request| request.path != *path);
    }

    /// Forgets the measured value, when media takes another path.
    pub fn moved(&mut self) {
        self.measured = None;
        self.smoothed.moved();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ms;

    fn path(port: u16) -> Path {
        Path::udp(([127, 0, 0, 1], 7_882).into(), ([127, 0, 0, 1], port).into())
    }

    #[test]
    fn a_peer_is_as_near_as_it_says_but_not_nearer_than_its_answers() {
        // Reported; measured: none, or after how long our request was answered; then what is believed.
        let table = [
            (None, None, 100),
            (Some(0), None, 100),
            (Some(250), None, 250),
            (None, Some(40), 100),
            (None, Some(250), 250),
            (Some(0), Some(40), 40),
            (Some(30), Some(40), 40),
            (Some(90), Some(40), 90),
            (Some(2), Some(1), 2),
        ];
        for (reported, measured, expected) in table {
            let (mut round_trip, now) = (RoundTrip::default(), Instant::now());
            if let Some(reported) = reported {
                round_trip.handle_report(ms(reported), now);
            }
            if let Some(measured) = measured {
                round_trip.asked(path(1), now);
                assert!(round_trip.request(&path(2)).is_none());
                let request = round_trip.request(&path(1)).expect("it was asked");
                round_trip.answered(request, now + ms(measured));
            }
            assert_eq!(round_trip.get(), ms(expected), "{reported:?} and {measured:?}");
        }
    }

    #[test]
    fn a_handshake_measures_if_nothing_was_sent_again() {
        for (again, expected) in [(false, 30), (true, 100)] {
            let (mut round_trip, now) = (RoundTrip::default(), Instant::now());
            round_trip.handle_report(ms(0), now);
            round_trip.handshake(false, now);
            round_trip.handshake(again, now + ms(20));
            round_trip.connected(now + ms(30));
            round_trip.connected(now + ms(31));
            assert_eq!(round_trip.get(), ms(expected), "sent again: {again}");
        }
    }

    #[test]
    fn every_measurement_says_how_long_to_wait_for_a_publisher_but_only_its_answers_bind_a_viewer() {
        let (mut round_trip, now) = (RoundTrip::default(), Instant::now());
        assert_eq!(round_trip.wait(), UNMEASURED_ROUND_TRIP);
        round_trip.handle_reference(ms(400), now);
        assert_eq!((round_trip.wait(), round_trip.get()), (ms(500), UNMEASURED_ROUND_TRIP));
        round_trip.moved();
        round_trip.handle_check(ms(40), now);
        assert_eq!((round_trip.wait(), round_trip.get()), (ms(50), UNMEASURED_ROUND_TRIP), "nothing is reported");
        round_trip.handle_report(ms(40), now);
        assert_eq!(round_trip.get(), ms(40));
    }

    #[test]
    fn the_answer_to_a_repeated_request_measures_nothing() {
        let (mut round_trip, now) = (RoundTrip::default(), Instant::now());
        round_trip.handle_report(ms(0), now);
        round_trip.asked(path(1), now);
        round_trip.asked(path(1), now + ms(250));
        let request = round_trip.request(&path(1)).expect("it was asked");
        round_trip.answered(request, now + ms(251));
        assert_eq!(round_trip.get(), UNMEASURED_ROUND_TRIP);
        round_trip.proven(&path(1));
        assert!(round_trip.request(&path(1)).is_none(), "that is over");
        round_trip.asked(path(1), now + ms(300));
        let request = round_trip.request(&path(1)).expect("it was asked");
        round_trip.answered(request, now + ms(320));
        assert_eq!(round_trip.get(), ms(20));
        round_trip.moved();
        assert_eq!(round_trip.get(), UNMEASURED_ROUND_TRIP, "another path");
    }
}
