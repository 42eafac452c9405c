//! The sent octets of a slot, stored to compare retransmissions with them.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::rtp::elements;
use crate::rtp::header::{FIXED, Header};
use crate::send::compression::Compression;
use crate::send::redundancy::{Copies, Earlier};

const VARIED: Varied = Varied { transport_sequence: Some(1), abs_send_time: 0, padding: 0 };

/// A subscriber's view: the octets sent under each number.
pub(super) struct Wire {
    pub slot: Slot,
    caches: BTreeMap<(TrackId, EncodingId), Cache>,
    starts: BTreeMap<(TrackId, EncodingId), Start>,
    /// Timestamp and payload.
    pub sent: BTreeMap<u64, (u32, Vec<u8>)>,
    /// The whole packet, and where its payload begins.
    pub packets: BTreeMap<u64, (Vec<u8>, Header)>,
    /// Encoding and number of the source packet.
    pub sources: BTreeMap<u64, (u8, u64)>,
    pub rtx_numbers: BTreeSet<u64>,
    /// The arrival of the last packet.
    alone: bool,
    /// The number of earlier packets that are copied into a packet.
    pub distance: u8,
}

impl Wire {
    pub fn new(slot: Slot) -> Self {
        let (caches, starts, sources) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (sent, packets, rtx_numbers) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { slot, caches, starts, sent, packets, sources, rtx_numbers, alone: false, distance: 0 }
    }

    /// The sent packet with the length of its header. None: the cache has overwritten it.
    fn octets(&self, outgoing: &Outgoing) -> Option<(usize, Vec<u8>)> {
        let mut out = [0; 1_500];
        let (at, seq) = ((outgoing.track, outgoing.encoding), outgoing.source_seq);
        let cache = &self.caches[&at];
        let cached = cache.get(seq).or_else(|| self.starts[&at].get(seq))?;
        let earlier = match outgoing.patch {
            Patch::RedMade { earlier, .. } => redundancy::earlier(seq, earlier, |seq| cache.get(seq))?,
            _ => Earlier::default(),
        };
        let (header, length) = packet::write(&mut out, &self.slot.spec, outgoing, cached, &earlier, &VARIED);
        assert!(length <= packet::most_octets(&self.slot.spec, cached, &earlier));
        Some((header, out[..length].to_vec()))
    }

    pub fn push(&mut self, sent: &Sent, recovered: bool) {
        let arrival = sent.arrival();
        self.alone = sent.alone;
        let at = (self.slot.source().expect("it shows one"), id(sent.encoding));
        let cache = self.caches.entry(at).or_insert_with(|| Cache::new(true));
        cache.insert(ExtendedSeq(sent.seq), &arrival, &sent.description, sent.at);
        let start = self.starts.entry(at).or_default();
        start.insert(ExtendedSeq(sent.seq), &arrival, &sent.description, sent.at, 10_000_000);
        let packet = Packet { copies: self.copies(at, sent.seq), ..sent.packet(recovered) };
        if let Some(outgoing) = self.slot.handle_packet(&packet, sent.at) {
            self.first_time(&outgoing);
            self.replay(at, sent.at);
        }
    }

    /// Starts a waiting slot from the cached packets of an encoding, if none is missing.
    pub fn catch_up(&mut self, encoding: u8, now: Instant) -> bool {
        let encoding = id(encoding);
        let at = (self.slot.source().expect("it shows one"), encoding);
        let waits = self.slot.wanted_keyframe().is_some() && self.slot.encoding() != Some(encoding);
        let Some(start) = self.starts.get(&at).filter(|start| waits && start.is_whole()) else {
            return false;
        };
        let span = start.span().expect("something is kept");
        let compression = Compression::new(&span, encoding, start.time_to_send(10_000_000), self.slot.room(now), now);
        let mut left = Vec::new();
        let packets = start.packets(encoding, self.alone, None);
        let began = self.slot.catch_up(compression, packets, now, |outgoing, _| left.push(outgoing));
        left.iter().for_each(|outgoing| self.first_time(outgoing));
        assert_eq!(began, !left.is_empty());
        began
    }

    /// The earlier packets, as the plane looks them up.
    fn copies(&self, at: (TrackId, EncodingId), seq: u64) -> Option<Copies> {
        let cached = self.caches[&at].get(ExtendedSeq(seq))?;
        (self.distance > 0).then(|| redundancy::copies(cached, self.distance, &self.caches[&at]))
    }

    /// Sends the packets that arrived before their picture's first packet.
    fn replay(&mut self, at: (TrackId, EncodingId), now: Instant) {
        let replay = self.slot.poll_replay().map_or(Vec::new(), |replay| replay.seqs.collect());
        for seq in replay {
            let Some(cached) = self.caches[&at].get(ExtendedSeq(seq)) else {
                continue;
            };
            let packet = Packet { alone: self.alone, ..Packet::again(cached, at.1, None) };
            if let Some(outgoing) = self.slot.handle_packet(&packet, now) {
                self.first_time(&outgoing);
            }
        }
    }

    /// The dependency descriptor sent under a number.
    pub fn descriptor(&self, seq: u64) -> Option<&[u8]> {
        let (octets, header) = &self.packets[&seq];
        elements::read(&self.slot.spec.extensions, header, octets).expect("extensions").dependency_descriptor
    }

    fn first_time(&mut self, outgoing: &Outgoing) {
        assert!(outgoing.transmission.is_first());
        let (header, octets) = self.octets(outgoing).expect("it is cached");
        let parsed = Header::parse(&octets).expect("what we write can be read");
        assert_eq!(
            (parsed.sequence, parsed.timestamp, parsed.length),
            (outgoing.seq.wire(), outgoing.timestamp, header)
        );
        let payload = octets[header..].to_vec();
        self.sources.insert(outgoing.seq.0, (outgoing.encoding.place() as u8, outgoing.source_seq.0));
        self.packets.insert(outgoing.seq.0, (octets, parsed));
        let before = self.sent.insert(outgoing.seq.0, (outgoing.timestamp, payload));
        assert_eq!(before, None, "number {} left twice", outgoing.seq.0);
    }

    pub fn nack(&mut self, seq: u64, now: Instant) {
        match self.slot.handle_nack(seq as u16, now, ROUND_TRIP) {
            Nack::Send(outgoing) => {
                let Transmission::Rtx(original) = outgoing.transmission else {
                    panic!("sent again by {:?}", outgoing.transmission)
                };
                assert_eq!((outgoing.ssrc, original, outgoing.payload_type), (0x5108, seq as u16, 121));
                assert!(self.rtx_numbers.insert(outgoing.seq.0), "an RTX number left twice");
                let Some((header, octets)) = self.octets(&outgoing) else { return };
                assert_eq!(octets[header..header + 2], original.to_be_bytes());
                assert_eq!((outgoing.timestamp, octets[header + 2..].to_vec()), self.sent[&seq]);
                let (first, length) = (&self.packets[&seq].0, self.packets[&seq].1.length);
                assert_eq!(octets[FIXED..header], first[FIXED..length], "header extensions as they were");
                assert_eq!(octets[1] & 0x80, first[1] & 0x80, "and the marker");
            }
            Nack::Missing { encoding, seq: source } => {
                assert!(!self.sent.contains_key(&seq));
                let at = (self.slot.source().expect("it shows one"), encoding);
                let Some(cached) = self.caches[&at].get(source) else {
                    return;
                };
                let copies = self.copies(at, source.0);
                let packet = Packet { alone: self.alone, copies, ..Packet::again(cached, encoding, None) };
                if let Some(outgoing) = self.slot.handle_packet(&packet, now) {
                    // A keyframe may be what it waits for, and begins a picture of its own.
                    let begins = self.sent.last_key_value().is_none_or(|(&last, _)| outgoing.seq.0 > last);
                    assert!(outgoing.seq.0 == seq || begins);
                    self.first_time(&outgoing);
                    self.replay(at, now);
                }
            }
            Nack::Ignore => {}
        }
    }
}
