//! A capture of the clear RTP and RTCP of one transport, or of all of a worker, as a pcapng file in pieces.
//!
//! Clear media is private: a capture begins only by [`Command::StartCapture`](crate::Command::StartCapture) or
//! [`Plane::capture_all`](crate::Plane::capture_all), and ends by itself after its octets or its time.

mod pcapng;

use crate::command::Path;
use crate::event::Event;
use crate::id::TransportId;
use crate::limits::{CAPTURE_OCTETS, CAPTURE_PIECE, CAPTURE_TIME};
use crate::time::{Duration, Instant, WallClock, ms};
pub(crate) use pcapng::Direction;

/// How long packets wait at most for their piece: a reader sees them at once.
const PIECE_TIME: Duration = ms(250);
/// Seconds from 1900, the origin of NTP, to 1970.
const NTP_TO_UNIX: u64 = 2_208_988_800;

/// The running capture of a worker.
pub(crate) struct Capture {
    /// None: all transports.
    transport: Option<TransportId>,
    clock: WallClock,
    /// Octets that may still be written.
    left: usize,
    until: Instant,
    piece: Vec<u8>,
    /// When the piece leaves, if it is not full before.
    leaves: Option<Instant>,
    is_due: bool,
    /// Why the capture ended.
    ended: Option<&'static str>,
}

impl Capture {
    pub fn new(
        transport: Option<TransportId>,
        octets: usize,
        time: Duration,
        clock: WallClock,
        now: Instant,
    ) -> Capture {
        let mut piece = Vec::new();
        pcapng::write_header(&mut piece);
        let left = octets.min(CAPTURE_OCTETS).saturating_sub(piece.len());
        let until = now + time.min(CAPTURE_TIME);
        Capture { transport, clock, left, until, piece, leaves: Some(now), is_due: false, ended: None }
    }

    /// The captured transport.
    pub fn transport(&self) -> Option<TransportId> {
        self.transport
    }

    /// Writes a clear packet, if it is of the captured transport. Returns what [`Capture::undo`] takes.
    #[cold]
    pub fn packet(
        &mut self,
        of: TransportId,
        direction: Direction,
        path: &Path,
        packet: &[u8],
        now: Instant,
    ) -> (usize, usize) {
        let before = (self.piece.len(), self.left);
        if self.ended.is_some() || self.transport.is_some_and(|transport| transport != of) {
            return before;
        }
        if packet.len() + pcapng::OVERHEAD > self.left {
            self.end("its octets are used up");
            return before;
        }
        let ntp = self.clock.ntp(now).0;
        let seconds = (ntp >> 32).saturating_sub(NTP_TO_UNIX);
        let nanoseconds = seconds * 1_000_000_000 + (((ntp & 0xFFFF_FFFF) * 1_000_000_000) >> 32);
        pcapng::write_packet(&mut self.piece, nanoseconds, direction, path, packet);
        self.left = self.left.saturating_sub(self.piece.len() - before.0);
        self.leaves.get_or_insert(now + PIECE_TIME);
        before
    }

    /// Removes the packet that was written last: it was not sent.
    #[cold]
    pub fn undo(&mut self, before: (usize, usize)) {
        self.piece.truncate(before.0);
        self.left = before.1;
    }

    /// Ends the capture. The first reason counts.
    pub fn end(&mut self, why: &'static str) {
        self.ended.get_or_insert(why);
    }

    /// Ends the capture if its time is over. Returns true if something is due.
    pub fn handle_timeout(&mut self, now: Instant) -> bool {
        let is_due = self.poll_timeout().is_some_and(|at| at <= now);
        self.is_due |= is_due;
        if self.until <= now {
            self.end("its time is over");
        }
        is_due
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let waits = self.ended.is_none() && !self.is_due;
        waits.then(|| self.leaves.map_or(self.until, |leaves| leaves.min(self.until)))
    }

    /// Returns the next piece of the file if it is full, due, or the last.
    pub fn poll_piece(&mut self) -> Option<Event> {
        let leaves = self.ended.is_some() || self.piece.len() >= CAPTURE_PIECE || std::mem::take(&mut self.is_due);
        leaves.then(|| {
            (self.leaves, self.is_due) = (None, false);
            Event::Captured { transport: self.transport, octets: std::mem::take(&mut self.piece), ended: self.ended }
        })
    }

    pub fn has_ended(&self) -> bool {
        self.ended.is_some()
    }
}
