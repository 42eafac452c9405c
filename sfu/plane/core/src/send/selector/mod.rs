//! Selects the packets of a track that a slot shows. Of a simulcast track it shows one of the encodings that its ladder
//! lists, and switches at a keyframe of the other. Of the only encoding of an SVC track it shows the layers up to the
//! one the ladder names.
//!
//! ```text
//!            keyframe of any rung                 keyframe of a better rung, or of any if ours is dead
//!   waiting ──────────────────────> showing(e) ──────────────────────────────────────────────────────> showing(e')
//!      ^                               │
//!      └───────────────────────────────┘  empty ladder, other source, hopeless gap
//! ```
//!
//! Where keyframes cannot be recognised (end-to-end encryption without a dependency descriptor), the best rung that
//! arrives is shown from the first packet of a picture on, and is kept.
//!
//! [`Filter`] selects the packets of the shown encoding, by codec. [`Rungs`] ranks the encodings.

mod choice;
mod dependency;
mod filter;
mod past;
mod rungs;
mod temporal;
mod vp9;

use crate::codec::shape::Shape;
use crate::layer::{Layer, Lives};
use crate::receive::packet::Packet;
use crate::receive::rung::{EncodingId, Rung};
use crate::rtp::sequence::ExtendedSeq;

use choice::Limit;
use filter::Filter;
use past::Past;
use rungs::Rungs;

pub use choice::Verdict;

/// A lost keyframe that arrives late is still a beginning if the newest packet is at most this many numbers ahead.
const LATE_KEYFRAME: u64 = 128;

/// The encoding that is forwarded.
#[derive(Debug)]
struct Shown {
    encoding: EncodingId,
    filter: Filter,
    /// Its first packet had a dependency descriptor.
    described: bool,
}

#[derive(Debug, Default)]
pub struct Selector {
    rungs: Rungs,
    shown: Option<Shown>,
    past: Past,
    /// The packets come from the cache: of a stream with layers, only the lowest temporal one is forwarded.
    catching_up: bool,
}

impl Selector {
    /// `describes`: the subscriber gets dependency descriptors.
    pub fn new(ladder: Vec<Rung>, describes: bool) -> Self {
        Self { rungs: Rungs::new(ladder, describes), ..Self::default() }
    }

    /// The layer that is forwarded now.
    pub fn shown(&self) -> Option<Layer> {
        let shown = self.shown.as_ref()?;
        let choice = shown.filter.choice();
        Some(Layer::new(if self.rungs.alone { choice.spatial } else { shown.encoding.place() as u8 }, choice.temporal))
    }

    /// The encoding that is forwarded now.
    pub fn encoding(&self) -> Option<EncodingId> {
        self.shown.as_ref().map(|shown| shown.encoding)
    }

    pub fn ladder(&self) -> &[Rung] {
        self.rungs.ladder()
    }

    pub fn is_paused(&self) -> bool {
        self.ladder().is_empty()
    }

    /// True if the best rung names this layer, or a higher one than exists and this is the highest.
    pub fn is_best(&self, spatial: u8) -> bool {
        self.rungs.is_best(spatial)
    }

    /// Replaces the ladder. An empty one stops the slot at once. Any other applies from the next picture on, or from
    /// the next keyframes on; until then the shown layer continues.
    pub fn set_ladder(&mut self, ladder: Vec<Rung>) {
        self.rungs.set_ladder(ladder);
        if self.is_paused() {
            self.shown = None;
        }
    }

    /// Updates which encodings or spatial layers arrive.
    pub fn set_lives(&mut self, lives: Lives) {
        self.rungs.set_lives(lives);
        if self.is_fixed() && self.leaves().is_none() && self.has_alternative() {
            self.shown = None;
        }
    }

    /// Increases with every change that may cause an event; see [`Selector::awaits`].
    pub fn version(&self) -> u32 {
        self.rungs.version()
    }

    /// The layer that is forwarded, if it still arrives.
    pub fn leaves(&self) -> Option<Layer> {
        self.shown().filter(|layer| !self.rungs.has_stopped(layer.spatial))
    }

    /// True if a rung of the ladder arrives.
    pub fn has_alternative(&self) -> bool {
        self.rungs.best_alive().is_some()
    }

    /// True if a better layer than the shown one arrives, and only its keyframe is missing.
    pub fn awaits(&self) -> bool {
        self.has_alternative() && (self.shown.is_none() || self.wanted().is_some())
    }

    /// True if keyframes of the shown encoding, or of the one to show, cannot be recognised.
    pub fn is_fixed(&self) -> bool {
        let target = || self.rungs.target().map(|rung| self.rungs.encoding(&rung));
        self.encoding().or_else(target).is_some_and(|encoding| self.rungs.is_encrypted(encoding))
    }

    /// Stops forwarding until the next keyframe.
    pub fn interrupt(&mut self) {
        self.shown = None;
    }

    /// Called when another track is shown. Forgets everything about the old one.
    pub fn forget_source(&mut self) {
        let ladder = self.rungs.take_ladder();
        *self = Self::new(ladder, self.rungs.describes);
    }

    /// Called when the encoding is removed: its rungs arrive no more.
    pub fn remove_encoding(&mut self, encoding: EncodingId) {
        self.rungs.remove(encoding);
    }

    /// Called when the encoding becomes another stream: its numbers restart.
    pub fn forget_encoding(&mut self, encoding: EncodingId) {
        if self.encoding() == Some(encoding) {
            self.shown = None;
        }
        self.rungs.forget(encoding);
        self.past.forget(encoding);
    }

    /// The encoding whose keyframe is awaited.
    pub fn wanted(&self) -> Option<EncodingId> {
        let target = self.rungs.target()?;
        let Some(shown) = &self.shown else {
            return Some(self.rungs.encoding(&target));
        };
        if self.rungs.is_encrypted(shown.encoding) {
            return None;
        }
        if self.rungs.alone {
            let spatial = self.rungs.available(target.layer.spatial)?;
            return shown.filter.needs_keyframe(spatial).then_some(shown.encoding);
        }
        (shown.encoding != target.encoding).then_some(target.encoding)
    }

    /// True: the next packets come from the cache, in order. False: they are live again.
    pub fn catch_up(&mut self, catching_up: bool) {
        self.catching_up = catching_up;
    }

    /// Records a received packet of any encoding.
    pub fn handle_packet(&mut self, packet: &Packet) {
        if !self.catching_up || self.newest(packet.encoding) < packet.seq {
            self.rungs.handle_packet(packet);
        }
    }

    /// The newest packet received of an encoding.
    pub fn newest(&self, encoding: EncodingId) -> ExtendedSeq {
        self.rungs.newest(encoding)
    }

    /// True if `packet` begins a better picture than the shown one, or the first one.
    pub fn is_switch(&mut self, packet: &Packet) -> bool {
        if packet.encrypted {
            let begins = self.rungs.begins_unread(packet);
            let best = self.rungs.best_alive().is_some_and(|rung| self.rungs.alone || rung.encoding == packet.encoding);
            return begins && best && self.shown.is_none();
        }
        if !packet.description.keyframe || !self.rungs.lists(packet.encoding) {
            return false;
        }
        if packet.recovered && self.newest(packet.encoding).0 > packet.seq.0 + LATE_KEYFRAME {
            return false;
        }
        self.shown.as_ref().is_none_or(|shown| self.rungs.prefers(packet.encoding, shown.encoding))
    }

    /// True if the layer of `packet` is unknown until the structure arrives that its dependency descriptor refers to.
    /// The subscriber could not decode it before, either.
    pub fn awaits_structure(&self, packet: &Packet) -> bool {
        let described =
            || self.shown.as_ref().is_some_and(|shown| shown.encoding == packet.encoding && shown.described);
        packet.description.awaits_structure && described()
    }

    /// Shows the encoding of `packet` from this packet on. Everything that follows a keyframe can be decoded.
    pub fn switch(&mut self, packet: &Packet) -> Verdict {
        let encoding = packet.encoding;
        let filter = Filter::new(packet, hold_back(self.catching_up, packet, self.rungs.limit(encoding, 0)));
        self.past.remember(encoding, packet, filter.choice());
        let verdict = filter.sends(packet);
        self.shown = Some(Shown { encoding, filter, described: packet.description.dependency.is_some() });
        verdict
    }

    /// Judges a packet of the shown encoding that is newer than all before.
    pub fn select(&mut self, packet: &Packet) -> Verdict {
        let Some(Shown { encoding, filter, .. }) = &mut self.shown else {
            return Verdict::LeftOut;
        };
        let temporal = filter.choice().temporal;
        let limit = || hold_back(self.catching_up, packet, self.rungs.limit(*encoding, temporal));
        let sent = filter.select(packet, limit);
        self.past.remember(*encoding, packet, filter.choice());
        if sent { filter.sends(packet) } else { Verdict::LeftOut }
    }

    /// Judges a late packet by the choice that applied when it was missing. A packet that depends on a dropped one is
    /// useless.
    pub fn select_late(&mut self, packet: &Packet) -> Verdict {
        let Some(choice) = self.past.choice(packet) else {
            return Verdict::LeftOut;
        };
        let shape = Shape::of(packet.description);
        if !shape.belongs(packet, choice) {
            return Verdict::LeftOut;
        }
        if let (Some(Shown { filter: Filter::Dependency(filter), .. }), Shape::Dependency(frame)) =
            (&mut self.shown, shape)
        {
            filter.recover(frame);
        }
        Verdict::Sends { ends_picture: shape.ends_picture(packet, choice), targets: shape.targets(packet, choice) }
    }
}

fn hold_back(catching_up: bool, packet: &Packet, limit: Limit) -> Limit {
    let held = catching_up && !matches!(Shape::of(packet.description), Shape::Whole);
    if held { Limit { temporal: 0, ..limit } } else { limit }
}
