//! What the plane finds out about the network to a peer: with probes as soon as it is connected, from feedback, and
//! without any.

mod sim;

use plane_core::Event;
use plane_core::command::{Command, Kind};
use plane_core::event::Network;
use plane_core::time::ms;
use sim::Call;
use sim::stream::{contiguous, whole};

/// The last estimate for a peer.
fn network(call: &Call, peer: usize) -> Option<Network> {
    call.events.iter().rev().find_map(|event| match event {
        Event::Estimate { transport, network } if *transport == call.peers[peer].transport => Some(*network),
        _ => None,
    })
}

/// A viewer whose section shows nothing.
fn idle_viewer(call: &mut Call, sends_feedback: bool) -> usize {
    let viewer = call.join();
    call.peers[viewer].sends_feedback = sends_feedback;
    call.add_slot(viewer, Kind::Video);
    viewer
}

#[test]
fn an_idle_network_is_measured_before_anything_is_shown() {
    let mut call = Call::new(1);
    let viewer = idle_viewer(&mut call, true);
    call.run(ms(3_000));
    let found = network(&call, viewer).expect("it was estimated");
    assert!(found.estimate > 2_500_000, "{found:?}");
    assert!(!found.is_silent && found.loss == 0.0 && found.round_trip < ms(200), "{found:?}");
    let probes = call.peers[viewer].probes;
    assert!((20..400).contains(&probes), "{probes} probes");
    assert!(call.peers[viewer].received.is_empty(), "nothing but padding");
}

#[test]
fn a_network_is_probed_up_to_what_the_application_wants_to_send() {
    let mut call = Call::new(1);
    let viewer = idle_viewer(&mut call, true);
    call.run(ms(12_000));
    let unasked = network(&call, viewer).expect("it was estimated").estimate;
    assert!((4_500_000..5_500_000).contains(&unasked), "{unasked}");
    let (transport, probes) = (call.peers[viewer].transport, call.peers[viewer].probes);
    call.run(ms(20_000));
    assert_eq!(call.peers[viewer].probes, probes, "more would tell nothing new");
    call.apply(Command::SetDemand { transport, bps: 12_000_000 });
    call.run(ms(4_000));
    let asked = network(&call, viewer).expect("it was estimated").estimate;
    assert!((12_000_000..26_000_000).contains(&asked), "{asked}");
    call.apply(Command::SetDemand { transport, bps: 100_000 });
    call.run(ms(20_000));
    let later = network(&call, viewer).expect("it was estimated").estimate;
    assert!(later >= asked.min(20_000_000), "little demand lowers nothing: {later}");
}

#[test]
fn probes_end_without_feedback_and_the_estimate_falls() {
    let mut call = Call::new(2);
    let alice = call.join();
    let viewer = idle_viewer(&mut call, false);
    call.run(ms(5_000));
    assert_eq!(network(&call, viewer), None);
    let probes = call.peers[viewer].probes;
    assert!((5..60).contains(&probes), "{probes} probes");
    let camera = call.publish(alice, Kind::Video, &[]);
    call.subscribe(viewer, camera, Kind::Video);
    call.run(ms(10_000));
    assert_eq!(call.peers[viewer].probes, probes, "nobody says what became of them");
}

#[test]
fn probes_beside_a_picture_break_nothing_of_it() {
    let mut call = Call::new(3);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(12_000));
    let stats = call.plane.stats();
    assert!(stats.packets_probing > 10 && stats.packets_retransmitted == 0, "{stats:?}");
    let packets = whole(&call, bob, slot);
    assert!(packets.len() > 300 && contiguous(&packets));
    assert!(network(&call, bob).is_some_and(|found| found.estimate > 2_500_000));
}

#[test]
fn a_microphone_alone_is_not_probed() {
    let mut call = Call::new(4);
    let (alice, bob) = (call.join(), call.join());
    let microphone = call.publish(alice, Kind::Audio, &[]);
    call.subscribe(bob, microphone, Kind::Audio);
    call.run(ms(5_000));
    assert_eq!((call.peers[bob].probes, call.plane.stats().packets_probing), (0, 0), "RTX is for video");
    assert!(network(&call, bob).is_some(), "feedback came");
}
