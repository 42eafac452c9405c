//! The VP8 payload descriptor (RFC 7741 s4.2), and the keyframe bit and size in the frame header.
//!
//! ```text
//! |X|R|N|S|R| PID |
//! |I|L|T|K| RSV   |  if X
//! |M| PictureID   |  if I; with M, 8 more bits of it follow
//! |   TL0PICIDX   |  if L
//! |TID|Y| KEYIDX  |  if T or K
//! ```
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use super::Description;
use crate::discard::Discard;

/// The counters in a payload descriptor, and their encoding.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Numbers {
    /// 7 or 15 bits.
    pub picture_id: Option<u16>,
    /// True if the picture id takes two octets.
    pub long_picture_id: bool,
    pub tl0_picture_index: Option<u8>,
    /// 5 bits.
    pub key_index: Option<u8>,
    /// The length of the whole descriptor in octets.
    pub descriptor_length: u8,
}

/// Bits of the descriptor's first octet.
const EXTENDED: u8 = 0x80;
const NON_REFERENCE: u8 = 0x20;
const START_OF_PARTITION: u8 = 0x10;
const PARTITION: u8 = 0x07;
/// Bits of its second octet.
const HAS_PICTURE_ID: u8 = 0x80;
const HAS_TL0: u8 = 0x40;
const HAS_TEMPORAL: u8 = 0x20;
const HAS_KEY_INDEX: u8 = 0x10;
/// The octets of a keyframe's start code (RFC 6386 s9.1).
const START_CODE: std::ops::Range<usize> = 3..6;
/// The offset of the counters in an extended descriptor: after the first two octets.
const NUMBERS: usize = 2;

/// # Errors
/// `Truncated` if the payload ends inside the descriptor or directly after it.
pub fn describe(payload: &[u8]) -> Result<Description, Discard> {
    let mut octets = payload.iter();
    let mut next = || octets.next().copied().ok_or(Discard::Truncated);
    let mut numbers = Numbers::default();

    let first = next()?;
    let present = if first & EXTENDED != 0 { next()? } else { 0 };
    if present & HAS_PICTURE_ID != 0 {
        let high = next()?;
        numbers.long_picture_id = high & 0x80 != 0;
        let picture_id = if numbers.long_picture_id { [high & 0x7F, next()?] } else { [0, high] };
        numbers.picture_id = Some(u16::from_be_bytes(picture_id));
    }
    if present & HAS_TL0 != 0 {
        numbers.tl0_picture_index = Some(next()?);
    }
    let layer = if present & (HAS_TEMPORAL | HAS_KEY_INDEX) != 0 { next()? } else { 0 };
    if present & HAS_KEY_INDEX != 0 {
        numbers.key_index = Some(layer & 0x1F);
    }
    let has_temporal = present & HAS_TEMPORAL != 0;

    let frame = octets.as_slice();
    let tag = frame.first().ok_or(Discard::Truncated)?;
    numbers.descriptor_length = payload.len().saturating_sub(frame.len()) as u8;
    let start = first & START_OF_PARTITION != 0 && first & PARTITION == 0;
    // Without the start code the payload is encrypted: half of all random octets look like a keyframe's tag.
    let says_keyframe = start && tag & 1 == 0;
    let keyframe = says_keyframe && frame.get(START_CODE) == Some(&[0x9D, 0x01, 0x2A]);
    Ok(Description {
        keyframe,
        readable: says_keyframe.then_some(keyframe),
        start,
        temporal: if has_temporal { layer >> 6 } else { 0 },
        layer_sync: has_temporal && layer & 0x20 != 0,
        discardable: first & NON_REFERENCE != 0,
        size: keyframe.then(|| size(frame)).flatten(),
        vp8: Some(numbers),
        ..Description::default()
    })
}

/// Reads the size after the frame tag and the start code: 14 bits each of width and height, below two bits of scaling
/// (RFC 6386 s9.1).
fn size(keyframe: &[u8]) -> Option<(u16, u16)> {
    let &[_, _, _, _, _, _, w0, w1, h0, h1] = keyframe.first_chunk()?;
    Some((u16::from_le_bytes([w0, w1]) & 0x3FFF, u16::from_le_bytes([h0, h1]) & 0x3FFF))
}

/// Overwrites the counters of `payload`, whose present ones are `numbers`. The length does not change: a picture id of
/// 7 bits receives only the lower 7 bits. Missing counters are not added.
pub fn rewrite(payload: &mut [u8], numbers: &Numbers, picture_id: u16, tl0: u8, key_index: u8) {
    let mut octets = payload.iter_mut().skip(NUMBERS);
    let mut put = |keep: u8, value: u8| {
        if let Some(octet) = octets.next() {
            *octet = *octet & keep | value & !keep;
        }
    };
    let [high, low] = picture_id.to_be_bytes();
    match numbers.picture_id {
        Some(_) if numbers.long_picture_id => {
            put(0, high | 0x80);
            put(0, low);
        }
        Some(_) => put(0x80, low),
        None => {}
    }
    if numbers.tl0_picture_index.is_some() {
        put(0, tl0);
    }
    if numbers.key_index.is_some() {
        put(0xE0, key_index);
    }
}

/// Copies `payload` into `out` with other counters. Returns the new length, which is one octet more if the picture id
/// had 7 bits: it is widened to 15, so that a subscriber's ids have one width whatever the source.
///
/// # Panics
/// If `out` is shorter than the new length.
pub fn write(out: &mut [u8], payload: &[u8], numbers: &Numbers, picture_id: u16, tl0: u8, key_index: u8) -> usize {
    let widened = numbers.picture_id.is_some() && !numbers.long_picture_id;
    let (head, tail) = payload.split_at(payload.len().min(NUMBERS));
    let tail_at = head.len().saturating_add(usize::from(widened));
    let length = tail_at.saturating_add(tail.len());
    let out = out.get_mut(..length).expect("the caller left room for the payload and one octet more");
    let (out_head, out_tail) = out.split_at_mut(tail_at);
    out_head.iter_mut().zip(head).for_each(|(to, from)| *to = *from);
    out_tail.copy_from_slice(tail);
    rewrite(out, &Numbers { long_picture_id: true, ..*numbers }, picture_id, tl0, key_index);
    length
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The first octets of a keyframe of 640x360, and of the frame after it, as libvpx wrote them.
    const KEYFRAME: [u8; 10] = [0x30, 0x34, 0x00, 0x9D, 0x01, 0x2A, 0x80, 0x02, 0x68, 0x01];
    const DELTA: [u8; 4] = [0x71, 0x03, 0x00, 0x0F];

    fn payload(descriptor: &[u8], frame: &[u8]) -> Vec<u8> {
        [descriptor, frame].concat()
    }

    #[test]
    fn a_keyframe_tells_its_size() {
        let description = describe(&payload(&[0x10], &KEYFRAME)).unwrap();
        assert!(description.keyframe && description.start);
        assert_eq!(description.size, Some((640, 360)));
    }

    #[test]
    fn a_keyframe_without_its_start_code_is_none_and_was_encrypted() {
        let seen = |frame: &[u8]| {
            let description = describe(&payload(&[0x10], frame)).unwrap();
            (description.keyframe, description.readable)
        };
        assert_eq!(seen(&KEYFRAME), (true, Some(true)));
        assert_eq!(seen(&[0x30, 0x34, 0x00, 0x9D, 0x01, 0x2B, 0x80, 0x02, 0x68, 0x01]), (false, Some(false)));
        assert_eq!(seen(&DELTA), (false, None), "it has nothing that could be checked");
        let applications_leave_this = [&KEYFRAME[..], &[0xEE; 30]].concat();
        assert_eq!(seen(&applications_leave_this), (true, Some(true)));
    }

    #[test]
    fn only_the_first_packet_of_a_keyframe_begins_it() {
        for descriptor in [0x00, 0x11] {
            let description = describe(&payload(&[descriptor], &KEYFRAME)).unwrap();
            assert!(!description.keyframe && !description.start, "{descriptor:#x}");
        }
        assert!(!describe(&payload(&[0x10], &DELTA)).unwrap().keyframe);
    }

    #[test]
    fn the_numbers_are_read_in_the_order_of_the_descriptor() {
        let description = describe(&payload(&[0xB0, 0xF0, 0x81, 0x02, 0x33, 0x80 | 0x20 | 5], &DELTA)).unwrap();
        let numbers = Numbers {
            picture_id: Some(0x0102),
            long_picture_id: true,
            tl0_picture_index: Some(0x33),
            key_index: Some(5),
            descriptor_length: 6,
        };
        assert_eq!(
            description,
            Description {
                start: true,
                temporal: 2,
                layer_sync: true,
                discardable: true,
                vp8: Some(numbers),
                ..Description::default()
            }
        );
    }

    #[test]
    fn a_key_index_without_a_temporal_layer_says_nothing_of_layers() {
        let description = describe(&payload(&[0x90, 0x10, 0xE7], &DELTA)).unwrap();
        assert_eq!((description.temporal, description.layer_sync), (0, false));
        assert_eq!(description.vp8.unwrap().key_index, Some(7));
    }

    #[test]
    fn a_descriptor_without_a_frame_is_truncated() {
        let whole = payload(&[0x90, 0xF0, 0x81, 0x02, 0x33, 0x85], &[0]);
        assert!(describe(&whole).is_ok());
        for length in 0..whole.len() {
            assert_eq!(describe(&whole[..length]), Err(Discard::Truncated), "{length} octets");
        }
    }

    #[test]
    fn a_short_picture_id_stays_short_where_it_is_and_grows_in_a_copy() {
        let original = payload(&[0x90, 0x80, 0x7F], &DELTA);
        let numbers = describe(&original).unwrap().vp8.unwrap();

        let mut in_place = original.clone();
        rewrite(&mut in_place, &numbers, 0x1234, 0, 0);
        assert_eq!(in_place, payload(&[0x90, 0x80, 0x34], &DELTA));

        let mut copy = [0; 16];
        let length = write(&mut copy, &original, &numbers, 0x1234, 0, 0);
        assert_eq!(copy[..length], payload(&[0x90, 0x80, 0x92, 0x34], &DELTA));
    }

    /// Any descriptor, with a frame behind it.
    fn any_payload() -> impl Strategy<Value = Vec<u8>> {
        let octets = (any::<u8>(), any::<u8>(), any::<[u8; 4]>());
        (octets, prop::collection::vec(any::<u8>(), 1..40)).prop_map(|((first, present, numbers), frame)| {
            payload(&[&[first | EXTENDED, present], &numbers[..]].concat(), &frame)
        })
    }

    proptest! {
        #[test]
        fn a_copy_differs_in_its_numbers_only(payload in any_payload(), id in 0u16..0x8000, tl0: u8, key in 0u8..32) {
            let before = describe(&payload).unwrap();
            let numbers = before.vp8.unwrap();
            let mut out = [0xEE; 64];
            let length = write(&mut out, &payload, &numbers, id, tl0, key);
            let after = describe(&out[..length]).unwrap();

            let written = after.vp8.unwrap();
            prop_assert_eq!(written.picture_id, numbers.picture_id.map(|_| id));
            prop_assert_eq!(written.tl0_picture_index, numbers.tl0_picture_index.map(|_| tl0));
            prop_assert_eq!(written.key_index, numbers.key_index.map(|_| key));
            let body = |payload: &[u8], numbers: Numbers| payload[usize::from(numbers.descriptor_length)..].to_vec();
            prop_assert_eq!(body(&out[..length], written), body(&payload, numbers));
            prop_assert_eq!(Description { vp8: None, ..after }, Description { vp8: None, ..before });
        }

        #[test]
        fn rewriting_its_own_numbers_changes_nothing(payload in any_payload()) {
            let numbers = describe(&payload).unwrap().vp8.unwrap();
            let mut rewritten = payload.clone();
            let (tl0, key) = (numbers.tl0_picture_index.unwrap_or(0), numbers.key_index.unwrap_or(0));
            rewrite(&mut rewritten, &numbers, numbers.picture_id.unwrap_or(0), tl0, key);
            prop_assert_eq!(rewritten, payload);
        }

        #[test]
        fn hostile_payloads_never_panic(payload in prop::collection::vec(any::<u8>(), 0..32)) {
            let _ = describe(&payload);
        }
    }
}
