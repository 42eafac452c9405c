//! RTP header extensions (RFC 8285): which we speak, under which ids, and their one- and two-byte forms.

/// The extensions the plane knows. One map serves a whole BUNDLE group (RFC 8843 s9): an id means the same everywhere.
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
}

impl Extension {
    pub const COUNT: usize = 8;
    pub const ALL: [Extension; Self::COUNT] = [
        Extension::Mid,
        Extension::Rid,
        Extension::RepairedRid,
        Extension::AudioLevel,
        Extension::TransportCc,
        Extension::AbsSendTime,
        Extension::DependencyDescriptor,
        Extension::VideoLayersAllocation,
    ];
}

/// Which id each extension has; ids are 1..=255 (1..=14 fit the one-byte form), 0 here: not negotiated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ExtensionMap {
    ids: [u8; Extension::COUNT],
}

impl ExtensionMap {
    pub fn set(&mut self, extension: Extension, id: u8) {
        self.ids[extension as usize] = id;
    }

    pub fn id(&self, extension: Extension) -> Option<u8> {
        match self.ids[extension as usize] {
            0 => None,
            id => Some(id),
        }
    }

    pub fn extension(&self, id: u8) -> Option<Extension> {
        Extension::ALL.into_iter().find(|&extension| id != 0 && self.ids[extension as usize] == id)
    }

    /// Takes over every id that `other` has.
    pub fn merge(&mut self, other: &ExtensionMap) {
        for extension in Extension::ALL {
            if let Some(id) = other.id(extension) {
                self.set(extension, id);
            }
        }
    }
}
