//! Redundant audio (RFC 2198): each packet carries copies of the previous ones, so that a lost packet can still be
//! played. The plane adds it for subscribers that take it, even if the publisher sends none, and removes it for the
//! others.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! |1|  block PT   |  timestamp offset         |   block length    |   one for each copy, oldest first
//! |0|  block PT   |  copies …                                         the packet itself comes last
//! ```

use crate::codec::Codec;
use crate::receive::cache::{Cache, Cached};
pub use crate::receive::packet::{Copies, MOST_COPIES};
use crate::rtp::sequence::ExtendedSeq;

/// The timestamp offset has 14 bits: 341 ms at 48 kHz. Packets before a pause (DTX) are not copied.
const MOST_OFFSET: u32 = (1 << 14) - 1;
/// The block length has 10 bits.
const MOST_LENGTH: usize = (1 << 10) - 1;
/// The most octets of the payload with its copies and the passed header extensions. The other parts of the packet fit
/// the rest of [`DATAGRAM`](crate::limits::DATAGRAM). libwebrtc: kRedMaxPacketSize is 1 << 10.
pub const MOST_OCTETS: usize = 1_000;
const HEADER: usize = 4;
/// The F bit: another block header follows.
const MORE: u8 = 1 << 7;

/// Selects which of the `distance` packets before `packet` may be copied into it. Packets that are not cached are
/// skipped.
pub fn copies(packet: &Cached, distance: u8, cache: &Cache) -> Copies {
    let mut copies = Copies::default();
    if packet.payload_type.codec != Codec::Opus || packet.payload.is_empty() {
        return copies;
    }
    let mut room = MOST_OCTETS.saturating_sub(packet.payload.len() + packet.passed.len() + 1);
    for (before, octets) in (1..).zip(&mut copies).take(distance.into()) {
        let Some(earlier) = cache.get(ExtendedSeq(packet.seq.0.saturating_sub(before))) else { continue };
        let length = earlier.payload.len();
        let offset = packet.timestamp.wrapping_sub(earlier.timestamp);
        let fits =
            (1..=MOST_LENGTH).contains(&length) && (1..=MOST_OFFSET).contains(&offset) && length + HEADER <= room;
        if fits && earlier.payload_type == packet.payload_type {
            *octets = length as u16;
            room -= length + HEADER;
        }
    }
    copies
}

/// The `copies` from number `begun` on, as bits. The subscriber was not sent the stream before `begun`.
pub fn since(copies: Copies, seq: ExtendedSeq, begun: u64) -> u8 {
    (1..)
        .zip(copies)
        .filter(|&(before, octets)| octets > 0 && seq.0 >= begun + before)
        .fold(0, |bits, (before, _)| bits | 1 << (before - 1))
}

/// Octets of a payload of `primary` octets with the copies that `bits` name.
pub fn octets(primary: usize, copies: Copies, bits: u8) -> usize {
    let copied = (0..).zip(copies).filter(|(bit, _)| bits & 1 << bit != 0);
    1 + primary + copied.map(|(_, octets)| HEADER + usize::from(octets)).sum::<usize>()
}

/// The earlier packets that are copied into an outgoing one.
pub type Earlier<'a> = [Option<&'a Cached>; MOST_COPIES];

/// Looks up the packets that `bits` name. None if one is no longer cached: without it the packet would differ from its
/// first transmission.
pub fn earlier<'a>(
    seq: ExtendedSeq,
    bits: u8,
    cached: impl Fn(ExtendedSeq) -> Option<&'a Cached>,
) -> Option<Earlier<'a>> {
    let mut earlier = Earlier::default();
    for (before, place) in (1..).zip(&mut earlier) {
        if bits & 1 << (before - 1) != 0 {
            *place = Some(cached(ExtendedSeq(seq.0 - before))?);
        }
    }
    Some(earlier)
}

/// Octets that the copies and all block headers add to a payload.
pub fn most_octets(earlier: &Earlier<'_>) -> usize {
    1 + earlier.iter().flatten().map(|copy| HEADER + copy.payload.len()).sum::<usize>()
}

/// Writes `packet` with its copies to the front of `out`, as blocks of payload type `block`. Returns the length.
pub fn write(out: &mut [u8], block: u8, packet: &Cached, earlier: &Earlier<'_>) -> usize {
    let oldest_first = || earlier.iter().rev().flatten();
    let mut at = 0;
    for copy in oldest_first() {
        let offset = packet.timestamp.wrapping_sub(copy.timestamp);
        let header = u32::from(MORE | block) << 24 | (offset & MOST_OFFSET) << 10 | copy.payload.len() as u32;
        out[at..at + HEADER].copy_from_slice(&header.to_be_bytes());
        at += HEADER;
    }
    out[at] = block & !MORE;
    at += 1;
    for payload in oldest_first().map(|copy| &copy.payload).chain([&packet.payload]) {
        out[at..at + payload.len()].copy_from_slice(payload);
        at += payload.len();
    }
    at
}

/// Copies a publisher's `payload` to `out`, and gives its blocks the subscriber's payload type `block`.
pub fn relabel(payload: &[u8], block: u8, out: &mut [u8]) {
    out[..payload.len()].copy_from_slice(payload);
    for at in Blocks::new(payload) {
        out[at] = out[at] & MORE | block & !MORE;
    }
}

/// The newest block, which is the payload without redundancy. Empty if the payload is malformed.
pub fn primary(payload: &[u8]) -> &[u8] {
    let mut blocks = Blocks::new(payload);
    let last = blocks.by_ref().last().filter(|_| blocks.is_whole);
    last.and_then(|last| payload.get(last + 1 + blocks.copied..)).unwrap_or_default()
}

/// Iterates over the offsets of the block headers in a payload. The last header has one octet, the others have four.
struct Blocks<'a> {
    payload: &'a [u8],
    next: Option<usize>,
    /// Octets of the copies so far.
    copied: usize,
    /// The last header was seen.
    is_whole: bool,
}

impl<'a> Blocks<'a> {
    fn new(payload: &'a [u8]) -> Self {
        Self { payload, next: Some(0), copied: 0, is_whole: false }
    }
}

impl Iterator for Blocks<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let at = self.next.take()?;
        let first = *self.payload.get(at)?;
        self.is_whole = first & MORE == 0;
        if !self.is_whole {
            let &[_, _, high, low] = self.payload.get(at..at + HEADER)? else {
                return None;
            };
            self.copied += usize::from(u16::from_be_bytes([high, low])) & MOST_LENGTH;
            self.next = Some(at + HEADER);
        }
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Description, PayloadType};
    use crate::send::Arrival;
    use crate::send::tests::{OPUS, RED};
    use crate::time::Instant;

    const FIRST: u64 = 70_000;

    /// Packets of these lengths, each this many ticks after the one before. One of length 0 was lost.
    fn cache(packets: &[(usize, u32)]) -> Cache {
        cache_of(&packets.iter().map(|&(length, ticks)| (length, ticks, OPUS)).collect::<Vec<_>>())
    }

    fn cache_of(packets: &[(usize, u32, PayloadType)]) -> Cache {
        let (mut cache, mut timestamp) = (Cache::new(false), 0xFFFF_FF00_u32);
        for (seq, (length, ticks, payload_type)) in (FIRST..).zip(packets) {
            timestamp = timestamp.wrapping_add(*ticks);
            let (payload, now) = (vec![seq as u8; *length], Instant::now());
            let arrival = Arrival { timestamp, ..Arrival::of(payload_type, &payload, now) };
            if *length > 0 {
                cache.insert(ExtendedSeq(seq), &arrival, &Description::default(), now);
            }
        }
        cache
    }

    /// The copies that are sent with the last of these packets.
    fn copies_of_last(packets: &[(usize, u32)], distance: u8) -> Copies {
        let cache = cache(packets);
        let last = cache.get(ExtendedSeq(FIRST + packets.len() as u64 - 1)).expect("it came");
        copies(last, distance, &cache)
    }

    #[test]
    fn a_packet_takes_along_what_we_have_of_those_just_before_it() {
        let steady = [(50, 960), (60, 960), (70, 960)];
        let after_a_pause = [(50, 960), (60, 960), (70, 48_000)];
        let lost = [(50, 960), (0, 960), (70, 960)];
        let at_the_edge = [(50, 960), (60, 7_680), (70, 8_703)];
        let beyond = [(50, 960), (60, 7_681), (70, 8_703)];
        let too_long = [(50, 960), (1_024, 960), (70, 960)];
        let full = [(500, 960), (490, 960), (500, 960)];
        type Row<'a> = (&'a [(usize, u32)], u8, Copies, &'a str);
        let table: [Row<'_>; 11] = [
            (&steady, 2, [60, 50], "both"),
            (&steady, 1, [60, 0], "one, at distance 1"),
            (&steady, 0, [0, 0], "none, at distance 0"),
            (&steady[..1], 2, [0, 0], "nothing came before"),
            (&after_a_pause, 2, [0, 0], "DTX"),
            (&lost, 2, [0, 50], "the one that is missing is left out"),
            (&lost, 1, [0, 0], "the one that is missing is left out"),
            (&at_the_edge, 2, [60, 50], "16,383 ticks before"),
            (&beyond, 2, [60, 0], "16,384 ticks before"),
            (&too_long, 2, [0, 50], "ten bits of length"),
            (&full, 2, [490, 0], "a datagram of usual size"),
        ];
        for (packets, distance, expected, why) in table {
            assert_eq!(copies_of_last(packets, distance), expected, "{why}");
        }
    }

    #[test]
    fn only_plain_opus_is_made_redundant() {
        let mixed = cache_of(&[(50, 960, RED), (60, 960, OPUS), (70, 960, RED)]);
        let at = |seq| mixed.get(ExtendedSeq(FIRST + seq)).expect("it came");
        assert_eq!(copies(at(1), 2, &mixed), [0, 0], "another payload type came before");
        assert_eq!(copies(at(2), 2, &mixed), [0, 0], "it has copies of its own");
    }

    #[test]
    fn what_came_before_the_subscriber_was_shown_it_is_not_copied() {
        let seq = ExtendedSeq(100);
        let table = [(90, 0b11), (98, 0b11), (99, 0b01), (100, 0)];
        for (begun, bits) in table {
            assert_eq!(since([60, 50], seq, begun), bits, "begun at {begun}");
        }
        assert_eq!(since([0, 50], seq, 90), 0b10);
    }

    #[test]
    fn blocks_are_written_oldest_first_and_read_back() {
        let cache = cache(&[(3, 960), (2, 960), (4, 960)]);
        let at = |seq| cache.get(seq);
        let packet = at(ExtendedSeq(FIRST + 2)).expect("it came");
        let mut out = [0xEE; 100];
        for (bits, expected) in [
            (0b11, &b"\xEF\x1E\x00\x03\xEF\x0F\x00\x02\x6Fpppqqrrrr"[..]),
            (0b10, b"\xEF\x1E\x00\x03\x6Fppprrrr"),
            (0b01, b"\xEF\x0F\x00\x02\x6Fqqrrrr"),
            (0b00, b"\x6Frrrr"),
        ] {
            let earlier = earlier(packet.seq, bits, at).expect("they are there");
            let length = write(&mut out, 111, packet, &earlier);
            assert_eq!(out[..length], *expected, "{bits:02b}");
            assert_eq!(length, octets(4, [2, 3], bits));
            assert_eq!(primary(&out[..length]), b"rrrr");
            assert_eq!(Blocks::new(&out[..length]).count(), 1 + bits.count_ones() as usize);
        }
        let gone = earlier(packet.seq, 0b11, |seq| at(seq).filter(|cached| cached.seq.0 != FIRST));
        assert!(gone.is_none(), "without one of them it would be another packet");
    }

    #[test]
    fn a_payload_whose_blocks_do_not_add_up_has_no_primary() {
        let table: [(&[u8], &[u8]); 7] = [
            (b"", b""),
            (b"\x6F", b""),
            (b"\x6Fnewest", b"newest"),
            (b"\xEF\x0F\x00\x03\x6Fold", b""),
            (b"\xEF\x0F\x00\x03\x6Fol", b""),
            (b"\xEF\x0F\x00\x00", b""),
            (b"\xEF\x0F\x00", b""),
        ];
        for (payload, expected) in table {
            assert_eq!(primary(payload), expected, "{payload:02X?}");
        }
    }
}
