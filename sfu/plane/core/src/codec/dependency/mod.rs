//! The dependency descriptor (AV1 RTP specification, appendix A): the layers and dependencies of a frame of any codec,
//! in a header extension.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

mod rewrite;
mod structure;

use std::sync::Arc;

use super::bits::Bits;
use crate::discard::Discard;

pub use rewrite::{MAX_GROWTH, Rewritten, rewrite};
pub use structure::Structure;

/// The maximum number of direct references of a frame: AV1 has eight reference slots.
const MOST_REFERENCES: usize = 8;
/// One chain per spatial layer, of which AV1 has four. Further chains are not kept.
pub const MOST_CHAINS: usize = 4;

/// A parsed dependency descriptor, which describes its packet's frame. A set of decode targets has one bit per target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DependencyDescriptor {
    /// The first packet of a frame (of one spatial layer's frame).
    pub start: bool,
    /// The last packet of that frame.
    pub end: bool,
    /// frame_dependency_template_id, 6 bits.
    pub template: u8,
    pub frame_number: u16,
    pub spatial: u8,
    pub temporal: u8,
    /// The packet contains the structure that it and later packets refer to: it is a keyframe's first packet.
    pub structure_attached: bool,
    /// No other frame of any decode target refers to the frame.
    pub discardable: bool,
    /// A decoder may switch here to the decode target whose highest layers are this frame's.
    pub switch: bool,
    /// Width and height in pixels of the highest spatial layer, if the structure is attached.
    pub size: Option<(u16, u16)>,
    /// The decode targets that the sender still produces, if this packet states them.
    pub active_targets: Option<u32>,
    /// The active decode targets, as this packet or an earlier one stated them.
    pub active: u32,
    /// The targets that contain the frame.
    pub present: u32,
    /// The targets in which other frames refer to it (Switch or Required).
    pub needed: u32,
    /// The targets of which all later frames can be decoded if this frame can (Switch).
    pub switches: u32,
    /// The distance in frames to the previous frame of each chain; 0 if there is none.
    pub chains: [u8; MOST_CHAINS],
    pub structure: Arc<Structure>,
    references: [u16; MOST_REFERENCES],
    reference_count: u8,
    /// The bit offset in the descriptor where active_decode_targets_bitmask is or would be.
    mask_at: u16,
    /// The bit offset where the last field ends.
    end_at: u16,
}

/// The relation of a frame to a decode target (A.8.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Indication {
    NotPresent,
    Discardable,
    Switch,
    Required,
}

impl DependencyDescriptor {
    /// True for the first packet of a coded video sequence: it has the structure, and its frame refers to no other.
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

    /// The numbers of the frames that it refers to directly.
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
    /// The newest parsed frame number, extended beyond 16 bits: it may wrap between two keyframes.
    newest: u64,
}

#[derive(Clone, Debug)]
struct Kept {
    structure: Arc<Structure>,
    active: u32,
    /// The newest frame that stated the structure or the active targets, as an extended number.
    announced_by: u64,
}

/// Bits of the mandatory fields (A.8.1).
const MANDATORY: u32 = 24;
/// Bits of the flags after them.
const FLAGS: u32 = 5;

impl Structures {
    /// Parses one packet's descriptor and keeps its structure and active targets, unless a newer frame has stated
    /// either.
    ///
    /// # Errors
    /// `Truncated` if it ends early; `RtpMalformed` if it has an unknown template, for example because the keyframe was
    /// lost.
    pub fn parse(&mut self, bytes: &[u8]) -> Result<DependencyDescriptor, Discard> {
        let (&[head, n0, n1], rest) = bytes.split_first_chunk().ok_or(Discard::Truncated)?;
        let frame_number = u16::from_be_bytes([n0, n1]);
        let mut bits = Bits::new(rest);
        let flags = if rest.is_empty() { 0 } else { bits.read(FLAGS)? };
        let attached = if flags & 0x10 != 0 { Some(Structure::parse(&mut bits)?) } else { None };
        let known = self.current.as_ref();
        let (structure, mut active) = match (attached, known) {
            // A repeated structure keeps its Arc, so that users who compare pointers see no change.
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
        let newer = self.current.as_ref().is_none_or(|known| number >= known.announced_by);
        if active_targets.is_some() && newer {
            self.current = Some(Kept { structure: structure.clone(), active, announced_by: number });
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

    /// Extends `frame_number` to the value nearest to the newest. The first one starts above 65,535, so that earlier
    /// frames have a number too.
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
