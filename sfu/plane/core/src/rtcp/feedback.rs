//! Feedback about single packets and pictures: generic NACK and PLI (RFC 4585 s6), FIR (RFC 5104 s4.3.1), and the
//! bandwidth message REMB (draft-alvestrand-rmcat-remb), which is only read.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use rtcp_types::{Fir, Nack, PayloadFeedback, Pli, TransportFeedback};

use super::append;
use crate::discard::Discard;
use crate::limits::COMPOUND;

/// The most packets that one NACK requests. If no two share an entry, the NACK is as long as a compound may be.
const NACKED: usize = (COMPOUND - 12) / 4;

/// The packets that a NACK requests. They are decoded lazily, because 2,000 octets can name 8,500 packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lost<'a>(&'a [[u8; 4]]);

impl<'a> Lost<'a> {
    /// `fci` is the feedback control information (RFC 4585 s6.2.1), without RTCP padding.
    pub(super) fn new(fci: &'a [u8]) -> Self {
        Self(fci.as_chunks().0)
    }

    /// Sequence numbers in the order of the packet. A number may occur several times.
    pub fn iter(self) -> impl Iterator<Item = u16> + use<'a> {
        self.0.iter().flat_map(|&[high, low, mask_high, mask_low]| {
            let base = u16::from_be_bytes([high, low]);
            let mask = u32::from(u16::from_be_bytes([mask_high, mask_low])) << 1 | 1;
            (0..=16).filter(move |bit| mask >> bit & 1 == 1).map(move |bit| base.wrapping_add(bit))
        })
    }
}

/// Appends NACKs that request the `lost` packets of `media`, as many as are needed; nothing if `lost` is empty.
pub fn write_nack(out: &mut Vec<u8>, sender: u32, media: u32, lost: &[u16]) {
    for lost in lost.chunks(NACKED) {
        let nack = lost.iter().fold(Nack::builder(), |nack, &sequence| nack.add_rtp_sequence(sequence));
        append(out, &TransportFeedback::builder(&nack).sender_ssrc(sender).media_ssrc(media));
    }
}

/// Appends a PLI, which requests a keyframe of `media`.
pub fn write_pli(out: &mut Vec<u8>, sender: u32, media: u32) {
    append(out, &PayloadFeedback::builder(&Pli::builder()).sender_ssrc(sender).media_ssrc(media));
}

/// Appends a FIR, which requests a keyframe of `media`. A new request has a new `sequence`; a repeated request keeps
/// its number. The media SSRC of the packet itself is unused and zero (RFC 5104 s4.3.1.2).
pub fn write_fir(out: &mut Vec<u8>, sender: u32, media: u32, sequence: u8) {
    let fir = Fir::builder().add_ssrc(media, sequence);
    append(out, &PayloadFeedback::builder(&fir).sender_ssrc(sender));
}

/// The receiver's estimate of its bandwidth.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remb {
    /// The total of all `ssrcs`, in bits per second.
    pub bps: u64,
    pub ssrcs: Vec<u32>,
}

impl Remb {
    /// Parses the feedback control information (the octets after both SSRCs, without padding) of an application layer
    /// feedback packet. Returns `None` if the packet is not a REMB.
    ///
    /// ```text
    /// |  Unique identifier 'R' 'E' 'M' 'B'                            |
    /// |  Num SSRC     | BR Exp    |  BR Mantissa                      |
    /// |   SSRC feedback                                               |
    /// ```
    pub(super) fn parse(fci: &[u8]) -> Result<Option<Remb>, Discard> {
        let Some(rest) = fci.strip_prefix(b"REMB") else { return Ok(None) };
        let &[count, rate @ ..] = rest.first_chunk::<4>().ok_or(Discard::RtcpMalformed)?;
        let [high, middle, low] = rate;
        let exponent = u32::from(high >> 2);
        let mantissa = u64::from(u32::from_be_bytes([0, high & 3, middle, low]));
        let bps = mantissa.checked_mul(1u64 << (exponent & 63)).ok_or(Discard::RtcpMalformed)?;
        let ssrcs: Vec<u32> =
            rest.get(4..).unwrap_or_default().as_chunks().0.iter().copied().map(u32::from_be_bytes).collect();
        if ssrcs.len() < usize::from(count) {
            return Err(Discard::RtcpMalformed);
        }
        Ok(Some(Remb { bps, ssrcs }))
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn lost_packets_share_an_entry_with_the_sixteen_behind_them() {
        let mut out = Vec::new();
        write_nack(&mut out, 1, 2, &[100, 101, 116, 117]);
        assert_eq!(out, [0x81, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 100, 0x80, 0x01, 0, 117, 0, 0]);
    }

    #[test]
    fn nothing_lost_asks_for_nothing() {
        let mut out = Vec::new();
        write_nack(&mut out, 1, 2, &[]);
        assert_eq!(out, []);
    }

    #[test]
    fn a_keyframe_is_asked_for_in_both_ways() {
        let mut out = Vec::new();
        write_pli(&mut out, 1, 2);
        write_fir(&mut out, 1, 2, 7);
        assert_eq!(out[..12], [0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]);
        assert_eq!(out[12..], [0x84, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 7, 0, 0, 0]);
    }

    #[test]
    fn the_rate_of_a_remb_is_a_mantissa_of_18_bits_and_an_exponent() {
        let fci = [b'R', b'E', b'M', b'B', 1, (3 << 2) | 1, 0xE8, 0x48, 0, 0, 0, 9];
        assert_eq!(Remb::parse(&fci), Ok(Some(Remb { bps: 1_000_000, ssrcs: vec![9] })));
    }

    #[test]
    fn a_remb_that_lies_about_itself_is_malformed_and_other_applications_are_not_ours() {
        assert_eq!(Remb::parse(b"REMB\x02\x00\x00\x01\0\0\0\x09"), Err(Discard::RtcpMalformed), "one SSRC of two");
        assert_eq!(Remb::parse(b"REMB\x00\xFF\xFF\xFF"), Err(Discard::RtcpMalformed), "more than 2^64 bit/s");
        assert_eq!(Remb::parse(b"REMB\x00"), Err(Discard::RtcpMalformed), "no rate");
        assert_eq!(Remb::parse(b"LNTF\0\0\0\0"), Ok(None));
    }
}
