//! The packets of one encoding as received, for all its subscribers. Packets and their retransmissions (RFC 4588) are
//! written from here.

use crate::codec::{Description, PayloadType};
use crate::limits::{CACHED_AUDIO, CACHED_FOR, CACHED_VIDEO};
use crate::receive::arrival::Arrival;
use crate::rtp::sequence::ExtendedSeq;
use crate::time::{Duration, Instant, ms};

/// The first length of the ring. It doubles while packets younger than [`CACHED_FOR`] would be overwritten.
pub const FIRST_ROOM: usize = 32;
/// After a pause this long the cache is freed, and no retransmissions are requested. Until then the last packets before
/// a pause may be: of a still screen only the next packet shows that they were lost.
pub const LONGEST_PAUSE: Duration = ms(12_000);

/// One decrypted packet. Its buffers are reused for a later packet.
#[derive(Debug)]
pub struct Cached {
    pub seq: ExtendedSeq,
    pub timestamp: u32,
    pub marker: bool,
    pub payload_type: PayloadType,
    /// As written by [`Passed::store`](crate::rtp::passed::Passed::store).
    pub passed: Vec<u8>,
    pub dependency_descriptor: Vec<u8>,
    pub parameter_sets: Vec<u8>,
    pub description: Description,
    /// Empty if only its length is kept.
    pub payload: Vec<u8>,
    /// Octets of the payload as it arrived.
    pub payload_length: usize,
    pub received: Instant,
    /// Octets of its buffers and of its description's structure.
    pub octets: usize,
}

impl Cached {
    pub fn new(seq: ExtendedSeq, arrival: &Arrival, description: &Description, now: Instant) -> Self {
        let mut passed = Vec::new();
        arrival.passed.store(&mut passed);
        let mut cached = Self {
            seq,
            timestamp: arrival.timestamp,
            marker: arrival.marker,
            payload_type: *arrival.payload_type,
            passed,
            dependency_descriptor: arrival.dependency_descriptor.unwrap_or_default().to_vec(),
            parameter_sets: arrival.parameter_sets.to_vec(),
            description: description.clone(),
            payload: arrival.payload.to_vec(),
            payload_length: arrival.payload.len(),
            received: now,
            octets: 0,
        };
        cached.octets = cached.count();
        cached
    }

    /// Replaces the packet by another one, in the same buffers.
    pub fn replace(&mut self, seq: ExtendedSeq, arrival: &Arrival, description: &Description, now: Instant) {
        self.seq = seq;
        self.timestamp = arrival.timestamp;
        self.marker = arrival.marker;
        self.payload_type = *arrival.payload_type;
        arrival.passed.store(&mut self.passed);
        self.dependency_descriptor.clear();
        self.dependency_descriptor.extend_from_slice(arrival.dependency_descriptor.unwrap_or_default());
        self.parameter_sets.clear();
        self.parameter_sets.extend_from_slice(arrival.parameter_sets);
        self.description.clone_from(description);
        self.payload.clear();
        self.payload.extend_from_slice(arrival.payload);
        self.payload_length = arrival.payload.len();
        self.received = now;
        self.octets = self.count();
    }

    /// True if its payload is stored.
    pub fn is_whole(&self) -> bool {
        self.payload.len() == self.payload_length
    }

    fn count(&self) -> usize {
        let structure = self.description.dependency.as_ref().filter(|frame| frame.structure_attached);
        self.payload.capacity()
            + self.passed.capacity()
            + self.dependency_descriptor.capacity()
            + self.parameter_sets.capacity()
            + structure.map_or(0, |frame| frame.structure.octets())
    }
}

/// A ring indexed by sequence number. Its length follows the packet rate: it holds about one second.
#[derive(Debug)]
pub struct Cache {
    ring: Vec<Option<Cached>>,
    most: usize,
    /// Octets of the packets in the ring, without the ring itself.
    octets: usize,
    /// When the last packet was inserted.
    newest: Option<Instant>,
}

impl Cache {
    pub fn new(video: bool) -> Self {
        Self { ring: Vec::new(), most: if video { CACHED_VIDEO } else { CACHED_AUDIO }, octets: 0, newest: None }
    }

    /// Stores a packet, unless its place in the ring holds a newer one.
    pub fn insert(&mut self, seq: ExtendedSeq, arrival: &Arrival, description: &Description, now: Instant) {
        if self.ring.is_empty() {
            self.ring.resize_with(FIRST_ROOM, || None);
        }
        while self.ring.len() < self.most && self.would_lose_a_young_packet(seq, now) {
            self.double();
        }
        self.newest = Some(now);
        let place = self.place(seq);
        let kept = match &mut self.ring[place] {
            Some(cached) if cached.seq >= seq => return,
            Some(cached) => {
                self.octets -= cached.octets;
                cached.replace(seq, arrival, description, now);
                cached
            }
            empty => empty.insert(Cached::new(seq, arrival, description, now)),
        };
        self.octets += kept.octets;
    }

    /// Octets of memory.
    pub fn memory(&self) -> usize {
        self.octets + self.ring.len() * size_of::<Option<Cached>>()
    }

    /// Frees memory that the rate of the last second does not need; everything after a long pause.
    pub fn trim(&mut self, now: Instant) {
        if self.newest.is_some_and(|newest| now.saturating_duration_since(newest) >= LONGEST_PAUSE) {
            self.clear();
        }
        let young = |cached: &&Cached| now.saturating_duration_since(cached.received) < CACHED_FOR;
        let needed = self.ring.iter().flatten().filter(young).count();
        while self.ring.len() > FIRST_ROOM && needed * 4 <= self.ring.len() {
            self.halve();
        }
    }

    /// Frees the older half, or everything if the ring has its first length.
    pub fn halve(&mut self) {
        if self.ring.len() <= FIRST_ROOM {
            return self.clear();
        }
        let length = self.ring.len() / 2;
        self.resize(length);
    }

    fn clear(&mut self) {
        *self = Self { ring: Vec::new(), octets: 0, newest: None, ..*self };
    }

    pub fn get(&self, seq: ExtendedSeq) -> Option<&Cached> {
        if self.ring.is_empty() {
            return None;
        }
        self.ring[self.place(seq)].as_ref().filter(|cached| cached.seq == seq)
    }

    pub fn get_mut(&mut self, seq: ExtendedSeq) -> Option<&mut Cached> {
        if self.ring.is_empty() {
            return None;
        }
        let place = self.place(seq);
        self.ring[place].as_mut().filter(|cached| cached.seq == seq)
    }

    /// The number of stored packets.
    pub fn len(&self) -> usize {
        self.ring.iter().flatten().count()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn place(&self, seq: ExtendedSeq) -> usize {
        // Lengths are powers of two.
        seq.0 as usize & (self.ring.len() - 1)
    }

    fn would_lose_a_young_packet(&self, seq: ExtendedSeq, now: Instant) -> bool {
        self.ring[self.place(seq)]
            .as_ref()
            .is_some_and(|cached| cached.seq != seq && now.saturating_duration_since(cached.received) < CACHED_FOR)
    }

    fn double(&mut self) {
        let length = (self.ring.len() * 2).max(FIRST_ROOM);
        self.resize(length);
    }

    /// Changes the length. Of two packets for one place the newer one is kept.
    fn resize(&mut self, length: usize) {
        let mut ring: Vec<Option<Cached>> = Vec::new();
        ring.resize_with(length, || None);
        let before = std::mem::replace(&mut self.ring, ring);
        for cached in before.into_iter().flatten() {
            let place = self.place(cached.seq);
            if self.ring[place].as_ref().is_none_or(|kept| kept.seq < cached.seq) {
                self.ring[place] = Some(cached);
            }
        }
        self.octets = self.ring.iter().flatten().map(|cached| cached.octets).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Codec;

    const VP8: PayloadType =
        PayloadType { number: 96, codec: Codec::Vp8, format: 0, clock_rate: 90_000, rtx: Some(97) };

    fn insert(cache: &mut Cache, seq: u64, payload: &[u8], now: Instant) {
        let arrival = Arrival { timestamp: seq as u32, ..Arrival::of(&VP8, payload, now) };
        cache.insert(ExtendedSeq(seq), &arrival, &Description::default(), now);
    }

    fn payload(cache: &Cache, seq: u64) -> Option<&[u8]> {
        cache.get(ExtendedSeq(seq)).map(|cached| cached.payload.as_slice())
    }

    #[test]
    fn a_packet_is_found_by_its_number_and_by_no_other() {
        let (mut cache, now) = (Cache::new(true), Instant::now());
        assert_eq!(payload(&cache, 7), None);
        insert(&mut cache, 65_543, b"seven", now);
        assert_eq!(payload(&cache, 65_543), Some(&b"seven"[..]));
        assert_eq!(payload(&cache, 7), None, "the same number on the wire, one rollover before");
    }

    #[test]
    fn a_late_packet_does_not_overwrite_a_newer_one() {
        let (mut cache, now) = (Cache::new(true), Instant::now());
        insert(&mut cache, 5 + FIRST_ROOM as u64, b"new", now);
        insert(&mut cache, 5, b"old", now + CACHED_FOR);
        assert_eq!(payload(&cache, 5 + FIRST_ROOM as u64), Some(&b"new"[..]));
        assert_eq!(payload(&cache, 5), None);
    }

    #[test]
    fn memory_follows_the_rate_and_holds_a_second_of_it() {
        for (interval, packets) in [(ms(33), FIRST_ROOM), (ms(10), 128), (ms(2), 512)] {
            let (mut cache, start) = (Cache::new(true), Instant::now());
            for seq in 0..2_000 {
                insert(&mut cache, seq, b"payload", start + interval * seq as u32);
            }
            assert_eq!(cache.len(), packets, "one packet each {interval:?}");
        }
    }

    #[test]
    fn a_flood_takes_no_more_than_the_most() {
        let (mut cache, now) = (Cache::new(true), Instant::now());
        for seq in 0..5_000 {
            insert(&mut cache, seq, b"payload", now);
        }
        assert_eq!(cache.len(), CACHED_VIDEO);
        assert!(payload(&cache, 5_000 - CACHED_VIDEO as u64).is_some());
        assert!(payload(&cache, 4_999 - CACHED_VIDEO as u64).is_none());
    }

    #[test]
    fn memory_shrinks_with_the_rate_and_the_last_packets_stay_for_a_while() {
        let (mut cache, start) = (Cache::new(true), Instant::now());
        let mut now = start;
        (0..2_000).for_each(|seq| {
            now = start + ms(1) * seq as u32;
            insert(&mut cache, seq, &[1; 1_000], now);
        });
        assert!(cache.memory() > CACHED_VIDEO * 1_000, "{}", cache.memory());
        // One packet each 20 ms: 50 a second.
        for seq in 2_000..2_100 {
            now += ms(20);
            insert(&mut cache, seq, &[1; 1_000], now);
        }
        cache.trim(now);
        assert_eq!(cache.ring.len(), 128);
        assert!((2_050..2_100).all(|seq| payload(&cache, seq).is_some()), "a second of it");
        let counted: usize = cache.ring.iter().flatten().map(|cached| cached.octets).sum();
        assert_eq!(cache.octets, counted);
        now += ms(2_000);
        cache.trim(now);
        assert_eq!((cache.ring.len(), cache.len()), (FIRST_ROOM, FIRST_ROOM));
        assert!(payload(&cache, 2_099).is_some(), "the last one");
        cache.trim(now + LONGEST_PAUSE);
        assert_eq!(cache.memory(), 0);
        insert(&mut cache, 2_100, b"on", now + LONGEST_PAUSE);
        assert_eq!(payload(&cache, 2_100), Some(&b"on"[..]));
    }

    #[test]
    fn what_a_steady_rate_needs_is_not_given_back() {
        let (mut cache, start) = (Cache::new(true), Instant::now());
        for seq in 0..3_000 {
            let now = start + ms(3) * seq as u32;
            insert(&mut cache, seq, b"payload", now);
            if seq > 500 {
                cache.trim(now);
                assert!(payload(&cache, seq - 300).is_some());
            }
        }
    }

    #[test]
    fn a_buffer_is_used_again() {
        let (mut cache, now) = (Cache::new(true), Instant::now());
        insert(&mut cache, 0, &[1; 1_200], now);
        let before = cache.get(ExtendedSeq(0)).map(|cached| cached.payload.as_ptr());
        insert(&mut cache, FIRST_ROOM as u64, &[2; 1_000], now + CACHED_FOR);
        assert_eq!(cache.get(ExtendedSeq(FIRST_ROOM as u64)).map(|cached| cached.payload.as_ptr()), before);
    }
}
