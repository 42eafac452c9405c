//! Parses H.264 packets (RFC 6184): single NAL units, STAP-A and FU-A, which WebRTC uses (packetization modes 0, 1).
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use super::Description;
use super::bits::Bits;
use super::nal::{Plain, cropped, next_unit};
use crate::discard::Discard;

/// NAL unit types (H.264 table 7-1, RFC 6184 s5.2).
const SLICE: u8 = 1;
const IDR: u8 = 5;
const SPS: u8 = 7;
const DELIMITER: u8 = 9;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;
/// The types of H.264 itself. WebRTC uses no packet types other than these, STAP-A and FU-A.
const UNITS: std::ops::RangeInclusive<u8> = 1..=21;
/// forbidden_zero_bit, which marks a unit with errors. WebRTC senders never set it.
const FORBIDDEN: u8 = 0x80;

/// A packet is a keyframe if it contains a sequence parameter set or the first slice of an IDR picture. If these arrive
/// in separate packets, both packets are flagged; they share a timestamp.
///
/// # Errors
/// `Truncated` if the packet ends inside a header or an aggregated unit.
pub fn describe(payload: &[u8]) -> Result<Description, Discard> {
    let (&indicator, body) = payload.split_first().ok_or(Discard::Truncated)?;
    let mut description = Description::default();
    let kind = indicator & 0x1F;
    match kind {
        STAP_A => {
            let mut rest = body;
            while !rest.is_empty() {
                let (unit, behind) = next_unit(rest)?;
                let (&header, unit) = unit.split_first().ok_or(Discard::Truncated)?;
                look_at(header & 0x1F, unit, &mut description);
                rest = behind;
            }
        }
        FU_A => {
            let (&header, fragment) = body.split_first().ok_or(Discard::Truncated)?;
            if header & 0x80 != 0 {
                look_at(header & 0x1F, fragment, &mut description);
            }
            description.discardable = header & 0x1F == SLICE;
        }
        kind => look_at(kind, body, &mut description),
    }
    description.readable = Some(indicator & FORBIDDEN == 0 && (UNITS.contains(&kind) || matches!(kind, STAP_A | FU_A)));
    // nal_ref_idc: an aggregation packet repeats the highest of its units, a fragment repeats that of its unit.
    description.discardable &= indicator & 0x60 == 0;
    Ok(description)
}

fn look_at(kind: u8, unit: &[u8], description: &mut Description) {
    // first_mb_in_slice is zero, which Exp-Golomb codes as one set bit.
    let first_slice = unit.first().is_some_and(|octet| octet & 0x80 != 0);
    match kind {
        SPS => {
            description.keyframe = true;
            description.start = true;
            description.size = size(unit).ok().flatten();
        }
        IDR if first_slice => {
            description.lacks_parameters = !description.keyframe;
            description.keyframe = true;
            description.start = true;
        }
        SLICE => {
            description.start |= first_slice;
            description.discardable = true;
        }
        DELIMITER => description.start = true,
        _ => {}
    }
}

/// Profiles whose parameter sets contain chroma and scaling fields (H.264 s7.3.2.1.1).
const HIGH_PROFILES: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

/// The cropped width and height in pixels of a sequence parameter set (H.264 s7.3.2.1.1).
fn size(sps: &[u8]) -> Result<Option<(u16, u16)>, Discard> {
    let plain = Plain::new(sps);
    let mut bits = Bits::new(plain.bytes());
    let profile = bits.read(8)?;
    bits.skip(16)?; // constraints, level
    bits.golomb()?; // seq_parameter_set_id
    let mut chroma = 1;
    let mut separate_planes = false;
    if HIGH_PROFILES.contains(&profile) {
        chroma = bits.golomb()?;
        separate_planes = chroma == 3 && bits.flag()?;
        bits.golomb()?; // bit_depth_luma_minus8
        bits.golomb()?; // bit_depth_chroma_minus8
        bits.skip(1)?; // qpprime_y_zero_transform_bypass_flag
        if bits.flag()? {
            let lists = if chroma == 3 { 12 } else { 8 };
            for list in 0..lists {
                if bits.flag()? {
                    skip_scaling_list(&mut bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    bits.golomb()?; // log2_max_frame_num_minus4
    match bits.golomb()? {
        0 => {
            bits.golomb()?; // log2_max_pic_order_cnt_lsb_minus4
        }
        1 => {
            bits.skip(1)?; // delta_pic_order_always_zero_flag
            bits.golomb()?; // offset_for_non_ref_pic
            bits.golomb()?; // offset_for_top_to_bottom_field
            for _ in 0..bits.golomb()?.min(255) {
                bits.golomb()?; // offset_for_ref_frame
            }
        }
        _ => {}
    }
    bits.golomb()?; // max_num_ref_frames
    bits.skip(1)?; // gaps_in_frame_num_value_allowed_flag
    let width = bits.golomb()?.saturating_add(1).saturating_mul(16);
    let map_units = bits.golomb()?.saturating_add(1).saturating_mul(16);
    let fields = if bits.flag()? { 1 } else { 2 };
    if fields == 2 {
        bits.skip(1)?; // mb_adaptive_frame_field_flag
    }
    bits.skip(1)?; // direct_8x8_inference_flag
    let crop = if bits.flag()? { [bits.golomb()?, bits.golomb()?, bits.golomb()?, bits.golomb()?] } else { [0; 4] };
    let [left, right, top, bottom] = crop;
    let halves_width = matches!(chroma, 1 | 2) && !separate_planes;
    let halves_height = chroma == 1 && !separate_planes;
    let unit_x = 1 << u32::from(halves_width);
    let unit_y = fields << u32::from(halves_height);
    let height = map_units.saturating_mul(fields);
    Ok(cropped(width, unit_x, left, right).zip(cropped(height, unit_y, top, bottom)))
}

/// Skips scaling_list() of H.264 s7.3.2.1.1.1.
fn skip_scaling_list(bits: &mut Bits, entries: u32) -> Result<(), Discard> {
    let mut last = 8i32;
    for _ in 0..entries {
        last = last.wrapping_add(bits.signed_golomb()?) & 0xFF;
        if last == 0 {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Parameter sets as x264 wrote them: baseline 1280x720, high 640x360, high 320x180.
    const SPS_720: &[u8] = b"\x67\x42\xc0\x1f\xda\x01\x40\x16\xe8\x40\x00\x00\x03\x00\x40\x00\x00\x0f\x23\xc6\x0c\xa8";
    const SPS_360: &[u8] =
        b"\x67\x64\x00\x1e\xac\xb6\x05\x01\x7f\xcb\x08\x00\x00\x03\x00\x08\x00\x00\x03\x01\xe4\x78\xb1\x77";
    const SPS_180: &[u8] =
        b"\x67\x64\x00\x0d\xac\xb6\x0a\x0c\xfc\xf0\x80\x00\x00\x03\x00\x80\x00\x00\x1e\x47\x8a\x15\x70";
    const PPS: &[u8] = b"\x68\xea\xcc\xb2\x2c";
    /// The first slice of a frame that others refer to.
    const SLICE_720: &[u8] = b"\x41\x9a\x20\x19\x2f\x51";

    fn stap_a(units: &[&[u8]]) -> Vec<u8> {
        let mut payload = vec![0x60 | STAP_A];
        for unit in units {
            payload.extend((unit.len() as u16).to_be_bytes());
            payload.extend_from_slice(unit);
        }
        payload
    }

    #[test]
    fn the_size_is_that_of_the_parameter_set_less_the_cropping() {
        let sizes = [SPS_720, SPS_360, SPS_180].map(|sps| describe(sps).unwrap().size.unwrap());
        assert_eq!(sizes, [(1280, 720), (640, 360), (320, 180)]);
    }

    #[test]
    fn parameter_sets_in_an_aggregate_begin_a_keyframe() {
        let description = describe(&stap_a(&[SPS_360, PPS])).unwrap();
        assert!(description.keyframe && description.start && !description.discardable);
        assert_eq!(description.size, Some((640, 360)));
        assert!(!describe(&stap_a(&[PPS])).unwrap().keyframe);
    }

    #[test]
    fn of_a_fragmented_idr_picture_only_the_first_fragment_begins_it() {
        let fragment = |flags: u8, first: u8| describe(&[0x60 | FU_A, flags | IDR, first, 0x84]).unwrap();
        assert!(fragment(0x80, 0x88).keyframe);
        assert!(!fragment(0x00, 0x88).keyframe, "the middle");
        assert!(!fragment(0x40, 0x88).keyframe, "the end");
        assert!(!fragment(0x80, 0x48).keyframe, "a later slice of the picture");
    }

    #[test]
    fn a_slice_begins_a_frame_that_can_be_dropped_if_nothing_refers_to_it() {
        let description = describe(SLICE_720).unwrap();
        assert_eq!((description.start, description.keyframe, description.discardable), (true, false, false));
        assert!(describe(&[SLICE, 0x9A]).unwrap().discardable);
        assert!(describe(&[FU_A, SLICE, 0x9A]).unwrap().discardable, "in fragments, too");
    }

    #[test]
    fn an_aggregate_that_leads_past_its_end_is_truncated() {
        let whole = stap_a(&[SPS_360]);
        assert_eq!(describe(&whole[..whole.len() - 1]), Err(Discard::Truncated));
        assert_eq!(describe(&[STAP_A, 0, 0]), Err(Discard::Truncated), "a unit of nothing");
        assert_eq!(describe(&[]), Err(Discard::Truncated));
        assert_eq!(describe(&[FU_A]), Err(Discard::Truncated));
    }

    #[test]
    fn a_parameter_set_that_cannot_be_read_is_a_keyframe_of_unknown_size() {
        let description = describe(&SPS_720[..6]).unwrap();
        assert_eq!((description.keyframe, description.size), (true, None));
    }

    proptest! {
        #[test]
        fn hostile_payloads_never_panic(
            kind in prop::sample::select(vec![SLICE, IDR, SPS, STAP_A, FU_A, 0, 31]),
            rest in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let _ = describe(&[&[0x60 | kind], &rest[..]].concat());
        }

        #[test]
        fn hostile_parameter_sets_never_panic(
            profile in prop::sample::select(vec![66u8, 100, 244]),
            rest in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let _ = describe(&[&[SPS, profile], &rest[..]].concat());
        }
    }
}
