//! Runs, and the timeline across switches.

use proptest::prelude::*;

use super::*;
use crate::send::Patch;
use crate::send::tests::{Sent, Source, clock};
use crate::time::ms;

fn picture(source: &mut Source, at: Instant) -> Sent {
    source.picture("0", 1, at).remove(0)
}

#[test]
fn runs_are_as_drawn_above() {
    let (mut rewriter, now) = (Rewriter::new(1, 0), Instant::now());
    let mut source = Source::new(0);
    source.seq = 9;
    let sent: Vec<Sent> = (10..=22).map(|_| picture(&mut source, now)).collect();
    let sent = |seq: usize| sent[seq - 10].packet(false);
    let mut left = vec![(10, rewriter.begin(&sent(10)).seq.0)];
    for seq in [11, 13, 14, 15, 16, 17, 18, 19, 20, 22] {
        match seq {
            17 | 18 => rewriter.skip(&sent(seq), true),
            _ => left.push((seq, rewriter.advance(&sent(seq)).seq.0)),
        }
    }
    assert_eq!(left, [(10, 1), (11, 2), (13, 4), (14, 5), (15, 6), (16, 7), (19, 8), (20, 9), (22, 11)]);
    let late = |seq| rewriter.late(&sent(seq)).map(|numbers| numbers.seq.0);
    assert_eq!([late(12), late(21), late(17), late(18)], [Some(3), Some(10), None, None]);
    assert_eq!(rewriter.source(ExtendedSeq(10)), Some((EncodingId::first(0), ExtendedSeq(21))));
    assert_eq!(rewriter.source(ExtendedSeq(12)), None);
    assert_eq!(rewriter.highest(), Some(ExtendedSeq(11)));
}

#[test]
fn a_picture_id_of_seven_bits_counts_on_in_fifteen() {
    let (mut rewriter, now) = (Rewriter::new(1, 0), Instant::now());
    let mut source = Source::new(0);
    for n in 0..300_u16 {
        let mut sent = picture(&mut source, now);
        let numbers = sent.description.vp8.as_mut().expect("it is VP8");
        (numbers.picture_id, numbers.long_picture_id) = (Some((100 + n) & 0x7F), false);
        let numbers = if n == 0 { rewriter.begin(&sent.packet(false)) } else { rewriter.advance(&sent.packet(false)) };
        assert!(matches!(numbers.patch, Patch::Vp8 { picture_id, .. } if picture_id == 100 + n), "{numbers:?}");
    }
}

#[test]
fn the_timeline_goes_on_after_a_pause_longer_than_half_its_range() {
    let (mut rewriter, start) = (Rewriter::new(1, 0), Instant::now());
    let mut source = Source::new(0);
    let mut before = rewriter.begin(&picture(&mut source, start).packet(false)).timestamp;
    rewriter.forget_source();
    for hours in 1..=30_u64 {
        rewriter.forget_source();
        let at = start + ms(3_600_000) * hours as u32;
        let timestamp = rewriter.begin(&picture(&mut source, at).packet(false)).timestamp;
        assert_eq!(timestamp.wrapping_sub(before), 324_000_000, "after {hours} h");
        before = timestamp;
    }
    rewriter.forget_source();
    let timestamp = rewriter.begin(&picture(&mut source, start + ms(3_600_000) * 40).packet(false)).timestamp;
    assert_eq!(timestamp.wrapping_sub(before), 3_240_000_000);
}

#[test]
fn pictures_out_of_order_of_time_do_not_take_the_timeline_back() {
    let (mut rewriter, now) = (Rewriter::new(1, 5_000), Instant::now());
    let mut source = Source::new(0);
    let first = rewriter.begin(&picture(&mut source, now).packet(false));
    let (later, earlier) = (source.timestamp.wrapping_add(9_000), source.timestamp.wrapping_add(3_000));
    for timestamp in [later, earlier] {
        let sent = Sent { timestamp, ..picture(&mut source, now + ms(100)) };
        rewriter.advance(&sent.packet(false));
    }
    rewriter.forget_source();
    let next = rewriter.begin(&picture(&mut source, now + ms(110)).packet(false));
    assert_eq!(next.timestamp - first.timestamp, 9_000 + 900);
}

proptest! {
    /// With any sender reports, and without any.
    #[test]
    fn a_switch_takes_the_timeline_neither_back_nor_75_ms_ahead_of_the_wall_clock(
        switches in prop::collection::vec((0_u64..5_000, 0_u64..20_000, any::<bool>(), 0_u8..3), 1..30),
    ) {
        let (mut rewriter, mut now) = (Rewriter::new(1, 7), Instant::now());
        let mut before: Option<(u32, bool, u8)> = None;
        for (elapsed, age, mapped, encoding) in switches {
            now += ms(elapsed);
            let mut source = Source::new(encoding);
            source.timestamp = source.timestamp.wrapping_add(age as u32 * 90);
            source.clock = clock(source.timestamp, ms(age)).filter(|_| mapped);
            let timestamp = rewriter.begin(&picture(&mut source, now).packet(false)).timestamp;
            if let Some((last, was_mapped, shown)) = before {
                let ticks = timestamp.wrapping_sub(last) as i32;
                prop_assert!((1..=(elapsed as i32 + 75) * 90).contains(&ticks), "{ticks} ticks in {elapsed} ms");
                let wall = encoding != shown && !(mapped && was_mapped);
                prop_assert!(!wall || ticks == (elapsed as i32 * 90).max(1), "{ticks} ticks in {elapsed} ms");
            }
            before = Some((timestamp, mapped, encoding));
        }
    }
}
