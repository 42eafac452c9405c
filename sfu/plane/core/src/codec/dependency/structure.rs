//! The template dependency structure (AV1 RTP specification, A.8.2): the frame templates of a stream and its decode
//! targets.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use super::{MOST_CHAINS, MOST_REFERENCES};
use crate::codec::bits::Bits;
use crate::discard::Discard;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Structure {
    /// template_id_offset, 6 bits.
    offset: u8,
    templates: Vec<Template>,
    /// Spatial and temporal layer of each decode target.
    targets: Vec<(u8, u8)>,
    /// The chain that protects each decode target; empty if there are no chains.
    protected_by: Vec<u8>,
    chain_count: u32,
    sizes: Vec<(u16, u16)>,
}

/// The common properties of the frames of one template.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Template {
    pub spatial: u8,
    pub temporal: u8,
    /// See [`DependencyDescriptor`](super::DependencyDescriptor).
    pub present: u32,
    pub needed: u32,
    pub switches: u32,
    /// The distances in frames to the frames that it refers to.
    pub references: [u16; MOST_REFERENCES],
    pub reference_count: u8,
    pub chains: [u8; MOST_CHAINS],
}

impl Structure {
    /// template_dependency_structure() of A.8.2.
    pub(super) fn parse(bits: &mut Bits) -> Result<Structure, Discard> {
        let offset = bits.read(6)? as u8;
        let target_count = bits.read(5)?.saturating_add(1);
        let mut templates = read_layers(bits)?;
        for template in &mut templates {
            template.read_indications(bits, target_count)?;
        }
        for template in &mut templates {
            template.read_references(bits)?;
        }
        let chain_count = bits.below(target_count.saturating_add(1))?;
        let mut protected_by = Vec::new();
        if chain_count > 0 {
            for _ in 0..target_count {
                protected_by.push(bits.below(chain_count)? as u8);
            }
            for template in &mut templates {
                template.read_chains(bits, chain_count, 4)?;
            }
        }
        let uppermost = templates.last().map_or(0, |template| template.spatial);
        let mut sizes = Vec::new();
        if bits.flag()? {
            for _ in 0..=uppermost {
                let pixels = |minus_one: u32| u16::try_from(minus_one.saturating_add(1)).unwrap_or(u16::MAX);
                sizes.push((pixels(bits.read(16)?), pixels(bits.read(16)?)));
            }
        }
        let targets = (0..target_count).map(|target| target_layers(&templates, target)).collect();
        Ok(Structure { offset, templates, targets, protected_by, chain_count, sizes })
    }

    /// The memory that it occupies, in octets.
    pub fn octets(&self) -> usize {
        let lists = [
            size_of_val(self.templates.as_slice()),
            size_of_val(self.targets.as_slice()),
            size_of_val(self.protected_by.as_slice()),
            size_of_val(self.sizes.as_slice()),
        ];
        lists.into_iter().fold(size_of::<Self>(), usize::saturating_add)
    }

    /// At most 32.
    pub fn target_count(&self) -> u32 {
        self.targets.len() as u32
    }

    pub fn all_targets(&self) -> u32 {
        u32::MAX >> 32usize.saturating_sub(self.targets.len())
    }

    /// The targets without layers above these, as bits.
    pub fn within(&self, spatial: u8, temporal: u8) -> u32 {
        let fits = self.targets.iter().rev().map(|layers| layers.0 <= spatial && layers.1 <= temporal);
        fits.fold(0, |set, fits| set << 1 | u32::from(fits))
    }

    /// The highest layers of a decode target, spatial and temporal.
    pub fn layers(&self, target: u8) -> Option<(u8, u8)> {
        self.targets.get(usize::from(target)).copied()
    }

    /// The target whose highest layers are these.
    pub fn target_of(&self, spatial: u8, temporal: u8) -> Option<u8> {
        self.targets.iter().position(|&layers| layers == (spatial, temporal)).map(|target| target as u8)
    }

    /// The spatial layers of those targets, as bits.
    pub fn spatial_layers(&self, targets: u32) -> u8 {
        let of = self.targets.iter().enumerate().filter(|(target, _)| targets >> target & 1 != 0);
        of.fold(0, |set, (_, layers)| set | 1 << (layers.0 & 7))
    }

    pub(super) fn chain(&self, target: u8) -> Option<u8> {
        self.protected_by.get(usize::from(target)).copied()
    }

    pub(super) fn chain_count(&self) -> u32 {
        self.chain_count
    }

    /// Width and height in pixels of each spatial layer, lowest first; empty if the structure does not state them.
    pub fn sizes(&self) -> &[(u16, u16)] {
        &self.sizes
    }

    #[cfg(test)]
    pub(super) fn with_first_id(&self, offset: u8) -> Self {
        Self { offset, ..self.clone() }
    }

    /// The id of its first template. The ids of the others follow it, modulo 64.
    pub fn first_id(&self) -> u8 {
        self.offset
    }

    /// The number of its template ids.
    pub fn id_count(&self) -> u8 {
        self.templates.len() as u8
    }

    pub(super) fn template(&self, id: u8) -> Option<&Template> {
        self.templates.get(usize::from(id.wrapping_sub(self.offset) & 0x3F))
    }
}

impl Template {
    /// Reads two bits for each target: template_dtis() and frame_dtis().
    pub(super) fn read_indications(&mut self, bits: &mut Bits, targets: u32) -> Result<(), Discard> {
        (self.present, self.needed, self.switches) = (0, 0, 0);
        for target in 0..targets {
            let indication = bits.read(2)?;
            self.present |= u32::from(indication != 0) << target;
            self.needed |= u32::from(indication >= 2) << target;
            self.switches |= u32::from(indication == 2) << target;
        }
        Ok(())
    }

    /// template_fdiffs().
    fn read_references(&mut self, bits: &mut Bits) -> Result<(), Discard> {
        while bits.flag()? {
            let distance = bits.read(4)?.saturating_add(1);
            self.add_reference(distance)?;
        }
        Ok(())
    }

    /// Reads frame_fdiffs(): differences of 4, 8 or 12 bits.
    pub(super) fn read_custom_references(&mut self, bits: &mut Bits) -> Result<(), Discard> {
        self.reference_count = 0;
        loop {
            let size = bits.read(2)?;
            if size == 0 {
                return Ok(());
            }
            let distance = bits.read(size.saturating_mul(4))?.saturating_add(1);
            self.add_reference(distance)?;
        }
    }

    /// frame_chains().
    pub(super) fn read_custom_chains(&mut self, bits: &mut Bits, count: u32) -> Result<(), Discard> {
        self.read_chains(bits, count, 8)
    }

    fn read_chains(&mut self, bits: &mut Bits, count: u32, width: u32) -> Result<(), Discard> {
        for chain in 0..count as usize {
            let distance = bits.read(width)? as u8;
            if let Some(kept) = self.chains.get_mut(chain) {
                *kept = distance;
            }
        }
        Ok(())
    }

    fn add_reference(&mut self, distance: u32) -> Result<(), Discard> {
        let place = self.references.get_mut(usize::from(self.reference_count)).ok_or(Discard::RtpMalformed)?;
        *place = distance as u16;
        self.reference_count = self.reference_count.saturating_add(1);
        Ok(())
    }
}

/// Reads template_layers() of A.8.2: the layers of each template, coded relative to the template before it.
fn read_layers(bits: &mut Bits) -> Result<Vec<Template>, Discard> {
    const MAX_TEMPLATES: usize = 64;
    let mut templates = Vec::new();
    let mut template = Template::default();
    while templates.len() < MAX_TEMPLATES {
        templates.push(template.clone());
        match bits.read(2)? {
            0 => {}
            1 => template.temporal = template.temporal.saturating_add(1),
            2 => {
                template.temporal = 0;
                template.spatial = template.spatial.saturating_add(1);
            }
            _ => return Ok(templates),
        }
        // AV1 codes the temporal layer in three bits and the spatial layer in two.
        if template.temporal > 7 || template.spatial > 3 {
            return Err(Discard::RtpMalformed);
        }
    }
    Err(Discard::RtpMalformed)
}

/// The highest layers among the frames of a decode target: decode_target_layers() of A.8.2.
fn target_layers(templates: &[Template], target: u32) -> (u8, u8) {
    let present = || templates.iter().filter(|template| template.present >> target & 1 != 0);
    let spatial = present().map(|template| template.spatial).max().unwrap_or(0);
    let temporal = present().map(|template| template.temporal).max().unwrap_or(0);
    (spatial, temporal)
}
