//! Sent VP8 can be decoded and has continuous numbers: a model decoder knows the references of every picture.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::wire::Wire;
use super::*;

#[derive(Clone, Debug)]
enum Vp8Step {
    Picture {
        encoding: u8,
        lost: u8,
        after: usize,
        sync: bool,
    },
    Key(u8),
    Ladder(usize),
    /// The slot shows nothing for a moment, then starts from the cached packets.
    Start {
        encoding: u8,
        pause: bool,
    },
}

fn vp8_steps() -> impl Strategy<Value = Vec<Vp8Step>> {
    let lost = prop_oneof![4 => Just(0_u8), 1 => 0..8_u8];
    let picture = (0..2_u8, lost, 0..12_usize, any::<bool>())
        .prop_map(|(encoding, lost, after, sync)| Vp8Step::Picture { encoding, lost, after, sync });
    let step = prop_oneof![
        20 => picture,
        2 => (0..2_u8).prop_map(Vp8Step::Key),
        2 => (0..6_usize).prop_map(Vp8Step::Ladder),
        3 => (0..2_u8, any::<bool>()).prop_map(|(encoding, pause)| Vp8Step::Start { encoding, pause }),
    ];
    proptest::collection::vec(step, 1..200)
}

/// A VP8 picture: its index, and its references.
struct Picture {
    references: Vec<usize>,
    temporal: u8,
    packets: usize,
    lost: usize,
}

proptest! {
    #[test]
    fn what_leaves_of_vp8_leans_on_what_left_or_was_lost_and_counts_without_a_gap(steps in vp8_steps()) {
        let ladders = [
            ladder(&[(1, 3), (0, 3)]),
            ladder(&[(1, 1), (0, 3)]),
            ladder(&[(0, 3)]),
            ladder(&[(0, 1)]),
            ladder(&[(0, 0)]),
            ladder(&[(1, 0)]),
        ];
        let mut wire = Wire::new(slot(Kind::Video));
        wire.slot.set_ladder(ladders[0].clone());
        let mut sources = [0, 1].map(Source::new);
        // By encoding: pictures since its keyframe, and the last ones of each temporal layer.
        let mut since = [None::<usize>; 2];
        let mut last = [[None::<usize>; 3]; 2];
        let mut pictures: Vec<Picture> = Vec::new();
        let mut by_seq: BTreeMap<(u8, u64), usize> = BTreeMap::new();
        let mut waiting: Vec<(usize, Sent)> = Vec::new();
        let start = Instant::now();
        for (n, step) in steps.iter().enumerate() {
            let now = start + ms(11) * n as u32;
            let (encoding, lost, after, sync, key) = match *step {
                Vp8Step::Picture { encoding, lost, after, sync } => (encoding, lost, after, sync, false),
                Vp8Step::Key(encoding) => (encoding, 0, 0, false, true),
                Vp8Step::Ladder(n) => {
                    wire.slot.set_ladder(ladders[n].clone());
                    continue;
                }
                Vp8Step::Start { encoding, pause } => {
                    if pause {
                        let before = wire.slot.ladder().to_vec();
                        wire.slot.set_ladder(ladder(&[]));
                        wire.slot.set_ladder(before);
                    }
                    wire.catch_up(encoding, now);
                    continue;
                }
            };
            let at = usize::from(encoding);
            let key = key || since[at].is_none();
            let count = if key { 0 } else { since[at].expect("a keyframe came first") + 1 };
            since[at] = Some(count);
            let temporal = [0, 2, 1, 2][count % 4];
            let row = last[at];
            let t0 = row[0].filter(|_| !key);
            // With a sync it refers to the lowest layer only; otherwise to the last picture of each layer up to its
            // own.
            let references: Vec<usize> = match temporal {
                _ if key => Vec::new(),
                0 => t0.into_iter().collect(),
                _ if sync => t0.into_iter().collect(),
                above => row[..=usize::from(above)].iter().flatten().copied().collect(),
            };
            if key {
                last[at] = [None; 3];
            }
            last[at][usize::from(temporal)] = Some(pictures.len());
            let source = &mut sources[at];
            source.timestamp = Source::new(encoding).timestamp.wrapping_add(990 * n as u32);
            let what = if key { "key".into() } else { format!("{temporal}{}", if sync && temporal > 0 { "+" } else { "" }) };
            let packets = source.picture(&what, 2, now);
            let mut missing = 0;
            for (i, sent) in packets.into_iter().enumerate() {
                by_seq.insert((encoding, sent.seq), pictures.len());
                if lost >> i & 1 == 0 {
                    wire.push(&sent, false);
                    continue;
                }
                missing += 1;
                if after < 8 {
                    waiting.push((n + after, sent));
                }
            }
            pictures.push(Picture { references, temporal, packets: 2, lost: missing });
            let due: Vec<Sent> = waiting.extract_if(.., |(due, _)| *due <= n).map(|(_, sent)| sent).collect();
            due.iter().for_each(|sent| wire.push(sent, true));
        }
        // The last octets of each packet have its picture: the source's number, which also distinguishes encodings.
        let seq_of = |payload: &[u8]| payload.last_chunk().map(|seq| u64::from_be_bytes(*seq));
        let mut left: Vec<((usize, u32), u16, u8)> = Vec::new();
        let mut sent: BTreeMap<usize, usize> = BTreeMap::new();
        for (timestamp, payload) in wire.sent.values() {
            let Some(seq) = seq_of(payload) else { continue };
            let encoding = u8::from(seq >= 75_000);
            let picture = by_seq[&(encoding, seq)];
            let numbers = vp8::describe(payload).expect("VP8").vp8.expect("numbers");
            left.push(((picture, *timestamp), numbers.picture_id.expect("an id"), numbers.tl0_picture_index.expect("an index")));
            *sent.entry(picture).or_default() += 1;
        }
        let mut lost_pictures = 0;
        for (id, count) in &sent {
            let picture = &pictures[*id];
            prop_assert!(picture.lost > 0 || count % picture.packets == 0);
            for reference in &picture.references {
                let there = sent.contains_key(reference) || pictures[*reference].lost > 0;
                prop_assert!(there, "picture {id} (T{}) leans on {reference}, which was left out", picture.temporal);
            }
        }
        lost_pictures += pictures.iter().filter(|picture| picture.lost == picture.packets).count();
        let mut gaps = 0;
        for pair in left.windows(2) {
            let step = usize::from(pair[1].1.wrapping_sub(pair[0].1) & 0x7FFF);
            prop_assert_eq!(step == 0, pair[0].0 == pair[1].0, "one id, one picture");
            gaps += step.saturating_sub(1);
            let t0 = u8::from(pair[0].0 != pair[1].0 && pictures[pair[1].0.0].temporal == 0);
            let lowest = pair[1].2.wrapping_sub(pair[0].2);
            prop_assert!(usize::from(lowest - t0.min(lowest)) <= lost_pictures, "the lowest layer is counted up by itself");
        }
        prop_assert!(gaps <= lost_pictures, "{gaps} ids are missing, {lost_pictures} pictures were lost");
    }
}
