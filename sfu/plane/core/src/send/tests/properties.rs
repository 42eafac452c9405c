//! Random acts of a publisher, the network and the application: no number is sent twice, and none is skipped.

use proptest::prelude::*;

use super::wire::Wire;
use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// A picture of an encoding: its kind, its packets, the lost ones (as bits), and after how many steps they arrive
    /// late (if below 8).
    Picture {
        encoding: u8,
        what: usize,
        packets: usize,
        lost: u8,
        after: usize,
    },
    Padding(u8),
    Ladder(usize),
    Track,
    Nack(u64),
    Start(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let picture = (0..3_u8, 0..6_usize, 1..5_usize, prop_oneof![3 => Just(0_u8), 1 => any::<u8>()], 0..10_usize)
        .prop_map(|(encoding, what, packets, lost, after)| Step::Picture { encoding, what, packets, lost, after });
    let step = prop_oneof![
        20 => picture,
        1 => (0..3_u8).prop_map(Step::Padding),
        2 => (0..5_usize).prop_map(Step::Ladder),
        1 => Just(Step::Track),
        6 => (0..40_u64).prop_map(Step::Nack),
        3 => (0..3_u8).prop_map(Step::Start),
    ];
    proptest::collection::vec(step, 1..250)
}

const PICTURES: [&str; 6] = ["key", "0", "2+", "1+", "2", "1"];

proptest! {
    #[test]
    fn whatever_happens_each_number_leaves_once_without_a_gap_of_our_making(
        steps in steps(),
        clocks in any::<bool>(),
        lossy in any::<bool>(),
    ) {
        let ladders = [vec![], ladder(&[(0, 2)]), ladder(&[(2, 2), (1, 1), (0, 0)]), ladder(&[(1, 0)]), ladder(&[(0, 1), (2, 2)])];
        let fresh = || [0, 1, 2].map(Source::new);
        let mut wire = Wire::new(slot(Kind::Video));
        wire.slot.set_ladder(ladders[2].clone());
        let mut sources = fresh();
        let mut waiting: Vec<(usize, Sent)> = Vec::new();
        let start = Instant::now();
        // Source packets lost so far, of any encoding: no more numbers than these may be missing.
        let mut missing = 0_u64;
        let mut track = 1;
        for (n, step) in steps.iter().enumerate() {
            let now = start + ms(11) * n as u32;
            let due: Vec<Sent> = waiting.extract_if(.., |(due, _)| *due <= n).map(|(_, sent)| sent).collect();
            for sent in &due {
                wire.push(sent, true);
            }
            match *step {
                Step::Picture { encoding, what, packets, lost, after } => {
                    let source = &mut sources[usize::from(encoding)];
                    source.clock = clocks.then(|| clock(Source::new(encoding).timestamp, ms(0)).expect("always"));
                    source.timestamp = Source::new(encoding).timestamp.wrapping_add(990 * n as u32);
                    for (i, sent) in source.picture(PICTURES[what], packets, now).into_iter().enumerate() {
                        if !lossy || lost >> i & 1 == 0 {
                            wire.push(&sent, false);
                            continue;
                        }
                        missing += 1;
                        if after < 8 {
                            waiting.push((n + 1 + after, sent));
                        }
                    }
                }
                Step::Padding(encoding) => {
                    let padding = sources[usize::from(encoding)].padding(now);
                    let before = wire.sent.len();
                    wire.push(&padding, false);
                    prop_assert_eq!(wire.sent.len(), before);
                }
                Step::Ladder(n) => wire.slot.set_ladder(ladders[n].clone()),
                Step::Track => {
                    track += 1;
                    wire.slot.set_source(Some(TrackId(track)), FLOWS);
                    sources = fresh();
                    waiting.clear();
                }
                Step::Start(encoding) => {
                    wire.catch_up(encoding, now);
                }
                Step::Nack(back) => {
                    let Some((&highest, _)) = wire.sent.last_key_value() else { continue };
                    wire.nack(highest.saturating_sub(back).max(FIRST), now);
                }
            }
            if let Some((&last, _)) = wire.sent.last_key_value() {
                let absent = last - FIRST + 1 - wire.sent.len() as u64;
                prop_assert!(absent <= missing, "{absent} numbers are missing, {missing} packets were lost");
            }
        }
        let timestamps: Vec<u32> = wire.sent.values().map(|(timestamp, _)| *timestamp).collect();
        for pair in timestamps.windows(2) {
            prop_assert!(pair[1].wrapping_sub(pair[0]) as i32 >= 0, "the timeline goes back");
        }
        prop_assert!(wire.rtx_numbers.iter().zip(77..).all(|(&seq, expected)| seq == expected));
    }
}
