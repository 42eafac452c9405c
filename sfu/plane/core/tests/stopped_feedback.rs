//! A subscriber whose transport-wide feedback stops while packets leave: video and probes stop, audio goes on without
//! redundancy, and feedback of before changes nothing. When feedback is back, so is the video.

mod sim;

use plane_core::Event;
use plane_core::command::Kind;
use plane_core::event::Network;
use plane_core::time::{Duration, ms};
use sim::network::Way;
use sim::scene::Scene;
use sim::stream::ssrc;
use sim::{Call, Link};

/// What the viewer has received so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Received {
    video: u64,
    probes: usize,
    audio: u64,
    played: u64,
    concealed: u64,
}

fn received(scene: &Scene) -> Received {
    let peer = &scene.call.peers[scene.viewer];
    let viewer = peer.viewer.as_ref().expect("it has one");
    let (video, audio) = (&viewer.videos[&ssrc(scene.video)], &viewer.audios[&ssrc(scene.audio)]);
    Received {
        video: video.packets,
        probes: peer.probes,
        audio: audio.octets,
        played: audio.played,
        concealed: audio.concealed,
    }
}

/// What it receives in this time.
fn during(scene: &mut Scene, time: Duration) -> Received {
    let before = received(scene);
    scene.call.run(time);
    let after = received(scene);
    Received {
        video: after.video - before.video,
        probes: after.probes - before.probes,
        audio: after.audio - before.audio,
        played: after.played - before.played,
        concealed: after.concealed - before.concealed,
    }
}

fn networks(call: &Call, peer: usize) -> impl Iterator<Item = &Network> {
    let own = call.peers[peer].transport;
    call.events.iter().filter_map(move |event| match event {
        Event::Estimate { transport, network } if *transport == own => Some(network),
        _ => None,
    })
}

fn is_silent(call: &Call, peer: usize) -> bool {
    networks(call, peer).last().is_some_and(|network| network.is_silent)
}

#[test]
fn video_and_probes_stop_within_three_seconds_and_audio_goes_on_without_redundancy() {
    for seed in [1, 2, 3] {
        let mut scene = Scene::new(seed, 2);
        let before = during(&mut scene, ms(5_000));
        assert!(before.video > 500, "seed {seed}: {before:?}");
        scene.call.peers[scene.viewer].sends_feedback = false;
        scene.call.run(ms(3_000));
        assert!(is_silent(&scene.call, scene.viewer));
        let without = during(&mut scene, ms(20_000));
        assert_eq!((without.video, without.probes, without.concealed), (0, 0, 0), "seed {seed}: {without:?}");
        assert!(without.played > 950, "seed {seed}: {without:?}");
        let rate = |received: &Received| received.audio as f64 / received.played as f64;
        assert!(rate(&without) < 0.5 * rate(&before), "seed {seed}: redundancy goes on");
        scene.call.peers[scene.viewer].sends_feedback = true;
        let back = during(&mut scene, ms(2_000));
        assert!(back.video > 100 && !is_silent(&scene.call, scene.viewer), "seed {seed}: {back:?}");
        let estimate = networks(&scene.call, scene.viewer).last().map(|network| network.estimate);
        assert!(estimate > Some(1_000_000), "seed {seed}: {estimate:?}");
        let after = during(&mut scene, ms(5_000));
        assert!(after.video > 500 && after.played > 240, "seed {seed}: {after:?}");
    }
}

#[test]
fn a_report_that_arrives_five_minutes_late_changes_nothing() {
    let mut scene = Scene::new(1, 2);
    scene.call.run(ms(1_000));
    scene.call.peers[scene.viewer].sends_feedback = false;
    scene.call.run(ms(300_000));
    let late = scene.call.peers[scene.viewer].last_arrivals.clone();
    assert!(!late.is_empty());
    let (viewer, publisher) = (scene.viewer, scene.publisher);
    let state = |call: &Call| (networks(call, viewer).count(), call.peers[publisher].plis.len());
    let before = state(&scene.call);
    scene.call.peers[viewer].send_rtcp(late);
    let after = during(&mut scene, ms(3_000));
    assert_eq!((after.video, after.probes), (0, 0), "{after:?}");
    assert_eq!(state(&scene.call), before);
    assert!(is_silent(&scene.call, viewer));
}

/// A viewer of a camera, without audio.
fn camera_viewer(seed: u64) -> (Call, usize, usize) {
    let mut call = Call::new(seed);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    call.subscribe(bob, camera, Kind::Video);
    call.run(ms(3_000));
    (call, alice, bob)
}

#[test]
fn without_audio_a_few_empty_packets_ask_for_feedback() {
    let (mut call, _, bob) = camera_viewer(4);
    assert!(call.peers[bob].received.len() > 50);
    call.peers[bob].sends_feedback = false;
    call.run(ms(3_000));
    let (media, probes) = (call.peers[bob].received.len(), call.peers[bob].probes);
    call.run(ms(10_000));
    assert_eq!(call.peers[bob].received.len(), media);
    let asked = call.peers[bob].probes - probes;
    assert!((60..=70).contains(&asked), "{asked} packets");
    call.peers[bob].sends_feedback = true;
    call.run(ms(2_000));
    assert!(call.peers[bob].received.len() > media + 20);
    assert!(!is_silent(&call, bob));
}

#[test]
fn who_is_sent_nothing_is_not_silent_even_if_the_last_packet_was_lost() {
    let (mut call, alice, bob) = camera_viewer(5);
    for _ in 0..5 {
        call.down[bob] = Link { loss: 1.0, ..Link::default() };
        call.run(ms(100));
        call.peers[alice].sources[0].active = false;
        call.down[bob] = Link::default();
        call.run(ms(10_000));
        let now = call.now;
        call.peers[alice].sources[0].active = true;
        call.peers[alice].sources[0].next_frame = now;
        call.run(ms(1_000));
    }
    assert!(networks(&call, bob).count() > 5 && networks(&call, bob).all(|network| !network.is_silent));
}

#[test]
fn who_never_sent_feedback_goes_on_to_receive_video() {
    let mut call = Call::new(6);
    let (alice, bob) = (call.join(), call.join());
    call.peers[bob].sends_feedback = false;
    let camera = call.publish(alice, Kind::Video, &[]);
    call.subscribe(bob, camera, Kind::Video);
    call.run(ms(10_000));
    let before = call.peers[bob].received.len();
    call.run(ms(10_000));
    assert!(call.peers[bob].received.len() > before + 200);
    assert!(!is_silent(&call, bob));
    assert_eq!(call.network.queue_delay(Way::Down, bob, call.now), ms(0));
}
