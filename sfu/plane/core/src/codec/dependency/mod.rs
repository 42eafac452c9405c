//! The dependency descriptor (AV1 RTP specification, appendix A): layers and dependencies of a frame, told outside the
//! payload, of whatever codec.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

mod rewrite;
mod structure;

use std::sync::Arc;

use super::bits::Bits;
use crate::discard::Discard;

pub use rewrite::{MAX_GROWTH, rewrite};
pub use structure::Structure;

/// Frames that one leans on directly: AV1 has eight reference slots.
const MOST_REFERENCES: usize = 8;
/// One per spatial layer, of which AV1 has four. Chains beyond are not kept.
pub const MOST_CHAINS: usize = 4;

/// What a dependency descriptor says of the frame that its packet is part of. Sets of decode targets have one bit each.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DependencyDescriptor {
    /// The first packet of a frame: of one spatial layer's frame.
    pub start: bool,
    /// The last packet of that frame.
    pub end: bool,
    /// frame_dependency_template_id, 6 bits.
    pub template: u8,
    pub frame_number: u16,
    pub spatial: u8,
    pub temporal: u8,
    /// This packet brought the structure that it and those after it refer to: a keyframe's first.
    pub structure_attached: bool,
    /// No decode target needs it for anything but itself.
    pub discardable: bool,
    /// Decoding of the target with just its layers may begin here.
    pub switch: bool,
    /// Pixels of the uppermost spatial layer, with the structure.
    pub size: Option<(u16, u16)>,
    /// Which decode targets the sender still produces, where this packet tells.
    pub active_targets: Option<u32>,
    /// The same as it was told last.
    pub active: u32,
    /// Targets that the frame is part of,
    pub present: u32,
    /// ... of these the ones in which others lean on it (Switch or Required),
    pub needed: u32,
    /// ... and the ones of which everything after it can be decoded if it can.
    pub switches: u32,
    /// How many frames before in its chains the last one was; 0: none was.
    pub chains: [u8; MOST_CHAINS],
    pub structure: Arc<Structure>,
    references: [u16; MOST_REFERENCES],
    reference_count: u8,
    /// Where in the descriptor, in bits, active_decode_targets_bitmask is or would be, and where the last field ends.
    mask_at: u16,
    end_at: u16,
}

/// What a frame is to a decode target (A.8.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Indication {
    NotPresent,
    Discardable,
    Switch,
    Required,
}

impl DependencyDescriptor {
    /// The first packet of a coded video sequence: it brings the structure, and its frame leans on nothing.
    pub fn begins_sequence(&self) -> bool {
        self.start && self.structure_attached && self.spatial == 0 && self.reference_count == 0
    }

    pub fn indication(&self, target: u8) -> Indication {
        let has = |set: u32| set.checked_shr(u32::from(target)).unwrap_or(0) & 1 != 0;
        match (has(self.present), has(self.needed), has(self.switches)) {
            (false, ..) => Indication::NotPresent,
            (true, false, _) => Indication::Discardable,
            (true, true, true) => Indication::Switch,
            (true, true, false) => Indication::Required,
        }
    }

    /// The numbers of the frames it leans on directly.
    pub fn references(&self) -> impl Iterator<Item = u16> {
        let distances = self.references.iter().take(usize::from(self.reference_count));
        distances.map(|&distance| self.frame_number.wrapping_sub(distance))
    }

    /// The number of the frame before it in the chain that protects `target`, if there is such a chain and frame.
    pub fn chained(&self, target: u8) -> Option<u16> {
        let chain = self.structure.chain(target)?;
        let distance = self.chains.get(usize::from(chain)).copied().filter(|&distance| distance > 0)?;
        Some(self.frame_number.wrapping_sub(u16::from(distance)))
    }
}

/// The template structure that an encoding's descriptors refer to, kept from its last keyframe.
#[derive(Clone, Debug, Default)]
pub struct Structures {
    current: Option<Kept>,
    /// The newest frame of which anything was read, counted beyond 16 bits: between two keyframes there may be more.
    newest: u64,
}

#[derive(Clone, Debug)]
struct Kept {
    structure: Arc<Structure>,
    active: u32,
    /// The newest frame that told either, counted likewise.
    told_by: u64,
}

/// Bits of the mandatory fields (A.8.1), and of the flags behind them.
const MANDATORY: u32 = 24;
const FLAGS: u32 = 5;

impl Structures {
    /// Reads one packet's descriptor, and keeps the structure if it brings one; but not that of a frame which comes
    /// late, after a newer one.
    ///
    /// # Errors
    /// `Truncated`; `RtpMalformed` if it refers to a template that is not known, be it that the keyframe was lost.
    pub fn parse(&mut self, bytes: &[u8]) -> Result<DependencyDescriptor, Discard> {
        let (&[head, n0, n1], rest) = bytes.split_first_chunk().ok_or(Discard::Truncated)?;
        let frame_number = u16::from_be_bytes([n0, n1]);
        let mut bits = Bits::new(rest);
        let flags = if rest.is_empty() { 0 } else { bits.read(FLAGS)? };
        let attached = if flags & 0x10 != 0 { Some(Structure::parse(&mut bits)?) } else { None };
        let known = self.current.as_ref();
        let (structure, mut active) = match (attached, known) {
            // Sent again it is the same to those who compare.
            (Some(new), Some(known)) if *known.structure == new => (known.structure.clone(), new.all_targets()),
            (Some(new), _) => (Arc::new(new.clone()), new.all_targets()),
            (None, Some(known)) => (known.structure.clone(), known.active),
            (None, None) => return Err(Discard::RtpMalformed),
        };
        let mask_at = bits.position();
        let mut active_targets = (flags & 0x10 != 0).then_some(active);
        if flags & 0x08 != 0 {
            active = bits.read(structure.target_count())?;
            active_targets = Some(active);
        }
        let template = head & 0x3F;
        let known = structure.template(template).ok_or(Discard::RtpMalformed)?;
        let mut frame = known.clone();
        if flags & 0x04 != 0 {
            frame.read_indications(&mut bits, structure.target_count())?;
        }
        if flags & 0x02 != 0 {
            frame.read_custom_references(&mut bits)?;
        }
        if flags & 0x01 != 0 {
            frame.read_custom_chains(&mut bits, structure.chain_count())?;
        }
        let number = self.number(frame_number);
        let newer = self.current.as_ref().is_none_or(|known| number >= known.told_by);
        if active_targets.is_some() && newer {
            self.current = Some(Kept { structure: structure.clone(), active, told_by: number });
        }
        self.newest = self.newest.max(number);
        let own = structure.target_of(known.spatial, known.temporal).map_or(0, |target| 1u32 << target);
        Ok(DependencyDescriptor {
            start: head & 0x80 != 0,
            end: head & 0x40 != 0,
            template,
            frame_number,
            spatial: known.spatial,
            temporal: known.temporal,
            structure_attached: flags & 0x10 != 0,
            discardable: frame.needed == 0,
            switch: frame.switches & own != 0,
            size: structure.sizes().last().copied().filter(|_| flags & 0x10 != 0),
            active_targets,
            active,
            present: frame.present,
            needed: frame.needed,
            switches: frame.switches,
            chains: frame.chains,
            references: frame.references,
            reference_count: frame.reference_count,
            mask_at: mask_at.saturating_add(MANDATORY) as u16,
            end_at: bits.position().saturating_add(MANDATORY) as u16,
            structure,
        })
    }

    /// The nearest to the newest. The first is in the second round, so that those before it have one too.
    fn number(&self, frame_number: u16) -> u64 {
        if self.current.is_none() {
            return 1 << 16 | u64::from(frame_number);
        }
        let ahead = frame_number.wrapping_sub(self.newest as u16) as i16;
        self.newest.saturating_add_signed(ahead.into())
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]
#[allow(clippy::unusual_byte_groupings, reason = "grouped as the fields are")]
mod tests {
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
            self.0
                .chunks(8)
                .map(|octet| octet.iter().rev().fold(0, |sum, &bit| sum >> 1 | u8::from(bit) << 7))
                .collect()
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
        let frame =
            structures.parse(&bits.put_all(2, &[NOT_PRESENT, SWITCH, NOT_PRESENT, NOT_PRESENT]).bytes()).unwrap();
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

    /// Everything but the frame number and the bitmask.
    fn rest(frame: &DependencyDescriptor) -> DependencyDescriptor {
        DependencyDescriptor {
            frame_number: 0,
            active_targets: None,
            active: 0,
            mask_at: 0,
            end_at: 0,
            ..frame.clone()
        }
    }

    #[test]
    fn a_subscriber_gets_its_own_frame_number_and_is_told_which_targets_are_left() {
        let mut structures = Structures::default();
        let keyframe = keyframe_l2t2().bytes();
        let custom = descriptor(3, 63, 9).put(5, ACTIVE | 0x02).put(4, 0b1111).put(2, 2).put(8, 77).put(2, 0).bytes();
        for original in [keyframe, descriptor(2, 1, 7).bytes(), custom] {
            let frame = structures.parse(&original).unwrap();
            let mut out = [0xEE; 120];
            let length = rewrite(&mut out, &original, &frame, 0xFFFE, 0b0011).unwrap();
            assert!(length <= original.len() + MAX_GROWTH);
            let read = structures.clone().parse(&out[..length]).unwrap();
            assert_eq!((read.frame_number, read.active_targets), (0xFFFE, Some(0b0011)));
            assert_eq!(rest(&read), rest(&frame));
            assert_eq!(rewrite(&mut out[..length - 1], &original, &frame, 1, 1), None);
        }
    }

    proptest! {
        #[test]
        fn hostile_descriptors_never_panic(
            flags: u8,
            first in prop::collection::vec(any::<u8>(), 0..80),
            second in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let mut structures = Structures::default();
            let _ = structures.parse(&[&[0xC0, 0, 1, 0x80 | flags], &first[..]].concat());
            let _ = structures.parse(&second);
            let _ = structures.parse(&keyframe_l2t2().bytes());
            if let Ok(frame) = structures.parse(&second) {
                let mut out = [0; 64];
                prop_assert!(rewrite(&mut out, &second, &frame, 1, 1).is_some());
            }
        }
    }
}
