//! Reads and writes the header extensions of one packet (RFC 8285), in the one-byte and the two-byte form.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use super::extension::{Extension, ExtensionMap};
use super::header::Header;
use super::passed::Passed;
use crate::discard::Discard;

/// "Defined by profile" of the one-byte form: each element has its id and length in one octet (RFC 8285 s4.2).
const ONE_BYTE: u16 = 0xBEDE;
/// "Defined by profile" of the two-byte form (s4.3). The lower four bits belong to the application.
const TWO_BYTE: u16 = 0x1000;

/// The audio level of a packet (RFC 6464).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AudioLevel {
    /// -dBov: 0 is the loudest, 127 is silence.
    pub level: u8,
    /// The sender detected speech.
    pub voice: bool,
}

/// The extensions of one packet. A field is set if its extension was negotiated and sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Extensions<'a> {
    pub mid: Option<&'a str>,
    pub rid: Option<&'a str>,
    pub repaired_rid: Option<&'a str>,
    pub audio_level: Option<AudioLevel>,
    pub transport_cc: Option<u16>,
    /// 24 bits, 6.18 fixed point seconds.
    pub abs_send_time: Option<u32>,
    pub dependency_descriptor: Option<&'a [u8]>,
    pub video_layers_allocation: Option<&'a [u8]>,
    /// The extensions that are passed to subscribers, including the audio level.
    pub passed: Passed<'a>,
}

/// Reads the extensions of a packet. Skips ids that were not negotiated, and blocks of neither form.
///
/// # Errors
/// `RtpMalformed` if an element extends past its block, is too short for its extension, or has a MID or RID that is not
/// UTF-8.
pub fn read<'a>(map: &ExtensionMap, header: &Header, packet: &'a [u8]) -> Result<Extensions<'a>, Discard> {
    let mut extensions = Extensions::default();
    let Some(block) = header.extension else { return Ok(extensions) };
    let mut rest = packet.get(block.start..block.end).ok_or(Discard::Truncated)?;
    while let Some((element, behind)) = next_element(block.profile, rest)? {
        rest = behind;
        if let Some(extension) = map.extension(element.id) {
            extensions.take(extension, element.value)?;
        }
    }
    Ok(extensions)
}

struct Element<'a> {
    id: u8,
    value: &'a [u8],
}

/// Reads the next element that is not padding. Returns it and the rest.
fn next_element(profile: u16, block: &[u8]) -> Result<Option<(Element<'_>, &[u8])>, Discard> {
    let mut rest = block;
    while let [0, behind @ ..] = rest {
        rest = behind;
    }
    let (id, length, rest) = match (profile, rest) {
        (ONE_BYTE, &[head, ref rest @ ..]) => (head >> 4, usize::from(head & 0x0F).saturating_add(1), rest),
        (profile, &[id, length, ref rest @ ..]) if profile & 0xFFF0 == TWO_BYTE => (id, usize::from(length), rest),
        (profile, &[_]) if profile & 0xFFF0 == TWO_BYTE => return Err(Discard::RtpMalformed),
        _ => return Ok(None),
    };
    // Id 15 ends a block of the one-byte form (s4.2).
    if profile == ONE_BYTE && id == 15 {
        return Ok(None);
    }
    let (value, behind) = rest.split_at_checked(length).ok_or(Discard::RtpMalformed)?;
    Ok(Some((Element { id, value }, behind)))
}

impl<'a> Extensions<'a> {
    fn take(&mut self, extension: Extension, value: &'a [u8]) -> Result<(), Discard> {
        match (extension, value) {
            (Extension::Mid, _) => self.mid = Some(text(value)?),
            (Extension::Rid, _) => self.rid = Some(text(value)?),
            (Extension::RepairedRid, _) => self.repaired_rid = Some(text(value)?),
            (Extension::AudioLevel, &[octet, ..]) => {
                self.audio_level = Some(AudioLevel::from_octet(octet));
                self.passed.take(extension, value);
            }
            (Extension::TransportCc, &[high, low, ..]) => self.transport_cc = Some(u16::from_be_bytes([high, low])),
            (Extension::AbsSendTime, &[a, b, c, ..]) => self.abs_send_time = Some(u32::from_be_bytes([0, a, b, c])),
            (Extension::DependencyDescriptor, _) => self.dependency_descriptor = Some(value),
            (Extension::VideoLayersAllocation, _) => self.video_layers_allocation = Some(value),
            (
                Extension::PlayoutDelay | Extension::AbsCaptureTime | Extension::ContentType | Extension::ColorSpace,
                _,
            ) => self.passed.take(extension, value),
            _ => return Err(Discard::RtpMalformed),
        }
        Ok(())
    }
}

fn text(value: &[u8]) -> Result<&str, Discard> {
    std::str::from_utf8(value).map_err(|_| Discard::RtpMalformed)
}

impl AudioLevel {
    pub fn from_octet(octet: u8) -> Self {
        Self { level: octet & 0x7F, voice: octet & 0x80 != 0 }
    }

    pub fn octet(self) -> u8 {
        self.level & 0x7F | u8::from(self.voice) << 7
    }
}

/// True if an element fits only the two-byte form. The whole block must then use it.
pub fn needs_two_byte(id: u8, length: usize) -> bool {
    id > 14 || !(1..=16).contains(&length)
}

/// Builds an extension block in `out`. [`Writer::element`] panics if an element does not fit.
pub struct Writer<'a> {
    out: &'a mut [u8],
    used: usize,
    two_byte: bool,
}

/// Octets of "defined by profile" and the length in words.
const BLOCK_HEADER: usize = 4;

impl<'a> Writer<'a> {
    pub fn new(out: &'a mut [u8], two_byte: bool) -> Self {
        Self { out, used: BLOCK_HEADER, two_byte }
    }

    /// # Panics
    /// If `out` is full, or the value is longer than 255 octets.
    pub fn element(&mut self, id: u8, value: &[u8]) {
        debug_assert!(id != 0 && (self.two_byte || !needs_two_byte(id, value.len())), "id {id} in the one-byte form");
        if self.two_byte {
            let length = u8::try_from(value.len()).expect("an element has at most 255 octets");
            self.put(&[id, length]);
        } else {
            self.put(&[id << 4 | (value.len().saturating_sub(1) & 0x0F) as u8]);
        }
        self.put(value);
    }

    /// Completes the block. Returns its length in octets with padding, a multiple of four; 0 if it has no elements, so
    /// that the X bit stays unset.
    pub fn finish(mut self) -> usize {
        if self.used == BLOCK_HEADER {
            return 0;
        }
        while self.used & 3 != 0 {
            self.put(&[0]);
        }
        let profile = if self.two_byte { TWO_BYTE } else { ONE_BYTE };
        let words = (self.used >> 2).saturating_sub(1) as u16;
        let total = std::mem::take(&mut self.used);
        self.put(&profile.to_be_bytes());
        self.put(&words.to_be_bytes());
        total
    }

    fn put(&mut self, octets: &[u8]) {
        let end = self.used.saturating_add(octets.len());
        self.out.get_mut(self.used..end).expect("the caller left room for its extensions").copy_from_slice(octets);
        self.used = end;
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chromium_map() -> ExtensionMap {
        let mut map = ExtensionMap::default();
        for (extension, id) in [
            (Extension::AudioLevel, 1),
            (Extension::AbsSendTime, 2),
            (Extension::TransportCc, 3),
            (Extension::Mid, 4),
            (Extension::Rid, 10),
            (Extension::RepairedRid, 11),
            (Extension::DependencyDescriptor, 13),
        ] {
            map.set(extension, id);
        }
        map
    }

    /// A packet with the given extension block behind a fixed header.
    fn packet(profile: u16, elements: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x90, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9];
        packet.extend_from_slice(&profile.to_be_bytes());
        packet.extend_from_slice(&((elements.len() as u16).div_ceil(4)).to_be_bytes());
        packet.extend_from_slice(elements);
        packet.resize(packet.len().next_multiple_of(4), 0);
        packet
    }

    fn read_packet<'a>(map: &ExtensionMap, packet: &'a [u8]) -> Result<Extensions<'a>, Discard> {
        read(map, &Header::parse(packet).unwrap(), packet)
    }

    fn passed<'a>(elements: &[(Extension, &'a [u8])]) -> Passed<'a> {
        let mut passed = Passed::default();
        elements.iter().for_each(|(extension, value)| passed.take(*extension, value));
        passed
    }

    #[test]
    fn the_one_byte_form_is_read_over_its_padding() {
        let packet =
            packet(0xBEDE, &[0x40, b'0', 0, 0, 0x22, 1, 2, 3, 0x31, 0xAB, 0xCD, 0xA0, b'q', 0x10, 0x85, 0x50, 0xFF]);
        let extensions = read_packet(&chromium_map(), &packet).unwrap();
        assert_eq!(
            extensions,
            Extensions {
                mid: Some("0"),
                abs_send_time: Some(0x01_02_03),
                transport_cc: Some(0xABCD),
                rid: Some("q"),
                audio_level: Some(AudioLevel { level: 5, voice: true }),
                passed: passed(&[(Extension::AudioLevel, &[0x85])]),
                ..Extensions::default()
            }
        );
    }

    #[test]
    fn the_two_byte_form_has_long_and_empty_elements() {
        let mut elements = vec![13, 20];
        elements.extend(0..20);
        elements.extend([0, 4, 1, b'1', 200, 0, 11, 1, b'f']);
        let packet = packet(0x1003, &elements);
        let extensions = read_packet(&chromium_map(), &packet).unwrap();
        assert_eq!(extensions.dependency_descriptor.unwrap(), (0..20).collect::<Vec<u8>>());
        assert_eq!((extensions.mid, extensions.repaired_rid), (Some("1"), Some("f")));
    }

    #[test]
    fn id_15_ends_a_one_byte_block() {
        let packet = packet(0xBEDE, &[0x40, b'0', 0xF0, 0, 0xA0, b'q']);
        let extensions = read_packet(&chromium_map(), &packet).unwrap();
        assert_eq!((extensions.mid, extensions.rid), (Some("0"), None));
    }

    #[test]
    fn a_block_of_an_unknown_form_says_nothing() {
        let packet = packet(0x4711, &[0x40, b'0', 0xFF, 0xFF]);
        assert_eq!(read_packet(&chromium_map(), &packet), Ok(Extensions::default()));
    }

    #[test]
    fn elements_that_lead_out_of_their_block_or_are_too_short_are_malformed() {
        for elements in [
            [0x4F, b'0', 0, 0],    // sixteen octets of MID
            [0x30, 0xAB, 0, 0],    // one octet of transport-cc
            [0x41, 0xFF, 0xFE, 0], // a MID that is not UTF-8
        ] {
            let packet = packet(0xBEDE, &elements);
            assert_eq!(read_packet(&chromium_map(), &packet), Err(Discard::RtpMalformed), "{elements:?}");
        }
        let packet = packet(0x1000, &[0, 0, 0, 4]);
        assert_eq!(read_packet(&chromium_map(), &packet), Err(Discard::RtpMalformed), "an id without a length");
    }

    #[test]
    fn the_audio_level_keeps_its_octet() {
        for octet in 0..=255 {
            assert_eq!(AudioLevel::from_octet(octet).octet(), octet);
        }
    }

    #[test]
    fn a_writer_of_nothing_writes_nothing() {
        assert_eq!(Writer::new(&mut [], false).finish(), 0);
    }

    #[test]
    fn only_what_fits_no_nibble_needs_the_two_byte_form() {
        let needs: Vec<bool> =
            [(1, 1), (14, 16), (15, 1), (1, 17), (1, 0)].map(|(id, length)| needs_two_byte(id, length)).into();
        assert_eq!(needs, [false, false, true, true, true]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            mid in "[a-z0-9]{1,16}",
            transport_cc: u16,
            octet: u8,
            descriptor in prop::collection::vec(any::<u8>(), 1..60),
        ) {
            let map = chromium_map();
            let two_byte = needs_two_byte(13, descriptor.len());
            let mut bytes = packet(0, &[])[..12].to_vec();
            bytes.resize(200, 0xEE);
            let mut writer = Writer::new(&mut bytes[12..], two_byte);
            writer.element(4, mid.as_bytes());
            writer.element(3, &transport_cc.to_be_bytes());
            writer.element(1, &[octet]);
            writer.element(13, &descriptor);
            let length = writer.finish();
            prop_assert_eq!(length % 4, 0);
            let header = Header::parse(&bytes).unwrap();
            prop_assert_eq!(header.length, 12 + length);
            let level = [octet];
            let expected = Extensions {
                mid: Some(&mid),
                transport_cc: Some(transport_cc),
                audio_level: Some(AudioLevel::from_octet(octet)),
                dependency_descriptor: Some(&descriptor),
                passed: passed(&[(Extension::AudioLevel, &level)]),
                ..Extensions::default()
            };
            prop_assert_eq!(read(&map, &header, &bytes), Ok(expected));
        }

        #[test]
        fn hostile_blocks_never_panic(two_byte: bool, elements in prop::collection::vec(any::<u8>(), 0..64)) {
            let packet = packet(if two_byte { 0x1000 } else { 0xBEDE }, &elements);
            let _ = read_packet(&chromium_map(), &packet);
        }
    }
}
