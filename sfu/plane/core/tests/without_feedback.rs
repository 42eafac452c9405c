//! Subscribers that send no transport-wide feedback: their receiver reports and their own estimate (REMB) tell what the
//! network carries.

mod sim;

use plane_core::Event;
use plane_core::command::Kind;
use plane_core::event::Network;
use plane_core::id::SlotId;
use plane_core::layer::Layer;
use plane_core::rtp::extension::{Extension, ExtensionMap};
use plane_core::time::{Duration, ms};
use sim::encoder::Encoder;
use sim::link::Queue;
use sim::link::rate::Rate;
use sim::stream::ssrc;
use sim::{Call, Link};

/// The rates of the encodings, bit/s.
const RATES: [u64; 3] = [150_000, 500_000, 1_500_000];

/// More is not wished for.
const WISH: u64 = 3_000_000;

/// The extensions of a client without transport-wide numbers.
fn plain() -> ExtensionMap {
    let mut map = ExtensionMap::default();
    map.set(Extension::Mid, 4);
    map
}

struct Room {
    call: Call,
    publisher: usize,
    viewer: usize,
    slot: SlotId,
}

/// A publisher of three encodings, and a viewer of them whose ladder follows the estimate, as the application sets it.
impl Room {
    fn new(seed: u64) -> Self {
        let mut call = Call::new(seed);
        let (publisher, viewer) = (call.join(), call.join());
        for peer in [publisher, viewer] {
            (call.up[peer], call.down[peer]) = (Link::lossy(ms(25), 0.0), Link::lossy(ms(25), 0.0));
        }
        let camera = call.publish(publisher, Kind::Video, &["q", "h", "f"]);
        for (source, rate) in call.peers[publisher].sources.iter_mut().zip(RATES) {
            source.encoder = Some(Encoder::new(seed, rate));
        }
        let slot = call.add_slot_with(viewer, Kind::Video, |spec| spec.extensions = plain());
        call.show(slot, Some(camera), &[Layer::new(2, 3), Layer::new(1, 3), Layer::new(0, 3)]);
        Self { call, publisher, viewer, slot }
    }

    fn network(&self) -> Option<Network> {
        let own = self.call.peers[self.viewer].transport;
        self.call.events.iter().rev().find_map(|event| match event {
            Event::Estimate { transport, network } if *transport == own => Some(*network),
            _ => None,
        })
    }

    fn estimate(&self) -> u64 {
        self.network().expect("it was estimated").estimate
    }

    /// Runs for this time. Returns the mean estimate, of what is wished for.
    fn run(&mut self, time: Duration) -> u64 {
        let (turns, mut sum) = ((time.as_millis() / 500) as u64, 0);
        for _ in 0..turns {
            self.call.run(ms(500));
            let estimate = self.network().map_or(u64::MAX, |network| network.estimate);
            let fits = RATES.iter().filter(|&&rate| rate * 11 / 10 <= estimate).count() as u8;
            let ladder: Vec<Layer> = (0..fits.max(1)).rev().map(|spatial| Layer::new(spatial, 3)).collect();
            self.call.apply(plane_core::Command::SetTargets(vec![(self.slot, ladder)]));
            sum += estimate.min(WISH);
        }
        sum / turns
    }

    fn send_remb(&mut self, mantissa: u32, exponent: u8) {
        let mut remb = vec![0x8F, 206, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0];
        remb.extend(b"REMB\x01");
        remb.extend([exponent << 2 | (mantissa >> 16) as u8, (mantissa >> 8) as u8, mantissa as u8]);
        remb.extend(ssrc(self.slot).to_be_bytes());
        self.call.peers[self.viewer].send_rtcp(remb);
    }
}

#[test]
fn receiver_reports_find_what_a_link_carries() {
    for (link, least, most) in [(3_000_000, 2_000_000, u64::MAX), (1_000_000, 450_000, 1_600_000)] {
        let mut room = Room::new(1);
        room.call.down[room.viewer] =
            Link { rate: Rate::Constant(link), queue: Queue::Octets(40_000), ..Link::lossy(ms(25), 0.0) };
        assert_eq!(room.network(), None);
        room.run(ms(10_000));
        let mean = room.run(ms(30_000));
        assert!((least..most).contains(&mean), "{link} bit/s: {mean}");
    }
}

#[test]
fn loss_on_the_way_from_the_publisher_lowers_no_estimate() {
    let [clean, lossy] = [0.0, 0.1].map(|loss| {
        let mut room = Room::new(2);
        room.call.up[room.publisher] = Link::lossy(ms(25), loss);
        // Nothing is repaired: each loss leaves a number that is never sent.
        for peer in &mut room.call.peers {
            peer.asks_for_losses = false;
        }
        room.call.peers[room.publisher].refuses = (0..=u16::MAX).collect();
        room.run(ms(10_000));
        room.run(ms(20_000))
    });
    assert!(lossy as f64 > 0.95 * clean as f64, "{lossy} of {clean}");
}

#[test]
fn a_remb_below_what_is_sent_is_a_limit_and_any_other_is_none() {
    let mut room = Room::new(3);
    room.run(ms(10_000));
    let before = room.estimate();
    assert!(before > 2_000_000);
    room.send_remb(200_000, 4);
    room.run(ms(500));
    assert!(room.estimate() >= before, "3.2 Mbit/s are more than what is sent");
    room.send_remb(100_000, 3);
    room.run(ms(500));
    assert!((700_000..900_000).contains(&room.estimate()), "{}", room.estimate());
}

#[test]
fn hostile_estimates_freeze_nothing_for_long() {
    let mut room = Room::new(4);
    room.run(ms(10_000));
    for (mantissa, exponent) in [(0, 0), (1, 0), (0x3_FFFF, 46), (0x3_FFFF, 63)] {
        for _ in 0..20 {
            room.send_remb(mantissa, exponent);
            room.run(ms(500));
            assert!((50_000..=100_000_000).contains(&room.estimate()), "{mantissa} {exponent}");
        }
        let before = room.call.peers[room.viewer].received.len();
        room.run(ms(20_000));
        assert!(room.call.peers[room.viewer].received.len() > before + 200, "{mantissa} {exponent}");
    }
}

#[test]
fn with_feedback_it_alone_counts() {
    let mut call = Call::new(5);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(5_000));
    let estimate = |call: &Call| {
        call.events.iter().rev().find_map(|event| match event {
            Event::Estimate { transport, network } if *transport == call.peers[bob].transport => Some(network.estimate),
            _ => None,
        })
    };
    let before = estimate(&call).expect("it was estimated");
    for number in 0..20 {
        let mut report = Vec::new();
        let block = plane_core::rtcp::report::ReportBlock {
            ssrc: ssrc(slot),
            fraction_lost: 255,
            cumulative_lost: 10_000 * number,
            highest: 60_000,
            ..Default::default()
        };
        plane_core::rtcp::report::write_receiver_report(&mut report, 1, &[block]);
        call.peers[bob].send_rtcp(report);
        call.run(ms(500));
    }
    let after = estimate(&call).expect("it was estimated");
    assert!(after as f64 > 0.9 * before as f64, "{after}, {before} before");
}
