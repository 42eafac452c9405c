//! Fast start: stores the packets of an encoding since its last keyframe, so that a new subscriber has a picture before
//! the publisher could send another keyframe.
//!
//! All packets since the keyframe are recorded, so that a slot can account for the numbers that it leaves out; payloads
//! are stored only for the lowest temporal layer, which is what a slot shows while it catches up. The timestamps are
//! compressed, since all packets leave at once: with the original ones a receiver would play the past and stay behind
//! for as long as it shows the track.
//!
//! ```text
//! source    K · · T0 · · T0 · · T0 · · T0|        |: the live edge, where both timelines agree
//! leaves                           K T0T0T0T0| T0 · · …
//! ```

use crate::receive::cache::{Cached, Stored};
use crate::rtp::clock::SenderClock;
use crate::rtp::sequence::ExtendedSeq;
use crate::send::passing::Packet;
use crate::send::selector;
use crate::time::{Duration, Instant, ms};

/// A keyframe older than this is dropped. Hardware encoders send one at least every 10 s.
const MOST_AGE: Duration = ms(12_000);
/// Most time from the keyframe to the live edge on the compressed timeline: a receiver that takes the first packet for
/// live plays everything later by this.
const LONGEST_SPAN: Duration = ms(40);
/// The highest compression factor: frames at 90 per second are still two ticks apart.
const MOST_COMPRESSED: u32 = 500;
/// Octets of a recorded packet beside its payload.
const NOTE: usize = size_of::<Noted>();

#[derive(Debug)]
struct Noted {
    /// The payload is empty if it is not stored.
    cached: Cached,
    payload_length: usize,
}

impl Noted {
    fn memory(&self) -> usize {
        NOTE + self.cached.octets
    }

    fn is_whole(&self) -> bool {
        self.cached.payload.len() == self.payload_length
    }
}

/// The stored packets of one encoding, for all its subscribers.
#[derive(Debug, Default)]
pub struct Start {
    /// Sorted by sequence number; the first packet of the keyframe is first.
    noted: Vec<Noted>,
    /// Dropped entries whose buffers are reused.
    spare: Vec<Noted>,
    /// Octets of the stored payloads, and the number of packets with their payload.
    octets: usize,
    whole: usize,
    /// Octets of memory of `noted` and `spare`.
    held: usize,
    /// The newest packet that arrived, recorded or not: packets behind a keyframe that arrived late may be missing.
    newest: ExtendedSeq,
}

impl Start {
    /// Records a packet, in any order. `most` limits the octets of memory: if the packet would exceed it, everything is
    /// dropped until the next keyframe.
    pub fn insert(&mut self, packet: &Packet, stored: Stored<'_>, payload: &[u8], most: usize) {
        self.newest = self.newest.max(packet.seq);
        let begins = packet.description.keyframe && !self.continues_keyframe(packet);
        if begins {
            self.forget_before(packet.seq);
        }
        let Some(first) = self.noted.first() else {
            if begins && NOTE + payload.len() <= most {
                self.push(0, packet, stored, payload);
            }
            return;
        };
        let late_keyframe = begins && first.cached.timestamp == packet.timestamp;
        if packet.seq < first.cached.seq && !late_keyframe {
            return;
        }
        let old = packet.received.saturating_duration_since(first.cached.received) > MOST_AGE;
        if self.held + NOTE + payload.len() > most {
            self.drop_spare();
        }
        if old || self.held + NOTE + payload.len() > most {
            self.forget();
            return;
        }
        let newest = self.noted.last().is_some_and(|last| last.cached.seq < packet.seq);
        let place = if newest { self.noted.len() } else { self.place(packet.seq).unwrap_or_else(|place| place) };
        self.push(place, packet, stored, payload);
    }

    /// True if a keyframe and all packets since are recorded.
    pub fn is_whole(&self) -> bool {
        let first = self.noted.first().map(|first| first.cached.seq.0);
        first.is_some_and(|first| first + self.noted.len() as u64 == self.newest.0 + 1)
    }

    pub fn is_empty(&self) -> bool {
        self.noted.is_empty()
    }

    /// The number of packets, with or without their payload.
    pub fn len(&self) -> usize {
        self.noted.len()
    }

    /// The number of packets with their payload.
    pub fn packets_to_send(&self) -> usize {
        self.whole
    }

    /// Octets to send all stored packets, with `overhead` added for each recorded packet: a packet without payload
    /// takes work too.
    pub fn cost(&self, overhead: usize) -> usize {
        self.octets + self.noted.len() * overhead
    }

    /// Time since its keyframe began to arrive.
    pub fn age(&self, now: Instant) -> Duration {
        self.noted.first().map_or(Duration::MAX, |first| now.saturating_duration_since(first.cached.received))
    }

    /// Time to send the stored payloads at `rate` bits per second.
    pub fn time_to_send(&self, rate: u64) -> Duration {
        Duration::from_micros(self.octets as u64 * 8 * 1_000_000 / rate.max(1))
    }

    /// Octets of memory, including buffers for the next keyframe.
    pub fn memory(&self) -> usize {
        self.held
    }

    /// Drops everything until the next keyframe, and frees the memory.
    pub fn forget(&mut self) {
        *self = Self { newest: self.newest, ..Self::default() };
    }

    /// Drops a keyframe that is too old, and frees spare buffers.
    pub fn trim(&mut self, now: Instant) {
        if self.age(now) > MOST_AGE {
            self.forget();
        }
        if self.spare.len() > self.noted.len() {
            self.drop_spare();
        }
    }

    /// Returns a packet if its payload is stored.
    pub fn get(&self, seq: ExtendedSeq) -> Option<&Cached> {
        let noted = &self.noted[self.place(seq).ok()?];
        noted.is_whole().then_some(&noted.cached)
    }

    /// The recorded packets with numbers above `seq`.
    pub fn behind(&mut self, seq: ExtendedSeq) -> impl Iterator<Item = &mut Cached> {
        self.noted.iter_mut().map(|noted| &mut noted.cached).filter(move |cached| cached.seq > seq)
    }

    /// How a slot catches up with the live edge if sending the stored packets takes `time`. The compressed span fits
    /// into `room`, the slot's free time behind what it has shown.
    pub fn compression(&self, encoding: u8, time: Duration, room: Duration, now: Instant) -> Option<Compression> {
        let (first, last) = (&self.noted.first()?.cached, &self.noted.last()?.cached);
        // In H.264 a later picture may be of an earlier time.
        let behind = |cached: &Cached| first.timestamp.wrapping_sub(cached.timestamp) as i32;
        let edge = self.noted.iter().rev().map(|noted| &noted.cached).min_by_key(|cached| behind(cached))?;
        let ticks = edge.timestamp.wrapping_sub(first.timestamp);
        // Time since the edge arrived.
        let waited = now.saturating_duration_since(edge.received);
        let span = time.min(LONGEST_SPAN.saturating_sub(waited)).min(room);
        let rate = first.payload_type.clock_rate;
        let span = (span.as_micros() as u64 * u64::from(rate) / 1_000_000) as u32;
        Some(Compression {
            encoding,
            first: first.seq,
            last: last.seq,
            timestamp: edge.timestamp,
            received: edge.received,
            rate,
            from: ticks.max(1),
            to: span.max(ticks.div_ceil(MOST_COMPRESSED)).min(ticks),
            since: ExtendedSeq(0),
        })
    }

    /// All packets in the form that a slot forwards while it catches up.
    pub fn packets(
        &self,
        compression: Compression,
        alone: bool,
        clock: Option<SenderClock>,
    ) -> impl Iterator<Item = Packet<'_>> {
        self.noted.iter().map(move |noted| Packet {
            alone,
            payload_length: noted.payload_length,
            recovered: false,
            timestamp: compression.timestamp(noted.cached.timestamp),
            received: compression.received(noted.cached.timestamp),
            ..Packet::again(&noted.cached, compression.encoding, clock)
        })
    }

    /// True for a further packet of the current keyframe: parameter sets and the first slice both count as its
    /// beginning (RFC 6184).
    fn continues_keyframe(&self, packet: &Packet) -> bool {
        let first = self.noted.first().map(|first| &first.cached);
        first.is_some_and(|first| first.timestamp == packet.timestamp && first.seq < packet.seq)
    }

    /// Drops the packets before a keyframe. Newer packets stay if the keyframe arrived late.
    fn forget_before(&mut self, seq: ExtendedSeq) {
        let newer = self.noted.iter().position(|noted| noted.cached.seq > seq).unwrap_or(self.noted.len());
        let older = self.noted.drain(..newer);
        self.octets -= older.as_slice().iter().map(|noted| noted.cached.payload.len()).sum::<usize>();
        self.whole -= older.as_slice().iter().filter(|noted| noted.is_whole()).count();
        self.spare.extend(older);
    }

    fn push(&mut self, place: usize, packet: &Packet, stored: Stored<'_>, payload: &[u8]) {
        let kept = if selector::is_lowest(packet) { payload } else { &[] };
        self.octets += kept.len();
        let noted = match self.spare.pop() {
            Some(mut noted) => {
                self.held -= noted.memory();
                if noted.cached.payload.capacity() > 2 * kept.len() {
                    noted.cached.payload = Vec::new();
                }
                noted.cached.replace(packet.seq, stored, kept, packet.received);
                Noted { payload_length: payload.len(), ..noted }
            }
            None => {
                Noted { cached: Cached::new(packet.seq, stored, kept, packet.received), payload_length: payload.len() }
            }
        };
        self.held += noted.memory();
        self.whole += usize::from(noted.is_whole());
        self.noted.insert(place, noted);
    }

    fn drop_spare(&mut self) {
        self.held -= self.spare.drain(..).map(|noted| noted.memory()).sum::<usize>();
        self.spare.shrink_to_fit();
    }

    fn place(&self, seq: ExtendedSeq) -> Result<usize, usize> {
        self.noted.binary_search_by_key(&seq, |noted| noted.cached.seq)
    }
}

/// Compresses the timeline of one encoding before its live edge linearly, towards the edge.
#[derive(Clone, Copy, Debug)]
pub struct Compression {
    encoding: u8,
    /// Packets before `first` left with their own timestamps, if they did; packets after `last` are live.
    first: ExtendedSeq,
    last: ExtendedSeq,
    /// The live edge: the newest timestamp and its arrival.
    timestamp: u32,
    received: Instant,
    /// Hz.
    rate: u32,
    /// `from` ticks are compressed to `to` ticks.
    from: u32,
    to: u32,
    /// The first number of the slot that leaves with a compressed timestamp.
    since: ExtendedSeq,
}

impl Compression {
    pub fn encoding(&self) -> u8 {
        self.encoding
    }

    /// Sets `since`, the next number of the slot.
    pub fn since(self, since: ExtendedSeq) -> Self {
        Self { since, ..self }
    }

    /// True if a packet belongs to the compressed part. A late one must leave with the timestamp of its frame.
    pub fn covers(&self, packet: &Packet) -> bool {
        packet.encoding == self.encoding && (self.first..=self.last).contains(&packet.seq)
    }

    /// Returns a late packet, which leaves as number `seq`, with the timestamp that its frame left with: the compressed
    /// one from `since` on, before that the original one.
    pub fn at_its_time<'a>(&self, packet: &Packet<'a>, seq: ExtendedSeq) -> Packet<'a> {
        let caught_up = seq >= self.since;
        let timestamp = if caught_up { self.timestamp(packet.timestamp) } else { packet.timestamp };
        Packet { timestamp, ..*packet }
    }

    pub fn timestamp(&self, timestamp: u32) -> u32 {
        self.timestamp.wrapping_sub(self.ticks_behind(timestamp))
    }

    /// The arrival time that fits the compressed timestamp.
    fn received(&self, timestamp: u32) -> Instant {
        let micros = u64::from(self.ticks_behind(timestamp)) * 1_000_000 / u64::from(self.rate.max(1));
        self.received.checked_sub(Duration::from_micros(micros)).unwrap_or(self.received)
    }

    fn ticks_behind(&self, timestamp: u32) -> u32 {
        let behind = (self.timestamp.wrapping_sub(timestamp) as i32).max(0);
        (u64::from(behind.unsigned_abs()) * u64::from(self.to) / u64::from(self.from)) as u32
    }
}
