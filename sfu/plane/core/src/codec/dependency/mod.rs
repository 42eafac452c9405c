//! The dependency descriptor (AV1 RTP specification, appendix A): layers and dependencies of a frame, told outside the
//! payload, of whatever codec.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

mod rewrite;
mod structure;

use std::sync::Arc;

use super::bits::Bits;
use crate::discard::Discard;

pub use rewrite::{MAX_GROWTH, Rewritten, rewrite};
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
mod tests;
