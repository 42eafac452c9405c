//! The VP9 payload descriptor (RFC 9628 s4.2): spatial and temporal layers of one stream.
//!
//! ```text
//! |I|P|L|F|B|E|V|Z|
//! |M| PICTURE ID  |  if I; with M, 8 more bits of it follow
//! | TID |U| SID |D|  if L
//! |   TL0PICIDX   |  if L and not F
//! | P_DIFF      |N|  if P and F, up to three times
//! | SS ..         |  if V
//! ```
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use super::Description;
use crate::discard::Discard;

const HAS_PICTURE_ID: u8 = 0x80;
/// The frame depends on another picture.
const INTER_PICTURE: u8 = 0x40;
const HAS_LAYERS: u8 = 0x20;
const FLEXIBLE: u8 = 0x10;
const START: u8 = 0x08;
const END: u8 = 0x04;
const HAS_STRUCTURE: u8 = 0x02;

/// Reference indices of one frame in flexible mode.
const MAX_REFERENCES: usize = 3;

/// # Errors
/// `Truncated` if the descriptor is, `RtpMalformed` if it names more references than there can be.
pub fn describe(payload: &[u8]) -> Result<Description, Discard> {
    let mut octets = payload.iter();
    let mut next = || octets.next().copied().ok_or(Discard::Truncated);

    let flags = next()?;
    if flags & HAS_PICTURE_ID != 0 && next()? & 0x80 != 0 {
        next()?;
    }
    let layers = if flags & HAS_LAYERS != 0 { next()? } else { 0 };
    if flags & HAS_LAYERS != 0 && flags & FLEXIBLE == 0 {
        next()?;
    }
    if flags & INTER_PICTURE != 0 && flags & FLEXIBLE != 0 {
        let mut references = 1usize;
        while next()? & 1 != 0 {
            references = references.saturating_add(1);
            if references > MAX_REFERENCES {
                return Err(Discard::RtpMalformed);
            }
        }
    }
    let size = if flags & HAS_STRUCTURE != 0 { structure(&mut next)? } else { None };

    let spatial = layers >> 1 & 0x07;
    let start = flags & START != 0;
    Ok(Description {
        keyframe: start && flags & INTER_PICTURE == 0 && spatial == 0,
        start,
        end: flags & END != 0,
        spatial,
        temporal: layers >> 5,
        layer_sync: layers & 0x10 != 0,
        size,
        ..Description::default()
    })
}

/// Reads a scalability structure over to its end (s4.2.1), and tells the size of its uppermost spatial layer.
///
/// ```text
/// | N_S |Y|G|-|-|-|
/// |     WIDTH     |  16 bits, if Y, for each of N_S + 1 layers
/// |     HEIGHT    |  16 bits
/// |      N_G      |  if G
/// | TID |U| R |-|-|  for each of N_G pictures, then R octets of P_DIFF
/// ```
fn structure(next: &mut impl FnMut() -> Result<u8, Discard>) -> Result<Option<(u16, u16)>, Discard> {
    let head = next()?;
    let mut size = None;
    if head & 0x10 != 0 {
        for _ in 0..=head >> 5 {
            size = Some((u16::from_be_bytes([next()?, next()?]), u16::from_be_bytes([next()?, next()?])));
        }
    }
    if head & 0x08 != 0 {
        for _ in 0..next()? {
            for _ in 0..next()? >> 2 & 0x03 {
                next()?;
            }
        }
    }
    Ok(size)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// I, not P, L, F, B, V; picture id 0x1234; TID 0, U, SID 0; three layers up to 1280x720, a group of one picture.
    fn keyframe_with_structure() -> Vec<u8> {
        let mut payload = vec![0xBA, 0x92, 0x34, 0x10, 0x58];
        for (width, height) in [(320u16, 180u16), (640, 360), (1280, 720)] {
            payload.extend(width.to_be_bytes());
            payload.extend(height.to_be_bytes());
        }
        payload.extend([1, 0x04, 1, 0x82]);
        payload
    }

    #[test]
    fn a_keyframe_tells_the_size_of_its_uppermost_layer() {
        let description = describe(&keyframe_with_structure()).unwrap();
        assert_eq!(
            description,
            Description {
                keyframe: true,
                start: true,
                layer_sync: true,
                size: Some((1280, 720)),
                ..Description::default()
            }
        );
    }

    #[test]
    fn a_descriptor_that_ends_early_is_truncated() {
        let whole = keyframe_with_structure();
        for length in 0..whole.len() - 1 {
            assert_eq!(describe(&whole[..length]), Err(Discard::Truncated), "{length} octets");
        }
    }

    #[test]
    fn decoding_cannot_start_at_an_upper_spatial_layer() {
        // Not P, L, F, B, E: TID 2, SID 1, D.
        let description = describe(&[0x3C, 0x43, 0]).unwrap();
        assert_eq!((description.keyframe, description.start, description.end), (false, true, true));
        assert_eq!((description.spatial, description.temporal, description.layer_sync), (1, 2, false));
    }

    #[test]
    fn references_of_the_flexible_mode_are_at_most_three() {
        assert!(describe(&[INTER_PICTURE | FLEXIBLE, 3, 3, 2, 0xFF]).is_ok());
        assert_eq!(describe(&[INTER_PICTURE | FLEXIBLE, 3, 3, 3, 2]), Err(Discard::RtpMalformed));
    }

    #[test]
    fn outside_the_flexible_mode_a_tl0_index_follows_the_layers() {
        // I, P, L, B, V: the structure begins behind picture id, layers and TL0PICIDX.
        let payload = [0xEA, 0x05, 0x30, 0x77, 0x10, 0x02, 0x80, 0x01, 0x68, 0x82];
        let description = describe(&payload).unwrap();
        assert_eq!(description.size, Some((640, 360)));
        assert_eq!((description.temporal, description.layer_sync, description.keyframe), (1, true, false));
    }

    proptest! {
        #[test]
        fn hostile_payloads_never_panic(payload in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = describe(&payload);
        }
    }
}
