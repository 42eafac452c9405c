//! One stream over wraps, losses, bursts and restarts.

use super::*;
use crate::codec::{Codec, PayloadType};
use crate::time::ms;
use proptest::prelude::*;

const VP8: PayloadType = PayloadType { number: 96, codec: Codec::Vp8, format: 0, clock_rate: 90_000, rtx: Some(97) };

fn video() -> Stream {
    Stream::new(90_000, true, true)
}

/// One packet a frame, a frame each 33 ms.
fn receive(stream: &mut Stream, sequence: u16, retransmitted: bool, now: Instant) -> Result<ExtendedSeq, Discard> {
    let timestamp = u32::from(sequence) * 3_000;
    let arrival = Arrival { sequence, timestamp, retransmitted, ..Arrival::of(&VP8, &[0; 1_000], now) };
    stream.handle_packet(&arrival, &Description::default(), now)
}

#[test]
fn numbers_go_on_over_the_wrap_and_repeated_packets_are_told() {
    let (mut stream, now) = (video(), Instant::now());
    for (sequence, expected) in [
        (65_535, Ok(ExtendedSeq(131_071))),
        (0, Ok(ExtendedSeq(131_072))),
        (65_535, Err(Discard::Duplicate)),
        (65_534, Ok(ExtendedSeq(131_070))),
        (2_000, Ok(ExtendedSeq(133_072))),
        (65_533, Err(Discard::TooLate)),
    ] {
        assert_eq!(receive(&mut stream, sequence, false, now), expected, "{sequence}");
    }
}

#[test]
fn a_lost_packet_is_asked_for_and_taken_once_when_it_comes_by_rtx() {
    let (mut stream, now) = (video(), Instant::now());
    for sequence in [1, 2, 4] {
        receive(&mut stream, sequence, false, now).unwrap();
    }
    let mut lost = Vec::new();
    let due = stream.poll_timeout().unwrap();
    assert!(!stream.poll_nack(due, ms(50), &mut lost));
    assert_eq!(lost, [3]);
    assert_eq!(receive(&mut stream, 3, true, due).map(ExtendedSeq::wire), Ok(3));
    assert_eq!(receive(&mut stream, 3, true, due), Err(Discard::Duplicate));
    assert_eq!(receive(&mut stream, 3, false, due), Err(Discard::Duplicate), "it was only very late");
    let block = stream.report_block(1, due).unwrap();
    assert_eq!((block.cumulative_lost, block.highest), (1, 4), "what RTX repaired is still loss on the path");
}

#[test]
fn the_lost_end_of_a_burst_may_come_by_rtx_first() {
    let (mut stream, now) = (video(), Instant::now());
    receive(&mut stream, 1, false, now).unwrap();
    assert!(receive(&mut stream, 3, true, now).is_ok());
    assert!(receive(&mut stream, 2, false, now).is_ok());
    assert_eq!(receive(&mut stream, 1_100, true, now), Err(Discard::RtxUnmatched));
}

#[test]
fn a_packet_the_cache_lost_is_asked_for_and_taken_again() {
    let (mut stream, now) = (video(), Instant::now());
    let wanted = receive(&mut stream, 1, false, now).unwrap();
    receive(&mut stream, 2, false, now).unwrap();
    stream.ask_for(wanted, now);
    stream.ask_for(wanted, now);
    let mut lost = Vec::new();
    stream.poll_nack(now, ms(50), &mut lost);
    assert_eq!(lost, [1]);
    assert_eq!(receive(&mut stream, 1, true, now), Ok(wanted));
}

#[test]
fn what_was_never_sent_or_is_too_old_is_not_asked_for() {
    let (mut stream, now) = (video(), Instant::now());
    let old = receive(&mut stream, 1, false, now).unwrap();
    let newest = (2..2_000).map(|sequence| receive(&mut stream, sequence, false, now).unwrap()).last().unwrap();
    stream.ask_for(old, now);
    stream.ask_for(ExtendedSeq(newest.0 + 1), now);
    assert_eq!(stream.poll_timeout(), None);
}

#[test]
fn without_nack_nothing_is_asked_for() {
    let (mut stream, now) = (Stream::new(48_000, false, false), Instant::now());
    receive(&mut stream, 1, false, now).unwrap();
    receive(&mut stream, 2_000, false, now).unwrap();
    assert_eq!(stream.poll_timeout(), None);
    assert!(!stream.poll_nack(now + ms(100), ms(50), &mut Vec::new()));
}

#[test]
fn a_new_stream_in_its_place_is_numbered_above_the_old_one() {
    let (mut stream, now) = (video(), Instant::now());
    let before = receive(&mut stream, 60_000, false, now).unwrap();
    stream.restart();
    assert_eq!(stream.highest(), None);
    let after = receive(&mut stream, 5, false, now).unwrap();
    assert!(after > before);
    assert_eq!(after.wire(), 5);
    assert!(receive(&mut stream, 4, false, now).unwrap() > before);
}

#[test]
fn a_sender_report_maps_timestamps_to_wall_time() {
    let (mut stream, now) = (video(), Instant::now());
    stream.handle_sender_report(Ntp(0), 9, now);
    stream.handle_sender_report(Ntp(5 << 32), 90_000, now);
    assert_eq!(stream.clock(), None, "no packet speaks for it");
    receive(&mut stream, 1, false, now).unwrap();
    assert_eq!(stream.clock().unwrap().ntp_at(180_000), Ntp(6 << 32));
    stream.set_clock_rate(48_000);
    assert_eq!(stream.clock(), None);
}

#[test]
fn frames_are_counted_by_timestamp_and_spatial_layer() {
    let (mut stream, start) = (video(), Instant::now());
    let mut sequence = 0;
    for frame in 0..30_u32 {
        for spatial in [0, 0, 1, 1, 1] {
            let arrival = Arrival { sequence, timestamp: frame * 3_000, ..Arrival::of(&VP8, &[0; 100], start) };
            let description = Description { spatial, ..Description::default() };
            stream.handle_packet(&arrival, &description, start + ms(33) * frame).unwrap();
            sequence += 1;
        }
    }
    let rates = stream.rates(None, 0, start + ms(990));
    assert_eq!(rates.len(), 2);
    assert!(rates.iter().all(|layer| (28.0..32.0).contains(&layer.fps)), "{rates:?}");
}

#[test]
fn frames_are_still_counted_when_timestamps_begin_anew() {
    let (mut stream, start) = (video(), Instant::now());
    for sequence in (50_000..50_010).chain(50..60) {
        let (number, timestamp) = (sequence as u16 % 100, sequence * 3_000);
        let arrival = Arrival { sequence: number, timestamp, ..Arrival::of(&VP8, &[0; 100], start) };
        stream.handle_packet(&arrival, &Description::default(), start).unwrap();
    }
    assert_eq!(stream.rates(None, 0, start + ms(1_100)), []);
    assert_eq!(stream.rates(None, 0, start + ms(500))[0].fps, 40.0);
}

#[test]
fn padding_fills_its_number_and_counts_for_nothing() {
    let (mut stream, now) = (video(), Instant::now());
    let padding = Arrival { sequence: 2, ..Arrival::of(&VP8, &[], now) };
    stream.handle_packet(&padding, &Description::default(), now).unwrap();
    assert_eq!(stream.rates(None, 0, now), []);
    receive(&mut stream, 1, false, now).unwrap();
    receive(&mut stream, 3, false, now).unwrap();
    assert_eq!(stream.poll_timeout(), None, "nothing is missing");
    assert_eq!(stream.rates(None, 0, now)[0].fps, 10.0);
}

proptest! {
    /// Any packets in any order: each number is accepted once, and only missing packets are requested.
    #[test]
    fn no_packet_is_taken_twice_or_asked_for_after_it_came(
        packets in prop::collection::vec((0_u16..400, any::<bool>()), 1..400),
    ) {
        let (mut stream, start) = (video(), Instant::now());
        let mut taken = std::collections::BTreeSet::new();
        for (at, (sequence, retransmitted)) in packets.into_iter().enumerate() {
            let now = start + ms(at as u64 * 5);
            let sequence = sequence.wrapping_add(65_400);
            let result = receive(&mut stream, sequence, retransmitted, now);
            prop_assert_eq!(result.is_ok(), taken.insert(sequence));
            let mut lost = Vec::new();
            stream.poll_nack(now, ms(30), &mut lost);
            prop_assert!(lost.iter().all(|sequence| !taken.contains(sequence)));
        }
    }
}
