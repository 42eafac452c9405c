//! Begins and ends the capture of a worker, of which there is one at a time.

use super::Plane;
use crate::capture::Capture;
use crate::event::Event;
use crate::id::TransportId;
use crate::time::{Duration, Instant};

impl Plane {
    /// Captures the clear RTP and RTCP of all transports, for tests. See [`crate::Command::StartCapture`].
    pub fn capture_all(&mut self, octets: usize, time: Duration, now: Instant) {
        self.begin_capture(None, octets, time, now);
    }

    pub(super) fn start_capture(&mut self, id: TransportId, octets: usize, time: Duration, now: Instant) {
        self.begin_capture(Some(id), octets, time, now);
        if self.transport(id).is_none() {
            self.end_capture(Some(id), "there is no such transport");
        }
    }

    fn begin_capture(&mut self, of: Option<TransportId>, octets: usize, time: Duration, now: Instant) {
        if let Some(capture) = &mut self.capture {
            capture.end("another capture began");
            self.events.extend(capture.poll_piece());
        }
        self.capture = Some(Box::new(Capture::new(of, octets, time, self.config.wall_clock, now)));
    }

    /// Ends the capture of this transport, if there is one.
    pub(super) fn end_capture(&mut self, of: Option<TransportId>, why: &'static str) {
        if let Some(capture) = self.capture.as_mut().filter(|capture| capture.transport() == of) {
            capture.end(why);
        }
    }

    pub(super) fn poll_captured(&mut self) -> Option<Event> {
        let capture = self.capture.as_mut()?;
        let piece = capture.poll_piece();
        if capture.has_ended() {
            self.capture = None;
        }
        piece
    }
}
