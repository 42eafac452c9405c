//! Selects spatial and temporal layers within one VP9 stream (RFC 9628) by its payload descriptors.
//!
//! In full SVC (L3T3) a frame depends on the layer below in every picture, so the slot can step down to a lower layer
//! at any time. In k-SVC (L3T3_KEY) it does so in key pictures only: of all other pictures only the shown layer is
//! forwarded, and every other change waits for a keyframe.

use super::choice::{Choice, Limit};
use crate::codec::{Description, vp9};
use crate::receive::packet::Packet;

#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    /// The picture and the spatial layer of the last judged frame, and whether that frame is dropped.
    picture: u32,
    frame: u8,
    left_out: bool,

    /// The highest forwarded temporal layer, and the highest forwarded spatial layer since the last key picture.
    temporal: u8,
    top: u8,
    /// Spatial layers, as bits, of which all frames up to `temporal` were sent or lost since they began.
    complete: u8,

    // State of the present picture:
    /// Its temporal layer is too high.
    picture_left_out: bool,
    /// Spatial layers that are dropped, as bits.
    layers_left_out: u8,
    /// The last spatial layer of the picture for the subscriber: higher ones are dropped.
    last: u8,
}

impl Filter {
    /// Starts at the first packet of a keyframe.
    pub fn new(packet: &Packet, numbers: &vp9::Numbers, limit: Limit) -> Self {
        let mut filter = Self::default();
        filter.open_picture(packet, numbers, limit);
        filter.select_frame(packet.description, numbers);
        filter
    }

    /// True if a packet newer than all before is forwarded. A frame is judged once, by the first of its packets that
    /// arrives.
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
            // All its layers up to the limit will be sent or are lost.
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
                // Until the keyframe, the shown spatial layer at the lowest temporal layer.
                None => (spatial, ceiling) = (self.top, 0),
            }
        }
        self.temporal = match description.temporal {
            // U (RFC 9628 s4.2): later pictures do not depend on earlier ones of higher layers.
            0 if description.layer_sync => ceiling,
            // libwebrtc sets it on frames that depend on lower layers only, so one layer is added at a time.
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

    /// True if a forwarded packet is the last of its picture for the subscriber.
    pub fn ends_picture(&self, description: &Description) -> bool {
        description.end && description.spatial == self.last
    }

    /// True if showing `spatial` needs a keyframe.
    pub fn needs_keyframe(&self, spatial: u8) -> bool {
        self.top != spatial && self.complete & 1 << (spatial & 7) == 0
    }

    pub fn choice(&self) -> Choice {
        Choice { spatial: self.last, temporal: self.temporal }
    }
}

/// True if a frame that was missing while `choice` applied can be decoded and is useful.
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
