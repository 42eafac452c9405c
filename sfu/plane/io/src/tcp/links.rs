//! The TCP connections of one worker (RFC 6544). They have one descriptor together, so that a worker without TCP peers
//! waits for as many descriptors as before.

use std::collections::HashMap;
use std::io;
use std::net::TcpStream;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use libc::{c_int, epoll_event};
use plane_core::batch::Batch;
use plane_core::id::LinkId;
use plane_core::{Discard, Plane};

use super::connection::{Connection, Reading};

/// Connections that are read between two times that the worker sends.
const EVENTS: usize = 64;
/// Octets that are read of one connection at a time: 26 ms of 10 Mbit/s.
const READ: usize = 32 * 1024;
/// How often connections that no transport uses are closed. Each is kept for at least this long, because the first
/// check may be repeated.
const SWEEP: Duration = Duration::from_secs(5);

/// A connection that the acceptor hands over, with the octets that it has read: they begin with a check.
#[derive(Debug)]
pub struct Accepted {
    pub stream: TcpStream,
    pub octets: Vec<u8>,
    pub counted: Counted,
}

/// Counts one connection of the process, as long as it exists.
#[derive(Debug)]
pub struct Counted(Arc<AtomicUsize>);

impl Counted {
    /// None: there are `most` already.
    pub fn new(count: &Arc<AtomicUsize>, most: usize) -> Option<Counted> {
        let add = |present| (present < most).then_some(present + 1);
        count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).ok()?;
        Some(Counted(count.clone()))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

pub struct Links {
    epoll: OwnedFd,
    last: u64,
    connections: HashMap<LinkId, (Connection, Counted)>,
    buffer: Box<[u8]>,
    /// The links of a batch, reused.
    touched: Vec<LinkId>,
    sweep_at: Option<Instant>,
}

impl Links {
    pub fn new() -> io::Result<Links> {
        // SAFETY: a new descriptor, owned from here on.
        let epoll = unsafe {
            let fd = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        Ok(Links {
            epoll,
            last: LinkId::UDP.0,
            connections: HashMap::new(),
            buffer: Box::default(),
            touched: Vec::new(),
            sweep_at: None,
        })
    }

    pub fn count(&self) -> usize {
        self.connections.len()
    }

    /// Takes over a connection, and handles what was read of it.
    pub fn adopt(&mut self, accepted: Accepted, plane: &mut Plane, now: Instant) {
        let Accepted { stream, mut octets, counted } = accepted;
        self.last += 1;
        let link = LinkId(self.last);
        let Ok(mut connection) = Connection::new(stream, link) else { return };
        if self.register(&connection, libc::EPOLL_CTL_ADD, false).is_err() {
            return;
        }
        if self.buffer.is_empty() {
            self.buffer = vec![0; READ].into();
        }
        let path = connection.path;
        let reading = connection.take(&mut octets, |datagram| {
            let _ = plane.handle_datagram(datagram, path, now, now);
        });
        self.connections.insert(link, (connection, counted));
        self.sweep_at.get_or_insert(now + SWEEP);
        self.handle_reading(reading, link, plane);
    }

    /// Reads the connections that are readable, and sends on those that have room again.
    pub fn receive(&mut self, plane: &mut Plane) -> io::Result<()> {
        let mut events = [epoll_event { events: 0, u64: 0 }; EVENTS];
        // SAFETY: the kernel writes at most so many events.
        let count = unsafe { libc::epoll_wait(self.epoll.as_raw_fd(), events.as_mut_ptr(), EVENTS as c_int, 0) };
        if count < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) };
        }
        for event in &events[..count as usize] {
            let (link, what) = (LinkId(event.u64), event.events);
            if what & libc::EPOLLOUT as u32 != 0 {
                self.flush(link, plane);
            }
            if what & !(libc::EPOLLOUT as u32) != 0 {
                self.read(link, plane);
            }
        }
        Ok(())
    }

    fn read(&mut self, link: LinkId, plane: &mut Plane) {
        let Some((connection, _)) = self.connections.get_mut(&link) else { return };
        let (path, now) = (connection.path, Instant::now());
        let reading = connection.read(&mut self.buffer, |datagram| {
            let _ = plane.handle_datagram(datagram, path, now, now);
        });
        self.handle_reading(reading, link, plane);
    }

    fn handle_reading(&mut self, reading: Reading, link: LinkId, plane: &mut Plane) {
        match reading {
            Reading::Open => return,
            Reading::Over => {}
            Reading::Malformed => plane.count_discards(Discard::TcpFraming, 1),
        }
        self.close(link, plane);
    }

    /// Sends the datagrams of a batch that leave over TCP.
    pub fn send(&mut self, batch: &Batch, plane: &mut Plane) {
        for (message, octets) in batch.messages().filter(|(message, _)| message.path.link.is_tcp()) {
            let link = message.path.link;
            // It may just have ended.
            let Some((connection, _)) = self.connections.get_mut(&link) else {
                plane.count_discards(Discard::LinkClosed, message.segments());
                continue;
            };
            let dropped = octets.chunks(message.segment.max(1)).filter(|datagram| !connection.queue(datagram)).count();
            plane.count_discards(Discard::LinkFull, dropped);
            if self.touched.last() != Some(&link) {
                self.touched.push(link);
            }
        }
        while let Some(link) = self.touched.pop() {
            self.flush(link, plane);
        }
    }

    /// Passes what waits to the kernel, and tells the plane how much more may be sent.
    fn flush(&mut self, link: LinkId, plane: &mut Plane) {
        let Some((connection, _)) = self.connections.get_mut(&link) else { return };
        if connection.flush() == Reading::Over {
            return self.close(link, plane);
        }
        let room = connection.room();
        plane.handle_link_room(&connection.path, room);
        // The kernel reports room when less than half of it is used.
        let awaits_room = connection.waiting() > 0 || room < plane_core::link::most_unsent() / 2;
        if connection.awaits_room != awaits_room {
            connection.awaits_room = awaits_room;
            if let Some((connection, _)) = self.connections.get(&link)
                && self.register(connection, libc::EPOLL_CTL_MOD, awaits_room).is_err()
            {
                self.close(link, plane);
            }
        }
    }

    /// When [`Links::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.sweep_at
    }

    /// Closes the connections that no transport uses, neither now nor at the last look: the peer left, or has enough
    /// other paths.
    pub fn handle_timeout(&mut self, plane: &mut Plane, now: Instant) {
        if self.sweep_at.is_none_or(|at| at > now) {
            return;
        }
        let mut unused = Vec::new();
        for (link, (connection, _)) in &mut self.connections {
            let is_idle = !plane.uses(&connection.path);
            if is_idle && connection.was_idle {
                unused.push(*link);
            }
            connection.was_idle = is_idle;
        }
        for link in unused {
            self.close(link, plane);
        }
        self.sweep_at = (!self.connections.is_empty()).then_some(now + SWEEP);
    }

    fn close(&mut self, link: LinkId, plane: &mut Plane) {
        // Closing the last descriptor also unregisters it.
        if let Some((connection, _)) = self.connections.remove(&link) {
            plane.handle_link_closed(&connection.path);
        }
    }

    fn register(&self, connection: &Connection, operation: c_int, awaits_room: bool) -> io::Result<()> {
        let out = if awaits_room { libc::EPOLLOUT } else { 0 };
        let mut event =
            epoll_event { events: (libc::EPOLLIN | libc::EPOLLRDHUP | out) as u32, u64: connection.path.link.0 };
        // SAFETY: both descriptors are open, and the kernel copies the event.
        let result =
            unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), operation, connection.as_raw_fd(), &raw mut event) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

impl AsRawFd for Links {
    /// Readable when a connection has something to do.
    fn as_raw_fd(&self) -> RawFd {
        self.epoll.as_raw_fd()
    }
}
