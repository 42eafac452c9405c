//! Parses payload headers: enough to choose layers and to renumber. The plane never decodes pictures.

#[doc(hidden)]
pub mod av1;
mod bits;
#[doc(hidden)]
pub mod dependency;
#[doc(hidden)]
pub mod h264;
#[doc(hidden)]
pub mod h265;
mod nal;
#[doc(hidden)]
pub mod parameters;
pub(crate) mod shape;
#[doc(hidden)]
pub mod vp8;
#[doc(hidden)]
pub mod vp9;

use crate::discard::Discard;

pub use dependency::DependencyDescriptor;

/// A codec by name. Variants of one codec that do not understand one another differ in [`PayloadType::format`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Codec {
    /// RFC 7587.
    Opus,
    /// Redundant audio (RFC 2198).
    Red,
    /// G.711, mu-law (RFC 3551).
    Pcmu,
    /// G.711, A-law (RFC 3551).
    Pcma,
    /// RFC 7741.
    Vp8,
    /// RFC 9628.
    Vp9,
    /// AV1 RTP specification.
    Av1,
    /// RFC 6184.
    H264,
    /// RFC 7798.
    H265,
}

impl Codec {
    /// True for video codecs.
    pub fn is_video(self) -> bool {
        matches!(self, Codec::Vp8 | Codec::Vp9 | Codec::Av1 | Codec::H264 | Codec::H265)
    }
}

/// One payload type of an m-section, with the payload type of its retransmissions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PayloadType {
    /// 0..=127, as in the RTP header.
    pub number: u8,
    /// The codec of the payload.
    pub codec: Codec,
    /// Profile and packetization as one number of the caller's choosing: equal means interchangeable.
    pub format: u16,
    /// Hz of the RTP timestamp.
    pub clock_rate: u32,
    /// The payload type of its retransmissions (RFC 4588).
    pub rtx: Option<u8>,
}

/// The properties of a frame that the payload of one of its packets states.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Description {
    /// The packet begins a frame from which decoding can start: for SVC, its lowest spatial layer.
    pub keyframe: bool,
    /// The packet has a keyframe without its parameter sets. H.264 and H.265 may send these in earlier packets.
    pub lacks_parameters: bool,
    /// The first packet of a frame (of a spatial layer's frame, in SVC).
    pub start: bool,
    /// The last packet of that frame, if the payload states it. The RTP marker ends the whole picture.
    pub end: bool,
    /// The spatial layer of the frame.
    pub spatial: u8,
    /// The temporal layer of the frame.
    pub temporal: u8,
    /// A decoder may switch up to this temporal layer here (VP8's Y, VP9's U, AV1's switch indication).
    pub layer_sync: bool,
    /// No other frame refers to it.
    pub discardable: bool,
    /// `Some(false)`: no encoder wrote this payload, so it is encrypted end to end. `None`: unknown.
    pub readable: Option<bool>,
    /// Width and height in pixels of the highest spatial layer, if this packet states them.
    pub size: Option<(u16, u16)>,
    /// The numbers in a VP8 payload, which are rewritten when the source changes.
    pub vp8: Option<vp8::Numbers>,
    /// The numbers in a VP9 payload, likewise.
    pub vp9: Option<vp9::Numbers>,
    /// The packet's dependency descriptor, if it has one that could be parsed.
    pub dependency: Option<DependencyDescriptor>,
    /// The packet's dependency descriptor could not be parsed, because its structure has not arrived.
    pub awaits_structure: bool,
}

/// Describes one packet from its payload and its dependency descriptor, if it has one. `payload` has no padding and is
/// not empty. Audio has the default description; a payload that is encrypted end to end has little more.
///
/// # Errors
/// `Truncated` or `RtpMalformed` if the codec's payload descriptor is invalid and there is no dependency descriptor.
pub fn describe(
    codec: Codec,
    payload: &[u8],
    dependency: Option<DependencyDescriptor>,
) -> Result<Description, Discard> {
    let described = match codec {
        Codec::Vp8 => vp8::describe(payload),
        Codec::Vp9 => vp9::describe(payload),
        Codec::Av1 => Ok(av1::describe(payload).unwrap_or_else(|_| unreadable())),
        Codec::H264 => Ok(h264::describe(payload).unwrap_or_else(|_| unreadable())),
        Codec::H265 => Ok(h265::describe(payload).unwrap_or_else(|_| unreadable())),
        Codec::Opus | Codec::Red | Codec::Pcmu | Codec::Pcma => return Ok(Description::default()),
    };
    let Some(dependency) = dependency else { return described };
    // A payload that is encrypted end to end may contain any octets.
    let mut description = described.unwrap_or_else(|_| unreadable());
    description.refine(&dependency);
    description.dependency = Some(dependency);
    Ok(description)
}

/// The description of a payload that does not parse by its codec's rules.
fn unreadable() -> Description {
    Description { readable: Some(false), ..Description::default() }
}

impl Description {
    /// Adds the fields of the dependency descriptor, which stays readable where the payload is encrypted end to end. If
    /// the payload also states layers, those are kept, because the payload has its own rules for switching layers.
    fn refine(&mut self, dependency: &DependencyDescriptor) {
        self.keyframe = dependency.begins_sequence();
        self.lacks_parameters = false;
        if !self.keyframe {
            self.size = None;
        }
        self.size = dependency.size.or(self.size);
        if self.tells_layers() {
            return;
        }
        self.start = dependency.start;
        self.end = dependency.end;
        self.spatial = dependency.spatial;
        self.temporal = dependency.temporal;
        self.layer_sync = dependency.switch;
        self.discardable = dependency.discardable;
    }

    /// Width and height in pixels by spatial layer, if this packet states them: for all layers, or for its own only.
    pub fn sizes(&self) -> impl Iterator<Item = (usize, (u16, u16))> {
        let attached = self.dependency.as_ref().filter(|frame| frame.structure_attached);
        let all = attached.map(|frame| frame.structure.sizes()).filter(|sizes| !sizes.is_empty());
        let all = all.or_else(|| self.vp9.as_ref().map(|numbers| &numbers.sizes[..])).unwrap_or_default();
        let all = all.iter().copied().enumerate().filter(|(_, size)| *size != (0, 0));
        let own = self.size.filter(|_| all.clone().next().is_none()).map(|size| (usize::from(self.spatial), size));
        all.chain(own)
    }

    /// True if the payload states layers. libwebrtc omits numbers and layers from VP8 with a dependency descriptor
    /// (rtp_sender_video.cc, MinimizeDescriptor).
    fn tells_layers(&self) -> bool {
        let vp8 = self.vp8.as_ref().is_some_and(|numbers| numbers.tl0_picture_index.is_some());
        vp8 || self.vp9.as_ref().is_some_and(|numbers| numbers.has_layers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// template_id 0 of a structure with one template and one target, at 1280x720.
    const KEYFRAME: [u8; 10] = [0xC0, 0x00, 0x01, 0x80, 0x00, 0xE2, 0x09, 0xFE, 0x05, 0x9E];

    #[test]
    fn what_a_payload_cannot_tell_its_dependency_descriptor_does() {
        let mut structures = dependency::Structures::default();
        let dependency = structures.parse(&KEYFRAME).expect("a whole structure");
        // A new coded video sequence, of which one octet is a frame.
        let payload = [0x18, 0x32, 0x10];
        let description = describe(Codec::Av1, &payload, Some(dependency)).expect("one element");
        assert!(description.keyframe && description.start && description.end && description.layer_sync);
        assert_eq!(description.size, Some((1280, 720)));

        let later = structures.parse(&[0x40, 0, 1]).expect("a known template");
        let description = describe(Codec::Av1, &payload, Some(later)).expect("one element");
        assert!(!description.keyframe, "not the first packet of its frame");
    }

    #[test]
    fn what_cannot_be_read_since_it_is_encrypted_is_what_its_dependency_descriptor_says() {
        let mut structures = dependency::Structures::default();
        // By its last bit a VP8 frame that is no keyframe; of AV1, an element longer than the payload.
        for (codec, payload) in [(Codec::Vp8, &[0x10, 0x01][..]), (Codec::Av1, &[0x00, 0x7F])] {
            assert!(!describe(codec, payload, None).is_ok_and(|description| description.keyframe));
            let dependency = structures.parse(&KEYFRAME).expect("a whole structure");
            let description = describe(codec, payload, Some(dependency)).expect("its descriptor can be read");
            assert!(description.keyframe && description.start, "{codec:?}");
            assert_eq!(description.size, Some((1280, 720)));
            let later = structures.parse(&[0xC0, 0, 1]).expect("a known template");
            let description = describe(codec, &[0x10, 0x00, 0x00], Some(later)).expect("its descriptor can be read");
            assert!(!description.keyframe, "{codec:?}");
        }
    }

    #[test]
    fn of_audio_there_is_nothing_to_say() {
        for codec in [Codec::Opus, Codec::Red, Codec::Pcmu, Codec::Pcma] {
            assert_eq!(describe(codec, &[0xFF], None), Ok(Description::default()));
        }
    }
}
