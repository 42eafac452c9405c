//! A slot shows one track after another: its numbers and its time continue, and each track starts with a keyframe.

mod sim;

use plane_core::Event;
use plane_core::command::{Command, Kind};
use plane_core::event::Cause;
use plane_core::id::SlotId;
use plane_core::layer::Layer;
use plane_core::time::ms;
use sim::Call;
use sim::stream::{Packet, contiguous, origin, whole};

const BEST: Layer = Layer::new(0, 3);

/// Checks that numbers are contiguous and the time advances by at most `longest` ticks per packet.
fn assert_continuous(packets: &[Packet], longest: i32) {
    assert!(contiguous(packets));
    for pair in packets.windows(2) {
        let step = pair[1].1.wrapping_sub(pair[0].1) as i32;
        assert!((0..=longest).contains(&step), "the timestamp moved by {step} before {}", pair[1].0);
    }
}

/// The sources in the order in which they were shown.
fn shown(packets: &[Packet]) -> Vec<u32> {
    let mut shown: Vec<u32> = packets.iter().map(|(_, _, payload)| origin(payload).0).collect();
    shown.dedup();
    shown
}

fn switches(call: &Call, of: SlotId) -> Vec<(Option<Layer>, Cause)> {
    let switch = |event: &Event| match event {
        Event::Switched { slot, layer, cause, .. } if *slot == of => Some((*layer, *cause)),
        _ => None,
    };
    call.events.iter().filter_map(switch).collect()
}

#[test]
fn a_slot_moves_over_the_tracks_of_several_publishers() {
    let mut call = Call::new(1);
    let publishers: Vec<_> = (0..4).map(|_| call.join()).collect();
    let tracks: Vec<_> = publishers.iter().map(|&peer| call.publish(peer, Kind::Video, &[])).collect();
    let bob = call.join();
    let slot = call.add_slot(bob, Kind::Video);
    call.run(ms(2_000));
    let mut expected = Vec::new();
    for turn in [0, 1, 2, 3, 0, 2, 1] {
        let before = call.peers[publishers[turn]].sources[0].keyframes;
        call.show(slot, Some(tracks[turn]), &[BEST]);
        call.run(ms(500));
        let keyframes = call.peers[publishers[turn]].sources[0].keyframes - before;
        assert!(keyframes <= 1, "{keyframes} for one change");
        expected.push(call.peers[publishers[turn]].sources[0].ssrc);
    }
    let packets = whole(&call, bob, slot);
    assert!(packets.len() > 7 * 30, "{} packets", packets.len());
    // A round trip of nothing until the keyframe comes, and a picture.
    assert_continuous(&packets, 90 * (33 + 33 + 33 + 75));
    assert_eq!(shown(&packets), expected);
    for pair in packets.windows(2).filter(|pair| origin(&pair[0].2).0 != origin(&pair[1].2).0) {
        assert_eq!(pair[1].2[5] & 1, 0, "each begins with a keyframe");
    }
}

#[test]
fn sound_moves_over_the_microphones_of_a_room() {
    let mut call = Call::new(2);
    let publishers: Vec<_> = (0..3).map(|_| call.join()).collect();
    let tracks: Vec<_> = publishers.iter().map(|&peer| call.publish(peer, Kind::Audio, &[])).collect();
    let bob = call.join();
    let slot = call.add_slot(bob, Kind::Audio);
    for turn in [0, 1, 2, 1, 0] {
        call.show(slot, Some(tracks[turn]), &[Layer::new(0, 0)]);
        call.run(ms(400));
    }
    let packets = whole(&call, bob, slot);
    assert!(packets.len() > 90);
    assert_continuous(&packets, 48 * (20 + 20 + 75));
    assert_eq!(shown(&packets).len(), 5);
    assert!(call.peers.iter().all(|peer| peer.plis.is_empty()));
}

#[test]
fn a_paused_slot_sends_nothing_and_goes_on_where_it_was() {
    let mut call = Call::new(3);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(1_000));
    for _ in 0..3 {
        call.show(slot, Some(camera), &[]);
        call.run(ms(50));
        let quiet = call.peers[bob].received.len();
        call.run(ms(2_000));
        assert_eq!(call.peers[bob].received.len(), quiet);
        call.show(slot, Some(camera), &[BEST]);
        call.run(ms(1_000));
        assert!(call.peers[bob].received.len() > quiet + 80);
    }
    let packets = whole(&call, bob, slot);
    // A pause takes as long on the timeline as it took.
    assert_continuous(&packets, 90 * (2_050 + 150));
    let longest = packets.windows(2).map(|pair| pair[1].1.wrapping_sub(pair[0].1)).max();
    assert!(longest > Some(90 * 1_900), "{longest:?}");
    let paused = switches(&call, slot).iter().filter(|switch| **switch == (None, Cause::Paused)).count();
    assert_eq!(paused, 3);
}

#[test]
fn a_slot_without_a_source_sends_nothing() {
    let mut call = Call::new(4);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(500));
    call.show(slot, None, &[BEST]);
    call.run(ms(50));
    let quiet = call.peers[bob].received.len();
    call.run(ms(1_000));
    assert_eq!(call.peers[bob].received.len(), quiet);
    assert_eq!(switches(&call, slot).last(), Some(&(None, Cause::Paused)));
}

#[test]
fn a_muted_publisher_comes_back_without_a_jump() {
    for (kind, most) in [(Kind::Video, 90 * (5_000 + 150)), (Kind::Audio, 48 * (5_000 + 150))] {
        let mut call = Call::new(5);
        let (alice, bob) = (call.join(), call.join());
        let track = call.publish(alice, kind, &[]);
        let slot = call.subscribe(bob, track, kind);
        call.run(ms(1_000));
        for _ in 0..3 {
            call.peers[alice].sources[0].active = false;
            call.run(ms(5_000));
            // Its clock ran on while it was muted, as a browser's does.
            let now = call.now;
            let source = &mut call.peers[alice].sources[0];
            (source.active, source.next_frame) = (true, now);
            source.timestamp = source.timestamp.wrapping_add(if kind == Kind::Video { 450_000 } else { 240_000 });
            call.run(ms(1_000));
        }
        let packets = whole(&call, bob, slot);
        assert_continuous(&packets, most);
        assert!(packets.len() > 190, "{} packets", packets.len());
        assert_eq!(call.plane.stats().nacks_sent, 0);
    }
}

#[test]
fn a_muted_track_reaches_nobody_and_its_slots_report_nothing() {
    for kind in [Kind::Audio, Kind::Video] {
        let mut call = Call::new(10);
        let (alice, bob, carol, dave) = (call.join(), call.join(), call.join(), call.join());
        let track = call.publish(alice, kind, &[]);
        let slots = [(bob, call.subscribe(bob, track, kind)), (carol, call.subscribe(carol, track, kind))];
        call.run(ms(1_000));
        for _ in 0..3 {
            let reported: Vec<_> = slots.iter().map(|&(_, slot)| switches(&call, slot).len()).collect();
            call.apply(Command::SetMuted { track, muted: true });
            call.run(ms(50));
            let quiet: Vec<_> = slots.iter().map(|&(viewer, _)| call.peers[viewer].received.len()).collect();
            // Neither another ladder nor a slot that shows it from now on ends the mute.
            call.show(slots[0].1, Some(track), &[Layer::new(0, 3), Layer::new(1, 3)]);
            let late = call.subscribe(dave, track, kind);
            let others = call.peers[dave].received.len();
            call.run(ms(2_000));
            for (&(viewer, slot), (quiet, reported)) in slots.iter().zip(quiet.iter().zip(&reported)) {
                assert_eq!(call.peers[viewer].received.len(), *quiet, "{kind:?}");
                assert_eq!(switches(&call, slot).len(), *reported, "{kind:?}: {:?}", switches(&call, slot));
            }
            assert_eq!(call.peers[dave].received.len(), others, "{kind:?}");
            assert_eq!(switches(&call, late), [], "{kind:?}");
            call.apply(Command::SetMuted { track, muted: false });
            call.run(ms(1_000));
            for (&(viewer, slot), (quiet, reported)) in slots.iter().zip(quiet.iter().zip(&reported)) {
                assert!(call.peers[viewer].received.len() > quiet + 40, "{kind:?}");
                let since = &switches(&call, slot)[*reported..];
                // Audio continues at once. Video needs a keyframe first, which is reported.
                assert_eq!(since.is_empty(), kind == Kind::Audio, "{since:?}");
                assert!(since.last().is_none_or(|last| last.0.is_some() && last.1 == Cause::None), "{since:?}");
            }
            assert!(matches!(switches(&call, late)[..], [.., (Some(_), Cause::None)]), "{kind:?}");
            call.apply(Command::Remove(late.0));
        }
        for (viewer, slot) in slots {
            let rate = if kind == Kind::Video { 90 } else { 48 };
            assert_continuous(&whole(&call, viewer, slot), rate * (2_050 + 150));
        }
    }
}

#[test]
fn a_slot_leaves_a_muted_track_for_another_and_comes_back() {
    let mut call = Call::new(11);
    let (alice, bob, carol) = (call.join(), call.join(), call.join());
    let (muted, other) = (call.publish(alice, Kind::Audio, &[]), call.publish(bob, Kind::Audio, &[]));
    let slot = call.add_slot(carol, Kind::Audio);
    call.apply(Command::SetMuted { track: muted, muted: true });
    call.subscribe_to(slot, muted);
    call.run(ms(500));
    assert!(call.peers[carol].received.is_empty());
    call.subscribe_to(slot, other);
    call.run(ms(500));
    let heard = call.peers[carol].received.len();
    assert!(heard > 20);
    assert_eq!(switches(&call, slot).last(), Some(&(Some(Layer::new(0, 0)), Cause::None)));
    call.subscribe_to(slot, muted);
    call.run(ms(40));
    let heard = call.peers[carol].received.len();
    call.run(ms(500));
    assert_eq!(call.peers[carol].received.len(), heard);
    call.apply(Command::Remove(muted.0));
    call.subscribe_to(slot, other);
    call.run(ms(500));
    assert!(call.peers[carol].received.len() > heard + 20);
}

#[test]
fn a_track_that_stopped_while_it_was_muted_is_reported_when_the_mute_ends() {
    let mut call = Call::new(12);
    let (alice, bob) = (call.join(), call.join());
    let (track, camera) = (call.publish(alice, Kind::Audio, &[]), call.publish(alice, Kind::Video, &[]));
    let (slot, _) = (call.subscribe(bob, track, Kind::Audio), call.subscribe(bob, camera, Kind::Video));
    call.run(ms(1_000));
    call.apply(Command::SetMuted { track, muted: true });
    call.peers[alice].sources[0].active = false;
    call.run(ms(5_000));
    assert!(matches!(switches(&call, slot).last(), Some((Some(_), Cause::None))));
    call.apply(Command::SetMuted { track, muted: false });
    call.run(ms(100));
    assert_eq!(switches(&call, slot).last(), Some(&(None, Cause::Publisher)));
}

#[test]
fn an_encoding_that_stops_is_replaced_by_the_next_rung_and_comes_back() {
    let mut call = Call::new(6);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &["q", "h", "f"]);
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(1_500));
    assert_eq!(switches(&call, slot).last().and_then(|(layer, _)| *layer).map(|layer| layer.spatial), Some(2));
    // Chromium stops its top encoding where bandwidth or CPU is short.
    call.peers[alice].sources[2].active = false;
    call.run(ms(2_000));
    let (layer, cause) = *switches(&call, slot).last().expect("it switched");
    assert_eq!((layer.map(|layer| layer.spatial), cause), (Some(1), Cause::Publisher));
    let now = call.now;
    (call.peers[alice].sources[2].active, call.peers[alice].sources[2].next_frame) = (true, now);
    call.run(ms(5_000));
    let (layer, cause) = *switches(&call, slot).last().expect("it switched");
    assert_eq!((layer.map(|layer| layer.spatial), cause), (Some(2), Cause::None));
    assert!(contiguous(&whole(&call, bob, slot)));
}

#[test]
fn a_subscriber_without_the_codec_is_told_so() {
    let mut call = Call::new(7);
    let (alice, bob) = (call.join(), call.join());
    let microphone = call.publish(alice, Kind::Audio, &[]);
    let id = SlotId(call.id());
    let transport = call.peers[bob].transport;
    let spec = plane_core::command::SlotSpec {
        id,
        transport,
        kind: Kind::Audio,
        mid: "r".into(),
        ssrc: 5,
        rtx_ssrc: None,
        payload_types: vec![sim::VP8],
        extensions: Call::extensions(),
    };
    call.apply(plane_core::Command::AddSlot(spec));
    call.show(id, Some(microphone), &[Layer::new(0, 0)]);
    call.run(ms(500));
    let refusals = call.events.iter().filter(|event| matches!(event, Event::Refused { slot, .. } if *slot == id));
    assert_eq!(refusals.count(), 1);
    assert!(call.peers[bob].received.is_empty());
}
