//! Sequence numbers that do not wrap. Other modules use these instead of the u16 of the RTP header.

/// A sequence number with the number of rollovers in the upper bits (the packet index of RFC 3711 s3.3.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct ExtendedSeq(pub u64);

impl ExtendedSeq {
    pub fn wire(self) -> u16 {
        self.0 as u16
    }

    pub fn rollovers(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

/// Converts 16-bit sequence numbers to extended ones, each the nearest to the highest so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Unwrapper {
    highest: Option<ExtendedSeq>,
}

impl Unwrapper {
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the extended number of `wire` and updates the highest. The first one starts above 65,535, so that
    /// packets sent before it have a number too.
    pub fn extend(&mut self, wire: u16) -> ExtendedSeq {
        let seq = self.peek(wire);
        self.highest = self.highest.max(Some(seq));
        seq
    }

    /// Returns the extended number of `wire` without updating the highest.
    pub fn peek(&self, wire: u16) -> ExtendedSeq {
        match self.highest {
            None => ExtendedSeq((1 << 16) | u64::from(wire)),
            Some(highest) => {
                let ahead = wire.wrapping_sub(highest.wire()) as i16;
                ExtendedSeq(highest.0.saturating_add_signed(i64::from(ahead)))
            }
        }
    }

    pub fn highest(&self) -> Option<ExtendedSeq> {
        self.highest
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_go_on_past_the_wrap_and_late_ones_fall_back_before_it() {
        let mut unwrapper = Unwrapper::new();
        let seen: Vec<u64> = [65_534, 65_535, 0, 65_533, 1].map(|wire| unwrapper.extend(wire).0).into();
        assert_eq!(seen, [131_070, 131_071, 131_072, 131_069, 131_073]);
        assert_eq!(unwrapper.highest(), Some(ExtendedSeq(131_073)));
    }

    #[test]
    fn a_packet_sent_before_the_first_one_seen_has_a_lower_number() {
        let mut unwrapper = Unwrapper::new();
        assert_eq!(unwrapper.extend(0), ExtendedSeq(65_536));
        assert_eq!(unwrapper.extend(65_535), ExtendedSeq(65_535));
    }

    #[test]
    fn looking_does_not_move_the_highest() {
        let mut unwrapper = Unwrapper::new();
        unwrapper.extend(10);
        assert_eq!(unwrapper.peek(500), ExtendedSeq(66_036));
        assert_eq!(unwrapper.highest(), Some(ExtendedSeq(65_546)));
    }

    #[test]
    fn half_a_round_away_is_taken_as_late() {
        let mut unwrapper = Unwrapper::new();
        unwrapper.extend(0);
        assert_eq!(unwrapper.peek(32_767), ExtendedSeq(65_536 + 32_767));
        assert_eq!(unwrapper.peek(32_768), ExtendedSeq(65_536 - 32_768));
    }

    proptest! {
        #[test]
        fn a_stream_reordered_by_less_than_half_a_round_is_numbered_as_it_was_sent(
            first: u16,
            steps in prop::collection::vec(-10_000i64..20_000, 1..50),
        ) {
            let mut unwrapper = Unwrapper::new();
            let mut highest = unwrapper.extend(first).0;
            for step in steps {
                let sent = highest.saturating_add_signed(step);
                prop_assert_eq!(unwrapper.extend(sent as u16), ExtendedSeq(sent));
                highest = highest.max(sent);
            }
        }
    }
}
