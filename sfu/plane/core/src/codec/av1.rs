//! Parses AV1 packets: the aggregation header of the AV1 RTP specification (s4.4) and the sequence header after it.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use super::Description;
use super::bits::Bits;
use crate::discard::Discard;

/// OBU types (AV1 s6.2.2).
const SEQUENCE_HEADER: u8 = 1;

/// Describes one packet. Without a dependency descriptor, `start` means that the packet begins with an OBU, which may
/// not be the first one of its frame.
///
/// ```text
/// |Z|Y| W |N|-|-|-|  Z: continues an OBU, Y: ends in the middle of one, W: elements (0: each has a length),
/// | element length |  N: first packet of a coded video sequence
/// | OBU ..         |
/// ```
///
/// # Errors
/// `Truncated` if an element extends past the end of the packet.
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

/// Adds the layers of one OBU, and the size if it is a sequence header.
///
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

/// Reads leb128() of AV1 s4.10.5. Returns the value and the rest. A value over 32 bits is malformed.
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

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As SVT-AV1 wrote them, at 640x360: a sequence header with its size, and the start of the frame behind it.
    const SEQUENCE: &[u8] = b"\x0a\x0b\x00\x00\x00\x0c\xc4\xff\x67\x1a\xbe\x60\x10";
    const FRAME: &[u8] = b"\x32\x25\x10\x00\x9d\x60\x8f\xff";

    const NEW_SEQUENCE: u8 = 0x08;

    fn first(length: usize, mut sequence: Vec<u8>) -> Vec<u8> {
        sequence.insert(0, length as u8);
        sequence
    }

    #[test]
    fn a_new_sequence_begins_with_its_header_and_tells_its_size() {
        let counted = [&[2 << 4 | NEW_SEQUENCE][..], &first(SEQUENCE.len(), SEQUENCE.to_vec()), FRAME].concat();
        let lengths =
            [&[NEW_SEQUENCE][..], &first(SEQUENCE.len(), SEQUENCE.to_vec()), &first(FRAME.len(), FRAME.to_vec())];
        for payload in [counted, lengths.concat()] {
            let description = describe(&payload).unwrap();
            assert!(description.keyframe && description.start);
            assert_eq!(description.size, Some((640, 360)));
        }
    }

    #[test]
    fn a_packet_that_continues_an_obu_begins_nothing() {
        let description = describe(&[0x80 | 1 << 4 | NEW_SEQUENCE, 0x0A, 0x0B, 0, 0]).unwrap();
        assert_eq!(description, Description::default());
    }

    #[test]
    fn layers_stand_in_the_extension_of_an_obu() {
        let description = describe(&[1 << 4, 0x34, 2 << 5 | 1 << 3, 0xAA]).unwrap();
        assert_eq!((description.temporal, description.spatial, description.keyframe), (2, 1, false));
    }

    #[test]
    fn an_element_that_leads_past_the_end_is_truncated() {
        assert_eq!(describe(&[0, 5, 0x32, 1, 2, 3]), Err(Discard::Truncated));
        assert_eq!(describe(&[0, 0x80]), Err(Discard::Truncated));
        assert_eq!(describe(&[0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1]), Err(Discard::RtpMalformed));
        assert_eq!(describe(&[]), Err(Discard::Truncated));
    }

    proptest! {
        #[test]
        fn hostile_payloads_never_panic(payload in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = describe(&payload);
            let sequence = [&[1 << 4, SEQUENCE_HEADER << 3], &payload[..]].concat();
            let _ = describe(&sequence);
        }
    }
}
