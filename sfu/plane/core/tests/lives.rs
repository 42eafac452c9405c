//! Encodings that stop and return: how soon this is detected, and what it costs viewers.

mod sim;

use std::collections::BTreeSet;

use plane_core::command::Kind;
use plane_core::event::Cause;
use plane_core::id::{SlotId, TrackId};
use plane_core::layer::Layer;
use plane_core::time::{Duration, ms};
use plane_core::{Command, Event};
use sim::stream::{contiguous, origin, whole};
use sim::{Call, Link};

const STEP: Duration = ms(5);

/// The last reported spatial layers that arrive.
fn arriving(call: &Call, of: TrackId) -> BTreeSet<u8> {
    let layers = call.events.iter().rev().find_map(|event| match event {
        Event::Layers { track, layers, .. } if *track == of => Some(layers),
        _ => None,
    });
    layers.into_iter().flatten().map(|rate| rate.layer.spatial).collect()
}

fn reported(call: &Call, of: SlotId) -> Vec<(Option<u8>, Cause)> {
    let reported = |event: &Event| match event {
        Event::Switched { slot, layer, cause, .. } if *slot == of => Some((layer.map(|layer| layer.spatial), *cause)),
        _ => None,
    };
    call.events.iter().filter_map(reported).collect()
}

/// The time until `is` holds.
fn until(call: &mut Call, at_most: Duration, is: impl Fn(&Call) -> bool) -> Option<Duration> {
    let began = call.now;
    while call.now - began < at_most {
        if is(call) {
            return Some(call.now - began);
        }
        call.run(STEP);
    }
    None
}

fn start(call: &mut Call, peer: usize, source: usize) {
    call.peers[peer].sources[source].next_frame = call.now;
    call.peers[peer].sources[source].active = true;
}

/// A camera of three encodings and a microphone, and viewers.
struct Scene {
    call: Call,
    alice: usize,
    bob: usize,
    camera: TrackId,
    slot: SlotId,
}

fn scene(seed: u64) -> Scene {
    let mut call = Call::new(seed);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &["q", "h", "f"]);
    call.publish(alice, Kind::Audio, &[]);
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(3_000));
    assert_eq!(reported(&call, slot).last(), Some(&(Some(2), Cause::None)));
    Scene { call, alice, bob, camera, slot }
}

#[test]
fn an_encoding_that_its_browser_dropped_is_left_within_half_a_second_and_back_within_two() {
    for phase in 0..7 {
        let Scene { mut call, alice, bob, camera, slot } = scene(phase);
        call.run(STEP * phase as u32);
        call.peers[alice].sources[2].active = false;
        let noticed = until(&mut call, ms(2_000), |call| arriving(call, camera) == [0, 1].into()).expect("noticed");
        assert!(noticed <= ms(500), "{noticed:?}");
        let shown = until(&mut call, ms(500), |call| reported(call, slot).last() == Some(&(Some(1), Cause::Publisher)));
        assert!(shown.expect("the next lower one is shown") <= ms(60), "a round trip and a picture");

        call.run(ms(5_000));
        start(&mut call, alice, 2);
        let back = until(&mut call, ms(3_000), |call| reported(call, slot).last() == Some(&(Some(2), Cause::None)));
        assert!(back.expect("it is shown again") <= ms(2_000), "{back:?}");
        assert!(contiguous(&whole(&call, bob, slot)));
    }
}

#[test]
fn where_all_of_a_track_stops_its_microphone_tells() {
    let Scene { mut call, alice, camera, slot, .. } = scene(1);
    (0..3).for_each(|source| call.peers[alice].sources[source].active = false);
    let noticed = until(&mut call, ms(2_000), |call| arriving(call, camera).is_empty()).expect("noticed");
    assert!(noticed <= ms(500), "{noticed:?}");
    assert_eq!(reported(&call, slot).last(), Some(&(None, Cause::Publisher)));
    call.run(ms(4_000));
    (0..3).for_each(|source| start(&mut call, alice, source));
    let back = until(&mut call, ms(1_000), |call| reported(call, slot).last() == Some(&(Some(2), Cause::None)));
    assert!(back.expect("nothing took its place") <= ms(50), "{back:?}");
}

#[test]
fn where_nothing_of_a_transport_is_heard_nothing_is_known_for_three_seconds() {
    let Scene { mut call, alice, camera, slot, .. } = scene(2);
    let before = reported(&call, slot).len();
    for outage in [200, 450, 1_000, 2_500] {
        let link = std::mem::replace(&mut call.up[alice], Link::lossy(ms(5), 1.0));
        call.run(ms(outage));
        call.up[alice] = link;
        call.run(ms(3_000));
        assert_eq!(arriving(&call, camera), [0, 1, 2].into(), "after {outage} ms");
    }
    let reported = &reported(&call, slot)[before..];
    assert!(reported.iter().all(|(layer, _)| *layer == Some(2)), "{reported:?}");
}

#[test]
fn a_still_screen_is_not_dead_beside_a_microphone() {
    let mut call = Call::new(3);
    let (alice, bob) = (call.join(), call.join());
    let screen = call.publish(alice, Kind::Video, &[]);
    call.publish(alice, Kind::Audio, &[]);
    call.peers[alice].sources[0].every = Some(ms(1_000));
    let slot = call.subscribe(bob, screen, Kind::Video);
    call.run(ms(3_000));
    let before = reported(&call, slot).len();
    call.run(ms(60_000));
    assert_eq!(reported(&call, slot).len(), before);
    // It is scrolled, and stands still again: once it looks like a stop.
    for _ in 0..10 {
        call.peers[alice].sources[0].every = Some(ms(33));
        call.run(ms(3_000));
        call.peers[alice].sources[0].every = Some(ms(1_000));
        call.run(ms(3_000));
    }
    let reported = &reported(&call, slot)[before..];
    assert!(reported.len() <= 2, "{reported:?}");
}

#[test]
fn an_encoding_at_its_limit_does_not_make_slots_switch_to_and_fro() {
    let Scene { mut call, alice, slot, .. } = scene(4);
    let before = reported(&call, slot).len();
    for _ in 0..30 {
        call.peers[alice].sources[2].active = false;
        call.run(ms(600));
        start(&mut call, alice, 2);
        call.run(ms(700));
    }
    let reported = &reported(&call, slot)[before..];
    assert!(reported.len() <= 3, "it stopped, its keyframe of the lower came: {reported:?}");
}

/// A layers allocation on `stream`: the active streams of three, as bits; one temporal layer each, without sizes.
fn allocation(stream: u8, on: u8) -> Vec<u8> {
    let mut bytes = vec![stream << 6 | 2 << 4, (on & 1) << 4 | on >> 1 & 1, (on >> 2 & 1) << 4, 0];
    bytes.extend((0..3).filter(|n| on >> n & 1 != 0).map(|n| 30 << n));
    bytes
}

#[test]
fn what_the_sender_says_is_off_is_left_at_once_and_taken_again_with_its_first_packet() {
    let Scene { mut call, alice, camera, slot, .. } = scene(5);
    call.peers[alice].sources[1].allocation = Some(allocation(1, 0b111));
    call.run(ms(100));
    call.peers[alice].sources[1].allocation = Some(allocation(1, 0b011));
    call.peers[alice].sources[2].active = false;
    let noticed = until(&mut call, ms(500), |call| arriving(call, camera) == [0, 1].into()).expect("noticed");
    assert!(noticed <= ms(40), "the next packet of another encoding: {noticed:?}");
    call.run(ms(2_000));
    assert_eq!(reported(&call, slot).last(), Some(&(Some(1), Cause::Publisher)));
    call.peers[alice].sources[1].allocation = Some(allocation(1, 0b111));
    start(&mut call, alice, 2);
    let back = until(&mut call, ms(500), |call| reported(call, slot).last() == Some(&(Some(2), Cause::None)));
    // Its first packet, the tenth of a second in which a keyframe may come by itself, a round trip, a picture.
    assert!(back.expect("it is back") <= ms(210), "{back:?}");
}

#[test]
fn a_sender_that_says_off_and_sends_on_is_believed_its_packets() {
    let Scene { mut call, alice, camera, .. } = scene(6);
    call.peers[alice].sources[1].allocation = Some(allocation(1, 0b011));
    call.run(ms(1_000));
    assert_eq!(arriving(&call, camera), [0, 1].into());
    call.run(ms(2_000));
    assert_eq!(arriving(&call, camera), [0, 1, 2].into());
}

#[test]
fn one_who_comes_later_knows_what_arrives() {
    let Scene { mut call, alice, bob, camera, .. } = scene(7);
    call.peers[alice].sources[2].active = false;
    call.run(ms(2_000));
    let slot = call.add_slot(bob, Kind::Video);
    let asked = call.peers[alice].plis.len();
    call.show(slot, Some(camera), &[Layer::new(2, 3), Layer::new(1, 3), Layer::new(0, 3)]);
    call.run(ms(300));
    let expected = [(None, Cause::WaitingForKeyframe), (Some(1), Cause::Publisher)];
    assert_eq!(reported(&call, slot)[reported(&call, slot).len() - 2..], expected);
    assert_eq!(call.peers[alice].plis.len(), asked + 1, "of the best that arrives");
}

#[test]
fn of_encrypted_video_the_best_encoding_is_shown_and_stays() {
    let mut call = Call::new(8);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &["q", "h", "f"]);
    call.peers[alice].sources.iter_mut().for_each(|source| source.encrypted = true);
    call.run(ms(2_000));
    let encrypted = |event: &Event| matches!(event, Event::Layers { encrypted: true, .. });
    assert!(call.events.iter().any(encrypted));
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(1_000));
    assert_eq!(reported(&call, slot).last(), Some(&(Some(2), Cause::None)));
    call.show(slot, Some(camera), &[Layer::new(0, 3)]);
    call.run(ms(5_000));
    assert_eq!(reported(&call, slot).last(), Some(&(Some(2), Cause::Encrypted)));
    let packets = whole(&call, bob, slot);
    let sources: BTreeSet<u32> = packets.iter().map(|(_, _, payload)| origin(payload).0).collect();
    assert_eq!(sources, [call.peers[alice].sources[2].ssrc].into());
    assert!(contiguous(&packets) && packets.len() > 400);
    assert!(call.peers[alice].plis.len() <= 8, "{} requests", call.peers[alice].plis.len());
}

#[test]
fn who_comes_later_does_not_bring_back_what_others_miss_too() {
    let Scene { mut call, alice, camera, slot, .. } = scene(9);
    call.peers[alice].sources[2].active = false;
    call.run(ms(3_000));
    let before = reported(&call, slot).len();
    let carol = call.join();
    let late = call.add_slot(carol, Kind::Video);
    call.subscribe_to(late, camera);
    call.apply(Command::SetTargets(vec![(late, vec![Layer::new(2, 3), Layer::new(1, 3), Layer::new(0, 3)])]));
    // It comes and goes.
    start(&mut call, alice, 2);
    call.run(ms(600));
    call.peers[alice].sources[2].active = false;
    call.run(ms(3_000));
    assert_eq!(reported(&call, slot)[before..], []);
}
