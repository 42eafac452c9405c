//! Captured packets of browsers, replayed into a slot: each layer on demand, and random switches with losses. The
//! references of a frame come from its dependency descriptor, whatever its codec; for VP8 without one, from its
//! numbers.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::capture::Capture;
use super::wire::Wire;
use super::*;
use crate::codec;
use crate::codec::dependency::Structures;
use crate::rtp::elements;

/// A capture, its encodings, and the spatial and temporal layers of each.
const ROWS: [(&str, usize, u8, u8); 17] = [
    ("vp8-simulcast-l1t1", 3, 1, 1),
    ("vp8-simulcast-l1t3", 3, 1, 3),
    ("vp8-simulcast-l1t3-numbers", 3, 1, 3),
    ("vp8-simulcast-firefox", 3, 1, 2),
    ("vp8-simulcast-encrypted", 3, 1, 3),
    ("h264-simulcast", 3, 1, 3),
    ("vp9-l1t3", 1, 1, 3),
    ("vp9-l2t2", 1, 2, 2),
    ("vp9-l3t3", 1, 3, 3),
    ("vp9-l3t3-key", 1, 3, 3),
    ("vp9-simulcast", 3, 1, 3),
    ("av1-l1t3", 1, 1, 3),
    ("av1-l2t2", 1, 2, 2),
    ("av1-l3t3", 1, 3, 3),
    ("av1-l3t3-key", 1, 3, 3),
    ("av1-simulcast", 3, 1, 3),
    ("av1-l3t3-encrypted", 1, 3, 3),
];

/// Encoding, and frame number or picture id.
type FrameId = (u8, u16);

/// The frame of a packet that is not padding.
fn frame(sent: &Sent) -> Option<FrameId> {
    let Description { dependency, vp8, .. } = &sent.description;
    let number = dependency.as_ref().map(|frame| frame.frame_number);
    Some((sent.encoding, number.or_else(|| vp8.as_ref()?.picture_id)?))
}

/// The references of each frame.
fn references(capture: &Capture) -> BTreeMap<FrameId, Vec<FrameId>> {
    let mut references = BTreeMap::new();
    // The last picture of each temporal layer, by encoding (RFC 7741 s4.2).
    let mut last = [[None::<FrameId>; 3]; 3];
    for (sent, id) in capture.sent.iter().filter_map(|sent| Some((sent, frame(sent)?))) {
        let Description { dependency, temporal, layer_sync, keyframe, start, .. } = &sent.description;
        if let Some(frame) = dependency {
            references.insert(id, frame.references().map(|number| (id.0, number)).collect());
        } else if *start {
            let row = &mut last[usize::from(id.0)];
            if *keyframe {
                *row = [None; 3];
            }
            let highest = if *layer_sync { 0 } else { usize::from(*temporal) };
            references.insert(id, row[..=highest].iter().flatten().copied().collect());
            row[usize::from(*temporal)] = Some(id);
        }
    }
    references
}

/// A subscriber of a capture, over a link without losses.
struct Replay<'a> {
    capture: &'a Capture,
    wire: Wire,
    /// Frames with lost packets on the way to us, and the number of lost packets.
    lost: BTreeSet<FrameId>,
    missing: u64,
}

impl<'a> Replay<'a> {
    fn new(capture: &'a Capture, ladder: Vec<Layer>) -> Self {
        let mut spec = spec(Kind::Video);
        spec.payload_types.push(PayloadType { number: 120, rtx: Some(121), ..H264 });
        let mut slot = Slot::new(spec, FIRST as u16, 77, FIRST_TIMESTAMP);
        slot.set_source(Some(TrackId(1)), FLOWS);
        slot.set_ladder(ladder);
        Self { capture, wire: Wire::new(slot), lost: BTreeSet::new(), missing: 0 }
    }

    fn all(&mut self) {
        let capture = self.capture;
        capture.sent.iter().for_each(|sent| self.wire.push(sent, false));
    }

    /// The sent packets by number, without the empty ones that replace omitted packets: the source packet of each.
    fn left(&self) -> Vec<(u64, &'a Sent)> {
        let by_number: BTreeMap<(u8, u64), &Sent> =
            self.capture.sent.iter().map(|sent| ((sent.encoding, sent.seq), sent)).collect();
        let whole = |seq: &&u64| !self.wire.sent[seq].1.is_empty();
        self.wire.sources.keys().filter(whole).map(|seq| (*seq, by_number[&self.wire.sources[seq]])).collect()
    }

    fn frames(&self) -> BTreeSet<FrameId> {
        self.left().iter().filter_map(|(_, sent)| frame(sent)).collect()
    }

    fn check(&self) {
        let left = self.left();
        // A better encoding's keyframe is shown at once. The interrupted frame has no end, and no frame refers to it.
        let interrupted = left.windows(2).filter(|pair| pair[0].1.encoding != pair[1].1.encoding);
        let torn: BTreeSet<FrameId> =
            interrupted.filter_map(|pair| frame(pair[0].1)).chain(self.lost.clone()).collect();
        self.check_frames(&left, &torn);
        if let Some((last, _)) = self.wire.sent.last_key_value() {
            let absent = last - FIRST + 1 - self.wire.sent.len() as u64;
            assert!(absent <= self.missing, "{absent} numbers are missing, {} packets were lost", self.missing);
        }
        for pair in left.windows(2) {
            let [before, now] = [pair[0], pair[1]].map(|(seq, _)| self.wire.sent[&seq].0);
            assert!(now.wrapping_sub(before) as i32 >= 0, "the timeline goes back");
            let begins = pair[1].1.description.keyframe;
            assert!(begins || pair[0].1.encoding == pair[1].1.encoding, "another encoding begins within a picture");
        }
        self.check_markers(&left, &torn);
        self.check_numbers(&left);
    }

    /// Checks that the frames are complete, and so are their references.
    fn check_frames(&self, left: &[(u64, &Sent)], torn: &BTreeSet<FrameId>) {
        let mut packets: BTreeMap<FrameId, usize> = BTreeMap::new();
        self.capture.sent.iter().filter_map(frame).for_each(|id| *packets.entry(id).or_default() += 1);
        let mut counts: BTreeMap<FrameId, usize> = BTreeMap::new();
        left.iter().filter_map(|(_, sent)| frame(sent)).for_each(|id| *counts.entry(id).or_default() += 1);
        let references = references(self.capture);
        for (id, count) in &counts {
            // After a late keyframe all packets since then are sent again.
            let whole = *count % packets[id] == 0 || torn.contains(id);
            assert!(whole, "frame {id:?} left in part; {}", self.capture.name);
            for reference in references.get(id).into_iter().flatten() {
                let there = counts.contains_key(reference) || self.lost.contains(reference);
                assert!(there, "frame {id:?} leans on {reference:?}, which was left out; {}", self.capture.name);
            }
        }
    }

    /// Checks that a complete picture ends with its only marker.
    fn check_markers(&self, left: &[(u64, &Sent)], torn: &BTreeSet<FrameId>) {
        let of = |sent: &Sent| (sent.encoding, sent.timestamp);
        let is_torn = |sent: &&Sent| frame(sent).is_some_and(|id| torn.contains(&id));
        let torn: BTreeSet<_> = self.capture.sent.iter().filter(is_torn).map(of).collect();
        for picture in left.chunk_by(|a, b| of(a.1) == of(b.1)).filter(|picture| !torn.contains(&of(picture[0].1))) {
            let markers: Vec<bool> = picture.iter().map(|(seq, _)| self.wire.packets[seq].1.marker).collect();
            let expected: Vec<bool> = (1..=markers.len()).map(|n| n == markers.len()).collect();
            assert_eq!(markers, expected, "{:?} of {}", of(picture[0].1), self.capture.name);
        }
    }

    /// Checks that picture ids of VP8 count pictures, and that those of VP9 and frame numbers have a constant offset
    /// between two keyframes.
    fn check_numbers(&self, left: &[(u64, &Sent)]) {
        let mut structures = Structures::default();
        let mut before: Option<(&Sent, Written)> = None;
        for (seq, sent) in left {
            let now = self.written(*seq, sent, &mut structures);
            if let Some((last, was)) = before {
                let begins = sent.description.keyframe;
                assert!(begins || now.offset == was.offset, "frame numbers jump");
                let step = now.picture.zip(was.picture).map(|(now, was)| now.wrapping_sub(was) & 0x7FFF);
                let is_new = (last.encoding, last.timestamp) != (sent.encoding, sent.timestamp);
                match (step, picture_id(&sent.description), picture_id(&last.description)) {
                    (Some(step), ..) if sent.payload_type.codec == Codec::Vp8 => {
                        let most = if is_new { 1 + self.missing } else { 0 };
                        assert!(step >= u16::from(is_new) && u64::from(step) <= most, "pictures are not counted");
                    }
                    (Some(step), Some(now), Some(was)) if !begins => {
                        assert_eq!(step, now.wrapping_sub(was) & 0x7FFF, "picture ids jump");
                    }
                    _ => {}
                }
            }
            before = Some((sent, now));
        }
    }

    fn written(&self, seq: u64, sent: &Sent, structures: &mut Structures) -> Written {
        let (octets, header) = &self.wire.packets[&seq];
        let read = elements::read(&self.wire.slot.spec.extensions, header, octets).expect("extensions");
        let offset = sent.description.dependency.as_ref().map(|source| {
            let descriptor = structures.parse(read.dependency_descriptor.expect("it had one")).expect("known");
            let active = descriptor.active_targets.expect("every packet tells");
            assert!(active & descriptor.present != 0, "a frame of no target that is left");
            descriptor.frame_number.wrapping_sub(source.frame_number)
        });
        let description = codec::describe(self.capture.codec, &octets[header.length..], None);
        // An encrypted payload may say anything, but its descriptor is in clear.
        Written { offset, picture: description.ok().and_then(|description| picture_id(&description)) }
    }
}

/// The numbers of a sent packet.
struct Written {
    /// The difference of its frame number from the source's.
    offset: Option<u16>,
    picture: Option<u16>,
}

fn picture_id(of: &Description) -> Option<u16> {
    let vp8 = of.vp8.as_ref().and_then(|numbers| numbers.picture_id);
    vp8.or_else(|| of.vp9.as_ref()?.picture_id)
}

#[test]
fn every_packet_of_a_browser_is_read_and_tells_the_layers_that_were_asked_of_it() {
    for (name, encodings, spatial, temporal) in ROWS {
        let capture = Capture::open(name);
        assert_eq!(capture.encodings, encodings, "{name}");
        for encoding in 0..encodings as u8 {
            let of = || capture.sent.iter().filter(move |sent| sent.encoding == encoding && !sent.payload.is_empty());
            let layers: BTreeSet<_> = of().map(|sent| (sent.description.spatial, sent.description.temporal)).collect();
            let expected: BTreeSet<_> = (0..spatial).flat_map(|s| (0..temporal).map(move |t| (s, t))).collect();
            assert_eq!(layers, expected, "{name}, encoding {encoding}");
            let keyframes = of().filter(|sent| sent.description.keyframe).count();
            assert!(keyframes >= 3, "{name}, encoding {encoding}: {keyframes} keyframes");
            // Each spatial layer is half as wide as the one above it.
            let keyframe = of().find(|sent| sent.description.keyframe).expect("there are some");
            let widths: Vec<u16> = keyframe.description.sizes().map(|(_, (width, _))| width).collect();
            assert_eq!(widths.len(), usize::from(spatial), "{name}");
            assert!(widths.windows(2).all(|pair| pair[1] == 2 * pair[0]), "{name}: {widths:?}");
            // Fields that both the payload and the descriptor have are equal, if the payload is readable.
            for sent in of().filter(|_| !name.ends_with("encrypted")) {
                let Some(described) = &sent.description.dependency else { continue };
                let plain = codec::describe(capture.codec, &sent.payload, None).expect("a payload");
                assert_eq!(plain.keyframe && described.start, described.structure_attached, "{name}");
                if capture.codec == Codec::Vp9 {
                    let payload = (plain.start, plain.end, plain.spatial, plain.temporal);
                    assert_eq!(
                        payload,
                        (described.start, described.end, described.spatial, described.temporal),
                        "{name}"
                    );
                }
            }
        }
    }
}

#[test]
fn each_layer_of_a_browser_is_shown_on_demand_with_all_it_leans_on_and_nothing_else() {
    for (name, encodings, spatial, temporal) in ROWS {
        let capture = Capture::open(name);
        let rungs = if encodings > 1 { encodings as u8 } else { spatial };
        for (rung, up) in (0..rungs).flat_map(|rung| (0..temporal).map(move |up| (rung, up))) {
            let mut replay = Replay::new(&capture, ladder(&[(rung, up)]));
            replay.all();
            replay.check();
            let encoding = if encodings > 1 { rung } else { 0 };
            let within = if encodings > 1 { 0 } else { rung };
            let of = capture.sent.iter().filter(|sent| sent.encoding == encoding);
            let expected: BTreeSet<FrameId> = of
                .skip_while(|sent| !sent.description.keyframe)
                .filter(|sent| match &sent.description.dependency {
                    Some(frame) => {
                        let target = frame.structure.target_of(within, up).expect("a target for each layer");
                        frame.present >> target & 1 != 0
                    }
                    None => sent.description.temporal <= up,
                })
                .filter_map(frame)
                .collect();
            assert_eq!(replay.frames(), expected, "{name} at {rung}, {up}");
            assert_eq!(replay.wire.slot.wanted_keyframe(), None, "{name} at {rung}, {up}");
        }
    }
}

#[test]
fn who_takes_no_dependency_descriptor_is_shown_the_lowest_spatial_layer_of_av1_and_all_of_vp9() {
    for (name, layers) in [("av1-l3t3", 1), ("av1-l3t3-key", 1), ("av1-l1t3", 1), ("vp9-l3t3", 3)] {
        let capture = Capture::open(name);
        let mut replay = Replay::new(&capture, Vec::new());
        let mut spec = (*replay.wire.slot.spec).clone();
        spec.extensions.set(Extension::DependencyDescriptor, 0);
        let mut slot = Slot::new(spec, FIRST as u16, 77, FIRST_TIMESTAMP);
        slot.set_source(Some(TrackId(1)), FLOWS);
        slot.set_ladder(ladder(&[(2, 3), (1, 3), (0, 3)]));
        replay.wire = Wire::new(slot);
        replay.all();
        let left = replay.left();
        replay.check_frames(&left, &BTreeSet::new());
        replay.check_markers(&left, &BTreeSet::new());
        let seen: BTreeSet<u8> = left.iter().map(|(_, sent)| sent.description.spatial).collect();
        assert_eq!(seen, (0..layers).collect(), "{name}");
        assert_eq!(replay.wire.slot.wanted_keyframe(), None, "{name}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Index into the ladders of the row.
    Ladder(usize),
    /// The next packet is late by this many packets; lost, if 30 or more.
    Lose(usize),
    Nack(u64),
}

/// Random acts, each before a packet.
fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let step = prop_oneof![
        3 => (0..9_usize).prop_map(Step::Ladder),
        2 => (1..40_usize).prop_map(Step::Lose),
        2 => (0..40_u64).prop_map(Step::Nack),
    ];
    proptest::collection::vec((0..260_usize, step), 0..40)
}

/// All ladders that begin at one rung and one temporal layer and go down.
fn ladders(encodings: usize, spatial: u8, temporal: u8) -> Vec<Vec<Layer>> {
    let rungs = if encodings > 1 { encodings as u8 } else { spatial };
    let down_from = |rung: u8, up: u8| (0..=rung).rev().map(|at| Layer::new(at, up)).collect();
    (0..rungs).flat_map(|rung| (0..temporal).map(move |up| down_from(rung, up))).collect()
}

proptest! {
    #[test]
    fn whatever_is_switched_and_lost_what_leaves_of_a_browsers_stream_can_be_decoded(
        row in 0..ROWS.len(),
        steps in steps(),
    ) {
        let (name, encodings, spatial, temporal) = ROWS[row];
        let capture = Capture::open(name);
        let ladders = ladders(encodings, spatial, temporal);
        let mut replay = Replay::new(&capture, ladders[ladders.len() - 1].clone());
        let mut waiting: Vec<(usize, &Sent)> = Vec::new();
        for (n, sent) in capture.sent.iter().enumerate() {
            let mut lost = None;
            for (_, step) in steps.iter().filter(|(at, _)| *at == n) {
                match *step {
                    Step::Ladder(n) => replay.wire.slot.set_ladder(ladders[n % ladders.len()].clone()),
                    Step::Lose(after) => lost = Some(after),
                    Step::Nack(back) => {
                        if let Some((&highest, _)) = replay.wire.sent.last_key_value() {
                            replay.wire.nack(highest.saturating_sub(back).max(FIRST), sent.at);
                        }
                    }
                }
            }
            match lost {
                Some(after) => {
                    replay.missing += 1;
                    replay.lost.extend(frame(sent));
                    if after < 30 {
                        waiting.push((n + after, sent));
                    }
                }
                None => replay.wire.push(sent, false),
            }
            let due: Vec<&Sent> = waiting.extract_if(.., |(due, _)| *due <= n).map(|(_, sent)| sent).collect();
            due.iter().for_each(|sent| replay.wire.push(sent, true));
        }
        replay.check();
    }
}
