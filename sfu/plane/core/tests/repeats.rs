//! A subscriber whose answer has `nack` gets retransmissions: without RTX the identical datagram, or nothing.

mod sim;

use std::collections::BTreeSet;

use plane_core::codec::{Codec, PayloadType};
use plane_core::command::{AudioPolicy, Kind};
use plane_core::id::{RoomId, SlotId, TrackId};
use plane_core::layer::Layer;
use plane_core::limits::{REPEATED, RESENDS};
use plane_core::rtcp::feedback;
use plane_core::time::ms;
use plane_core::{Command, Discard};
use sim::stream::ssrc;
use sim::{Call, Link, OPUS};

/// A publisher, and a viewer or listener without RTX.
fn call(seed: u64, kind: Kind, rids: &[&str]) -> (Call, usize, usize, TrackId, SlotId) {
    let mut call = Call::new(seed);
    call.audit.watches = true;
    let (alice, bob) = (call.join(), call.join());
    let track = call.publish(alice, kind, rids);
    let slot = call.add_slot_with(bob, kind, |spec| {
        spec.rtx_ssrc = None;
        spec.payload_types.iter_mut().for_each(|payload_type| payload_type.rtx = None);
    });
    call.show(slot, Some(track), &[Layer::new(2, 3), Layer::new(1, 3), Layer::new(0, 3)]);
    call.run(ms(1_000));
    (call, alice, bob, track, slot)
}

/// The number of received packets of a stream, and of missing ones between them.
fn came(call: &Call, peer: usize, slot: SlotId) -> (usize, usize) {
    let numbers: BTreeSet<u16> = call.peers[peer].stream(ssrc(slot)).iter().map(|packet| packet.sequence).collect();
    let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { return (0, 0) };
    (numbers.len(), usize::from(last - first) + 1 - numbers.len())
}

fn complain(call: &mut Call, peer: usize, slot: SlotId, lost: &[u16]) {
    let mut nack = Vec::new();
    feedback::write_nack(&mut nack, 1, ssrc(slot), lost);
    call.peers[peer].send_rtcp(nack);
    call.run(ms(30));
}

fn newest(call: &Call, peer: usize, slot: SlotId) -> u16 {
    call.peers[peer].stream(ssrc(slot)).last().expect("something came").sequence
}

#[test]
fn a_viewer_or_listener_without_rtx_gets_what_was_lost() {
    for (kind, loss) in [(Kind::Video, 0.05), (Kind::Video, 0.1), (Kind::Audio, 0.1)] {
        let (mut call, _, bob, _, slot) = call(1, kind, &[]);
        call.down[bob] = Link { delay: ms(20), loss, jitter: ms(0), ..Link::default() };
        call.run(ms(20_000));
        call.down[bob].loss = 0.0;
        call.run(ms(500));
        let (count, missing) = came(&call, bob, slot);
        let expected = count as f64 * loss;
        assert!(call.audit.repeats() as f64 > 0.8 * expected, "{} of {expected}", call.audit.repeats());
        assert!(
            (missing as f64) < 0.25 * expected,
            "{missing} of {expected} are missing: it asks once, and may lose again"
        );
        assert_eq!(call.discarded(Discard::RepeatChanged), 0);
        assert_eq!(call.plane.stats().packets_retransmitted as usize, call.audit.repeats());
    }
}

#[test]
fn sound_with_the_packets_before_it_is_sent_again_with_the_same() {
    let mut call = Call::new(2);
    call.audit.watches = true;
    let (alice, bob) = (call.join(), call.join());
    let track = call.publish(alice, Kind::Audio, &[]);
    let red = PayloadType { number: 108, codec: Codec::Red, ..OPUS };
    let slot = call.add_slot_with(bob, Kind::Audio, |spec| spec.payload_types.push(red));
    call.show(slot, Some(track), &[Layer::new(0, 0)]);
    let (room, redundant) = (RoomId(call.id()), vec![track]);
    let policy = AudioPolicy { room, loudest: 0, ranked: vec![], always: vec![], redundancy: 2, redundant };
    call.apply(Command::SetAudio(policy));
    call.up[alice] = Link { delay: ms(20), loss: 0.0, jitter: ms(30), ..Link::default() };
    call.down[bob] = Link { delay: ms(20), loss: 0.1, jitter: ms(10), ..Link::default() };
    call.run(ms(10_000));
    let (count, missing) = came(&call, bob, slot);
    assert!(call.audit.repeats() > 30, "{}", call.audit.repeats());
    assert!(missing * 20 < count, "{missing} beside {count}");
    assert!(call.peers[bob].stream(ssrc(slot)).iter().all(|packet| packet.payload_type == red.number));
}

#[test]
fn nothing_is_sent_again_from_more_than_63_numbers_back_or_more_than_ten_times() {
    let (mut call, alice, bob, _, slot) = call(3, Kind::Video, &[]);
    call.peers[alice].sources[0].active = false;
    call.run(ms(100));
    let newest = newest(&call, bob, slot);
    for (back, served) in [(REPEATED as u16, 0), (REPEATED as u16 - 1, 1), (200, 0), (0, 1)] {
        let before = call.audit.repeats();
        complain(&mut call, bob, slot, &[newest.wrapping_sub(back)]);
        assert_eq!(call.audit.repeats() - before, served, "{back} back");
    }
    for _ in 0..RESENDS + 3 {
        complain(&mut call, bob, slot, &[newest]);
        call.run(ms(200));
    }
    let times = usize::from(RESENDS) + 1;
    assert_eq!((call.audit.repeats(), call.peers[bob].replayed), (times, times), "the newest and one other");
}

#[test]
fn the_transport_wide_number_is_the_one_it_had_and_no_other_is_used_up() {
    let (mut call, _, bob, _, slot) = call(4, Kind::Video, &[]);
    call.down[bob] = Link { delay: ms(20), loss: 0.1, jitter: ms(0), ..Link::default() };
    call.run(ms(5_000));
    call.down[bob].loss = 0.0;
    call.run(ms(500));
    let mut pairs: Vec<(u16, u16)> = call.peers[bob]
        .stream(ssrc(slot))
        .iter()
        .map(|packet| (packet.sequence, packet.transport_cc.expect("it was agreed upon")))
        .collect();
    pairs.sort();
    assert!(call.audit.repeats() > 20);
    // It is all that leaves to Bob: the two numbers go in step.
    for pair in pairs.windows(2) {
        assert_eq!(pair[1].0 - pair[0].0, pair[1].1 - pair[0].1, "{pair:?}");
    }
}

#[test]
fn nothing_is_sent_again_once_another_packet_stands_in_its_place() {
    let mut changed = 0;
    for seed in 0..4 {
        let mut specs = Vec::new();
        let mut call = Call::new(seed);
        call.audit.watches = true;
        let (alice, bob) = (call.join(), call.join());
        let track = call.publish_with(alice, Kind::Video, &["q", "h"], |spec| specs.push(spec.clone()));
        // Both encodings count alike, so that each number is there twice.
        let sequence = call.peers[alice].sources[0].sequence;
        call.peers[alice].sources[1].sequence = sequence;
        let slot = call.add_slot_with(bob, Kind::Video, |spec| {
            spec.rtx_ssrc = None;
            spec.payload_types.iter_mut().for_each(|payload_type| payload_type.rtx = None);
        });
        call.show(slot, Some(track), &[Layer::new(0, 3)]);
        call.run(ms(1_000));
        call.peers[alice].sources.iter_mut().for_each(|source| source.active = false);
        call.run(ms(100));
        let newest = newest(&call, bob, slot);
        complain(&mut call, bob, slot, &[newest]);
        assert_eq!(call.audit.repeats(), 1);
        // Another encoding takes the place of what is shown. One that is only listed elsewhere keeps its place.
        let mut spec = specs.remove(0);
        spec.encodings[0].rid = Some("x".into());
        spec.encodings.reverse();
        call.apply(Command::UpdateTrack(spec));
        let lost: Vec<u16> = (1..40).map(|back| newest - back).collect();
        let before = call.audit.repeats();
        complain(&mut call, bob, slot, &lost);
        // The audit would have ended the test.
        changed += call.discarded(Discard::RepeatChanged) as usize + call.discarded(Discard::CacheMiss) as usize;
        assert!(call.audit.repeats() - before <= 39);
    }
    assert!(changed > 0, "what had left is gone");
}
