//! Source packets that leave under consecutive numbers, and what is added to each of their numbers.

use crate::codec::{vp8, vp9};
use crate::rtp::sequence::ExtendedSeq;
use crate::send::passing::{Packet, Patch};

const PICTURE_ID_MASK: u16 = 0x7FFF;
const KEY_INDEX_MASK: u8 = 0x1F;

/// Numbers given out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Numbers {
    pub seq: ExtendedSeq,
    pub timestamp: u32,
    /// [`Patch::Vp8`], [`Patch::Vp9`] or none.
    pub patch: Patch,
    /// If it has a dependency descriptor.
    pub frame_number: Option<u16>,
    /// What is added to the template ids in it.
    pub templates: u8,
}

/// A picture, or one spatial layer of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Frame {
    pub timestamp: u32,
    pub spatial: u8,
}

impl Frame {
    pub fn of(packet: &Packet) -> Self {
        Self { timestamp: packet.timestamp, spatial: packet.description.spatial }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub encoding: u8,
    /// The first source number in it, and one past the last seen.
    pub first: u64,
    pub end: u64,
    /// Under which number `first` leaves.
    pub output: u64,
    pub offsets: Offsets,
    /// The newest picture id of it, in the source's numbers, widened to 15 bits.
    pub picture: u16,
    /// The frame left out before it: what comes late of that stays out.
    pub skipped: Option<Frame>,
}

/// What is added to a source's number to get ours.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Offsets {
    pub timestamp: u32,
    pub picture: u16,
    pub tl0: u8,
    pub key_index: u8,
    /// Of dependency descriptors: frame numbers, and template ids.
    pub frame: u16,
    pub templates: u8,
}

impl Offsets {
    /// Those by which `first` comes right after `last`, which is ours.
    pub fn follow(&mut self, last: Ids, first: Ids) {
        self.picture = last.picture.wrapping_add(1).wrapping_sub(first.picture);
        self.tl0 = last.tl0.wrapping_add(1).wrapping_sub(first.tl0);
        self.key_index = last.key_index.wrapping_add(1).wrapping_sub(first.key_index);
    }
}

/// The numbers in a VP8 or VP9 payload; zero for those it does not have.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Ids {
    pub picture: u16,
    pub tl0: u8,
    pub key_index: u8,
}

impl Ids {
    /// None: the packet has no such numbers.
    pub fn of(packet: &Packet) -> Option<Self> {
        // The middle of what 7 bits can be: they stay as they are.
        Self::near(packet, 0x40)
    }

    /// The same with a picture id of 15 bits: one of 7 bits is the nearest to `near` that ends in it.
    fn near(packet: &Packet, near: u16) -> Option<Self> {
        let description = packet.description;
        if let Some(vp8::Numbers { picture_id, long_picture_id, tl0_picture_index, key_index, .. }) = description.vp8 {
            let any = picture_id.is_some() || tl0_picture_index.is_some() || key_index.is_some();
            return any.then(|| Self {
                picture: widened(picture_id, long_picture_id, near),
                tl0: tl0_picture_index.unwrap_or_default(),
                key_index: key_index.unwrap_or_default(),
            });
        }
        let vp9::Numbers { picture_id, long_picture_id, tl0_picture_index, .. } = description.vp9?;
        picture_id.is_some().then(|| Self {
            picture: widened(picture_id, long_picture_id, near),
            tl0: tl0_picture_index.unwrap_or_default(),
            key_index: 0,
        })
    }

    fn plus(self, offsets: Offsets) -> Self {
        Self {
            picture: self.picture.wrapping_add(offsets.picture) & PICTURE_ID_MASK,
            tl0: self.tl0.wrapping_add(offsets.tl0),
            key_index: self.key_index.wrapping_add(offsets.key_index) & KEY_INDEX_MASK,
        }
    }
}

impl Run {
    /// `packet` is its newest. Under which numbers it leaves, if it has any in its payload.
    pub fn insert(&mut self, packet: &Packet) -> Option<Ids> {
        let ids = Ids::near(packet, self.picture)?;
        self.picture = ids.picture;
        Some(ids.plus(self.offsets))
    }

    pub fn numbers(&self, packet: &Packet) -> Numbers {
        let ids = Ids::near(packet, self.picture).map(|ids| ids.plus(self.offsets));
        let patch = match ids {
            Some(Ids { picture, tl0, key_index }) if packet.description.vp8.is_some() => {
                Patch::Vp8 { picture_id: picture, tl0, key_index }
            }
            Some(Ids { picture, tl0, .. }) => Patch::Vp9 { picture_id: picture, tl0 },
            None => Patch::None,
        };
        Numbers {
            seq: ExtendedSeq(self.output + (packet.seq.0 - self.first)),
            timestamp: packet.timestamp.wrapping_add(self.offsets.timestamp),
            patch,
            frame_number: self.frame_number(packet),
            templates: self.offsets.templates,
        }
    }

    pub fn frame_number(&self, packet: &Packet) -> Option<u16> {
        let frame = packet.description.dependency.as_ref()?;
        Some(frame.frame_number.wrapping_add(self.offsets.frame))
    }
}

fn widened(picture_id: Option<u16>, long: bool, near: u16) -> u16 {
    match picture_id {
        None => near,
        Some(id) if long => id & PICTURE_ID_MASK,
        Some(id) => {
            let ahead = id.wrapping_sub(near) & 0x7F;
            let signed = if ahead < 0x40 { ahead } else { ahead.wrapping_sub(0x80) };
            near.wrapping_add(signed) & PICTURE_ID_MASK
        }
    }
}
