//! Fast start: stores the packets of an encoding since its last keyframe, so that a new subscriber has a picture before
//! the publisher could send another keyframe.
//!
//! All packets since the keyframe are recorded, so that a slot can account for the numbers that it leaves out; payloads
//! are stored only for the lowest temporal layer, which is what a slot shows while it catches up.

use crate::codec::{Description, shape};
use crate::receive::arrival::Arrival;
use crate::receive::cache::Cached;
use crate::receive::packet::Packet;
use crate::receive::rung::EncodingId;
use crate::rtp::clock::SenderClock;
use crate::rtp::sequence::ExtendedSeq;
use crate::time::{Duration, Instant, ms};

/// A keyframe older than this is dropped. Hardware encoders send one at least every 10 s.
const MOST_AGE: Duration = ms(12_000);
/// Octets of a recorded packet beside its buffers.
const NOTE: usize = size_of::<Cached>();

/// The recorded packets of an encoding: from a keyframe to the live edge.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub first: ExtendedSeq,
    pub last: ExtendedSeq,
    /// The live edge: the newest timestamp, and the arrival of its packet.
    pub timestamp: u32,
    pub received: Instant,
    /// From the timestamp of `first` to the live edge.
    pub ticks: u32,
    /// Ticks per second.
    pub rate: u32,
}

/// The stored packets of one encoding, for all its subscribers.
#[derive(Debug, Default)]
pub struct Start {
    /// Sorted by sequence number; the first packet of the keyframe is first. Some have no payload.
    noted: Vec<Cached>,
    /// Dropped entries whose buffers are reused.
    spare: Vec<Cached>,
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
    pub fn insert(
        &mut self,
        seq: ExtendedSeq,
        arrival: &Arrival,
        description: &Description,
        received: Instant,
        most: usize,
    ) {
        let octets = NOTE + arrival.payload.len();
        self.newest = self.newest.max(seq);
        let begins = description.keyframe && !self.continues_keyframe(seq, arrival.timestamp);
        if begins {
            self.forget_before(seq);
        }
        let Some(first) = self.noted.first() else {
            if begins && octets <= most {
                self.push(0, seq, arrival, description, received);
            }
            return;
        };
        let late_keyframe = begins && first.timestamp == arrival.timestamp;
        if seq < first.seq && !late_keyframe {
            return;
        }
        let old = received.saturating_duration_since(first.received) > MOST_AGE;
        if self.held + octets > most {
            self.drop_spare();
        }
        if old || self.held + octets > most {
            self.forget();
            return;
        }
        let newest = self.noted.last().is_some_and(|last| last.seq < seq);
        let place = if newest { self.noted.len() } else { self.place(seq).unwrap_or_else(|place| place) };
        self.push(place, seq, arrival, description, received);
    }

    /// True if a keyframe and all packets since are recorded.
    pub fn is_whole(&self) -> bool {
        let first = self.noted.first().map(|first| first.seq.0);
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
        self.noted.first().map_or(Duration::MAX, |first| now.saturating_duration_since(first.received))
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
        noted.is_whole().then_some(noted)
    }

    /// The recorded packets with numbers above `seq`.
    pub fn behind(&mut self, seq: ExtendedSeq) -> impl Iterator<Item = &mut Cached> {
        self.noted.iter_mut().filter(move |cached| cached.seq > seq)
    }

    /// The span of the recorded packets.
    pub fn span(&self) -> Option<Span> {
        let (first, last) = (self.noted.first()?, self.noted.last()?);
        // In H.264 a later picture may be of an earlier time.
        let behind = |cached: &Cached| first.timestamp.wrapping_sub(cached.timestamp) as i32;
        let edge = self.noted.iter().rev().min_by_key(|cached| behind(cached))?;
        Some(Span {
            first: first.seq,
            last: last.seq,
            timestamp: edge.timestamp,
            received: edge.received,
            ticks: edge.timestamp.wrapping_sub(first.timestamp),
            rate: first.payload_type.clock_rate,
        })
    }

    /// All recorded packets, in order.
    pub fn packets(
        &self,
        encoding: EncodingId,
        alone: bool,
        clock: Option<SenderClock>,
    ) -> impl Iterator<Item = Packet<'_>> {
        self.noted.iter().map(move |noted| Packet { alone, recovered: false, ..Packet::again(noted, encoding, clock) })
    }

    /// True for a further packet of the current keyframe: parameter sets and the first slice both count as its
    /// beginning (RFC 6184).
    fn continues_keyframe(&self, seq: ExtendedSeq, timestamp: u32) -> bool {
        let first = self.noted.first();
        first.is_some_and(|first| first.timestamp == timestamp && first.seq < seq)
    }

    /// Drops the packets before a keyframe. Newer packets stay if the keyframe arrived late.
    fn forget_before(&mut self, seq: ExtendedSeq) {
        let newer = self.noted.iter().position(|noted| noted.seq > seq).unwrap_or(self.noted.len());
        let older = self.noted.drain(..newer);
        self.octets -= older.as_slice().iter().map(|noted| noted.payload.len()).sum::<usize>();
        self.whole -= older.as_slice().iter().filter(|noted| noted.is_whole()).count();
        self.spare.extend(older);
    }

    fn push(
        &mut self,
        place: usize,
        seq: ExtendedSeq,
        arrival: &Arrival,
        description: &Description,
        received: Instant,
    ) {
        let payload = if shape::is_lowest(description) { arrival.payload } else { &[] };
        let kept = Arrival { payload, ..*arrival };
        self.octets += payload.len();
        let mut noted = match self.spare.pop() {
            Some(mut noted) => {
                self.held -= memory(&noted);
                if noted.payload.capacity() > 2 * payload.len() {
                    noted.payload = Vec::new();
                }
                noted.replace(seq, &kept, description, received);
                noted
            }
            None => Cached::new(seq, &kept, description, received),
        };
        noted.payload_length = arrival.payload.len();
        self.held += memory(&noted);
        self.whole += usize::from(noted.is_whole());
        self.noted.insert(place, noted);
    }

    fn drop_spare(&mut self) {
        self.held -= self.spare.drain(..).map(|noted| memory(&noted)).sum::<usize>();
        self.spare.shrink_to_fit();
    }

    fn place(&self, seq: ExtendedSeq) -> Result<usize, usize> {
        self.noted.binary_search_by_key(&seq, |noted| noted.seq)
    }
}

/// Octets of memory of a recorded packet.
fn memory(noted: &Cached) -> usize {
    NOTE + noted.octets
}
