//! Starts and stops all workers of a process, sends each command to the worker named by its ids, and collects their
//! events and counters.

use std::fmt;
use std::io;
use std::mem;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use plane_core::config::{DataLimits, Silence};
use plane_core::dtls::Identity;
use plane_core::id::{TransportId, WORKER_SHIFT};
use plane_core::stats::{Counters, Stats};
use plane_core::time::{Ntp, WallClock};
use plane_core::{Command, Plane};

use crate::mailbox::{Inbox, News, Note, Outbox};
use crate::port::Port;
use crate::tcp::acceptor::{self, Acceptor};
use crate::tcp::links::Links;
use crate::tcp::ufrags::{Change, Ufrags};
use crate::trace::{self, Trace};
use crate::worker::{Published, Worker, supervise};

/// The time that all workers together have to send BYE and close_notify and to end.
const CLOSE: Duration = Duration::from_secs(2);
/// Seconds from 1900, the origin of NTP, to 1970.
const NTP_TO_UNIX: u64 = 2_208_988_800;

/// Spreads the seeds of the workers far apart: 2^64 divided by the golden ratio, as in SplitMix64.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

#[derive(Clone, Debug)]
pub struct Config {
    /// Each worker binds its port on all hosts. `0.0.0.0` and `::` each stand for all addresses of their family.
    pub hosts: Vec<IpAddr>,
    /// Worker i has port `udp_port + i`. If 0, the system picks a port for each worker.
    pub udp_port: u16,
    /// The TCP port of all workers (RFC 6544), on all hosts. If 0, the system picks it. None: no TCP.
    pub tcp_port: Option<u16>,
    pub workers: usize,
    /// Seeds every random number of the planes, except keys and tags. Without it, the seed is random.
    pub seed: Option<u64>,
    pub silence: Silence,
    pub data: DataLimits,
    /// The events that become [`News::Trace`].
    pub trace: Trace,
}

/// The running workers; dropping this ends them. A forked child has the memory but not the threads, so there all
/// methods do nothing; see [`Workers::is_foreign`].
pub struct Workers {
    process: u32,
    /// Never dropped in a forked child, where it is leaked.
    crew: mem::ManuallyDrop<Crew>,
}

struct Crew {
    members: Vec<Member>,
    outbox: Arc<Outbox>,
    fingerprint: String,
    sets_reports_apart: bool,
    tcp: Option<Tcp>,
}

/// The acceptor of TCP connections.
struct Tcp {
    port: u16,
    /// Any note ends it.
    end: Arc<Inbox>,
    ufrags: Arc<Mutex<Ufrags>>,
    published: Arc<Mutex<Stats>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Member {
    address: SocketAddr,
    inbox: Arc<Inbox>,
    published: Arc<Mutex<Published>>,
    thread: Mutex<Option<Running>>,
}

struct Running {
    handle: JoinHandle<()>,
    /// Disconnects when the thread ends. Unlike a join, receiving from it can have a deadline.
    ended: Receiver<()>,
}

/// The error for a command whose id names a worker that does not exist.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoSuchWorker {
    pub id: u64,
    pub workers: usize,
}

impl fmt::Display for NoSuchWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, worker, count) = (self.id, self.id >> WORKER_SHIFT, self.workers);
        write!(f, "id {id} names worker {worker}, and there are {count}, counted from 0")
    }
}

impl std::error::Error for NoSuchWorker {}

impl Workers {
    /// Starts all workers or none: every port is bound before the first thread runs.
    pub fn start(config: &Config) -> io::Result<Workers> {
        let identity = Arc::new(Identity::generate().map_err(|error| io::Error::other(error.to_string()))?);
        let wall_clock = wall_clock();
        let seed = config.seed.map_or_else(random, Ok)?;
        let outbox = Arc::new(Outbox::new(config.data.server_messages)?);
        let mut ports = Vec::new();
        for index in 0..config.workers {
            ports.push(Port::bind(&config.hosts, number(config.udp_port, index)?)?);
        }
        let listeners = config.tcp_port.map(|port| acceptor::bind(&config.hosts, port)).transpose()?;
        let sets_reports_apart = ports.iter().all(|port| !port.reports().is_empty());
        let crew =
            Crew { members: Vec::new(), outbox, fingerprint: identity.fingerprint(), sets_reports_apart, tcp: None };
        let mut workers = Workers { process: std::process::id(), crew: mem::ManuallyDrop::new(crew) };
        for (index, port) in ports.into_iter().enumerate() {
            let asked = config.trace.clone();
            let config = plane_core::Config {
                seed: seed.wrapping_add((index as u64).wrapping_mul(SPREAD)),
                identity: identity.clone(),
                wall_clock,
                worker: index as u64,
                silence: config.silence,
                data: config.data,
            };
            // An early return drops `workers`, which ends the workers already running.
            let member = Member::start(index, config, port, workers.crew.outbox.clone(), asked)?;
            workers.crew.members.push(member);
        }
        if let Some(listeners) = listeners {
            workers.crew.tcp = Some(Tcp::start(listeners, &workers.crew)?);
        }
        Ok(workers)
    }

    /// True in a forked child, which has no workers.
    pub fn is_foreign(&self) -> bool {
        std::process::id() != self.process
    }

    /// The id of the process that runs the workers.
    pub fn process(&self) -> u32 {
        self.process
    }

    /// The address of each worker: its port on the first host.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.crew.members.iter().map(|member| member.address).collect()
    }

    /// The TCP port of all workers, if they have one.
    pub fn tcp_port(&self) -> Option<u16> {
        self.crew.tcp.as_ref().map(|tcp| tcp.port)
    }

    /// The SHA-256 fingerprint of the certificate, in the form of `a=fingerprint`.
    pub fn fingerprint(&self) -> &str {
        &self.crew.fingerprint
    }

    /// True if the kernel separates the reports of peers from media, so that each report does not wake a worker.
    pub fn sets_reports_apart(&self) -> bool {
        self.crew.sets_reports_apart
    }

    /// Queues a command. Never blocks. A command with ids of several workers is split among them.
    pub fn apply(&self, command: Command) -> Result<(), NoSuchWorker> {
        if self.is_foreign() {
            return Ok(());
        }
        match command {
            Command::SetTargets(targets) => self.split(targets, |(slot, _)| slot.0, Command::SetTargets),
            Command::SetSource { slots, track } => {
                self.split(slots, |slot| slot.0, |slots| Command::SetSource { slots, track })
            }
            Command::Send { channels, payload, text } => self.split(
                channels,
                |channel| channel.0,
                |channels| Command::Send { channels, payload: payload.clone(), text },
            ),
            command => {
                let id = id(&command);
                let member = self.member(id)?;
                let change = self.crew.tcp.as_ref().and_then(|_| Change::of(&command));
                member.inbox.push(Note::Command(command));
                // After the command, so that no connection reaches the worker before it.
                if let (Some(tcp), Some(change)) = (&self.crew.tcp, change) {
                    let mut ufrags = tcp.ufrags.lock().unwrap_or_else(PoisonError::into_inner);
                    ufrags.follow(change, (id >> WORKER_SHIFT) as usize);
                }
                Ok(())
            }
        }
    }

    /// Queues one command per worker, with the items of that worker.
    fn split<T>(
        &self,
        items: Vec<T>,
        id: impl Fn(&T) -> u64,
        command: impl Fn(Vec<T>) -> Command,
    ) -> Result<(), NoSuchWorker> {
        let mut shares: Vec<Vec<T>> = self.crew.members.iter().map(|_| Vec::new()).collect();
        for item in items {
            self.member(id(&item))?;
            shares[(id(&item) >> WORKER_SHIFT) as usize].push(item);
        }
        for (member, share) in self.crew.members.iter().zip(shares) {
            if !share.is_empty() {
                member.inbox.push(Note::Command(command(share)));
            }
        }
        Ok(())
    }

    fn member(&self, id: u64) -> Result<&Member, NoSuchWorker> {
        let no_such = NoSuchWorker { id, workers: self.crew.members.len() };
        self.crew.members.get((id >> WORKER_SHIFT) as usize).ok_or(no_such)
    }

    /// The events since the last call. Never blocks.
    pub fn poll(&self) -> Vec<News> {
        if self.is_foreign() {
            return Vec::new();
        }
        let (news, drained) = self.crew.outbox.take();
        for transport in drained {
            if let Ok(member) = self.member(transport.0) {
                member.inbox.push(Note::Drained(transport));
            }
        }
        news
    }

    /// The counters of each worker, as it last published them, then those of the acceptor of TCP connections.
    pub fn stats(&self) -> Vec<Stats> {
        if self.is_foreign() {
            return Vec::new();
        }
        let of_worker = |member: &Member| member.published.lock().unwrap_or_else(PoisonError::into_inner).stats.clone();
        let of_acceptor = |tcp: &Tcp| tcp.published.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let workers = self.crew.members.iter().map(of_worker);
        workers.chain(self.crew.tcp.as_ref().map(of_acceptor)).collect()
    }

    /// The counters of a transport, as its worker last published them. None: it is gone, or not published yet.
    pub fn counters(&self, transport: TransportId) -> Option<Counters> {
        if self.is_foreign() {
            return None;
        }
        let published = self.member(transport.0).ok()?.published.lock().unwrap_or_else(PoisonError::into_inner);
        published.transports.iter().find(|(id, _)| *id == transport).map(|(_, counters)| counters.clone())
    }

    /// Makes the workers send BYE and close_notify to all peers and end. A second call does nothing, and so does a call
    /// in a forked child. The error names the first worker that did not end in time; its thread is left running.
    pub fn close(&self) -> io::Result<()> {
        if self.is_foreign() {
            return Ok(());
        }
        if let Some(tcp) = &self.crew.tcp {
            tcp.close();
        }
        for member in &self.crew.members {
            member.inbox.push(Note::Close);
        }
        let deadline = Instant::now() + CLOSE;
        let mut result = Ok(());
        for (index, member) in self.crew.members.iter().enumerate() {
            let running = member.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(Running { handle, ended }) = running else {
                continue;
            };
            if ended.recv_timeout(deadline.saturating_duration_since(Instant::now())) == Err(RecvTimeoutError::Timeout)
            {
                let late = format!("worker {index} did not end within {} s", CLOSE.as_secs());
                result = result.and(Err(io::Error::new(io::ErrorKind::TimedOut, late)));
                continue;
            }
            // A panic of the thread was already reported as an event.
            let _ = handle.join();
        }
        result
    }
}

impl AsRawFd for Workers {
    /// A descriptor that is readable when `poll` has events.
    fn as_raw_fd(&self) -> RawFd {
        self.crew.outbox.as_raw_fd()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        if self.is_foreign() {
            return;
        }
        let _ = self.close();
        // SAFETY: nothing uses it after this.
        unsafe { mem::ManuallyDrop::drop(&mut self.crew) };
    }
}

impl Member {
    fn start(
        index: usize,
        config: plane_core::Config,
        port: Port,
        outbox: Arc<Outbox>,
        asked: Trace,
    ) -> io::Result<Member> {
        let address = *port.addresses().first().ok_or_else(|| io::Error::other("no host address to bind to"))?;
        let inbox = Arc::new(Inbox::new()?);
        let published = Arc::default();
        let (alive, ended) = channel();
        let (inbox_of_thread, publishes) = (inbox.clone(), Arc::clone(&published));
        // The plane is created on the thread that drives it, because the SCTP library's objects must not move between
        // threads.
        let work = move || {
            let _alive: Sender<()> = alive;
            supervise(index, &inbox_of_thread, &outbox, || {
                let plane = Plane::new(config);
                let links = Links::new()?;
                let inbox = inbox_of_thread.clone();
                let mut worker = Worker::new(index, plane, port, links, inbox, outbox.clone(), publishes);
                trace::with(&asked, index, &outbox, || worker.run())
            });
        };
        let handle = without_signals(|| thread::Builder::new().name(format!("sfu-worker-{index}")).spawn(work))?;
        Ok(Member { address, inbox, published, thread: Mutex::new(Some(Running { handle, ended })) })
    }
}

impl Tcp {
    fn start(listeners: Vec<TcpListener>, crew: &Crew) -> io::Result<Tcp> {
        let first = listeners.first().ok_or_else(|| io::Error::other("no host address to bind to"))?;
        let port = first.local_addr()?.port();
        let (end, ufrags, published) = (Arc::new(Inbox::new()?), Arc::default(), Arc::default());
        let inboxes = crew.members.iter().map(|member| member.inbox.clone()).collect();
        let mut acceptor =
            Acceptor::new(listeners, Arc::clone(&end), Arc::clone(&ufrags), inboxes, Arc::clone(&published));
        let (inbox, outbox) = (Arc::clone(&end), crew.outbox.clone());
        let failed = |error: io::Error| io::Error::new(error.kind(), format!("the acceptor of TCP failed: {error}"));
        // It is reported by the number behind the last worker's.
        let index = crew.members.len();
        let work = move || supervise(index, &inbox, &outbox, || acceptor.run().map_err(failed));
        let thread = without_signals(|| thread::Builder::new().name("sfu-acceptor".into()).spawn(work))?;
        Ok(Tcp { port, end, ufrags, published, thread: Mutex::new(Some(thread)) })
    }

    /// Ends the acceptor, which never waits for anything else.
    fn close(&self) {
        self.end.push(Note::Close);
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A panic of the thread was already reported as an event.
            let _ = thread.join();
        }
    }
}

/// Runs `spawn` with all signals blocked. The new thread inherits the mask, so signals go to the application's threads.
fn without_signals<T>(spawn: impl FnOnce() -> T) -> T {
    // SAFETY: both sets are valid memory; the previous mask is restored.
    unsafe {
        let (mut all, mut before): (libc::sigset_t, libc::sigset_t) = mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        let spawned = spawn();
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        spawned
    }
}

/// The id that a command names. Commands that name several ids are split before.
fn id(command: &Command) -> u64 {
    match command {
        Command::AddTransport(spec) => spec.id.0,
        Command::RestartIce { transport, .. } | Command::OpenSctp { transport, .. } => transport.0,
        Command::AddTrack(spec) | Command::UpdateTrack(spec) => spec.id.0,
        Command::AddSlot(spec) => spec.id.0,
        Command::SetSource { slots, .. } => slots.first().map_or(0, |slot| slot.0),
        Command::SetAudio(policy) => policy.room.0,
        Command::SetDemand { transport, .. } => transport.0,
        Command::SetMuted { track, .. } | Command::RequestKeyframe(track) => track.0,
        Command::OpenChannel(spec) => spec.id.0,
        Command::AddGroup { id, .. } => id.0,
        Command::JoinGroup { channel, .. } => channel.0,
        Command::SetTargets(targets) => targets.first().map_or(0, |(slot, _)| slot.0),
        Command::Send { channels, .. } => channels.first().map_or(0, |channel| channel.0),
        Command::StartCapture { transport, .. } | Command::StopCapture(transport) => transport.0,
        Command::Remove(id) => *id,
    }
}

fn number(first: u16, index: usize) -> io::Result<u16> {
    if first == 0 {
        return Ok(0);
    }
    let number = usize::from(first) + index;
    let too_large = |_| io::Error::new(io::ErrorKind::InvalidInput, format!("worker {index} would have port {number}"));
    u16::try_from(number).map_err(too_large)
}

fn random() -> io::Result<u64> {
    let mut seed = [0; 8];
    // SAFETY: the buffer has the given length.
    let length = unsafe { libc::getrandom(seed.as_mut_ptr().cast(), seed.len(), 0) };
    if length == 8 { Ok(u64::from_ne_bytes(seed)) } else { Err(io::Error::last_os_error()) }
}

fn wall_clock() -> WallClock {
    let at = Instant::now();
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let fraction = (u64::from(wall.subsec_nanos()) << 32) / 1_000_000_000;
    WallClock { at, ntp: Ntp(((wall.as_secs() + NTP_TO_UNIX) << 32) + fraction) }
}

#[cfg(test)]
mod tests;
