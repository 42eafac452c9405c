//! Fast start: the packets since the last keyframe bring a slot and its clock to the live edge.

use super::svc::Publisher;
use super::wire::Wire;
use super::*;
use crate::codec::vp8;
use crate::receive::start::Start;
use crate::send::compression::Compression;

const PLENTY: usize = 10_000_000;
const RATE: u64 = 10_000_000;

fn ids(sent: &Sent) -> (u64, u8) {
    (sent.seq, sent.description.temporal)
}

fn insert(start: &mut Start, sent: &Sent, most: usize) {
    start.insert(ExtendedSeq(sent.seq), &sent.arrival(), &sent.description, sent.at, most);
}

/// A camera of 30 frames a second with three temporal layers, and its stored packets since the keyframe.
fn camera(pictures: u32) -> (Source, Start, Vec<Sent>, Instant) {
    let (mut source, mut start, began) = (Source::new(0), Start::default(), Instant::now());
    let mut sent = Vec::new();
    for n in 0..pictures {
        let what = if n == 0 { "key" } else { ["0", "2+", "1+", "2"][n as usize % 4] };
        sent.extend(source.picture(what, 2, began + FRAME * n));
    }
    sent.iter().for_each(|sent| insert(&mut start, sent, PLENTY));
    (source, start, sent, began)
}

fn catch_up(slot: &mut Slot, start: &Start, now: Instant) -> Vec<Outgoing> {
    let span = start.span().expect("something is kept");
    let compression = Compression::new(&span, id(0), start.time_to_send(RATE), slot.room(now), now);
    let mut left = Vec::new();
    let packets = start.packets(id(0), false, None);
    slot.catch_up(compression, packets, now, |outgoing, _| left.push(outgoing));
    left
}

fn all_layers() -> Slot {
    let mut slot = slot(Kind::Video);
    slot.set_ladder(ladder(&[(0, 3)]));
    slot
}

#[test]
fn who_comes_late_gets_the_keyframe_and_the_lowest_layer_and_then_all_of_it() {
    let (mut source, start, sent, began) = camera(45);
    let mut slot = all_layers();
    let now = began + FRAME * 45;
    let left = catch_up(&mut slot, &start, now);
    let lowest: Vec<u64> = sent.iter().map(ids).filter(|&(_, temporal)| temporal == 0).map(|(seq, _)| seq).collect();
    assert_eq!(left.iter().map(|left| left.source_seq.0).collect::<Vec<_>>(), lowest);
    let numbers: Vec<u64> = left.iter().map(|left| left.seq.0).collect();
    assert_eq!(numbers, (FIRST..FIRST + lowest.len() as u64).collect::<Vec<_>>());
    assert!(left.iter().all(|left| start.get(left.source_seq).is_some()), "their payloads are kept");
    assert_eq!(slot.wanted_keyframe(), None);

    let mut next = numbers.last().expect("it has some") + 1;
    for (n, what) in ["2", "0", "2+", "1+", "2+"].into_iter().enumerate() {
        for sent in source.picture(what, 2, now + FRAME * n as u32) {
            let left = slot.handle_packet(&sent.packet(false), sent.at);
            // Up again by one layer at a time, where a picture allows it.
            assert_eq!(left.is_some(), ["0", "1+"].contains(&what) || n == 4, "{n}: {what}");
            if let Some(left) = left {
                assert_eq!(left.seq.0, next);
                next += 1;
            }
        }
    }
}

#[test]
fn picture_ids_and_layer_indexes_count_on_without_a_gap_over_what_was_left_out() {
    let (mut source, start, _, began) = camera(31);
    let mut slot = all_layers();
    let now = began + FRAME * 31;
    let mut left = catch_up(&mut slot, &start, now);
    for n in 0..12 {
        let what = ["2", "0", "1+", "2+"][n % 4];
        let sent = source.picture(what, 2, now + FRAME * n as u32);
        left.extend(sent.iter().filter_map(|sent| slot.handle_packet(&sent.packet(false), sent.at)));
    }
    let numbers: Vec<(u16, u8)> = left
        .iter()
        .map(|left| match left.patch {
            Patch::Vp8 { picture_id, tl0, .. } => (picture_id, tl0),
            patch => panic!("{patch:?}"),
        })
        .collect();
    for pair in numbers.windows(2) {
        assert!(pair[1].0.wrapping_sub(pair[0].0) & 0x7FFF <= 1, "{pair:?}");
        assert!(pair[1].1.wrapping_sub(pair[0].1) <= 1, "{pair:?}");
    }
}

#[test]
fn its_timeline_ends_at_the_live_edge_and_takes_no_longer_than_forty_milliseconds() {
    for pictures in [1, 2, 10, 100, 300] {
        let (mut source, start, _, began) = camera(pictures);
        let mut slot = all_layers();
        let now = began + FRAME * pictures;
        let left = catch_up(&mut slot, &start, now);
        let frames: Vec<u32> = left.iter().map(|left| left.timestamp).collect();
        for pair in left.windows(2) {
            let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp) as i32;
            assert_eq!(step > 0, pair[0].marker, "each frame has a time of its own, after the one before it");
        }
        let span = frames.last().expect("some left").wrapping_sub(frames[0]);
        assert!(span <= 40 * 90, "{span} ticks");
        // The next lowest frame is as far behind the edge as it is at the source.
        let edge = source.timestamp;
        let sent = source.picture("0", 1, now);
        let live = slot.handle_packet(&sent[0].packet(false), now).expect("it leaves").timestamp;
        let lag = live.wrapping_sub(*frames.last().expect("some left"));
        let behind = sent[0].timestamp.wrapping_sub(edge);
        assert!((behind..=behind + 40 * 90).contains(&lag), "{pictures} pictures: {lag} ticks, not {behind}");
    }
}

#[test]
fn after_a_switch_there_is_no_room_and_the_past_takes_next_to_no_time() {
    let (mut other, (_, start, sent, began)) = (Source::new(1), camera(90));
    let mut slot = slot(Kind::Video);
    slot.set_ladder(ladder(&[(0, 3), (1, 3)]));
    let now = began + FRAME * 90;
    let shown = other.picture("key", 1, now - ms(5)).remove(0);
    slot.handle_packet(&sent[sent.len() - 1].packet(false), now);
    let before = slot.handle_packet(&shown.packet(false), now).expect("it is shown").timestamp;
    let left = catch_up(&mut slot, &start, now);
    let after = left.last().expect("some left").timestamp.wrapping_sub(before);
    assert!((1..=12 * 90).contains(&after), "{after} ticks after what was shown");
    assert_eq!(slot.encoding(), Some(id(0)));
}

#[test]
fn a_sender_report_after_it_tells_the_time_of_the_live_edge() {
    let (mut source, start, _, began) = camera(150);
    let now = began + FRAME * 150;
    // Sent together with the picture after the next.
    let heard = now - ms(700);
    let clock = SenderClock { rate: 90_000, ntp: Ntp(1_000 << 32), rtp: source.timestamp.wrapping_sub(63_000), heard };
    let mut slot = all_layers();
    let span = start.span().expect("something is kept");
    let compression = Compression::new(&span, id(0), start.time_to_send(RATE), slot.room(now), now);
    let mut left = Vec::new();
    slot.catch_up(compression, start.packets(id(0), false, Some(clock)), now, |outgoing, _| left.push(outgoing));
    source.clock = Some(clock);
    let live = source.picture("0", 1, now + FRAME).remove(0);
    let leaves = slot.handle_packet(&live.packet(false), live.at).expect("it leaves");
    let report = slot.sender_report(now, Ntp(7)).expect("something leaves");
    // At `now` the source's clock says the timestamp of the newest picture before.
    let error = report.rtp.wrapping_sub(leaves.timestamp.wrapping_sub(FRAME_TICKS)) as i32;
    assert!(error.abs() <= 90, "{error} ticks");
}

#[test]
fn what_is_missing_makes_it_useless_until_it_comes() {
    let (_, whole, sent, _) = camera(20);
    assert!(whole.is_whole());
    let mut start = Start::default();
    sent.iter().filter(|sent| sent.seq != 70_008).for_each(|sent| insert(&mut start, sent, PLENTY));
    assert!(!start.is_whole());
    insert(&mut start, &sent[7], PLENTY);
    assert!(start.is_whole());
    assert_eq!(start.memory(), whole.memory());
}

#[test]
fn a_late_packet_of_the_past_leaves_at_the_time_of_its_frame() {
    let (_, _, sent, began) = camera(20);
    let mut start = Start::default();
    // The second packet of the keyframe.
    sent.iter().filter(|sent| sent.seq != 70_002).for_each(|sent| insert(&mut start, sent, PLENTY));
    let mut slot = all_layers();
    let now = began + FRAME * 20;
    let left = catch_up(&mut slot, &start, now);
    let late = slot.handle_packet(&sent[1].packet(true), now).expect("its number was kept free");
    assert_eq!((late.seq.0, late.timestamp), (left[0].seq.0 + 1, left[0].timestamp));
}

#[test]
fn a_keyframe_begins_it_anew_be_it_late_and_parameter_sets_are_part_of_it() {
    let (mut source, mut start, _, began) = camera(20);
    let mut key = source.picture("key", 3, began + FRAME * 20);
    // Of H.264, both are said to begin it.
    key[1].description.keyframe = true;
    let after = source.picture("0", 1, began + FRAME * 21);
    insert(&mut start, &key[1], PLENTY);
    insert(&mut start, &key[2], PLENTY);
    insert(&mut start, &after[0], PLENTY);
    insert(&mut start, &key[0], PLENTY);
    assert!(start.is_whole());
    assert!(start.get(ExtendedSeq(key[0].seq - 1)).is_none());
    assert_eq!(catch_up(&mut all_layers(), &start, began + FRAME * 22).len(), 4);
}

#[test]
fn behind_a_keyframe_that_came_late_everything_must_be_there() {
    let (mut source, mut start, now) = (Source::new(0), Start::default(), Instant::now());
    let key = source.picture("key", 2, now);
    let after = source.picture("0", 1, now);
    // Before there was a keyframe these were of no use.
    insert(&mut start, &key[1], PLENTY);
    insert(&mut start, &after[0], PLENTY);
    insert(&mut start, &key[0], PLENTY);
    assert!(!start.is_empty() && !start.is_whole());
}

#[test]
fn it_takes_no_more_memory_than_it_may_and_keeps_nothing_for_long() {
    let (mut source, mut start, _, began) = camera(1);
    let most = 60_000;
    let mut n = 1;
    while !start.is_empty() {
        assert!(start.memory() <= most);
        source.picture("0", 1, began + FRAME * n).iter().for_each(|sent| insert(&mut start, sent, most));
        n += 1;
    }
    assert!(n > 50, "{n} pictures");
    source.picture("0", 1, began).iter().for_each(|sent| insert(&mut start, sent, most));
    assert!(start.is_empty(), "without its keyframe it is of no use");

    let (mut source, mut start, _, began) = camera(1);
    let aged = source.picture("0", 1, began + ms(12_001));
    insert(&mut start, &aged[0], PLENTY);
    assert!(start.is_empty());
}

#[test]
fn frames_of_h264_whose_order_is_not_that_of_time_keep_theirs() {
    let (mut source, mut start, began) = (Source::new(0), Start::default(), Instant::now());
    let mut pictures: Vec<Sent> =
        (0..9).flat_map(|n| source.picture(if n == 0 { "key" } else { "0" }, 1, began + FRAME * n)).collect();
    for pair in pictures[1..].chunks_mut(2) {
        let (later, earlier) = (pair[1].timestamp, pair[0].timestamp);
        (pair[0].timestamp, pair[1].timestamp) = (later, earlier);
    }
    pictures.iter().for_each(|sent| insert(&mut start, sent, PLENTY));
    let left = catch_up(&mut all_layers(), &start, began + FRAME * 9);
    let order = |timestamps: Vec<u32>| {
        let mut order: Vec<usize> = (0..timestamps.len()).collect();
        order.sort_by_key(|&at| timestamps[at].wrapping_sub(timestamps[0]));
        order
    };
    let sent = order(pictures.iter().map(|sent| sent.timestamp).collect());
    assert_eq!(order(left.iter().map(|left| left.timestamp).collect()), sent);
}

#[test]
fn scalable_video_starts_with_the_spatial_layer_of_the_ladder_and_the_lowest_temporal_one() {
    for (codec, mode, spatials) in
        [(VP9, "L3T3", "012"), (VP9, "L3T3_KEY", "2"), (AV1, "L3T3", "012"), (AV1, "L3T3_KEY", "2"), (AV1, "L1T3", "0")]
    {
        let mut wire = Wire::new(slot(Kind::Video));
        let (mut publisher, began) = (Publisher::new(codec, mode), Instant::now());
        // It is there, and shows nothing.
        for n in 0..21 {
            let frames = publisher.picture(n == 0, 2, began + FRAME * n);
            frames.iter().flat_map(|frame| &frame.packets).for_each(|sent| wire.push(sent, false));
        }
        wire.slot.set_ladder(ladder(&[(2, 3), (1, 3), (0, 3)]));
        assert!(wire.catch_up(0, began + FRAME * 21));
        assert_eq!(wire.slot.wanted_keyframe(), None, "{mode}");
        for n in 21..29 {
            let temporal = publisher.picture(false, 2, began + FRAME * n);
            for frame in &temporal {
                frame.packets.iter().for_each(|sent| wire.push(sent, false));
            }
            let left = wire.sent.len();
            if n == 28 {
                assert_eq!(wire.slot.current().map(|layer| layer.temporal), Some(2), "{mode}: {left}");
                let shown = wire.slot.current().map(|layer| layer.spatial.to_string());
                assert_eq!(shown.as_deref(), spatials.get(spatials.len() - 1..), "{mode}");
            }
        }
    }
}

#[test]
fn numbers_of_vp8_in_the_payload_are_those_of_the_slot() {
    let mut wire = Wire::new(slot(Kind::Video));
    let (mut source, began) = (Source::new(0), Instant::now());
    for n in 0..9 {
        let what = if n == 0 { "key" } else { ["0", "2+", "1+", "2"][n as usize % 4] };
        source.picture(what, 2, began + FRAME * n).iter().for_each(|sent| wire.push(sent, false));
    }
    wire.slot.set_ladder(ladder(&[(0, 3)]));
    assert!(wire.catch_up(0, began + FRAME * 9));
    let described = wire.sent.values().map(|(_, payload)| vp8::describe(payload).expect("VP8").vp8.expect("numbers"));
    let ids: Vec<_> = described.map(|numbers| (numbers.picture_id, numbers.tl0_picture_index)).collect();
    let (first, tl0) = (ids[0].0.expect("an id"), ids[0].1.expect("an index"));
    let expected: Vec<_> = (0..6).map(|n| (Some(first + n / 2), Some(tl0.wrapping_add((n / 2) as u8)))).collect();
    assert_eq!(ids, expected);
}
