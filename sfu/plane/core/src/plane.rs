//! Everything of one worker: the arenas, the indexes, and what is called from outside.
//!
//! Dispatch only. What a transport, a track or a slot does is theirs; the ways across them are in `plane/`:
//! `asked` (requests of one datagram, each once), `breaking` (what ends one transport), `commands` (what Python wants),
//! `connection` (STUN, DTLS, silence), `feedback` (RTCP both ways), `idle` (reports of slots that show nothing), `lives`
//! (what arrives), `media` (the spine: a media packet's way), `memory` (how much is kept), `messages` (data channels),
//! `start` (how a slot that waits gets a picture), `timeouts` (what is due), `transmit` (what leaves).

mod arena;
mod asked;
mod breaking;
mod commands;
mod connection;
mod feedback;
#[cfg(test)]
mod fixture;
mod idle;
mod lives;
mod media;
mod memory;
mod messages;
mod published;
mod sound;
mod start;
mod timeouts;
mod transmit;
mod transports;

use std::collections::{HashMap, VecDeque};

use slab::Slab;

use crate::batch::Batch;
use crate::command::Path;
use crate::config::Config;
use crate::data::{Group, PeerIds};
use crate::demux::{Protocol, protocol};
use crate::discard::Discard;
use crate::event::Event;
use crate::ice::agent;
use crate::id::{ChannelId, TransportId};
use crate::layer::Ladder;
use crate::owners::Owners;
use crate::receive::audio_level::Levels;
use crate::send::{Slot, SlotEvent};
use crate::stats::Stats;
use crate::time::Instant;
use crate::transport::Queued;
use arena::Arena;
use asked::Asked;
use memory::Memory;
pub use memory::Remembered;
use messages::Awaited;
use published::Published;
use sound::Sounds;
use timeouts::Overdue;
use transports::Transports;

/// What an id names, and where it stands in its arena.
#[derive(Clone, Copy)]
enum Place {
    Transport(usize),
    Track(usize),
    Slot(usize),
    Sounds(usize),
    Group(usize),
}

/// A slot and the arena key of its transport.
struct Placed {
    slot: Slot,
    transport: usize,
    /// The ladder it was told last, by the encodings that a spec lists.
    told: Option<Ladder>,
}

/// Everything of one worker, sans-IO: it opens no socket and reads no clock.
///
/// # What is called, and when
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
/// There are four kinds of method. Getters change nothing. `handle_*` says what the world did: a datagram came, time passed.
/// Mutators say what the caller wants: `apply`, `hold_messages`, `close`. `poll_*` says what the caller is to do next.
///
/// - **Any number of `handle_*` and mutators, in any order, then a drain**: [`poll_transmit`](Plane::poll_transmit) until it
///   says false, [`poll_event`](Plane::poll_event) until there is none. Draining less often is right, and leaves packets of a
///   frame together; until then nothing leaves, and nothing is lost. Requests to publishers, such as NACK and PLI, are made
///   by `handle_timeout`, whose deadline has then passed at once.
/// - **`now`** never goes back, and is the same clock everywhere; `received` is when the kernel had the datagram.
/// - **Deadlines are derived.** A transport or a track that is lent through `&mut` counts as changed: the next
///   [`poll_timeout`](Plane::poll_timeout) or [`handle_timeout`](Plane::handle_timeout) asks it for its deadlines anew, and a
///   transport has its turn to send. Nobody arms a [`Timer`](crate::timer::Timer), or says that there is something to send.
///   `handle_timeout` runs what is due, and nothing else.
/// - **The batch** is the caller's: `poll_transmit` appends whole datagrams while there is room. A datagram in it has left, as
///   far as the plane knows; one that the socket refused is lost, and counted by [`count_discard`](Plane::count_discard).
/// - **Events are state**: of each key the newest is enough, but for `Event::Message`. Who cannot take more messages of a
///   transport says so ([`hold_messages`](Plane::hold_messages)); they wait in its SCTP association then.
/// - **A discard is no error**: `handle_datagram` returns why a datagram, or a part of it, went no further, for tests. It is
///   counted already, and there is nothing to do.
/// - **Ids are the caller's**, never used twice, and checked by nobody: a command about an id that is gone does nothing.
///   Channels that a peer opens are named by the plane, out of a range of their own ([`PEER_OPENED`](crate::id::PEER_OPENED)).
///   What hangs on a thing goes with it: tracks, slots and channels with their transport.
/// - **What is broken ends alone**: a transport with a broken invariant becomes `TransportState::Failed` with a reason. A
///   broken invariant of the worker panics; nothing of the plane is to be used after that.
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
    /// The group that the messages of each channel go to.
    memberships: HashMap<ChannelId, usize>,
    /// Channels whose transport is still to come.
    awaited: HashMap<ChannelId, Awaited>,
    by_path: Owners<Path>,
    by_ufrag: Owners<String>,
    /// By the SSRC that a peer's RTCP came with first.
    by_reporter: Owners<u32>,
    /// Used again for every look at the timers.
    overdue: Vec<Overdue>,
    levels: Levels,
    peer_ids: PeerIds,
    /// Used again for every transport that sends.
    leaving: Vec<Queued>,
    /// Used again for every encoding that misses something.
    lost: Vec<u16>,
    /// What one datagram of RTCP has asked for so far.
    asked: Asked,
    /// Last words of transports that are gone.
    farewells: Vec<(Path, Vec<u8>)>,
    events: VecDeque<Event>,
    stats: Stats,
    memory: Memory,
    /// See [`Plane::steps`].
    steps: u64,
}

impl Plane {
    /// With nothing in it.
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
            farewells: Vec::new(),
            events: VecDeque::new(),
            stats: Stats::default(),
            memory: Memory::default(),
            steps: 0,
        }
    }

    /// The counters, with the arenas' sizes as they are now.
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats.clone();
        stats.transports = self.transports.len() as u64;
        stats.tracks = self.tracks.len() as u64;
        stats.slots = self.slots.len() as u64;
        stats.channels = (self.channels.len() + self.awaited.len()) as u64;
        stats
    }

    /// Entries of all indexes: none without a transport, or something was forgotten.
    pub fn indexes(&self) -> usize {
        let names = self.places.len() + self.channels.len() + self.memberships.len();
        names + self.by_path.len() + self.by_ufrag.len() + self.by_reporter.len() + self.transports.to_send()
    }

    /// Steps of work so far, each of about the same: a packet that is looked at for a subscriber, a number of a NACK, a
    /// block of a report, a chunk of feedback. [`limits`](crate::limits) has how many one datagram may take.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// A datagram that the socket layer could not send, or the like.
    pub fn count_discard(&mut self, why: Discard) {
        self.stats.discard(why);
    }

    /// One UDP payload. `received`: when the kernel had it. What is wrong with it is counted, and returned for tests.
    pub fn handle_datagram(
        &mut self,
        datagram: &mut [u8],
        path: Path,
        received: Instant,
        now: Instant,
    ) -> Result<(), Discard> {
        self.steps += 1;
        self.stats.packets_received += 1;
        self.stats.bytes_received += datagram.len() as u64;
        let result = match protocol(datagram) {
            Ok(Protocol::Stun) if agent::is_response(datagram) => self.handle_answer(datagram, path, received, now),
            Ok(Protocol::Stun) => self.handle_stun(datagram, path, now),
            Ok(other) => match self.by_path.get(&path) {
                Some(key) => match other {
                    Protocol::Rtp => self.handle_media(key, datagram, &path, received, now),
                    Protocol::Rtcp => self.handle_rtcp(key, datagram, &path, received, now),
                    _ => self.handle_dtls(key, datagram, path, now),
                },
                None if other == Protocol::Rtcp => self.handle_moved(datagram, path, received, now),
                None => Err(Discard::UnknownAddress),
            },
            Err(why) => Err(why),
        };
        if let Err(why) = result {
            self.stats.discard(why);
        }
        result
    }

    /// Fills the batch, transport by transport, so that what one peer gets lies together. False: nothing is left.
    pub fn poll_transmit(&mut self, batch: &mut Batch, now: Instant) -> bool {
        self.transmit_farewells(batch);
        while let Some(key) = self.transports.first_to_send()
            && self.transmit(key, batch, now)
        {
            self.transports.first_has_sent();
        }
        self.stats.count_sent(batch);
        !batch.is_empty()
    }

    /// What the application is to be told next, in the order in which it happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn report(&mut self, slot: usize) {
        let slot = &mut self.slots[slot].slot;
        let source = match slot.source().and_then(|track| self.places.get(&track.0)) {
            Some(&Place::Track(track)) => self.tracks.get(track),
            _ => None,
        };
        report(&mut self.events, slot, source);
    }

    fn transport(&self, id: TransportId) -> Option<usize> {
        match self.places.get(&id.0) {
            Some(&Place::Transport(key)) => Some(key),
            _ => None,
        }
    }
}

/// What a slot has to say of itself becomes an event, in which encodings are named as the spec of its `source` lists them.
fn report(events: &mut VecDeque<Event>, slot: &mut Slot, source: Option<&Published>) {
    let (id, track) = (slot.spec.id, slot.source());
    while let Some(event) = slot.poll_event() {
        events.push_back(match event {
            SlotEvent::Switched { layer, cause } => {
                let layer = layer.map(|layer| source.map_or(layer, |source| source.track.listed(layer)));
                Event::Switched { slot: id, track, layer, cause }
            }
            SlotEvent::Refused { reason } => Event::Refused { slot: id, track, reason },
        });
    }
}

/// SplitMix64: first sequence numbers and the like, never keys.
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
