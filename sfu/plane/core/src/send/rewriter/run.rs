//! A run: source packets with consecutive new numbers, and the offsets that are added to each of their numbers.

use crate::codec::{vp8, vp9};
use crate::receive::packet::Packet;
use crate::receive::rung::EncodingId;
use crate::rtp::sequence::ExtendedSeq;
use crate::send::passing::Patch;

const PICTURE_ID_MASK: u16 = 0x7FFF;
const KEY_INDEX_MASK: u8 = 0x1F;

/// The new numbers of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Numbers {
    pub seq: ExtendedSeq,
    pub timestamp: u32,
    /// [`Patch::Vp8`], [`Patch::Vp9`] or [`Patch::None`].
    pub patch: Patch,
    /// Set if the packet has a dependency descriptor.
    pub frame_number: Option<u16>,
    /// The offset of the template ids in the descriptor.
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
    pub encoding: EncodingId,
    /// The first source number, and one past the last seen.
    pub first: u64,
    pub end: u64,
    /// The new number of `first`.
    pub output: u64,
    pub offsets: Offsets,
    /// The newest picture id, in the source's numbers, widened to 15 bits.
    pub picture: u16,
    /// The frame that was dropped before the run. Its late packets are not forwarded.
    pub skipped: Option<Frame>,
}

/// The offsets that are added to a source's numbers.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Offsets {
    pub timestamp: u32,
    pub picture: u16,
    pub tl0: u8,
    pub key_index: u8,
    /// Frame numbers and template ids of dependency descriptors.
    pub frame: u16,
    pub templates: u8,
}

impl Offsets {
    /// Sets the offsets by which `first` follows `last`, which has new numbers already.
    pub fn follow(&mut self, last: Ids, first: Ids) {
        self.picture = last.picture.wrapping_add(1).wrapping_sub(first.picture);
        self.tl0 = last.tl0.wrapping_add(1).wrapping_sub(first.tl0);
        self.key_index = last.key_index.wrapping_add(1).wrapping_sub(first.key_index);
    }
}

/// The numbers in a VP8 or VP9 payload. Missing ones are zero.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Ids {
    pub picture: u16,
    pub tl0: u8,
    pub key_index: u8,
}

impl Ids {
    /// None if the packet has no such numbers.
    pub fn of(packet: &Packet) -> Option<Self> {
        // The middle of the 7-bit range: ids of 7 bits stay as they are.
        Self::near(packet, 0x40)
    }

    /// The numbers with a picture id of 15 bits. An id of 7 bits becomes the value nearest to `near` that ends in it.
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
    /// Records the newest packet of the run. Returns the new numbers in its payload, if it has any.
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
