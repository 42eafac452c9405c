//! Temporal layers of VP8 (RFC 7741 s4.2): forwards everything up to one layer, and the next layer from its layer sync
//! (Y) on.

use super::choice::{Choice, Limit};
use crate::codec::Description;
use crate::receive::packet::Packet;

#[derive(Clone, Copy, Debug)]
pub struct Filter {
    /// The highest forwarded temporal layer. All layers below it are forwarded, too.
    temporal: u8,
    /// The last judged picture, by its source timestamp, and whether it is dropped.
    picture: u32,
    left_out: bool,
}

impl Filter {
    /// Starts at a keyframe.
    pub fn new(packet: &Packet, limit: Limit) -> Self {
        Self { temporal: limit.temporal, picture: packet.timestamp, left_out: false }
    }

    /// True if a packet newer than all before is forwarded. A picture is judged once, by the first of its packets that
    /// arrives.
    pub fn select(&mut self, packet: &Packet, limit: impl FnOnce() -> Limit) -> bool {
        if self.picture == packet.timestamp {
            return !self.left_out;
        }
        self.picture = packet.timestamp;
        let description = packet.description;
        let ceiling = limit().temporal;
        self.temporal = if description.keyframe {
            ceiling
        } else if description.layer_sync && description.temporal == self.temporal + 1 {
            // One layer at a time: this picture depends on lower layers only, the one above it may depend on dropped
            // pictures.
            ceiling.min(description.temporal)
        } else {
            ceiling.min(self.temporal)
        };
        self.left_out = description.temporal > self.temporal;
        !self.left_out
    }

    pub fn choice(&self) -> Choice {
        Choice { spatial: 0, temporal: self.temporal }
    }
}

/// True if a picture that was missing while `choice` applied can be decoded: it depends on no higher layer, or on the
/// lowest only.
pub fn belongs(description: &Description, choice: Choice) -> bool {
    description.temporal <= choice.temporal || description.layer_sync
}
