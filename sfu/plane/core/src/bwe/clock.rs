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

impl ReceiverClock {
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
}
