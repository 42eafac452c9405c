//! Fast start: what is kept of an encoding since its last keyframe, so that who comes now has a picture before the
//! publisher could send another keyframe.
//!
//! All packets since the keyframe are noted, so that a slot can number what it leaves out; of those in upper temporal
//! layers no payload is kept: a slot that catches up shows the lowest one. Their timestamps are compressed, since they
//! all leave at once: at their own pace a receiver would play the past, and stay behind for as long as it is shown.
//!
//! ```text
//! source    K · · T0 · · T0 · · T0 · · T0|        |: the live edge, where the clocks of both agree
//! leaves                           K T0T0T0T0| T0 · · …
//! ```

use crate::receive::cache::{Cached, Stored};
use crate::rtp::clock::SenderClock;
use crate::rtp::sequence::ExtendedSeq;
use crate::send::passing::Packet;
use crate::send::selector;
use crate::time::{Duration, Instant, ms};

/// A keyframe that is older is not worth what leads from it to now. Hardware encoders make one each 10 s at the latest.
const MOST_AGE: Duration = ms(12_000);
/// On the compressed timeline, from the keyframe to the live edge at most: a receiver that takes the first for live will
/// play everything so much later.
const LONGEST_SPAN: Duration = ms(40);
/// The timeline is compressed by no more: frames of 90 a second are still two ticks apart.
const MOST_COMPRESSED: u32 = 500;
/// What a packet takes beside its payload.
const NOTE: usize = size_of::<Noted>();

#[derive(Debug)]
struct Noted {
    /// Without its payload, if that is not kept.
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

/// Of one encoding, for all its subscribers.
#[derive(Debug, Default)]
pub struct Start {
    /// By sequence number, the keyframe's first packet first.
    noted: Vec<Noted>,
    /// Used again.
    spare: Vec<Noted>,
    /// Octets of the payloads that are kept, and packets that have theirs.
    octets: usize,
    whole: usize,
    /// Octets of memory that `noted` and `spare` take.
    held: usize,
    /// The newest packet that came, noted or not: of a keyframe that came late, what is behind it may not be.
    newest: ExtendedSeq,
}

impl Start {
    /// Takes note of a packet, in any order. `most`: octets to take in memory; if it would take more, it forgets
    /// everything up to the next keyframe.
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

    /// Whether there is a keyframe and everything since.
    pub fn is_whole(&self) -> bool {
        let first = self.noted.first().map(|first| first.cached.seq.0);
        first.is_some_and(|first| first + self.noted.len() as u64 == self.newest.0 + 1)
    }

    pub fn is_empty(&self) -> bool {
        self.noted.is_empty()
    }

    /// Packets, also those of which no payload is kept.
    pub fn len(&self) -> usize {
        self.noted.len()
    }

    /// Those with a payload.
    pub fn packets_to_send(&self) -> usize {
        self.whole
    }

    /// Octets that leave if all that is kept is sent, each packet with what is added to its payload. The work is a step
    /// for each packet, also for those of which no payload is kept.
    pub fn cost(&self, overhead: usize) -> usize {
        self.octets + self.noted.len() * overhead
    }

    /// How long ago its keyframe began to arrive.
    pub fn age(&self, now: Instant) -> Duration {
        self.noted.first().map_or(Duration::MAX, |first| now.saturating_duration_since(first.cached.received))
    }

    /// How long it takes to send what is kept, at `rate` bits a second.
    pub fn time_to_send(&self, rate: u64) -> Duration {
        Duration::from_micros(self.octets as u64 * 8 * 1_000_000 / rate.max(1))
    }

    /// Octets of memory it takes, and keeps for the next keyframe.
    pub fn memory(&self) -> usize {
        self.held
    }

    /// Everything up to the next keyframe, and its memory.
    pub fn forget(&mut self) {
        *self = Self { newest: self.newest, ..Self::default() };
    }

    /// Gives back what is of no use: a keyframe that is too old, and memory of those before it.
    pub fn trim(&mut self, now: Instant) {
        if self.age(now) > MOST_AGE {
            self.forget();
        }
        if self.spare.len() > self.noted.len() {
            self.drop_spare();
        }
    }

    /// A packet with its payload.
    pub fn get(&self, seq: ExtendedSeq) -> Option<&Cached> {
        let noted = &self.noted[self.place(seq).ok()?];
        noted.is_whole().then_some(&noted.cached)
    }

    /// What is noted behind a packet.
    pub fn behind(&mut self, seq: ExtendedSeq) -> impl Iterator<Item = &mut Cached> {
        self.noted.iter_mut().map(|noted| &mut noted.cached).filter(move |cached| cached.seq > seq)
    }

    /// How a slot catches up with the live edge, where sending all that is kept takes `time`, and as far as there is
    /// `room` on its timeline behind what it has shown up to now.
    pub fn compression(&self, encoding: u8, time: Duration, room: Duration, now: Instant) -> Option<Compression> {
        let (first, last) = (&self.noted.first()?.cached, &self.noted.last()?.cached);
        // In H.264 a later picture may be of an earlier time.
        let behind = |cached: &Cached| first.timestamp.wrapping_sub(cached.timestamp) as i32;
        let edge = self.noted.iter().rev().map(|noted| &noted.cached).min_by_key(|cached| behind(cached))?;
        let ticks = edge.timestamp.wrapping_sub(first.timestamp);
        // The edge itself came a little ago.
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

    /// All packets, as a slot takes them while it catches up.
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

    /// Parameter sets and the first slice of one keyframe are both said to begin it (RFC 6184).
    fn continues_keyframe(&self, packet: &Packet) -> bool {
        let first = self.noted.first().map(|first| &first.cached);
        first.is_some_and(|first| first.timestamp == packet.timestamp && first.seq < packet.seq)
    }

    /// What is newer than a keyframe that came late stays.
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

/// How the timeline of one encoding up to its live edge is compressed: linearly, towards the edge.
#[derive(Clone, Copy, Debug)]
pub struct Compression {
    encoding: u8,
    /// Older packets left at their own time, if they did; newer ones are live.
    first: ExtendedSeq,
    last: ExtendedSeq,
    /// The live edge: the newest timestamp, and when it came.
    timestamp: u32,
    received: Instant,
    /// Hz.
    rate: u32,
    /// So many ticks become so many.
    from: u32,
    to: u32,
    /// The slot's number from which on it leaves so.
    since: ExtendedSeq,
}

impl Compression {
    pub fn encoding(&self) -> u8 {
        self.encoding
    }

    /// The same for a slot whose next number is `since`.
    pub fn since(self, since: ExtendedSeq) -> Self {
        Self { since, ..self }
    }

    /// Whether a packet is of what was caught up with. One that comes late must leave at the time of its frame.
    pub fn covers(&self, packet: &Packet) -> bool {
        packet.encoding == self.encoding && (self.first..=self.last).contains(&packet.seq)
    }

    /// A packet that comes late, and leaves as number `seq`, at the time at which its frame left: what was caught up with
    /// left at a compressed one; before that, the same packets left at their own.
    pub fn at_its_time<'a>(&self, packet: &Packet<'a>, seq: ExtendedSeq) -> Packet<'a> {
        let caught_up = seq >= self.since;
        let timestamp = if caught_up { self.timestamp(packet.timestamp) } else { packet.timestamp };
        Packet { timestamp, ..*packet }
    }

    pub fn timestamp(&self, timestamp: u32) -> u32 {
        self.timestamp.wrapping_sub(self.ticks_behind(timestamp))
    }

    /// When a packet would have come, had it been sent at the time that its timestamp now tells.
    fn received(&self, timestamp: u32) -> Instant {
        let micros = u64::from(self.ticks_behind(timestamp)) * 1_000_000 / u64::from(self.rate.max(1));
        self.received.checked_sub(Duration::from_micros(micros)).unwrap_or(self.received)
    }

    fn ticks_behind(&self, timestamp: u32) -> u32 {
        let behind = (self.timestamp.wrapping_sub(timestamp) as i32).max(0);
        (u64::from(behind.unsigned_abs()) * u64::from(self.to) / u64::from(self.from)) as u32
    }
}
