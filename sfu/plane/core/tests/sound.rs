//! The audio policy of a room: only the loudest microphones are forwarded, and redundancy is added.

mod sim;

use plane_core::codec::{Codec, PayloadType};
use plane_core::command::{AudioPolicy, Kind};
use plane_core::id::{RoomId, SlotId, TrackId};
use plane_core::layer::Layer;
use plane_core::time::{Duration, ms};
use plane_core::{Command, Discard};
use sim::stream::{origin, ssrc};
use sim::{Call, Link, OPUS};

/// Speakers, each a participant with a microphone, and a listener of all of them.
struct Room {
    call: Call,
    id: RoomId,
    listener: usize,
    speakers: Vec<usize>,
    tracks: Vec<TrackId>,
    slots: Vec<SlotId>,
}

impl Room {
    fn new(seed: u64, levels: &[u8], codecs: &[Codec]) -> Self {
        let mut call = Call::new(seed);
        call.audit.watches = true;
        let listener = call.join();
        let (mut speakers, mut tracks, mut slots) = (Vec::new(), Vec::new(), Vec::new());
        for &level in levels {
            let speaker = call.join();
            call.peers[speaker].level = level;
            let track = call.publish(speaker, Kind::Audio, &[]);
            let slot = call.add_slot_with(listener, Kind::Audio, |spec| {
                let known = [(Codec::Opus, 109), (Codec::Red, 108)];
                let known = known.into_iter().filter(|(codec, _)| codecs.contains(codec));
                spec.rtx_ssrc = Some(spec.ssrc + 1);
                spec.payload_types =
                    known.map(|(codec, number)| PayloadType { number, codec, rtx: Some(121), ..OPUS }).collect();
            });
            call.show(slot, Some(track), &[Layer::new(0, 0)]);
            speakers.push(speaker);
            tracks.push(track);
            slots.push(slot);
        }
        let id = RoomId(call.id());
        Self { call, id, listener, speakers, tracks, slots }
    }

    fn policy(&mut self, loudest: usize, always: &[usize], redundancy: u8) {
        let always = always.iter().map(|&speaker| self.tracks[speaker]).collect();
        let (ranked, redundant) = (self.tracks.clone(), self.tracks.clone());
        let policy = AudioPolicy { room: self.id, loudest, ranked, always, redundancy, redundant };
        self.call.apply(Command::SetAudio(policy));
    }

    /// The number of packets of each speaker in that time, after those in flight have arrived.
    fn hear(&mut self, time: Duration) -> Vec<usize> {
        self.call.run(ms(200));
        self.call.peers[self.listener].received.clear();
        self.call.run(time);
        self.slots.iter().map(|&slot| self.call.peers[self.listener].stream(ssrc(slot)).len()).collect()
    }
}

#[test]
fn only_the_loudest_are_forwarded_and_whoever_is_always() {
    let mut room = Room::new(1, &[50, 20, 70, 30], &[Codec::Opus]);
    assert_eq!(room.hear(ms(1_000)), [50; 4], "nothing was said of the room yet");
    room.policy(2, &[], 0);
    assert_eq!(room.hear(ms(1_000)), [0, 50, 0, 50]);
    room.policy(2, &[2], 0);
    assert_eq!(room.hear(ms(1_000)), [0, 50, 50, 50], "the dominant speaker is heard while it is quiet");
    room.call.peers[room.speakers[0]].level = 10;
    assert_eq!(room.hear(ms(1_000)), [50, 50, 50, 0]);
    room.policy(0, &[], 0);
    assert_eq!(room.hear(ms(1_000)), [50; 4]);
}

#[test]
fn what_is_held_back_is_no_loss_and_what_follows_begins_a_talkspurt() {
    let mut room = Room::new(2, &[30, 40], &[Codec::Opus]);
    room.policy(1, &[], 0);
    room.call.run(ms(1_000));
    room.call.peers[room.listener].received.clear();
    for turn in 0..6 {
        room.call.peers[room.speakers[1]].level = if turn % 2 == 0 { 20 } else { 40 };
        room.call.run(ms(500));
    }
    let heard = room.call.peers[room.listener].stream(ssrc(room.slots[1]));
    assert!((70..80).contains(&heard.len()), "{} packets", heard.len());
    assert!(heard.windows(2).all(|pair| pair[1].sequence == pair[0].sequence.wrapping_add(1)));
    let gaps = heard.windows(2).filter(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp) != 960);
    let gaps: Vec<_> =
        gaps.map(|pair| (pair[1].timestamp.wrapping_sub(pair[0].timestamp) / 960, pair[1].marker)).collect();
    assert_eq!(gaps.len(), 2, "{gaps:?}");
    assert!(gaps.iter().all(|&(packets, marker)| (20..30).contains(&packets) && marker), "{gaps:?}");
    assert_eq!(heard.iter().filter(|packet| packet.marker).count(), 3, "and the first of all");
    assert!(room.call.peers[room.speakers[1]].nacks.is_empty());
}

#[test]
fn who_leaves_makes_room_for_the_next() {
    let mut room = Room::new(3, &[20, 30, 40], &[Codec::Opus]);
    room.policy(1, &[], 0);
    assert_eq!(room.hear(ms(1_000)), [50, 0, 0]);
    room.call.apply(Command::Remove(room.tracks[0].0));
    assert_eq!(room.hear(ms(1_000)), [0, 50, 0]);
    room.call.apply(Command::Remove(room.id.0));
    assert_eq!(room.hear(ms(1_000)), [0, 50, 50], "the room is gone, and what it said");
}

#[test]
fn with_redundancy_a_listener_who_loses_every_fifth_packet_misses_few() {
    for (codecs, redundancy, misses) in [
        (&[Codec::Opus][..], 1, 0.10..0.30),
        (&[Codec::Opus, Codec::Red], 0, 0.10..0.30),
        (&[Codec::Opus, Codec::Red], 1, 0.01..0.08),
        (&[Codec::Opus, Codec::Red], 2, 0.0..0.02),
    ] {
        let mut room = Room::new(4, &[30], codecs);
        room.policy(0, &[], redundancy);
        room.call.peers[room.listener].asks_for_losses = false;
        room.call.run(ms(200));
        room.call.peers[room.listener].received.clear();
        room.call.down[room.listener] = Link::lossy(ms(5), 0.2);
        room.call.run(ms(20_000));
        let packets = room.call.peers[room.listener].stream(ssrc(room.slots[0]));
        let mut heard: Vec<u16> = Vec::new();
        for packet in packets {
            assert_eq!(packet.payload_type, if redundancy > 0 && codecs.len() > 1 { 108 } else { 109 });
            // Sound is of 66 octets here, and ends in its source and number there.
            let copies = packet.payload.len() / 66;
            let sounds = packet.payload[packet.payload.len() - copies * 66..].chunks(66);
            heard.extend(sounds.map(|sound| origin(sound).1));
        }
        heard.sort_unstable();
        heard.dedup();
        let missed = 1.0 - heard.len() as f64 / 1_000.0;
        assert!(misses.contains(&missed), "{missed} of the sound with {redundancy} copies for {codecs:?}");
    }
}

#[test]
fn what_is_sent_again_is_what_was_sent_first() {
    let mut room = Room::new(5, &[30], &[Codec::Opus, Codec::Red]);
    room.policy(0, &[], 2);
    room.call.up[room.speakers[0]] = Link { delay: ms(20), loss: 0.1, jitter: ms(40), ..Link::default() };
    let (listener, slot) = (room.listener, room.slots[0]);
    room.call.run(ms(3_000));
    // Everything is requested again; nothing was lost downstream, so each packet comes twice.
    let newest = room.call.peers[listener].stream(ssrc(slot)).last().expect("something came").sequence;
    let lost: Vec<u16> = (0..45).map(|behind| newest.wrapping_sub(behind)).collect();
    let mut nack = Vec::new();
    plane_core::rtcp::feedback::write_nack(&mut nack, 1, ssrc(slot), &lost);
    room.call.peers[listener].send_rtcp(nack);
    room.call.run(ms(200));
    let again = room.call.peers[listener].stream(ssrc(slot) + 1);
    assert!(again.len() > 30, "{} packets again", again.len());
    for packet in again {
        let original = u16::from_be_bytes([packet.payload[0], packet.payload[1]]);
        let first = room.call.peers[listener].stream(ssrc(slot));
        let first = first.iter().find(|first| first.sequence == original).expect("it came before");
        assert_eq!((first.timestamp, &first.payload[..]), (packet.timestamp, &packet.payload[2..]));
    }
    assert_eq!(room.call.discarded(Discard::CacheMiss), 0);
}
