//! RTP header extensions (RFC 8285): the supported ones, how each is forwarded, and their ids.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

/// The extensions that the plane supports and `sfu/negotiation/capabilities.py` negotiates. One map applies to a whole
/// BUNDLE group (RFC 8843 s9): an id has the same meaning in every m-section.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Extension {
    /// RFC 9143.
    Mid,
    /// RFC 8852.
    Rid,
    /// RFC 8852.
    RepairedRid,
    /// RFC 6464.
    AudioLevel,
    /// draft-holmer-rmcat-transport-wide-cc-extensions.
    TransportCc,
    /// 24 bits, 6.18 fixed point seconds.
    AbsSendTime,
    /// AV1 RTP specification, appendix A.
    DependencyDescriptor,
    /// `video-layers-allocation00` of libwebrtc.
    VideoLayersAllocation,
    /// `playout-delay` of libwebrtc: the limits of a receiver's buffer.
    PlayoutDelay,
    /// `abs-capture-time` of libwebrtc: the capture time and the offset of its clock.
    AbsCaptureTime,
    /// `video-content-type` of libwebrtc: camera or screen.
    ContentType,
    /// `color-space` of libwebrtc, with or without HDR metadata.
    ColorSpace,
}

/// How an extension is forwarded to a subscriber. Refused extensions never reach the plane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Treatment {
    /// The plane writes its own value, whatever the publisher sent.
    Rewritten,
    /// The same octets are sent under the subscriber's id. A value longer than `longest` octets is dropped.
    Passed { longest: usize },
    /// Only the plane uses the extension; subscribers do not receive it.
    Stripped,
}

impl Extension {
    pub const COUNT: usize = 12;
    pub const ALL: [Extension; Self::COUNT] = [
        Extension::Mid,
        Extension::Rid,
        Extension::RepairedRid,
        Extension::AudioLevel,
        Extension::TransportCc,
        Extension::AbsSendTime,
        Extension::DependencyDescriptor,
        Extension::VideoLayersAllocation,
        Extension::PlayoutDelay,
        Extension::AbsCaptureTime,
        Extension::ContentType,
        Extension::ColorSpace,
    ];

    /// The lengths are from RFC 6464 s3 and libwebrtc, rtp_header_extensions.h.
    pub const fn treatment(self) -> Treatment {
        match self {
            Extension::Mid | Extension::TransportCc | Extension::AbsSendTime | Extension::DependencyDescriptor => {
                Treatment::Rewritten
            }
            Extension::AudioLevel | Extension::ContentType => Treatment::Passed { longest: 1 },
            Extension::PlayoutDelay => Treatment::Passed { longest: 3 },
            // The capture time and the clock offset, 8 octets each.
            Extension::AbsCaptureTime => Treatment::Passed { longest: 16 },
            // Primaries, transfer, matrix and range, then 24 octets of HDR metadata.
            Extension::ColorSpace => Treatment::Passed { longest: 28 },
            Extension::Rid | Extension::RepairedRid | Extension::VideoLayersAllocation => Treatment::Stripped,
        }
    }
}

/// Ids below this fit the one-byte form (RFC 8285 s4.2).
const SHORT: usize = 15;

/// The id of each extension: 1..=255 (1..=14 fit the one-byte form). 0 in `ids` means not negotiated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ExtensionMap {
    ids: [u8; Extension::COUNT],
    /// The extension of each short id. Every packet needs this lookup, and browsers seldom use longer ids.
    short: [Option<Extension>; SHORT],
}

#[allow(clippy::indexing_slicing, reason = "an Extension as a number is less than COUNT")]
impl ExtensionMap {
    pub fn set(&mut self, extension: Extension, id: u8) {
        self.short.iter_mut().filter(|known| **known == Some(extension)).for_each(|known| *known = None);
        self.ids[extension as usize] = id;
        if let Some(known) = self.short.get_mut(usize::from(id)).filter(|_| id != 0) {
            *known = Some(extension);
        }
    }

    pub fn id(&self, extension: Extension) -> Option<u8> {
        match self.ids[extension as usize] {
            0 => None,
            id => Some(id),
        }
    }

    pub fn extension(&self, id: u8) -> Option<Extension> {
        match self.short.get(usize::from(id)) {
            Some(known) => *known,
            None => Extension::ALL.into_iter().find(|&extension| self.ids[extension as usize] == id),
        }
    }

    /// Copies every id that `other` has.
    pub fn merge(&mut self, other: &ExtensionMap) {
        for extension in Extension::ALL {
            if let Some(id) = other.id(extension) {
                self.set(extension, id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_means_what_it_was_set_to_last() {
        let mut map = ExtensionMap::default();
        for (id, before) in [(3, 0), (14, 3), (15, 14), (200, 15), (1, 200)] {
            map.set(Extension::ColorSpace, id);
            assert_eq!((map.extension(id), map.extension(before)), (Some(Extension::ColorSpace), None));
        }
        map.set(Extension::ColorSpace, 0);
        assert_eq!((map, map.extension(0)), (ExtensionMap::default(), None));
    }
}
