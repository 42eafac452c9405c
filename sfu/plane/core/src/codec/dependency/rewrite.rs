//! Rewrites a dependency descriptor for one subscriber: its numbers and its active decode targets.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use super::{DependencyDescriptor, FLAGS, MANDATORY};
use crate::codec::bits::{BitWriter, Bits};

/// The most octets that a descriptor can grow by: flags and bitmask, if it had neither, and rounding.
pub const MAX_GROWTH: usize = 6;

/// template_dependency_structure_present_flag among the flags.
const STRUCTURE: u32 = 0x10;
/// active_decode_targets_present_flag.
const ACTIVE: u32 = 0x08;

/// frame_dependency_template_id and template_id_offset.
const ID_WIDTH: u32 = 6;
const ID_MASK: u32 = 0x3F;

/// The values that one subscriber receives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rewritten {
    pub frame_number: u16,
    /// The offset that is added to template ids.
    pub templates: u8,
    /// The decode targets that remain active, as bits.
    pub active_targets: u32,
}

/// Copies `original`, from which `parsed` was read, to the start of `out` with the values of `new`. The copy always
/// states the active targets, because a receiver waits for the frames of every target that it believes active. Returns
/// the length in octets; `None` if it does not fit.
///
/// ```text
/// | start, end, template | frame number | flags | offset, structure? | bitmask? | indications, differences, chains? |
///               ^ replaced                 ^ set  ^ replaced           ^ replaced or inserted
/// ```
pub fn rewrite(out: &mut [u8], original: &[u8], parsed: &DependencyDescriptor, new: Rewritten) -> Option<usize> {
    let targets = parsed.structure.target_count();
    let mut bits = Bits::new(original);
    let mut writer = BitWriter::new(out);
    let moved = |id: u32| id.wrapping_add(new.templates.into()) & ID_MASK;
    writer.put(2, bits.read(2).ok()?)?;
    writer.put(ID_WIDTH, moved(bits.read(ID_WIDTH).ok()?))?;
    bits.skip(16).ok()?;
    writer.put(16, new.frame_number.into())?;
    // A descriptor of three octets has only the mandatory fields.
    let extended = u32::from(parsed.mask_at) > MANDATORY;
    let flags = if extended { bits.read(FLAGS).ok()? } else { 0 };
    writer.put(FLAGS, flags | ACTIVE)?;
    if flags & STRUCTURE != 0 {
        writer.put(ID_WIDTH, moved(bits.read(ID_WIDTH).ok()?))?;
    }
    let structure = u32::from(parsed.mask_at).saturating_sub(bits.position());
    copy(&mut writer, &mut bits, structure)?;
    writer.put(targets, new.active_targets)?;
    if flags & ACTIVE != 0 {
        bits.skip(targets).ok()?;
    }
    let rest = u32::from(parsed.end_at).saturating_sub(bits.position());
    copy(&mut writer, &mut bits, rest)?;
    Some(writer.finish())
}

fn copy(writer: &mut BitWriter, bits: &mut Bits, mut count: u32) -> Option<()> {
    while count > 0 {
        let some = count.min(32);
        writer.put(some, bits.read(some).ok()?)?;
        count = count.saturating_sub(some);
    }
    Some(())
}
