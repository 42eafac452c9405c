//! Accepts TCP connections for all workers (RFC 6544). A connection begins with a connectivity check, whose username
//! names its worker; until then it costs a descriptor and at most one frame of memory, and only for a short time.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use libc::{pollfd, timespec};
use plane_core::Discard;
use plane_core::ice::framing::{self, first_ufrag};
use plane_core::limits::{FIRST_FRAME, FIRST_FRAME_TIME, LINKS, PENDING_LINKS};
use plane_core::stats::Stats;
use socket2::{Domain, Protocol, Socket, Type};

use super::links::{Accepted, Counted};
use super::ufrags::Ufrags;
use crate::mailbox::{Inbox, Note};
use crate::port::CannotBind;

/// Connections that the kernel completes before they are accepted.
const BACKLOG: i32 = 1_024;
/// Connections accepted at a time, before those present are read.
const ACCEPTED_AT_ONCE: usize = 64;
/// How long nothing is accepted if the process has no descriptor left.
const REST: Duration = Duration::from_millis(100);

/// Binds a listener for each host. If `number` is 0, the system picks a port for the first host, and the others get the
/// same.
pub fn bind(hosts: &[IpAddr], number: u16) -> io::Result<Vec<TcpListener>> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    for &host in hosts {
        let number = match listeners.first() {
            Some(first) => first.local_addr()?.port(),
            None => number,
        };
        let address = SocketAddr::new(host, number);
        let listener = listen(address)
            .map_err(|source| io::Error::new(source.kind(), CannotBind { protocol: "TCP", address, source }))?;
        listeners.push(listener);
    }
    Ok(listeners)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // A restarted service has its port at once, although connections of the one before are still closing.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A connection without a complete check.
struct Pending {
    stream: TcpStream,
    octets: Vec<u8>,
    until: Instant,
}

pub struct Acceptor {
    listeners: Vec<TcpListener>,
    /// Readable once the acceptor must end.
    end: Arc<Inbox>,
    ufrags: Arc<Mutex<Ufrags>>,
    /// Those of the workers.
    inboxes: Vec<Arc<Inbox>>,
    /// Connections of the process that were handed over.
    links: Arc<AtomicUsize>,
    /// Oldest first.
    pending: VecDeque<Pending>,
    published: Arc<Mutex<Stats>>,
    rests_until: Option<Instant>,
    waits: Vec<pollfd>,
}

/// What has come of a pending connection.
enum Fate {
    Waits,
    /// The worker that it is for.
    For(usize),
    Refused(Discard),
    /// The peer closed it.
    Gone,
}

impl Acceptor {
    pub fn new(
        listeners: Vec<TcpListener>,
        end: Arc<Inbox>,
        ufrags: Arc<Mutex<Ufrags>>,
        inboxes: Vec<Arc<Inbox>>,
        published: Arc<Mutex<Stats>>,
    ) -> Acceptor {
        Acceptor {
            listeners,
            end,
            ufrags,
            inboxes,
            links: Arc::default(),
            pending: VecDeque::new(),
            published,
            rests_until: None,
            waits: Vec::new(),
        }
    }

    /// Runs until a note arrives.
    pub fn run(&mut self) -> io::Result<()> {
        loop {
            self.sleep()?;
            let now = Instant::now();
            let (own, of_pending) = self.waits.split_at(1 + self.listeners.len());
            if own[0].revents != 0 {
                return Ok(());
            }
            let accepts = own[1..].iter().any(|wait| wait.revents != 0);
            let mut are_readable: VecDeque<bool> = of_pending.iter().map(|wait| wait.revents != 0).collect();
            self.read(&mut are_readable, now);
            if accepts {
                self.accept(now);
            }
        }
    }

    /// Sleeps until a connection has something to read, or a pending one has waited too long.
    fn sleep(&mut self) -> io::Result<()> {
        let wait = |fd, awaited| pollfd { fd, events: if awaited { libc::POLLIN } else { 0 }, revents: 0 };
        let now = Instant::now();
        let accepts = self.rests_until.take_if(|until| *until <= now).is_some() || self.rests_until.is_none();
        self.waits.clear();
        self.waits.push(wait(self.end.as_raw_fd(), true));
        self.waits.extend(self.listeners.iter().map(|listener| wait(listener.as_raw_fd(), accepts)));
        self.waits.extend(self.pending.iter().map(|pending| wait(pending.stream.as_raw_fd(), true)));
        let due = self.pending.front().map(|pending| pending.until).into_iter().chain(self.rests_until).min();
        let left = due.map(|at| at.saturating_duration_since(now));
        let left = left.map(|left| timespec { tv_sec: left.as_secs() as _, tv_nsec: left.subsec_nanos() as _ });
        let left = left.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: the list of descriptors and the time outlive the call.
        let ready = unsafe { libc::ppoll(self.waits.as_mut_ptr(), self.waits.len() as _, left, std::ptr::null()) };
        if ready >= 0 {
            return Ok(());
        }
        self.waits.iter_mut().for_each(|wait| wait.revents = 0);
        let error = io::Error::last_os_error();
        if error.kind() == ErrorKind::Interrupted { Ok(()) } else { Err(error) }
    }

    /// Reads the pending connections, and parts with those whose fate is known.
    fn read(&mut self, are_readable: &mut VecDeque<bool>, now: Instant) {
        for _ in 0..self.pending.len() {
            let Some(mut pending) = self.pending.pop_front() else { return };
            let is_readable = are_readable.pop_front().unwrap_or(false);
            let mut fate = if is_readable { pending.read(&self.ufrags) } else { Fate::Waits };
            if matches!(fate, Fate::Waits) && pending.until <= now {
                fate = Fate::Refused(Discard::TcpSilent);
            }
            match fate {
                Fate::Waits => self.pending.push_back(pending),
                Fate::For(worker) => self.hand_over(pending, worker),
                Fate::Refused(why) => self.count(why),
                Fate::Gone => {}
            }
        }
    }

    fn hand_over(&mut self, pending: Pending, worker: usize) {
        let (Some(inbox), Some(counted)) = (self.inboxes.get(worker), Counted::new(&self.links, LINKS)) else {
            return self.count(Discard::TcpCrowded);
        };
        let Pending { stream, octets, .. } = pending;
        inbox.push(Note::Connection(Accepted { stream, octets, counted }));
    }

    /// Accepts what has arrived. If too many are pending, the oldest are closed: a client sends its check at once.
    fn accept(&mut self, now: Instant) {
        for listener in 0..self.listeners.len() {
            for _ in 0..ACCEPTED_AT_ONCE {
                match self.listeners[listener].accept() {
                    Ok((stream, _)) => self.admit(stream, now),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    // The connection is gone already.
                    Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => {}
                    Err(_) => {
                        self.rests_until = Some(now + REST);
                        break;
                    }
                }
            }
        }
    }

    fn admit(&mut self, stream: TcpStream, now: Instant) {
        if stream.set_nonblocking(true).is_err() {
            return;
        }
        if self.pending.len() >= PENDING_LINKS {
            self.pending.pop_front();
            self.count(Discard::TcpCrowded);
        }
        self.pending.push_back(Pending { stream, octets: Vec::new(), until: now + FIRST_FRAME_TIME });
    }

    fn count(&self, why: Discard) {
        self.published.lock().unwrap_or_else(PoisonError::into_inner).count_discard(why);
    }
}

impl Pending {
    /// Reads what is there of the first frame. Nothing is read beyond it.
    fn read(&mut self, ufrags: &Mutex<Ufrags>) -> Fate {
        let mut buffer = [0; framing::HEADER + FIRST_FRAME];
        loop {
            match self.stream.read(&mut buffer[self.octets.len()..]) {
                Ok(0) => return Fate::Gone,
                Ok(count) => {
                    let start = self.octets.len();
                    self.octets.extend_from_slice(&buffer[start..start + count]);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Fate::Waits,
                Err(_) => return Fate::Gone,
            }
            match first_ufrag(&self.octets) {
                // The buffer holds the longest first frame, so it has room for the rest.
                Ok(None) => {}
                Ok(Some(ufrag)) => {
                    let worker = ufrags.lock().unwrap_or_else(PoisonError::into_inner).worker(ufrag);
                    return worker.map_or(Fate::Refused(Discard::StunUnknownUser), Fate::For);
                }
                Err(why) => return Fate::Refused(why),
            }
        }
    }
}
