//! Whatever a publisher, the network and the application do: no number leaves twice, none is left out by us.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::rtp::header::Header;

/// A subscriber's view: what left under each number, as octets.
struct Wire {
    slot: Slot,
    caches: BTreeMap<(TrackId, u8), Cache>,
    sent: BTreeMap<u64, (u32, Vec<u8>)>,
    rtx_numbers: BTreeSet<u64>,
}

impl Wire {
    /// What leaves, with the length of its header. None: it is too old, the cache has overwritten it.
    fn octets(&self, outgoing: &Outgoing) -> Option<(usize, Vec<u8>)> {
        let mut out = [0; 1_500];
        let cached = self.caches[&(outgoing.track, outgoing.encoding)].get(outgoing.source_seq)?;
        let (header, length) = packet::write(&mut out, &self.slot.spec, outgoing, cached, Some(1), 0);
        assert!(length <= packet::most_octets(&self.slot.spec, cached));
        Some((header, out[..length].to_vec()))
    }

    fn push(&mut self, sent: &Sent, recovered: bool) {
        let stored = Stored {
            timestamp: sent.timestamp,
            marker: sent.marker,
            payload_type: &sent.payload_type,
            audio_level: None,
            dependency_descriptor: &[],
            description: &sent.description,
        };
        let at = (self.slot.source().expect("it shows one"), sent.encoding);
        let cache = self.caches.entry(at).or_insert_with(|| Cache::new(true));
        cache.insert(ExtendedSeq(sent.seq), stored, &sent.payload, sent.at);
        let Some(outgoing) = self.slot.handle_packet(&sent.packet(recovered), sent.at) else {
            return;
        };
        self.first_time(&outgoing);
        let replay = self.slot.poll_replay().map_or(Vec::new(), |replay| replay.seqs.collect());
        for seq in replay {
            let Some(cached) = self.caches[&at].get(ExtendedSeq(seq)) else {
                continue;
            };
            if let Some(outgoing) = self.slot.handle_packet(&cached.packet(sent.encoding, None), sent.at) {
                self.first_time(&outgoing);
            }
        }
    }

    fn first_time(&mut self, outgoing: &Outgoing) {
        assert_eq!(outgoing.retransmission, None);
        let (header, octets) = self.octets(outgoing).expect("it is cached");
        let parsed = Header::parse(&octets).expect("what we write can be read");
        assert_eq!(
            (parsed.sequence, parsed.timestamp, parsed.length),
            (outgoing.seq.wire(), outgoing.timestamp, header)
        );
        let payload = octets[header..].to_vec();
        let before = self.sent.insert(outgoing.seq.0, (outgoing.timestamp, payload));
        assert_eq!(before, None, "number {} left twice", outgoing.seq.0);
    }

    fn nack(&mut self, seq: u64, now: Instant) {
        match self.slot.handle_nack(seq as u16, now, ROUND_TRIP) {
            Nack::Send(outgoing) => {
                let original = outgoing.retransmission.expect("only RTX sends again");
                assert_eq!((outgoing.ssrc, original, outgoing.payload_type), (0x5108, seq as u16, 121));
                assert!(self.rtx_numbers.insert(outgoing.seq.0), "an RTX number left twice");
                let Some((header, octets)) = self.octets(&outgoing) else { return };
                assert_eq!(octets[header..header + 2], original.to_be_bytes());
                assert_eq!((outgoing.timestamp, octets[header + 2..].to_vec()), self.sent[&seq]);
            }
            Nack::Missing { encoding, seq: source } => {
                assert!(!self.sent.contains_key(&seq));
                let at = (self.slot.source().expect("it shows one"), encoding);
                let Some(cached) = self.caches[&at].get(source) else {
                    return;
                };
                if let Some(outgoing) = self.slot.handle_packet(&cached.packet(encoding, None), now) {
                    assert_eq!(outgoing.seq.0, seq);
                    self.first_time(&outgoing);
                }
            }
            Nack::Ignore => {}
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Of an encoding: what, packets, and which of them get lost (and come late after so many steps, if below 8).
    Picture {
        encoding: u8,
        what: usize,
        packets: usize,
        lost: u8,
        after: usize,
    },
    Padding(u8),
    Ladder(usize),
    Track,
    Nack(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let picture = (0..3_u8, 0..6_usize, 1..5_usize, prop_oneof![3 => Just(0_u8), 1 => any::<u8>()], 0..10_usize)
        .prop_map(|(encoding, what, packets, lost, after)| Step::Picture { encoding, what, packets, lost, after });
    let step = prop_oneof![
        20 => picture,
        1 => (0..3_u8).prop_map(Step::Padding),
        2 => (0..5_usize).prop_map(Step::Ladder),
        1 => Just(Step::Track),
        6 => (0..40_u64).prop_map(Step::Nack),
    ];
    proptest::collection::vec(step, 1..250)
}

const PICTURES: [&str; 6] = ["key", "0", "2+", "1+", "2", "1"];

proptest! {
    #[test]
    fn whatever_happens_each_number_leaves_once_without_a_gap_of_our_making(
        steps in steps(),
        clocks in any::<bool>(),
        lossy in any::<bool>(),
    ) {
        let ladders = [vec![], ladder(&[(0, 2)]), ladder(&[(2, 2), (1, 1), (0, 0)]), ladder(&[(1, 0)]), ladder(&[(0, 1), (2, 2)])];
        let fresh = || [0, 1, 2].map(Source::new);
        let mut wire = Wire {
            slot: slot(Kind::Video),
            caches: BTreeMap::new(),
            sent: BTreeMap::new(),
            rtx_numbers: BTreeSet::new(),
        };
        wire.slot.set_ladder(ladders[2].clone());
        let mut sources = fresh();
        let mut waiting: Vec<(usize, Sent)> = Vec::new();
        let start = Instant::now();
        // Source packets lost so far, of any encoding: no more numbers than these may be missing.
        let mut missing = 0_u64;
        let mut track = 1;
        for (n, step) in steps.iter().enumerate() {
            let now = start + ms(11) * n as u32;
            let due: Vec<Sent> = waiting.extract_if(.., |(due, _)| *due <= n).map(|(_, sent)| sent).collect();
            for sent in &due {
                wire.push(sent, true);
            }
            match *step {
                Step::Picture { encoding, what, packets, lost, after } => {
                    let source = &mut sources[usize::from(encoding)];
                    source.clock = clocks.then(|| clock(Source::new(encoding).timestamp, ms(0)).expect("always"));
                    source.timestamp = Source::new(encoding).timestamp.wrapping_add(990 * n as u32);
                    for (i, sent) in source.picture(PICTURES[what], packets, now).into_iter().enumerate() {
                        if !lossy || lost >> i & 1 == 0 {
                            wire.push(&sent, false);
                            continue;
                        }
                        missing += 1;
                        if after < 8 {
                            waiting.push((n + 1 + after, sent));
                        }
                    }
                }
                Step::Padding(encoding) => {
                    let padding = sources[usize::from(encoding)].padding(now);
                    prop_assert_eq!(wire.slot.handle_packet(&padding.packet(false), now), None);
                }
                Step::Ladder(n) => wire.slot.set_ladder(ladders[n].clone()),
                Step::Track => {
                    track += 1;
                    wire.slot.set_source(Some(TrackId(track)), now);
                    sources = fresh();
                    waiting.clear();
                }
                Step::Nack(back) => {
                    let Some((&highest, _)) = wire.sent.last_key_value() else { continue };
                    wire.nack(highest.saturating_sub(back).max(FIRST), now);
                }
            }
            if let Some((&last, _)) = wire.sent.last_key_value() {
                let absent = last - FIRST + 1 - wire.sent.len() as u64;
                prop_assert!(absent <= missing, "{absent} numbers are missing, {missing} packets were lost");
            }
        }
        let timestamps: Vec<u32> = wire.sent.values().map(|(timestamp, _)| *timestamp).collect();
        for pair in timestamps.windows(2) {
            prop_assert!(pair[1].wrapping_sub(pair[0]) as i32 >= 0, "the timeline goes back");
        }
        prop_assert!(wire.rtx_numbers.iter().zip(77..).all(|(&seq, expected)| seq == expected));
    }
}
