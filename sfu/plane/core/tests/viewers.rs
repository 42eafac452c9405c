//! The models of clients in the simulator: what a subscriber asks for, reports and shows, and how a publisher adapts.

mod sim;

use plane_core::time::{Duration, Instant, ms};
use sim::encoder::Encoder;
use sim::link::{Link, loss::Burst};
use sim::network::Way;
use sim::peer::Received;
use sim::random::Random;
use sim::record::{percentile, share_of_time};
use sim::scene::Scene;
use sim::uplink::simulcast;
use sim::viewer::arrivals::Arrivals;
use sim::viewer::freeze::Freezes;
use sim::viewer::listening::Listening;
use sim::viewer::nack::{Nacks, Noted};
use sim::viewer::playout::Playout;

#[test]
fn a_freeze_is_an_interval_of_three_averages_and_150_ms_above_it() {
    // Frame interval, then one gap, and whether it is a freeze. The average includes the gap.
    let table =
        [(33, 180, false), (33, 200, true), (100, 280, false), (100, 340, true), (10, 150, false), (10, 170, true)];
    for (interval, gap, expected) in table {
        let (mut freezes, start) = (Freezes::default(), Instant::now());
        (0..60).for_each(|frame| freezes.handle_frame(start + ms(frame * interval)));
        freezes.handle_frame(start + ms(59 * interval + gap));
        assert_eq!(freezes.frozen.len() == 1, expected, "{gap} ms after frames each {interval} ms");
        assert!(freezes.frozen.iter().all(|freeze| freeze.1 == ms(gap)), "the whole gap counts");
    }
}

#[test]
fn the_first_frames_are_no_freeze_and_a_picture_that_stands_is_one() {
    let (mut freezes, start) = (Freezes::default(), Instant::now());
    for at in [0, 33, 66, 800] {
        freezes.handle_frame(start + ms(at));
    }
    assert!(freezes.frozen.is_empty());
    assert_eq!(freezes.since(start, start + ms(900)), (ms(0), ms(0)));
    assert_eq!(freezes.since(start, start + ms(2_800)), (ms(2_000), ms(2_000)));
    assert_eq!(
        freezes.since(start + ms(1_800), start + ms(2_800)).0,
        ms(1_000),
        "from the beginning of the measurement"
    );
}

#[test]
fn a_gap_is_asked_for_at_once_and_then_once_per_round_trip_ten_times() {
    let (mut nacks, start) = (Nacks::new(ms(100)), Instant::now());
    nacks.handle_packet(0, false, start);
    nacks.handle_packet(3, false, start);
    let mut asked = Vec::new();
    let mut now = start;
    for _ in 0..300 {
        let lost = nacks.poll(now);
        if !lost.is_empty() {
            assert_eq!(lost, [1, 2]);
            asked.push(now - start);
        }
        now += ms(10);
    }
    assert_eq!(asked.len(), 10, "{asked:?}");
    assert_eq!(asked[0], ms(0));
    assert!(asked.windows(2).all(|pair| (ms(100)..=ms(120)).contains(&(pair[1] - pair[0]))), "{asked:?}");
}

#[test]
fn after_reordering_a_gap_is_asked_for_later() {
    let (mut nacks, now) = (Nacks::new(ms(100)), Instant::now());
    nacks.handle_packet(0, false, now);
    nacks.handle_packet(3, false, now);
    assert_eq!(nacks.poll(now), [1, 2]);
    assert_eq!(nacks.handle_packet(1, false, now), Noted::Recovered(1));
    assert_eq!(nacks.handle_packet(2, true, now), Noted::Recovered(1), "a retransmission says nothing of the order");
    // Packet 1 came two numbers late.
    nacks.handle_packet(5, false, now);
    assert_eq!(nacks.poll(now), [0; 0]);
    nacks.handle_packet(6, false, now);
    assert_eq!(nacks.poll(now), [4]);
    assert_eq!(nacks.handle_packet(6, false, now), Noted::Known);
    assert_eq!(nacks.handle_packet(2_000, false, now), Noted::Overflow);
}

#[test]
fn a_report_covers_what_was_lost_before_its_first_arrival_and_late_ones_are_reported_again() {
    let origin = Instant::now();
    let mut arrivals = Arrivals::new(origin);
    let come = |arrivals: &mut Arrivals, numbers: &[(u16, u64)]| {
        numbers.iter().for_each(|&(number, at)| arrivals.handle_packet(number, origin + ms(at)));
        arrivals.next()
    };
    let first = come(&mut arrivals, &[(65_534, 70), (65_535, 71), (1, 75)]).expect("some came");
    // 70 ms are one unit of 64 ms, and 24 of 250 us.
    assert_eq!(first, (1, 65_534, vec![Some(24), Some(4), None, Some(16)]));
    let second = come(&mut arrivals, &[(4, 130), (5, 129)]).expect("some came");
    assert_eq!(second, (2, 2, vec![None, None, Some(8), Some(-4)]));
    let third = come(&mut arrivals, &[(3, 140), (6, 141)]).expect("some came");
    assert_eq!(third, (2, 3, vec![Some(48), Some(-40), Some(-4), Some(48)]), "all since the late one");
    assert_eq!(arrivals.next(), None);
}

#[test]
fn jitter_and_repairs_raise_the_delay_until_frames_are_even() {
    // Each third frame comes late by this much, and was repaired or not.
    for (late, is_repaired) in [(60, false), (80, true)] {
        let (mut playout, start, mut shown) = (Playout::new(ms(100)), Instant::now(), Vec::new());
        for frame in 0..900i64 {
            let is_late = frame % 3 == 0;
            let at = start + ms(frame as u64 * 33 + if is_late { late } else { 0 });
            shown.push(playout.handle_frame(frame * 33 * 90, is_late && is_repaired, at));
        }
        let gaps: Vec<Duration> = shown.windows(2).skip(600).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().all(|gap| (ms(15)..ms(60)).contains(gap)), "{late}: {:?}", gaps.iter().max());
    }
}

fn audio(number: u16, payload_type: u8, before: u16) -> Received {
    let mut payload = Vec::new();
    for distance in (1..=before).rev() {
        payload.extend([0x80 | 111, ((distance * 960) >> 6) as u8, ((distance * 960) << 2) as u8, 60]);
    }
    payload.extend([111, 0xFC]);
    Received {
        at: Instant::now(),
        ssrc: 1,
        sequence: number,
        timestamp: u32::from(number) * 960,
        marker: false,
        payload_type,
        mid: None,
        transport_cc: None,
        descriptor: None,
        payload,
    }
}

#[test]
fn lost_audio_is_concealed_unless_a_later_packet_has_it() {
    // Without jitter the delay is too short for what comes two packets later.
    for (before, loss, expected) in [(0, 0.1, 0.1), (1, 0.1, 0.01), (2, 0.1, 0.01), (0, 0.0, 0.0)] {
        let (mut listening, mut random, start) = (Listening::new(108), Random::new(7), Instant::now());
        for number in 0..20_000u16 {
            if !random.happens(loss) {
                let packet = audio(number, if before > 0 { 108 } else { 111 }, before);
                listening.handle_packet(&packet, start + ms(20) * u32::from(number));
            }
        }
        let concealed = listening.concealed as f64 / listening.played as f64;
        let tolerance = 5.0 * (expected / 20_000f64).sqrt();
        assert!((concealed - expected).abs() <= tolerance, "{concealed} of {expected} with {before} before");
    }
}

#[test]
fn an_encoder_keeps_its_rate_and_its_keyframes_are_larger() {
    let mut encoder = Encoder::new(1, 1_500_000);
    let sizes: Vec<usize> = (0..3_000).map(|frame| encoder.next_frame(frame % 300 == 0)).collect();
    let rate = sizes.iter().sum::<usize>() as f64 * 8.0 / 100.0;
    assert!((rate / 1_500_000.0 - 1.0).abs() < 0.02, "{rate}");
    let keyframes = sizes.iter().step_by(300).sum::<usize>() as f64 / 10.0;
    assert!((4.0..6.0).contains(&(keyframes / 6_250.0)), "{keyframes}");
}

#[test]
fn simulcast_gives_the_lower_encodings_first() {
    let table = [
        (20_000.0, [30_000, 0, 0]),
        (120_000.0, [120_000, 0, 0]),
        (250_000.0, [200_000, 0, 0]),
        (400_000.0, [150_000, 250_000, 0]),
        (1_000_000.0, [150_000, 700_000, 0]),
        (1_400_000.0, [150_000, 500_000, 750_000]),
        (2_500_000.0, [150_000, 500_000, 1_850_000]),
    ];
    for (estimate, rates) in table {
        assert_eq!(simulcast(estimate), rates, "of {estimate}");
    }
}

#[test]
fn a_publisher_follows_its_uplink_down_and_up() {
    let mut scene = Scene::new(1, 0);
    let uplink = |scene: &Scene| scene.call.peers[scene.publisher].uplink.as_ref().expect("it has one").estimate;
    assert!(uplink(&scene) > 2_400_000.0, "{} within 5 s", uplink(&scene));
    scene.call.up[scene.publisher] = Link::slow(1_000_000, ms(300), ms(25));
    scene.call.run(ms(5_000));
    let mut queue = Vec::new();
    for _ in 0..500 {
        scene.call.run(ms(20));
        queue.push(scene.call.network.queue_delay(Way::Up, scene.publisher, scene.call.now).as_secs_f64());
    }
    let (estimate, standing, peak) =
        (uplink(&scene), percentile(queue.iter().copied(), 0.5), percentile(queue.iter().copied(), 0.95));
    assert!((500_000.0..1_100_000.0).contains(&estimate), "{estimate} of 1 Mbit/s");
    // It empties the queue between its attempts to raise the rate, which fill it again: GoogCC's sawtooth, coarsely.
    assert!(standing < 0.1 && peak < 0.3, "{standing} s, {peak} s");
    scene.call.up[scene.publisher] = Link::lossy(ms(25), 0.0);
    scene.call.run(ms(30_000));
    assert!(uplink(&scene) > 2.0 * estimate, "{} after {estimate}", uplink(&scene));
}

#[test]
fn each_figure_can_move() {
    let mut scene = Scene::new(1, 1);
    let clean = scene.measure(ms(3_000));
    assert_eq!((clean.frozen, clean.torn, clean.concealed, clean.queue, clean.wasted), (0.0, 0.0, 0.0, 0.0, 0.0));
    assert!(clean.media > 0.9 && clean.top == 1.0, "{clean:?}");
    // An outage of 2 s, then a bad link.
    let viewer = scene.viewer;
    scene.call.down[viewer].loss = 1.0;
    scene.call.run(ms(2_000));
    let burst = Some(Burst { mean_loss: 0.1, mean_length: 8.0 });
    scene.call.down[viewer] = Link { burst, jitter: ms(60), ..Link::slow(4_000_000, ms(300), ms(25)) };
    let bad = scene.measure(ms(10_000));
    assert!(bad.frozen > 0.1 && bad.longest_freeze > 1_000.0, "{bad:?}");
    assert!(bad.torn > 0.0 && bad.concealed > 0.01 && bad.queue > 1.0 && bad.wasted > 0.0, "{bad:?}");
    assert!(bad.media < clean.media, "{bad:?}");
}

#[test]
fn percentiles_and_shares_of_time() {
    let values = || (1..=20).map(f64::from);
    assert_eq!([0.05, 0.5, 0.95, 1.0].map(|share| percentile(values(), share)), [1.0, 10.0, 19.0, 20.0]);
    assert_eq!(percentile([], 0.5), 0.0);
    let start = Instant::now();
    let changes = [(start, 'a'), (start + ms(400), 'b'), (start + ms(600), 'a')];
    assert_eq!(share_of_time(&changes, &'a', start + ms(200), start + ms(1_200)), 0.8);
}
