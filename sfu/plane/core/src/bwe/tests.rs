//! The whole estimator in a loop with a simulated link.

use std::collections::VecDeque;

use super::*;
use crate::bwe::units::Rate;
use crate::time::{Duration, ms};

const TICK: Duration = ms(5);
const PACKET: u32 = 1_200;

/// A link with a queue, and a receiver behind it that returns feedback.
struct Link {
    rate: Rate,
    /// One way.
    delay: Duration,
    /// What the queue holds, as a time.
    queue: Duration,
    loss: f64,
    busy_until: Instant,
    random: u64,
}

/// The packets of one feedback: their numbers, and when they arrived.
type Arrivals = Vec<(u16, Option<Instant>)>;

struct Loop {
    estimator: Estimator,
    link: Link,
    start: Instant,
    now: Instant,
    /// What there is to send now, and what would be sent if it could.
    media: Rate,
    demand: Rate,
    /// Octets that may leave.
    credit: f64,
    cluster: Option<(Cluster, u32, u64, Instant)>,
    next: u16,
    reported: u16,
    /// Number and arrival of packets under way.
    flying: VecDeque<(u16, Option<Instant>)>,
    feedback: VecDeque<(Instant, Arrivals)>,
    /// The delay in the queue of each packet, with the time of sending.
    queued: Vec<(Duration, Duration)>,
}

impl Loop {
    fn new(kbps: u64, round_trip: u64, media: u64, demand: u64) -> Self {
        let start = Instant::now();
        let link = Link {
            rate: Rate::kbps(kbps),
            delay: ms(round_trip / 2),
            queue: ms(300),
            loss: 0.0,
            busy_until: start,
            random: 7,
        };
        let mut estimator = Estimator::new(Rate::kbps(300));
        estimator.connected(start);
        Self {
            estimator,
            link,
            start,
            now: start,
            media: Rate::kbps(media),
            demand: Rate::kbps(demand),
            credit: 0.0,
            cluster: None,
            next: 0,
            reported: 0,
            flying: VecDeque::new(),
            feedback: VecDeque::new(),
            queued: Vec::new(),
        }
    }

    fn send(&mut self, octets: u32, kind: Kind, cluster: Option<Cluster>) {
        self.estimator.sent(octets, kind, cluster, self.now);
        self.link.random = self.link.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let lot = (self.link.random >> 33) as f64 / (1_u64 << 31) as f64;
        let begun = self.link.busy_until.max(self.now);
        let waited = begun - self.now;
        let arrived = if waited > self.link.queue {
            None
        } else {
            self.link.busy_until = begun + self.link.rate.time_for(octets.into());
            self.queued.push((self.now - self.start, waited));
            (lot >= self.link.loss).then(|| self.link.busy_until + self.link.delay)
        };
        self.flying.push_back((self.next, arrived));
        self.next = self.next.wrapping_add(1);
    }

    fn run(&mut self, milliseconds: u64) {
        let end = self.now + ms(milliseconds);
        while self.now < end {
            self.now += TICK;
            self.handle_feedback();
            self.estimator.handle_timeout(self.now);
            self.send_media();
            self.send_probes();
            if (self.now - self.start).as_millis().is_multiple_of(50) {
                self.report();
            }
        }
    }

    fn send_media(&mut self) {
        self.estimator.set_demand(self.demand, self.now);
        let rate = self.media.min(self.estimator.estimate().budget);
        self.credit += rate.octets_in(TICK) as f64;
        while self.credit >= f64::from(PACKET) {
            self.credit -= f64::from(PACKET);
            // Media that leaves during a probe is part of it.
            let cluster = self.cluster.as_mut().map(|(cluster, packets, octets, _)| {
                *packets += 1;
                *octets += u64::from(PACKET);
                *cluster
            });
            self.send(PACKET, Kind::Video, cluster);
        }
    }

    fn send_probes(&mut self) {
        if self.cluster.is_none() {
            self.cluster = self.estimator.poll_cluster().map(|cluster| (cluster, 0, 0, self.now));
        }
        while let Some((cluster, packets, octets, begun)) = self.cluster {
            if packets >= cluster.packets && octets >= cluster.octets {
                self.cluster = None;
                break;
            }
            if octets >= cluster.rate.octets_in(self.now - begun + TICK) {
                break;
            }
            self.send(PACKET, Kind::Probe, Some(cluster));
            self.cluster = Some((cluster, packets + 1, octets + u64::from(PACKET), begun));
        }
    }

    /// The receiver reports what arrived until now, and that what it misses is lost.
    fn report(&mut self) {
        let (now, arrived) = (self.now, |at: &Option<Instant>| at.is_some_and(|at| at <= self.now));
        let Some(last) = self.flying.iter().rposition(|(_, at)| arrived(at)) else { return };
        let packets: Vec<_> = self.flying.drain(..=last).collect();
        self.reported = packets[last].0;
        self.feedback.push_back((now + self.link.delay, packets));
    }

    fn handle_feedback(&mut self) {
        while self.feedback.front().is_some_and(|(at, _)| *at <= self.now) {
            let (_, packets) = self.feedback.pop_front().expect("it is there");
            let units = |at: Instant| ((at - self.start).as_micros() / 250) as i64;
            let reference = packets.iter().find_map(|(_, at)| *at).map_or(0, |at| units(at) / 256);
            let mut last = reference * 256;
            let told: Vec<_> = packets
                .iter()
                .map(|(number, at)| {
                    let delta = at.map(|at| {
                        let delta = units(at) - last;
                        last = units(at);
                        delta as i16
                    });
                    (*number, delta)
                })
                .collect();
            self.estimator.handle_feedback(reference as i32, told, self.now);
        }
    }

    fn kbps(&self) -> f64 {
        self.estimator.estimate().rate.as_kbps()
    }

    /// The longest wait in the queue from then on, in milliseconds.
    fn longest_queue(&self, from: u64) -> u128 {
        let later = self.queued.iter().filter(|(at, _)| *at >= ms(from));
        later.map(|(_, waited)| waited.as_millis()).max().unwrap_or(0)
    }
}

/// Links in kbit/s.
const LINKS: [u64; 8] = [300, 500, 700, 1_000, 1_200, 3_000, 4_000, 5_000];

#[test]
#[ignore = "prints"]
fn table() {
    for (media, rtt) in [(0, 0), (0, 160), (100, 0), (100, 160), (10_000, 0), (10_000, 160)] {
        for kbps in LINKS {
            let mut run = Loop::new(kbps, rtt, media, 10_000);
            print!("media {media} rtt {rtt} link {kbps}:");
            for _ in 0..10 {
                run.run(2_000);
                print!(" {:.2}", run.kbps() / kbps as f64);
            }
            println!("  queue {} / after 6 s {}", run.longest_queue(0), run.longest_queue(6_000));
        }
    }
}

/// With little or nothing to send, probes find what the link carries.
#[test]
fn an_idle_link_is_known_within_six_seconds() {
    for (media, rtt, within) in [(0, 0, 6_000), (0, 160, 8_000), (100, 0, 6_000), (100, 160, 8_000)] {
        for kbps in LINKS {
            let mut run = Loop::new(kbps, rtt, media, 10_000);
            run.run(within);
            for second in 0..20 {
                let share = run.kbps() / kbps as f64;
                assert!(
                    (0.80..=1.10).contains(&share),
                    "{kbps} kbit/s, {media}, {rtt} ms: {share:.2} after {second} s"
                );
                run.run(1_000);
            }
        }
    }
}

/// With enough to send, it fills the link and no queue.
#[test]
fn a_full_link_has_a_short_queue() {
    for rtt in [0, 160] {
        for kbps in LINKS {
            let mut run = Loop::new(kbps, rtt, 10_000, 10_000);
            run.run(8_000);
            let mut shares = Vec::new();
            for _ in 0..30 {
                run.run(1_000);
                shares.push(run.kbps() / kbps as f64);
            }
            shares.sort_by(f64::total_cmp);
            assert!(shares[0] > 0.7 && shares[29] < 1.25, "{kbps} kbit/s, {rtt} ms: {shares:?}");
            assert!((0.80..1.10).contains(&shares[15]), "{kbps} kbit/s, {rtt} ms: {shares:?}");
            assert!(run.longest_queue(8_000) < 200, "{kbps} kbit/s, {rtt} ms: {}", run.longest_queue(8_000));
        }
    }
}

/// A probe that meets a busy receiver shows little. One such result lowers nothing; a link that has become slow does.
#[test]
fn a_low_result_of_a_probe_counts_when_it_is_confirmed() {
    for (stays, after) in [(false, 4_500.0..5_500.0), (true, 800.0..1_500.0)] {
        let mut run = Loop::new(10_000, 50, 100, 0);
        run.run(12_000);
        assert!((4_500.0..5_500.0).contains(&run.kbps()), "{}", run.kbps());
        run.estimator.set_demand(Rate::kbps(4_000), run.now);
        run.demand = Rate::kbps(4_000);
        while run.cluster.is_none() {
            run.run(5);
        }
        if stays {
            run.link.rate = Rate::kbps(1_000);
        } else {
            run.run(10);
            run.link.busy_until = run.now + ms(60);
        }
        let mut lowest = f64::MAX;
        for _ in 0..100 {
            run.run(30);
            lowest = lowest.min(run.kbps());
        }
        assert!(after.contains(&lowest), "{stays}: {lowest}");
    }
}

/// The link falls from 3 to 0.6 Mbit/s and rises again.
#[test]
fn a_step_down_drains_the_queue_and_a_step_up_is_found() {
    for (queue, drained) in [(300, 1_000), (1_000, 1_800)] {
        let mut run = Loop::new(3_000, 50, 3_000, 3_000);
        run.link.queue = ms(queue);
        run.run(10_000);
        run.link.rate = Rate::kbps(600);
        run.run(20_000);
        assert!(run.longest_queue(10_000) + 50 > u128::from(queue), "the queue was full");
        assert!(run.longest_queue(10_000 + drained) < 130, "{}", run.longest_queue(10_000 + drained));
        assert!((400.0..660.0).contains(&run.kbps()), "{}", run.kbps());
        run.link.rate = Rate::kbps(3_000);
        run.run(4_000);
        assert!(run.kbps() > 2_500.0, "{}", run.kbps());
    }
}

#[test]
#[ignore = "prints"]
fn loss() {
    for loss in [0.05, 0.1] {
        let mut run = Loop::new(5_000, 50, 2_500, 2_500);
        run.link.loss = loss;
        for _ in 0..20 {
            run.run(1_000);
            print!(" {:.0}", run.kbps());
        }
        println!(" with loss {loss}");
    }
}

/// Packets leave and no feedback comes.
#[test]
fn without_feedback_the_rate_falls_and_late_feedback_changes_nothing() {
    let mut run = Loop::new(3_000, 50, 1_000, 1_000);
    run.run(5_000);
    let before = run.kbps();
    run.link.delay = ms(300_000);
    run.run(3_500);
    let after = run.kbps();
    assert!(after < before, "{before} {after}");
    run.run(20_000);
    assert!(run.kbps() < before / 10.0, "{} of {before}", run.kbps());
}

mod hostile {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// Whatever feedback says, in whatever order, the estimate stays in its bounds and nothing grows.
        #[test]
        fn any_feedback_in_any_order(
            steps in prop::collection::vec(
                (0_u64..3_000, 0_u32..40, any::<i32>(), prop::collection::vec(any::<(u16, Option<i16>)>(), 0..60)), 1..60),
        ) {
            let (mut estimator, mut now) = (Estimator::new(Rate::kbps(300)), Instant::now());
            estimator.connected(now);
            for (elapsed, packets, reference, told) in steps {
                now += ms(elapsed);
                for _ in 0..packets {
                    estimator.sent(PACKET, Kind::Video, None, now);
                }
                let near = told.into_iter().map(|(number, delta)| (number % 2_400, delta));
                estimator.handle_feedback(reference, near, now);
                estimator.handle_timeout(now);
                estimator.set_demand(Rate::kbps(u64::from(reference.unsigned_abs()) % 9_000), now);
                let mut clusters = 0;
                while estimator.poll_cluster().is_some() {
                    clusters += 1;
                }
                prop_assert!(clusters <= 4);
                let estimate = estimator.estimate();
                prop_assert!((Rate::kbps(5)..=Rate::kbps(100_000)).contains(&estimate.rate), "{:?}", estimate);
                prop_assert!(estimate.budget <= estimate.rate && (0.0..=1.0).contains(&estimate.loss), "{:?}", estimate);
            }
        }
    }
}
