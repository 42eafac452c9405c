//! The table of stream shapes, row by row: which frames of a scalable stream are sent, and when that changes.

use super::svc::{Frame, Publisher};
use super::*;
use crate::codec;
use crate::codec::dependency::DependencyDescriptor;
use crate::event::Cause;

struct Call {
    slot: Slot,
    publisher: Publisher,
    now: Instant,
}

impl Call {
    fn new(payload_type: PayloadType, mode: &str, rungs: &[(u8, u8)]) -> Self {
        let mut slot = slot(Kind::Video);
        slot.set_ladder(ladder(rungs));
        Self { slot, publisher: Publisher::new(payload_type, mode), now: Instant::now() }
    }

    fn feed(&mut self, frames: &[Frame]) -> Vec<Outgoing> {
        let packets = frames.iter().flat_map(|frame| &frame.packets);
        packets.filter_map(|sent| self.slot.handle_packet(&sent.packet(false), sent.at)).collect()
    }

    /// The sent spatial layers of each of the next pictures, "." for none; "k" requests a keyframe.
    fn show(&mut self, pictures: &str) -> String {
        let mut shown = Vec::new();
        for what in pictures.chars() {
            self.now += FRAME;
            let frames = self.publisher.picture(what == 'k', 1, self.now);
            let leave = |frame: &&Frame| !self.feed(std::slice::from_ref(*frame)).is_empty();
            let layers: String = frames.iter().filter(leave).map(|frame| frame.spatial.to_string()).collect();
            shown.push(if layers.is_empty() { ".".into() } else { layers });
        }
        shown.join(" ")
    }
}

const ALL: &[(u8, u8)] = &[(2, 3), (1, 3), (0, 3)];

#[test]
fn of_full_svc_all_up_to_the_target_leaves_and_a_lower_one_is_there_at_once() {
    for codec in [VP9, AV1] {
        let mut call = Call::new(codec, "L3T3", ALL);
        assert_eq!(call.show("k---"), "012 012 012 012");
        assert_eq!(call.slot.current().map(|layer| layer.spatial), Some(2));
        call.slot.set_ladder(ladder(&[(1, 3), (0, 3)]));
        assert_eq!(call.slot.wanted_keyframe(), None);
        assert_eq!(call.show("---"), "01 01 01");
        call.slot.set_ladder(ladder(ALL));
        assert_eq!(call.slot.wanted_keyframe(), Some(id(0)));
        assert_eq!(call.show("--k-"), "01 01 012 012");
        assert_eq!(call.slot.wanted_keyframe(), None);
    }
}

#[test]
fn of_key_svc_only_the_target_leaves_between_keyframes_and_while_one_is_waited_for_the_least_of_it() {
    for codec in [VP9, AV1] {
        let mut call = Call::new(codec, "L3T3_KEY", ALL);
        assert_eq!(call.show("k----"), "012 2 2 2 2");
        call.slot.set_ladder(ladder(&[(1, 3), (0, 3)]));
        assert_eq!(call.slot.wanted_keyframe(), Some(id(0)));
        // T2, T1, T2 stay out, T0 is shown.
        assert_eq!(call.show("----"), ". . . 2");
        assert_eq!(call.show("k--"), "01 1 1");
        assert_eq!(call.slot.wanted_keyframe(), None);
        assert_eq!(call.slot.current().map(|layer| layer.spatial), Some(1));
    }
}

#[test]
fn upper_temporal_layers_stay_out_and_come_back_where_nothing_leans_on_them() {
    for codec in [VP9, AV1] {
        // T0 T2 T1 T2
        let mut call = Call::new(codec, "L1T3", &[(0, 3)]);
        assert_eq!(call.show("k---"), "0 0 0 0");
        call.slot.set_ladder(ladder(&[(0, 1)]));
        assert_eq!(call.show("--------"), "0 . 0 . 0 . 0 .");
        call.slot.set_ladder(ladder(&[(0, 0)]));
        assert_eq!(call.show("----"), "0 . . .");
        call.slot.set_ladder(ladder(&[(0, 3)]));
        let back = call.show("--------");
        assert!(back.ends_with("0 0 0 0"), "{back}");
        assert_eq!(call.slot.wanted_keyframe(), None, "no keyframe is asked for that");
    }
}

#[test]
fn temporal_layers_of_h264_are_chosen_by_its_dependency_descriptor() {
    let mut call = Call::new(H264, "L1T2", &[(0, 3)]);
    call.slot.spec.payload_types.push(PayloadType { number: 121, ..H264 });
    assert_eq!(call.show("k---"), "0 0 0 0");
    call.slot.set_ladder(ladder(&[(0, 0)]));
    assert_eq!(call.show("----"), "0 . 0 .");
}

#[test]
fn what_the_subscriber_sees_last_of_a_picture_has_the_marker() {
    for codec in [VP9, AV1] {
        for (rungs, last) in [(ALL, 2), (&ALL[1..], 1), (&ALL[2..], 0)] {
            let mut call = Call::new(codec, "L3T3", rungs);
            for n in 0..6 {
                let frames = call.publisher.picture(n == 0, 2, call.now + FRAME * n);
                let markers: Vec<bool> = call.feed(&frames).iter().map(|outgoing| outgoing.marker).collect();
                let expected: Vec<bool> = (1..=2 * (last + 1)).map(|n| n == 2 * (last + 1)).collect();
                assert_eq!(markers, expected);
            }
        }
    }
}

#[test]
fn every_packet_tells_which_decode_targets_are_left() {
    // Targets (0, 0), (0, 1), (1, 0), (1, 1).
    for (rungs, active) in [(&[(1, 3), (0, 3)][..], 0b1111), (&[(1, 0)], 0b0101), (&[(0, 1)], 0b0011)] {
        let mut call = Call::new(AV1, "L2T2", rungs);
        for n in 0..6 {
            let frames = call.publisher.picture(n == 0, 2, call.now + FRAME * n);
            for outgoing in call.feed(&frames) {
                let described = outgoing.dependency.map(|patch| patch.active_targets.get());
                assert_eq!(described, Some(active));
            }
        }
    }
}

#[test]
fn a_layer_that_the_sender_says_it_dropped_is_not_waited_for() {
    let mut call = Call::new(AV1, "L3T3", ALL);
    assert_eq!(call.show("k-"), "012 012");
    call.publisher.sends = 2;
    assert_eq!(call.show("--"), "01 01");
    assert_eq!(call.slot.wanted_keyframe(), None);
    assert_eq!(call.slot.current().map(|layer| layer.spatial), Some(1));
}

#[test]
fn a_spatial_layer_that_stopped_without_a_word_is_left() {
    for (codec, mode) in [(VP9, "L3T3_KEY"), (VP9, "L3T3"), (AV1, "L3T3_KEY")] {
        let mut call = Call::new(codec, mode, ALL);
        assert!(call.show("k-----").starts_with("012 "));
        call.slot.set_lives(Lives { flowing: 0b011, stopped: 0b100 });
        // Lost on the way, as far as we can see.
        call.now += FRAME;
        let frames = call.publisher.picture(false, 1, call.now);
        call.feed(&frames[..2]);
        let left = call.slot.wanted_keyframe().is_some() || call.slot.current().is_some_and(|at| at.spatial == 1);
        assert!(left, "{codec:?} {mode}");
        call.publisher.sends = 2;
        assert!(call.show("k--").ends_with('1'));
        let cause = std::iter::from_fn(|| call.slot.poll_event()).last();
        let layer = call.slot.current();
        assert_eq!(cause, Some(SlotEvent::Switched { layer, cause: Cause::Publisher }), "{codec:?} {mode}");
    }
}

#[test]
fn a_retransmission_repeats_numbers_and_descriptor_after_a_switch_too() {
    let mut call = Call::new(AV1, "L3T3", ALL);
    let first = call.publisher.picture(true, 1, call.now);
    let first = call.feed(&first);
    call.slot.set_ladder(ladder(&[(0, 3)]));
    call.show("---");
    for sent in first {
        let Nack::Send(again) = call.slot.handle_nack(sent.seq.wire(), call.now, ROUND_TRIP) else {
            panic!("it has RTX");
        };
        assert_eq!((again.patch, again.dependency, again.marker), (sent.patch, sent.dependency, sent.marker));
    }
}

#[test]
fn frame_numbers_go_on_over_a_switch_to_another_stream() {
    let mut call = Call::new(AV1, "L1T3", &[(0, 3)]);
    let numbers = |outgoing: &[Outgoing]| -> Vec<u16> {
        outgoing.iter().map(|outgoing| outgoing.dependency.expect("it has one").frame_number).collect()
    };
    let frames: Vec<Frame> = (0..4).flat_map(|n| call.publisher.picture(n == 0, 1, call.now)).collect();
    let before = numbers(&call.feed(&frames));
    call.slot.set_source(Some(TrackId(2)), FLOWS);
    call.publisher = Publisher::new(AV1, "L1T3");
    let frames: Vec<Frame> = (0..4).flat_map(|n| call.publisher.picture(n == 0, 1, call.now)).collect();
    let after = numbers(&call.feed(&frames));
    assert_eq!([before.clone(), after].concat(), (0..8).map(|n| before[0].wrapping_add(n)).collect::<Vec<u16>>());
}

#[test]
fn a_source_of_one_layer_is_shown_whatever_spatial_layer_the_ladder_names() {
    let (mut slot, mut source, now) = (slot(Kind::Video), Source::new(0), Instant::now());
    slot.set_ladder(ladder(&[(2, 3), (1, 3)]));
    let show = |slot: &mut Slot, sent: Vec<Sent>| {
        sent.iter().filter_map(|sent| slot.handle_packet(&Packet { alone: true, ..sent.packet(false) }, now)).count()
    };
    assert_eq!(show(&mut slot, source.picture("key", 2, now)), 2);
    assert_eq!(show(&mut slot, source.picture("0", 2, now)), 2);
    assert_eq!(slot.current(), Some(Layer::new(0, 3)));
    assert_eq!(slot.wanted_keyframe(), None);
    assert!(matches!(slot.poll_event(), Some(SlotEvent::Switched { cause: Cause::None, .. })));
}

#[test]
fn while_a_lower_encoding_is_waited_for_only_the_lowest_temporal_layer_of_the_old_one_flows() {
    // Ladders define which one is lower, not the order of the offer.
    for (lower, better) in [(0, 1), (1, 0)] {
        let (mut slot, now) = (slot(Kind::Video), Instant::now());
        let (mut low, mut high) = (Source::new(lower), Source::new(better));
        slot.set_ladder(ladder(&[(better, 3), (lower, 3)]));
        let show = |slot: &mut Slot, sent: Vec<Sent>| {
            sent.iter().filter_map(|sent| slot.handle_packet(&sent.packet(false), now)).count()
        };
        show(&mut slot, low.picture("key", 1, now));
        show(&mut slot, high.picture("key", 1, now));
        slot.set_ladder(ladder(&[(lower, 3)]));
        let left = ["2+", "1+", "2", "0", "2+"].map(|what| show(&mut slot, high.picture(what, 1, now)));
        assert_eq!(left, [0, 0, 0, 1, 0], "{better} instead of {lower}");
        assert_eq!(show(&mut slot, low.picture("key", 1, now)), 1);
        assert_eq!(show(&mut slot, low.picture("2+", 1, now)), 1);
    }
}

#[test]
fn the_layers_of_a_descriptor_are_those_of_its_mode() {
    let mut publisher = Publisher::new(AV1, "L3T3_KEY");
    let frames = publisher.picture(true, 1, Instant::now());
    let of = |frame: &Frame| -> DependencyDescriptor {
        frame.packets[0].description.dependency.clone().expect("it has one")
    };
    let key = of(&frames[0]);
    assert_eq!((key.structure.target_count(), key.active, key.switches), (9, 0b1_1111_1111, 0b1_1111_1111));
    assert_eq!((of(&frames[2]).present, of(&frames[2]).chained(8)), (0b1_1100_0000, Some(key.frame_number + 1)));
}

#[test]
fn a_target_of_another_structure_is_another_though_it_has_the_same_number() {
    let (mut slot, now) = (slot(Kind::Video), Instant::now());
    let mut publisher = Publisher::new(AV1, "L3T1");
    slot.set_ladder(ladder(&[(1, 0), (0, 0)]));
    let mut show = |slot: &mut Slot, mode: &str| -> Vec<(bool, u16)> {
        publisher.set_mode(mode, false);
        let sent = publisher.picture(true, 1, now).into_iter().flat_map(|frame| frame.packets);
        let left = sent.filter_map(|sent| slot.handle_packet(&sent.packet(false), now));
        left.map(|left| (left.marker, left.dependency.expect("it has one").active_targets.get())).collect()
    };
    // The second of three targets is the middle layer; of nine it is the lowest one's T1.
    assert_eq!(show(&mut slot, "L3T1"), [(false, 0b011), (true, 0b011)]);
    slot.set_ladder(ladder(&[(0, 1)]));
    assert_eq!(show(&mut slot, "L3T3"), [(true, 0b11)]);
    assert_eq!(slot.current(), Some(Layer::new(0, 1)));
}

#[test]
fn encodings_of_vp9_and_av1_change_at_a_keyframe_and_have_temporal_layers() {
    for codec in [VP9, AV1] {
        let (mut slot, now) = (slot(Kind::Video), Instant::now());
        let mut publishers = [0, 1].map(|_| Publisher::new(codec, "L1T3"));
        slot.set_ladder(ladder(&[(1, 3), (0, 3)]));
        let mut show = |slot: &mut Slot, encoding: u8, pictures: &str| -> String {
            let show = |what: char| {
                let frame = publishers[usize::from(encoding)].picture(what == 'k', 1, now).remove(0);
                let sent = Sent { encoding, alone: false, ..frame.packets[0].clone() };
                let left = slot.handle_packet(&sent.packet(false), now);
                left.map_or('.', |_| char::from(b'0' + frame.temporal))
            };
            pictures.chars().map(show).collect()
        };
        assert_eq!(show(&mut slot, 0, "k---"), "0212", "{codec:?}");
        assert_eq!(show(&mut slot, 1, "k---"), "0212");
        assert_eq!(show(&mut slot, 0, "----"), "....");
        slot.set_ladder(ladder(&[(0, 1)]));
        assert_eq!(slot.wanted_keyframe(), Some(id(0)));
        assert_eq!(show(&mut slot, 1, "----"), "0...", "the least of it until the keyframe of the other");
        assert_eq!(show(&mut slot, 0, "k---"), "0.1.");
        assert_eq!(show(&mut slot, 1, "k"), ".");
    }
}

#[test]
fn encodings_of_h264_and_h265_change_at_a_keyframe_and_leave_whole() {
    let h265 = PayloadType { number: 104, codec: Codec::H265, ..VP8 };
    // A sequence parameter set, then slices: of an IDR picture, and of a picture that refers to it.
    let h264: [&[u8]; 3] = [&[0x67, 0x42, 0xE0, 0x1F], &[0x65, 0x88], &[0x41, 0x9A]];
    let h265_units: [&[u8]; 3] = [&[0x42, 0x01, 0x01], &[0x26, 0x01, 0xAF], &[0x02, 0x01, 0xD0]];
    for (codec, units) in [(H264, h264), (h265, h265_units)] {
        let (mut slot, now) = (slot(Kind::Video), Instant::now());
        slot.spec.payload_types.push(PayloadType { number: 121, ..codec });
        slot.set_ladder(ladder(&[(1, 3), (0, 3)]));
        let mut sources = [0, 1].map(Source::new);
        let mut show = |encoding: usize, units: &[&[u8]]| {
            let sent = sources[encoding].picture("0", units.len(), now);
            let show = |(sent, unit): (Sent, &&[u8])| {
                let description = codec::describe(codec.codec, unit, None).expect("a unit");
                let sent = Sent { payload: unit.to_vec(), payload_type: codec, description, ..sent };
                slot.handle_packet(&sent.packet(false), now).map(|left| (left.encoding, left.patch))
            };
            sent.into_iter().zip(units).filter_map(show).collect::<Vec<_>>()
        };
        let left = |place| (id(place), Patch::None);
        assert_eq!(show(0, &units[..2]), [left(0); 2]);
        assert_eq!(show(1, &units[2..]), []);
        assert_eq!(show(0, &units[2..]), [left(0)]);
        assert_eq!(show(1, &units[..2]), [left(1); 2]);
        assert_eq!(show(0, &units[2..]), []);
        assert_eq!(show(1, &units[2..]), [left(1)]);
    }
}
