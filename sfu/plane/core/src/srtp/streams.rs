//! The state that an SRTP context keeps per SSRC (RFC 3711 s3.2.3): a replay window for each SSRC in use, and only the
//! highest index for each retired SSRC. Both are bounded, because a session may publish new SSRCs forever.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use std::collections::{BTreeMap, VecDeque};

use super::replay::Window;
use crate::limits::SSRCS;

/// Lookups try the last result first, because packets arrive in runs.
pub(super) struct Streams<const WORDS: usize> {
    ssrcs: Vec<u32>,
    /// The place of each SSRC in the lists.
    places: BTreeMap<u32, usize>,
    windows: Vec<Window<WORDS>>,
    /// When each window was used last, on `clock`, which counts the uses of all windows.
    uses: Vec<u64>,
    clock: u64,
    last: usize,
    /// SSRC and highest index of each retired SSRC, the oldest first.
    retired: VecDeque<(u32, u64)>,
}

impl<const WORDS: usize> Streams<WORDS> {
    pub(super) fn new() -> Self {
        Self {
            ssrcs: Vec::new(),
            places: BTreeMap::new(),
            windows: Vec::new(),
            uses: Vec::new(),
            clock: 0,
            last: 0,
            retired: VecDeque::new(),
        }
    }

    /// The window of an SSRC in use.
    pub(super) fn find(&mut self, ssrc: u32) -> Option<&mut Window<WORDS>> {
        if self.ssrcs.get(self.last) != Some(&ssrc) {
            self.last = *self.places.get(&ssrc)?;
        }
        self.clock = self.clock.wrapping_add(1);
        *self.uses.get_mut(self.last)? = self.clock;
        self.windows.get_mut(self.last)
    }

    /// The highest index of a retired SSRC. If the SSRC is used again, it continues above this index.
    pub(super) fn retired(&self, ssrc: u32) -> Option<u64> {
        self.retired.iter().rev().find(|known| known.0 == ssrc).map(|known| known.1)
    }

    /// Adds an SSRC and returns its window. If there are too many, the least recently used SSRC is retired.
    pub(super) fn insert(&mut self, ssrc: u32) -> &mut Window<WORDS> {
        if self.ssrcs.len() >= SSRCS {
            let idle = self.uses.iter().enumerate().min_by_key(|(_, used)| **used).map_or(0, |(place, _)| place);
            self.retire_at(idle);
        }
        let window = match self.retired.iter().position(|known| known.0 == ssrc) {
            Some(place) => self.retired.remove(place).map_or_else(Window::default, |known| Window::seen_up_to(known.1)),
            None => Window::default(),
        };
        self.last = self.ssrcs.len();
        self.places.insert(ssrc, self.last);
        self.clock = self.clock.wrapping_add(1);
        self.ssrcs.push(ssrc);
        self.uses.push(self.clock);
        self.windows.push(window);
        self.windows.last_mut().expect("just pushed")
    }

    /// Retires an SSRC. If it is used again, it continues above its highest index.
    pub(super) fn retire(&mut self, ssrc: u32) {
        if let Some(&place) = self.places.get(&ssrc) {
            self.retire_at(place);
        }
    }

    /// Removes every trace of an SSRC.
    pub(super) fn forget(&mut self, ssrc: u32) {
        self.retire(ssrc);
        self.retired.retain(|known| known.0 != ssrc);
    }

    /// Octets of the state of one SSRC in use.
    const IN_USE: usize = size_of::<Window<WORDS>>() + size_of::<(u32, u64)>() + size_of::<(u32, usize)>();
    const RETIRED: usize = size_of::<(u32, u64)>();

    /// Octets of all SSRCs that fit, in lists that may have grown to twice their number.
    #[cfg(test)]
    pub(super) const MOST: usize = 2 * SSRCS * (Self::IN_USE + Self::RETIRED);

    /// Octets of the SSRCs in use and of retired ones.
    pub(super) fn memory(&self) -> usize {
        let in_use = self.windows.capacity().saturating_mul(Self::IN_USE);
        in_use.saturating_add(self.retired.capacity().saturating_mul(Self::RETIRED))
    }

    /// The number of SSRCs in use.
    pub(super) fn len(&self) -> usize {
        self.ssrcs.len()
    }

    fn retire_at(&mut self, place: usize) {
        let ssrc = self.ssrcs.swap_remove(place);
        self.places.remove(&ssrc);
        if let Some(&moved) = self.ssrcs.get(place) {
            self.places.insert(moved, place);
        }
        self.uses.swap_remove(place);
        if let Some(highest) = self.windows.swap_remove(place).highest() {
            if self.retired.len() >= SSRCS {
                self.retired.pop_front();
            }
            self.retired.push_back((ssrc, highest));
        }
    }
}
