use super::*;
use crate::rtcp::compound::{self, Packet};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// The feedback packets that are due: their first number and size, and arrivals in microseconds since time zero
/// of the reference.
struct Reported {
    shape: Vec<(u16, usize)>,
    arrived: BTreeMap<u16, i64>,
    lost: Vec<u16>,
}

fn poll(arrivals: &mut ArrivalTimes, now: Instant) -> Reported {
    let mut reported = Reported { shape: Vec::new(), arrived: BTreeMap::new(), lost: Vec::new() };
    let mut out = Vec::new();
    while arrivals.poll_feedback(1, 2, now, &mut out) {
        assert!(out.len() <= 1_150, "{} octets fit no datagram", out.len());
        let read = compound::parse(&out, |packet| {
            let Packet::TransportFeedback(feedback) = packet else { panic!("{packet:?}") };
            reported.shape.push((feedback.base, feedback.count.into()));
            let mut ticks = i64::from(feedback.reference) * TICKS_PER_REFERENCE;
            for (sequence, delta) in feedback.packets() {
                let Some(delta) = delta else {
                    reported.lost.push(sequence);
                    continue;
                };
                ticks += i64::from(delta);
                reported.arrived.insert(sequence, ticks * 250);
            }
        });
        assert_eq!(read, Ok(()));
        out.clear();
    }
    reported
}

#[test]
fn arrivals_and_losses_are_told_each_100_ms() {
    let (mut arrivals, start) = (ArrivalTimes::new(), Instant::now());
    assert_eq!(arrivals.poll_timeout(), None);
    for (sequence, at) in [(65_534, 0), (65_535, 10), (1, 70), (2, 71)] {
        arrivals.record(sequence, start + ms(at));
    }
    assert_eq!(poll(&mut arrivals, start + ms(99)).shape, []);
    assert_eq!(arrivals.poll_timeout(), Some(start + ms(100)));
    let reported = poll(&mut arrivals, start + ms(100));
    assert_eq!(reported.shape, [(65_534, 5)]);
    assert_eq!(reported.arrived, BTreeMap::from([(65_534, 0), (65_535, 10_000), (1, 70_000), (2, 71_000)]));
    assert_eq!(reported.lost, [0]);
    assert_eq!(arrivals.poll_timeout(), None);
    arrivals.record(3, start + ms(120));
    assert_eq!(arrivals.poll_timeout(), Some(start + ms(200)));
    assert_eq!(poll(&mut arrivals, start + ms(200)).arrived, BTreeMap::from([(3, 120_000)]));
}

#[test]
fn the_end_of_a_frame_is_told_sooner_but_not_more_often_than_each_20_ms() {
    let (mut arrivals, start) = (ArrivalTimes::new(), Instant::now());
    let mut reported = Vec::new();
    for at in 0..200 {
        if at % 8 == 0 {
            arrivals.record(at as u16, start + ms(at));
            arrivals.frame_ended();
        }
        if !poll(&mut arrivals, start + ms(at)).shape.is_empty() {
            reported.push(at);
        }
    }
    assert!(reported.windows(2).all(|pair| (20..=28).contains(&(pair[1] - pair[0]))), "{reported:?}");
    assert_eq!(reported[0], 20);
}

#[test]
fn a_late_packet_is_told_with_those_that_overtook_it() {
    let (mut arrivals, start) = (ArrivalTimes::new(), Instant::now());
    for (sequence, at) in [(10, 0), (12, 10), (13, 20)] {
        arrivals.record(sequence, start + ms(at));
    }
    assert_eq!(poll(&mut arrivals, start + ms(100)).lost, [11]);
    arrivals.record(11, start + ms(105));
    arrivals.record(14, start + ms(106));
    let reported = poll(&mut arrivals, start + ms(200));
    assert_eq!(reported.arrived, BTreeMap::from([(11, 105_000), (12, 10_000), (13, 20_000), (14, 106_000)]));
    assert_eq!(reported.lost, []);
}

#[test]
fn a_packet_later_than_the_window_is_not_told_any_more() {
    let (mut arrivals, start) = (ArrivalTimes::new(), Instant::now());
    arrivals.record(10, start);
    arrivals.record(12, start);
    poll(&mut arrivals, start + ms(700));
    arrivals.record(11, start + ms(710));
    assert_eq!(arrivals.poll_timeout(), None);
    arrivals.record(15, start + ms(720));
    let reported = poll(&mut arrivals, start + ms(900));
    assert_eq!(
        (reported.shape, reported.lost),
        (vec![(13, 3)], vec![13, 14]),
        "holes are reported across the forgotten"
    );
}

#[test]
fn a_repeated_packet_keeps_its_first_time() {
    let (mut arrivals, start) = (ArrivalTimes::new(), Instant::now());
    arrivals.record(1, start);
    arrivals.record(1, start + ms(50));
    assert_eq!(poll(&mut arrivals, start + ms(100)).arrived, BTreeMap::from([(1, 0)]));
    arrivals.record(1, start + ms(110));
    assert_eq!(arrivals.poll_timeout(), None);
}

#[test]
fn after_an_outage_it_begins_anew() {
    let (mut arrivals, start) = (ArrivalTimes::new(), Instant::now());
    arrivals.record(1, start);
    poll(&mut arrivals, start + ms(100));
    arrivals.record(5_000, start + ms(20_000));
    let reported = poll(&mut arrivals, start + ms(20_100));
    assert_eq!((reported.shape, reported.lost), (vec![(5_000, 1)], vec![]));
}

#[test]
fn a_pause_longer_than_a_delta_begins_another_feedback() {
    let (mut arrivals, start) = (ArrivalTimes::new(), Instant::now());
    arrivals.record(1, start);
    arrivals.record(2, start + ms(9_000));
    let reported = poll(&mut arrivals, start + ms(9_100));
    assert_eq!(reported.shape, [(1, 1), (2, 1)]);
    assert_eq!(reported.arrived, BTreeMap::from([(1, 0), (2, 9_000_000)]));
}

#[test]
fn a_burst_is_split_into_feedbacks_that_fit_a_datagram() {
    let (mut arrivals, start) = (ArrivalTimes::new(), Instant::now());
    (0..3_000).step_by(3).for_each(|sequence| arrivals.record(sequence, start + ms(u64::from(sequence) * 70)));
    let reported = poll(&mut arrivals, start + ms(300_000));
    assert_eq!((reported.arrived.len(), reported.lost.len()), (1_000, 1_998));
    assert!(reported.shape.len() >= 4);
}

#[test]
fn numbers_that_jump_are_forgotten_from_the_front() {
    let (mut arrivals, start) = (ArrivalTimes::new(), Instant::now());
    let mut sequence = 0_u16;
    for packet in 0..20_000_u64 {
        sequence = sequence.wrapping_add(ARRIVAL_HOLE as u16 - 1);
        arrivals.record(sequence, start + Duration::from_micros(packet * 100));
        assert!(arrivals.times.len() <= ARRIVALS, "{} numbers after {packet} packets", arrivals.times.len());
    }
    let now = start + ms(2_000);
    let reported = poll(&mut arrivals, now);
    assert_eq!(reported.arrived.len(), ARRIVALS / (ARRIVAL_HOLE as usize - 1) + 1, "the newest are reported");
    assert!(reported.shape.len() <= 8, "{} feedbacks", reported.shape.len());
    assert_eq!(arrivals.poll_timeout(), None, "nothing is left to tell");
    arrivals.record(sequence.wrapping_add(1), now + ms(1));
    assert_eq!(poll(&mut arrivals, now + ms(200)).arrived.len(), 1, "what comes then is reported");
    poll(&mut arrivals, now + ms(2_000));
    arrivals.record(sequence.wrapping_add(2), now + ms(2_100));
    poll(&mut arrivals, now + ms(2_300));
    assert!(arrivals.times.capacity() <= 2 * SPARE, "{} after the last of them", arrivals.times.capacity());
}

#[test]
fn what_is_not_told_at_once_is_not_told_later() {
    let (mut arrivals, start) = (ArrivalTimes::new(), Instant::now());
    (0..6_000_u16).for_each(|sequence| arrivals.record(sequence, start));
    let mut out = Vec::new();
    assert!(arrivals.poll_feedback(1, 2, start + ms(100), &mut out));
    arrivals.forget_unreported(start + ms(100));
    assert_eq!(arrivals.poll_timeout(), None);
    arrivals.record(6_000, start + ms(150));
    arrivals.forget_unreported(start + ms(160));
    assert_eq!(poll(&mut arrivals, start + ms(200)).shape, [(6_000, 1)], "what is not due yet waits");
}

proptest! {
    /// Loss, reordering, repetition and unordered timestamps: the sum of all feedback has what arrived, and when.
    /// Only late packets may be missing.
    #[test]
    fn every_arrival_is_told_with_its_time(
        first: u16,
        packets in prop::collection::vec((0_u64..40, -5_i64..8, any::<bool>()), 1..300),
    ) {
        let (mut arrivals, start) = (ArrivalTimes::new(), Instant::now());
        let start = start + ms(1_000);
        let (mut at, mut next) = (0, 0_i64);
        let (mut truth, mut reported) = (BTreeMap::new(), BTreeMap::new());
        let (mut lost, mut late) = (Vec::new(), Vec::new());
        let mut origin = None;
        for (wait, step, frame) in packets {
            at += wait;
            let sequence = first.wrapping_add((next + step).max(0) as u16);
            next = next.max(next + step);
            // The kernel's stamp, up to 3 ms off.
            let stamp = at as i64 + step.rem_euclid(3);
            arrivals.record(sequence, start + ms(stamp as u64));
            let origin = *origin.get_or_insert(stamp);
            if step < 0 {
                late.push(sequence);
            }
            truth.entry(sequence).or_insert((stamp - origin) * 1_000);
            if frame {
                arrivals.frame_ended();
            }
            let now = poll(&mut arrivals, start + ms(at));
            lost.extend(now.lost.into_iter().filter(|known| truth.contains_key(known)));
            reported.extend(now.arrived);
        }
        // Its interval counts from the stamp of the first that waits.
        reported.extend(poll(&mut arrivals, start + ms(at + 110)).arrived);
        prop_assert_eq!(lost, []);
        for (sequence, time) in &reported {
            prop_assert_eq!(truth[sequence], *time);
        }
        prop_assert!(truth.keys().all(|known| reported.contains_key(known) || late.contains(known)));
    }
}
