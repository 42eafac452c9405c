//! Losses and keyframes: many subscribers request, the publisher is asked once (RFC 4585, 4588, 5104).

mod sim;

use plane_core::Command;
use plane_core::codec::dependency::Structures;
use plane_core::command::{DtlsRole, Kind};
use plane_core::layer::Layer;
use plane_core::rtcp::feedback;
use plane_core::time::ms;
use sim::stream::{contiguous, origin, ssrc, whole};
use sim::{Call, H264, Link, VP8};

/// A publisher with a camera and this many viewers.
fn audience(seed: u64, count: usize) -> (Call, usize, Vec<(usize, plane_core::id::SlotId)>) {
    let mut call = Call::new(seed);
    let alice = call.join();
    let camera = call.publish(alice, Kind::Video, &[]);
    let viewers = (0..count)
        .map(|_| {
            let viewer = call.join();
            (viewer, call.subscribe(viewer, camera, Kind::Video))
        })
        .collect();
    call.run(ms(1_000));
    (call, alice, viewers)
}

#[test]
fn what_many_miss_is_asked_of_the_publisher_once_per_round_trip() {
    let (mut call, alice, _) = audience(1, 20);
    call.up[alice] = Link { delay: ms(50), ..Link::default() };
    // Its round trip is measured meanwhile: 55 ms.
    call.run(ms(4_000));
    let missing = call.peers[alice].sources[0].sequence + 30;
    // It never arrives, not even when asked for.
    call.peers[alice].swallows = vec![missing];
    call.peers[alice].refuses = vec![missing];
    call.run(ms(1_500));
    let nacks: Vec<_> =
        call.peers[alice].nacks.iter().filter(|(_, lost, _)| lost.contains(&missing)).map(|(_, _, at)| *at).collect();
    assert!((2..=10).contains(&nacks.len()), "asked {} times", nacks.len());
    for pair in nacks.windows(2) {
        assert!(pair[1] - pair[0] >= ms(55), "asked again after {:?}", pair[1] - pair[0]);
    }
}

#[test]
fn a_loss_above_repairs_all_subscribers_with_one_retransmission() {
    let (mut call, alice, viewers) = audience(2, 10);
    let missing = call.peers[alice].sources[0].sequence + 31;
    call.peers[alice].swallows = vec![missing];
    call.run(ms(2_000));
    let asked = call.peers[alice].nacks.iter().filter(|(_, lost, _)| lost.contains(&missing)).count();
    assert_eq!(asked, 1);
    for (viewer, slot) in viewers {
        assert!(contiguous(&whole(&call, viewer, slot)));
    }
}

#[test]
fn a_loss_below_is_repaired_from_the_cache_and_the_publisher_hears_nothing() {
    let (mut call, alice, viewers) = audience(3, 5);
    for &(viewer, _) in &viewers {
        call.down[viewer] = Link { delay: ms(20), loss: 0.05, jitter: ms(0), ..Link::default() };
    }
    call.run(ms(2_000));
    for &(viewer, _) in &viewers {
        call.down[viewer] = Link::default();
    }
    call.run(ms(1_000));
    assert!(call.peers[alice].nacks.is_empty());
    assert!(call.plane.stats().packets_retransmitted > 20);
    for (viewer, slot) in viewers {
        let packets = whole(&call, viewer, slot);
        let missing: u16 = packets.windows(2).map(|pair| pair[1].0 - pair[0].0 - 1).sum();
        assert!(missing <= 4, "{missing} missing: lost twice, and the simulated receiver asks once");
    }
}

#[test]
fn a_retransmission_has_the_rtx_payload_type_of_its_codec_in_whichever_place_that_was_negotiated() {
    for (codec, payload_type, rtx) in [(VP8, 120, 121), (H264, 122, 123)] {
        let mut call = Call::new(30);
        let (alice, bob) = (call.join(), call.join());
        let camera = call.publish_with(alice, Kind::Video, &[], |spec| spec.payload_types = vec![codec]);
        call.peers[alice].sources[0].codec = codec.codec;
        let slot = call.subscribe(bob, camera, Kind::Video);
        call.down[bob] = Link::lossy(ms(20), 0.15);
        call.run(ms(2_000));
        let types = |ssrc| call.peers[bob].stream(ssrc).iter().map(|packet| packet.payload_type).collect::<Vec<_>>();
        let (first, again) = (types(ssrc(slot)), types(ssrc(slot) + 1));
        assert!(first.len() > 100 && first.iter().all(|&number| number == payload_type), "{first:?}");
        assert!(again.len() > 5 && again.iter().all(|&number| number == rtx), "{again:?}");
    }
}

#[test]
fn a_packet_is_sent_again_for_a_second_if_its_keyframe_is_old() {
    for (waited, served) in [(300, true), (900, true), (2_500, false)] {
        let (mut call, alice, viewers) = audience(12, 1);
        let (viewer, slot) = viewers[0];
        call.peers[alice].sources[0].packets = 1;
        // The last keyframe is too old for what came since to be kept.
        call.run(ms(13_000));
        let newest = call.peers[viewer].stream(ssrc(slot)).last().expect("pictures came").sequence;
        call.run(ms(waited));
        let mut nack = Vec::new();
        feedback::write_nack(&mut nack, 1, ssrc(slot), &[newest]);
        call.peers[viewer].send_rtcp(nack);
        call.run(ms(50));
        let again = (call.plane.stats().packets_retransmitted, call.discarded(plane_core::Discard::CacheMiss));
        assert_eq!(again, if served { (1, 0) } else { (0, 1) }, "asked for after {waited} ms");
    }
}

#[test]
fn packets_that_overtook_one_another_are_not_asked_for() {
    let (mut call, alice, viewers) = audience(4, 2);
    call.up[alice] = Link { delay: ms(20), loss: 0.0, jitter: ms(8), ..Link::default() };
    call.run(ms(3_000));
    assert_eq!(call.plane.stats().nacks_sent, 0);
    call.up[alice] = Link::default();
    call.run(ms(500));
    for (viewer, slot) in viewers {
        assert!(contiguous(&whole(&call, viewer, slot)));
    }
}

#[test]
fn thirty_pictures_that_broke_cost_one_keyframe() {
    let (mut call, alice, viewers) = audience(5, 30);
    call.run(ms(1_000));
    let before = call.peers[alice].plis.len();
    for _ in 0..5 {
        for &(viewer, slot) in &viewers {
            let mut pli = Vec::new();
            feedback::write_pli(&mut pli, 1, ssrc(slot));
            call.peers[viewer].send_rtcp(pli);
        }
        call.run(ms(10));
    }
    call.run(ms(200));
    assert_eq!(call.peers[alice].plis.len() - before, 1, "150 wishes, one request");
}

#[test]
fn fir_is_a_wish_like_pli() {
    let (mut call, alice, viewers) = audience(6, 1);
    call.run(ms(1_000));
    let before = call.peers[alice].plis.len();
    let (viewer, slot) = viewers[0];
    let mut fir = Vec::new();
    feedback::write_fir(&mut fir, 1, ssrc(slot), 1);
    call.peers[viewer].send_rtcp(fir);
    call.run(ms(100));
    assert_eq!(call.peers[alice].plis.len() - before, 1);
}

#[test]
fn a_keyframe_that_does_not_come_is_asked_for_again_but_not_for_ever() {
    let (mut call, alice, viewers) = audience(7, 1);
    let before = call.peers[alice].plis.len();
    // Its encoder has stopped: nothing answers.
    call.peers[alice].sources[0].active = false;
    let (viewer, slot) = viewers[0];
    let mut pli = Vec::new();
    feedback::write_pli(&mut pli, 1, ssrc(slot));
    call.peers[viewer].send_rtcp(pli);
    call.run(ms(30_000));
    let asked = call.peers[alice].plis.len() - before;
    assert!((2..=5).contains(&asked), "asked {asked} times");
}

#[test]
fn after_an_outage_of_the_publisher_a_keyframe_is_asked_for_and_numbers_go_on() {
    let (mut call, alice, viewers) = audience(8, 3);
    call.peers[alice].sources[0].packets = 10;
    let before = call.peers[alice].plis.len();
    call.up[alice] = Link::lossy(ms(5), 1.0);
    call.run(ms(3_000));
    call.up[alice] = Link::default();
    call.run(ms(2_000));
    let asked = call.peers[alice].plis.len() - before;
    assert!((1..=3).contains(&asked), "asked {asked} times");
    for (viewer, slot) in viewers {
        let after = call.peers[viewer].stream(ssrc(slot)).iter().filter(|p| call.now - p.at < ms(1_500)).count();
        assert!(after > 300, "{after} packets after the outage");
    }
}

#[test]
fn who_connects_late_is_shown_a_keyframe_first() {
    let (mut call, alice, _) = audience(9, 1);
    call.run(ms(2_000));
    let camera = call.publish(alice, Kind::Video, &[]);
    call.run(ms(500));
    let late = call.invite(DtlsRole::Server);
    let slot = call.subscribe(late, camera, Kind::Video);
    // It negotiates for two seconds before its first packet; the publisher is not bothered for it.
    let before = call.peers[alice].plis.len();
    call.run(ms(2_000));
    assert_eq!(call.peers[alice].plis.len(), before);
    call.connect(late);
    call.run(ms(500));
    let first = call.peers[late].stream(ssrc(slot))[0].clone();
    assert_eq!(first.payload[5] & 1, 0, "a keyframe");
    assert!(first.sequence < 1 << 15);
}

#[test]
fn a_keyframe_can_be_asked_for_by_command() {
    let (mut call, alice, _) = audience(10, 1);
    let camera = call.publish(alice, Kind::Video, &[]);
    call.run(ms(1_000));
    let before = call.peers[alice].plis.len();
    call.apply(Command::RequestKeyframe(camera));
    call.run(ms(100));
    assert_eq!(call.peers[alice].plis.len() - before, 1);
}

/// Sends a keyframe without its first packet. Returns the number of that packet.
fn lose_beginning_of_keyframe(call: &mut Call, peer: usize, source: usize) -> u16 {
    let missing = call.peers[peer].sources[source].sequence;
    call.peers[peer].sources[source].keyframe_wanted = true;
    call.peers[peer].swallows = vec![missing];
    missing
}

/// Dependency descriptors of all packets of a slot, by sequence number.
fn descriptors(call: &Call, viewer: usize, slot: plane_core::id::SlotId) -> Vec<(u16, Option<Vec<u8>>)> {
    let peer = &call.peers[viewer];
    let first = peer.stream(ssrc(slot)).into_iter().map(|packet| (packet.sequence, packet.descriptor.clone()));
    let again = peer.stream(ssrc(slot) + 1).into_iter().map(|packet| {
        let original = u16::from_be_bytes([packet.payload[0], packet.payload[1]]);
        (original, packet.descriptor.clone())
    });
    let mut all: Vec<_> = first.chain(again).collect();
    all.sort();
    all.dedup();
    all
}

#[test]
fn what_came_before_its_dependency_structure_leaves_behind_it_with_a_descriptor_that_can_be_read() {
    let mut call = Call::new(7);
    let alice = call.join();
    call.up[alice] = Link { delay: ms(40), ..Link::default() };
    let camera = call.publish(alice, Kind::Video, &[]);
    call.peers[alice].sources[0].describes = true;
    let bob = call.join();
    let slot = call.subscribe(bob, camera, Kind::Video);
    // A present viewer, and one that starts with this keyframe.
    let carol = call.join();
    let late = call.add_slot(carol, Kind::Video);
    call.run(ms(1_000));
    lose_beginning_of_keyframe(&mut call, alice, 0);
    call.run(ms(41));
    call.show(late, Some(camera), &[Layer::new(0, 0)]);
    call.run(ms(1_000));
    for (viewer, slot) in [(bob, slot), (carol, late)] {
        let packets = whole(&call, viewer, slot);
        assert!(contiguous(&packets) && packets.len() > 50, "{} packets", packets.len());
        let numbers: Vec<u16> = packets.iter().map(|packet| origin(&packet.2).1).collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "in their order");
        let mut structures = Structures::default();
        for (seq, descriptor) in descriptors(&call, viewer, slot) {
            let descriptor = descriptor.unwrap_or_else(|| panic!("{seq} has none"));
            let read = structures.parse(&descriptor).unwrap_or_else(|why| panic!("{seq}: {why:?}"));
            assert_eq!(read.active_targets, Some(1), "{seq}");
        }
    }
    assert_eq!(call.peers[alice].nacks.len(), 1, "one packet was asked for once");
}

#[test]
fn a_picture_whose_parameter_sets_are_missing_begins_with_them_when_they_come() {
    let mut call = Call::new(8);
    let alice = call.join();
    let camera = call.publish_with(alice, Kind::Video, &["q", "h"], |spec| {
        spec.payload_types = vec![plane_core::codec::PayloadType { rtx: Some(97), ..H264 }];
    });
    call.peers[alice].sources.iter_mut().for_each(|source| source.codec = H264.codec);
    let bob = call.join();
    let slot = call.add_slot(bob, Kind::Video);
    call.show(slot, Some(camera), &[Layer::new(0, 0)]);
    call.run(ms(1_000));
    let missing = lose_beginning_of_keyframe(&mut call, alice, 1);
    call.apply(Command::SetTargets(vec![(slot, vec![Layer::new(1, 0), Layer::new(0, 0)])]));
    call.run(ms(500));
    let upper = call.peers[alice].sources[1].ssrc;
    let packets = whole(&call, bob, slot);
    assert!(contiguous(&packets));
    // Before them leave the ones of the keyframe before, as one aggregate.
    let packets: Vec<_> = packets.into_iter().filter(|packet| packet.2[0] != 0x78).collect();
    let from = packets.iter().position(|packet| origin(&packet.2).0 == upper).expect("it has switched");
    let begins: Vec<_> = packets[from..from + 3].iter().map(|packet| (packet.2[0], origin(&packet.2).1)).collect();
    assert_eq!(begins, [(0x67, missing), (0x68, missing + 1), (0x65, missing + 2)]);
}
