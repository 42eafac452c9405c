//! Redundancy of audio (RFC 2198) by what the subscriber loses.

mod sim;

use plane_core::time::{Duration, ms};
use sim::Link;
use sim::scene::Scene;
use sim::stream::ssrc;

/// Octets of audio, packets that were to be played, and those that were concealed, in this time.
fn listen(scene: &mut Scene, time: Duration) -> (f64, f64) {
    let heard = |scene: &Scene| {
        let viewer = scene.call.peers[scene.viewer].viewer.as_ref().expect("it has one");
        let audio = &viewer.audios[&ssrc(scene.audio)];
        (audio.octets as f64, audio.played as f64, audio.concealed as f64)
    };
    let before = heard(scene);
    scene.call.run(time);
    let after = heard(scene);
    let played = after.1 - before.1;
    ((after.0 - before.0) / played, (after.2 - before.2) / played)
}

#[test]
fn redundancy_comes_with_loss_and_goes_without() {
    for seed in [1, 2, 3] {
        let mut scene = Scene::new(seed, 2);
        let (first, _) = listen(&mut scene, ms(5_000));
        scene.call.run(ms(20_000));
        let (plain, _) = listen(&mut scene, ms(5_000));
        assert!(plain < 0.6 * first, "seed {seed}: {plain} octets a packet, {first} at first");
        scene.call.down[scene.viewer] = Link { loss: 0.05, ..Link::lossy(ms(25), 0.0) };
        let (redundant, concealed) = listen(&mut scene, ms(60_000));
        assert!(concealed < 0.01 && redundant > 2.0 * plain, "seed {seed}: {concealed}, {redundant} of {plain}");
        scene.call.down[scene.viewer] = Link::lossy(ms(25), 0.0);
        scene.call.run(ms(60_000));
        let (after, _) = listen(&mut scene, ms(5_000));
        assert!(after < 1.1 * plain, "seed {seed}: {after}, {plain} before");
    }
}

#[test]
fn loss_on_the_way_from_the_publisher_causes_none() {
    let mut scene = Scene::new(4, 2);
    scene.call.up[scene.publisher] = Link { loss: 0.1, ..Link::lossy(ms(25), 0.0) };
    scene.call.run(ms(25_000));
    let (octets, _) = listen(&mut scene, ms(5_000));
    assert!(octets < 80.0, "{octets} octets a packet");
}
