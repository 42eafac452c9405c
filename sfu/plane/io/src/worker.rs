//! The thread of one worker: it receives a batch, drives the plane, sends the plane's output, and sleeps until
//! something is due. It takes only the locks of the mailbox and of the counters, each for a very short time, and never
//! waits for the application.

use std::any::Any;
use std::io;
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use libc::{pollfd, timespec};
use plane_core::batch::Batch;
use plane_core::id::TransportId;
use plane_core::stats::{Counters, Stats};
use plane_core::{Discard, Plane};

use crate::mailbox::{Inbox, Note, Outbox};
use crate::port::Port;
use crate::reports::Reports;
use crate::socket::Inbound;
use crate::tcp::links::Links;

/// How often changed counters are published.
const PUBLISH: Duration = Duration::from_millis(250);
/// If a video frame arrives in pieces, the worker waits this long, at most [`MAX_PIECES`] times, for the rest:
/// otherwise each piece is sent as a separate message to every subscriber. Measured at 1 -> 100: 3.2 packets a message
/// without the wait, 5.2 with it.
const PIECE: Duration = Duration::from_micros(300);
const MAX_PIECES: u8 = 3;
/// The worker waits only if the last video was sent in at least this many messages: for fewer subscribers the wait
/// saves less than the wake-up costs.
const LARGE_FAN_OUT: usize = 30;
/// A datagram of at least this many octets counts as part of a video frame: audio has no marker after its first packet.
const VIDEO: usize = 500;
/// The most batches of reports received at one read: enough for the reports of many peers, but a limit for one peer
/// that floods.
const MAX_REPORT_BATCHES: usize = 8;

/// The places of the descriptors that a worker waits for: of the mailbox, of its TCP connections, of its first socket.
const INBOX: usize = 0;
const LINKS: usize = 1;
const SOCKETS: usize = 2;

/// Whether a packet of a video frame is followed by others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Frame {
    GoesOn,
    Ends,
}

impl Frame {
    /// Reads the marker bit (RFC 3550 s5.1), which SRTP leaves unencrypted. Returns `None` if the datagram is not RTP
    /// (RFC 7983, RFC 5761 s4), or is smaller than [`VIDEO`].
    fn of(datagram: &[u8]) -> Option<Frame> {
        let &[128..=191, second, ..] = datagram else { return None };
        let is_rtcp = (192..=223).contains(&second);
        (!is_rtcp && datagram.len() >= VIDEO).then_some(if second & 0x80 == 0 { Frame::GoesOn } else { Frame::Ends })
    }
}

/// What a worker has published of its counters.
#[derive(Default)]
pub struct Published {
    pub stats: Stats,
    /// Of each transport, in no order.
    pub transports: Vec<(TransportId, Counters)>,
}

pub struct Worker {
    index: usize,
    plane: Plane,
    port: Port,
    links: Links,
    inbox: Arc<Inbox>,
    outbox: Arc<Outbox>,
    /// Where the worker publishes its counters.
    published: Arc<Mutex<Published>>,
    /// The memory of the list that was published before, reused.
    spare: Vec<(TransportId, Counters)>,
    publish_at: Instant,
    /// The published counters are out of date.
    unpublished: bool,
    /// The refused datagrams that the plane has already counted.
    refused: u64,
    inbound: Inbound,
    batch: Batch,
    /// Whether the last video packet of this wake-up ended its frame; `None` without video packets.
    frame: Option<Frame>,
    /// The number of messages that forwarded the last video packets.
    fan_out: usize,
    notes: Vec<Note>,
    reports: Reports,
    /// The descriptors of the mailbox, then of the TCP connections, then of the sockets, then of the report sockets.
    waits: Vec<pollfd>,
}

impl Worker {
    pub fn new(
        index: usize,
        plane: Plane,
        port: Port,
        links: Links,
        inbox: Arc<Inbox>,
        outbox: Arc<Outbox>,
        published: Arc<Mutex<Published>>,
    ) -> Worker {
        let sockets = port.sockets().iter().chain(port.reports()).map(AsRawFd::as_raw_fd);
        let fds = [inbox.as_raw_fd(), links.as_raw_fd()].into_iter().chain(sockets);
        let waits = fds.map(|fd| pollfd { fd, events: libc::POLLIN, revents: 0 }).collect();
        Worker {
            index,
            plane,
            port,
            links,
            inbox,
            outbox,
            published,
            spare: Vec::new(),
            publish_at: Instant::now(),
            unpublished: true,
            refused: 0,
            inbound: Inbound::default(),
            batch: Batch::default(),
            frame: None,
            fan_out: 0,
            notes: Vec::new(),
            reports: Reports::default(),
            waits,
        }
    }

    /// Runs until [`Note::Close`] arrives.
    pub fn run(&mut self) -> io::Result<()> {
        loop {
            self.sleep()?;
            let is_closing = self.take_notes();
            self.frame = None;
            self.receive()?;
            for _ in 0..MAX_PIECES {
                if self.frame != Some(Frame::GoesOn) || self.fan_out < LARGE_FAN_OUT {
                    break;
                }
                // A poll would wake the thread for every piece.
                std::thread::sleep(PIECE);
                self.receive()?;
            }
            self.receive_reports()?;
            if self.waits[LINKS].revents != 0 {
                self.links.receive(&mut self.plane)?;
            }
            let now = Instant::now();
            self.links.handle_timeout(&mut self.plane, now);
            if self.plane.poll_timeout().is_some_and(|at| at <= now) {
                self.plane.handle_timeout(now);
            }
            if is_closing {
                self.plane.close(now);
            }
            self.drain(now);
            self.unpublished = true;
            if is_closing || now >= self.publish_at {
                self.publish(now);
            }
            if is_closing {
                return Ok(());
            }
        }
    }

    /// Sleeps until a datagram, a note or a deadline arrives.
    fn sleep(&mut self) -> io::Result<()> {
        let publish_at = self.unpublished.then_some(self.publish_at);
        let own = [publish_at, self.reports.poll_timeout(), self.links.poll_timeout()];
        let due = own.into_iter().chain([self.plane.poll_timeout()]).flatten().min();
        let left = due.map(|at| at.saturating_duration_since(Instant::now()));
        let left = left.map(|left| timespec { tv_sec: left.as_secs() as _, tv_nsec: left.subsec_nanos() as _ });
        let left = left.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        let waking = self.waits.len() - if self.reports.are_awaited() { 0 } else { self.port.reports().len() };
        let (waking, resting) = self.waits.split_at_mut(waking);
        resting.iter_mut().for_each(|wait| wait.revents = 0);
        // Not poll(2), because it rounds to milliseconds.
        let ready = unsafe { libc::ppoll(waking.as_mut_ptr(), waking.len() as _, left, std::ptr::null()) };
        if ready >= 0 {
            return Ok(());
        }
        self.waits.iter_mut().for_each(|wait| wait.revents = 0);
        let error = io::Error::last_os_error();
        if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) }
    }

    /// Executes the application's commands. Returns true if the worker must close.
    fn take_notes(&mut self) -> bool {
        if self.waits[INBOX].revents == 0 {
            return false;
        }
        self.inbox.take(&mut self.notes);
        let now = Instant::now();
        let mut is_closing = false;
        for note in self.notes.drain(..) {
            match note {
                Note::Command(command) => self.plane.apply(command, now),
                Note::Drained(transport) => self.plane.hold_messages(transport, false, now),
                Note::Connection(accepted) => self.links.adopt(accepted, &mut self.plane, now),
                Note::Close => is_closing = true,
            }
        }
        is_closing
    }

    /// Receives one batch from each readable socket. The resulting packets are sent before more is received.
    fn receive(&mut self) -> io::Result<()> {
        for (wait, socket) in self.waits[SOCKETS..].iter().zip(self.port.sockets()) {
            if wait.revents == 0 {
                continue;
            }
            socket.receive(&mut self.inbound)?;
            self.frame = hand_over(&mut self.inbound, &mut self.plane).or(self.frame);
        }
        Ok(())
    }

    /// Receives the reports of peers if a read is due.
    fn receive_reports(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let are_there = self.waits[SOCKETS + self.port.sockets().len()..].iter().any(|wait| wait.revents != 0);
        if !self.reports.are_due(are_there, now) {
            return Ok(());
        }
        let mut found = 0;
        for socket in self.port.reports() {
            for _ in 0..MAX_REPORT_BATCHES {
                socket.receive(&mut self.inbound)?;
                found += self.inbound.count();
                hand_over(&mut self.inbound, &mut self.plane);
                if !self.inbound.is_full() {
                    break;
                }
            }
        }
        self.reports.handle_look(found, now);
        Ok(())
    }

    /// Sends all packets and posts all events that the plane has.
    fn drain(&mut self, now: Instant) {
        let mut messages = 0;
        while self.plane.poll_transmit(&mut self.batch, Instant::now()) {
            messages += self.batch.messages().count();
            self.port.send(&self.batch);
            if self.links.count() > 0 {
                self.links.send(&self.batch, &mut self.plane);
            }
            self.batch.clear();
        }
        if self.frame.is_some() {
            self.fan_out = messages;
        }
        let refused = self.port.sent().refused;
        self.plane.count_discards(Discard::SocketRefused, (refused - self.refused) as usize);
        self.refused = refused;

        let mut wake = false;
        while let Some(event) = self.plane.poll_event() {
            let left = self.outbox.push(self.index, event);
            if let Some(transport) = left.full {
                self.plane.hold_messages(transport, true, now);
            }
            wake |= left.wake;
        }
        if wake {
            self.outbox.wake();
        }
    }

    fn publish(&mut self, now: Instant) {
        let mut stats = self.plane.stats();
        stats.links = self.links.count() as u64;
        self.spare.clear();
        self.spare.extend(self.plane.counters().map(|(transport, counters)| (transport, counters.clone())));
        let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        published.stats = stats;
        std::mem::swap(&mut published.transports, &mut self.spare);
        drop(published);
        self.publish_at = now + PUBLISH;
        self.unpublished = false;
    }
}

/// Hands the received datagrams to the plane. Returns whether the last video packet ended its frame.
fn hand_over(inbound: &mut Inbound, plane: &mut Plane) -> Option<Frame> {
    let now = Instant::now();
    let mut frame = None;
    for arrived in inbound.arrived() {
        if arrived.truncated {
            plane.count_discards(Discard::Truncated, 1);
            continue;
        }
        frame = Frame::of(arrived.datagram).or(frame);
        // The plane has counted the reason if it dropped the datagram.
        let _ = plane.handle_datagram(arrived.datagram, arrived.path, arrived.received, now);
    }
    frame
}

/// Runs `work` on this thread until it ends. Reports a panic or a system error as the failure of the worker.
pub fn supervise(index: usize, inbox: &Inbox, outbox: &Outbox, work: impl FnOnce() -> io::Result<()>) {
    let ended = catch_unwind(AssertUnwindSafe(work));
    inbox.close();
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => outbox.fail(index, error.to_string()),
        Err(panic) => outbox.fail(index, reason(panic.as_ref())),
    }
}

fn reason(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("panicked without a message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::News;

    fn news_of(work: impl FnOnce() -> io::Result<()>) -> Vec<News> {
        let (inbox, outbox) = (Inbox::new().unwrap(), Outbox::new(1).unwrap());
        supervise(3, &inbox, &outbox, work);
        outbox.take().0
    }

    #[test]
    fn a_panic_becomes_the_failure_of_the_worker_with_its_words() {
        let failed = |reason: &str| vec![News::WorkerFailed { worker: 3, reason: reason.into() }];
        assert_eq!(news_of(|| panic!("one index, one plaintext")), failed("one index, one plaintext"));
        assert_eq!(news_of(|| panic!("slot {} is gone", 7)), failed("slot 7 is gone"));
        assert_eq!(news_of(|| std::panic::panic_any(7)), failed("panicked without a message"));
        assert_eq!(news_of(|| Err(io::Error::other("no such descriptor"))), failed("no such descriptor"));
    }

    #[test]
    fn the_marker_of_a_video_packet_ends_its_frame() {
        let datagram = |first: u8, second: u8, length: usize| {
            let mut octets = vec![0; length];
            octets[..2].copy_from_slice(&[first, second]);
            octets
        };
        assert_eq!(Frame::of(&datagram(0x90, 96, 1200)), Some(Frame::GoesOn));
        assert_eq!(Frame::of(&datagram(0x90, 0x80 | 96, 1200)), Some(Frame::Ends));
        for other in [datagram(0x90, 111, 120), datagram(0x80, 200, 600), datagram(22, 254, 1200), vec![0x90]] {
            assert_eq!(Frame::of(&other), None);
        }
    }

    #[test]
    fn a_worker_that_was_told_to_close_has_not_failed() {
        assert_eq!(news_of(|| Ok(())), []);
    }
}
