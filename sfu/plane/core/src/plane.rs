//! The state of one worker: the arenas, the indexes, and the public methods.
//!
//! This file only dispatches. Transports, tracks and slots have their own modules; the operations that involve several
//! of them are in `plane/`: `asked` (the requests of one datagram, each once), `breaking` (ends a broken transport),
//! `capturing` (clear packets for Wireshark), `commands` (commands from Python), `connection` (STUN, DTLS, silence), `feedback` (RTCP both ways), `idle` (reports
//! of slots that show nothing), `links` (TCP connections: their room and their end), `lives` (which encodings arrive), `media` (the path of a media packet), `memory` (how
//! much is cached), `messages` (data channels), `probes` (what the network carries), `sink` (what gets the packets of a track), `start` (how a waiting sink
//! gets a picture), `subscribers` (what a track's sinks learn of it), `timeouts` (expired timers), `transmit` (sending),
//! `unacknowledged` (stops video while feedback is missing).

mod arena;
mod asked;
mod breaking;
mod capturing;
mod commands;
mod connection;
mod feedback;
#[cfg(test)]
mod fixture;
mod idle;
mod links;
mod lives;
mod media;
mod memory;
mod messages;
mod probes;
mod published;
mod sink;
mod sound;
mod start;
mod subscribers;
mod timeouts;
mod transmit;
mod transports;
mod unacknowledged;

use std::collections::{HashMap, VecDeque};

use slab::Slab;

use crate::batch::Batch;
use crate::capture::Capture;
use crate::command::Path;
use crate::config::Config;
use crate::data::{Group, PeerIds};
use crate::demux::{Protocol, protocol};
use crate::discard::Discard;
use crate::event::Event;
use crate::ice::binding;
use crate::id::{ChannelId, TransportId};
use crate::owners::Owners;
use crate::receive::audio_level::Levels;
use crate::send::{Slot, SlotEvent};
use crate::stats::{Counters, Stats};
use crate::time::Instant;
use crate::trace::{self, packet_event};
use crate::transport::Queued;
use arena::Arena;
use asked::Asked;
use memory::Memory;
pub use memory::Remembered;
use messages::Awaited;
use published::Published;
use sink::Placed;
use sound::Sounds;
use timeouts::Overdue;
use transports::Transports;

/// The kind of thing that an id names, and its key in the arena.
#[derive(Clone, Copy)]
enum Place {
    Transport(usize),
    Track(usize),
    Slot(usize),
    Sounds(usize),
    Group(usize),
}

/// The state of one worker, sans-IO: it opens no socket and reads no clock.
///
/// # Order of calls
///
/// ```text
/// loop {
///     sleep until poll_timeout(), or a datagram, or a command
///     for each command:    apply(command, now)
///     for each datagram:   handle_datagram(datagram, path, received, now)
///     handle_timeout(now)                                       if poll_timeout() has passed
///     while poll_transmit(&mut batch, now):  send the batch, clear it
///     while let Some(event) = poll_event():  tell the application
/// }
/// ```
///
/// There are four kinds of method. Getters change nothing. `handle_*` reports an outside event: a datagram arrived,
/// time passed. Mutators carry out a wish of the caller: `apply`, `hold_messages`, `close`. `poll_*` returns what the
/// caller must do next.
///
/// - **Call any number of `handle_*` and mutators, in any order, then drain**: [`poll_transmit`](Plane::poll_transmit)
///   until it returns false, [`poll_event`](Plane::poll_event) until it returns none. Draining less often is allowed,
///   and keeps the packets of a frame together; until then nothing is sent, and nothing is lost. `handle_timeout` makes
///   the requests to publishers, such as NACK and PLI: their deadline passes at once.
/// - **`now`** never goes back, and is the same clock everywhere; `received` is when the kernel received the datagram.
/// - **Deadlines are derived.** A transport or a track that is borrowed through `&mut` counts as changed: the next
///   [`poll_timeout`](Plane::poll_timeout) or [`handle_timeout`](Plane::handle_timeout) reads its deadlines again, and
///   a transport gets its turn to send. No code arms a [`Timer`](crate::timer::Timer), or marks a transport as having
///   something to send. `handle_timeout` runs only what is due.
/// - **The batch** belongs to the caller: `poll_transmit` appends whole datagrams while there is room. For the plane, a
///   datagram in it has been sent; one that the socket refuses is lost, and the caller counts it by
///   [`count_discards`](Plane::count_discards).
/// - **Events are state**: the newest of each key is enough, except for `Event::Message` and `Event::Captured`. A caller that cannot take
///   more messages of a transport calls [`hold_messages`](Plane::hold_messages); they then wait in its SCTP
///   association.
/// - **A discard is no error**: `handle_datagram` returns why a datagram, or a part of it, was discarded, for tests. It
///   is already counted, and the caller need not act.
/// - **The caller chooses the ids**, never uses one twice, and the plane does not check them: a command about a removed
///   id does nothing. The plane chooses the ids of channels that a peer opens, from a range of their own
///   ([`PEER_OPENED`](crate::id::PEER_OPENED)). Removing a transport removes its tracks, slots and channels.
/// - **A broken invariant ends only its transport**, which becomes `TransportState::Failed` with a reason. A broken
///   invariant of the worker panics; the plane must not be used after that.
pub struct Plane {
    config: Config,
    random: Random,
    transports: Transports,
    tracks: Arena<Published>,
    slots: Slab<Placed>,
    sounds: Slab<Sounds>,
    places: HashMap<u64, Place>,
    channels: HashMap<ChannelId, usize>,
    groups: Slab<Group>,
    /// The group that gets the messages of each channel.
    memberships: HashMap<ChannelId, usize>,
    /// Channels whose transport does not exist yet.
    awaited: HashMap<ChannelId, Awaited>,
    by_path: Owners<Path>,
    by_ufrag: Owners<String>,
    /// Transports by the first SSRC of their peer's RTCP.
    by_reporter: Owners<u32>,
    /// A buffer for expired timers, reused.
    overdue: Vec<Overdue>,
    levels: Levels,
    peer_ids: PeerIds,
    /// A buffer for the packets of a transport that sends, reused.
    leaving: Vec<Queued>,
    /// A buffer for the missing packets of an encoding, reused.
    lost: Vec<u16>,
    /// The requests of one RTCP datagram so far.
    asked: Asked,
    /// The last datagrams (BYE, close_notify) of removed transports.
    last_datagrams: Vec<(Path, Vec<u8>)>,
    events: VecDeque<Event>,
    stats: Stats,
    memory: Memory,
    capture: Option<Box<Capture>>,
    /// See [`Plane::steps`].
    steps: u64,
    #[cfg(test)]
    taps: Slab<sink::Tap>,
}

impl Plane {
    /// Makes a plane without transports.
    pub fn new(config: Config) -> Self {
        Self {
            random: Random(config.seed),
            peer_ids: PeerIds::new(config.worker),
            config,
            transports: Transports::default(),
            tracks: Arena::default(),
            slots: Slab::new(),
            sounds: Slab::new(),
            places: HashMap::new(),
            channels: HashMap::new(),
            groups: Slab::new(),
            memberships: HashMap::new(),
            awaited: HashMap::new(),
            by_path: Owners::new(),
            by_ufrag: Owners::new(),
            by_reporter: Owners::new(),
            overdue: Vec::new(),
            levels: Levels::new(),
            leaving: Vec::new(),
            lost: Vec::new(),
            asked: Asked::default(),
            last_datagrams: Vec::new(),
            events: VecDeque::new(),
            stats: Stats::default(),
            memory: Memory::default(),
            capture: None,
            steps: 0,
            #[cfg(test)]
            taps: Slab::new(),
        }
    }

    /// The counters, with the present sizes of the arenas.
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats.clone();
        stats.transports = self.transports.len() as u64;
        stats.tracks = self.tracks.len() as u64;
        stats.slots = self.slots.len() as u64;
        stats.channels = (self.channels.len() + self.awaited.len()) as u64;
        stats
    }

    /// The counters of each transport.
    pub fn counters(&self) -> impl Iterator<Item = (TransportId, &Counters)> {
        self.transports.iter().map(|(_, transport)| (transport.id, &transport.counters))
    }

    /// The number of entries in all indexes. It is 0 without transports, unless entries leaked.
    pub fn indexes(&self) -> usize {
        let names = self.places.len() + self.channels.len() + self.memberships.len();
        names + self.by_path.len() + self.by_ufrag.len() + self.by_reporter.len() + self.transports.to_send()
    }

    /// The steps of work so far, each of about the same cost: a packet checked for a subscriber, a number of a NACK, a
    /// block of a report, a chunk of feedback, an attribute of a check, an expired timer. [`limits`](crate::limits)
    /// bounds the steps of one datagram, and of the timers of each transport, track and slot.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Counts discards outside the plane, such as datagrams that the socket layer could not send.
    pub fn count_discards(&mut self, why: Discard, count: usize) {
        self.stats.counters.discard(why, count);
    }

    /// Handles one UDP payload. `received` is when the kernel received it. Errors are counted, and returned for tests.
    pub fn handle_datagram(
        &mut self,
        datagram: &mut [u8],
        path: Path,
        received: Instant,
        now: Instant,
    ) -> Result<(), Discard> {
        self.steps += 1;
        self.stats.counters.packets_received += 1;
        self.stats.counters.bytes_received += datagram.len() as u64;
        let mut owner = None;
        let result = match protocol(datagram) {
            Ok(Protocol::Stun) if binding::is_response(datagram) => self.handle_answer(datagram, path, received, now),
            Ok(Protocol::Stun) => self.handle_stun(datagram, path, now),
            Ok(other) => match self.by_path.get(&path) {
                Some(key) => {
                    owner = Some(key);
                    self.count_received(key, datagram.len());
                    match other {
                        Protocol::Rtp => self.handle_media(key, datagram, &path, received, now),
                        Protocol::Rtcp => self.handle_rtcp(key, datagram, &path, received, now),
                        _ => self.handle_dtls(key, datagram, path, now),
                    }
                }
                None if other == Protocol::Rtcp => self.handle_moved(datagram, path, received, now),
                None => Err(Discard::UnknownAddress),
            },
            Err(why) => Err(why),
        };
        if let Err(why) = result {
            self.count_discarded(owner, why, &path);
        }
        packet_event!(octets = datagram.len(), remote = %path.remote, ?result, "received");
        result
    }

    /// Fills the batch, transport by transport, so that the datagrams to one peer are adjacent. False if there is
    /// nothing to send.
    pub fn poll_transmit(&mut self, batch: &mut Batch, now: Instant) -> bool {
        self.transmit_last_datagrams(batch);
        while let Some(key) = self.transports.first_to_send() {
            let (datagrams, octets) = batch.totals();
            let is_done = self.transmit(key, batch, now);
            if let Some(counters) = self.transports.counters(key) {
                counters.packets_sent += (batch.totals().0 - datagrams) as u64;
                counters.bytes_sent += (batch.totals().1 - octets) as u64;
            }
            if !is_done {
                break;
            }
            self.transports.first_has_sent();
        }
        self.stats.count_sent(batch);
        !batch.is_empty()
    }

    /// Takes the next event for the application, in the order in which they happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front().or_else(|| self.poll_captured())
    }

    fn count_received(&mut self, key: usize, octets: usize) {
        if let Some(counters) = self.transports.counters(key) {
            counters.packets_received += 1;
            counters.bytes_received += octets as u64;
        }
    }

    /// Counts a discarded datagram: of the transport that owns its path, or of nobody.
    #[cold]
    fn count_discarded(&mut self, owner: Option<usize>, why: Discard, path: &Path) {
        let is_milestone = self.stats.counters.discard(why, 1);
        let total = self.stats.discarded(why);
        match owner {
            Some(key) => self.transports.discard(key, why, 1),
            None if is_milestone => {
                tracing::debug!(target: trace::DISCARDS, remote = %path.remote, why = why.label(), total, "discarded");
            }
            None => {}
        }
    }

    /// Counts a discard of one transport, of a datagram's part or of something of our own.
    fn discard(&mut self, key: usize, why: Discard, count: usize) {
        self.stats.counters.discard(why, count);
        self.transports.discard(key, why, count);
    }

    /// The track that a slot shows.
    fn source(&self, slot: usize) -> Option<usize> {
        match self.places.get(&self.slots[slot].slot.source()?.0) {
            Some(&Place::Track(track)) => Some(track),
            _ => None,
        }
    }

    fn transport(&self, id: TransportId) -> Option<usize> {
        match self.places.get(&id.0) {
            Some(&Place::Transport(key)) => Some(key),
            _ => None,
        }
    }
}

/// Turns the events of a slot into events of the plane, in which encodings are numbered as in the spec of its `source`.
fn report(events: &mut VecDeque<Event>, slot: &mut Slot, source: Option<&Published>) {
    let (id, track) = (slot.spec.id, slot.source());
    while let Some(event) = slot.poll_event() {
        events.push_back(match event {
            SlotEvent::Switched { layer, cause } => {
                let layer = layer.map(|layer| source.map_or(layer, |source| source.track.listed(layer)));
                tracing::debug!(target: trace::LAYERS, slot = id.0, ?track, ?layer, ?cause, "switched");
                Event::Switched { slot: id, track, layer, cause }
            }
            SlotEvent::Refused { reason } => {
                tracing::debug!(target: trace::LAYERS, slot = id.0, ?track, reason, "refused");
                Event::Refused { slot: id, track, reason }
            }
        });
    }
}

/// SplitMix64, for first sequence numbers and the like, never for keys.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}
