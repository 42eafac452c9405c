//! The model of a CUBIC flow, against what RFC 9438 says of its window, its reductions and its throughput.

mod sim;

use std::collections::BinaryHeap;

use plane_core::time::{Duration, Instant, ms};
use sim::link::rate::{Rate, Shape};
use sim::link::{Link, Queue};
use sim::network::{FlowId, Network, SharedId};
use sim::tcp::{Ack, Receiver, Sender};

/// Octets of a segment on the link.
const SEGMENT: f64 = 1_500.0;

/// A flow alone on a link, without participants.
struct Alone {
    network: Network,
    link: SharedId,
    flow: FlowId,
    start: Instant,
    now: Instant,
}

impl Alone {
    /// `make` gets the time at which the flow begins. Half of the round trip is on the way back.
    fn new(seed: u64, round_trip: Duration, make: impl FnOnce(Instant) -> Link) -> Self {
        let (mut network, now) = (Network::new(seed), Instant::now());
        let link = network.add_shared(Link { delay: round_trip / 2, ..make(now) });
        let flow = network.add_flow(link, round_trip / 2, now);
        Self { network, link, flow, start: now, now }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.network.poll_timeout().filter(|&due| due <= end) {
            self.now = due;
            assert!(self.network.poll_arrival(|_, _| Link::default(), due).is_none());
        }
        self.now = end;
    }

    /// Octets that the receiver got for the first time.
    fn received(&self) -> f64 {
        self.network.flow(self.flow).receiver.received as f64 * SEGMENT
    }

    fn sender(&self) -> &Sender {
        &self.network.flow(self.flow).sender
    }

    /// The windows before and after its reductions, with the time since the start.
    fn reductions(&self) -> Vec<(Duration, f64, f64)> {
        self.sender().reductions.iter().map(|&(at, before, after)| (at - self.start, before, after)).collect()
    }
}

fn slow(rate: u64, queue: u64) -> Link {
    Link { rate: Rate::Constant(rate), queue: Queue::Time(ms(queue)), ..Link::default() }
}

#[test]
fn it_fills_a_link_and_its_queue_in_a_sawtooth() {
    // Rate, round trip, queue.
    for (rate, round_trip, queue) in [(2_000_000, 50, 100), (2_000_000, 20, 300), (20_000_000, 50, 100)] {
        let mut alone = Alone::new(1, ms(round_trip), |_| slow(rate, queue));
        alone.run(ms(10_000));
        let before = alone.received();
        alone.run(ms(60_000));
        let used = (alone.received() - before) * 8.0 / 60.0 / rate as f64;
        // After a reduction to 0.7 the window still holds the path without its queue.
        assert!((0.97..=1.0).contains(&used), "{used} of {rate} bit/s");
        // Each tooth ends when path and queue are full.
        let full = rate as f64 / 8.0 * ms(round_trip + queue).as_secs_f64() / SEGMENT;
        let teeth: Vec<_> = alone.reductions().into_iter().filter(|tooth| tooth.0 > ms(10_000)).collect();
        assert!(teeth.len() >= 5, "{teeth:?}");
        for (at, before, after) in teeth {
            assert!((0.9..1.15).contains(&(before / full)), "{before} of {full} at {at:?}, {rate} bit/s");
            assert!((after / before - 0.7).abs() < 0.01, "from {before} to {after}");
        }
        assert_eq!(alone.sender().timeouts, 0);
    }
}

#[test]
fn a_tooth_lasts_as_long_as_its_cubic() {
    // The path holds 417 segments, its queue 208: here the window is cubic, not Reno's.
    let mut alone = Alone::new(1, ms(100), |_| slow(50_000_000, 50));
    alone.run(ms(120_000));
    let teeth = alone.reductions();
    let late: Vec<_> = teeth.iter().filter(|tooth| tooth.0 > ms(20_000)).collect();
    assert!(late.len() >= 8, "{teeth:?}");
    let mut before = teeth[teeth.len() - late.len() - 1].1;
    for pair in late.windows(2) {
        let ((began, most, window), (ended, reached, _)) = (*pair[0], *pair[1]);
        // Fast convergence (RFC 9438 s4.7), then the time at which the cubic of s4.2 has reached the window of the loss.
        let plateau = if most < before { most * 0.85 } else { most };
        let expected = ((plateau - window) / 0.4).cbrt() + ((reached - plateau) / 0.4).cbrt();
        let lasted = (ended - began).as_secs_f64();
        assert!((0.9..1.1).contains(&(lasted / expected)), "{lasted} of {expected} s: {late:?}");
        before = most;
    }
}

#[test]
fn the_mean_window_at_a_loss_rate_is_that_of_the_rfc() {
    // RFC 9438 s5.1, figure 5: at a deterministic loss rate p the mean window is
    // (C * (3 + beta) / (4 * (1 - beta)))^(1/4) * RTT^(3/4) / p^(3/4), where Reno would not have more.
    for (every, seconds) in [(10_000u64, 200), (20_000, 300)] {
        let round_trip = ms(100);
        let mean = mean_window(every, round_trip, seconds);
        let expected = (0.4 * 3.7 / 1.2f64).powf(0.25) * (0.1 * every as f64).powf(0.75);
        assert!((0.85..1.15).contains(&(mean / expected)), "{mean} of {expected} at 1 of {every}");
    }
}

/// The window, averaged over time after the first 100 s, if each nth transmission is lost and nothing else slows it.
fn mean_window(every: u64, round_trip: Duration, seconds: u64) -> f64 {
    let (mut sender, mut receiver, start) = (Sender::new(), Receiver::default(), Instant::now());
    let mut acks: BinaryHeap<std::cmp::Reverse<(Instant, u64, u64, u64)>> = BinaryHeap::new();
    let (mut now, mut sum, begins) = (start, 0.0, start + Duration::from_secs(100));
    while now < begins + Duration::from_secs(seconds) {
        while let Some(segment) = sender.poll_transmit(now) {
            if segment.transmission % every != 0 {
                let ack = receiver.handle_segment(segment);
                acks.push(std::cmp::Reverse((now + round_trip, segment.transmission, segment.number, ack.next)));
            }
        }
        let std::cmp::Reverse((at, transmission, number, next)) = acks.pop().expect("some are in flight");
        if now >= begins {
            sum += sender.cubic.window() * (at - now).as_secs_f64();
        }
        now = at;
        sender.handle_ack(Ack { next, segment: sim::tcp::Segment { number, transmission } }, now);
    }
    sum / (now - begins).as_secs_f64()
}

#[test]
fn slow_start_doubles_each_round_trip_and_ends_before_the_queue_is_full() {
    let mut alone = Alone::new(1, ms(100), |_| slow(50_000_000, 300));
    alone.run(ms(50));
    for windows in [20.0, 40.0, 80.0, 160.0] {
        alone.run(ms(100));
        let window = alone.sender().cubic.window();
        assert!((window / windows - 1.0).abs() < 0.1, "{window} of {windows}");
    }
    alone.run(ms(1_000));
    assert!(!alone.sender().cubic.is_slow_start());
    assert!(alone.reductions().is_empty(), "delay ended slow start, not loss: {:?}", alone.reductions());
}

#[test]
fn an_outage_costs_timeouts_with_back_off_and_the_flow_returns() {
    const OUTAGE: &[(Duration, u64)] = &[(ms(0), 2_000_000), (ms(10_000), 0), (ms(14_000), 2_000_000)];
    let shape =
        |now| Link { rate: Rate::Varying(now, Shape::Steps(OUTAGE)), queue: Queue::Time(ms(100)), ..Link::default() };
    let mut alone = Alone::new(1, ms(50), shape);
    alone.run(ms(14_000));
    let timeouts = alone.sender().timeouts;
    assert!((2..=5).contains(&timeouts), "{timeouts} timeouts in 4 s");
    alone.run(ms(6_000));
    let before = alone.received();
    alone.run(ms(10_000));
    let used = (alone.received() - before) * 8.0 / 10.0 / 2e6;
    assert!(used > 0.9, "{used}");
}

#[test]
fn two_flows_share_a_link() {
    let mut alone = Alone::new(1, ms(40), |_| slow(4_000_000, 100));
    alone.run(ms(10_000));
    let other = alone.network.add_flow(alone.link, ms(20), alone.now);
    alone.run(ms(30_000));
    let before = [alone.received(), alone.network.flow(other).receiver.received as f64 * SEGMENT];
    alone.run(ms(120_000));
    let after = [alone.received(), alone.network.flow(other).receiver.received as f64 * SEGMENT];
    let share = (after[0] - before[0]) / (after[0] - before[0] + after[1] - before[1]);
    assert!((0.3..0.7).contains(&share), "{share}");
}

#[test]
fn random_loss_is_repaired_and_every_segment_arrives_once() {
    for loss in [0.01, 0.1] {
        let mut alone = Alone::new(1, ms(50), |_| Link { loss, ..slow(5_000_000, 100) });
        alone.run(ms(30_000));
        let sender = alone.sender();
        let sent = alone.network.shared_pipe(alone.link).counts.datagrams;
        let again = sender.retransmissions as f64 / sent as f64;
        assert!((0.8 * loss..1.5 * loss + 0.01).contains(&again), "{again} sent again at {loss}");
        assert!(alone.received() > 100.0 * SEGMENT);
    }
}
