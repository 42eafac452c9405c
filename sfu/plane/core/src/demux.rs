//! Finds the protocol of a datagram by its first two bytes (RFC 7983, RFC 5761).
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use crate::discard::Discard;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    Stun,
    Dtls,
    Rtp,
    Rtcp,
}

/// Reads the first byte, and for RTP and RTCP the second. The parsers check the rest.
pub fn protocol(datagram: &[u8]) -> Result<Protocol, Discard> {
    match datagram {
        [] => Err(Discard::Truncated),
        [0..=3, ..] => Ok(Protocol::Stun),
        [20..=63, ..] => Ok(Protocol::Dtls),
        // RTCP packet types 192..=223 are RTP payload types 64..=95 with the marker bit set, which RFC 5761 s4 keeps free.
        [128..=191, 192..=223, ..] => Ok(Protocol::Rtcp),
        [128..=191, _, ..] => Ok(Protocol::Rtp),
        [128..=191] => Err(Discard::Truncated),
        _ => Err(Discard::UnknownProtocol),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_decides_as_the_table_of_rfc_7983_says() {
        for first in 0..=255u8 {
            let expected = match first {
                0..=3 => Ok(Protocol::Stun),
                20..=63 => Ok(Protocol::Dtls),
                128..=191 => Ok(Protocol::Rtp),
                // 16..=19 ZRTP, 64..=79 TURN channels: not spoken here.
                _ => Err(Discard::UnknownProtocol),
            };
            assert_eq!(protocol(&[first, 96, 0, 0]), expected, "first byte {first}");
        }
    }

    #[test]
    fn rtcp_is_told_from_rtp_by_its_packet_type() {
        for (second, expected) in [
            (96, Protocol::Rtp),
            (191, Protocol::Rtp),
            (192, Protocol::Rtcp),
            (200, Protocol::Rtcp),
            (206, Protocol::Rtcp),
            (223, Protocol::Rtcp),
            (224, Protocol::Rtp),
            (111 | 0x80, Protocol::Rtp),
        ] {
            assert_eq!(protocol(&[0x80, second]), Ok(expected), "second byte {second}");
        }
    }

    #[test]
    fn too_short_to_tell_is_truncated() {
        assert_eq!(protocol(&[]), Err(Discard::Truncated));
        assert_eq!(protocol(&[0x80]), Err(Discard::Truncated));
    }
}
