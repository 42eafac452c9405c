//! The replay window of RFC 3711 s3.3.2: the packet indexes that were received.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use crate::discard::Discard;

/// Remembers the last `WORDS * 64` indexes. The bit of index `i` is bit `i mod (WORDS * 64)` of a ring:
///
/// ```text
///      left of the window   |  the window: seen or not  |  right of the window
///        too old to tell    |                   highest |        new
/// ```
#[derive(Clone, Debug)]
pub struct Window<const WORDS: usize> {
    highest: Option<u64>,
    seen: [u64; WORDS],
}

impl<const WORDS: usize> Default for Window<WORDS> {
    fn default() -> Self {
        Self { highest: None, seen: [0; WORDS] }
    }
}

impl<const WORDS: usize> Window<WORDS> {
    /// The number of indexes in the window, including the highest.
    pub const SIZE: u64 = (WORDS as u64).saturating_mul(64);

    /// A window that accepts only indexes above `highest`; all others count as seen.
    pub fn seen_up_to(highest: u64) -> Self {
        Self { highest: Some(highest), seen: [u64::MAX; WORDS] }
    }

    pub fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// Checks that `index` is new. Call this before authentication, and [`Self::mark`] after it.
    pub fn check(&self, index: u64) -> Result<(), Discard> {
        let Some(highest) = self.highest else {
            return Ok(());
        };
        match highest.checked_sub(index) {
            None => Ok(()),
            Some(behind) if behind >= Self::SIZE => Err(Discard::SrtpTooOld),
            Some(_) if self.is_set(index) => Err(Discard::SrtpReplay),
            Some(_) => Ok(()),
        }
    }

    /// Marks `index` as seen. An index left of the window is ignored.
    pub fn mark(&mut self, index: u64) {
        match self.highest {
            Some(highest) if index > highest => {
                self.highest = Some(index);
                if index.abs_diff(highest) >= Self::SIZE {
                    self.seen = [0; WORDS];
                } else {
                    (highest.saturating_add(1)..index).for_each(|skipped| self.set(skipped, false));
                }
            }
            Some(highest) if highest.abs_diff(index) >= Self::SIZE => return,
            Some(_) => {}
            None => self.highest = Some(index),
        }
        self.set(index, true);
    }

    fn is_set(&self, index: u64) -> bool {
        let (word, bit) = Self::place(index);
        self.seen.get(word).is_some_and(|word| word & bit != 0)
    }

    fn set(&mut self, index: u64, seen: bool) {
        let (word, bit) = Self::place(index);
        if let Some(word) = self.seen.get_mut(word) {
            *word = if seen { *word | bit } else { *word & !bit };
        }
    }

    fn place(index: u64) -> (usize, u64) {
        let place = index.checked_rem(Self::SIZE).unwrap_or(0);
        ((place >> 6) as usize, 1 << (place & 63))
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_index_is_new_once() {
        let mut window = Window::<2>::default();
        for index in [5, 7, 6, 300, 299] {
            assert_eq!(window.check(index), Ok(()), "{index}");
            window.mark(index);
            assert_eq!(window.check(index), Err(Discard::SrtpReplay), "{index}");
        }
    }

    #[test]
    fn the_window_has_exactly_its_size() {
        let mut window = Window::<2>::default();
        window.mark(1_000);
        assert_eq!(window.check(1_000 - 127), Ok(()));
        assert_eq!(window.check(1_000 - 128), Err(Discard::SrtpTooOld));
    }

    #[test]
    fn a_window_that_goes_on_takes_nothing_from_before() {
        let mut window = Window::<2>::seen_up_to(1_000);
        for (index, expected) in [(1_000, Err(Discard::SrtpReplay)), (900, Err(Discard::SrtpReplay)), (1_002, Ok(()))] {
            assert_eq!(window.check(index), expected, "{index}");
        }
        window.mark(1_002);
        assert_eq!(window.check(1_001), Ok(()));
    }

    #[test]
    fn what_was_skipped_can_still_come() {
        let mut window = Window::<2>::default();
        (0..100).for_each(|index| window.mark(index));
        window.mark(200);
        assert_eq!(window.check(150), Ok(()), "150 - 128 was seen, and shares its bit");
        assert_eq!(window.check(99), Err(Discard::SrtpReplay));
    }

    proptest! {
        /// Compares the window with a set that forgets nothing.
        #[test]
        fn it_answers_as_an_endless_memory_would(steps in prop::collection::vec((0u64..4, 0u64..400), 1..400)) {
            let mut window = Window::<2>::default();
            let mut memory = HashSet::new();
            let mut highest = None::<u64>;
            for (kind, distance) in steps {
                let base = highest.unwrap_or(1_000);
                let index = match kind {
                    0 => base + 1,
                    1 => base + distance,
                    2 => base.saturating_sub(distance % 140),
                    _ => base.saturating_sub(distance),
                };
                let expected = match highest {
                    Some(highest) if index + 128 <= highest => Err(Discard::SrtpTooOld),
                    _ if memory.contains(&index) => Err(Discard::SrtpReplay),
                    _ => Ok(()),
                };
                prop_assert_eq!(window.check(index), expected);
                if expected.is_ok() {
                    window.mark(index);
                    memory.insert(index);
                    highest = Some(highest.map_or(index, |highest| highest.max(index)));
                }
                prop_assert_eq!(window.highest(), highest);
            }
        }
    }
}
