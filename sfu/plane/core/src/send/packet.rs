//! Writes outgoing packets in plaintext: RTP header (RFC 3550 s5.1), header extensions under the subscriber's ids (RFC
//! 8285), and the cached payload with rewritten numbers; or all of that as a retransmission (RFC 4588 s4).

use crate::codec::{dependency, vp8, vp9};
use crate::command::SlotSpec;
use crate::receive::cache::Cached;
use crate::rtp::elements::{Writer, needs_two_byte};
use crate::rtp::extension::Extension;
use crate::rtp::header::FIXED;
use crate::rtp::passed;
use crate::rtp::rtx::OSN;
use crate::send::passing::{DependencyPatch, Outgoing, Patch, Transmission};
use crate::send::redundancy::{self, Earlier};
use crate::send::repeats::Varied;
use crate::send::slot::Empty;

/// Octets beside the payload and the extension block: header, OSN, and the octet by which a VP8 descriptor may grow.
const OVERHEAD: usize = FIXED + OSN + 1;

const VERSION: u8 = 2 << 6;
const EXTENSION: u8 = 1 << 4;
const MARKER: u8 = 1 << 7;
/// The P bit of the first octet.
const PADDING: u8 = 1 << 5;

/// Writes the plaintext of `outgoing` to the front of `out`. Returns the octets of its header, where encryption begins,
/// and of the whole packet.
///
/// `earlier`: the packets that [`Patch::RedMade`] names, from the same cache. `varied`: the caller writes its padding.
///
/// # Panics
/// If `out` is smaller than [`most_octets`].
pub fn write(
    out: &mut [u8],
    spec: &SlotSpec,
    outgoing: &Outgoing,
    cached: &Cached,
    earlier: &Earlier<'_>,
    varied: &Varied,
) -> (usize, usize) {
    let extension = write_extensions(&mut out[FIXED..], spec, outgoing, cached, varied);
    out[0] = VERSION | if extension > 0 { EXTENSION } else { 0 };
    out[1] = outgoing.payload_type & 0x7F | if outgoing.marker { MARKER } else { 0 };
    out[2..4].copy_from_slice(&outgoing.seq.wire().to_be_bytes());
    out[4..8].copy_from_slice(&outgoing.timestamp.to_be_bytes());
    out[8..12].copy_from_slice(&outgoing.ssrc.to_be_bytes());
    let header = FIXED + extension;
    let mut length = header;
    if let Transmission::Rtx(original) = outgoing.transmission {
        out[length..length + OSN].copy_from_slice(&original.to_be_bytes());
        length += OSN;
    }
    length += write_payload(&mut out[length..], outgoing.patch, cached, earlier);
    (header, length)
}

/// The padding of an empty packet: its last octet counts itself (RFC 3550 s5.1). libwebrtc: rtp_sender.cc,
/// kMaxPaddingLength.
const EMPTY: usize = 224;

/// Octets of an empty packet, about, on the wire.
pub const EMPTY_OCTETS: usize = EMPTY + 60;

/// Writes an empty packet, which consists of padding. Returns the octets of its header, and of the whole packet.
///
/// # Panics
/// If `out` has less than [`DATAGRAM`](crate::limits::DATAGRAM) octets.
pub fn write_empty(out: &mut [u8], spec: &SlotSpec, empty: &Empty, varied: &Varied) -> (usize, usize) {
    let extension = write_elements(&mut out[FIXED..], spec, None, &[], varied);
    out[0] = VERSION | PADDING | if extension > 0 { EXTENSION } else { 0 };
    out[1] = empty.payload_type & 0x7F;
    out[2..4].copy_from_slice(&empty.seq.wire().to_be_bytes());
    out[4..8].copy_from_slice(&empty.timestamp.to_be_bytes());
    out[8..12].copy_from_slice(&empty.ssrc.to_be_bytes());
    let header = FIXED + extension;
    out[header..header + EMPTY].fill(0);
    out[header + EMPTY - 1] = EMPTY as u8;
    (header, header + EMPTY)
}

/// The most octets that [`write`] needs.
pub fn most_octets(spec: &SlotSpec, cached: &Cached, earlier: &Earlier<'_>) -> usize {
    let descriptor = cached.dependency_descriptor.len() + dependency::MAX_GROWTH;
    // Each element has a two-byte header: MID, transport-cc, abs-send-time, dependency descriptor, and the passed ones,
    // which are stored with as much before each. The block adds its header and its padding.
    let extensions = 4 + (2 + spec.mid.len()) + 4 + 5 + (2 + descriptor) + cached.passed.len() + 3;
    let payload = cached.payload.len().max(cached.parameter_sets.len());
    OVERHEAD + extensions + payload + redundancy::most_octets(earlier)
}

/// Writes the header extensions. All packets have the same elements of the same length, except for those that the
/// publisher sends on some packets: packets of equal size leave in one segmented send. The two-byte form is used if an
/// element fits no other (RFC 8285 s4.1.2); receivers tell the forms apart by the block's header.
fn write_extensions(out: &mut [u8], spec: &SlotSpec, outgoing: &Outgoing, cached: &Cached, varied: &Varied) -> usize {
    let mut rewritten = [0; MOST_DESCRIPTOR];
    let length = match spec.extensions.id(Extension::DependencyDescriptor) {
        Some(_) => write_descriptor(&mut rewritten, outgoing, cached),
        None => None,
    };
    write_elements(out, spec, length.map(|length| &rewritten[..length]), &cached.passed, varied)
}

/// Writes the elements of a block: the plane's own ones, the dependency descriptor, and stored ones of the publisher.
fn write_elements(out: &mut [u8], spec: &SlotSpec, descriptor: Option<&[u8]>, passed: &[u8], varied: &Varied) -> usize {
    let id = |extension| spec.extensions.id(extension);
    let mid = id(Extension::Mid).filter(|_| !spec.mid.is_empty()).map(|id| (id, spec.mid.as_bytes()));
    let sequence = varied.transport_sequence.map(u16::to_be_bytes);
    let sequence = id(Extension::TransportCc).zip(sequence.as_ref().map(|octets| octets.as_slice()));
    let time = varied.abs_send_time.to_be_bytes();
    let time = id(Extension::AbsSendTime).map(|id| (id, &time[1..]));
    let descriptor = id(Extension::DependencyDescriptor).zip(descriptor);
    let passed = passed::stored(passed).filter_map(|(extension, value)| Some((id(extension)?, value)));
    let elements = [mid, sequence, time, descriptor].into_iter().flatten().chain(passed);
    let two_byte = elements.clone().any(|(id, value)| needs_two_byte(id, value.len()));
    let mut writer = Writer::new(out, two_byte);
    for (id, value) in elements {
        writer.element(id, value);
    }
    writer.finish()
}

/// The most octets in an element of the two-byte form.
const MOST_DESCRIPTOR: usize = 255;

/// None if the packet has no descriptor, or its descriptor does not refer to a known structure.
fn write_descriptor(out: &mut [u8], outgoing: &Outgoing, cached: &Cached) -> Option<usize> {
    let DependencyPatch { frame_number, templates, active_targets } = outgoing.dependency?;
    let parsed = cached.description.dependency.as_ref()?;
    let new = dependency::Rewritten { frame_number, templates, active_targets: active_targets.get().into() };
    dependency::rewrite(out, &cached.dependency_descriptor, parsed, new)
}

fn write_payload(out: &mut [u8], patch: Patch, cached: &Cached, earlier: &Earlier<'_>) -> usize {
    let payload = cached.payload.as_slice();
    match (patch, &cached.description.vp8) {
        (Patch::Vp8 { picture_id, tl0, key_index }, Some(numbers)) => {
            return vp8::write(out, payload, numbers, picture_id, tl0, key_index);
        }
        (Patch::Vp9 { picture_id, tl0 }, _) if let Some(numbers) = &cached.description.vp9 => {
            return vp9::write(out, payload, numbers, picture_id, tl0);
        }
        (Patch::Empty, _) => return 0,
        (Patch::ParameterSets, _) => {
            out[..cached.parameter_sets.len()].copy_from_slice(&cached.parameter_sets);
            return cached.parameter_sets.len();
        }
        (Patch::RedPrimary, _) => {
            let primary = redundancy::primary(payload);
            out[..primary.len()].copy_from_slice(primary);
            return primary.len();
        }
        (Patch::Red { block }, _) => redundancy::relabel(payload, block, out),
        (Patch::RedMade { block, .. }, _) => return redundancy::write(out, block, cached, earlier),
        _ => out[..payload.len()].copy_from_slice(payload),
    }
    payload.len()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use proptest::prelude::*;

    use super::*;
    use crate::codec::{Description, PayloadType};
    use crate::command::Kind;
    use crate::id::TrackId;
    use crate::rtp::elements::{self, AudioLevel};
    use crate::rtp::header::Header;
    use crate::rtp::passed::Passed;
    use crate::rtp::sequence::ExtendedSeq;
    use crate::send::EncodingId;
    use crate::send::tests::{OPUS, RED, VP8, spec};
    use crate::time::Instant;

    fn cached(payload_type: PayloadType, payload: &[u8]) -> Cached {
        Cached {
            seq: ExtendedSeq(70_000),
            timestamp: 1,
            marker: false,
            payload_type,
            passed: Vec::new(),
            dependency_descriptor: Vec::new(),
            parameter_sets: Vec::new(),
            description: Description::default(),
            payload: payload.to_vec(),
            payload_length: payload.len(),
            received: Instant::now(),
            octets: 0,
        }
    }

    fn outgoing(patch: Patch) -> Outgoing {
        Outgoing {
            kind: Kind::Video,
            transmission: Transmission::First,
            ssrc: 0x5107,
            seq: ExtendedSeq(0x1_ABCD),
            timestamp: 0x0102_0304,
            marker: true,
            payload_type: 120,
            encoding: EncodingId::first(0),
            source_seq: ExtendedSeq(70_000),
            track: TrackId(1),
            patch,
            dependency: None,
        }
    }

    fn all_extensions() -> SlotSpec {
        let mut spec = spec(Kind::Video);
        spec.extensions.set(Extension::AbsSendTime, 2);
        spec.extensions.set(Extension::AudioLevel, 4);
        spec.extensions.set(Extension::DependencyDescriptor, 5);
        spec
    }

    fn kept(elements: &[(Extension, &[u8])]) -> Vec<u8> {
        let (mut passed, mut kept) = (Passed::default(), Vec::new());
        elements.iter().for_each(|(extension, value)| passed.take(*extension, value));
        passed.store(&mut kept);
        kept
    }

    fn varied(transport_sequence: u16) -> Varied {
        Varied { transport_sequence: Some(transport_sequence), abs_send_time: 0xAB_CDEF, padding: 0 }
    }

    fn written(spec: &SlotSpec, outgoing: &Outgoing, cached: &Cached) -> (Vec<u8>, Header) {
        let earlier = Earlier::default();
        let mut out = vec![0xEE; most_octets(spec, cached, &earlier)];
        let (header, length) = write(&mut out, spec, outgoing, cached, &earlier, &varied(0x1234));
        out.truncate(length);
        let parsed = Header::parse(&out).expect("what we write can be read");
        assert_eq!(parsed.length, header);
        (out, parsed)
    }

    #[test]
    fn the_header_carries_the_slots_numbers_and_every_extension_that_was_agreed() {
        let spec = all_extensions();
        // A structure of one template and one target; a frame of it; one with eight frame differences of its own.
        let structure = [0xC0, 0x00, 0x01, 0x80, 0x00, 0xE2, 0x09, 0xFE, 0x05, 0x9E];
        let frame = [0xC0, 0x00, 0x02];
        let differences = [0x16, 0x00, 0xB8, 0x02, 0xE0, 0x0B, 0x80, 0x2E, 0x00, 0xB8, 0x02, 0xE0, 0x0B, 0x80, 0x28];
        let long = [&[0xC0, 0x00, 0x03][..], &differences].concat();
        let [mut structures, mut rewritten] = [(); 2].map(|()| dependency::Structures::default());
        for descriptor in [&structure[..], &frame, &long] {
            let mut cached = cached(VP8, b"payload");
            cached.passed = kept(&[(Extension::AudioLevel, &[0x92])]);
            cached.dependency_descriptor = descriptor.to_vec();
            let parsed = structures.parse(descriptor).expect("a known structure");
            cached.description.dependency = Some(parsed.clone());
            let active_targets = NonZeroU16::new(1).expect("not zero");
            let patch = DependencyPatch { frame_number: 0xABC0, templates: 62, active_targets };
            let outgoing = Outgoing { dependency: Some(patch), ..outgoing(Patch::None) };
            let (packet, header) = written(&spec, &outgoing, &cached);
            assert_eq!((header.marker, header.payload_type, header.sequence), (true, 120, 0xABCD));
            assert_eq!((header.timestamp, header.ssrc, header.padding), (0x0102_0304, 0x5107, false));
            assert_eq!(packet[header.length..], *b"payload");
            let read = elements::read(&spec.extensions, &header, &packet).expect("what we write can be read");
            assert_eq!((read.mid, read.transport_cc, read.abs_send_time), (Some("v1"), Some(0x1234), Some(0xAB_CDEF)));
            assert_eq!(read.audio_level, Some(AudioLevel { level: 0x12, voice: true }));
            let frame = rewritten.parse(read.dependency_descriptor.expect("it has one")).expect("it can be read");
            assert_eq!((frame.frame_number, frame.active_targets), (0xABC0, Some(1)));
            assert_eq!((frame.template, frame.structure.first_id(), frame.size), (62, 62, parsed.size));
        }
    }

    #[test]
    fn nothing_is_written_that_was_not_agreed() {
        let mut spec = spec(Kind::Video);
        spec.extensions = Default::default();
        let mut cached = cached(VP8, b"payload");
        cached.passed = kept(&[(Extension::AudioLevel, &[0x92])]);
        let (packet, header) = written(&spec, &outgoing(Patch::None), &cached);
        assert_eq!((header.extension, packet.len()), (None, FIXED + 7));
    }

    #[test]
    fn what_is_passed_has_the_same_octets_under_the_subscribers_id_also_when_it_is_sent_again() {
        let hdr: Vec<u8> = (0..28).collect();
        let (short, time) = ([1, 2, 3, 4], [9; 16]);
        type Row<'a> = (&'a [(Extension, &'a [u8])], u16);
        let rows: [Row<'_>; 6] = [
            (&[(Extension::AudioLevel, &[0x92])], 0xBEDE),
            (&[(Extension::PlayoutDelay, &[0x01, 0x20, 0x64])], 0xBEDE),
            (&[(Extension::AbsCaptureTime, &time[..8]), (Extension::ContentType, &[1])], 0xBEDE),
            (&[(Extension::AbsCaptureTime, &time), (Extension::ColorSpace, &short)], 0xBEDE),
            (&[(Extension::ContentType, &[1]), (Extension::ColorSpace, &hdr)], 0x1000),
            (&[], 0xBEDE),
        ];
        let mut spec = all_extensions();
        for (extension, id) in [
            (Extension::PlayoutDelay, 6),
            (Extension::AbsCaptureTime, 7),
            (Extension::ContentType, 8),
            (Extension::ColorSpace, 9),
            // Removed extensions are not sent, even if they were negotiated.
            (Extension::Rid, 10),
            (Extension::RepairedRid, 11),
            (Extension::VideoLayersAllocation, 12),
        ] {
            spec.extensions.set(extension, id);
        }
        for (elements, form) in rows {
            let mut cached = cached(VP8, b"payload");
            cached.passed = kept(elements);
            let mut expected = Passed::default();
            elements.iter().for_each(|(extension, value)| expected.take(*extension, value));
            let blocks = [Transmission::First, Transmission::Rtx(0x0807)].map(|transmission| {
                let outgoing = Outgoing { transmission, ..outgoing(Patch::None) };
                let (packet, header) = written(&spec, &outgoing, &cached);
                let read = elements::read(&spec.extensions, &header, &packet).expect("what we write can be read");
                assert_eq!(read.passed, expected);
                assert_eq!((read.rid, read.repaired_rid, read.video_layers_allocation), (None, None, None));
                let block = header.extension.expect("it has extensions");
                assert_eq!(block.profile, form, "{elements:?}");
                packet[block.start..block.end].to_vec()
            });
            assert_eq!(blocks[0], blocks[1]);
        }
    }

    #[test]
    fn packets_of_one_size_leave_in_one_size() {
        let spec = all_extensions();
        let lengths = [0, 1, 0xFFFF].map(|sequence| {
            let mut out = [0; 200];
            let cached = cached(VP8, b"payload");
            write(&mut out, &spec, &outgoing(Patch::None), &cached, &Earlier::default(), &varied(sequence)).1
        });
        assert_eq!(lengths, [lengths[0]; 3]);
    }

    #[test]
    fn a_retransmission_carries_the_number_it_left_under_first() {
        let sent_again = Outgoing { transmission: Transmission::Rtx(0x0807), ..outgoing(Patch::None) };
        let (packet, header) = written(&spec(Kind::Video), &sent_again, &cached(VP8, b"payload"));
        assert_eq!(packet[header.length..], *b"\x08\x07payload");
    }

    #[test]
    fn a_vp8_packet_leaves_with_the_numbers_of_the_slot_and_a_long_picture_id() {
        // X, I, L, T, K; a picture id of 7 bits.
        let payload = [0x90, 0xF0, 0x05, 0x07, 0x23, b'f', b'r', b'a', b'm', b'e'];
        let mut cached = cached(VP8, &payload);
        cached.description = vp8::describe(&payload).expect("a VP8 payload");
        let patch = Patch::Vp8 { picture_id: 0x1234, tl0: 0x56, key_index: 0x19 };
        let (packet, header) = written(&spec(Kind::Video), &outgoing(patch), &cached);
        assert_eq!(packet[header.length..], [&[0x90, 0xF0, 0x92, 0x34, 0x56, 0x39], &b"frame"[..]].concat());
    }

    /// RFC 2198 s3: a redundant block of 3 octets, then the primary one.
    const REDUNDANT: &[u8] = b"\xEF\x0F\x00\x03\x6Foldnewest";

    #[test]
    fn red_leaves_with_the_subscribers_number_for_its_blocks_or_without_redundancy() {
        let cached = cached(RED, REDUNDANT);
        let (packet, header) = written(&spec(Kind::Audio), &outgoing(Patch::Red { block: 109 }), &cached);
        assert_eq!(packet[header.length..], *b"\xED\x0F\x00\x03\x6Doldnewest");
        let (packet, header) = written(&spec(Kind::Audio), &outgoing(Patch::RedPrimary), &cached);
        assert_eq!(packet[header.length..], *b"newest");
    }

    proptest! {
        #[test]
        fn no_payload_makes_writing_panic(payload in proptest::collection::vec(any::<u8>(), 0..40)) {
            for patch in [Patch::None, Patch::Red { block: 109 }, Patch::RedPrimary] {
                written(&spec(Kind::Audio), &outgoing(patch), &cached(OPUS, &payload));
            }
            let mut cached = cached(VP8, &payload);
            if let Ok(description) = vp8::describe(&payload) {
                cached.description = description;
                let patch = Patch::Vp8 { picture_id: 1, tl0: 2, key_index: 3 };
                written(&spec(Kind::Video), &outgoing(patch), &cached);
            }
        }
    }
}
