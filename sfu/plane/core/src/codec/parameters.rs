//! Keeps the parameter sets of H.264 and H.265, which a decoder needs before a keyframe (H.264 s7.4.1.2.1, H.265
//! s7.4.2.4.2). Some senders send them once, or only in SDP (RFC 6184 s8.1, RFC 7798 s7.1). A subscriber that joins
//! later receives the kept parameter sets as one aggregation packet.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use super::Codec;
use super::bits::Bits;
use super::nal::{Plain, next_unit};
use crate::limits::{PARAMETER_SETS, PICTURE_PARAMETER_SETS};

/// The kind of a parameter set. A picture uses one of each kind that its codec has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    Video,
    Sequence,
    /// With its id: a sequence may have several, and each picture refers to one.
    Picture(u32),
}

/// The latest parameter sets of one encoding. Empty for other codecs.
#[derive(Debug, Default)]
pub struct ParameterSets {
    codec: Option<Codec>,
    /// Sorted by kind, the order in which a decoder needs them.
    units: Vec<(Kind, Vec<u8>)>,
    /// All units as the payload of one packet (RFC 6184 s5.7.1, RFC 7798 s4.4.2). Empty if a kind is missing or the
    /// packet would exceed [`PARAMETER_SETS`] octets.
    packet: Vec<u8>,
}

/// The number of kinds that a decoder needs. H.264 has no video parameter set.
fn kinds(codec: Codec) -> usize {
    match codec {
        Codec::H264 => 2,
        Codec::H265 => 3,
        _ => 0,
    }
}

impl ParameterSets {
    /// Keeps the parameter sets of a packet. Returns true if the packet has one of each kind, so that a decoder needs
    /// no others.
    pub fn handle_payload(&mut self, codec: Codec, payload: &[u8]) -> bool {
        if kinds(codec) == 0 {
            return false;
        }
        if self.codec != Some(codec) {
            *self = Self { codec: Some(codec), ..Self::default() };
        }
        let (mut changed, mut found) = (false, [false; 3]);
        each_unit(codec, payload, |unit| {
            let Some(kind) = kind(codec, unit) else { return };
            match kind {
                Kind::Video => found[0] = true,
                Kind::Sequence => found[1] = true,
                Kind::Picture(_) => found[2] = true,
            }
            changed |= self.keep(kind, unit);
        });
        if changed {
            self.aggregate(codec);
        }
        found.iter().filter(|found| **found).count() == kinds(codec)
    }

    /// The payload of a packet with all parameter sets, if none is missing.
    pub fn packet(&self) -> Option<&[u8]> {
        Some(self.packet.as_slice()).filter(|packet| !packet.is_empty())
    }

    /// Stores one unit. Returns true if it differs from the stored one.
    fn keep(&mut self, kind: Kind, unit: &[u8]) -> bool {
        match self.units.binary_search_by_key(&kind, |(kind, _)| *kind) {
            Ok(place) => {
                let Some((_, kept)) = self.units.get_mut(place) else { return false };
                if kept == unit {
                    return false;
                }
                kept.clear();
                kept.extend_from_slice(unit);
            }
            Err(_) if unit.len() > PARAMETER_SETS => return false,
            Err(place) => {
                let pictures = self.units.iter().filter(|(kind, _)| matches!(kind, Kind::Picture(_))).count();
                if matches!(kind, Kind::Picture(_)) && pictures >= PICTURE_PARAMETER_SETS {
                    return false;
                }
                self.units.insert(place, (kind, unit.to_vec()));
            }
        }
        true
    }

    fn aggregate(&mut self, codec: Codec) {
        self.packet.clear();
        let has = |wanted: fn(&Kind) -> bool| self.units.iter().any(|(kind, _)| wanted(kind));
        let all = (codec == Codec::H264 || has(|kind| *kind == Kind::Video))
            && has(|kind| *kind == Kind::Sequence)
            && has(|kind| matches!(kind, Kind::Picture(_)));
        let octets = self.units.iter().fold(2usize, |sum, (_, unit)| sum.saturating_add(unit.len()).saturating_add(2));
        if !all || octets > PARAMETER_SETS {
            return;
        }
        // H.264: the highest nal_ref_idc. H.265: the lowest layer id and temporal id.
        self.packet.extend_from_slice(if codec == Codec::H264 { &[0x60 | H264_STAP_A] } else { &[H265_AP << 1, 1] });
        for (_, unit) in &self.units {
            self.packet.extend_from_slice(&(unit.len() as u16).to_be_bytes());
            self.packet.extend_from_slice(unit);
        }
    }
}

const H264_STAP_A: u8 = 24;
const H265_AP: u8 = 48;

/// Calls `each` with every unit of a packet. Fragments are not reassembled: a parameter set of several packets would
/// not fit into one.
fn each_unit(codec: Codec, payload: &[u8], mut each: impl FnMut(&[u8])) {
    let (header, aggregation) = if codec == Codec::H264 { (1, H264_STAP_A) } else { (2, H265_AP) };
    if unit_type(codec, payload) != Some(aggregation) {
        return each(payload);
    }
    let mut rest = payload.get(header..).unwrap_or_default();
    while let Ok((unit, behind)) = next_unit(rest) {
        each(unit);
        rest = behind;
    }
}

fn unit_type(codec: Codec, unit: &[u8]) -> Option<u8> {
    let &first = unit.first()?;
    Some(if codec == Codec::H264 { first & 0x1F } else { first >> 1 & 0x3F })
}

/// H.264 table 7-1, H.265 table 7-1.
fn kind(codec: Codec, unit: &[u8]) -> Option<Kind> {
    match (codec, unit_type(codec, unit)?) {
        (Codec::H265, 32) => Some(Kind::Video),
        (Codec::H264, 7) | (Codec::H265, 33) => Some(Kind::Sequence),
        (Codec::H264, 8) => picture_id(unit.get(1..)?),
        (Codec::H265, 34) => picture_id(unit.get(2..)?),
        _ => None,
    }
}

/// pic_parameter_set_id, the first field of a picture parameter set in both codecs.
fn picture_id(payload: &[u8]) -> Option<Kind> {
    let plain = Plain::new(payload);
    Bits::new(plain.bytes()).golomb().ok().map(Kind::Picture)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPS: &[u8] = b"\x67\x42\xc0\x1f\xda\x01\x40\x16\xe8";
    const PPS: &[u8] = b"\x68\xce\x3c\x80";
    /// pic_parameter_set_id 1.
    const SECOND_PPS: &[u8] = b"\x68\x4e\x3c\x80";
    const IDR: &[u8] = b"\x65\x88\x84";

    fn aggregate(units: &[&[u8]]) -> Vec<u8> {
        let mut payload = vec![0x78];
        for unit in units {
            payload.extend((unit.len() as u16).to_be_bytes());
            payload.extend_from_slice(unit);
        }
        payload
    }

    #[test]
    fn whatever_their_order_and_packing_they_are_one_packet_in_the_order_of_need() {
        let expected = aggregate(&[SPS, PPS]);
        let orders: [&[Vec<u8>]; 4] = [
            &[SPS.to_vec(), PPS.to_vec()],
            &[PPS.to_vec(), SPS.to_vec(), IDR.to_vec()],
            &[aggregate(&[SPS, PPS, IDR])],
            &[aggregate(&[b"\x09\xF0", PPS]), aggregate(&[b"\x06\x05", SPS])],
        ];
        for packets in orders {
            let mut sets = ParameterSets::default();
            let whole: Vec<bool> = packets.iter().map(|packet| sets.handle_payload(Codec::H264, packet)).collect();
            assert_eq!(sets.packet(), Some(&expected[..]), "{packets:?}");
            assert_eq!(whole.iter().any(|&whole| whole), packets.len() == 1);
        }
    }

    #[test]
    fn one_kind_alone_is_no_use() {
        let mut sets = ParameterSets::default();
        assert!(!sets.handle_payload(Codec::H264, SPS));
        assert_eq!(sets.packet(), None);
        let mut sets = ParameterSets::default();
        for unit in [&b"\x42\x01\x01"[..], b"\x44\x01\xc0\x71"] {
            sets.handle_payload(Codec::H265, unit);
        }
        assert_eq!(sets.packet(), None, "H.265 needs a video parameter set, too");
        sets.handle_payload(Codec::H265, b"\x40\x01\x0c\x01");
        assert_eq!(
            sets.packet().map(|packet| packet[..8].to_vec()),
            Some(b"\x60\x01\x00\x04\x40\x01\x0c\x01".to_vec())
        );
    }

    #[test]
    fn a_new_one_replaces_the_old_one_of_its_id() {
        let mut sets = ParameterSets::default();
        for unit in [SPS, PPS, SECOND_PPS, &[SPS, &[1]].concat(), &[PPS, &[2]].concat()] {
            sets.handle_payload(Codec::H264, unit);
        }
        let expected = aggregate(&[&[SPS, &[1]].concat(), &[PPS, &[2]].concat(), SECOND_PPS]);
        assert_eq!(sets.packet(), Some(&expected[..]));
    }

    #[test]
    fn what_fits_no_packet_is_not_kept() {
        let mut sets = ParameterSets::default();
        sets.handle_payload(Codec::H264, SPS);
        sets.handle_payload(Codec::H264, &[PPS, &[0x55; PARAMETER_SETS]].concat());
        assert_eq!(sets.packet(), None);
    }

    proptest! {
        #[test]
        fn hostile_payloads_stay_within_bounds(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..50),
            h265 in any::<bool>(),
        ) {
            let codec = if h265 { Codec::H265 } else { Codec::H264 };
            let mut sets = ParameterSets::default();
            for payload in payloads {
                sets.handle_payload(codec, &payload);
                prop_assert!(sets.packet.len() <= PARAMETER_SETS);
                prop_assert!(sets.units.len() <= 2 + PICTURE_PARAMETER_SETS);
            }
        }
    }
}
