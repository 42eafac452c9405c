//! Reads and writes fields of any number of bits, most significant bit first, as the codecs write them.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use crate::discard::Discard;

pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// The index of the next bit.
    position: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// Bits read so far.
    pub(super) fn position(&self) -> u32 {
        self.position as u32
    }

    /// Reads an unsigned number of `count` bits, at most 32: u(n) of H.264, f(n) of AV1.
    pub(super) fn read(&mut self, count: u32) -> Result<u32, Discard> {
        debug_assert!(count <= 32);
        if count == 0 {
            return Ok(0);
        }
        let end = self.position.saturating_add(count as usize);
        if end > self.bytes.len().saturating_mul(8) {
            return Err(Discard::Truncated);
        }
        let mut window = [0; 8];
        let rest = self.bytes.get(self.position >> 3..).unwrap_or_default();
        window.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        let value = (u64::from_be_bytes(window) << (self.position & 7)) >> 64u32.saturating_sub(count);
        self.position = end;
        Ok(value as u32)
    }

    pub(super) fn flag(&mut self) -> Result<bool, Discard> {
        Ok(self.read(1)? == 1)
    }

    pub(super) fn skip(&mut self, count: u32) -> Result<(), Discard> {
        self.position = self.position.saturating_add(count as usize);
        if self.position > self.bytes.len().saturating_mul(8) { Err(Discard::Truncated) } else { Ok(()) }
    }

    /// Reads an unsigned Exp-Golomb number: ue(v) of H.264 s9.1, uvlc() of AV1.
    pub(super) fn golomb(&mut self) -> Result<u32, Discard> {
        let mut zeros = 0u32;
        while !self.flag()? {
            zeros = zeros.saturating_add(1);
            if zeros > 31 {
                return Err(Discard::RtpMalformed);
            }
        }
        let rest = self.read(zeros)?;
        Ok(((1u32 << zeros) | rest).wrapping_sub(1))
    }

    /// Reads a signed Exp-Golomb number: se(v) of H.264 s9.1.1.
    pub(super) fn signed_golomb(&mut self) -> Result<i32, Discard> {
        let code = self.golomb()?;
        let magnitude = code.div_ceil(2) as i32;
        Ok(if code & 1 == 1 { magnitude } else { magnitude.wrapping_neg() })
    }

    /// Reads a number below `n` in the fewest bits: ns(n) of AV1 s4.10.7. `n` is 1..=256.
    pub(super) fn below(&mut self, n: u32) -> Result<u32, Discard> {
        debug_assert!((1..=256).contains(&n));
        let width = n.max(1).ilog2();
        let short = (2u32 << width).saturating_sub(n);
        let value = self.read(width)?;
        if value < short {
            return Ok(value);
        }
        Ok((value << 1 | self.read(1)?).saturating_sub(short))
    }
}

/// Writes fields in the format that [`Bits`] reads.
pub(super) struct BitWriter<'a> {
    out: &'a mut [u8],
    /// The index of the next bit.
    position: usize,
}

impl<'a> BitWriter<'a> {
    pub(super) fn new(out: &'a mut [u8]) -> Self {
        Self { out, position: 0 }
    }

    /// Writes the lower `count` bits of `value`, at most 32. Returns `None` if there is no room.
    pub(super) fn put(&mut self, count: u32, value: u32) -> Option<()> {
        debug_assert!(count <= 32);
        let mut left = count;
        while left > 0 {
            let used = (self.position & 7) as u32;
            let some = left.min(8u32.saturating_sub(used));
            let octet = self.out.get_mut(self.position >> 3)?;
            if used == 0 {
                *octet = 0;
            }
            left = left.saturating_sub(some);
            let field = (value >> left) as u8 & (0xFFu8 >> 8u32.saturating_sub(some));
            *octet |= field << 8u32.saturating_sub(used).saturating_sub(some);
            self.position = self.position.saturating_add(some as usize);
        }
        Some(())
    }

    /// Returns the number of octets written. The last octet is padded with zeros.
    pub(super) fn finish(self) -> usize {
        self.position.div_ceil(8)
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]
#[allow(clippy::unusual_byte_groupings, reason = "grouped as the codes are")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_read_across_octets_and_not_past_the_end() {
        let mut bits = Bits::new(&[0b1010_0101, 0xFF, 0x00]);
        assert_eq!(bits.read(3), Ok(0b101));
        assert_eq!(bits.read(9), Ok(0b0_0101_1111));
        assert_eq!(bits.read(13), Err(Discard::Truncated));
        assert_eq!(bits.read(12), Ok(0b1111_0000_0000));
        assert_eq!(bits.read(1), Err(Discard::Truncated));
        assert_eq!(bits.read(0), Ok(0));
    }

    /// The codes of H.264 tables 9-2 and 9-3.
    #[test]
    fn exp_golomb_codes_count_upwards() {
        let bytes = [0b1_010_011_0, 0b0100_0010, 0b1_0011_000];
        let mut unsigned = Bits::new(&bytes);
        let mut signed = Bits::new(&bytes);
        assert_eq!([(); 5].map(|()| unsigned.golomb().unwrap()), [0, 1, 2, 3, 4]);
        assert_eq!([(); 5].map(|()| signed.signed_golomb().unwrap()), [0, 1, -1, 2, -2]);
    }

    #[test]
    fn a_golomb_code_of_zeros_only_is_malformed() {
        assert_eq!(Bits::new(&[0; 8]).golomb(), Err(Discard::RtpMalformed));
        assert_eq!(Bits::new(&[0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFE]).golomb(), Ok(u32::MAX - 1));
    }

    /// The table of AV1 s4.10.7 for n = 5.
    #[test]
    fn a_number_below_five_takes_two_or_three_bits() {
        let mut bits = Bits::new(&[0b00_01_10_11, 0b0_111_0000]);
        assert_eq!([(); 5].map(|()| bits.below(5).unwrap()), [0, 1, 2, 3, 4]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(fields in prop::collection::vec((0u32..33, any::<u32>()), 0..20)) {
            let mut out = [0xEE; 96];
            let mut writer = BitWriter::new(&mut out);
            let fields: Vec<_> = fields.iter().map(|&(n, value)| (n, value & 1u32.checked_shl(n).map_or(u32::MAX, |bit| bit - 1))).collect();
            fields.iter().for_each(|&(count, value)| writer.put(count, value).unwrap());
            let length = writer.finish();
            let mut bits = Bits::new(&out[..length]);
            for (count, value) in fields {
                prop_assert_eq!(bits.read(count), Ok(value));
            }
        }

        #[test]
        fn bits_are_those_of_the_whole_as_one_number(bytes: [u8; 8], skipped in 0u32..33, count in 0u32..32) {
            let mut bits = Bits::new(&bytes);
            bits.skip(skipped).unwrap();
            let expected = (u64::from_be_bytes(bytes) << skipped).checked_shr(64 - count).unwrap_or(0);
            prop_assert_eq!(u64::from(bits.read(count).unwrap()), expected);
        }
    }
}
