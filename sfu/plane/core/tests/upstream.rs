//! From a publisher to the plane: how well lost packets are recovered when the publisher is far away and watches nothing,
//! as with WHIP (RFC 4585, RFC 3611).

mod sim;

use std::collections::BTreeSet;

use plane_core::Event;
use plane_core::command::{DtlsRole, Kind};
use plane_core::rtcp::compound::{self, Packet};
use plane_core::rtcp::xr;
use plane_core::time::{Instant, ms};
use sim::stream::whole;
use sim::{Call, Link};

/// How the round trip to the publisher can be measured.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Measured {
    ByReports,
    ByChecks,
    Never,
}

#[derive(Clone, Copy, Default, Debug)]
struct Requested {
    /// Requests, one for each packet of a NACK.
    asked: u64,
    /// Different packets of them.
    lost: u64,
}

/// Publishes for 20 s over a link that loses 5 % both ways. `round_trip` and `jitter` are in ms.
fn requested(seed: u64, round_trip: u64, jitter: u64, measured: Measured) -> Requested {
    let mut call = Call::new(seed);
    let alice = call.invite(DtlsRole::Server);
    let link = Link { delay: ms(round_trip / 2), loss: 0.05, jitter: ms(jitter), ..Link::default() };
    (call.up[alice], call.down[alice]) = (link, Link { jitter: ms(0), ..link });
    let camera = call.publish(alice, Kind::Video, &[]);
    call.peers[alice].answers_references = measured == Measured::ByReports;
    call.peers[alice].answers = measured == Measured::ByChecks;
    call.connect(alice);
    let bob = call.join();
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(3_000));
    let before = call.plane.stats().nacks_sent;
    let from = call.now;
    call.run(ms(20_000));
    let asked = call.plane.stats().nacks_sent - before;
    let heard = |(_, _, at): &&(u32, Vec<u16>, Instant)| *at >= from;
    let lost: BTreeSet<u16> =
        call.peers[alice].nacks.iter().filter(heard).flat_map(|(_, lost, _)| lost.iter().copied()).collect();
    call.up[alice].loss = 0.0;
    call.run(ms(3_000));
    let packets = whole(&call, bob, slot);
    let numbers = packets.last().expect("the viewer sees it").0 - packets[0].0 + 1;
    let missing = numbers as usize - packets.len();
    assert!(missing * 500 < packets.len(), "{measured:?}, seed {seed}: {missing} of {numbers} packets are missing");
    Requested { asked, lost: lost.len() as u64 }
}

/// Requests per lost packet, over several seeds.
fn ratio(round_trip: u64, jitter: u64, measured: Measured) -> f64 {
    let all: Vec<_> = (1..=3).map(|seed| requested(seed, round_trip, jitter, measured)).collect();
    let sum = |of: fn(&Requested) -> u64| all.iter().map(of).sum::<u64>() as f64;
    sum(|one| one.asked) / sum(|one| one.lost)
}

#[test]
fn a_publisher_that_watches_nothing_is_asked_for_a_lost_packet_once_however_far_it_is() {
    for measured in [Measured::ByReports, Measured::ByChecks] {
        for (round_trip, jitter) in [(400, 0), (400, 10), (40, 0)] {
            let ratio = ratio(round_trip, jitter, measured);
            assert!(ratio <= 1.2, "{ratio:.2} requests for a packet at {round_trip} +- {jitter} ms, {measured:?}");
        }
    }
    let unmeasured = ratio(400, 0, Measured::Never);
    assert!(unmeasured > 3.0, "{unmeasured:.2} requests without a measurement: this test measures nothing");
}

/// What the plane sends a publisher that watches nothing, by kind: receiver reports, receiver reference times.
fn reports(call: &Call, peer: usize) -> (usize, usize) {
    let mut sums = (0, 0);
    for compound in &call.peers[peer].compounds {
        compound::parse(compound, |packet| match packet {
            Packet::ReceiverReport { .. } => sums.0 += 1,
            Packet::ReferenceTime { .. } => sums.1 += 1,
            _ => {}
        })
        .expect("it is well formed");
    }
    sums
}

#[test]
fn only_a_publisher_that_is_sent_nothing_gets_reference_times_and_checks_only_if_it_answers_none() {
    for (watches, answers_references) in [(false, true), (false, false), (true, true)] {
        let mut call = Call::new(9);
        let (alice, bob) = (call.join(), call.join());
        call.publish(alice, Kind::Video, &[]);
        let camera = call.publish(bob, Kind::Video, &[]);
        call.peers[alice].answers_references = answers_references;
        call.peers[alice].sends_feedback = false;
        if watches {
            call.subscribe(alice, camera, Kind::Video);
        }
        call.run(ms(3_000));
        call.peers[alice].compounds.clear();
        let asked = call.peers[alice].asked;
        call.run(ms(8_000));
        let ((reports, references), checks) = (reports(&call, alice), call.peers[alice].asked - asked);
        assert!(reports >= 3, "{reports} reports");
        assert_eq!(references, if watches { 0 } else { reports }, "{reports} reports, watches: {watches}");
        let expected = if answers_references { 0..=0 } else { 1..=2 };
        assert!(expected.contains(&checks), "{checks} checks in 8 s, watches: {watches}");
    }
}

#[test]
fn a_publisher_that_lies_about_its_round_trip_is_asked_no_more_often_than_any_other() {
    let mut call = Call::new(10);
    let alice = call.join();
    let camera = call.publish(alice, Kind::Video, &[]);
    call.peers[alice].answers_references = false;
    let bob = call.join();
    call.subscribe(bob, camera, Kind::Video);
    call.run(ms(2_000));
    let ours = call.peers[alice]
        .compounds
        .iter()
        .find_map(|compound| Some(u32::from_be_bytes(compound[4..8].try_into().ok()?)));
    let ours = ours.expect("it was reported to");
    let missing = call.peers[alice].sources[0].sequence + 40;
    (call.peers[alice].swallows, call.peers[alice].refuses) = (vec![missing], vec![missing]);
    for at in 0..300 {
        // No time at all, and the longest that a field can say, in turn.
        let last = call.clock.ntp(call.now).compact();
        let lies: Vec<_> = (0..160)
            .map(|n| xr::ReferenceDelay { ssrc: ours, last: last.wrapping_sub((at % 2) << 31), delay: n })
            .collect();
        let mut out = Vec::new();
        xr::write_reference_delays(&mut out, 1, &lies);
        call.peers[alice].send_rtcp(out);
        call.run(ms(10));
    }
    let times: Vec<_> =
        call.peers[alice].nacks.iter().filter(|(_, lost, _)| lost.contains(&missing)).map(|(_, _, at)| *at).collect();
    assert!((2..=10).contains(&times.len()), "asked {} times", times.len());
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= ms(19)), "more often than every 20 ms");
}

#[test]
fn the_loss_of_a_publishers_uplink_is_told_with_its_round_trip_whatever_its_viewers_lose() {
    for (up, down, expected) in [(0.0, 0.2, 0.0..=0.0), (0.1, 0.0, 0.06..=0.14), (0.3, 0.0, 0.22..=0.38)] {
        let mut call = Call::new(11);
        let alice = call.join();
        let camera = call.publish(alice, Kind::Video, &[]);
        let bob = call.join();
        call.subscribe(bob, camera, Kind::Video);
        (call.up[alice], call.down[alice]) = (Link::lossy(ms(30), up), Link::lossy(ms(10), 0.0));
        call.down[bob] = Link::lossy(ms(5), down);
        call.run(ms(10_000));
        let last = call.events.iter().rev().find_map(|event| match event {
            Event::Layers { track, loss, round_trip, .. } if *track == camera => Some((*loss, *round_trip)),
            _ => None,
        });
        let (loss, round_trip) = last.expect("its layers are told");
        assert!(expected.contains(&loss), "{loss} is lost of {up}");
        let round_trip = round_trip.expect("it is measured").as_millis();
        assert!((20..=41).contains(&round_trip), "{round_trip} ms");
    }
}

#[test]
fn transport_wide_feedback_covers_every_packet_each_100_ms_or_20_ms_after_the_end_of_a_frame() {
    for (kinds, most_apart) in [(&[Kind::Audio][..], 100), (&[Kind::Audio, Kind::Video], 45)] {
        let mut call = Call::new(12);
        let alice = call.join();
        for &kind in kinds {
            call.publish(alice, kind, &[]);
        }
        call.run(ms(1_000));
        call.peers[alice].feedback.clear();
        let mut times = Vec::new();
        for at in 0..5_000 {
            let before = call.peers[alice].feedback.len();
            call.run(ms(1));
            times.extend((before..call.peers[alice].feedback.len()).map(|_| at));
        }
        let apart: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let (least, most) = (apart.iter().min().expect("several"), apart.iter().max().expect("several"));
        assert!(*least >= 19 && *most <= most_apart + 21, "{kinds:?}: every {least} to {most} ms");
        if kinds.len() == 1 {
            assert!(*least >= 99, "{kinds:?}: every {least} to {most} ms");
        }
        let numbers: Vec<u16> =
            call.peers[alice].feedback.iter().flat_map(|one| one.packets.iter().map(|(number, _)| *number)).collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "each number once, audio included");
        let packets: usize = numbers.len();
        assert!(packets >= 240, "{packets} packets");
        assert!(call.peers[alice].feedback.iter().all(|one| one.packets.iter().all(|(_, arrival)| arrival.is_some())));
    }
}
