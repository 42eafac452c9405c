//! Which layers were let through when: what comes late is judged by what held in its time.

use super::choice::Choice;
use crate::send::passing::Packet;

/// Changes remembered: a few per second of packets that can still come late.
const MOST: usize = 8;

/// No encoding.
const NONE: u8 = u8::MAX;

#[derive(Clone, Copy, Debug, Default)]
struct Change {
    encoding: u8,
    choice: Choice,
    /// The first source number it held for, and the picture: what was missing of that held for it too.
    from: u64,
    timestamp: u32,
}

#[derive(Debug, Default)]
pub struct Past {
    /// A ring; `count` is of all changes ever.
    changes: [Change; MOST],
    count: usize,
}

impl Past {
    /// `choice` holds for `packet`, which is newer than all of its encoding.
    pub fn remember(&mut self, encoding: u8, packet: &Packet, choice: Choice) {
        let last = self.count.checked_sub(1).map(|last| self.changes[last % MOST]);
        let same = last.is_some_and(|last| (last.encoding, last.choice) == (encoding, choice));
        if !same {
            let change = Change { encoding, choice, from: packet.seq.0, timestamp: packet.timestamp };
            self.changes[self.count % MOST] = change;
            self.count += 1;
        }
    }

    /// An encoding has other numbers from now on.
    pub fn forget(&mut self, encoding: u8) {
        for change in self.changes.iter_mut().filter(|change| change.encoding == encoding) {
            change.encoding = NONE;
        }
    }

    /// What held when `packet` was missing. None: nothing of its encoding was shown, or it is too long ago.
    pub fn choice(&self, packet: &Packet) -> Option<Choice> {
        let newest_first = (self.count.saturating_sub(MOST)..self.count).rev().map(|at| &self.changes[at % MOST]);
        let mut of_encoding = newest_first.filter(|change| change.encoding == packet.encoding);
        let held = of_encoding.find(|change| change.from <= packet.seq.0 || change.timestamp == packet.timestamp);
        held.map(|change| change.choice)
    }
}
