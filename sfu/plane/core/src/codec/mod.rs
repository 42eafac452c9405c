//! What the plane reads of a payload: enough to choose layers and to renumber, never the picture.

pub mod av1;
mod bits;
pub mod dependency;
pub mod h264;
pub mod h265;
mod nal;
pub mod vp8;
pub mod vp9;

use crate::discard::Discard;

pub use dependency::DependencyDescriptor;

/// A codec by name. Variants of one codec that do not understand one another differ in [`PayloadType::format`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Codec {
    Opus,
    Red,
    Pcmu,
    Pcma,
    Vp8,
    Vp9,
    Av1,
    H264,
    H265,
}

impl Codec {
    pub fn is_video(self) -> bool {
        matches!(self, Codec::Vp8 | Codec::Vp9 | Codec::Av1 | Codec::H264 | Codec::H265)
    }
}

/// One payload type of an m-section, with its retransmission twin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PayloadType {
    /// 0..=127, as in the RTP header.
    pub number: u8,
    pub codec: Codec,
    /// Profile and packetization as one number of the caller's choosing: equal means interchangeable.
    pub format: u16,
    /// Hz of the RTP timestamp.
    pub clock_rate: u32,
    /// RFC 4588.
    pub rtx: Option<u8>,
}

/// What one packet's payload says about the frame it is part of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Description {
    /// The packet begins a frame from which decoding can start: for SVC, its lowest spatial layer.
    pub keyframe: bool,
    /// The first packet of a frame (of a spatial layer's frame, in SVC).
    pub start: bool,
    /// The last packet of that frame, where the payload tells; the RTP marker tells of the whole picture.
    pub end: bool,
    pub spatial: u8,
    pub temporal: u8,
    /// Decoding may go up to this temporal layer here (VP8's Y, VP9's U, AV1's switch indication).
    pub layer_sync: bool,
    /// Nothing refers to it.
    pub discardable: bool,
    /// Some(false): no encoder wrote this, so it is encrypted end to end. None: it may be either.
    pub readable: Option<bool>,
    /// Pixels, where this packet tells them.
    pub size: Option<(u16, u16)>,
    /// VP8 and VP9 have numbers in their payload that are exchanged when their source changes.
    pub vp8: Option<vp8::Numbers>,
    pub vp9: Option<vp9::Numbers>,
    /// Its dependency descriptor, if it has one that could be read.
    pub dependency: Option<DependencyDescriptor>,
}

/// Reads what the payload of one packet says, and its dependency descriptor where there is one. `payload` is without
/// padding, and not empty. Of audio there is nothing to say, and of what is encrypted end to end little.
///
/// # Errors
/// `Truncated` or `RtpMalformed` if it has no payload descriptor where its codec has one.
pub fn describe(
    codec: Codec,
    payload: &[u8],
    dependency: Option<DependencyDescriptor>,
) -> Result<Description, Discard> {
    let mut description = match codec {
        Codec::Vp8 => vp8::describe(payload)?,
        Codec::Vp9 => vp9::describe(payload)?,
        Codec::Av1 => av1::describe(payload).unwrap_or_else(|_| unreadable()),
        Codec::H264 => h264::describe(payload).unwrap_or_else(|_| unreadable()),
        Codec::H265 => h265::describe(payload).unwrap_or_else(|_| unreadable()),
        Codec::Opus | Codec::Red | Codec::Pcmu | Codec::Pcma => return Ok(Description::default()),
    };
    match &dependency {
        Some(dependency) if codec == Codec::Vp8 => description.keyframe = dependency.begins_sequence(),
        Some(dependency) if codec != Codec::Vp9 => description.refine(dependency),
        _ => {}
    }
    description.dependency = dependency;
    Ok(description)
}

/// What cannot be taken apart by its codec's rules.
fn unreadable() -> Description {
    Description { readable: Some(false), ..Description::default() }
}

impl Description {
    /// With what only a dependency descriptor tells of codecs whose payload has no descriptor of its own.
    fn refine(&mut self, dependency: &DependencyDescriptor) {
        self.keyframe = dependency.begins_sequence();
        self.start = dependency.start;
        self.end = dependency.end;
        self.spatial = dependency.spatial;
        self.temporal = dependency.temporal;
        self.layer_sync = dependency.switch;
        self.discardable = dependency.discardable;
        self.size = dependency.size.or(self.size);
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
    fn what_cannot_be_read_is_what_its_dependency_descriptor_says() {
        let noise = [0x10, 0x5A, 0xA5, 0x5A, 0xA5, 0x5A, 0xA5, 0x5A, 0xA5, 0x5A];
        for codec in [Codec::Vp8, Codec::Av1, Codec::H264, Codec::H265] {
            assert!(!describe(codec, &noise, None).expect("a payload").keyframe, "{codec:?}");
            let mut structures = dependency::Structures::default();
            let dependency = structures.parse(&KEYFRAME).expect("a whole structure");
            assert!(describe(codec, &noise, Some(dependency)).expect("a payload").keyframe, "{codec:?}");
            let delta = structures.parse(&[0xC0, 0, 2]).expect("a known template");
            assert!(!describe(codec, &noise, Some(delta)).expect("a payload").keyframe, "{codec:?}");
        }
    }

    #[test]
    fn of_audio_there_is_nothing_to_say() {
        for codec in [Codec::Opus, Codec::Red, Codec::Pcmu, Codec::Pcma] {
            assert_eq!(describe(codec, &[0xFF], None), Ok(Description::default()));
        }
    }
}
