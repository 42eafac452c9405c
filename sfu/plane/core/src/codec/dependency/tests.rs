//! Descriptors that are built bit by bit.

use proptest::prelude::*;

use super::*;

#[derive(Default)]
struct BitWriter(Vec<bool>);

impl BitWriter {
    fn put(mut self, count: u32, value: u32) -> Self {
        self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    fn put_all(self, count: u32, values: &[u32]) -> Self {
        values.iter().fold(self, |bits, &value| bits.put(count, value))
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.chunks(8).map(|octet| octet.iter().rev().fold(0, |sum, &bit| sum >> 1 | u8::from(bit) << 7)).collect()
    }
}

const NOT_PRESENT: u32 = 0;
const DISCARDABLE: u32 = 1;
const SWITCH: u32 = 2;
const REQUIRED: u32 = 3;
/// Flags of a descriptor of more than three octets.
const STRUCTURE: u32 = 0x10;
const ACTIVE: u32 = 0x08;
const CUSTOM_INDICATIONS: u32 = 0x04;

/// start, end, template id, frame number; then flags, if there are to be more octets.
fn descriptor(ends: u32, template: u32, frame: u32) -> BitWriter {
    BitWriter::default().put(2, ends).put(6, template).put(16, frame)
}

/// The keyframe of a stream of two spatial layers with two temporal layers each; template ids begin at 62 and wrap.
/// Decode targets: (0, 0), (0, 1), (1, 0), (1, 1), two chains.
fn keyframe_l2t2() -> BitWriter {
    let bits = descriptor(3, 62, 1).put(5, STRUCTURE);
    let layers = bits.put(6, 62).put(5, 3).put_all(2, &[1, 2, 1, 3]);
    let indications = layers
        .put_all(2, &[SWITCH, SWITCH, SWITCH, SWITCH])
        .put_all(2, &[NOT_PRESENT, DISCARDABLE, NOT_PRESENT, REQUIRED])
        .put_all(2, &[NOT_PRESENT, NOT_PRESENT, SWITCH, REQUIRED])
        .put_all(2, &[NOT_PRESENT, NOT_PRESENT, NOT_PRESENT, DISCARDABLE]);
    // Frame differences: none, one, two, one.
    let differences = indications.put(1, 0).put(6, 0b1_0011_0).put(11, 0b1_0001_1_0101_0).put(6, 0b1_0111_0);
    // ns(5) of 2; protected by chains 0, 0, 1, 1; differences of two chains for four templates.
    let chains = differences.put(2, 2).put_all(1, &[0, 0, 1, 1]).put_all(4, &[0, 0, 1, 1, 1, 0, 1, 1]);
    chains.put(1, 1).put_all(16, &[319, 179, 639, 359])
}

fn layers(descriptor: &DependencyDescriptor) -> (u8, u8) {
    (descriptor.spatial, descriptor.temporal)
}

#[test]
fn a_structure_names_the_layers_of_the_frames_after_it() {
    let mut structures = Structures::default();
    let keyframe = structures.parse(&keyframe_l2t2().bytes()).unwrap();
    assert!(keyframe.start && keyframe.end && keyframe.structure_attached && keyframe.switch);
    assert!(!keyframe.discardable);
    assert_eq!((layers(&keyframe), keyframe.frame_number), ((0, 0), 1));
    assert_eq!((keyframe.size, keyframe.active_targets), (Some((640, 360)), Some(0b1111)));

    let read =
        |structures: &mut Structures, template| structures.parse(&descriptor(2, template, 0xABCD).bytes()).unwrap();
    let upper = read(&mut structures, 0);
    assert_eq!((layers(&upper), upper.frame_number), ((1, 0), 0xABCD));
    assert!(upper.start && !upper.end && !upper.structure_attached && upper.switch);
    assert_eq!((upper.size, upper.active_targets), (None, None));
    let indications = [0, 1, 2, 3, 31, 255].map(|target| upper.indication(target));
    use Indication::{NotPresent, Required, Switch};
    assert_eq!(indications, [NotPresent, NotPresent, Switch, Required, NotPresent, NotPresent]);

    let top = read(&mut structures, 1);
    assert_eq!((layers(&top), top.discardable, top.switch), ((1, 1), true, false));
    let low = read(&mut structures, 63);
    assert_eq!((layers(&low), low.discardable), ((0, 1), false), "the upper layer needs it");
}

#[test]
fn a_frame_may_have_indications_of_its_own_and_tell_which_targets_are_left() {
    let mut structures = Structures::default();
    structures.parse(&keyframe_l2t2().bytes()).unwrap();
    let bits = descriptor(3, 63, 9).put(5, ACTIVE | CUSTOM_INDICATIONS).put(4, 0b0011);
    let frame = structures.parse(&bits.put_all(2, &[NOT_PRESENT, SWITCH, NOT_PRESENT, NOT_PRESENT]).bytes()).unwrap();
    assert_eq!(frame.active_targets, Some(0b0011));
    assert!(frame.switch && !frame.discardable);
}

#[test]
fn a_descriptor_without_its_structure_is_malformed_and_leaves_the_old_one() {
    let mut structures = Structures::default();
    let plain = descriptor(3, 62, 2).bytes();
    assert_eq!(structures.parse(&plain), Err(Discard::RtpMalformed), "before the first keyframe");

    let keyframe = keyframe_l2t2().bytes();
    structures.parse(&keyframe).unwrap();
    assert_eq!(structures.parse(&descriptor(3, 2, 2).bytes()), Err(Discard::RtpMalformed), "the fifth of four");
    for length in 0..keyframe.len() {
        if length != 3 {
            assert_eq!(structures.parse(&keyframe[..length]), Err(Discard::Truncated), "{length} octets");
        }
    }
    assert!(structures.parse(&plain).is_ok());
}

#[test]
fn layers_that_no_stream_has_are_malformed() {
    let endless = descriptor(3, 0, 1).put(5, STRUCTURE).put(6, 0).put(5, 0).put_all(2, &[0; 100]);
    let too_high = descriptor(3, 0, 1).put(5, STRUCTURE).put(6, 0).put(5, 0).put_all(2, &[2; 100]);
    for bits in [endless, too_high] {
        assert_eq!(Structures::default().parse(&bits.bytes()), Err(Discard::RtpMalformed));
    }
}

#[test]
fn a_frame_names_those_it_leans_on_and_the_ones_before_it_in_its_chains() {
    let mut structures = Structures::default();
    structures.parse(&keyframe_l2t2().bytes()).unwrap();
    // The third template: two frame differences, 2 and 6; chains 1 and 0; targets 2 and 3 are protected by chain 1.
    let frame = structures.parse(&descriptor(3, 0, 4).bytes()).unwrap();
    assert_eq!(frame.references().collect::<Vec<_>>(), [2, 65_534]);
    assert_eq!([0, 2, 31].map(|target| frame.chained(target)), [Some(3), None, None]);
    // Differences and chains of its own: 3 in four bits, 300 in twelve; 200 and 0.
    let custom = descriptor(3, 0, 400).put(5, 0x03).put(2, 1).put(4, 2).put(2, 3).put(12, 299).put(2, 0);
    let frame = structures.parse(&custom.put_all(8, &[200, 0]).bytes()).unwrap();
    assert_eq!(frame.references().collect::<Vec<_>>(), [397, 100]);
    assert_eq!([0, 2].map(|target| frame.chained(target)), [Some(200), None]);
    let nine = (0..9).fold(descriptor(3, 0, 1).put(5, 0x02), |bits, _| bits.put(2, 1).put(4, 0));
    assert_eq!(structures.parse(&nine.put(2, 0).bytes()), Err(Discard::RtpMalformed));
}

#[test]
fn a_keyframe_that_comes_late_does_not_bring_its_structure_back() {
    let mut structures = Structures::default();
    let old = descriptor(3, 0, 1).put(5, STRUCTURE).put(6, 0).put(5, 0).put(2, 3).put(2, SWITCH).put(3, 0).bytes();
    structures.parse(&old).unwrap();
    let mut new = keyframe_l2t2().bytes();
    new[2] = 9;
    structures.parse(&new).unwrap();
    assert!(structures.parse(&old).unwrap().structure_attached);
    assert_eq!(structures.parse(&descriptor(3, 1, 10).bytes()).unwrap().spatial, 1);
}

#[test]
fn a_keyframe_brings_its_structure_however_many_frames_came_since_the_last() {
    let mut structures = Structures::default();
    let old = descriptor(3, 0, 1).put(5, STRUCTURE).put(6, 0).put(5, 0).put(2, 3).put(2, SWITCH).put(3, 0).bytes();
    structures.parse(&old).unwrap();
    for number in (2..40_000).chain(39_990..40_010) {
        structures.parse(&descriptor(3, 0, number).bytes()).unwrap();
    }
    let mut new = keyframe_l2t2().bytes();
    new[1..3].copy_from_slice(&40_010_u16.to_be_bytes());
    structures.parse(&new).unwrap();
    assert_eq!(structures.parse(&descriptor(3, 1, 40_011).bytes()).unwrap().spatial, 1);
}

/// Everything but the bitmask and the frame number, with its template counted from the first.
fn rest(frame: &DependencyDescriptor) -> DependencyDescriptor {
    let template = frame.template.wrapping_sub(frame.structure.first_id()) & 0x3F;
    let structure = Arc::new(frame.structure.with_first_id(0));
    let frame = DependencyDescriptor { template, structure, ..frame.clone() };
    DependencyDescriptor { frame_number: 0, active_targets: None, active: 0, mask_at: 0, end_at: 0, ..frame }
}

#[test]
fn a_subscriber_gets_its_own_numbers_and_is_told_which_targets_are_left() {
    let [mut structures, mut rewritten] = [(); 2].map(|()| Structures::default());
    // The four ids from 62 on are those from 61 on then.
    let new = Rewritten { frame_number: 0xFFFE, templates: 63, active_targets: 0b0011 };
    let keyframe = keyframe_l2t2().bytes();
    let custom = descriptor(3, 63, 9).put(5, ACTIVE | 0x02).put(4, 0b1111).put(2, 2).put(8, 77).put(2, 0).bytes();
    for original in [keyframe, descriptor(2, 1, 7).bytes(), custom] {
        let frame = structures.parse(&original).unwrap();
        let mut out = [0xEE; 120];
        let length = rewrite(&mut out, &original, &frame, new).unwrap();
        assert!(length <= original.len() + MAX_GROWTH);
        let read = rewritten.parse(&out[..length]).unwrap();
        assert_eq!((read.structure.first_id(), read.template), (61, frame.template.wrapping_sub(1) & 0x3F));
        assert_eq!((read.frame_number, read.active_targets), (0xFFFE, Some(0b0011)));
        assert_eq!(rest(&read), rest(&frame));
        assert_eq!(rewrite(&mut out[..length - 1], &original, &frame, new), None);
    }
}

proptest! {
    #[test]
    fn hostile_descriptors_never_panic(
        flags: u8,
        first in prop::collection::vec(any::<u8>(), 0..80),
        second in prop::collection::vec(any::<u8>(), 0..20),
        templates: u8,
    ) {
        let mut structures = Structures::default();
        let _ = structures.parse(&[&[0xC0, 0, 1, 0x80 | flags], &first[..]].concat());
        let _ = structures.parse(&second);
        let _ = structures.parse(&keyframe_l2t2().bytes());
        if let Ok(frame) = structures.parse(&second) {
            let mut out = [0; 64];
            let new = Rewritten { frame_number: 1, templates, active_targets: 1 };
            prop_assert!(rewrite(&mut out, &second, &frame, new).is_some());
        }
    }
}
