//! Records which of the last packets of an encoding have arrived, to distinguish late packets from duplicates.
//!
//! SRTP's replay window (RFC 3711 s3.3.2) cannot do that: a retransmission has another SSRC and a number of its own.

use crate::discard::Discard;
use crate::limits::ENCODING_HISTORY as LENGTH;
use crate::rtp::sequence::ExtendedSeq;

const WORDS: usize = (LENGTH / 64) as usize;

/// A ring with one bit per packet.
///
/// ```text
///   too late   |    within: bit set = arrived    |   above: moves the window
/// -------------+---------------------------------+----------------------->
///              highest - LENGTH + 1        highest
/// ```
#[derive(Clone, Debug, Default)]
pub struct History {
    highest: Option<ExtendedSeq>,
    bits: [u64; WORDS],
}

impl History {
    /// Records a packet. `Duplicate` if it had already arrived, `TooLate` if it is older than the window.
    pub fn insert(&mut self, seq: ExtendedSeq) -> Result<(), Discard> {
        let Some(highest) = self.highest else {
            self.highest = Some(seq);
            self.mark(seq.0);
            return Ok(());
        };
        if seq > highest {
            if seq.0 - highest.0 >= LENGTH {
                self.bits = [0; WORDS];
            } else {
                (highest.0 + 1..seq.0).for_each(|skipped| self.clear(skipped));
            }
            self.highest = Some(seq);
            self.mark(seq.0);
            return Ok(());
        }
        if !self.reaches(seq) {
            return Err(Discard::TooLate);
        }
        if self.contains(seq) {
            return Err(Discard::Duplicate);
        }
        self.mark(seq.0);
        Ok(())
    }

    /// Allows a packet to arrive again, because its stored copy was dropped.
    pub fn forget(&mut self, seq: ExtendedSeq) {
        if self.reaches(seq) {
            self.clear(seq.0);
        }
    }

    /// True if the window includes the packet.
    pub fn reaches(&self, seq: ExtendedSeq) -> bool {
        self.highest.is_some_and(|highest| seq <= highest && highest.0 - seq.0 < LENGTH)
    }

    pub fn contains(&self, seq: ExtendedSeq) -> bool {
        self.reaches(seq) && self.bits[Self::word(seq.0)] >> (seq.0 % 64) & 1 == 1
    }

    fn word(seq: u64) -> usize {
        (seq % LENGTH / 64) as usize
    }

    fn mark(&mut self, seq: u64) {
        self.bits[Self::word(seq)] |= 1 << (seq % 64);
    }

    fn clear(&mut self, seq: u64) {
        self.bits[Self::word(seq)] &= !(1 << (seq % 64));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const FIRST: u64 = 1 << 16;

    #[test]
    fn a_packet_counts_once_until_it_is_too_late_for_it() {
        let mut history = History::default();
        for (seq, expected) in [
            (10, Ok(())),
            (10, Err(Discard::Duplicate)),
            (12, Ok(())),
            (11, Ok(())),
            (11, Err(Discard::Duplicate)),
            (12 + LENGTH, Ok(())),
            (13, Ok(())),
            (12, Err(Discard::TooLate)),
            (9_000, Ok(())),
            (8_999, Ok(())),
        ] {
            assert_eq!(history.insert(ExtendedSeq(FIRST + seq)), expected, "{seq}");
        }
    }

    #[test]
    fn a_forgotten_packet_may_arrive_again() {
        let mut history = History::default();
        history.insert(ExtendedSeq(FIRST)).unwrap();
        history.forget(ExtendedSeq(FIRST));
        assert!(!history.contains(ExtendedSeq(FIRST)));
        assert_eq!(history.insert(ExtendedSeq(FIRST)), Ok(()));
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_set_of_all_numbers(steps in prop::collection::vec(-1_500_i64..1_500, 1..300)) {
            let mut history = History::default();
            let mut seen = BTreeSet::new();
            let mut at = 1_i64 << 30;
            for step in steps {
                at += step;
                let seq = at as u64;
                let highest = seen.last().copied().unwrap_or(seq);
                let expected = if seq + LENGTH <= highest {
                    Err(Discard::TooLate)
                } else if !seen.insert(seq) {
                    Err(Discard::Duplicate)
                } else {
                    Ok(())
                };
                prop_assert_eq!(history.insert(ExtendedSeq(seq)), expected);
            }
        }
    }
}
