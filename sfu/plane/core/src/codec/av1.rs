//! AV1 packets (the RTP specification's aggregation header, s4.4) and the dependency descriptor (its appendix A), which
//! tells of layers and dependencies outside the payload.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use super::Description;
use super::bits::Bits;
use crate::discard::Discard;

/// OBU types (AV1 s6.2.2).
const SEQUENCE_HEADER: u8 = 1;

/// Without a dependency descriptor, `start` is that the packet begins with an OBU, which need not be a frame's first.
///
/// ```text
/// |Z|Y| W |N|-|-|-|  Z: continues an OBU, Y: ends in the middle of one, W: elements (0: each has a length),
/// | element length |  N: first packet of a coded video sequence
/// | OBU ..         |
/// ```
///
/// # Errors
/// `Truncated` if an element leads past the end.
pub fn describe(payload: &[u8]) -> Result<Description, Discard> {
    let (&aggregation, mut rest) = payload.split_first().ok_or(Discard::Truncated)?;
    let continues = aggregation & 0x80 != 0;
    let count = aggregation >> 4 & 0x03;
    let mut description =
        Description { keyframe: aggregation & 0x08 != 0 && !continues, start: !continues, ..Description::default() };
    let mut index = 0u8;
    while !rest.is_empty() {
        index = index.saturating_add(1);
        let element;
        if index == count {
            (element, rest) = (rest, &[]);
        } else {
            let (length, behind) = leb128(rest)?;
            (element, rest) = behind.split_at_checked(length).ok_or(Discard::Truncated)?;
        }
        if index > 1 || !continues {
            look_at(element, &mut description);
        }
    }
    Ok(description)
}

/// ```text
/// |F| type  |X|S|-|
/// | TID | SID |-|-|-|  if X
/// | obu_size        |  if S, leb128
/// ```
fn look_at(obu: &[u8], description: &mut Description) {
    let Some((&header, mut body)) = obu.split_first() else { return };
    if header & 0x04 != 0
        && let Some((&extension, behind)) = body.split_first()
    {
        description.temporal = extension >> 5;
        description.spatial = extension >> 3 & 0x03;
        body = behind;
    }
    if header & 0x02 != 0
        && let Ok((_, behind)) = leb128(body)
    {
        body = behind;
    }
    if header >> 3 & 0x0F == SEQUENCE_HEADER {
        description.size = sequence_size(body).ok();
    }
}

/// AV1 s4.10.5; longer than 32 bits is malformed.
fn leb128(bytes: &[u8]) -> Result<(usize, &[u8]), Discard> {
    let mut value = 0u64;
    for (n, &octet) in bytes.iter().enumerate().take(5) {
        value |= u64::from(octet & 0x7F) << (n as u32).saturating_mul(7);
        if octet & 0x80 == 0 {
            let behind = bytes.get(n.saturating_add(1)..).unwrap_or_default();
            return usize::try_from(value).map(|value| (value, behind)).map_err(|_| Discard::RtpMalformed);
        }
    }
    Err(if bytes.len() < 5 { Discard::Truncated } else { Discard::RtpMalformed })
}

/// The size of the largest frame that a sequence header allows (AV1 s5.5.1).
fn sequence_size(header: &[u8]) -> Result<(u16, u16), Discard> {
    let mut bits = Bits::new(header);
    bits.skip(4)?; // seq_profile, still_picture
    if bits.flag()? {
        bits.skip(5)?; // reduced_still_picture_header: seq_level_idx
    } else {
        skip_operating_points(&mut bits)?;
    }
    let width_bits = bits.read(4)?.saturating_add(1);
    let height_bits = bits.read(4)?.saturating_add(1);
    let width = bits.read(width_bits)?.saturating_add(1);
    let height = bits.read(height_bits)?.saturating_add(1);
    let size = (u16::try_from(width), u16::try_from(height));
    let (Ok(width), Ok(height)) = size else { return Err(Discard::RtpMalformed) };
    Ok((width, height))
}

fn skip_operating_points(bits: &mut Bits) -> Result<(), Discard> {
    let mut delay_bits = None;
    if bits.flag()? {
        bits.skip(64)?; // timing_info: num_units_in_display_tick, time_scale
        if bits.flag()? {
            bits.golomb()?; // num_ticks_per_picture_minus_1
        }
        if bits.flag()? {
            delay_bits = Some(bits.read(5)?.saturating_add(1));
            bits.skip(42)?; // num_units_in_decoding_tick, two lengths
        }
    }
    let initial_display_delay = bits.flag()?;
    for _ in 0..=bits.read(5)? {
        bits.skip(12)?; // operating_point_idc
        if bits.read(5)? > 7 {
            bits.skip(1)?; // seq_tier
        }
        if let Some(delay_bits) = delay_bits
            && bits.flag()?
        {
            bits.skip(delay_bits.saturating_mul(2).saturating_add(1))?;
        }
        if initial_display_delay && bits.flag()? {
            bits.skip(4)?;
        }
    }
    Ok(())
}

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
