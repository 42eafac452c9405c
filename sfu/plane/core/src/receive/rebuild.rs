//! Rebuilds lost packets of an audio stream from the copies in its publisher's redundant packets (RFC 2198 s3), for
//! subscribers that take no redundancy, and for the cache.
//!
//! A copy has a timestamp and no number. The packets of a talkspurt are equally far apart, so the timestamps of the two
//! packets around a hole tell the number of each copy in it. A copy that does not fit is ignored.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use crate::limits::REBUILT_AT_ONCE;
use crate::rtp::sequence::ExtendedSeq;

/// A header of a copy: F bit, payload type, 14 bits of timestamp offset, 10 bits of length.
const HEADER: usize = 4;
/// The F bit: another header follows.
const MORE: u8 = 1 << 7;

/// A copy of an earlier packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Copied<'a> {
    pub payload_type: u8,
    /// How much earlier than the packet's its timestamp is.
    pub offset: u32,
    pub payload: &'a [u8],
}

/// The copies of a packet, oldest first. None if their headers do not fit the payload, or there are too many.
pub fn copies(payload: &[u8]) -> Option<impl Iterator<Item = Copied<'_>>> {
    let mut headers = payload;
    let mut count = 0_usize;
    while headers.first()? & MORE != 0 {
        headers = headers.get(HEADER..)?;
        count = count.saturating_add(1);
        if count > REBUILT_AT_ONCE {
            return None;
        }
    }
    let mut blocks = headers.get(1..)?;
    let (heads, _) = payload.as_chunks::<HEADER>();
    let mut copies = [None; REBUILT_AT_ONCE];
    for (copy, &[kind, high, middle, low]) in copies.iter_mut().zip(heads.iter().take(count)) {
        let fields = u32::from_be_bytes([0, high, middle, low]);
        let (block, behind) = blocks.split_at_checked((fields & 0x3FF) as usize)?;
        blocks = behind;
        *copy = Some(Copied { payload_type: kind & !MORE, offset: fields >> 10, payload: block });
    }
    Some(copies.into_iter().flatten())
}

/// A packet that its copy replaces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rebuilt<'a> {
    pub seq: ExtendedSeq,
    pub timestamp: u32,
    pub payload_type: u8,
    pub payload: &'a [u8],
}

/// The packets just before `seq` that are missing and have a copy in it, oldest first. `arrived` has the timestamps of
/// those that are not missing.
pub fn rebuild(
    payload: &[u8],
    seq: ExtendedSeq,
    timestamp: u32,
    arrived: impl Fn(ExtendedSeq) -> Option<u32>,
) -> impl Iterator<Item = Rebuilt<'_>> {
    // The packet before the hole is this many numbers before `seq`.
    let before = (0..=REBUILT_AT_ONCE as u64).find_map(|missing| {
        let distance = missing.saturating_add(1);
        let earlier = arrived(ExtendedSeq(seq.0.checked_sub(distance)?))?;
        Some((distance, u64::from(timestamp.wrapping_sub(earlier))))
    });
    let hole = before.filter(|&(distance, span)| distance > 1 && span > 0);
    let copies = hole.and_then(|hole| Some((hole, copies(payload)?)));
    copies.into_iter().flat_map(move |((distance, span), copies)| {
        copies.filter_map(move |copied| {
            // It is `offset / span` of the way back to the packet before the hole.
            let way = u64::from(copied.offset).checked_mul(distance)?;
            let back = way.checked_div(span).filter(|_| way.checked_rem(span) == Some(0))?;
            let fits = (1..distance).contains(&back) && !copied.payload.is_empty();
            fits.then_some(Rebuilt {
                seq: ExtendedSeq(seq.0.checked_sub(back)?),
                timestamp: timestamp.wrapping_sub(copied.offset),
                payload_type: copied.payload_type,
                payload: copied.payload,
            })
        })
    })
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A payload with copies of these offsets and contents, oldest first.
    fn red(copied: &[(u32, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (offset, payload) in copied {
            out.extend((0xEF00_0000 | offset << 10 | payload.len() as u32).to_be_bytes());
        }
        out.push(0x6F);
        copied.iter().for_each(|(_, payload)| out.extend(*payload));
        out.extend(b"newest");
        out
    }

    /// The numbers and contents that are rebuilt at packet 10, of those before it that came with these ticks before it.
    fn rebuilt(payload: &[u8], came: &[(u64, u32)]) -> Vec<(u64, String)> {
        let arrived = |seq: ExtendedSeq| came.iter().find(|(number, _)| *number == seq.0).map(|(_, ticks)| 100 - ticks);
        let all = rebuild(payload, ExtendedSeq(10), 100, arrived);
        let name = |one: Rebuilt<'_>| {
            assert_eq!(one.payload_type, 111);
            assert_eq!(one.timestamp, 100_u32.wrapping_sub(20 * (10 - one.seq.0) as u32));
            (one.seq.0, String::from_utf8_lossy(one.payload).into_owned())
        };
        all.map(name).collect()
    }

    #[test]
    fn a_copy_replaces_the_missing_packet_that_it_is_a_copy_of() {
        let (two, one) = (red(&[(40, b"8"), (20, b"9")]), red(&[(20, b"9")]));
        let nine = || vec![(9, "9".to_owned())];
        let both = || vec![(8, "8".to_owned()), (9, "9".to_owned())];
        type Row<'a> = (&'a [u8], &'a [(u64, u32)], Vec<(u64, String)>, &'a str);
        let table: [Row<'_>; 10] = [
            (&two, &[(9, 20), (8, 40)], vec![], "nothing is missing"),
            (&two, &[(8, 40), (7, 60)], nine(), "one is missing"),
            (&two, &[(7, 60)], both(), "two are missing"),
            (&one, &[(7, 60)], nine(), "two are missing, and one has a copy"),
            (&two, &[(5, 100)], both(), "more are missing than have copies"),
            (&two, &[], vec![], "nothing came before: numbers cannot be told"),
            (&two, &[(8, 4_000)], vec![], "a pause lies between"),
            (&two, &[(7, 50)], vec![], "the packets are not equally far apart"),
            (&two, &[(8, 0)], vec![], "timestamps that stand still"),
            (&red(&[(20, b"")]), &[(8, 40)], vec![], "an empty copy"),
        ];
        for (payload, came, expected, why) in table {
            assert_eq!(rebuilt(payload, came), expected, "{why}");
        }
    }

    #[test]
    fn headers_that_lie_or_are_too_many_copy_nothing() {
        let many: Vec<(u32, &[u8])> = vec![(20, b"x"); REBUILT_AT_ONCE + 1];
        assert_eq!(copies(&red(&many[1..])).unwrap().count(), REBUILT_AT_ONCE);
        let table: [&[u8]; 5] = [b"", b"\xEF\x0F\x00\x03", b"\xEF\x0F\x00", b"\xEF\x0F\x00\x03\x6Fab", &red(&many)];
        for payload in table {
            assert!(copies(payload).is_none(), "{payload:02X?}");
        }
        assert_eq!(copies(b"\x6Fnewest").unwrap().count(), 0);
    }

    proptest! {
        #[test]
        fn hostile_payloads_never_panic(payload in prop::collection::vec(any::<u8>(), 0..80), ticks: u32, at in 0_u64..20) {
            let arrived = |seq: ExtendedSeq| seq.0.is_multiple_of(3).then_some(ticks);
            for one in rebuild(&payload, ExtendedSeq(at), 100, arrived) {
                prop_assert!(one.seq.0 < at && !one.payload.is_empty());
            }
        }
    }
}
