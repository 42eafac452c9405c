//! NAL units and their payload without emulation prevention, shared by H.264 and H.265.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use crate::discard::Discard;

/// The octets of a sequence parameter set that are read. The picture size is well within them, except after scaling
/// lists.
const LOOKED_AT: usize = 256;

/// The start of a NAL unit's payload, without the emulation prevention octets (H.264 s7.4.1.1).
pub(super) struct Plain {
    octets: [u8; LOOKED_AT],
    length: usize,
}

impl Plain {
    pub(super) fn new(payload: &[u8]) -> Self {
        let mut plain = Self { octets: [0; LOOKED_AT], length: 0 };
        let mut zeros = 0u8;
        for &octet in payload {
            if zeros >= 2 && octet == 3 {
                zeros = 0;
                continue;
            }
            zeros = if octet == 0 { zeros.saturating_add(1) } else { 0 };
            let Some(place) = plain.octets.get_mut(plain.length) else { break };
            *place = octet;
            plain.length = plain.length.saturating_add(1);
        }
        plain
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.octets.get(..self.length).unwrap_or_default()
    }
}

/// Splits off the next NAL unit of an aggregation packet, after its 16-bit length. Returns it and the rest.
pub(super) fn next_unit(aggregate: &[u8]) -> Result<(&[u8], &[u8]), Discard> {
    let (&length, rest) = aggregate.split_first_chunk().ok_or(Discard::Truncated)?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(length))).ok_or(Discard::Truncated)
}

/// A picture's width or height: `coded` samples minus the cropping on both sides, which is in units of `unit` samples.
pub(super) fn cropped(coded: u32, unit: u32, near: u32, far: u32) -> Option<u16> {
    let cropped = near.checked_add(far)?.checked_mul(unit)?;
    coded.checked_sub(cropped).and_then(|length| u16::try_from(length).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_behind_two_zeros_is_taken_out() {
        assert_eq!(Plain::new(&[1, 0, 0, 3, 1, 0, 0, 3, 0, 0, 3, 3]).bytes(), [1, 0, 0, 1, 0, 0, 0, 0, 3]);
    }

    #[test]
    fn a_unit_longer_than_its_aggregate_is_truncated() {
        assert_eq!(next_unit(&[0, 2, 7, 8, 9]), Ok((&[7, 8][..], &[9][..])));
        assert_eq!(next_unit(&[0, 3, 7, 8]), Err(Discard::Truncated));
        assert_eq!(next_unit(&[0]), Err(Discard::Truncated));
    }
}
