//! Which packets of a track a slot shows: of simulcast one encoding of those its ladder lists, changed at a keyframe of
//! the other; of the one encoding of an SVC track the layers up to what the ladder names.
//!
//! ```text
//!            keyframe of any rung                 keyframe of a better rung, or of any if ours is dead
//!   waiting ──────────────────────> showing(e) ──────────────────────────────────────────────────────> showing(e')
//!      ^                               │
//!      └───────────────────────────────┘  empty ladder, other source, hopeless gap
//! ```
//!
//! Where keyframes cannot be recognised (end-to-end encryption without a dependency descriptor), the best rung that
//! arrives is shown from a picture's beginning on, and stays.
//!
//! What of the encoding that is shown leaves is for its [`Filter`], by codec; what an encoding is worth, for [`Rungs`].

mod choice;
mod dependency;
mod filter;
mod past;
mod rungs;
mod temporal;
mod vp9;

use crate::layer::{Ladder, Layer, Lives};
use crate::rtp::sequence::ExtendedSeq;
use crate::send::passing::Packet;

use choice::Limit;
use filter::{Filter, Shape};
use past::Past;
use rungs::Rungs;

pub use choice::Verdict;

/// A keyframe that was lost and came late is still a beginning if no more than this is behind it already.
const LATE_KEYFRAME: u64 = 128;

/// What is on the wire.
#[derive(Debug)]
struct Shown {
    encoding: u8,
    filter: Filter,
    /// It began with a dependency descriptor.
    described: bool,
}

#[derive(Debug, Default)]
pub struct Selector {
    rungs: Rungs,
    shown: Option<Shown>,
    past: Past,
    /// What it is shown has passed already: of all that has layers, the lowest temporal one is enough.
    catching_up: bool,
}

impl Selector {
    /// `describes`: the subscriber gets dependency descriptors.
    pub fn new(ladder: Ladder, describes: bool) -> Self {
        Self { rungs: Rungs::new(ladder, describes), ..Self::default() }
    }

    /// What is let through now.
    pub fn shown(&self) -> Option<Layer> {
        let shown = self.shown.as_ref()?;
        let choice = shown.filter.choice();
        Some(Layer::new(if self.rungs.alone { choice.spatial } else { shown.encoding }, choice.temporal))
    }

    /// The encoding that is.
    pub fn encoding(&self) -> Option<u8> {
        self.shown.as_ref().map(|shown| shown.encoding)
    }

    pub fn ladder(&self) -> &[Layer] {
        self.rungs.ladder()
    }

    pub fn is_paused(&self) -> bool {
        self.ladder().is_empty()
    }

    /// Whether the best rung asks for that, or for more than there is.
    pub fn is_best(&self, spatial: u8) -> bool {
        self.rungs.is_best(spatial)
    }

    /// An empty ladder stops at once. Any other is followed from the next picture on, or at the next keyframes; until
    /// then what is shown flows on.
    pub fn set_ladder(&mut self, ladder: Ladder) {
        self.rungs.set_ladder(ladder);
        if self.is_paused() {
            self.shown = None;
        }
    }

    /// Which encodings or spatial layers arrive has changed.
    pub fn set_lives(&mut self, lives: Lives) {
        self.rungs.set_lives(lives);
        if self.is_fixed() && self.leaves().is_none() && self.has_alternative() {
            self.shown = None;
        }
    }

    /// Grows with every change that may be news; see [`Selector::awaits`].
    pub fn version(&self) -> u32 {
        self.rungs.version()
    }

    /// What is let through and arrives.
    pub fn leaves(&self) -> Option<Layer> {
        self.shown().filter(|layer| !self.rungs.has_stopped(layer.spatial))
    }

    /// Something of the ladder arrives.
    pub fn has_alternative(&self) -> bool {
        self.rungs.best_alive().is_some()
    }

    /// Something better than what is shown arrives, and only its keyframe is missing.
    pub fn awaits(&self) -> bool {
        self.has_alternative() && (self.shown.is_none() || self.wanted().is_some())
    }

    /// Keyframes cannot be recognised, of what is shown or would be.
    pub fn is_fixed(&self) -> bool {
        let target = || self.rungs.target().map(|rung| if self.rungs.alone { 0 } else { rung.spatial });
        self.encoding().or_else(target).is_some_and(|encoding| self.rungs.is_encrypted(encoding))
    }

    /// Begins anew, at a keyframe.
    pub fn interrupt(&mut self) {
        self.shown = None;
    }

    /// Nothing is known of the track that is shown from now on.
    pub fn forget_source(&mut self) {
        let ladder = self.rungs.take_ladder();
        *self = Self::new(ladder, self.rungs.describes);
    }

    /// The encoding is another stream than before: its numbers begin anew.
    pub fn forget_encoding(&mut self, encoding: u8) {
        if self.encoding() == Some(encoding) {
            self.shown = None;
        }
        self.rungs.forget(encoding);
        self.past.forget(encoding);
    }

    /// The encoding whose keyframe is waited for.
    pub fn wanted(&self) -> Option<u8> {
        let target = self.rungs.target()?;
        let Some(shown) = &self.shown else {
            return Some(if self.rungs.alone { 0 } else { target.spatial });
        };
        if self.rungs.is_encrypted(shown.encoding) {
            return None;
        }
        if self.rungs.alone {
            let spatial = self.rungs.available(target.spatial)?;
            return shown.filter.needs_keyframe(spatial).then_some(shown.encoding);
        }
        (shown.encoding != target.spatial).then_some(target.spatial)
    }

    /// Until it is said otherwise, packets come that have passed already, in order.
    pub fn catch_up(&mut self, catching_up: bool) {
        self.catching_up = catching_up;
    }

    /// Takes note that `packet` came, of whatever encoding. False: of one that no slot can show.
    pub fn handle_packet(&mut self, packet: &Packet) -> bool {
        if self.catching_up && self.newest(packet.encoding) >= packet.seq {
            return true;
        }
        self.rungs.handle_packet(packet)
    }

    /// The newest packet heard of an encoding.
    pub fn newest(&self, encoding: u8) -> ExtendedSeq {
        self.rungs.newest(encoding)
    }

    /// Whether `packet` begins a better picture than what is shown, be that nothing.
    pub fn is_switch(&mut self, packet: &Packet) -> bool {
        if packet.encrypted {
            let begins = self.rungs.begins_unread(packet);
            let best = self.rungs.best_alive().is_some_and(|rung| self.rungs.alone || rung.spatial == packet.encoding);
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

    /// What `packet` is part of cannot be told before the structure comes that its dependency descriptor refers to; nor
    /// could the subscriber.
    pub fn awaits_structure(&self, packet: &Packet) -> bool {
        let described =
            || self.shown.as_ref().is_some_and(|shown| shown.encoding == packet.encoding && shown.described);
        packet.description.awaits_structure && described()
    }

    /// Shows the encoding of `packet` from this packet on: all that follows a keyframe can be decoded.
    pub fn switch(&mut self, packet: &Packet) -> Verdict {
        let encoding = packet.encoding;
        let filter = Filter::new(packet, hold_back(self.catching_up, packet, self.rungs.limit(encoding, 0)));
        self.past.remember(encoding, packet, filter.choice());
        let verdict = filter.sends(packet);
        self.shown = Some(Shown { encoding, filter, described: packet.description.dependency.is_some() });
        verdict
    }

    /// Whether a packet of the encoding that is shown, newer than all before, is let through.
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

    /// Whether a packet that comes late, after newer ones were judged, would have been let through in its time. What
    /// leans on something that was left out is of no use.
    pub fn select_late(&mut self, packet: &Packet) -> Verdict {
        let Some(choice) = self.past.choice(packet) else {
            return Verdict::LeftOut;
        };
        let shape = Shape::of(packet);
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

/// Whether a slot that catches up lets a packet through, whatever its ladder.
pub fn is_lowest(packet: &Packet) -> bool {
    packet.description.temporal == 0 || matches!(Shape::of(packet), Shape::Whole)
}

fn hold_back(catching_up: bool, packet: &Packet, limit: Limit) -> Limit {
    let held = catching_up && !matches!(Shape::of(packet), Shape::Whole);
    if held { Limit { temporal: 0, ..limit } } else { limit }
}
