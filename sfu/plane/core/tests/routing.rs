//! Routing of a publisher's packets: by SSRC, MID, RID and repaired RID (RFC 9143 s9.2, RFC 8852), in any order.

mod sim;

use plane_core::command::{EncodingSpec, Kind};
use plane_core::id::TrackId;
use plane_core::layer::Layer;
use plane_core::rtp::extension::Extension;
use plane_core::time::ms;
use plane_core::{Command, Discard, Event};
use sim::source::Source;
use sim::stream::{Packet, contiguous, origin, whole};
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
            *source = Source::new(Kind::Video, "0", rid.as_deref(), source.ssrc + 50_000, now);
        }
        // It is believed when the old one was silent for 0.4 s.
        call.run(ms(1_500));
        let packets = whole(&call, bob, slot);
        assert!(contiguous(&packets));
        let steps = packets.windows(2).map(|pair| pair[1].1.wrapping_sub(pair[0].1) as i32);
        for step in steps {
            assert!((0..=54_000).contains(&step), "the timestamp moved by {step}");
        }
        let begin = packets.iter().position(|(_, _, payload)| origin(payload).0 > 50_000).expect("the new stream came");
        assert!(packets.len() - begin > 80, "{} packets of the new stream", packets.len() - begin);
        assert_eq!(packets[begin].2[5] & 1, 0, "it begins with a keyframe");
    }
}

/// The sources of a slot's packets in order, and for each change whether it is at a keyframe.
fn shown(packets: &[Packet]) -> Vec<(u32, bool)> {
    let mut found: Vec<(u32, bool)> = Vec::new();
    for (_, _, payload) in packets {
        let (source, _) = origin(payload);
        if found.last().is_none_or(|last| last.0 != source) {
            found.push((source, payload[..].get(9..12) == Some(&[0x9D, 0x01, 0x2A])));
        }
    }
    found
}

/// Whether successive packets of one source had successive numbers at the source.
fn in_step(packets: &[Packet]) -> bool {
    packets.windows(2).filter(|pair| pair[1].0 == pair[0].0.wrapping_add(1)).all(|pair| {
        let [(one, first), (other, second)] = [origin(&pair[0].2), origin(&pair[1].2)];
        one != other || second == first.wrapping_add(1)
    })
}

/// Three pairs of SSRCs in one section (`a=ssrc-group:FID`), without SIM group and RIDs; all of them flow.
fn three_pairs(call: &mut Call, peer: usize) -> TrackId {
    let camera = call.publish_with(peer, Kind::Video, &[], |spec| {
        spec.encodings = vec![EncodingSpec { rid: None, ssrc: Some(101), rtx_ssrc: Some(102) }];
        spec.repairs = vec![(101, 102), (201, 202), (301, 302)];
    });
    let now = call.now;
    call.peers[peer].sources = [101, 201, 301].map(|ssrc| Source::new(Kind::Video, "0", None, ssrc, now)).into();
    camera
}

#[test]
fn of_several_live_streams_in_one_section_one_is_shown_whole_and_the_others_are_told() {
    let mut call = Call::new(8);
    let (alice, bob) = (call.join(), call.join());
    let camera = three_pairs(&mut call, alice);
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.up[alice] = sim::Link::lossy(ms(10), 0.05);
    call.run(ms(3_000));
    call.up[alice] = sim::Link::default();
    call.run(ms(500));
    let packets = whole(&call, bob, slot);
    assert_eq!(shown(&packets), [(101, true)]);
    assert!(contiguous(&packets) && in_step(&packets), "what got lost came by its own repair");
    assert!(packets.len() > 300, "{} packets", packets.len());
    assert!(call.discarded(Discard::SurplusSsrc) > 500);
    let surplus = call.events.iter().rev().find_map(|event| match event {
        Event::Layers { surplus, .. } => Some(surplus.clone()),
        _ => None,
    });
    assert_eq!(surplus, Some(vec![201, 301]));
    assert!(call.peers[alice].plis.iter().all(|(media, _)| *media == 101), "nothing is asked of what is ignored");

    // It ends: one of the others takes its place, from a keyframe on, and keeps it though the first one is back.
    call.peers[alice].sources[0].active = false;
    call.run(ms(2_000));
    let now = call.now;
    (call.peers[alice].sources[0].active, call.peers[alice].sources[0].next_frame) = (true, now);
    call.run(ms(2_000));
    let packets = whole(&call, bob, slot);
    let shown = shown(&packets);
    assert!(matches!(shown[..], [(101, true), (201 | 301, true)]), "{shown:?}");
    assert!(contiguous(&packets) && in_step(&packets));
    call.peers[alice].sources.truncate(1);
    call.run(ms(7_000));
    let surplus = call.events.iter().rev().find_map(|event| match event {
        Event::Layers { surplus, .. } => Some(surplus.clone()),
        _ => None,
    });
    assert_eq!(surplus, Some(vec![]), "there is one stream again");
}

#[test]
fn a_late_packet_of_a_stream_that_was_replaced_brings_nothing_back() {
    for rids in [&[][..], &["q", "h", "f"][..]] {
        let mut call = Call::new(9);
        let (alice, bob) = (call.join(), call.join());
        let camera = call.publish(alice, Kind::Video, rids);
        let slot = call.subscribe(bob, camera, Kind::Video);
        call.run(ms(1_000));
        let now = call.now;
        let top = call.peers[alice].sources.len() - 1;
        let old = call.peers[alice].sources[top].ssrc;
        let mut late = call.peers[alice].sources[top].next_frame();
        for source in &mut call.peers[alice].sources {
            let rid = source.rid.clone();
            *source = Source::new(Kind::Video, "0", rid.as_deref(), source.ssrc + 50_000, now);
        }
        call.run(ms(1_000));
        let rid = rids.last().map(|rid| (Extension::Rid, *rid));
        let made = late.remove(0);
        let head = (VP8.number, made.marker, made.sequence, made.timestamp, old);
        let packet = call.peers[alice].protect(head, "0", rid, &made.payload).expect("it is connected");
        let path = call.path(alice);
        assert_eq!(call.inject(path, packet), Err(Discard::SurplusSsrc));
        call.run(ms(500));
        let packets = whole(&call, bob, slot);
        let last = shown(&packets).last().map(|last| last.0);
        assert_eq!(last, Some(old + 50_000));
        assert!(contiguous(&packets) && in_step(&packets));
    }
}

#[test]
fn repairs_that_only_fid_lines_name_are_found_beside_rids() {
    let mut call = Call::new(10);
    let (alice, bob) = (call.join(), call.join());
    let rids = ["hi", "mid", "lo"];
    let mut base = 0;
    let camera = call.publish_with(alice, Kind::Video, &rids, |spec| {
        base = 1_000 * (spec.transport.0 as u32 + 1);
        spec.repairs = (0..3).map(|index| (base + 10 * index, base + 10 * index + 1)).collect();
    });
    // A second camera, so that a payload type alone tells nothing.
    call.publish(alice, Kind::Video, &[]);
    (call.peers[alice].names_streams, call.peers[alice].names_repairs) = (Some(60), false);
    let slot = call.add_slot(bob, Kind::Video);
    call.show(slot, Some(camera), &[Layer::new(0, 3)]);
    call.run(ms(500));
    assert_eq!(call.peers[alice].sources[0].ssrc, base);
    call.up[alice] = sim::Link::lossy(ms(5), 0.1);
    call.run(ms(3_000));
    call.up[alice] = sim::Link::default();
    call.run(ms(500));
    let packets = whole(&call, bob, slot);
    assert!(contiguous(&packets) && in_step(&packets), "each lost packet came again");
    assert!(packets.len() > 300);
    assert_eq!(call.discarded(Discard::RtxUnmatched), 0);
}

#[test]
fn an_encoding_that_is_listed_elsewhere_is_shown_on_and_one_that_is_gone_gives_way_at_a_keyframe() {
    for (keep, stays) in [(&[1, 2][..], true), (&[2, 0, 1], true), (&[2, 1, 0], true), (&[1], true), (&[0, 2], false)] {
        let mut call = Call::new(31);
        let (alice, bob) = (call.join(), call.join());
        let mut kept = None;
        let camera = call.publish_with(alice, Kind::Video, &["q", "h", "f"], |spec| kept = Some(spec.clone()));
        let slot = call.add_slot(bob, Kind::Video);
        call.show(slot, Some(camera), &[Layer::new(1, 3), Layer::new(0, 3), Layer::new(2, 3)]);
        call.up[alice] = sim::Link::lossy(ms(10), 0.03);
        call.down[bob] = sim::Link::lossy(ms(10), 0.03);
        call.run(ms(2_000));
        let ssrcs: Vec<u32> = call.peers[alice].sources.iter().map(|source| source.ssrc).collect();
        let mut spec = kept.expect("it was published");
        spec.encodings = keep.iter().map(|&at: &usize| spec.encodings[at].clone()).collect();
        let before = call.events.len();
        call.apply(Command::UpdateTrack(spec.clone()));
        call.run(ms(2_000));
        (call.up[alice], call.down[bob]) = (sim::Link::default(), sim::Link::default());
        call.run(ms(1_000));
        let packets = whole(&call, bob, slot);
        let shown = shown(&packets);
        // Lost packets of a removed encoding stay lost, and the simulated receiver asks once.
        let missing: u16 = packets.windows(2).map(|pair| pair[1].0 - pair[0].0 - 1).sum();
        assert!(missing <= 4 || !stays, "{keep:?}: {missing} are missing");
        assert!(in_step(&packets), "{keep:?}: repairs are of what was lost");
        assert!(shown.iter().all(|(_, at_keyframe)| *at_keyframe), "{keep:?}: {shown:?}");
        let last = shown.last().map(|last| last.0);
        if stays {
            assert_eq!(last, Some(ssrcs[1]), "{keep:?}: {shown:?}");
        } else {
            assert_ne!(last, Some(ssrcs[1]), "{keep:?}");
        }
        // The plane calls it as the new list does, and takes ladders by that.
        let layer = call.events[before..].iter().rev().find_map(|event| match event {
            Event::Switched { layer, .. } => layer.map(|layer| usize::from(layer.spatial)),
            _ => None,
        });
        assert_eq!(layer, keep.iter().position(|&at| Some(ssrcs[at]) == last), "{keep:?}");
        for (index, &at) in keep.iter().enumerate() {
            call.apply(Command::SetTargets(vec![(slot, vec![Layer::new(index as u8, 3)])]));
            call.run(ms(1_500));
            let packets = whole(&call, bob, slot);
            assert_eq!(origin(&packets[packets.len() - 1].2).0, ssrcs[at], "{keep:?}: {index} is {at}");
        }
    }
}

#[test]
fn a_ladder_names_the_same_encodings_after_an_update_lists_them_elsewhere() {
    for (keep, rung, expected) in [(&[2, 0, 1][..], 1, 1), (&[2, 1, 0], 0, 0), (&[1, 2], 2, 2), (&[1, 0], 2, 0)] {
        let mut call = Call::new(34);
        let (alice, bob) = (call.join(), call.join());
        let mut kept = None;
        let camera = call.publish_with(alice, Kind::Video, &["q", "h", "f"], |spec| kept = Some(spec.clone()));
        let slot = call.add_slot(bob, Kind::Video);
        call.show(slot, Some(camera), &[Layer::new(rung, 3), Layer::new(0, 3)]);
        call.run(ms(1_000));
        let mut spec = kept.expect("it was published");
        spec.encodings = keep.iter().map(|&at: &usize| spec.encodings[at].clone()).collect();
        // The last ladder of the slot applies again when the mute ends.
        call.apply(Command::SetMuted { track: camera, muted: true });
        call.apply(Command::UpdateTrack(spec));
        call.run(ms(500));
        call.apply(Command::SetMuted { track: camera, muted: false });
        call.run(ms(1_500));
        let packets = whole(&call, bob, slot);
        let last = origin(&packets[packets.len() - 1].2).0;
        assert_eq!(last, call.peers[alice].sources[expected].ssrc, "{keep:?}, rung {rung}");
        assert!(shown(&packets).iter().all(|(_, at_keyframe)| *at_keyframe), "{keep:?}");
    }
}

#[test]
fn an_encoding_that_takes_the_place_of_another_is_not_taken_for_it() {
    let mut call = Call::new(32);
    let (alice, bob) = (call.join(), call.join());
    let mut kept = None;
    let camera = call.publish_with(alice, Kind::Video, &["q", "h"], |spec| kept = Some(spec.clone()));
    let slot = call.add_slot(bob, Kind::Video);
    call.show(slot, Some(camera), &[Layer::new(1, 3), Layer::new(0, 3)]);
    call.run(ms(1_000));
    let mut spec = kept.expect("it was published");
    spec.encodings[1].rid = Some("x".into());
    call.apply(Command::UpdateTrack(spec));
    let now = call.now;
    let old = call.peers[alice].sources[1].ssrc;
    // Its numbers are those of the one before, so that a cache could not tell them apart.
    let mut source = Source::new(Kind::Video, "0", Some("x"), old + 50_000, now);
    source.sequence = call.peers[alice].sources[1].sequence.wrapping_sub(60);
    call.peers[alice].sources[1] = source;
    call.down[bob] = sim::Link::lossy(ms(10), 0.1);
    call.run(ms(2_000));
    call.down[bob] = sim::Link::default();
    call.run(ms(1_000));
    let packets = whole(&call, bob, slot);
    let shown = shown(&packets);
    assert!(in_step(&packets), "repairs are of what was lost");
    assert!(shown.iter().all(|(_, at_keyframe)| *at_keyframe), "{shown:?}");
    assert_eq!(shown.last().map(|last| last.0), Some(old + 50_000));
}

#[test]
fn a_stream_that_an_update_puts_in_the_place_of_another_is_not_mixed_with_it() {
    let mut call = Call::new(33);
    let (alice, bob, carol) = (call.join(), call.join(), call.join());
    let mut kept = None;
    let camera = call.publish_with(alice, Kind::Video, &["q"], |spec| {
        // A late viewer starts from cached packets, because the publisher accepts no keyframe requests.
        (spec.pli, spec.fir) = (false, false);
        kept = Some(spec.clone());
    });
    let early = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(1_000));
    let (mut spec, now) = (kept.expect("it was published"), call.now);
    let ssrc = call.peers[alice].sources[0].ssrc + 50_000;
    spec.encodings[0].ssrc = Some(ssrc);
    call.apply(Command::UpdateTrack(spec));
    // Its first keyframe was lost, and its next comes in 3 s.
    let mut source = Source::new(Kind::Video, "0", Some("q"), ssrc, now);
    (source.keyframe_wanted, source.frames, source.period) = (false, 10, Some(100));
    call.peers[alice].sources[0] = source;
    call.run(ms(500));
    let late = call.subscribe(carol, camera, Kind::Video);
    call.run(ms(4_000));
    let shown = |peer, slot| shown(&whole(&call, peer, slot));
    assert_eq!(shown(bob, early), [(ssrc - 50_000, true), (ssrc, true)]);
    assert_eq!(shown(carol, late), [(ssrc, true)], "nothing of the stream before");
}

#[test]
fn sequence_numbers_that_leap_by_any_number_cost_no_more_than_a_keyframe() {
    for by in [500, 5_000, 20_000, 32_767, 32_768, 40_000, 60_000, 64_000] {
        let mut call = Call::new(11);
        let (alice, bob) = (call.join(), call.join());
        let camera = call.publish(alice, Kind::Video, &[]);
        let slot = call.subscribe(bob, camera, Kind::Video);
        call.run(ms(1_000));
        call.peers[alice].leap(0, by);
        call.run(ms(2_000));
        let packets = whole(&call, bob, slot);
        assert!(packets.len() > 240, "{by}: {} packets", packets.len());
        // Numbers of a few missing packets stay reserved.
        let successive = packets.windows(2).filter(|pair| pair[1].0 == pair[0].0.wrapping_add(1));
        for pair in successive.filter(|pair| origin(&pair[1].2).1 != origin(&pair[0].2).1.wrapping_add(1)) {
            assert_eq!(pair[1].2.get(9..12), Some(&[0x9D, 0x01, 0x2A][..]), "{by}: the picture goes on at a keyframe");
        }
        let newest = call.peers[alice].sources[0].sequence.wrapping_sub(origin(&packets[packets.len() - 1].2).1);
        assert!(newest <= 6, "{by}: {newest} packets behind");
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
    *source = Source::new(Kind::Video, "0", None, source.ssrc + 50_000, now);
    source.keyframe_wanted = false;
    call.run(ms(1_500));
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
