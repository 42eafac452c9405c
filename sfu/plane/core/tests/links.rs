//! The models of the simulated network: rates, queues, losses, delays. Tolerances come from the models, and each test is
//! fixed by its seed.

mod sim;

use plane_core::command::Kind;
use plane_core::time::{Duration, Instant, ms};
use sim::link::loss::Burst;
use sim::link::policer::Policer;
use sim::link::rate::{Rate, Shape};
use sim::link::{Arrival, Counts, Dropped, Link, Pipe, Queue};
use sim::network::Way;
use sim::random::Random;
use sim::{Call, stream};

type Outcome = Result<Arrival, Dropped>;

const HEADERS: usize = 28;

/// Sends datagrams of 1,000 octets with their headers at a fixed interval.
fn train(link: &Link, seed: u64, count: usize, every: Duration) -> (Vec<(Instant, Outcome)>, Counts) {
    let (start, mut pipe) = (Instant::now(), Pipe::new(Random::new(seed)));
    let outcomes = (0..count)
        .map(|index| {
            let now = start + every * index as u32;
            (now, pipe.send(link, 1_000 - HEADERS, now))
        })
        .collect();
    (outcomes, pipe.counts)
}

/// Times from the first departure. Two runs have different clocks.
fn relative(outcomes: &[(Instant, Outcome)]) -> Vec<Result<(Duration, Option<Duration>), Dropped>> {
    let start = outcomes[0].0;
    let of = |arrival: Arrival| (arrival.at - start, arrival.duplicate.map(|at| at - start));
    outcomes.iter().map(|(_, outcome)| outcome.map(of)).collect()
}

fn rough() -> Link {
    Link {
        rate: Rate::Constant(10_000_000),
        jitter: ms(30),
        loss: 0.02,
        burst: Some(Burst { mean_loss: 0.02, mean_length: 4.0 }),
        reorder: 0.01,
        duplicates: 0.01,
        policer: Some(Policer { rate: 9_000_000, bucket: 20_000 }),
        ..Link::default()
    }
}

#[test]
fn the_same_seed_gives_the_same_network_and_another_seed_another_one() {
    let of = |seed| relative(&train(&rough(), seed, 5_000, ms(1)).0);
    assert_eq!(of(1), of(1));
    let (one, other) = (of(1), of(2));
    let differing = one.iter().zip(&other).filter(|(one, other)| one != other).count();
    assert!(differing > 4_000, "{differing} of 5,000 differ");
}

#[test]
fn each_impairment_changes_what_arrives() {
    let plain = relative(&train(&Link::default(), 1, 2_000, ms(1)).0);
    let full = rough();
    let alone = [
        Link { rate: Rate::Constant(7_000_000), ..Link::default() },
        Link { jitter: full.jitter, ..Link::default() },
        Link { loss: full.loss, ..Link::default() },
        Link { burst: full.burst, ..Link::default() },
        Link { reorder: full.reorder, ..Link::default() },
        Link { duplicates: full.duplicates, ..Link::default() },
        Link { policer: Some(Policer { rate: 7_000_000, bucket: 5_000 }), ..Link::default() },
        Link { mtu: 999, ..Link::default() },
    ];
    for link in alone {
        assert_ne!(relative(&train(&link, 1, 2_000, ms(1)).0), plain, "{link:?}");
    }
}

#[test]
fn random_losses_have_their_share_and_are_independent() {
    for (loss, seed) in [(0.01, 1), (0.05, 2), (0.1, 3), (0.3, 4)] {
        let count = 100_000;
        let (outcomes, counts) = train(&Link { loss, ..Link::default() }, seed, count, ms(1));
        // Five deviations of a binomial distribution.
        let within = |share: f64, expected: f64, of: f64| (share - expected).abs() < 5.0 * (expected / of).sqrt();
        assert!(within(counts.lost as f64 / count as f64, loss, count as f64), "{} lost of {loss}", counts.lost);
        let twice = outcomes.windows(2).filter(|pair| pair[0].1.is_err() && pair[1].1.is_err()).count();
        let share = twice as f64 / counts.lost as f64;
        assert!(within(share, loss, counts.lost as f64), "{share} of the losses follow another, at {loss}");
    }
}

#[test]
fn losses_in_bursts_have_their_share_and_their_length() {
    for (mean_loss, mean_length, seed) in [(0.03, 5.0, 1), (0.03, 10.0, 2), (0.1, 3.0, 3), (0.01, 1.5, 4)] {
        let burst = Burst { mean_loss, mean_length };
        let count = 200_000;
        let (outcomes, counts) = train(&Link { burst: Some(burst), ..Link::default() }, seed, count, ms(1));
        let bursts = outcomes.windows(2).filter(|pair| pair[0].1.is_ok() && pair[1].1.is_err()).count() as f64;
        // Neighbours are correlated by 1 less both changes, which divides the number of independent samples.
        let (to_bad, to_good) = burst.changes();
        let correlation = 1.0 - to_bad - to_good;
        let spread = (mean_loss * (1.0 - mean_loss) / count as f64 * (1.0 + correlation) / (1.0 - correlation)).sqrt();
        let share = counts.lost as f64 / count as f64;
        assert!((share - mean_loss).abs() < 5.0 * spread, "{share} of {mean_loss}");
        // The length is geometric: its deviation is about its mean.
        let length = counts.lost as f64 / bursts;
        assert!((length - mean_length).abs() < 5.0 * mean_length / bursts.sqrt(), "{length} of {mean_length}");
    }
}

#[test]
fn a_queue_holds_its_limit_and_drops_the_rest() {
    // 8 ms a datagram at 1 Mbit/s; they come each 4 ms.
    let limits = [(Queue::Time(ms(96)), ms(104)), (Queue::Packets(13), ms(104)), (Queue::Octets(13_000), ms(104))];
    for (queue, longest) in limits {
        let link = Link { rate: Rate::Constant(1_000_000), queue, delay: ms(0), ..Link::default() };
        let (outcomes, counts) = train(&link, 1, 1_000, ms(4));
        let waits: Vec<Duration> =
            outcomes.iter().filter_map(|(sent, outcome)| outcome.ok().map(|arrival| arrival.at - *sent)).collect();
        let most = *waits.iter().max().expect("some arrive");
        assert!(most <= longest && most > longest - ms(8), "{most:?} in {queue:?}");
        let carried = (outcomes.len() as u64 - counts.queue_full) as f64 * 8.0;
        assert!((carried - 4_000.0 - 104.0).abs() < 20.0, "{carried} ms of datagrams in 4 s through {queue:?}");
        assert_eq!(counts.lost + counts.policed + counts.too_large, 0);
    }
}

#[test]
fn a_rate_follows_its_shape() {
    const STEPS: &[(Duration, u64)] = &[(ms(0), 3_000_000), (ms(2_000), 0), (ms(3_000), 600_000)];
    let shapes: [(Shape, &[u64]); 3] = [
        (Shape::Steps(STEPS), &[3_000, 3_000, 0, 600, 600]),
        (Shape::Ramp { from: 3_000_000, to: 1_000_000, over: ms(4_000) }, &[2_750, 2_250, 1_750, 1_250, 1_000]),
        (Shape::Triangle { low: 1_000_000, high: 3_000_000, period: ms(4_000) }, &[2_500, 1_500, 1_500, 2_500, 2_500]),
    ];
    for (shape, kilobits) in shapes {
        let (start, mut pipe) = (Instant::now(), Pipe::new(Random::new(1)));
        let link =
            Link { rate: Rate::Varying(start, shape), queue: Queue::Octets(8_000), delay: ms(0), ..Link::default() };
        let mut carried = vec![0u64; kilobits.len() + 1];
        for index in 0..kilobits.len() as u32 * 1_000 {
            let now = start + ms(1) * index;
            if let Ok(arrival) = pipe.send(&link, 1_000 - HEADERS, now) {
                carried[((arrival.at - start).as_secs() as usize).min(kilobits.len())] += 8;
            }
        }
        for (second, (&carried, &expected)) in carried.iter().zip(kilobits).enumerate() {
            // A datagram more or less at both ends.
            assert!(carried.abs_diff(expected) <= 16, "{carried} of {expected} kbit in second {second} of {shape:?}");
        }
    }
}

#[test]
fn a_policer_passes_its_rate_and_one_bucket() {
    let policer = Policer { rate: 1_000_000, bucket: 20_000 };
    let link = Link { policer: Some(policer), delay: ms(20), ..Link::default() };
    // 3 Mbit/s for 30 s, a third of which passes.
    let (outcomes, counts) = train(&link, 1, 11_250, Duration::from_nanos(2_666_667));
    let passed = (outcomes.len() as u64 - counts.policed) * 1_000;
    assert!(passed.abs_diff(30 * 125_000 + 20_000) <= 1_000, "{passed} octets");
    let delays = outcomes.iter().filter_map(|(sent, outcome)| outcome.ok().map(|arrival| arrival.at - *sent));
    assert!(delays.into_iter().all(|delay| delay == ms(20)), "it has no queue");
    // What stays below the rate passes.
    assert_eq!(train(&link, 1, 1_000, ms(9)).1.policed, 0);
}

#[test]
fn jitter_is_uniform_and_reorders_unless_it_must_not() {
    let link = Link { delay: ms(20), jitter: ms(30), ..Link::default() };
    let overtaken = |link: &Link| {
        let arrivals: Vec<Instant> = train(link, 1, 10_000, ms(10)).0.iter().map(|sent| sent.1.unwrap().at).collect();
        arrivals.windows(2).filter(|pair| pair[1] < pair[0]).count() as f64 / 10_000.0
    };
    let delays: Vec<f64> = train(&link, 1, 10_000, ms(10))
        .0
        .iter()
        .map(|(sent, outcome)| (outcome.unwrap().at - *sent).as_secs_f64() * 1_000.0)
        .collect();
    let mean = delays.iter().sum::<f64>() / 10_000.0;
    // The deviation of a uniform distribution is its width / sqrt(12).
    assert!((mean - 35.0).abs() < 5.0 * 30.0 / 12f64.sqrt() / 100.0, "{mean} ms");
    assert!(delays.iter().all(|delay| (20.0..50.0).contains(delay)));
    // Two uniform numbers differ by more than a third of their range, in this order: (2 / 3)^2 / 2.
    let expected = 2.0 / 9.0;
    assert!((overtaken(&link) - expected).abs() < 5.0 * (expected / 10_000f64).sqrt(), "{}", overtaken(&link));
    assert_eq!(overtaken(&Link { in_order: true, ..link }), 0.0);
}

#[test]
fn a_share_overtakes_and_a_share_arrives_twice() {
    let link = Link { delay: ms(20), reorder: 0.01, duplicates: 0.02, ..Link::default() };
    let (outcomes, _) = train(&link, 1, 50_000, ms(5));
    let early = outcomes.iter().filter(|(sent, outcome)| outcome.unwrap().at - *sent == ms(1)).count() as f64;
    let twice = outcomes.iter().filter(|(_, outcome)| outcome.unwrap().duplicate.is_some()).count() as f64;
    assert!((early - 500.0).abs() < 5.0 * 500f64.sqrt(), "{early} of 500");
    assert!((twice - 1_000.0).abs() < 5.0 * 1_000f64.sqrt(), "{twice} of 1,000");
}

#[test]
fn what_is_larger_than_the_mtu_with_its_headers_is_dropped() {
    for (headers, largest) in [(28, 1_252), (48, 1_232)] {
        let (link, now) = (Link { mtu: 1_280, headers, ..Link::default() }, Instant::now());
        let mut pipe = Pipe::new(Random::new(1));
        assert!(pipe.send(&link, largest, now).is_ok());
        assert_eq!(pipe.send(&link, largest + 1, now), Err(Dropped::TooLarge));
    }
}

/// A camera and a viewer behind a rough network.
fn call(seed: u64) -> Call {
    let mut call = Call::new(seed);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    call.subscribe(bob, camera, Kind::Video);
    (call.up[alice], call.down[bob], call.up[bob]) = (rough(), rough(), rough());
    call.network.traces = true;
    call.run(ms(5_000));
    call
}

#[test]
fn the_same_seed_gives_the_same_call() {
    let trace = |call: &Call| {
        let start = call.network.trace[0].0;
        let datagrams: Vec<_> =
            call.network.trace.iter().map(|(at, way, of, octets, _)| (*at - start, *way, *of, *octets)).collect();
        let plain: Vec<_> = call.peers[1].received.iter().map(|packet| packet.payload.clone()).collect();
        (datagrams, plain)
    };
    let (one, same, other) = (trace(&call(1)), trace(&call(1)), trace(&call(2)));
    assert!(one.0.len() > 1_000 && one.1.len() > 400, "{} datagrams, {} packets", one.0.len(), one.1.len());
    assert!(one == same, "the same seed gave two calls");
    assert!(one != other, "two seeds gave the same call");
}

#[test]
fn two_viewers_behind_one_link_share_its_queue() {
    let mut call = Call::new(3);
    let alice = call.join();
    let camera = call.publish(alice, Kind::Video, &[]);
    let viewers = [call.join(), call.join()];
    let slots = viewers.map(|viewer| call.subscribe(viewer, camera, Kind::Video));
    // Each stream is about 0.75 Mbit/s.
    let link = call.network.add_shared(Link::slow(1_000_000, ms(200), ms(10)));
    for viewer in viewers {
        call.peers[viewer].asks_for_losses = false;
        call.network.share(Way::Down, viewer, link);
    }
    call.run(ms(10_000));
    let counts = call.network.shared_pipe(link).counts;
    assert!((1_200_000..1_290_000).contains(&counts.carried), "{} octets in 10 s", counts.carried);
    assert!(counts.queue_full > 500, "{}", counts.queue_full);
    let queue = call.network.queue_delay(Way::Down, viewers[1], call.now);
    assert!((ms(150)..ms(220)).contains(&queue), "{queue:?}");
    let came = [0, 1].map(|index| call.peers[viewers[index]].stream(stream::ssrc(slots[index])).len());
    // A drop-tail queue without congestion control is not fair: whose packets find it full depends on their order.
    assert!(came.iter().all(|&count| count > 150) && came[0] + came[1] < 1_250, "{came:?}");
}
