//! The receiver's clock, as transport-wide feedback tells it: 24 bits of 64 ms, which wrap after twelve days.

use super::units::Arrival;

const BITS: u32 = 24;
/// Microseconds of a step of the reference time, and of a delta (draft-holmer-rmcat-transport-wide-cc-extensions-01
/// s3.1, s3.1.5).
const REFERENCE: i64 = 64_000;
const DELTA: i64 = 250;

/// Unwraps reference times.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReceiverClock {
    last: Option<i64>,
}

/// Units of the time of RFC 8888 in a second: of the report timestamp, and of the offsets before it (s3.1).
const TIMESTAMP: i64 = 1 << 16;
const OFFSET: i64 = 1 << 10;
const SECOND: i64 = 1_000_000;

impl ReceiverClock {
    /// The report timestamp of RFC 8888, 32 bits that wrap after 18 hours.
    pub fn next_timestamp(&mut self, timestamp: u32) -> Arrival {
        let unwrapped = match self.last {
            None => i64::from(timestamp),
            Some(last) => last.wrapping_add(i64::from(timestamp.wrapping_sub(last as u32) as i32)),
        };
        self.last = Some(unwrapped);
        Arrival((i128::from(unwrapped) * i128::from(SECOND) / i128::from(TIMESTAMP)) as i64)
    }

    /// The reference time of a feedback. It may be before the one of the last feedback.
    pub fn next(&mut self, reference: i32) -> Arrival {
        let unwrapped = match self.last {
            None => i64::from(reference),
            Some(last) => {
                let shift = 64 - BITS;
                let step = (i64::from(reference).wrapping_sub(last) << shift) >> shift;
                last.wrapping_add(step)
            }
        };
        self.last = Some(unwrapped);
        Arrival(unwrapped.wrapping_mul(REFERENCE))
    }
}

/// `time` plus a delta of a feedback.
pub fn after(time: Arrival, delta: i16) -> Arrival {
    Arrival(time.0.wrapping_add(i64::from(delta) * DELTA))
}

/// The arrival so many units of RFC 8888 before `timestamp`.
pub fn before(timestamp: Arrival, offset: u16) -> Arrival {
    Arrival(timestamp.0.wrapping_sub(i64::from(offset) * SECOND / OFFSET))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_times_go_on_behind_the_wrap() {
        let mut clock = ReceiverClock::default();
        let first = clock.next(0x7F_FFFF);
        assert_eq!(clock.next(-0x80_0000).0 - first.0, REFERENCE);
        assert_eq!(clock.next(0x7F_FFFE).0 - first.0, -REFERENCE);
        assert_eq!(after(first, -4).0 - first.0, -1_000);
    }

    #[test]
    fn the_timestamp_of_rfc_8888_wraps_and_offsets_count_back_from_it() {
        let mut clock = ReceiverClock::default();
        let first = clock.next_timestamp(0xFFFF_0000);
        let second = clock.next_timestamp(0x0000_8000);
        assert_eq!(second.0 - first.0, 1_500_000);
        assert_eq!(clock.next_timestamp(0xFFFF_0000), first, "an earlier one");
        assert_eq!(second.0 - before(second, 512).0, 500_000);
    }
}
