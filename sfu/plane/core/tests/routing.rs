//! Where packets of a publisher go: by SSRC, MID, RID and repaired RID (RFC 9143 s9.2, RFC 8852), whatever comes first.

mod sim;

use plane_core::Discard;
use plane_core::command::Kind;
use plane_core::layer::Layer;
use plane_core::rtp::extension::Extension;
use plane_core::time::ms;
use sim::stream::{contiguous, origin, whole};
use sim::{Call, VP8};

#[test]
fn rtx_padding_with_a_repaired_rid_may_be_the_first_packet_of_an_encoding() {
    let mut call = Call::new(1);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &["q", "h", "f"]);
    for source in &mut call.peers[alice].sources {
        source.active = false;
    }
    // Chromium probes the path with it before the encoder has made anything.
    for (index, rid) in ["q", "h", "f"].into_iter().enumerate() {
        let (ssrc, sequence) = (call.peers[alice].sources[index].rtx_ssrc, 500);
        let probe =
            call.peers[alice].protect((97, false, sequence, 0, ssrc), "0", Some((Extension::RepairedRid, rid)), &[]);
        let path = call.path(alice);
        assert_eq!(call.inject(path, probe.expect("it is connected")), Err(Discard::Padding));
    }
    let now = call.now;
    for source in &mut call.peers[alice].sources {
        (source.active, source.next_frame, source.rtx_sequence) = (true, now, 600);
    }
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.up[alice] = sim::Link::lossy(ms(10), 0.05);
    call.run(ms(3_000));
    call.up[alice] = sim::Link::default();
    call.run(ms(500));
    let packets = whole(&call, bob, slot);
    assert!(contiguous(&packets), "what got lost came by RTX");
    assert!(packets.len() > 200);
    assert_eq!(call.discarded(Discard::RtxUnmatched), 0);
    assert_eq!(call.discarded(Discard::UnknownSsrc), 0);
}

#[test]
fn mid_and_rid_need_to_come_with_the_first_packets_only() {
    for rids in [&[][..], &["q", "h", "f"][..]] {
        let mut call = Call::new(2);
        let (alice, bob) = (call.join(), call.join());
        call.peers[alice].names_streams = Some(10);
        // Two of one kind: a payload type alone tells nothing.
        let camera = call.publish(alice, Kind::Video, rids);
        let screen = call.publish(alice, Kind::Video, &[]);
        let slots = [camera, screen].map(|track| call.subscribe(bob, track, Kind::Video));
        call.run(ms(2_000));
        for (slot, sources) in slots.into_iter().zip([0..rids.len().max(1), rids.len().max(1)..rids.len().max(1) + 1]) {
            let packets = whole(&call, bob, slot);
            assert!(packets.len() > 150, "{} packets", packets.len());
            assert!(contiguous(&packets));
            let ssrcs: Vec<u32> = sources.map(|source| call.peers[alice].sources[source].ssrc).collect();
            assert!(packets.iter().all(|(_, _, payload)| ssrcs.contains(&origin(payload).0)));
        }
        assert_eq!(call.discarded(Discard::UnknownSsrc), 0);
    }
}

#[test]
fn every_encoding_of_a_simulcast_track_is_recognised() {
    let mut call = Call::new(3);
    let alice = call.join();
    let viewers = [call.join(), call.join(), call.join()];
    let camera = call.publish(alice, Kind::Video, &["q", "h", "f"]);
    for (spatial, viewer) in viewers.into_iter().enumerate() {
        let slot = call.add_slot(viewer, Kind::Video);
        call.show(slot, Some(camera), &[Layer::new(spatial as u8, 3)]);
        call.run(ms(1_000));
        let ssrc = call.peers[alice].sources[spatial].ssrc;
        let packets = whole(&call, viewer, slot);
        assert!(packets.len() > 60);
        assert!(packets.iter().all(|(_, _, payload)| origin(payload).0 == ssrc), "encoding {spatial}");
    }
}

#[test]
fn another_ssrc_in_an_encoding_goes_on_under_the_subscribers_numbers() {
    for rids in [&[][..], &["q", "h", "f"][..]] {
        let mut call = Call::new(4);
        let (alice, bob) = (call.join(), call.join());
        let camera = call.publish(alice, Kind::Video, rids);
        let slot = call.subscribe(bob, camera, Kind::Video);
        call.run(ms(1_000));
        // A sender that is stopped and begun again (and some replace a track so): all its numbers are new.
        let now = call.now;
        for source in &mut call.peers[alice].sources {
            let rid = source.rid.clone();
            *source = sim::source::Source::new(Kind::Video, "0", rid.as_deref(), source.ssrc + 50_000, now);
        }
        call.run(ms(1_000));
        let packets = whole(&call, bob, slot);
        assert!(contiguous(&packets));
        let steps = packets.windows(2).map(|pair| pair[1].1.wrapping_sub(pair[0].1) as i32);
        for step in steps {
            assert!((0..=9_000).contains(&step), "the timestamp moved by {step}");
        }
        let begin = packets.iter().position(|(_, _, payload)| origin(payload).0 > 50_000).expect("the new stream came");
        assert!(packets.len() - begin > 80, "{} packets of the new stream", packets.len() - begin);
        assert_eq!(packets[begin].2[5] & 1, 0, "it begins with a keyframe");
    }
}

#[test]
fn a_stream_whose_first_keyframe_is_lost_is_asked_for_another() {
    let mut call = Call::new(5);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(1_000));
    let now = call.now;
    let source = &mut call.peers[alice].sources[0];
    *source = sim::source::Source::new(Kind::Video, "0", None, source.ssrc + 50_000, now);
    source.keyframe_wanted = false;
    call.run(ms(1_000));
    let packets = whole(&call, bob, slot);
    assert!(contiguous(&packets));
    assert!(packets.iter().filter(|(_, _, payload)| origin(payload).0 > 50_000).count() > 60);
}

#[test]
fn ssrcs_that_lead_nowhere_are_counted_and_bounded() {
    let mut call = Call::new(6);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(500));
    let path = call.path(alice);
    for ssrc in 0..1_000 {
        let head = (VP8.number, false, 1, 1, 0x9000_0000 + ssrc);
        let packet = call.peers[alice].protect(head, "nowhere", None, b"x").expect("it is connected");
        assert!(call.inject(path, packet).is_err());
    }
    assert_eq!(call.discarded(Discard::UnknownSsrc), 1_000);
    let before = whole(&call, bob, slot).len();
    call.run(ms(1_000));
    assert!(whole(&call, bob, slot).len() > before + 80, "the stream that is known flows on");
}

#[test]
fn what_the_track_has_not_negotiated_is_counted() {
    let mut call = Call::new(7);
    let alice = call.join();
    call.publish(alice, Kind::Video, &[]);
    call.peers[alice].sources[0].active = false;
    let path = call.path(alice);
    for (payload_type, payload, why) in
        [(100, &b"x"[..], Discard::UnknownPayloadType), (97, &[0][..], Discard::RtxUnmatched)]
    {
        let head = (payload_type, false, 1, 1, 77 + u32::from(payload_type));
        let packet = call.peers[alice].protect(head, "0", None, payload).expect("it is connected");
        assert_eq!(call.inject(path, packet), Err(why));
    }
}
