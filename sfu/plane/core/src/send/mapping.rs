//! Maps a publisher's payload type to a subscriber's, with the change to the payload that follows from it.

use crate::codec::{Codec, PayloadType};
use crate::send::passing::Patch;

/// What happens to redundancy (RFC 2198).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Redundancy {
    /// That of the publisher passes.
    Passed,
    /// It is added where the publisher sends none.
    Added,
    /// That of the publisher is removed.
    Removed,
}

#[derive(Clone, Copy, Debug)]
pub struct Mapping {
    from: PayloadType,
    redundancy: Redundancy,
    /// The subscriber's payload type number.
    pub to: u8,
    /// The subscriber has RTX for it.
    pub rtx: bool,
    pub patch: Patch,
}

impl Mapping {
    /// Searches the subscriber's `own` payload types. None if there is none for this codec in this format.
    ///
    /// Opus and RED (RFC 2198) replace one another: redundancy is added or removed.
    pub fn find(own: &[PayloadType], from: &PayloadType, redundancy: Redundancy) -> Option<Self> {
        let same = own
            .iter()
            .find(|own| (own.codec, own.format, own.clock_rate) == (from.codec, from.format, from.clock_rate));
        let find = |codec| own.iter().find(|own| own.codec == codec && own.clock_rate == from.clock_rate);
        let (opus, red) = (find(Codec::Opus), find(Codec::Red).filter(|_| redundancy == Redundancy::Added));
        let (to, patch) = match (from.codec, same, opus, red) {
            (Codec::Opus, Some(opus), _, Some(red)) => (red.number, Patch::RedMade { block: opus.number, earlier: 0 }),
            (Codec::Red, Some(same), Some(opus), _) if redundancy != Redundancy::Removed => {
                (same.number, Patch::Red { block: opus.number })
            }
            (Codec::Red, _, Some(opus), _) => (opus.number, Patch::RedPrimary),
            (_, Some(same), _, _) => (same.number, Patch::None),
            (_, None, _, _) => return None,
        };
        let rtx = own.iter().find(|own| own.number == to).is_some_and(|own| own.rtx.is_some());
        Some(Self { from: *from, redundancy, to, rtx, patch })
    }

    pub fn is_of(&self, from: &PayloadType, redundancy: Redundancy) -> bool {
        self.from == *from && self.redundancy == redundancy
    }
}
