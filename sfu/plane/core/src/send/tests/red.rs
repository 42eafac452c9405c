//! Redundant audio (RFC 2198) for a subscriber: from plain opus and from RED, with and without losses.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::wire::Wire;
use super::*;
use crate::event::Cause;

/// The subscriber's payload types: opus 109, and RED 108 of it.
fn spec_with(codecs: &[Codec]) -> SlotSpec {
    let known = [(Codec::Opus, 109), (Codec::Red, 108)];
    let payload_types = known.into_iter().filter(|(codec, _)| codecs.contains(codec));
    let payload_types =
        payload_types.map(|(codec, number)| PayloadType { number, codec, rtx: Some(121), ..OPUS }).collect();
    SlotSpec { payload_types, ..spec(Kind::Audio) }
}

fn wire(codecs: &[Codec], distance: u8) -> Wire {
    let mut slot = Slot::new(spec_with(codecs), FIRST as u16, 77, FIRST_TIMESTAMP);
    slot.set_source(Some(TrackId(1)), FLOWS);
    let mut wire = Wire::new(slot);
    wire.distance = distance;
    wire
}

/// A publisher of distinct opus packets.
struct Voice {
    source: Source,
    now: Instant,
}

impl Voice {
    fn new() -> Self {
        Self { source: Source::new(0), now: Instant::now() }
    }

    fn next(&mut self) -> Sent {
        self.now += ms(20);
        let sent = self.source.sound(self.now);
        Sent { payload: sent.seq.to_be_bytes()[6..].to_vec(), ..sent }
    }

    /// The next packet after a silence that is not sent (DTX).
    fn pause(&mut self, time: Duration) {
        self.now += time;
        self.source.timestamp = self.source.timestamp.wrapping_add((time.as_millis() * 48) as u32);
    }
}

#[derive(PartialEq, Eq, Debug)]
struct Block {
    /// Ticks before the packet.
    offset: u32,
    payload: Vec<u8>,
}

/// The blocks of a RED payload by RFC 2198, the packet itself last.
fn blocks(payload: &[u8]) -> Vec<Block> {
    let (mut at, mut lengths) = (0, Vec::new());
    while payload[at] & 0x80 != 0 {
        assert_eq!(payload[at] & 0x7F, 109, "the subscriber's number for opus");
        let rest = u32::from_be_bytes([0, payload[at + 1], payload[at + 2], payload[at + 3]]);
        lengths.push((rest >> 10, (rest & 0x3FF) as usize));
        at += 4;
    }
    assert_eq!(payload[at], 109);
    at += 1;
    let copies: usize = lengths.iter().map(|&(_, length)| length).sum();
    lengths.push((0, payload.len() - at - copies));
    let mut blocks = Vec::new();
    for (offset, length) in lengths {
        blocks.push(Block { offset, payload: payload[at..at + length].to_vec() });
        at += length;
    }
    blocks
}

/// The age in ticks of the copies in each packet, by its sent number.
fn offsets(wire: &Wire) -> Vec<(u64, Vec<u32>)> {
    let of = |payload: &[u8]| blocks(payload).iter().rev().skip(1).map(|block| block.offset).collect();
    wire.sent.iter().map(|(seq, (_, payload))| (seq - FIRST, of(payload))).collect()
}

#[test]
fn plain_opus_leaves_with_the_packets_before_it_for_whoever_takes_red() {
    let (mut wire, mut voice) = (wire(&[Codec::Opus, Codec::Red], 2), Voice::new());
    let said: Vec<Sent> = (0..4).map(|_| voice.next()).collect();
    said.iter().for_each(|sent| wire.push(sent, false));
    let expected = [(0, vec![]), (1, vec![960]), (2, vec![960, 1_920]), (3, vec![960, 1_920])];
    assert_eq!(offsets(&wire), expected);
    for (index, sent) in said.iter().enumerate() {
        let (packet, header) = &wire.packets[&(FIRST + index as u64)];
        assert_eq!((header.payload_type, header.marker), (108, index == 0));
        let blocks = blocks(&packet[header.length..]);
        let of: Vec<_> = blocks.iter().map(|block| block.payload.clone()).collect();
        let before = index.saturating_sub(2)..=index;
        assert_eq!(of, said[before].iter().map(|sent| sent.payload.clone()).collect::<Vec<_>>());
        assert_eq!(blocks.last().expect("there is one").payload, sent.payload);
    }
}

#[test]
fn nothing_is_made_of_it_for_whoever_takes_none_nor_where_it_shall_not_be() {
    for (codecs, distance, number) in
        [(&[Codec::Opus][..], 2, 109), (&[Codec::Opus, Codec::Red], 0, 109), (&[Codec::Opus, Codec::Red], 1, 108)]
    {
        let (mut wire, mut voice) = (wire(codecs, distance), Voice::new());
        let said: Vec<Sent> = (0..2).map(|_| voice.next()).collect();
        said.iter().for_each(|sent| wire.push(sent, false));
        let (packet, header) = &wire.packets[&(FIRST + 1)];
        assert_eq!(header.payload_type, number);
        assert_eq!(packet[header.length..] == said[1].payload, number == 109);
    }
}

#[test]
fn a_publishers_own_redundancy_passes_or_is_taken_off() {
    let red = b"\xEF\x0F\x00\x03\x6Foldnewest";
    for (codecs, number, expected) in
        [(&[Codec::Opus, Codec::Red][..], 108, &b"\xED\x0F\x00\x03\x6Doldnewest"[..]), (&[Codec::Opus], 109, b"newest")]
    {
        let (mut wire, mut voice) = (wire(codecs, 2), Voice::new());
        for _ in 0..3 {
            wire.push(&Sent { payload_type: RED, payload: red.to_vec(), ..voice.next() }, false);
        }
        let (packet, header) = &wire.packets[&(FIRST + 2)];
        assert_eq!((header.payload_type, &packet[header.length..]), (number, expected));
    }
}

#[test]
fn who_takes_neither_is_told_so() {
    let (mut wire, mut voice) = (wire(&[], 2), Voice::new());
    wire.push(&voice.next(), false);
    assert!(matches!(wire.slot.poll_event(), Some(SlotEvent::Refused { .. })));
    assert!(wire.sent.is_empty());
}

#[test]
fn after_a_silence_that_was_not_sent_nothing_before_it_goes_along() {
    let (mut wire, mut voice) = (wire(&[Codec::Opus, Codec::Red], 2), Voice::new());
    for pause in [0, 0, 300, 400, 0] {
        voice.pause(ms(pause));
        wire.push(&voice.next(), false);
    }
    // 16,320 ticks are 340 ms.
    let expected = [(0, vec![]), (1, vec![960]), (2, vec![15_360, 16_320]), (3, vec![]), (4, vec![960])];
    assert_eq!(offsets(&wire), expected);
}

#[test]
fn what_another_source_said_before_goes_along_with_nothing() {
    let (mut wire, mut voice) = (wire(&[Codec::Opus, Codec::Red], 2), Voice::new());
    (0..3).for_each(|_| wire.push(&voice.next(), false));
    wire.slot.set_source(Some(TrackId(2)), FLOWS);
    (0..2).for_each(|_| wire.push(&voice.next(), false));
    assert_eq!(offsets(&wire)[3..], [(3, vec![]), (4, vec![960])]);
}

#[test]
fn a_source_that_was_held_back_begins_a_talkspurt_under_the_next_number() {
    let (mut wire, mut voice) = (wire(&[Codec::Opus, Codec::Red], 2), Voice::new());
    let before = [voice.next(), voice.next()];
    before.iter().for_each(|sent| wire.push(sent, false));
    assert!(matches!(wire.slot.poll_event(), Some(SlotEvent::Switched { cause: Cause::None, .. })));
    for _ in 0..10 {
        voice.next();
    }
    wire.slot.source_resumed();
    let after = [voice.next(), voice.next()];
    after.iter().for_each(|sent| wire.push(sent, false));
    assert_eq!(offsets(&wire), [(0, vec![]), (1, vec![960]), (2, vec![]), (3, vec![960])]);
    let heads: Vec<_> = wire.packets.values().map(|(_, header)| (header.marker, header.timestamp)).collect();
    let since = |n: usize| heads[n].1.wrapping_sub(heads[0].1);
    assert_eq!(
        [0, 1, 2, 3].map(|n| (heads[n].0, since(n))),
        [(true, 0), (false, 960), (true, 11_520), (false, 12_480)]
    );
    assert_eq!(wire.slot.poll_event(), None, "for the application nothing is different");
}

proptest! {
    /// With losses, late packets and retransmissions: every copy is of an earlier packet, and a retransmission is
    /// identical.
    #[test]
    fn copies_are_true_and_a_retransmission_repeats_the_first_transmission(
        distance in 1..=2_u8,
        steps in prop::collection::vec((0..8_u8, 0..500_u64), 1..300),
    ) {
        let (mut wire, mut voice) = (wire(&[Codec::Opus, Codec::Red], distance), Voice::new());
        let mut said: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        let mut say = |voice: &mut Voice| {
            let sent = voice.next();
            said.insert(sent.timestamp, sent.payload.clone());
            sent
        };
        let mut late: Vec<Sent> = Vec::new();
        for (step, number) in steps {
            match step {
                0 => late.push(say(&mut voice)),
                1 if !late.is_empty() => {
                    let sent = late.remove(number as usize % late.len());
                    wire.push(&sent, true);
                }
                2 => voice.pause(ms(number)),
                3 | 4 => {
                    let newest = wire.sent.last_key_value().map_or(FIRST, |(&seq, _)| seq);
                    wire.nack(newest.saturating_sub(number % 140), voice.now);
                }
                5 if number % 10 == 0 => wire.slot.source_resumed(),
                _ => {
                    let sent = say(&mut voice);
                    wire.push(&sent, false);
                }
            }
        }
        for (_, payload) in wire.sent.values() {
            let blocks = blocks(payload);
            prop_assert!(blocks.len() <= usize::from(distance) + 1);
            let last = blocks.last().expect("there is one");
            // The payload identifies the packet; its copies are of the same timeline.
            let (&own, _) = said.iter().find(|(_, payload)| **payload == last.payload).expect("it was said");
            for block in &blocks[..blocks.len() - 1] {
                prop_assert!((1..=16_383).contains(&block.offset));
                prop_assert_eq!(said.get(&own.wrapping_sub(block.offset)), Some(&block.payload));
            }
        }
    }
}
