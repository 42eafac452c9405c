//! Which encodings of a track, or spatial layers of its only one, arrive: as far as one slot hears, by comparing them.

use crate::rtp::sequence::ExtendedSeq;
use crate::send::slot::Packet;
use crate::time::{Duration, Instant, ms};

/// Simulcast has three in practice (RFC 8853 sets no limit), and so has SVC.
pub const MOST: usize = 4;

/// What came at five frames a second or more is dead after this long without a packet: to be noticed within 500 ms, by
/// the next picture of another encoding.
const SHORTEST_SILENCE: Duration = ms(380);
/// A slow source (a still screen) may be silent for 7/4 of the longest gap lately, up to this.
const LONGEST_SILENCE: Duration = ms(3_000);
/// Two pictures of others in that silence, so far apart: a muted or still picture stops them all, and kills none when
/// it comes back in one encoding a little before the others.
const PICTURES_MISSED: u8 = 2;
const MISSED_APART: Duration = ms(160);
/// Back from the dead after arriving for this long, so that a keyframe is asked for and there within 2 s.
const PROBATION: Duration = ms(1_500);

#[derive(Clone, Copy, Debug, Default)]
enum State {
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
    state: State,
    last: Option<Instant>,
    newest: ExtendedSeq,
    timestamp: u32,
    /// The longest gap between pictures lately: jumps up, and fades by an eighth per picture.
    gap: Duration,
    /// Pictures of others since, and when the first of them came.
    missed: u8,
    missed_since: Option<Instant>,
}

#[derive(Debug, Default)]
pub struct Lives {
    heard: [Heard; MOST],
}

impl Lives {
    /// Takes note of a packet of encoding or spatial layer `at`, which is below [`MOST`].
    pub fn hear(&mut self, at: usize, packet: &Packet) {
        let heard = &mut self.heard[at];
        let now = packet.received;
        let before = heard.last.replace(now);
        heard.missed = 0;
        heard.missed_since = None;
        heard.newest = heard.newest.max(packet.seq);
        heard.state = match heard.state {
            State::Unseen => State::Alive,
            State::Dead => State::Returning { since: now },
            State::Returning { since } if now.saturating_duration_since(since) >= PROBATION => State::Alive,
            state => state,
        };
        if packet.recovered || (before.is_some() && heard.timestamp == packet.timestamp) {
            return;
        }
        heard.timestamp = packet.timestamp;
        let gap = before.map_or(Duration::ZERO, |before| now.saturating_duration_since(before));
        heard.gap = gap.min(LONGEST_SILENCE).max(heard.gap - heard.gap / 8);
        for (_, heard) in self.heard.iter_mut().enumerate().filter(|(other, _)| *other != at) {
            heard.miss(now);
        }
    }

    /// The newest packet heard of `at`.
    pub fn newest(&self, at: u8) -> ExtendedSeq {
        self.heard.get(usize::from(at)).map(|heard| heard.newest).unwrap_or_default()
    }

    /// The newest packet heard at all.
    pub fn newest_of_all(&self) -> ExtendedSeq {
        self.heard.iter().map(|heard| heard.newest).max().unwrap_or_default()
    }

    pub fn is_alive(&self, at: u8) -> bool {
        self.heard.get(usize::from(at)).is_some_and(|heard| matches!(heard.state, State::Alive))
    }

    /// It stopped, and has not been back for long enough.
    pub fn is_dead(&self, at: u8) -> bool {
        let state = self.heard.get(usize::from(at)).map(|heard| heard.state);
        matches!(state, Some(State::Dead | State::Returning { .. }))
    }

    /// Its publisher may have stopped it because nobody wanted it: from now on its first packet is enough.
    pub fn expect(&mut self, at: u8) {
        if let Some(heard) = self.heard.get_mut(usize::from(at)).filter(|heard| !matches!(heard.state, State::Alive)) {
            *heard = Heard { newest: heard.newest, ..Heard::default() };
        }
    }

    pub fn forget(&mut self, at: u8) {
        if let Some(heard) = self.heard.get_mut(usize::from(at)) {
            *heard = Heard::default();
        }
    }
}

impl Heard {
    /// Another encoding or layer began a picture.
    fn miss(&mut self, now: Instant) {
        let Some(last) = self.last else { return };
        self.missed = self.missed.saturating_add(1);
        let since = *self.missed_since.get_or_insert(now);
        if self.missed < PICTURES_MISSED || now.saturating_duration_since(since) < MISSED_APART {
            return;
        }
        let patience = (self.gap * 7 / 4).clamp(SHORTEST_SILENCE, LONGEST_SILENCE);
        if now.saturating_duration_since(last) >= patience {
            self.state = State::Dead;
        }
    }
}
