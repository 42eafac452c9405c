//! Subscribers that send congestion control feedback (RFC 8888), which names packets by SSRC and sequence number.

mod sim;

use std::collections::BTreeMap;

use plane_core::Event;
use plane_core::command::Kind;
use plane_core::event::Network;
use plane_core::layer::Layer;
use plane_core::rtcp::ccfb::{self, Arrived};
use plane_core::rtp::extension::{Extension, ExtensionMap};
use plane_core::time::{Duration, Instant, ms};
use plane_core::{Command, Discard};
use sim::link::Queue;
use sim::link::rate::Rate;
use sim::{Call, Link};

/// The extensions of a client without transport-wide numbers.
fn plain() -> ExtensionMap {
    let mut map = ExtensionMap::default();
    map.set(Extension::Mid, 4);
    map
}

/// A viewer of a camera that reports each 100 ms which packets came.
struct Viewer {
    call: Call,
    bob: usize,
    origin: Instant,
    /// The packets that are not reported yet begin there.
    reported: usize,
    next: BTreeMap<u32, u16>,
}

impl Viewer {
    fn new(seed: u64) -> Self {
        let mut call = Call::new(seed);
        let (alice, bob) = (call.join(), call.join());
        let camera = call.publish(alice, Kind::Video, &[]);
        let slot = call.add_slot_with(bob, Kind::Video, |spec| spec.extensions = plain());
        call.show(slot, Some(camera), &[Layer::new(0, 3)]);
        let origin = call.now;
        Self { call, bob, origin, reported: 0, next: BTreeMap::new() }
    }

    fn units(&self, at: Instant, rate: f64) -> u64 {
        ((at - self.origin).as_secs_f64() * rate) as u64
    }

    /// The feedback about what came since the last one, and from the number after the last reported one on.
    fn feedback(&mut self) -> Vec<u8> {
        let (now, mut came) = (self.call.now, BTreeMap::<u32, BTreeMap<u16, Instant>>::new());
        for packet in &self.call.peers[self.bob].received[self.reported..] {
            came.entry(packet.ssrc).or_default().insert(packet.sequence, packet.at);
        }
        self.reported = self.call.peers[self.bob].received.len();
        let mut streams = Vec::new();
        for (ssrc, packets) in came {
            let last = *packets.keys().next_back().expect("there is one");
            let first = *self.next.entry(ssrc).or_insert(*packets.keys().next().expect("there is one"));
            let reports = (0..=last.saturating_sub(first)).map(|place| {
                let at = packets.get(&(first + place))?;
                Some(Arrived::Before(((now - *at).as_secs_f64() * 1_024.0) as u16))
            });
            streams.push((ssrc, first, reports.collect()));
            self.next.insert(ssrc, last + 1);
        }
        let mut out = Vec::new();
        ccfb::write_feedback(&mut out, 1, &streams, self.units(now, 65_536.0) as u32);
        out
    }

    fn run(&mut self, time: Duration) {
        let end = self.call.now + time;
        while self.call.now < end {
            self.call.run(ms(100));
            let feedback = self.feedback();
            self.call.peers[self.bob].send_rtcp(feedback);
        }
    }

    fn network(&self) -> Option<Network> {
        let own = self.call.peers[self.bob].transport;
        self.call.events.iter().rev().find_map(|event| match event {
            Event::Estimate { transport, network } if *transport == own => Some(*network),
            _ => None,
        })
    }
}

#[test]
fn it_estimates_and_measures_probes_like_transport_wide_feedback() {
    let mut viewer = Viewer::new(1);
    viewer.run(ms(20_000));
    let network = viewer.network().expect("it was estimated");
    assert!(network.loss < 0.01 && network.round_trip < ms(300), "{network:?}");
    assert!(network.estimate > 300_000, "{network:?}");
    assert!(viewer.call.plane.stats().packets_probing > 10, "what it reports on is probed");
    assert_eq!(viewer.call.discarded(Discard::FeedbackUnsent), 0);
}

#[test]
fn loss_and_a_queue_are_seen() {
    let mut viewer = Viewer::new(2);
    viewer.call.down[viewer.bob] = Link::lossy(ms(25), 0.05);
    viewer.run(ms(15_000));
    let loss = viewer.network().expect("it was estimated").loss;
    assert!((0.02..0.09).contains(&loss), "{loss}");

    let mut viewer = Viewer::new(3);
    viewer.run(ms(5_000));
    let before = viewer.network().expect("it was estimated").estimate;
    viewer.call.down[viewer.bob] =
        Link { rate: Rate::Constant(100_000), queue: Queue::Time(ms(800)), ..Link::lossy(ms(25), 0.0) };
    viewer.run(ms(5_000));
    let after = viewer.network().expect("it was estimated").estimate;
    assert!(after < before / 2 && after < 200_000, "{after}, {before} before");
}

#[test]
fn feedback_about_what_was_never_sent_changes_nothing_and_is_bounded() {
    let mut viewer = Viewer::new(4);
    viewer.run(ms(5_000));
    viewer.call.run(ms(1_000));
    let before = viewer.network();
    for _ in 0..50 {
        let mut out = Vec::new();
        let streams = [(0xDEAD_BEEF, 0, vec![Some(Arrived::Before(1)); 500])];
        ccfb::write_feedback(&mut out, 1, &streams, 7);
        viewer.call.peers[viewer.bob].send_rtcp(out);
        viewer.call.run(ms(1));
    }
    assert!(viewer.call.discarded(Discard::FeedbackRepeated) > 0, "more than was sent");
    assert_eq!(viewer.network().map(|network| network.estimate), before.map(|network| network.estimate));
}

#[test]
fn who_has_transport_wide_numbers_is_not_believed() {
    let mut call = Call::new(5);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    call.subscribe(bob, camera, Kind::Video);
    call.run(ms(1_000));
    let mut out = Vec::new();
    ccfb::write_feedback(&mut out, 1, &[(1, 0, vec![None; 3])], 7);
    call.peers[bob].send_rtcp(out);
    call.run(ms(200));
    assert_eq!(call.discarded(Discard::FeedbackUnsent), 1);
}

#[test]
fn a_section_without_transport_wide_numbers_in_place_of_one_with_them_is_not_silent() {
    let mut call = Call::new(6);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(5_000));
    call.apply(Command::Remove(slot.0));
    let slot = call.add_slot_with(bob, Kind::Video, |spec| spec.extensions = plain());
    call.show(slot, Some(camera), &[Layer::new(0, 3)]);
    call.run(ms(10_000));
    let before = call.peers[bob].received.len();
    call.run(ms(2_000));
    assert!(call.peers[bob].received.len() > before + 40, "no feedback is promised");
    let silent = |event: &Event| matches!(event, Event::Estimate { network, .. } if network.is_silent);
    assert!(!call.events.iter().any(silent));
}
