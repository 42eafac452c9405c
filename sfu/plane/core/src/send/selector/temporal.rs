//! Temporal layers of VP8 (RFC 7741 s4.2): everything up to one layer, the next one from its layer sync (Y) on.

use super::choice::{Choice, Limit};
use crate::codec::Description;
use crate::send::passing::Packet;

#[derive(Clone, Copy, Debug)]
pub struct Filter {
    /// The highest temporal layer let through; all below it are.
    temporal: u8,
    /// The picture that was judged last, by its source timestamp, and whether it is left out.
    picture: u32,
    left_out: bool,
}

impl Filter {
    /// At a keyframe.
    pub fn new(packet: &Packet, limit: Limit) -> Self {
        Self { temporal: limit.temporal, picture: packet.timestamp, left_out: false }
    }

    /// Whether a packet newer than all before is let through. A picture is judged once, by the first of its packets
    /// that comes.
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
            // One layer at a time: this picture leans on lower layers only, the one above it may lean on what was left out.
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

/// Whether a picture that was missing when `choice` was in force can be decoded: what it leans on is of no higher layer,
/// or of the lowest.
pub fn belongs(description: &Description, choice: Choice) -> bool {
    description.temporal <= choice.temporal || description.layer_sync
}
