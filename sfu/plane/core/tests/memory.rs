//! The memory that publishers cause: it follows their rate, within a limit for each and for all; and SSRCs that change
//! throughout a session.

mod sim;

use plane_core::command::{EncodingSpec, Kind};
use plane_core::layer::Layer;
use plane_core::limits::{KEPT_PER_TRANSPORT, TRACKS};
use plane_core::time::ms;
use plane_core::{Command, Discard};
use sim::Call;
use sim::stream::{contiguous, ssrc, whole};

/// A participant publishes this many tracks of four declared encodings and sends nothing yet. Returns their SSRCs.
fn crowd(call: &mut Call, peer: usize, tracks: u32) -> Vec<u32> {
    let mut ssrcs = Vec::new();
    for track in 0..tracks {
        let declared = (0..4).map(|encoding| 100_000 + track * 10 + encoding);
        ssrcs.extend(declared.clone());
        let spec = |ssrc| EncodingSpec { ssrc: Some(ssrc), ..EncodingSpec::default() };
        call.publish_with(peer, Kind::Video, &[], |track| track.encodings = declared.map(spec).collect());
    }
    call.peers[peer].sources.clear();
    ssrcs
}

/// Sends one second of an encoding at 12 Mbit/s: a keyframe and dependent frames.
fn flood(call: &mut Call, peer: usize, ssrc: u32) {
    let path = call.path(peer);
    for number in 0..1_400u16 {
        let mut payload = vec![7; 1_100];
        payload[..4].copy_from_slice(if number == 0 { &[0x10, 0x30, 0x34, 0] } else { &[0x10, 0x71, 3, 0] });
        if number == 0 {
            payload[4..11].copy_from_slice(&[0x9D, 0x01, 0x2A, 0x80, 0x02, 0x68, 0x01]);
        }
        let head = (96, true, number, u32::from(number) * 60, ssrc);
        let packet = call.peers[peer].protect(head, "", None, &payload).expect("it is connected");
        call.inject(path, packet).expect("its SSRC is declared");
        call.run(ms(1) * 5 / 7);
    }
}

#[test]
fn what_is_kept_shrinks_with_what_flows_and_stays_within_the_budget() {
    let mut call = Call::new(1);
    let alice = call.join();
    let ssrcs = crowd(&mut call, alice, TRACKS as u32);
    for (at, &ssrc) in ssrcs.iter().take(48).enumerate() {
        flood(&mut call, alice, ssrc);
        // A packet more than allowed makes room.
        assert!(call.plane.kept() <= KEPT_PER_TRANSPORT + 4_096, "{} after {at}", call.plane.kept());
        if at == 0 {
            assert!(call.plane.kept() > 1_000_000, "{}: it is kept", call.plane.kept());
        }
    }
    let most = call.plane.kept();
    call.run(ms(3_000));
    assert!(call.plane.kept() < most, "{} of {most}", call.plane.kept());
    call.run(ms(12_000));
    assert_eq!(call.plane.kept(), 0, "nothing flows");
}

#[test]
fn who_keeps_most_gives_first_where_all_together_keep_too_much() {
    let mut call = Call::new(2);
    let (alice, bob, mallory) = (call.join(), call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    let slot = call.subscribe(bob, camera, Kind::Video);
    let ssrcs = crowd(&mut call, mallory, 4);
    call.plane.limit_kept(1 << 30, 6 << 20);
    call.run(ms(1_500));
    call.down[bob].loss = 0.1;
    for &ssrc in &ssrcs {
        flood(&mut call, mallory, ssrc);
        assert!(call.plane.kept() <= (6 << 20) + 4_096, "{}", call.plane.kept());
    }
    call.down[bob].loss = 0.0;
    call.run(ms(500));
    assert!(call.plane.stats().packets_retransmitted > 50);
    assert_eq!(call.discarded(Discard::CacheMiss), 0, "Alice's packets were there");
    assert!(whole(&call, bob, slot).len() > 1_000);
}

#[test]
fn a_track_that_is_gone_leaves_nothing() {
    let mut call = Call::new(3);
    let alice = call.join();
    let cameras: Vec<_> = (0..3).map(|_| call.publish(alice, Kind::Video, &["q", "h", "f"])).collect();
    call.run(ms(1_000));
    let all = call.plane.kept();
    call.apply(Command::Remove(cameras[0].0));
    let less = call.plane.kept();
    assert!(less > 0 && less < all);
    let transport = call.peers[alice].transport.0;
    call.apply(Command::Remove(transport));
    assert_eq!(call.plane.kept(), 0);
}

#[test]
fn a_camera_that_is_published_anew_for_ever_is_always_seen() {
    let mut call = Call::new(4);
    let (alice, bob) = (call.join(), call.join());
    let slot = call.add_slot(bob, Kind::Video);
    for turn in 0..500u32 {
        // By RID: packets, not SDP, tell its SSRCs, six in all; every other time SDP does.
        let rids: &[&str] = if turn % 2 == 0 { &["q", "h", "f"] } else { &[] };
        let base = 1_000_000 + turn * 100;
        let camera = call.publish_with(alice, Kind::Video, rids, |spec| {
            spec.mid = "0".into();
            if rids.is_empty() {
                spec.encodings = vec![EncodingSpec { ssrc: Some(base), rtx_ssrc: Some(base + 1), rid: None }];
            }
        });
        for (at, source) in (0..).zip(&mut call.peers[alice].sources) {
            (source.mid, source.ssrc, source.rtx_ssrc) = ("0".into(), base + 10 * at, base + 10 * at + 1);
        }
        call.show(slot, Some(camera), &[Layer::new(0, 3)]);
        let before = call.peers[bob].stream(ssrc(slot)).len();
        call.run(ms(150));
        assert!(call.peers[bob].stream(ssrc(slot)).len() > before, "published for the {turn}. time");
        call.apply(Command::Remove(camera.0));
        call.peers[alice].sources.clear();
        call.run(ms(10));
    }
    assert_eq!(call.discarded(Discard::SrtpSsrcLimit), 0);
    assert!(contiguous(&whole(&call, bob, slot)));
}

#[test]
fn receive_sections_that_come_and_go_take_no_state_for_ever() {
    let mut call = Call::new(5);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    for turn in 0..1_200 {
        let slot = call.subscribe(bob, camera, Kind::Video);
        call.run(ms(60));
        assert!(!call.peers[bob].stream(ssrc(slot)).is_empty(), "section {turn}");
        call.apply(Command::Remove(slot.0));
        call.peers[bob].received.clear();
    }
}

#[test]
fn every_simulcast_camera_that_is_allowed_gets_its_media() {
    let mut call = Call::new(6);
    let (alice, bob) = (call.join(), call.join());
    let cameras: Vec<_> = (0..TRACKS).map(|_| call.publish(alice, Kind::Video, &["q", "h", "f"])).collect();
    for &camera in &cameras {
        call.subscribe(bob, camera, Kind::Video);
    }
    call.down[bob].loss = 0.02;
    call.up[alice].loss = 0.02;
    call.run(ms(2_000));
    assert_eq!(call.discarded(Discard::UnknownSsrc), 0);
    assert_eq!(call.discarded(Discard::SrtpSsrcLimit), 0);
    let seen = call.peers[bob].received.iter().filter_map(|packet| packet.mid.clone());
    assert_eq!(seen.collect::<std::collections::BTreeSet<_>>().len(), cameras.len());
}
