//! A seed decides all of a simulated call: two runs of it are the same, to the octet and to the nanosecond, and another
//! seed gives another one.

mod sim;

use std::hash::Hasher;

use plane_core::time::{Duration, ms};
use sim::course::Change;
use sim::link::{Link, loss::Burst};
use sim::network::Way;
use sim::scene::Scene;

/// What became of a datagram of the media: when it left, its way and participant, its octets, and when it arrived.
type Traced = (Duration, Way, usize, usize, Option<Duration>);

struct Trace {
    network: Vec<Traced>,
    events: Vec<String>,
    plaintexts: Vec<u64>,
    figures: sim::record::Figures,
}

/// A viewer behind a bad link, from after the handshakes on: their certificates and signatures are random.
fn trace(seed: u64) -> Trace {
    let mut scene = Scene::new(seed, 1);
    scene.call.network.traces = true;
    scene.call.events.clear();
    let began = scene.call.now;
    let burst = Some(Burst { mean_loss: 0.02, mean_length: 4.0 });
    let bad = Link { burst, jitter: ms(20), duplicates: 0.01, ..Link::slow(1_500_000, ms(300), ms(25)) };
    Change::Down(bad).apply(&mut scene.call, scene.publisher, scene.viewer);
    let figures = scene.measure(ms(8_000));
    let network = scene.call.network.trace.iter().map(|&(at, way, peer, octets, outcome)| {
        (at - began, way, peer, octets, outcome.ok().map(|arrival| arrival.at - began))
    });
    let network = network.collect();
    let events = scene.call.events.iter().map(|event| format!("{event:?}")).collect();
    let plaintexts = scene.call.peers.iter().map(|peer| peer.plaintexts.finish()).collect();
    Trace { network, events, plaintexts, figures }
}

/// The figures of a row whose slow link carries the handshake, too.
#[test]
fn random_certificates_change_nothing() {
    let rows = sim::table::rows::all();
    let row = rows.iter().find(|row| row.name.starts_with("beside: a CUBIC flow")).expect("such a row");
    let run = || {
        let mut course = row.scenario.course.clone();
        course.time = ms(5_000);
        row.scenario.scene(1).follow(&course)
    };
    assert_eq!(run(), run());
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another_one() {
    let (one, again, other) = (trace(5), trace(5), trace(6));
    let first = one.network.iter().zip(&again.network).position(|(one, again)| one != again);
    assert_eq!(first.map(|place| (one.network[place], again.network[place])), None);
    assert!(one.network.len() > 3_000 && one.network.len() == again.network.len());
    assert_eq!(one.events, again.events);
    assert!(one.events.len() > 5);
    assert_eq!(one.plaintexts, again.plaintexts);
    assert_eq!(one.figures, again.figures);
    assert!(one.network != other.network && one.plaintexts != other.plaintexts && one.figures != other.figures);
}
