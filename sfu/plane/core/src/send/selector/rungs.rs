//! The rungs of a slot's ladder, and which of them its source can be shown by.

use super::Limit;
use super::life::{Lives, MOST};
use crate::codec::Codec;
use crate::layer::{Ladder, Layer};
use crate::rtp::sequence::ExtendedSeq;
use crate::send::slot::Packet;

/// Above any layer within an encoding of simulcast.
const ALL: u8 = 7;

#[derive(Debug, Default)]
pub struct Rungs {
    pub ladder: Ladder,
    /// The source has one encoding: rungs are of its spatial layers. Else each is of an encoding, and shows it whole.
    pub alone: bool,
    /// The subscriber gets dependency descriptors.
    pub describes: bool,
    lives: Lives,
    /// Spatial layers of the only encoding, as bits: those that a keyframe told, or the sender since, and those seen.
    layers: u8,
    /// The source number of who told them.
    told_at: u64,
}

impl Rungs {
    pub fn new(ladder: Ladder, describes: bool) -> Self {
        Self { ladder, describes, ..Self::default() }
    }

    pub fn set_ladder(&mut self, ladder: Ladder) {
        let before = std::mem::replace(&mut self.ladder, ladder);
        for rung in &self.ladder {
            if before.iter().all(|known| known.spatial != rung.spatial) {
                self.lives.expect(rung.spatial);
            }
        }
    }

    /// Takes note of a packet. False: of an encoding that no slot can show.
    pub fn hear(&mut self, packet: &Packet) -> bool {
        self.alone = packet.alone;
        let encoding = usize::from(packet.encoding);
        if !self.alone {
            if encoding < MOST {
                self.lives.hear(encoding, packet);
            }
            return encoding < MOST;
        }
        let spatial = usize::from(packet.description.spatial).min(MOST - 1);
        self.learn_layers(packet, spatial);
        self.lives.hear(spatial, packet);
        true
    }

    fn learn_layers(&mut self, packet: &Packet, spatial: usize) {
        if packet.seq.0 < self.told_at {
            return;
        }
        if packet.payload_type.codec == Codec::Av1 && !self.describes {
            // Nothing else says where a spatial layer's frame begins: upper ones would only be in the way of the lowest.
            self.layers = 1;
            return;
        }
        let structure = packet.description.vp9.as_ref().map_or(0, |numbers| numbers.spatial_layers);
        let frame = packet.description.dependency.as_ref().filter(|frame| frame.active_targets.is_some());
        let told = match frame {
            Some(frame) => Some(frame.structure.spatial_layers(frame.active)),
            None => (structure > 0).then(|| u8::MAX >> 8_u8.saturating_sub(structure)),
        };
        if let Some(layers) = told {
            (self.layers, self.told_at) = (layers, packet.seq.0);
        }
        self.layers |= 1 << spatial;
    }

    pub fn newest(&self, encoding: u8) -> ExtendedSeq {
        if self.alone { self.lives.newest_of_all() } else { self.lives.newest(encoding) }
    }

    pub fn forget(&mut self, encoding: u8) {
        if self.alone {
            (self.lives, self.layers, self.told_at) = (Lives::default(), 0, 0);
        } else {
            self.lives.forget(encoding);
        }
    }

    /// Whether the ladder has a place for an encoding.
    pub fn lists(&self, encoding: u8) -> bool {
        !self.ladder.is_empty() && (self.alone || self.rank(encoding).is_some())
    }

    /// Whether a keyframe of encoding `other` is better than what is shown of `present`.
    pub fn prefers(&self, other: u8, present: u8) -> bool {
        if self.alone || other == present || !self.lives.is_alive(other) {
            return false;
        }
        match self.rank(present) {
            Some(rank) if self.lives.is_alive(present) => self.rank(other).is_some_and(|other| other < rank),
            _ => true,
        }
    }

    /// Whether a spatial layer is what the best rung asks for, or, where that asks for more, the highest there is.
    pub fn is_best(&self, spatial: u8) -> bool {
        let Some(best) = self.ladder.first() else {
            return false;
        };
        best.spatial == spatial || (self.alone && spatial == best.spatial.min(self.uppermost()))
    }

    /// The best rung that arrives; the best of all while none does.
    pub fn target(&self) -> Option<Layer> {
        let arrives = |rung: &&Layer| match self.alone {
            true => self.has_layer(rung.spatial),
            false => self.lives.is_alive(rung.spatial),
        };
        self.ladder.iter().find(arrives).or(self.ladder.first()).copied()
    }

    /// The spatial layer of the only encoding to show where `spatial` is the target.
    pub fn available(&self, spatial: u8) -> Option<u8> {
        (0..=spatial.min(MOST as u8 - 1)).rev().find(|&spatial| self.has_layer(spatial))
    }

    /// What is let through of `encoding`, of which temporal layers up to `temporal` are.
    pub fn limit(&self, encoding: u8, temporal: u8) -> Limit {
        let Some(target) = self.target() else {
            return Limit { spatial: ALL, temporal, uppermost: ALL };
        };
        if self.alone {
            return Limit { spatial: target.spatial, temporal: target.temporal, uppermost: self.uppermost() };
        }
        let temporal = match self.ladder.iter().find(|rung| rung.spatial == encoding) {
            // Until the keyframe of the lower one, no more of this one than need be.
            _ if target.spatial < encoding => 0,
            Some(rung) => rung.temporal,
            None => temporal,
        };
        Limit { spatial: ALL, temporal, uppermost: ALL }
    }

    /// Better rungs have lower ranks.
    fn rank(&self, encoding: u8) -> Option<usize> {
        self.ladder.iter().position(|rung| rung.spatial == encoding)
    }

    /// Of the only encoding.
    fn has_layer(&self, spatial: u8) -> bool {
        spatial < 8 && self.layers >> spatial & 1 != 0 && !self.lives.is_dead(spatial)
    }

    fn uppermost(&self) -> u8 {
        self.available(MOST as u8).unwrap_or(0)
    }
}
