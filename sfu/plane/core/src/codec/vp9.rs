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

/// The fields of a descriptor that only a forwarder needs, and the counters that it rewrites.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Numbers {
    pub picture_id: Option<u16>,
    /// True if the picture id has 15 bits, not 7.
    pub long_picture_id: bool,
    pub tl0_picture_index: Option<u8>,
    /// The packet names its layer. Without a name there is one layer.
    pub has_layers: bool,
    /// The frame refers to frames of earlier pictures (P).
    pub inter_picture: bool,
    /// The frame refers to the spatial layer below it in the same picture (D).
    pub inter_layer: bool,
    /// No higher spatial layer of the same picture refers to the frame (Z).
    pub stands_alone: bool,
    /// The number of spatial layers in the scalability structure; 0 if the packet has none.
    pub spatial_layers: u8,
    /// Width and height in pixels by spatial layer, from the scalability structure; (0, 0) if not stated.
    pub sizes: [(u16, u16); MOST_SIZES],
}

/// Sizes are kept for this many spatial layers. No browser sends more than three.
const MOST_SIZES: usize = 4;

const HAS_PICTURE_ID: u8 = 0x80;
/// The frame depends on another picture.
const INTER_PICTURE: u8 = 0x40;
const HAS_LAYERS: u8 = 0x20;
const FLEXIBLE: u8 = 0x10;
const START: u8 = 0x08;
const END: u8 = 0x04;
const HAS_STRUCTURE: u8 = 0x02;
const STANDS_ALONE: u8 = 0x01;
/// M in the octet after the flags, and D in the octet with the layers.
const LONG: u8 = 0x80;
const INTER_LAYER: u8 = 0x01;

/// The maximum number of reference indices of one frame in flexible mode.
const MAX_REFERENCES: usize = 3;

/// # Errors
/// `Truncated` if the payload ends inside the descriptor, `RtpMalformed` if it has more than three references.
pub fn describe(payload: &[u8]) -> Result<Description, Discard> {
    let mut octets = payload.iter();
    let mut next = || octets.next().copied().ok_or(Discard::Truncated);

    let flags = next()?;
    let mut numbers = Numbers {
        has_layers: flags & HAS_LAYERS != 0,
        inter_picture: flags & INTER_PICTURE != 0,
        stands_alone: flags & STANDS_ALONE != 0,
        ..Numbers::default()
    };
    if flags & HAS_PICTURE_ID != 0 {
        let high = next()?;
        numbers.long_picture_id = high & LONG != 0;
        let picture_id = if numbers.long_picture_id { [high & !LONG, next()?] } else { [0, high] };
        numbers.picture_id = Some(u16::from_be_bytes(picture_id));
    }
    let layers = if numbers.has_layers { next()? } else { 0 };
    numbers.inter_layer = layers & INTER_LAYER != 0;
    if numbers.has_layers && flags & FLEXIBLE == 0 {
        numbers.tl0_picture_index = Some(next()?);
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
    let mut size = None;
    if flags & HAS_STRUCTURE != 0 {
        size = structure(&mut next, &mut numbers)?;
    }

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
        vp9: Some(numbers),
        ..Description::default()
    })
}

/// Copies `payload`, from which `numbers` was read, into `out` with other counters. Returns the new length, which is
/// one octet more if the picture id had 7 bits, because it is widened to 15.
///
/// # Panics
/// If `out` is shorter than the new length.
pub fn write(out: &mut [u8], payload: &[u8], numbers: &Numbers, picture_id: u16, tl0: u8) -> usize {
    let id_octets = numbers.picture_id.map_or(0, |_| if numbers.long_picture_id { 2usize } else { 1 });
    let tail = payload.get(id_octets.saturating_add(1)..).unwrap_or_default();
    let flags = payload.first().copied().unwrap_or_default();
    let [high, low] = (picture_id | 0x8000).to_be_bytes();
    let head = [flags, high, low];
    let head = head.get(..if id_octets > 0 { 3 } else { 1 }).unwrap_or_default();
    let length = head.len().saturating_add(tail.len());
    let (out_head, out_tail) = out.split_at_mut(head.len());
    out_head.copy_from_slice(head);
    let out_tail = out_tail.get_mut(..tail.len()).expect("the caller left room for the payload and one octet more");
    out_tail.copy_from_slice(tail);
    if numbers.tl0_picture_index.is_some()
        && let Some(octet) = out_tail.get_mut(1)
    {
        *octet = tl0;
    }
    length
}

/// Reads a scalability structure (s4.2.1) to its end: the number of spatial layers and their sizes. Returns the size of
/// the highest layer.
///
/// ```text
/// | N_S |Y|G|-|-|-|
/// |     WIDTH     |  16 bits, if Y, for each of N_S + 1 layers
/// |     HEIGHT    |  16 bits
/// |      N_G      |  if G
/// | TID |U| R |-|-|  for each of N_G pictures, then R octets of P_DIFF
/// ```
fn structure(
    next: &mut impl FnMut() -> Result<u8, Discard>,
    numbers: &mut Numbers,
) -> Result<Option<(u16, u16)>, Discard> {
    let head = next()?;
    numbers.spatial_layers = (head >> 5).saturating_add(1);
    let mut size = None;
    if head & 0x10 != 0 {
        for layer in 0..usize::from(numbers.spatial_layers) {
            let announced = (u16::from_be_bytes([next()?, next()?]), u16::from_be_bytes([next()?, next()?]));
            size = Some(announced);
            if let Some(kept) = numbers.sizes.get_mut(layer) {
                *kept = announced;
            }
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
    fn a_keyframe_tells_the_sizes_of_its_layers() {
        let description = describe(&keyframe_with_structure()).unwrap();
        assert_eq!(
            description,
            Description {
                keyframe: true,
                start: true,
                layer_sync: true,
                size: Some((1280, 720)),
                vp9: Some(Numbers {
                    picture_id: Some(0x1234),
                    long_picture_id: true,
                    has_layers: true,
                    spatial_layers: 3,
                    sizes: [(320, 180), (640, 360), (1280, 720), (0, 0)],
                    ..Numbers::default()
                }),
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
        let numbers = description.vp9.unwrap();
        assert_eq!((numbers.picture_id, numbers.tl0_picture_index), (Some(5), Some(0x77)));
        assert!(numbers.inter_picture && !numbers.inter_layer && !numbers.stands_alone);
    }

    #[test]
    fn a_copy_has_other_numbers_and_a_long_picture_id() {
        let short = [0xEA, 0x05, 0x30, 0x77, 0x10, 0x02, 0x80, 0x01, 0x68, 0x82];
        let long = keyframe_with_structure();
        let without = [0x2C, 0x30, 0x77, 0x82];
        let cases: [(&[u8], &[u8]); 3] = [
            (&short, &[&[0xEA, 0xFF, 0xFE, 0x30, 0x56], &short[4..]].concat()),
            (&long, &[&[0xBA, 0xFF, 0xFE], &long[3..]].concat()),
            (&without, &[0x2C, 0x30, 0x56, 0x82]),
        ];
        for (payload, expected) in cases {
            let numbers = describe(payload).unwrap().vp9.unwrap();
            let mut out = [0xEE; 64];
            let length = write(&mut out, payload, &numbers, 0x7FFE, 0x56);
            assert_eq!(out[..length], *expected);
        }
    }

    proptest! {
        #[test]
        fn hostile_payloads_never_panic(payload in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(description) = describe(&payload) {
                let mut out = [0; 65];
                write(&mut out, &payload, &description.vp9.unwrap(), 1, 2);
            }
        }
    }
}
