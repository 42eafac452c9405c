//! A slot from its subscriber's view.

use super::*;
use crate::event::Cause;

fn feed(slot: &mut Slot, sent: &[Sent]) -> Vec<Outgoing> {
    sent.iter().filter_map(|sent| slot.handle_packet(&sent.packet(false), sent.at)).collect()
}

fn late(slot: &mut Slot, sent: &Sent) -> Option<Outgoing> {
    slot.handle_packet(&sent.packet(true), sent.at)
}

fn numbers(outgoing: &[Outgoing]) -> Vec<u64> {
    outgoing.iter().map(|outgoing| outgoing.seq.0 - FIRST).collect()
}

/// (picture id, tl0, key index), each counted from that of the first.
fn counts(outgoing: &[Outgoing]) -> Vec<(u16, u8, u8)> {
    let vp8 = |outgoing: &Outgoing| match outgoing.patch {
        Patch::Vp8 { picture_id, tl0, key_index } => (picture_id, tl0, key_index),
        other => panic!("{other:?}"),
    };
    let first = vp8(&outgoing[0]);
    let since = |now: (u16, u8, u8)| {
        (now.0.wrapping_sub(first.0) & 0x7FFF, now.1.wrapping_sub(first.1), now.2.wrapping_sub(first.2) & 0x1F)
    };
    outgoing.iter().map(|outgoing| since(vp8(outgoing))).collect()
}

fn switched(slot: &mut Slot) -> Option<(Option<(u8, u8)>, Cause)> {
    match slot.poll_event()? {
        SlotEvent::Switched { layer, cause } => Some((layer.map(|layer| (layer.spatial, layer.temporal)), cause)),
        SlotEvent::Refused { reason } => panic!("refused: {reason}"),
    }
}

#[test]
fn a_slot_without_a_ladder_is_paused_and_shows_from_the_first_keyframe_after_it_has_one() {
    let (mut slot, mut source, now) = (slot(Kind::Video), Source::new(0), Instant::now());
    assert!(feed(&mut slot, &source.picture("key", 2, now)).is_empty());
    slot.set_ladder(ladder(&[(0, 2)]));
    assert_eq!(slot.wanted_keyframe(), Some(id(0)));
    assert!(feed(&mut slot, &source.picture("0", 2, now)).is_empty());
    let shown = feed(&mut slot, &source.picture("key", 2, now));
    assert_eq!(numbers(&shown), [0, 1]);
    assert_eq!(shown[0].timestamp, FIRST_TIMESTAMP);
    assert_eq!((shown[0].ssrc, shown[0].payload_type), (0x5107, 120));
    assert_eq!(slot.wanted_keyframe(), None);
    assert_eq!(switched(&mut slot), Some((Some((0, 2)), Cause::None)));
    assert_eq!(switched(&mut slot), None);
}

#[test]
fn numbers_go_on_over_a_pause_and_the_timeline_with_the_source() {
    let (mut slot, mut source, now) = (slot(Kind::Video), Source::new(0), Instant::now());
    slot.set_ladder(ladder(&[(0, 2)]));
    let mut shown = feed(&mut slot, &source.picture("key", 2, now));
    slot.set_ladder(ladder(&[]));
    for n in 1..10 {
        assert!(feed(&mut slot, &source.picture("0", 2, now + FRAME * n)).is_empty());
    }
    slot.set_ladder(ladder(&[(0, 2)]));
    assert!(feed(&mut slot, &source.picture("0", 1, now + FRAME * 10)).is_empty());
    shown.extend(feed(&mut slot, &source.picture("key", 2, now + FRAME * 11)));
    assert_eq!(numbers(&shown), [0, 1, 2, 3]);
    assert_eq!(counts(&shown), [(0, 0, 0), (0, 0, 0), (1, 1, 1), (1, 1, 1)]);
    assert_eq!(shown[2].timestamp - shown[1].timestamp, 11 * FRAME_TICKS);
}

#[test]
fn a_packet_lost_on_the_way_to_us_keeps_its_number_free_and_takes_it_once() {
    let (mut slot, mut source, now) = (slot(Kind::Video), Source::new(0), Instant::now());
    slot.set_ladder(ladder(&[(0, 2)]));
    let key = source.picture("key", 4, now);
    assert_eq!(numbers(&feed(&mut slot, &[key[0].clone(), key[3].clone()])), [0, 3]);
    assert_eq!(
        slot.handle_nack(FIRST as u16 + 1, now, ROUND_TRIP),
        Nack::Missing { encoding: id(0), seq: ExtendedSeq(key[1].seq) }
    );
    let came = late(&mut slot, &key[1]).expect("its number is free");
    assert!(came.seq.0 == FIRST + 1 && came.transmission.is_first());
    assert_eq!(late(&mut slot, &key[1]), None, "its number is used");
    assert_eq!(late(&mut slot, &key[0]), None, "so is that of what was never missing");
    assert!(matches!(slot.handle_nack(FIRST as u16 + 1, now, ROUND_TRIP), Nack::Send(_)));
}

#[test]
fn a_keyframe_whose_beginning_comes_late_takes_what_came_before_along() {
    let (mut slot, mut source, now) = (slot(Kind::Video), Source::new(0), Instant::now());
    slot.set_ladder(ladder(&[(0, 2)]));
    let key = source.picture("key", 3, now);
    assert!(feed(&mut slot, &key[1..]).is_empty());
    assert_eq!(late(&mut slot, &key[0]).map(|came| came.seq.0), Some(FIRST));
    assert_eq!(slot.poll_replay(), Some(Replay { encoding: id(0), seqs: key[1].seq..=key[2].seq }));
    assert_eq!(slot.poll_replay(), None);
    assert_eq!(late(&mut slot, &key[1]).map(|came| came.seq.0), Some(FIRST + 1));
    assert_eq!(late(&mut slot, &key[2]).map(|came| came.seq.0), Some(FIRST + 2));
}

#[test]
fn a_packet_from_before_what_is_shown_has_no_number_and_stays_out() {
    let (mut slot, mut source, now) = (slot(Kind::Video), Source::new(0), Instant::now());
    slot.set_ladder(ladder(&[(0, 2)]));
    let before = source.picture("0", 1, now);
    assert_eq!(numbers(&feed(&mut slot, &source.picture("key", 1, now))), [0]);
    assert_eq!(late(&mut slot, &before[0]), None);
    slot.set_source(Some(TrackId(2)), FLOWS);
    let mut other = Source::new(0);
    let lost = other.picture("0", 2, now);
    assert_eq!(late(&mut slot, &lost[0]), None);
}

#[test]
fn the_present_encoding_flows_until_the_others_keyframe_and_all_counters_go_on() {
    let (mut slot, now) = (slot(Kind::Video), Instant::now());
    let (mut low, mut high) = (Source::new(0), Source::new(2));
    slot.set_ladder(ladder(&[(2, 2), (0, 2)]));
    let mut shown = feed(&mut slot, &low.picture("key", 1, now));
    assert_eq!(switched(&mut slot), Some((Some((0, 2)), Cause::WaitingForKeyframe)));
    assert!(feed(&mut slot, &high.picture("0", 2, now)).is_empty());
    assert_eq!(slot.wanted_keyframe(), Some(id(2)));
    shown.extend(feed(&mut slot, &low.picture("0", 1, now + FRAME)));
    shown.extend(feed(&mut slot, &high.picture("key", 2, now + FRAME * 2)));
    assert_eq!(switched(&mut slot), Some((Some((2, 2)), Cause::None)));
    assert!(feed(&mut slot, &low.picture("0", 1, now + FRAME * 2)).is_empty());
    shown.extend(feed(&mut slot, &high.picture("0", 1, now + FRAME * 3)));
    assert_eq!(numbers(&shown), [0, 1, 2, 3, 4]);
    assert_eq!(counts(&shown), [(0, 0, 0), (1, 1, 0), (2, 2, 1), (2, 2, 1), (3, 3, 1)]);
    assert_eq!(slot.wanted_keyframe(), None);

    slot.set_ladder(ladder(&[(0, 2)]));
    assert_eq!(slot.wanted_keyframe(), Some(id(0)));
    shown.extend(feed(&mut slot, &high.picture("0", 1, now + FRAME * 4)));
    shown.extend(feed(&mut slot, &low.picture("key", 1, now + FRAME * 5)));
    assert!(feed(&mut slot, &high.picture("key", 1, now + FRAME * 6)).is_empty());
    assert_eq!(numbers(&shown), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(switched(&mut slot), Some((Some((0, 2)), Cause::None)));
}

#[test]
fn the_first_picture_is_any_rungs_but_none_off_the_ladder() {
    let (mut slot, now) = (slot(Kind::Video), Instant::now());
    slot.set_ladder(ladder(&[(1, 2), (0, 2)]));
    assert!(feed(&mut slot, &Source::new(2).picture("key", 1, now)).is_empty());
    assert_eq!(numbers(&feed(&mut slot, &Source::new(0).picture("key", 1, now))), [0]);
    assert_eq!(numbers(&feed(&mut slot, &Source::new(1).picture("key", 1, now))), [1]);
    assert_eq!(slot.current(), Some(Layer::new(1, 2)));
}

/// How far the timeline moves at a switch, in ms. By the sender's clocks the new picture was captured `captured` ms
/// after the old one; it arrives `came` ms after it.
fn switch_moves(captured: Option<i64>, came: u64) -> i64 {
    let (mut slot, now) = (slot(Kind::Video), Instant::now());
    let (mut low, mut high) = (Source::new(0), Source::new(1));
    slot.set_ladder(ladder(&[(1, 2), (0, 2)]));
    if let Some(captured) = captured {
        low.clock = clock(low.timestamp.wrapping_add(FRAME_TICKS), ms(10_000));
        high.clock = clock(high.timestamp.wrapping_add(FRAME_TICKS), ms((10_000 - captured) as u64));
    }
    let old = feed(&mut slot, &low.picture("key", 1, now));
    let new = feed(&mut slot, &high.picture("key", 1, now + ms(came)));
    let ticks = new[0].timestamp.wrapping_sub(old[0].timestamp) as i32;
    assert!(ticks > 0, "the timeline went back by {ticks}");
    i64::from(ticks) / 90
}

#[test]
fn a_switch_moves_the_timeline_by_the_senders_clocks_within_bounds_and_by_the_wall_clock_without() {
    let table = [
        // captured, came, moves
        (Some(33), 33, 33),
        (Some(33), 180, 33),      // it came late, and is shown when it was captured
        (Some(100), 60, 100),     // the old one came late
        (Some(300), 60, 60 + 75), // the clocks say too much
        (Some(-20), 40, 0),       // captured before the last that was shown: one tick
        (Some(33), 5_000, 5_000), // its clock stands still
        (None, 40, 40),
    ];
    for (captured, came, moves) in table {
        assert!((switch_moves(captured, came) - moves).abs() <= 1, "captured {captured:?} ms, came {came} ms later");
    }
}

#[test]
fn another_track_goes_on_by_the_wall_clock_whatever_the_clocks_of_both_say() {
    let (mut slot, now) = (slot(Kind::Video), Instant::now());
    slot.set_ladder(ladder(&[(0, 2)]));
    let (mut first, mut second) = (Source::new(0), Source::new(0));
    first.clock = clock(first.timestamp, ms(10));
    second.clock = clock(second.timestamp, ms(7_000));
    let mut shown = feed(&mut slot, &first.picture("key", 1, now));
    slot.set_source(Some(TrackId(2)), FLOWS);
    assert_eq!(slot.current(), None);
    shown.extend(feed(&mut slot, &second.picture("key", 1, now + ms(250))));
    assert_eq!(numbers(&shown), [0, 1]);
    assert_eq!(shown[1].timestamp - shown[0].timestamp, 250 * 90);
    assert_eq!(counts(&shown), [(0, 0, 0), (1, 1, 1)]);
    assert_eq!(shown[1].track, TrackId(2));
}

#[test]
fn sound_of_another_source_begins_with_a_marker_and_never_over_the_last() {
    let (mut slot, now) = (slot(Kind::Audio), Instant::now());
    let mut source = Source::new(0);
    let first = feed(&mut slot, &[source.sound(now), source.sound(now + ms(20))]);
    assert_eq!(first.iter().map(|sent| sent.marker).collect::<Vec<_>>(), [true, false]);
    slot.set_source(Some(TrackId(2)), FLOWS);
    let second = feed(&mut slot, &[Source { seq: 5, ..source }.sound(now + ms(22))]);
    assert_eq!(numbers(&second), [2]);
    assert!(second[0].marker);
    assert_eq!(second[0].timestamp - first[1].timestamp, 960);
}

#[test]
fn upper_temporal_layers_stay_out_without_a_gap_and_come_back_at_their_sync_one_by_one() {
    let (mut slot, mut source, now) = (slot(Kind::Video), Source::new(0), Instant::now());
    slot.set_ladder(ladder(&[(0, 0)]));
    let mut show = |slot: &mut Slot, pictures: &str| -> String {
        let mut shown = String::new();
        for picture in pictures.split(' ') {
            let sent = feed(slot, &source.picture(picture, 2, now));
            shown.push(if sent.is_empty() { '.' } else { picture.chars().next().expect("not empty") });
        }
        shown
    };
    assert_eq!(show(&mut slot, "key 2+ 1+ 2 0 2 1 2"), "k...0...");
    slot.set_ladder(ladder(&[(0, 2)]));
    assert_eq!(show(&mut slot, "0 2 1 2 0 2+ 1+ 2 0 2+ 1 2"), "0...0.1.0212");
    slot.set_ladder(ladder(&[(0, 1)]));
    assert_eq!(show(&mut slot, "0 2 1 2 key 2+ 1"), "0.1.k.1");
    assert_eq!(slot.current(), Some(Layer::new(0, 1)));
}

#[test]
fn pictures_left_out_leave_no_gap_in_any_counter() {
    let (mut slot, mut source, now) = (slot(Kind::Video), Source::new(0), Instant::now());
    slot.set_ladder(ladder(&[(0, 1)]));
    let pictures = ["key", "2", "1", "2", "0", "2", "1"].map(|what| source.picture(what, 2, now));
    let shown = feed(&mut slot, &pictures.concat());
    assert_eq!(numbers(&shown), [0, 1, 2, 3, 4, 5, 6, 7]);
    let pids: Vec<_> = counts(&shown).iter().map(|counts| (counts.0, counts.1)).collect();
    assert_eq!(pids, [(0, 0), (0, 0), (1, 0), (1, 0), (2, 1), (2, 1), (3, 1), (3, 1)]);
}

#[test]
fn what_is_lost_of_a_picture_left_out_needs_no_number() {
    // (which packets of a T2 picture of three are lost, the number of the first packet after it)
    for (lost, next) in [(&[1][..], 1), (&[2], 1), (&[0], 1), (&[], 1), (&[1, 2], 2)] {
        let (mut slot, mut source, now) = (slot(Kind::Video), Source::new(0), Instant::now());
        slot.set_ladder(ladder(&[(0, 0)]));
        assert_eq!(numbers(&feed(&mut slot, &source.picture("key", 1, now))), [0]);
        let upper = source.picture("2", 3, now);
        for (n, sent) in upper.iter().enumerate().filter(|(n, _)| !lost.contains(n)) {
            assert_eq!(slot.handle_packet(&sent.packet(false), now), None, "packet {n}");
        }
        assert_eq!(numbers(&feed(&mut slot, &source.picture("0", 1, now))), [next], "without {lost:?}");
        for &n in lost {
            let patch = late(&mut slot, &upper[n]).map(|empty| (empty.patch, empty.marker));
            assert!(matches!(patch, None | Some((Patch::Empty, false))), "what comes late of it stays out too");
        }
    }
}

#[test]
fn a_packet_lost_before_a_picture_left_out_keeps_its_number() {
    let (mut slot, mut source, now) = (slot(Kind::Video), Source::new(0), Instant::now());
    slot.set_ladder(ladder(&[(0, 0)]));
    let key = source.picture("key", 2, now);
    feed(&mut slot, &key[..1]);
    feed(&mut slot, &source.picture("2", 1, now));
    assert_eq!(numbers(&feed(&mut slot, &source.picture("0", 1, now))), [2]);
    let came = late(&mut slot, &key[1]).expect("its number is free");
    assert_eq!(came.seq.0, FIRST + 1);
    assert_eq!(counts(&[came])[0].0, 0);
}

#[test]
fn padding_takes_no_number() {
    let (mut slot, mut source, now) = (slot(Kind::Video), Source::new(0), Instant::now());
    slot.set_ladder(ladder(&[(0, 2)]));
    let key = source.picture("key", 2, now);
    feed(&mut slot, &key[..1]);
    for _ in 0..5 {
        assert_eq!(slot.handle_packet(&source.padding(now).packet(false), now), None);
    }
    assert_eq!(numbers(&feed(&mut slot, &source.picture("0", 1, now))), [2]);
    assert_eq!(late(&mut slot, &key[1]).map(|came| came.seq.0), Some(FIRST + 1));
}

#[test]
fn a_dead_rung_is_left_and_taken_again_at_keyframes() {
    let (mut slot, now) = (slot(Kind::Video), Instant::now());
    let (mut low, mut high) = (Source::new(0), Source::new(1));
    slot.set_ladder(ladder(&[(1, 2), (0, 2)]));
    feed(&mut slot, &low.picture("key", 1, now));
    feed(&mut slot, &high.picture("key", 1, now));
    assert_eq!(switched(&mut slot), Some((Some((1, 2)), Cause::None)));
    slot.set_lives(Lives { flowing: 0b01, stopped: 0b10 });
    assert_eq!(slot.poll_keyframe_request(), Some(id(0)));
    assert_eq!(feed(&mut slot, &low.picture("0", 1, now)), []);
    assert_eq!(feed(&mut slot, &low.picture("key", 1, now)).len(), 1);
    assert_eq!(switched(&mut slot), Some((Some((0, 2)), Cause::Publisher)));
    assert_eq!(feed(&mut slot, &high.picture("key", 1, now)), [], "what comes of it by the way");
    slot.set_lives(Lives { flowing: 0b11, stopped: 0 });
    assert_eq!(slot.poll_keyframe_request(), Some(id(1)));
    assert_eq!(switched(&mut slot), Some((Some((0, 2)), Cause::WaitingForKeyframe)));
    assert_eq!(feed(&mut slot, &high.picture("key", 1, now)).len(), 1);
    assert_eq!(switched(&mut slot), Some((Some((1, 2)), Cause::None)));
}

#[test]
fn what_leaves_is_told_with_the_cause_why_nothing_better_does() {
    let (mut slot, mut source, now) = (slot(Kind::Video), Source::new(0), Instant::now());
    slot.set_source(Some(TrackId(2)), Lives::default());
    slot.set_ladder(ladder(&[(1, 2), (0, 2)]));
    assert_eq!(switched(&mut slot), Some((None, Cause::Publisher)), "nothing arrives");
    slot.set_lives(Lives { flowing: 0b01, stopped: 0 });
    assert_eq!(switched(&mut slot), Some((None, Cause::WaitingForKeyframe)));
    feed(&mut slot, &source.picture("key", 1, now));
    assert_eq!(switched(&mut slot), Some((Some((0, 2)), Cause::Publisher)), "its best rung is not sent");
    slot.set_ladder(ladder(&[(0, 2)]));
    assert_eq!(switched(&mut slot), Some((Some((0, 2)), Cause::None)));
    source.seq += 40_000;
    feed(&mut slot, &source.picture("0", 1, now));
    assert_eq!(switched(&mut slot), Some((None, Cause::Loss)));
    feed(&mut slot, &source.picture("key", 1, now));
    assert_eq!(switched(&mut slot), Some((Some((0, 2)), Cause::None)));
    slot.set_ladder(ladder(&[]));
    assert_eq!(switched(&mut slot), Some((None, Cause::Paused)));
}

#[test]
fn of_what_is_encrypted_the_best_that_arrives_is_shown_from_a_pictures_beginning_and_stays() {
    let (mut slot, now) = (slot(Kind::Video), Instant::now());
    let (mut low, mut high) = (Source::new(0), Source::new(1));
    slot.set_ladder(ladder(&[(1, 2), (0, 2)]));
    let mut show = |slot: &mut Slot, encoding: usize, what: &str| {
        let sent = [&mut low, &mut high][encoding].picture(what, 2, now);
        let feed = |sent: &Sent| slot.handle_packet(&Packet { encrypted: true, ..sent.packet(false) }, now);
        sent.iter().filter_map(feed).count()
    };
    assert_eq!(show(&mut slot, 0, "0"), 0, "a better one arrives");
    assert_eq!(show(&mut slot, 1, "0"), 2);
    assert_eq!(switched(&mut slot), Some((Some((1, 2)), Cause::None)));
    slot.set_ladder(ladder(&[(0, 2)]));
    assert_eq!((slot.wanted_keyframe(), show(&mut slot, 0, "key"), show(&mut slot, 1, "0")), (None, 0, 2));
    assert_eq!(switched(&mut slot).map(|told| told.1), Some(Cause::Encrypted));
    slot.set_lives(Lives { flowing: 0b01, stopped: 0b10 });
    assert_eq!(show(&mut slot, 0, "0"), 2, "what it is fixed to is dead");
    assert_eq!(switched(&mut slot), Some((Some((0, 2)), Cause::None)));
}

#[test]
fn a_source_that_jumped_begins_anew_at_a_keyframe_without_a_gap() {
    for jump in [600_i64, 40_000, -40_000] {
        let (mut slot, mut source, now) = (slot(Kind::Video), Source::new(0), Instant::now());
        slot.set_ladder(ladder(&[(0, 2)]));
        feed(&mut slot, &source.picture("key", 1, now));
        source.seq = source.seq.wrapping_add_signed(jump);
        assert!(feed(&mut slot, &source.picture("0", 1, now)).is_empty());
        assert_eq!(slot.wanted_keyframe(), Some(id(0)), "after a jump of {jump}");
        assert_eq!(numbers(&feed(&mut slot, &source.picture("key", 1, now))), [1]);
    }
}

#[test]
fn a_codec_the_subscriber_does_not_speak_is_refused_once_and_red_is_taken_apart() {
    let (mut slot, mut source, now) = (slot(Kind::Video), Source::new(0), Instant::now());
    slot.set_ladder(ladder(&[(0, 2)]));
    for _ in 0..3 {
        let key = source.picture("key", 1, now).remove(0);
        let h264 = PayloadType { codec: Codec::H264, ..VP8 };
        assert!(feed(&mut slot, &[Sent { payload_type: h264, ..key }]).is_empty());
    }
    assert!(matches!(slot.poll_event(), Some(SlotEvent::Refused { .. })));
    assert_eq!(switched(&mut slot), Some((None, Cause::Publisher)));
    assert_eq!(slot.poll_event(), None);
    assert_eq!(slot.wanted_keyframe(), None, "a keyframe would not help");
    assert!(feed(&mut slot, &source.picture("0", 1, now)).is_empty());
    assert_eq!(slot.wanted_keyframe(), Some(id(0)), "the publisher changed its codec");

    let mut slot = super::slot(Kind::Audio);
    let red = Sent { payload_type: RED, ..source.sound(now) };
    let sent = feed(&mut slot, std::slice::from_ref(&red));
    assert_eq!((sent[0].payload_type, sent[0].patch), (109, Patch::RedPrimary));
    slot.spec.payload_types.push(PayloadType { number: 35, ..RED });
    slot.set_source(Some(TrackId(2)), FLOWS);
    let sent = feed(&mut slot, &[red]);
    assert_eq!((sent[0].payload_type, sent[0].patch), (35, Patch::Red { block: 109 }));
}

#[test]
fn without_rtx_nothing_is_sent_twice() {
    let (mut slot, mut source, now) = (slot(Kind::Video), Source::new(0), Instant::now());
    slot.spec.rtx_ssrc = None;
    slot.set_ladder(ladder(&[(0, 2)]));
    feed(&mut slot, &source.picture("key", 2, now));
    assert_eq!(slot.handle_nack(FIRST as u16, now, ROUND_TRIP), Nack::Ignore);
}

#[test]
fn numbers_that_were_never_given_out_are_not_sent_again() {
    let (mut slot, mut source, now) = (slot(Kind::Video), Source::new(0), Instant::now());
    slot.set_ladder(ladder(&[(0, 2)]));
    assert_eq!(slot.handle_nack(FIRST as u16, now, ROUND_TRIP), Nack::Ignore, "nothing left yet");
    feed(&mut slot, &source.picture("key", 2, now));
    for sequence in [FIRST as u16 - 1, FIRST as u16 + 2, 0, 0x8000] {
        assert_eq!(slot.handle_nack(sequence, now, ROUND_TRIP), Nack::Ignore, "{sequence}");
    }
}

#[test]
fn the_sender_report_is_of_the_timeline_that_left() {
    let (mut slot, mut source, now) = (slot(Kind::Video), Source::new(0), Instant::now());
    slot.set_ladder(ladder(&[(0, 2)]));
    assert_eq!(slot.sender_report(now, Ntp(1)), None);
    let shown = feed(&mut slot, &source.picture("key", 2, now));
    let report = slot.sender_report(now + ms(100), Ntp(1)).expect("it is shown");
    assert_eq!((report.ssrc, report.rtp, report.packets), (0x5107, shown[0].timestamp + 9_000, 2));
    slot.set_ladder(ladder(&[]));
    assert_eq!(slot.sender_report(now, Ntp(1)), None, "nothing leaves");
}
