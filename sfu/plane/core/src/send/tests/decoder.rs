//! Sent packets can be decoded: a model decoder knows the references of every frame, with losses, late packets and
//! switches.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::svc::{Frame, Publisher};
use super::templates::{Reader, attaches_structure, meaning};
use super::wire::Wire;
use super::*;
use crate::codec::dependency::Structures;
use crate::codec::vp9;
use crate::receive::life::Life;

#[derive(Clone, Debug)]
enum Step {
    /// Its lost packets, as bits, and after how many steps they arrive late; never, if 8 or more.
    Picture {
        lost: u16,
        after: usize,
    },
    Ladder(usize),
    /// The publisher sends this many spatial layers from the next keyframe on.
    Sends(u8),
    Nack(u64),
    /// The slot shows another publisher.
    Track(usize),
    /// The publisher sends another structure; whether its template ids begin anew.
    Mode(usize, bool),
    /// A waiting slot starts from the cached packets.
    Start,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let lost = prop_oneof![4 => Just(0), 1 => any::<u16>(), 1 => (0..12_u16).prop_map(|bit| 1 << bit)];
    let step = prop_oneof![
        20 => (lost, 0..12_usize).prop_map(|(lost, after)| Step::Picture { lost, after }),
        2 => (0..8_usize).prop_map(Step::Ladder),
        1 => (1..4_u8).prop_map(Step::Sends),
        3 => (0..40_u64).prop_map(Step::Nack),
        3 => Just(Step::Start),
        1 => (0..MODES.len()).prop_map(Step::Track),
        1 => (0..MODES.len(), any::<bool>()).prop_map(|(mode, anew)| Step::Mode(mode, anew)),
    ];
    proptest::collection::vec(step, 1..150)
}

fn ladders() -> [Vec<Layer>; 8] {
    let down_from = |spatial: u8, temporal: u8| (0..=spatial).rev().map(|at| Layer::new(at, temporal)).collect();
    [
        down_from(2, 3),
        down_from(2, 1),
        down_from(1, 3),
        down_from(1, 0),
        down_from(0, 3),
        down_from(0, 1),
        down_from(0, 0),
        Vec::new(),
    ]
}

/// A publisher of scalable video, and a subscriber over a link without losses.
struct World {
    wire: Wire,
    payload_type: PayloadType,
    publisher: Publisher,
    tracks: u32,
    /// The next picture has another structure.
    changed: bool,
    /// The lives that the track reports to the slot.
    life: Life,
    frames: BTreeMap<u32, Frame>,
    waiting: Vec<(usize, Sent)>,
    /// Frames with lost packets on the way to us, and the number of lost packets.
    lost: BTreeSet<u32>,
    missing: u64,
    wish: Option<usize>,
    step: usize,
    start: Instant,
}

impl World {
    fn new(payload_type: PayloadType, mode: &str) -> Self {
        Self {
            wire: Wire::new(slot(Kind::Video)),
            payload_type,
            publisher: Publisher::new(payload_type, mode),
            tracks: 1,
            changed: false,
            life: Life::new(true),
            frames: BTreeMap::new(),
            waiting: Vec::new(),
            lost: BTreeSet::new(),
            missing: 0,
            wish: None,
            step: 0,
            start: Instant::now(),
        }
    }

    fn picture(&mut self, lost: u16, after: usize) {
        let now = self.start + FRAME * self.step as u32;
        // A keyframe comes two pictures after it was wished for.
        if self.wish.is_none() && self.wire.slot.wanted_keyframe().is_some() {
            self.wish = Some(self.step + 2);
        }
        let keyframe = self.wish.is_some_and(|due| due <= self.step) || self.frames.is_empty();
        if keyframe {
            self.wish = None;
        }
        // A slot gets no layers of a structure that has not arrived.
        let lost = if std::mem::take(&mut self.changed) { lost & !1 } else { lost };
        self.step += 1;
        let frames = self.publisher.picture(keyframe, 2, now);
        let packets = frames.iter().flat_map(|frame| frame.packets.iter().map(|sent| (frame.id, sent.clone())));
        let packets: Vec<_> = packets.collect();
        self.frames.extend(frames.into_iter().map(|frame| (frame.id, frame)));
        for (n, (id, sent)) in packets.into_iter().enumerate() {
            if lost >> n & 1 == 0 {
                self.life.handle_packet(sent.description.spatial, sent.timestamp, false, now);
                self.wire.push(&sent, false);
                continue;
            }
            self.missing += 1;
            self.lost.insert(id);
            if after < 8 {
                self.waiting.push((self.step + after, sent));
            }
        }
        let (step, waiting) = (self.step, &mut self.waiting);
        let due: Vec<Sent> = waiting.extract_if(.., |(due, _)| *due <= step).map(|(_, sent)| sent).collect();
        due.iter().for_each(|sent| self.wire.push(sent, true));
        self.life.handle_silence(&[], None, now);
        self.wire.slot.set_lives(self.life.lives());
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Picture { lost, after } => self.picture(lost, after),
            Step::Ladder(n) => self.wire.slot.set_ladder(ladders()[n].clone()),
            Step::Sends(layers) => {
                let layers = layers.min(self.publisher.mode.spatial);
                // Fewer at any time; more from a keyframe on.
                if layers > self.publisher.sends {
                    self.wish = Some(self.step);
                }
                self.publisher.sends = layers;
            }
            Step::Track(mode) => {
                self.tracks += 1;
                self.publisher = Publisher::new(self.payload_type, MODES[mode]).nth(self.tracks);
                self.life = Life::new(true);
                self.waiting.clear();
                self.wire.slot.set_source(Some(TrackId(self.tracks.into())), FLOWS);
                self.wish = Some(self.step);
            }
            // Before its keyframe there is nothing to tell it from another.
            Step::Mode(..) if self.changed => {}
            Step::Mode(mode, anew) => {
                self.publisher.set_mode(MODES[mode], anew);
                (self.wish, self.changed) = (Some(self.step), true);
            }
            Step::Start => {
                self.wire.catch_up(0, self.start + FRAME * self.step as u32);
            }
            Step::Nack(back) => {
                if let Some((&highest, _)) = self.wire.sent.last_key_value() {
                    let now = self.start + FRAME * self.step as u32;
                    self.wire.nack(highest.saturating_sub(back).max(FIRST), now);
                }
            }
        }
    }

    /// The frame of each sent packet, in the order of their numbers, without empty packets.
    fn left(&self) -> Vec<(u64, u32)> {
        let id = |payload: &Vec<u8>| payload.last_chunk().map(|id| u32::from_be_bytes(*id));
        self.wire.sent.iter().filter_map(|(&seq, (_, payload))| Some((seq, id(payload)?))).collect()
    }

    fn check(&self) {
        let left = self.left();
        let mut packets_of: BTreeMap<u32, usize> = BTreeMap::new();
        left.iter().for_each(|(_, id)| *packets_of.entry(*id).or_default() += 1);
        for (id, count) in &packets_of {
            let frame = &self.frames[id];
            // After a pause, a late keyframe restarts the slot, followed by all packets since then.
            assert!(self.lost.contains(id) || count % frame.packets.len() == 0, "frame {id} left in part");
        }
        self.check_references(&left);
        if let Some((last, _)) = self.wire.sent.last_key_value() {
            let absent = last - FIRST + 1 - self.wire.sent.len() as u64;
            assert!(absent <= self.missing, "{absent} numbers are missing, {} packets were lost", self.missing);
        }
        let timestamps: Vec<u32> = self.wire.sent.values().map(|(timestamp, _)| *timestamp).collect();
        assert!(timestamps.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) as i32 >= 0), "the timeline goes back");
        self.check_numbers(&left);
        self.check_markers(&left);
    }

    /// Checks that a frame refers only to frames sent since the last keyframe, because a decoder forgets earlier ones.
    fn check_references(&self, left: &[(u64, u32)]) {
        let mut known = BTreeSet::new();
        for (_, id) in left {
            let frame = &self.frames[id];
            if frame.references.is_empty() && !known.contains(id) {
                known.clear();
            }
            for reference in &frame.references {
                let there = known.contains(reference) || self.lost.contains(reference);
                assert!(there, "frame {id} leans on {reference}, which was left out: {frame:?}");
            }
            known.insert(*id);
        }
    }

    /// Checks that picture ids and frame numbers have a constant offset between keyframes.
    fn check_numbers(&self, left: &[(u64, u32)]) {
        let mut structures = Structures::default();
        let mut before: Option<(u16, u16)> = None;
        for (seq, id) in left {
            let frame = &self.frames[id];
            let (octets, header) = &self.wire.packets[seq];
            let description = &frame.packets[0].description;
            let numbers = match &description.dependency {
                Some(dependency) => {
                    let octets = self.wire.descriptor(*seq).expect("every packet has one");
                    let parsed = structures.parse(octets).expect("of a known structure");
                    let active = parsed.active_targets.expect("every packet tells");
                    assert!(active & parsed.present != 0, "a frame of no target that is left");
                    (parsed.frame_number, dependency.frame_number)
                }
                None => {
                    let numbers = |payload: &[u8]| vp9::describe(payload).ok()?.vp9?.picture_id;
                    let source = numbers(&frame.packets[0].payload).expect("a picture id");
                    (numbers(&octets[header.length..]).expect("a picture id"), source)
                }
            };
            let range = if description.dependency.is_some() { u16::MAX } else { 0x7FFF };
            let offset = |(ours, source): (u16, u16)| ours.wrapping_sub(source) & range;
            if let Some(before) = before.filter(|&before| offset(before) != offset(numbers)) {
                assert!(description.keyframe || frame.packets.iter().any(|sent| sent.description.keyframe));
                let ahead = numbers.0.wrapping_sub(before.0) & range;
                assert!((1..range / 2).contains(&ahead), "numbers go on");
            }
            before = Some(numbers);
        }
    }

    /// Checks that a receiver that misses structures (as bits) reads no frame by another structure than its own.
    fn check_templates(&self, missed: u64) {
        let mut reader = Reader::default();
        let (mut structures, mut in_a_row) = (0, 0);
        for (seq, id) in self.left() {
            let frame = |sent: &Sent| sent.description.dependency.clone();
            let Some(source) = self.frames[&id].packets.iter().find_map(frame) else { continue };
            let octets = self.wire.descriptor(seq).expect("every packet has one");
            if attaches_structure(octets) {
                structures += 1;
                // By then ids would come round.
                in_a_row = if missed >> (structures % 64) & 1 != 0 && in_a_row < 3 { in_a_row + 1 } else { 0 };
                if in_a_row > 0 {
                    continue;
                }
            }
            if let Some(read) = reader.read(octets) {
                assert_eq!(meaning(&read), meaning(&source), "frame {id} is read by the wrong templates");
            }
        }
    }

    /// Checks that a picture without losses ends with its only marker.
    fn check_markers(&self, left: &[(u64, u32)]) {
        let lost: BTreeSet<u32> = self.lost.iter().map(|id| self.frames[id].packets[0].timestamp).collect();
        let of = |id: &u32| self.frames[id].packets[0].timestamp;
        // A keyframe that is sent again, because there is no newer one, has another timestamp.
        let same = |a: &(u64, u32), b: &(u64, u32)| {
            of(&a.1) == of(&b.1) && self.wire.packets[&a.0].1.timestamp == self.wire.packets[&b.0].1.timestamp
        };
        for picture in left.chunk_by(same).filter(|picture| !lost.contains(&of(&picture[0].1))) {
            let markers: Vec<bool> = picture.iter().map(|(seq, _)| self.wire.packets[seq].1.marker).collect();
            let expected: Vec<bool> = (1..=markers.len()).map(|n| n == markers.len()).collect();
            assert_eq!(markers, expected, "{picture:?}");
        }
    }

    /// The layers of the sent frames of the next four pictures.
    fn layers(&mut self) -> BTreeSet<(u8, u8)> {
        let before = self.left().len();
        (0..4).for_each(|_| self.picture(0, 0));
        self.left()[before..].iter().map(|(_, id)| (self.frames[id].spatial, self.frames[id].temporal)).collect()
    }
}

const MODES: [&str; 7] = ["L1T3", "L1T2", "L2T2", "L3T1", "L3T3", "L3T3_KEY", "L2T3_KEY"];

proptest! {
    #[test]
    fn what_leaves_of_scalable_video_leans_on_what_left_or_was_lost(
        steps in steps(),
        mode in 0..MODES.len(),
        av1 in any::<bool>(),
        ladder in 0..7_usize,
        missed: u64,
    ) {
        let mut world = World::new(if av1 { AV1 } else { VP9 }, MODES[mode]);
        world.wire.slot.set_ladder(ladders()[0].clone());
        steps.iter().for_each(|step| world.take(step));
        world.check();

        // And when all is quiet again it is what the ladder asks for.
        world.wire.slot.set_ladder(ladders()[ladder].clone());
        (0..120).for_each(|_| world.picture(0, 0));
        prop_assert_eq!(world.wire.slot.wanted_keyframe(), None);
        let sends = world.publisher.mode;
        let best = ladders()[ladder][0];
        let top = best.spatial.min(world.publisher.sends - 1);
        let temporal = best.temporal.min(sends.temporal - 1);
        let expected: BTreeSet<(u8, u8)> = (if sends.key { top } else { 0 }..=top)
            .flat_map(|spatial| (0..=temporal).map(move |temporal| (spatial, temporal)))
            .collect();
        prop_assert_eq!(world.layers(), expected);
        world.check();
        world.check_templates(missed);
    }
}
