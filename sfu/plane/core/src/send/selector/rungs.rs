//! The rungs of a slot's ladder, and which of them the source provides.

use super::choice::Limit;
use crate::codec::Codec;
use crate::layer::{Layer, Lives};
use crate::limits::SDP_ENCODINGS;
use crate::receive::packet::Packet;
use crate::receive::rung::{EncodingId, Rung};
use crate::rtp::sequence::ExtendedSeq;

/// The most spatial layers within an encoding. SVC has three in practice.
const MOST: usize = 4;
/// Above any layer within an encoding of simulcast.
const ALL: u8 = 7;

#[derive(Debug, Default)]
pub struct Rungs {
    ladder: Vec<Rung>,
    /// The encoding at each place.
    present: [EncodingId; SDP_ENCODINGS],
    /// The source has one encoding, and each rung names a spatial layer of it. Otherwise each rung names an encoding,
    /// which is shown with all its spatial layers.
    pub alone: bool,
    /// That encoding.
    only: EncodingId,
    /// The subscriber gets dependency descriptors.
    pub describes: bool,
    lives: Lives,
    /// The newest packet received of each encoding.
    newest: [ExtendedSeq; SDP_ENCODINGS],
    /// Encodings whose keyframes cannot be recognised, as bits, and the timestamp of the newest packet of each.
    encrypted: u8,
    timestamps: [u32; SDP_ENCODINGS],
    /// Spatial layers of the only encoding, as bits: those that a keyframe or a later packet announced, and those seen.
    layers: u8,
    /// The source number of the packet that announced them.
    announced_at: u64,
    /// The highest spatial layer that ever existed.
    most: u8,
    /// See [`Rungs::target`].
    target: Option<Rung>,
    /// Increases with every change that may affect the best rung.
    version: u32,
}

impl Rungs {
    pub fn new(ladder: Vec<Rung>, describes: bool) -> Self {
        let present = std::array::from_fn(|place| EncodingId::first(place as u8));
        let mut rungs = Self { present, describes, ..Self::default() };
        rungs.set_ladder(ladder);
        rungs
    }

    pub fn ladder(&self) -> &[Rung] {
        &self.ladder
    }

    pub fn take_ladder(&mut self) -> Vec<Rung> {
        self.target = None;
        std::mem::take(&mut self.ladder)
    }

    /// Its rungs are of encodings that the source has.
    pub fn set_ladder(&mut self, ladder: Vec<Rung>) {
        for rung in &ladder {
            self.present[rung.encoding.place()] = rung.encoding;
        }
        self.ladder = ladder;
        self.changed();
    }

    pub fn set_lives(&mut self, lives: Lives) {
        self.lives = lives;
        self.changed();
    }

    pub fn version(&self) -> u32 {
        self.version
    }

    /// Records a received packet.
    pub fn handle_packet(&mut self, packet: &Packet) {
        let (encoding, place) = (packet.encoding, packet.encoding.place());
        if self.present[place] != encoding {
            self.forget(self.present[place]);
            self.present[place] = encoding;
            self.changed();
        }
        self.newest[place] = self.newest[place].max(packet.seq);
        if self.alone != packet.alone || self.is_encrypted(packet.encoding) != packet.encrypted {
            self.alone = packet.alone;
            self.encrypted = self.encrypted & !encoding.bit() | u8::from(packet.encrypted) << place;
            self.changed();
        }
        if self.alone {
            self.only = encoding;
            self.learn_layers(packet, usize::from(packet.description.spatial).min(MOST - 1));
        }
    }

    /// The encoding whose keyframe a rung needs.
    pub fn encoding(&self, rung: &Rung) -> EncodingId {
        if self.alone { self.only } else { rung.encoding }
    }

    /// True if a packet begins a picture of an encoding whose pictures cannot be read: the packets of a picture share a
    /// timestamp.
    pub fn begins_unread(&mut self, packet: &Packet) -> bool {
        let before = std::mem::replace(&mut self.timestamps[packet.encoding.place()], packet.timestamp);
        !packet.recovered && before != packet.timestamp
    }

    /// True if keyframes of an encoding cannot be recognised.
    pub fn is_encrypted(&self, encoding: EncodingId) -> bool {
        self.encrypted & encoding.bit() != 0
    }

    fn learn_layers(&mut self, packet: &Packet, spatial: usize) {
        if packet.seq.0 < self.announced_at {
            return;
        }
        if packet.payload_type.codec == Codec::Av1 && !self.describes {
            // Nothing else marks where a spatial layer's frame begins: upper layers would only disturb the lowest.
            if self.layers != 1 {
                self.layers = 1;
                self.changed();
            }
            return;
        }
        let structure = packet.description.vp9.as_ref().map_or(0, |numbers| numbers.spatial_layers);
        let frame = packet.description.dependency.as_ref().filter(|frame| frame.active_targets.is_some());
        let announced = match frame {
            Some(frame) => Some(frame.structure.spatial_layers(frame.active)),
            None => (structure > 0).then(|| u8::MAX >> 8_u8.saturating_sub(structure)),
        };
        let before = self.layers;
        if let Some(layers) = announced {
            (self.layers, self.announced_at) = (layers, packet.seq.0);
        }
        self.layers |= 1 << spatial;
        if self.layers != before {
            self.most = self.most.max(self.layers.ilog2() as u8);
            self.changed();
        }
    }

    pub fn newest(&self, encoding: EncodingId) -> ExtendedSeq {
        self.newest[encoding.place()]
    }

    /// The source has no such encoding any more.
    pub fn remove(&mut self, encoding: EncodingId) {
        self.present[encoding.place()] = encoding.successor();
        self.changed();
    }

    /// The numbers of an encoding restart.
    pub fn forget(&mut self, encoding: EncodingId) {
        self.newest[encoding.place()] = ExtendedSeq::default();
        self.encrypted &= !encoding.bit();
        if self.alone {
            (self.layers, self.announced_at, self.most) = (0, 0, 0);
        }
        self.changed();
    }

    /// True if the ladder lists an encoding.
    pub fn lists(&self, encoding: EncodingId) -> bool {
        !self.ladder.is_empty() && (self.alone || self.rank(encoding).is_some())
    }

    /// True if a keyframe of encoding `other` is better than the shown encoding `present`.
    pub fn prefers(&self, other: EncodingId, present: EncodingId) -> bool {
        if self.alone || other == present || !self.flows(other) {
            return false;
        }
        match self.rank(present) {
            Some(rank) if self.flows(present) => self.rank(other).is_some_and(|other| other < rank),
            _ => true,
        }
    }

    /// True if a spatial layer is the one that the best rung names, or the highest that ever existed if the rung names
    /// a higher one.
    pub fn is_best(&self, spatial: u8) -> bool {
        let Some(Rung { layer: best, .. }) = self.ladder.first() else {
            return false;
        };
        best.spatial == spatial || (self.alone && spatial == best.spatial.min(self.most))
    }

    /// The best rung that arrives.
    pub fn best_alive(&self) -> Option<Rung> {
        let arrives = |rung: &&Rung| match self.alone {
            true => self.has_layer(rung.layer.spatial),
            false => self.is_present(rung.encoding) && has(self.lives.flowing, rung.layer.spatial),
        };
        self.ladder.iter().find(arrives).copied()
    }

    /// True if an encoding, or a spatial layer of the only one, arrived once and does not arrive now.
    pub fn has_stopped(&self, spatial: u8) -> bool {
        has(self.lives.stopped, spatial)
    }

    /// The best rung that arrives, or the best of all if none arrives.
    pub fn target(&self) -> Option<Rung> {
        self.target
    }

    /// Call after every change that may affect the best rung.
    fn changed(&mut self) {
        self.version = self.version.wrapping_add(1);
        self.target = self.best_alive().or(self.ladder.first().copied());
    }

    /// The spatial layer of the only encoding that is shown if `spatial` is the target.
    pub fn available(&self, spatial: u8) -> Option<u8> {
        (0..=spatial.min(MOST as u8 - 1)).rev().find(|&spatial| self.has_layer(spatial))
    }

    /// The limit for `encoding`, of which temporal layers up to `temporal` are forwarded now.
    pub fn limit(&self, encoding: EncodingId, temporal: u8) -> Limit {
        let Some(target) = self.target() else {
            return Limit { spatial: ALL, temporal, uppermost: ALL };
        };
        if self.alone {
            let Layer { spatial, temporal } = target.layer;
            return Limit { spatial, temporal, uppermost: self.uppermost() };
        }
        let temporal = match self.rank(encoding) {
            // Until the keyframe of the encoding to show instead arrives, only the lowest temporal layer of this one is
            // forwarded.
            Some(rank) if self.rank(target.encoding).is_some_and(|target| rank < target) => 0,
            Some(rank) => self.ladder[rank].layer.temporal,
            None => 0,
        };
        Limit { spatial: ALL, temporal, uppermost: ALL }
    }

    /// Better rungs have lower ranks.
    fn rank(&self, encoding: EncodingId) -> Option<usize> {
        self.ladder.iter().position(|rung| rung.encoding == encoding)
    }

    /// True if a spatial layer of the only encoding arrives.
    fn has_layer(&self, spatial: u8) -> bool {
        has(self.layers, spatial) && !self.has_stopped(spatial)
    }

    fn uppermost(&self) -> u8 {
        self.available(MOST as u8).unwrap_or(0)
    }

    fn flows(&self, encoding: EncodingId) -> bool {
        self.is_present(encoding) && self.lives.flowing & encoding.bit() != 0
    }

    fn is_present(&self, encoding: EncodingId) -> bool {
        self.present[encoding.place()] == encoding
    }
}

fn has(set: u8, at: u8) -> bool {
    at < 8 && set >> at & 1 != 0
}
