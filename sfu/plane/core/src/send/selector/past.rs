//! Records which layers were forwarded when. A late packet is judged by the choice that applied to its place in the
//! stream.

use std::collections::VecDeque;

use super::choice::Choice;
use crate::receive::packet::Packet;
use crate::receive::rung::EncodingId;

/// The number of changes that are kept: a few per second in which packets can still arrive late.
const MOST: usize = 8;

#[derive(Clone, Copy, Debug, Default)]
struct Change {
    /// None: an entry of no encoding.
    encoding: Option<EncodingId>,
    choice: Choice,
    /// The first source number and the picture for which the choice applied. It applies to missing packets of that
    /// picture, too.
    from: u64,
    timestamp: u32,
}

#[derive(Debug, Default)]
pub struct Past {
    /// The newest change, to which the choice for each packet is compared.
    last: Change,
    /// The ones before it, oldest first.
    earlier: VecDeque<Change>,
}

impl Past {
    /// Records that `choice` applies to `packet`, the newest of its encoding.
    pub fn remember(&mut self, encoding: EncodingId, packet: &Packet, choice: Choice) {
        if (self.last.encoding, self.last.choice) == (Some(encoding), choice) {
            return;
        }
        if self.earlier.len() == MOST - 1 {
            self.earlier.pop_front();
        }
        let change = Change { encoding: Some(encoding), choice, from: packet.seq.0, timestamp: packet.timestamp };
        self.earlier.push_back(std::mem::replace(&mut self.last, change));
    }

    /// Called when the numbers of an encoding restart.
    pub fn forget(&mut self, encoding: EncodingId) {
        let changes = self.earlier.iter_mut().chain(std::iter::once(&mut self.last));
        for change in changes.filter(|change| change.encoding == Some(encoding)) {
            change.encoding = None;
        }
    }

    /// The choice that applied when `packet` was missing. None: its encoding was not shown, or it is too long ago.
    pub fn choice(&self, packet: &Packet) -> Option<Choice> {
        let newest_first = std::iter::once(&self.last).chain(self.earlier.iter().rev());
        let mut of_encoding = newest_first.filter(|change| change.encoding == Some(packet.encoding));
        let held = of_encoding.find(|change| change.from <= packet.seq.0 || change.timestamp == packet.timestamp);
        held.map(|change| change.choice)
    }
}
