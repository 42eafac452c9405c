//! Parses H.265 packets (RFC 7798 s4.4): single NAL units, aggregation packets and fragmentation units. Decoding order
//! numbers are not supported, because WebRTC does not use them.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use super::Description;
use super::bits::Bits;
use super::nal::{Plain, cropped, next_unit};
use crate::discard::Discard;

/// NAL unit types (H.265 table 7-1).
const TSA: std::ops::RangeInclusive<u8> = 2..=5; // TSA_N, TSA_R, STSA_N, STSA_R: a decoder may switch up
const SLICES: std::ops::RangeInclusive<u8> = 0..=31;
/// BLA, IDR, CRA and two reserved types: pictures from which decoding can start.
const RANDOM_ACCESS: std::ops::RangeInclusive<u8> = 16..=23;
const VPS: u8 = 32;
const SPS: u8 = 33;
const DELIMITER: u8 = 35;
/// RFC 7798 s4.4.2, s4.4.3.
const AGGREGATION: u8 = 48;
const FRAGMENTATION: u8 = 49;
/// forbidden_zero_bit, which marks a unit with errors.
const FORBIDDEN: u8 = 0x80;

/// A packet is a keyframe if it contains a video or sequence parameter set or the first slice of a random access
/// picture. (A picture parameter set alone may arrive at any time.) The flagged packets of one keyframe share a
/// timestamp.
///
/// # Errors
/// `Truncated` if the packet ends inside a header or an aggregated unit, `RtpMalformed` if nuh_temporal_id_plus1 is
/// zero.
pub fn describe(payload: &[u8]) -> Result<Description, Discard> {
    let (&header, body) = payload.split_first_chunk::<2>().ok_or(Discard::Truncated)?;
    let [_, low] = header;
    let temporal = (low & 0x07).checked_sub(1).ok_or(Discard::RtpMalformed)?;
    let mut description = Description { temporal, ..Description::default() };
    match kind(header) {
        AGGREGATION => {
            let mut rest = body;
            while !rest.is_empty() {
                let (unit, behind) = next_unit(rest)?;
                let (&header, unit) = unit.split_first_chunk::<2>().ok_or(Discard::Truncated)?;
                look_at(kind(header), unit, &mut description);
                rest = behind;
            }
        }
        FRAGMENTATION => {
            let (&header, fragment) = body.split_first().ok_or(Discard::Truncated)?;
            if header & 0x80 != 0 {
                look_at(header & 0x3F, fragment, &mut description);
            }
        }
        kind => look_at(kind, body, &mut description),
    }
    let [high, _] = header;
    description.readable =
        Some(high & FORBIDDEN == 0 && matches!(kind(header), 0..=9 | 16..=21 | 32..=40 | AGGREGATION | FRAGMENTATION));
    Ok(description)
}

fn kind([high, _]: [u8; 2]) -> u8 {
    high >> 1 & 0x3F
}

fn look_at(kind: u8, unit: &[u8], description: &mut Description) {
    // first_slice_segment_in_pic_flag
    let first_slice = SLICES.contains(&kind) && unit.first().is_some_and(|octet| octet & 0x80 != 0);
    description.start |= first_slice || matches!(kind, VPS | SPS | DELIMITER);
    let keyframe = first_slice && RANDOM_ACCESS.contains(&kind) || matches!(kind, VPS | SPS);
    description.lacks_parameters |= keyframe && !description.keyframe && kind != VPS;
    description.keyframe |= keyframe;
    description.layer_sync |= first_slice && TSA.contains(&kind);
    if kind == SPS {
        description.size = size(unit).ok().flatten();
    }
}

/// The width and height in pixels of a sequence parameter set's conformance window (H.265 s7.3.2.2).
fn size(sps: &[u8]) -> Result<Option<(u16, u16)>, Discard> {
    let plain = Plain::new(sps);
    let mut bits = Bits::new(plain.bytes());
    bits.skip(4)?; // sps_video_parameter_set_id
    let sub_layers = bits.read(3)?;
    bits.skip(1)?; // sps_temporal_id_nesting_flag
    skip_profile_tier_level(&mut bits, sub_layers)?;
    bits.golomb()?; // sps_seq_parameter_set_id
    let chroma = bits.golomb()?;
    let separate_planes = chroma == 3 && bits.flag()?;
    let width = bits.golomb()?;
    let height = bits.golomb()?;
    let window = if bits.flag()? { [bits.golomb()?, bits.golomb()?, bits.golomb()?, bits.golomb()?] } else { [0; 4] };
    let [left, right, top, bottom] = window;
    let unit_x = 1 << u32::from(matches!(chroma, 1 | 2) && !separate_planes);
    let unit_y = 1 << u32::from(chroma == 1 && !separate_planes);
    Ok(cropped(width, unit_x, left, right).zip(cropped(height, unit_y, top, bottom)))
}

/// Skips profile_tier_level() of H.265 s7.3.3. `sub_layers` is sps_max_sub_layers_minus1.
fn skip_profile_tier_level(bits: &mut Bits, sub_layers: u32) -> Result<(), Discard> {
    const PROFILE: u32 = 88;
    const LEVEL: u32 = 8;
    bits.skip(PROFILE.saturating_add(LEVEL))?;
    if sub_layers == 0 {
        return Ok(());
    }
    let mut octets = 0u32;
    for _ in 0..sub_layers {
        octets = octets.saturating_add(if bits.flag()? { PROFILE } else { 0 });
        octets = octets.saturating_add(if bits.flag()? { LEVEL } else { 0 });
    }
    bits.skip(8u32.saturating_sub(sub_layers).saturating_mul(2))?; // reserved_zero_2bits, up to eight sub-layers
    bits.skip(octets)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As x265 wrote them, at 640x360.
    const VPS_360: &[u8] =
        b"\x40\x01\x0c\x01\xff\xff\x01\x60\x00\x00\x03\x00\x90\x00\x00\x03\x00\x00\x03\x00\x3f\xba\x02\x40";
    const SPS_360: &[u8] =
        b"\x42\x01\x01\x01\x60\x00\x00\x03\x00\x90\x00\x00\x03\x00\x00\x03\x00\x3f\xa0\x05\x02\x01\x71\
        \xf2\xe5\xba\x4a\x4c\x2e\x68\x08\x00\x00\x03\x00\x08\x00\x00\x03\x00\xf0\x40";
    const PPS: &[u8] = b"\x44\x01\xc0\x71\x83\x12";
    const TRAIL: &[u8] = b"\x02\x01\xd0\x09\x78\x83";
    const IDR: u8 = 19;
    const TSA_R: u8 = 3;

    fn unit_header(kind: u8, temporal: u8) -> [u8; 2] {
        [kind << 1, temporal + 1]
    }

    fn aggregation(units: &[&[u8]]) -> Vec<u8> {
        let mut payload = unit_header(AGGREGATION, 0).to_vec();
        for unit in units {
            payload.extend((unit.len() as u16).to_be_bytes());
            payload.extend_from_slice(unit);
        }
        payload
    }

    /// The NAL unit `header` + `body` in fragments of at most `size` octets (s4.4.3).
    fn fragments(kind: u8, temporal: u8, body: &[u8], size: usize) -> Vec<Vec<u8>> {
        let count = body.chunks(size).len();
        let packet = |(n, chunk): (usize, &[u8])| {
            let ends = u8::from(n == 0) << 7 | u8::from(n + 1 == count) << 6;
            [&unit_header(FRAGMENTATION, temporal), &[ends | kind][..], chunk].concat()
        };
        body.chunks(size).enumerate().map(packet).collect()
    }

    fn keyframe(payload: &[u8]) -> bool {
        describe(payload).unwrap().keyframe
    }

    #[test]
    fn parameter_sets_begin_a_keyframe_and_tell_its_size() {
        let description = describe(&aggregation(&[VPS_360, SPS_360, PPS])).unwrap();
        assert!(description.keyframe && description.start);
        assert_eq!(description.size, Some((640, 360)));
        assert_eq!(describe(SPS_360).unwrap().size, Some((640, 360)), "as a unit of its own");
        assert!(keyframe(VPS_360));
        assert!(!keyframe(PPS));
    }

    #[test]
    fn every_picture_to_start_from_is_a_keyframe_at_its_first_slice() {
        for kind in 0..=31 {
            let [high, low] = unit_header(kind, 0);
            assert_eq!(keyframe(&[high, low, 0x80]), (16..=23).contains(&kind), "type {kind}");
            assert!(!keyframe(&[high, low, 0x00]), "a later slice, type {kind}");
        }
    }

    #[test]
    fn of_a_fragmented_idr_picture_only_the_first_fragment_begins_it() {
        let packets = fragments(IDR, 0, &[0xAF; 100], 40);
        assert_eq!(packets.iter().map(|packet| keyframe(packet)).collect::<Vec<_>>(), [true, false, false]);
    }

    #[test]
    fn the_temporal_layer_is_in_every_packet_and_switching_points_are_told() {
        for packet in fragments(TSA_R, 2, &[0x80; 100], 60) {
            assert_eq!(describe(&packet).unwrap().temporal, 2);
        }
        let [high, low] = unit_header(TSA_R, 1);
        assert!(describe(&[high, low, 0x80]).unwrap().layer_sync);
        let trail = describe(TRAIL).unwrap();
        assert_eq!((trail.start, trail.temporal, trail.layer_sync, trail.keyframe), (true, 0, false, false));
    }

    #[test]
    fn what_leads_past_its_end_is_truncated() {
        let whole = aggregation(&[PPS]);
        assert_eq!(describe(&whole[..whole.len() - 1]), Err(Discard::Truncated));
        assert_eq!(describe(&unit_header(FRAGMENTATION, 0)), Err(Discard::Truncated));
        assert_eq!(describe(&[0x26]), Err(Discard::Truncated));
        assert_eq!(describe(&[0x26, 0x00, 0x80]), Err(Discard::RtpMalformed), "a temporal id below zero");
    }

    proptest! {
        #[test]
        fn hostile_payloads_never_panic(
            kind in prop::sample::select(vec![1, IDR, VPS, SPS, AGGREGATION, FRAGMENTATION, 50]),
            rest in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let _ = describe(&[&unit_header(kind, 0), &rest[..]].concat());
        }
    }
}
