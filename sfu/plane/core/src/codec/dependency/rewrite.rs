//! A descriptor as one subscriber gets it: its own numbers, and which decode targets are left for it.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use super::{DependencyDescriptor, FLAGS, MANDATORY};
use crate::codec::bits::{BitWriter, Bits};

/// Octets that a descriptor may grow by: flags and bitmask, where it had neither, and what rounding adds.
pub const MAX_GROWTH: usize = 6;

/// template_dependency_structure_present_flag among the flags.
const STRUCTURE: u32 = 0x10;
/// active_decode_targets_present_flag.
const ACTIVE: u32 = 0x08;

/// frame_dependency_template_id and template_id_offset.
const ID_WIDTH: u32 = 6;
const ID_MASK: u32 = 0x3F;

/// Numbers of one subscriber.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rewritten {
    pub frame_number: u16,
    /// What is added to template ids.
    pub templates: u8,
    /// Decode targets that are left.
    pub active_targets: u32,
}

/// Copies the descriptor that `parsed` was read from to the front of `out`, with the numbers of `new`, and
/// with active targets told, whether it told them or not: a receiver that believes in targets which are left out waits
/// for their frames. Returns its length; None if it does not fit.
///
/// ```text
/// | start, end, template | frame number | flags | offset, structure? | bitmask? | indications, differences, chains? |
///               ^ exchanged                ^ set  ^ exchanged          ^ exchanged or put in
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
    // Of a descriptor of three octets there is nothing behind.
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
