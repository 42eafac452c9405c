//! The dependency descriptor (AV1 RTP specification, appendix A): layers and dependencies of a frame, told outside the
//! payload, of whatever codec.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use super::bits::Bits;
use crate::discard::Discard;

/// What a dependency descriptor says of the frame that its packet is part of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
    /// Which decode targets the sender still produces, one bit each, where this packet tells.
    pub active_targets: Option<u32>,
    /// Decode target indications (A.8.2), two bits for each target, the first lowest.
    indications: u64,
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
    pub fn indication(&self, target: u8) -> Indication {
        match self.indications.checked_shr(u32::from(target).saturating_mul(2)).unwrap_or(0) & 3 {
            0 => Indication::NotPresent,
            1 => Indication::Discardable,
            2 => Indication::Switch,
            _ => Indication::Required,
        }
    }
}

/// The upper bits of all indications: set for Switch and Required, on which others depend.
const NEEDED: u64 = 0xAAAA_AAAA_AAAA_AAAA;

/// The template structure that an encoding's descriptors refer to, kept from its last keyframe.
#[derive(Clone, Debug, Default)]
pub struct Structures {
    current: Option<Structure>,
}

#[derive(Clone, Debug)]
struct Structure {
    /// template_id_offset, 6 bits.
    offset: u8,
    templates: Vec<Template>,
    /// Spatial and temporal layer of each decode target.
    targets: Vec<(u8, u8)>,
    size: Option<(u16, u16)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Template {
    spatial: u8,
    temporal: u8,
    indications: u64,
}

impl Structures {
    /// Reads one packet's descriptor, and keeps the structure if it brings one. Frame differences and chains of a frame
    /// of its own kind stand at its end and are left unread: only a decoder follows them.
    ///
    /// # Errors
    /// `Truncated`; `RtpMalformed` if it refers to a template that is not known, be it that the keyframe was lost.
    pub fn parse(&mut self, bytes: &[u8]) -> Result<DependencyDescriptor, Discard> {
        let (&[head, n0, n1], rest) = bytes.split_first_chunk().ok_or(Discard::Truncated)?;
        let mut bits = Bits::new(rest);
        let flags = if rest.is_empty() { 0 } else { bits.read(5)? };
        let attached = if flags & 0x10 != 0 { Some(Structure::parse(&mut bits)?) } else { None };
        let structure = attached.as_ref().or(self.current.as_ref()).ok_or(Discard::RtpMalformed)?;

        let mut active_targets = attached.as_ref().map(Structure::all_targets);
        if flags & 0x08 != 0 {
            active_targets = Some(bits.read(structure.targets.len() as u32)?);
        }
        let template = head & 0x3F;
        let index = template.wrapping_sub(structure.offset) & 0x3F;
        let known = structure.templates.get(usize::from(index)).ok_or(Discard::RtpMalformed)?;
        let indications =
            if flags & 0x04 != 0 { read_indications(&mut bits, structure.targets.len())? } else { known.indications };
        let mut descriptor = DependencyDescriptor {
            start: head & 0x80 != 0,
            end: head & 0x40 != 0,
            template,
            frame_number: u16::from_be_bytes([n0, n1]),
            spatial: known.spatial,
            temporal: known.temporal,
            structure_attached: attached.is_some(),
            discardable: indications & NEEDED == 0,
            switch: false,
            size: attached.as_ref().and_then(|structure| structure.size),
            active_targets,
            indications,
        };
        let own = structure.targets.iter().position(|&layers| layers == (known.spatial, known.temporal));
        descriptor.switch = own.is_some_and(|target| descriptor.indication(target as u8) == Indication::Switch);
        if attached.is_some() {
            self.current = attached;
        }
        Ok(descriptor)
    }
}

impl Structure {
    /// template_dependency_structure() of A.8.2.
    fn parse(bits: &mut Bits) -> Result<Structure, Discard> {
        let offset = bits.read(6)? as u8;
        let target_count = bits.read(5)?.saturating_add(1) as usize;
        let mut templates = read_layers(bits)?;
        for template in &mut templates {
            template.indications = read_indications(bits, target_count)?;
        }
        for _ in &templates {
            while bits.flag()? {
                bits.skip(4)?; // fdiff_minus_one
            }
        }
        skip_chains(bits, target_count, templates.len())?;

        let uppermost = templates.last().map_or(0, |template| template.spatial);
        let mut size = None;
        if bits.flag()? {
            for _ in 0..=uppermost {
                let [width, height] = [bits.read(16)?, bits.read(16)?].map(|minus_one| minus_one.saturating_add(1));
                size = u16::try_from(width).ok().zip(u16::try_from(height).ok());
            }
        }
        let targets = (0..target_count).map(|target| target_layers(&templates, target)).collect();
        Ok(Structure { offset, templates, targets, size })
    }

    fn all_targets(&self) -> u32 {
        u32::MAX >> 32usize.saturating_sub(self.targets.len())
    }
}

/// template_layers() of A.8.2: each template's layers, as steps from the one before.
fn read_layers(bits: &mut Bits) -> Result<Vec<Template>, Discard> {
    const MAX_TEMPLATES: usize = 64;
    let mut templates = Vec::new();
    let mut template = Template::default();
    while templates.len() < MAX_TEMPLATES {
        templates.push(template);
        match bits.read(2)? {
            0 => {}
            1 => template.temporal = template.temporal.saturating_add(1),
            2 => {
                template.temporal = 0;
                template.spatial = template.spatial.saturating_add(1);
            }
            _ => return Ok(templates),
        }
        // Three bits and two: more an AV1 stream does not have.
        if template.temporal > 7 || template.spatial > 3 {
            return Err(Discard::RtpMalformed);
        }
    }
    Err(Discard::RtpMalformed)
}

fn read_indications(bits: &mut Bits, targets: usize) -> Result<u64, Discard> {
    let mut indications = 0u64;
    for target in 0..targets as u32 {
        indications |= u64::from(bits.read(2)?) << target.saturating_mul(2);
    }
    Ok(indications)
}

/// template_chains() of A.8.2.
fn skip_chains(bits: &mut Bits, targets: usize, templates: usize) -> Result<(), Discard> {
    let chains = bits.below((targets as u32).saturating_add(1))?;
    if chains == 0 {
        return Ok(());
    }
    for _ in 0..targets {
        bits.below(chains)?; // decode_target_protected_by
    }
    bits.skip((templates as u32).saturating_mul(chains).saturating_mul(4)) // template_chain_fdiff
}

/// The highest layers among the frames that a decode target has: decode_target_layers() of A.8.2.
fn target_layers(templates: &[Template], target: usize) -> (u8, u8) {
    let has = |template: &&Template| template.indications >> (target as u32).saturating_mul(2) & 3 != 0;
    let present = || templates.iter().filter(has);
    let spatial = present().map(|template| template.spatial).max().unwrap_or(0);
    let temporal = present().map(|template| template.temporal).max().unwrap_or(0);
    (spatial, temporal)
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
            let _ = structures.parse(&second);
        }
    }
}
