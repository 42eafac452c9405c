//! Which packets of a track a slot shows: one encoding of those its ladder lists, changed at a keyframe of the other,
//! and of VP8 the temporal layers up to the one the ladder names.
//!
//! ```text
//!            keyframe of any rung                 keyframe of a better rung, or of any if ours is dead
//!   waiting ──────────────────────> showing(e) ──────────────────────────────────────────────────────> showing(e')
//!      ^                               │
//!      └───────────────────────────────┘  empty ladder, other source, hopeless gap
//! ```

use crate::codec::Codec;
use crate::layer::{Ladder, Layer};
use crate::rtp::sequence::ExtendedSeq;
use crate::send::slot::Packet;
use crate::time::{Duration, Instant, ms};

/// Simulcast has three in practice (RFC 8853 sets no limit).
pub const MOST_ENCODINGS: usize = 4;

/// An encoding is dead after this long without a packet ... LiveKit: streamtracker_packet.go, cycle duration.
const SILENT: Duration = ms(500);
/// ... in which others went on: a muted or still picture stops them all, and kills none.
const PICTURES_MISSED: u8 = 5;
/// Back from the dead after arriving for this long. LiveKit: four good cycles of 500 ms.
const PROBATION: Duration = ms(2_000);
/// A keyframe that was lost and came late is still a beginning if no more than this is behind it already.
const LATE_KEYFRAME: u64 = 128;

/// Whether an encoding arrives, as far as this slot saw.
#[derive(Clone, Copy, Debug, Default)]
enum Life {
    #[default]
    Unseen,
    Alive,
    Dead,
    Returning {
        since: Instant,
    },
}

#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    life: Life,
    last: Option<Instant>,
    newest: ExtendedSeq,
    timestamp: u32,
    /// Pictures of others since.
    missed: u8,
}

/// What is on the wire.
#[derive(Clone, Copy, Debug)]
struct Shown {
    encoding: u8,
    /// The highest temporal layer let through; all below it are.
    temporal: u8,
    /// The picture that was judged last, by its source timestamp, and whether it is left out.
    picture: u32,
    left_out: bool,
}

#[derive(Debug, Default)]
pub struct Selector {
    ladder: Ladder,
    shown: Option<Shown>,
    heard: [Heard; MOST_ENCODINGS],
}

impl Selector {
    pub fn new(ladder: Ladder) -> Self {
        Self { ladder, ..Self::default() }
    }

    /// What is let through now.
    pub fn shown(&self) -> Option<Layer> {
        self.shown.map(|shown| Layer::new(shown.encoding, shown.temporal))
    }

    pub fn ladder(&self) -> &[Layer] {
        &self.ladder
    }

    pub fn is_paused(&self) -> bool {
        self.ladder.is_empty()
    }

    /// Whether `encoding` is what the best rung asks for.
    pub fn is_best(&self, encoding: u8) -> bool {
        self.ladder.first().is_some_and(|rung| rung.spatial == encoding)
    }

    /// An empty ladder stops at once. Any other is followed at the next keyframes; until then what is shown flows on.
    pub fn set_ladder(&mut self, ladder: Ladder) {
        self.ladder = ladder;
        if self.ladder.is_empty() {
            self.shown = None;
        }
    }

    /// Begins anew, at a keyframe.
    pub fn lose(&mut self) {
        self.shown = None;
    }

    /// Nothing is known of the track that is shown from now on.
    pub fn forget_source(&mut self) {
        self.shown = None;
        self.heard = Default::default();
    }

    /// The encoding is another stream than before: its numbers begin anew.
    pub fn forget_encoding(&mut self, encoding: u8) {
        if self.shown.is_some_and(|shown| shown.encoding == encoding) {
            self.shown = None;
        }
        if let Some(heard) = self.heard.get_mut(usize::from(encoding)) {
            *heard = Heard::default();
        }
    }

    /// The encoding whose keyframe is waited for.
    pub fn wanted(&self) -> Option<u8> {
        let target = self.target()?;
        self.shown.is_none_or(|shown| shown.encoding != target).then_some(target)
    }

    /// Takes note that `packet` came, of whatever encoding. False: of one that no slot can show.
    pub fn hear(&mut self, packet: &Packet) -> bool {
        let at = usize::from(packet.encoding);
        let Some(heard) = self.heard.get_mut(at) else {
            return false;
        };
        let first = heard.last.is_none();
        heard.last = Some(packet.received);
        heard.missed = 0;
        heard.newest = heard.newest.max(packet.seq);
        heard.life = match heard.life {
            Life::Unseen => Life::Alive,
            Life::Dead => Life::Returning { since: packet.received },
            Life::Returning { since } if packet.received.saturating_duration_since(since) >= PROBATION => Life::Alive,
            life => life,
        };
        if packet.recovered || (!first && heard.timestamp == packet.timestamp) {
            return true;
        }
        heard.timestamp = packet.timestamp;
        for (_, heard) in self.heard.iter_mut().enumerate().filter(|(other, _)| *other != at) {
            heard.missed = heard.missed.saturating_add(1);
            let silent = heard.last.is_some_and(|last| packet.received.saturating_duration_since(last) >= SILENT);
            if silent && heard.missed >= PICTURES_MISSED {
                heard.life = Life::Dead;
            }
        }
        true
    }

    /// The newest packet heard of an encoding.
    pub fn newest(&self, encoding: u8) -> ExtendedSeq {
        self.heard.get(usize::from(encoding)).map(|heard| heard.newest).unwrap_or_default()
    }

    /// Whether `packet` begins a better picture than what is shown, be that nothing.
    pub fn is_switch(&self, packet: &Packet) -> bool {
        if !packet.description.keyframe {
            return false;
        }
        let Some(rank) = self.rank(packet.encoding) else {
            return false;
        };
        let heard = &self.heard[usize::from(packet.encoding)];
        if packet.recovered && heard.newest.0 > packet.seq.0 + LATE_KEYFRAME {
            return false;
        }
        let Some(shown) = self.shown else { return true };
        if shown.encoding == packet.encoding || !self.is_alive(packet.encoding) {
            return false;
        }
        match self.rank(shown.encoding) {
            Some(present) if self.is_alive(shown.encoding) => rank < present,
            _ => true,
        }
    }

    /// Shows the encoding of `packet` from this packet on: all that follows a keyframe can be decoded.
    pub fn switch(&mut self, packet: &Packet) {
        self.shown = Some(Shown {
            encoding: packet.encoding,
            temporal: self.ceiling(packet.encoding).unwrap_or_default(),
            picture: packet.timestamp,
            left_out: false,
        });
    }

    /// Whether a packet of the encoding that is shown, newer than all before, is let through. A picture is judged once,
    /// by the first of its packets that comes.
    pub fn lets_through(&mut self, packet: &Packet) -> bool {
        let Some(mut shown) = self.shown else {
            return false;
        };
        if shown.picture == packet.timestamp {
            return !shown.left_out;
        }
        shown.picture = packet.timestamp;
        // An encoding that is off the ladder flows on as it was until its successor's keyframe.
        let ceiling = self.ceiling(shown.encoding).unwrap_or(shown.temporal);
        let description = packet.description;
        shown.temporal = if description.keyframe {
            ceiling
        } else if description.layer_sync && description.temporal == shown.temporal + 1 {
            // One layer at a time: this picture leans on lower layers only, the one above it may lean on what was left out.
            ceiling.min(description.temporal)
        } else {
            ceiling.min(shown.temporal)
        };
        shown.left_out = description.temporal > shown.temporal && can_leave_out(packet);
        self.shown = Some(shown);
        !shown.left_out
    }

    /// Better rungs have lower ranks.
    fn rank(&self, encoding: u8) -> Option<usize> {
        self.ladder.iter().position(|rung| rung.spatial == encoding)
    }

    /// The temporal layer that the best rung of an encoding names.
    fn ceiling(&self, encoding: u8) -> Option<u8> {
        self.ladder.iter().find(|rung| rung.spatial == encoding).map(|rung| rung.temporal)
    }

    fn is_alive(&self, encoding: u8) -> bool {
        self.heard.get(usize::from(encoding)).is_some_and(|heard| matches!(heard.life, Life::Alive))
    }

    /// The best rung that arrives; the best of all while none does.
    fn target(&self) -> Option<u8> {
        let alive = self.ladder.iter().find(|rung| self.is_alive(rung.spatial));
        alive.or(self.ladder.first()).map(|rung| rung.spatial)
    }
}

/// VP8 tells what leans on what, and its receivers see no gap if its numbers have none. Other codecs leave whole.
fn can_leave_out(packet: &Packet) -> bool {
    packet.payload_type.codec == Codec::Vp8
        && packet
            .description
            .vp8
            .as_ref()
            .is_some_and(|numbers| numbers.picture_id.is_some() && numbers.tl0_picture_index.is_some())
}
