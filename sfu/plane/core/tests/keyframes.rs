//! How soon a slot has a picture, and at the cost of how many keyframes: requests are shared, cached packets since the
//! last keyframe serve later viewers, and publishers that ignore requests are detected.

mod sim;

use plane_core::command::{DtlsRole, Kind};
use plane_core::id::{SlotId, TrackId};
use plane_core::layer::Layer;
use plane_core::rtcp::feedback;
use plane_core::time::{Duration, Instant, Ntp, ms};
use plane_core::{Command, Event};
use sim::peer::Received;
use sim::stream::{contiguous, ssrc, whole};
use sim::{Call, H264, Link};

const LADDER: [Layer; 3] = [Layer::new(2, 3), Layer::new(1, 3), Layer::new(0, 3)];

fn plis(call: &Call, peer: usize, source: usize) -> usize {
    let ssrc = call.peers[peer].sources[source].ssrc;
    call.peers[peer].plis.iter().filter(|(media, _)| *media == ssrc).count()
}

/// The time from `since` to the first packet of a slot.
fn first_after(call: &Call, peer: usize, slot: SlotId, since: Instant) -> Option<Duration> {
    call.peers[peer].stream(ssrc(slot)).iter().find(|packet| packet.at >= since).map(|packet| packet.at - since)
}

#[test]
fn fifty_who_join_within_a_second_cost_three_keyframes_at_most_and_see_a_picture_at_once() {
    // 0.7, 2 and 3.6 Mbit/s.
    for packets in [3, 8, 15] {
        let mut call = Call::new(1);
        let alice = call.join();
        let camera = call.publish(alice, Kind::Video, &[]);
        call.peers[alice].sources[0].packets = packets;
        let viewers: Vec<_> = (0..50).map(|_| call.join()).collect();
        call.run(ms(3_000));
        let before = call.peers[alice].sources[0].keyframes;
        let (mut joined, mut waited) = (Vec::new(), Vec::new());
        for viewer in viewers {
            joined.push((viewer, call.subscribe(viewer, camera, Kind::Video), call.now));
            call.run(ms(20));
        }
        call.run(ms(1_000));
        for (viewer, slot, since) in joined {
            waited.push(first_after(&call, viewer, slot, since).expect("it sees something"));
            let packets = whole(&call, viewer, slot);
            assert!(contiguous(&packets));
            assert_eq!(packets[0].2[5] & 1, 0, "a keyframe first");
        }
        let keyframes = call.peers[alice].sources[0].keyframes - before;
        assert!(keyframes <= 3, "{keyframes} keyframes");
        waited.sort();
        assert!(waited[47] <= ms(100), "{:?} at {packets} packets a frame", waited[47]);
    }
}

#[test]
fn a_change_of_the_speaker_costs_two_keyframes_per_encoding_at_most() {
    const PEOPLE: usize = 12;
    let mut call = Call::new(2);
    let people: Vec<_> = (0..PEOPLE).map(|_| call.join()).collect();
    let cameras: Vec<_> = people.iter().map(|&peer| call.publish(peer, Kind::Video, &["q", "h", "f"])).collect();
    for &peer in &people {
        call.peers[peer].sources.iter_mut().for_each(|source| source.packets = 1);
    }
    // Everybody sees everybody: the speaker large, all others small.
    let mut slots = Vec::new();
    for &viewer in &people {
        for (place, &camera) in cameras.iter().enumerate().filter(|&(place, _)| people[place] != viewer) {
            let slot = call.add_slot(viewer, Kind::Video);
            call.show(slot, Some(camera), &LADDER[2..]);
            slots.push((place, slot));
        }
    }
    call.run(ms(3_000));
    let began: Vec<Vec<u32>> = keyframes(&call, &people);
    for speaker in [3, 7, 3, 11] {
        let before = keyframes(&call, &people);
        let targets = slots
            .iter()
            .map(|&(place, slot)| (slot, if place == speaker { LADDER.to_vec() } else { LADDER[2..].to_vec() }));
        call.apply(Command::SetTargets(targets.collect()));
        call.run(ms(5_000));
        for (before, after) in before.iter().zip(keyframes(&call, &people)) {
            assert!(before.iter().zip(after).all(|(before, after)| after - before <= 2));
        }
        let large = slots.iter().filter(|(place, _)| *place == speaker).all(|&(_, slot)| shown(&call, slot) == Some(2));
        assert!(large, "the speaker is large");
    }
    // 20 s: no more than 15 a minute.
    for (began, after) in began.iter().zip(keyframes(&call, &people)) {
        assert!(began.iter().zip(after).all(|(began, after)| after - began <= 5));
    }
}

fn keyframes(call: &Call, people: &[usize]) -> Vec<Vec<u32>> {
    let of = |&peer: &usize| call.peers[peer].sources.iter().map(|source| source.keyframes).collect();
    people.iter().map(of).collect()
}

/// The spatial layer that a slot shows.
fn shown(call: &Call, of: SlotId) -> Option<u8> {
    let switch = |event: &Event| match event {
        Event::Switched { slot, layer, .. } if *slot == of => Some(layer.map(|layer| layer.spatial)),
        _ => None,
    };
    call.events.iter().rev().find_map(switch).flatten()
}

/// A publisher that stopped its best encoding because nobody wanted it, and a viewer that wants it again.
fn raised(seed: u64) -> (Call, usize, SlotId) {
    let mut call = Call::new(seed);
    let (alice, bob) = (call.join(), call.join());
    call.up[alice] = Link { delay: ms(20), ..Link::default() };
    call.down[alice] = Link { delay: ms(20), ..Link::default() };
    let camera = call.publish(alice, Kind::Video, &["q", "h", "f"]);
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(1_000));
    call.apply(Command::SetTargets(vec![(slot, LADDER[1..].to_vec())]));
    call.run(ms(5_000));
    call.peers[alice].sources[2].active = false;
    call.run(ms(10_000));
    assert_eq!(shown(&call, slot), Some(1));
    call.apply(Command::SetTargets(vec![(slot, LADDER.to_vec())]));
    (call, alice, slot)
}

fn send_again(call: &mut Call, peer: usize, keyframe: bool) {
    let now = call.now;
    let source = &mut call.peers[peer].sources[2];
    (source.active, source.next_frame, source.keyframe_wanted) = (true, now, keyframe);
}

#[test]
fn an_encoding_that_is_wanted_again_begins_with_its_own_keyframe_and_is_asked_for_none() {
    let (mut call, alice, slot) = raised(3);
    let before = (plis(&call, alice, 2), call.peers[alice].sources[2].keyframes);
    call.run(ms(60));
    send_again(&mut call, alice, true);
    call.run(ms(60));
    assert_eq!(shown(&call, slot), Some(2));
    call.run(ms(3_000));
    assert_eq!((plis(&call, alice, 2), call.peers[alice].sources[2].keyframes), (before.0, before.1 + 1));
}

#[test]
fn nor_is_it_if_the_slot_that_wants_it_showed_another_track_before() {
    let mut call = Call::new(11);
    let (alice, bob, carol) = (call.join(), call.join(), call.join());
    let [camera, other] = [alice, bob].map(|peer| call.publish(peer, Kind::Video, &["q", "h", "f"]));
    let slot = call.subscribe(carol, camera, Kind::Video);
    call.run(ms(1_000));
    call.subscribe_to(slot, other);
    call.run(ms(1_000));
    // Nobody watches the first one.
    call.peers[alice].sources[2].active = false;
    call.run(ms(10_000));
    call.subscribe_to(slot, camera);
    call.apply(Command::SetTargets(vec![(slot, LADDER.to_vec())]));
    let before = (plis(&call, alice, 2), call.peers[alice].sources[2].keyframes);
    call.run(ms(60));
    send_again(&mut call, alice, true);
    call.run(ms(60));
    assert_eq!(shown(&call, slot), Some(2));
    call.run(ms(3_000));
    assert_eq!((plis(&call, alice, 2), call.peers[alice].sources[2].keyframes), (before.0, before.1 + 1));
}

#[test]
fn if_it_does_not_it_is_asked_after_a_round_trip_and_a_tenth_of_a_second() {
    let (mut call, alice, slot) = raised(4);
    let before = plis(&call, alice, 2);
    call.run(ms(60));
    send_again(&mut call, alice, false);
    call.run(ms(100));
    assert_eq!(plis(&call, alice, 2), before);
    call.run(ms(200));
    assert_eq!(plis(&call, alice, 2), before + 1);
    assert_eq!(shown(&call, slot), Some(2));
}

/// A hardware camera and its microphone: H.264 in one profile, a keyframe each 4 s, neither transport-wide feedback nor
/// RTX, and it ignores requests.
fn awkward(call: &mut Call, says_so: bool) -> (usize, TrackId, TrackId) {
    let peer = call.join();
    let camera = call.publish_with(peer, Kind::Video, &[], |spec| {
        spec.payload_types = vec![H264];
        (spec.nack, spec.pli) = (false, !says_so);
    });
    let microphone = call.publish(peer, Kind::Audio, &[]);
    let source = &mut call.peers[peer].sources[0];
    (source.codec, source.deaf, source.period, source.packets) = (H264.codec, true, Some(121), 6);
    (peer, camera, microphone)
}

fn deaf(call: &Call, of: TrackId) -> Option<bool> {
    call.events.iter().rev().find_map(|event| match event {
        Event::Layers { track, deaf, .. } if *track == of => Some(*deaf),
        _ => None,
    })
}

#[test]
fn whoever_joins_a_publisher_that_ignores_requests_sees_it_within_a_second_whenever_that_is() {
    let mut call = Call::new(5);
    let (_, camera, _) = awkward(&mut call, false);
    call.run(ms(5_000));
    let mut waited = Vec::new();
    for _ in 0..30 {
        let viewer = call.join();
        let since = call.now;
        let slot = call.subscribe(viewer, camera, Kind::Video);
        call.run(ms(1_370));
        waited.push(first_after(&call, viewer, slot, since).expect("it sees something"));
        let packets = whole(&call, viewer, slot);
        assert!(contiguous(&packets));
        assert!(matches!(packets[0].2[0], 0x67 | 0x78), "parameter sets first");
        call.apply(Command::Remove(call.peers[viewer].transport.0));
    }
    assert!(waited.iter().all(|&waited| waited <= ms(700)), "{waited:?}");
    assert_eq!(deaf(&call, camera), Some(true));
    // At once, once that is known; or with the keyframe that is about to come.
    assert!(waited[20..].iter().all(|&waited| waited <= ms(300)), "{waited:?}");
    assert!(waited[20..].iter().filter(|&&waited| waited <= ms(10)).count() >= 8, "{waited:?}");
}

#[test]
fn a_publisher_that_says_it_takes_no_requests_is_not_asked_and_whoever_joins_sees_it_at_once() {
    let mut call = Call::new(6);
    let (alice, camera, _) = awkward(&mut call, true);
    call.run(ms(6_000));
    assert_eq!(deaf(&call, camera), Some(true));
    let bob = call.join();
    let since = call.now;
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(500));
    assert!(first_after(&call, bob, slot, since).expect("it sees something") <= ms(10));
    assert!(call.peers[alice].plis.is_empty());
}

#[test]
fn a_publisher_that_answers_is_not_taken_for_deaf_though_requests_get_lost() {
    let mut call = Call::new(7);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    call.down[alice] = Link::lossy(ms(20), 0.3);
    let slot = call.add_slot(bob, Kind::Video);
    for _ in 0..20 {
        call.show(slot, Some(camera), &LADDER);
        call.run(ms(3_000));
        call.show(slot, None, &LADDER);
        call.run(ms(10_000));
    }
    assert_eq!(deaf(&call, camera), Some(false));
}

#[test]
fn a_decoder_that_lost_its_way_begins_anew_where_no_keyframe_can_be_had() {
    let mut call = Call::new(8);
    let (_, camera, _) = awkward(&mut call, true);
    let bob = call.join();
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(3_500));
    let before = call.peers[bob].stream(ssrc(slot)).len();
    for _ in 0..5 {
        let mut pli = Vec::new();
        feedback::write_pli(&mut pli, 1, ssrc(slot));
        call.peers[bob].send_rtcp(pli);
        call.run(ms(60));
    }
    let after: Vec<Received> = call.peers[bob].stream(ssrc(slot))[before..].iter().map(|&p| p.clone()).collect();
    let beginnings = after.iter().filter(|packet| matches!(packet.payload[0], 0x67 | 0x78)).count();
    assert_eq!(beginnings, 1, "five wishes, one beginning");
    assert!(contiguous(&whole(&call, bob, slot)));
}

/// The time of capture that a receiver computes for a packet, in ms of our clock.
fn captured(call: &Call, peer: usize, packet: &Received, rate: f64) -> f64 {
    let reports = &call.peers[peer].sender_reports;
    let of_stream = |report: &&(u32, Ntp, u32, Instant)| report.0 == packet.ssrc && report.3 <= packet.at;
    let (_, ntp, rtp, _) = reports.iter().rev().find(of_stream).expect("a report came");
    let ticks = f64::from(packet.timestamp.wrapping_sub(*rtp) as i32);
    ntp.seconds_since(call.clock.ntp) * 1_000.0 + ticks * 1_000.0 / rate
}

#[test]
fn a_fast_start_is_at_the_live_edge_and_in_step_with_its_sound_within_a_second() {
    for phase in [200, 1_100, 2_900, 3_800] {
        let mut call = Call::new(9);
        let (alice, camera, microphone) = awkward(&mut call, true);
        call.up[alice] = Link { delay: ms(30), ..Link::default() };
        call.run(ms(8_000 + phase));
        let bob = call.invite(DtlsRole::Server);
        call.connect(bob);
        let since = call.now;
        let sound = call.subscribe(bob, microphone, Kind::Audio);
        let picture = call.subscribe(bob, camera, Kind::Video);
        call.run(ms(2_500));
        let video = call.peers[bob].stream(ssrc(picture));
        let at = |packet: &Received| (packet.at - since).as_secs_f64() * 1_000.0;

        // A receiver that takes what comes first for live plays so much later than it could.
        let delay =
            |packet: &Received| at(packet) - f64::from(packet.timestamp.wrapping_sub(video[0].timestamp)) / 90.0;
        let soonest = video.iter().map(|packet| delay(packet)).fold(f64::MAX, f64::min);
        let added = delay(video[0]) - soonest;
        assert!((-1.0..=50.0).contains(&added), "{added} ms at {phase}");

        // Media captured together is reported as such, with the age of the path's delay.
        let late = |packet: &&&Received| packet.at >= since + ms(1_000);
        let age =
            |packet: &Received, rate: f64| at(packet) + ms_since(&call, since) - captured(&call, bob, packet, rate);
        let pictures: Vec<f64> = video.iter().filter(late).map(|packet| age(packet, 90_000.0)).collect();
        let audio = call.peers[bob].stream(ssrc(sound));
        let sounds: Vec<f64> = audio.iter().filter(late).map(|packet| age(packet, 48_000.0)).collect();
        let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
        let skew = mean(&pictures) - mean(&sounds);
        assert!(skew.abs() <= 40.0, "{skew} ms at {phase}");
        assert!((-1.0..=50.0).contains(&mean(&pictures)), "{} ms behind at {phase}", mean(&pictures));
    }
}

fn ms_since(call: &Call, since: Instant) -> f64 {
    (since - call.clock.at).as_secs_f64() * 1_000.0
}

#[test]
fn a_keyframe_that_is_sooner_had_by_asking_is_asked_for() {
    let mut call = Call::new(10);
    let (alice, bob, carol) = (call.join(), call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    call.peers[alice].sources[0].packets = 10;
    call.run(ms(3_000));
    let since = call.now;
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(100));
    assert_eq!(plis(&call, alice, 0), 1);
    assert!(first_after(&call, bob, slot, since).expect("it sees something") > ms(10));
    // A little later what is kept is little.
    let slot = call.subscribe(carol, camera, Kind::Video);
    let since = call.now;
    call.run(ms(100));
    assert_eq!(first_after(&call, carol, slot, since), Some(ms(5)));
    assert_eq!(plis(&call, alice, 0), 1);
}

/// The feedback of a viewer.
#[derive(Clone, Copy, Debug)]
struct Tells {
    asks: bool,
    feedback: bool,
    reports: bool,
}

#[test]
fn after_an_outage_a_viewer_has_a_picture_at_once_whether_it_asks_or_reports() {
    let viewers =
        [(true, true, true), (true, false, true), (true, false, false), (false, true, true), (false, false, true)];
    for (asks, feedback, reports) in viewers {
        for seconds in [2, 4, 7] {
            let waited = after_outage(Tells { asks, feedback, reports }, seconds);
            // To the viewer and back 60 ms, to the publisher and back 40 ms, and a second until it asks.
            let most = ms(60 + 40 + 300) + if asks && !feedback { ms(1_000) } else { ms(100) };
            assert!(waited.is_some_and(|waited| waited <= most), "{asks} {feedback} {reports} {seconds}: {waited:?}");
        }
    }
}

/// The time from the end of a downstream outage until a keyframe begins to arrive.
fn after_outage(tells: Tells, seconds: u64) -> Option<Duration> {
    let mut call = Call::new(seconds);
    let (alice, bob) = (call.join(), call.join());
    (call.up[alice], call.down[alice]) =
        (Link { delay: ms(20), ..Link::default() }, Link { delay: ms(20), ..Link::default() });
    call.peers[bob].sends_feedback = tells.feedback;
    let camera = call.publish(alice, Kind::Video, &[]);
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(12_000));
    let viewer = &mut call.peers[bob];
    (viewer.sends_reports, viewer.asks_for_losses) = (tells.reports, false);
    let down = Link { delay: ms(30), ..Link::default() };
    call.up[bob] = down;
    call.down[bob] = Link { loss: 1.0, ..down };
    let mut since = None;
    for second in 0..seconds + 4 {
        if second == seconds {
            call.down[bob] = down;
            since = Some(call.now);
        }
        if tells.asks {
            let mut pli = Vec::new();
            feedback::write_pli(&mut pli, 1, ssrc(slot));
            call.peers[bob].send_rtcp(pli);
        }
        call.run(ms(1_000));
    }
    let began = |packet: &&&Received| {
        packet.at >= since.unwrap_or(packet.at) && packet.payload[6] & 1 == 0 && packet.payload[0] == 0x90
    };
    let stream = call.peers[bob].stream(ssrc(slot));
    let keyframe = stream.iter().find(began)?;
    Some(keyframe.at - since?)
}

#[test]
fn a_decoder_that_can_use_no_keyframe_costs_its_publisher_three_in_ten_seconds() {
    let mut call = Call::new(12);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(3_000));
    let before = call.peers[alice].sources[0].keyframes;
    for _ in 0..100 {
        let mut pli = Vec::new();
        feedback::write_pli(&mut pli, 1, ssrc(slot));
        call.peers[bob].send_rtcp(pli);
        call.run(ms(200));
    }
    let keyframes = call.peers[alice].sources[0].keyframes - before;
    assert!((4..=6).contains(&keyframes), "{keyframes} in 20 s");
}
