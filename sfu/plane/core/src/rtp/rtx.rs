//! Retransmission (RFC 4588): a packet with its own SSRC and payload type that carries the sequence number and the
//! payload of an earlier packet.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use crate::discard::Discard;

/// Octets of the original sequence number (OSN), which the retransmitted payload follows.
pub const OSN: usize = 2;

/// The sequence number of the packet that is retransmitted. `payload` has no RTP padding.
///
/// # Errors
/// `Padding` if the packet retransmits nothing: browsers probe the path with such packets. `RtxUnmatched` if the
/// payload ends inside the sequence number.
pub fn original_sequence(payload: &[u8]) -> Result<u16, Discard> {
    match *payload {
        [] | [_, _] => Err(Discard::Padding),
        [_] => Err(Discard::RtxUnmatched),
        [high, low, _, ..] => Ok(u16::from_be_bytes([high, low])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_original_sequence_number_stands_before_the_payload() {
        assert_eq!(original_sequence(&[0xAB, 0xCD, 1]), Ok(0xABCD));
    }

    #[test]
    fn a_retransmission_of_nothing_is_padding() {
        assert_eq!(original_sequence(&[]), Err(Discard::Padding));
        assert_eq!(original_sequence(&[0xAB, 0xCD]), Err(Discard::Padding));
    }

    #[test]
    fn half_a_number_matches_nothing() {
        assert_eq!(original_sequence(&[0xAB]), Err(Discard::RtxUnmatched));
    }
}
