//! Rows of bad networks that hold without an estimate of the bandwidth: what retransmissions and the ladder must carry.
//! Each row has fixed seeds; a bound holds for the worst of them.

mod sim;

use plane_core::command::Kind;
use plane_core::time::{Duration, ms};
use sim::link::loss::Burst;
use sim::network::Way;
use sim::record::Figures;
use sim::scene::Scene;
use sim::{Call, Link};

const SEEDS: [u64; 3] = [1, 2, 3];
const MINUTE: Duration = ms(60_000);

/// 50 ms of round trip, and enough rate.
fn far() -> Link {
    Link::lossy(ms(25), 0.0)
}

/// The figures of each seed for a time after `change`. Audio has one packet before each.
fn row(time: Duration, change: impl Fn(&mut Scene)) -> Vec<(Scene, Figures)> {
    let of = |seed: u64| {
        let mut scene = Scene::new(seed, 1);
        change(&mut scene);
        let figures = scene.measure(time);
        (scene, figures)
    };
    SEEDS.map(of).into_iter().collect()
}

/// The same with this link to the viewer.
fn down(time: Duration, link: Link) -> Vec<Figures> {
    let scenes = row(time, |scene| scene.call.down[scene.viewer] = link);
    scenes.into_iter().map(|(_, figures)| figures).collect()
}

/// The best encoding is shown all the time, with at most this share of it frozen.
fn check(rows: &[Figures], frozen: f64) {
    for (figures, seed) in rows.iter().zip(SEEDS) {
        assert_eq!(figures.top, 1.0, "seed {seed}: a lower encoding was shown: {figures:?}");
        assert!(figures.frozen < frozen, "seed {seed}: {figures:?}");
        assert!(figures.longest_freeze < 700.0, "seed {seed}: {figures:?}");
    }
}

#[test]
fn random_loss_of_5_percent_freezes_less_than_1_percent_and_conceals_less_than_1_percent() {
    let rows = down(MINUTE, Link { loss: 0.05, ..far() });
    check(&rows, 0.01);
    assert!(rows.iter().all(|figures| figures.concealed < 0.01), "{rows:?}");
    // RED and RTX are all that is added: no packet is sent again in vain.
    assert!(rows.iter().all(|figures| figures.wasted == 0.0 && figures.media > 0.85), "{rows:?}");
}

#[test]
fn random_loss_of_10_percent_freezes_less_than_2_percent() {
    check(&down(MINUTE, Link { loss: 0.10, ..far() }), 0.02);
}

#[test]
fn bursts_of_5_to_10_that_lose_3_percent_freeze_less_than_2_percent() {
    for mean_length in [5.0, 10.0] {
        check(&down(ms(30_000), Link { burst: Some(Burst { mean_loss: 0.03, mean_length }), ..far() }), 0.02);
    }
}

fn uneven() -> Link {
    Link { jitter: ms(30), in_order: true, reorder: 0.01, ..far() }
}

#[test]
fn jitter_and_reordering_to_the_viewer_lower_no_layer() {
    let rows = row(ms(30_000), |scene| scene.call.down[scene.viewer] = uneven());
    let rows: Vec<_> = rows.into_iter().map(|(_, figures)| figures).collect();
    check(&rows, 0.01);
    // Each packet that overtakes makes Chromium ask for all that it has passed, two frames of this video.
    assert!(rows.iter().all(|figures| figures.wasted < 0.08), "{rows:?}");
}

#[test]
fn jitter_and_reordering_from_the_publisher_cost_few_requests() {
    let rows = row(ms(30_000), |scene| {
        scene.call.peers[scene.publisher].nacks.clear();
        scene.call.up[scene.publisher] = uneven();
    });
    for (scene, figures) in rows {
        let publisher = &scene.call.peers[scene.publisher];
        let asked: usize = publisher.nacks.iter().map(|nack| nack.1.len()).sum();
        let sent: u32 = publisher.sources.iter().map(|source| source.sent).sum();
        // Nothing was lost: each request is in vain. What overtakes here leads by 25 to 55 ms, and the wait follows that.
        assert!((asked as f64) < 0.03 * f64::from(sent), "{asked} of {sent}");
        check(&[figures], 0.01);
    }
}

#[test]
fn a_lossy_path_of_feedback_lowers_no_layer() {
    let rows = row(ms(30_000), |scene| {
        scene.call.up[scene.viewer] = Link { loss: 0.1, jitter: ms(30), duplicates: 0.01, ..far() };
    });
    for (_, figures) in rows {
        assert_eq!((figures.top, figures.frozen, figures.torn), (1.0, 0.0, 0.0), "{figures:?}");
    }
}

#[test]
fn nothing_is_too_large_for_a_path_of_1280_octets() {
    let narrow = |link: Link| Link { mtu: 1_280, headers: 48, ..link };
    let rows = row(ms(10_000), |scene| {
        for peer in [scene.publisher, scene.viewer] {
            (scene.call.up[peer], scene.call.down[peer]) = (narrow(far()), narrow(Link { loss: 0.05, ..far() }));
        }
    });
    for (scene, _) in rows {
        for (peer, way) in [(scene.viewer, Way::Down), (scene.viewer, Way::Up), (scene.publisher, Way::Down)] {
            let counts = scene.call.network.pipe(way, peer).counts;
            assert_eq!(counts.too_large, 0, "{peer} {way:?}");
        }
        assert_eq!(
            scene.call.network.pipe(Way::Up, scene.publisher).counts.too_large,
            0,
            "the publisher's own packets"
        );
    }
    // A handshake, too.
    let mut call = Call::new(1);
    let peer = call.invite(plane_core::command::DtlsRole::Server);
    (call.up[peer], call.down[peer]) = (narrow(Link::default()), narrow(Link::default()));
    call.connect(peer);
    call.publish(peer, Kind::Video, &[]);
    assert_eq!(call.network.pipe(Way::Down, peer).counts.too_large, 0);
}
