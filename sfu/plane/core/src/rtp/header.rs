//! The RTP header (RFC 3550 s5.1): the fields for routing, SRTP and receive statistics, and the bounds of the payload.
//!
//! ```text
//!  0                   1                   2                   3
//! |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//! |                           timestamp                           |
//! |           synchronization source (SSRC) identifier            |
//! |            contributing source (CSRC) identifiers ...         |
//! |      defined by profile       |           length              |  if X
//! |                        header extension ...                   |
//! ```
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use crate::discard::Discard;

/// Octets of the fixed part of the header.
pub const FIXED: usize = 12;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    pub marker: bool,
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    pub padding: bool,
    /// Octets of fixed header, CSRCs and extension block. The (encrypted) payload begins at this offset.
    pub length: usize,
    pub extension: Option<Block>,
}

/// The position of the header extension's elements in the packet. [`super::elements::read`] reads them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block {
    /// "Defined by profile": distinguishes the one-byte form from the two-byte form (RFC 8285).
    pub profile: u16,
    pub start: usize,
    pub end: usize,
}

impl Header {
    /// Parses the header of an RTP or SRTP packet.
    ///
    /// # Errors
    /// `Truncated` if the packet ends inside the header, `RtpMalformed` if the version is not 2.
    pub fn parse(packet: &[u8]) -> Result<Header, Discard> {
        let Some(&[flags, kind, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3]) = packet.first_chunk::<FIXED>() else {
            return Err(Discard::Truncated);
        };
        if flags >> 6 != 2 {
            return Err(Discard::RtpMalformed);
        }
        let contributors = usize::from(flags & 0x0F) << 2;
        let mut length = FIXED.saturating_add(contributors);
        let mut extension = None;
        if flags & 0x10 != 0 {
            let rest = packet.get(length..).ok_or(Discard::Truncated)?;
            let &[p0, p1, l0, l1] = rest.first_chunk::<4>().ok_or(Discard::Truncated)?;
            let start = length.saturating_add(4);
            let end = start.saturating_add(usize::from(u16::from_be_bytes([l0, l1])) << 2);
            extension = Some(Block { profile: u16::from_be_bytes([p0, p1]), start, end });
            length = end;
        }
        if length > packet.len() {
            return Err(Discard::Truncated);
        }
        Ok(Header {
            marker: kind & 0x80 != 0,
            payload_type: kind & 0x7F,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([i0, i1, i2, i3]),
            padding: flags & 0x20 != 0,
            length,
            extension,
        })
    }

    /// The end of the payload in the unencrypted `packet`: before the padding, whose last octet is its length.
    ///
    /// # Errors
    /// `RtpMalformed` if the padding length is zero or exceeds the octets after the header, `Truncated` if `packet`
    /// ends inside the header.
    pub fn payload_end(&self, packet: &[u8]) -> Result<usize, Discard> {
        let room = packet.len().checked_sub(self.length).ok_or(Discard::Truncated)?;
        if !self.padding {
            return Ok(packet.len());
        }
        match packet.last().copied().map(usize::from) {
            Some(count) if (1..=room).contains(&count) => Ok(packet.len().saturating_sub(count)),
            _ => Err(Discard::RtpMalformed),
        }
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Marker, PT 96, sequence 0x1234, timestamp 0xDEADBEEF, SSRC 0x01020304.
    const PLAIN: [u8; 12] = [0x80, 0xE0, 0x12, 0x34, 0xDE, 0xAD, 0xBE, 0xEF, 1, 2, 3, 4];

    fn packet(flags: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = PLAIN.to_vec();
        packet[0] |= flags;
        packet.extend_from_slice(rest);
        packet
    }

    #[test]
    fn the_fixed_fields_are_read_and_the_payload_begins_behind_them() {
        let header = Header::parse(&PLAIN).unwrap();
        assert_eq!(
            header,
            Header {
                marker: true,
                payload_type: 96,
                sequence: 0x1234,
                timestamp: 0xDEAD_BEEF,
                ssrc: 0x0102_0304,
                padding: false,
                length: 12,
                extension: None,
            }
        );
    }

    #[test]
    fn contributing_sources_and_extensions_are_part_of_the_header() {
        let packet = packet(0x12, &[0, 0, 0, 1, 0, 0, 0, 2, 0xBE, 0xDE, 0, 1, 0x10, 0x61, 0, 0, 0xAA]);
        let header = Header::parse(&packet).unwrap();
        assert_eq!(header.extension, Some(Block { profile: 0xBEDE, start: 24, end: 28 }));
        assert_eq!(header.length, 28);
    }

    #[test]
    fn a_packet_that_ends_inside_its_header_is_truncated() {
        let whole = packet(0x11, &[0, 0, 0, 1, 0xBE, 0xDE, 0, 1, 0x10, 0x61, 0, 0]);
        assert!(Header::parse(&whole).is_ok());
        for length in 0..whole.len() {
            assert_eq!(Header::parse(&whole[..length]), Err(Discard::Truncated), "{length} octets");
        }
    }

    #[test]
    fn another_version_is_malformed() {
        assert_eq!(Header::parse(&[0x40; 12]), Err(Discard::RtpMalformed));
    }

    #[test]
    fn padding_is_taken_off_by_its_last_octet() {
        let end = |rest: &[u8]| {
            let packet = packet(0x20, rest);
            Header::parse(&packet).unwrap().payload_end(&packet)
        };
        assert_eq!(end(&[7, 7, 0, 2]), Ok(14));
        assert_eq!(end(&[0, 0, 3]), Ok(12), "padding only");
        assert_eq!(end(&[7, 0]), Err(Discard::RtpMalformed), "it counts itself");
        assert_eq!(end(&[7, 3]), Err(Discard::RtpMalformed), "more than there is");
        assert_eq!(end(&[]), Err(Discard::RtpMalformed), "no octet to count it");
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_lead_outside_the_packet(
            mut bytes in prop::collection::vec(any::<u8>(), 0..160),
            plausible: bool,
        ) {
            if let (true, Some(first)) = (plausible, bytes.first_mut()) {
                *first = 0x80 | (*first & 0x3F);
            }
            if let Ok(header) = Header::parse(&bytes) {
                prop_assert!(header.length <= bytes.len());
                if let Some(block) = header.extension {
                    prop_assert!(block.start <= block.end && block.end == header.length);
                }
                if let Ok(end) = header.payload_end(&bytes) {
                    prop_assert!(header.length <= end && end <= bytes.len());
                }
            }
        }
    }
}
