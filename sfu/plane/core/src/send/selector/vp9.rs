//! Spatial and temporal layers within one VP9 stream (RFC 9628), by what its payload descriptors say.
//!
//! In full SVC (L3T3) a frame leans on the layer below in every picture, so a lower layer is there to be stepped down
//! to at any time. In k-SVC (L3T3_KEY) it does so in key pictures only: of the others, only the layer that is shown is
//! let through, and every other change waits for a keyframe.

use super::choice::{Choice, Limit};
use crate::codec::{Description, vp9};
use crate::send::passing::Packet;

#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    /// The picture and the spatial layer that were judged last, and whether that frame is left out.
    picture: u32,
    frame: u8,
    left_out: bool,

    /// The highest temporal layer let through, and the highest spatial one since the last key picture.
    temporal: u8,
    top: u8,
    /// Spatial layers, as bits, of which all frames up to `temporal` left or were lost since they began.
    complete: u8,

    // Of the present picture:
    /// Too high a temporal layer.
    picture_left_out: bool,
    /// Spatial layers that are left out, as bits.
    layers_left_out: u8,
    /// The spatial layer with which it ends for the subscriber: nothing above is let through.
    last: u8,
}

impl Filter {
    /// At a keyframe's first packet.
    pub fn new(packet: &Packet, numbers: &vp9::Numbers, limit: Limit) -> Self {
        let mut filter = Self::default();
        filter.open_picture(packet, numbers, limit);
        filter.select_frame(packet.description, numbers);
        filter
    }

    /// Whether a packet newer than all before is let through. A frame is judged once, by the first of its packets that
    /// comes.
    pub fn select(&mut self, packet: &Packet, numbers: &vp9::Numbers, limit: impl FnOnce() -> Limit) -> bool {
        if self.picture != packet.timestamp {
            self.open_picture(packet, numbers, limit());
        } else if self.frame == packet.description.spatial {
            return !self.left_out;
        }
        self.select_frame(packet.description, numbers)
    }

    fn open_picture(&mut self, packet: &Packet, numbers: &vp9::Numbers, limit: Limit) {
        let description = packet.description;
        self.picture = packet.timestamp;
        self.layers_left_out = 0;
        if description.spatial == 0 && !numbers.inter_picture {
            self.top = 0;
            self.temporal = limit.temporal;
            // All its layers up to the limit will leave or are lost.
            self.complete = up_to(limit.spatial);
            self.last = limit.spatial.min(limit.uppermost);
            self.picture_left_out = false;
            return;
        }
        let (mut spatial, mut ceiling) = (limit.spatial, limit.temporal);
        if self.top > limit.spatial {
            match highest(self.complete & up_to(limit.spatial)) {
                Some(lower) => {
                    self.top = lower;
                    self.complete &= up_to(lower);
                }
                // Until the keyframe, the least of what there is.
                None => (spatial, ceiling) = (self.top, 0),
            }
        }
        self.temporal = match description.temporal {
            // U (RFC 9628 s4.2): what follows leans on nothing of higher layers from before.
            0 if description.layer_sync => ceiling,
            // libwebrtc sets it on frames that lean on lower layers only, which is one layer at a time.
            above if description.layer_sync && above == self.temporal + 1 => ceiling.min(above),
            _ => ceiling.min(self.temporal),
        };
        self.picture_left_out = description.temporal > self.temporal;
        self.last = highest(self.complete & up_to(spatial.min(limit.uppermost))).unwrap_or(self.top);
    }

    fn select_frame(&mut self, description: &Description, numbers: &vp9::Numbers) -> bool {
        let spatial = description.spatial & 7;
        let bit = 1 << spatial;
        self.frame = description.spatial;
        let sent = !self.picture_left_out
            && spatial <= self.last
            && if numbers.inter_picture {
                let unneeded = spatial < self.top && numbers.stands_alone;
                self.complete & bit != 0 && !unneeded
            } else {
                let has_base = spatial == 0 || self.layers_left_out & bit >> 1 == 0;
                description.temporal == 0 && (has_base || !numbers.inter_layer)
            };
        self.left_out = !sent;
        if sent {
            self.complete |= bit;
            self.top = self.top.max(spatial);
        } else {
            self.layers_left_out |= bit;
            if !self.picture_left_out {
                self.complete &= !bit;
            }
        }
        sent
    }

    /// Whether a packet that is let through is its picture's last for the subscriber.
    pub fn ends_picture(&self, description: &Description) -> bool {
        description.end && description.spatial == self.last
    }

    /// Whether showing `spatial` takes a keyframe.
    pub fn needs_keyframe(&self, spatial: u8) -> bool {
        self.top != spatial && self.complete & 1 << (spatial & 7) == 0
    }

    pub fn choice(&self) -> Choice {
        Choice { spatial: self.last, temporal: self.temporal }
    }
}

/// Whether a frame that was missing when `choice` was in force can be decoded, and is of use.
pub fn belongs(description: &Description, numbers: &vp9::Numbers, choice: Choice) -> bool {
    let unneeded = description.spatial < choice.spatial && numbers.stands_alone && numbers.inter_picture;
    description.spatial <= choice.spatial && description.temporal <= choice.temporal && !unneeded
}

fn up_to(spatial: u8) -> u8 {
    u8::MAX >> 7_u8.saturating_sub(spatial)
}

fn highest(layers: u8) -> Option<u8> {
    layers.checked_ilog2().map(|layer| layer as u8)
}
