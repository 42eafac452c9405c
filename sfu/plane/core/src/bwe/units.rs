//! Rates, and the receiver's clock.

use std::fmt;

use crate::time::Duration;

/// A rate in bit/s.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Rate(u64);

impl Rate {
    /// Nothing flows.
    pub const ZERO: Rate = Rate(0);
    /// No limit. Sums and products stay there.
    pub const UNLIMITED: Rate = Rate(u64::MAX);

    /// `n` bit/s.
    pub const fn bps(n: u64) -> Rate {
        Rate(n)
    }

    /// `n` kbit/s.
    pub const fn kbps(n: u64) -> Rate {
        Rate(n.saturating_mul(1_000))
    }

    /// The rate of `octets` in `time`. `UNLIMITED` if no time passed.
    pub fn of(octets: u64, time: Duration) -> Rate {
        if time.is_zero() {
            return Rate::UNLIMITED;
        }
        let bits = u128::from(octets) * 8 * 1_000_000_000 / time.as_nanos();
        Rate(bits.try_into().unwrap_or(u64::MAX))
    }

    /// Bits per second.
    pub const fn as_bps(self) -> u64 {
        self.0
    }

    /// Kilobits per second.
    pub fn as_kbps(self) -> f64 {
        self.0 as f64 / 1_000.0
    }

    /// False for `UNLIMITED`.
    pub const fn is_limited(self) -> bool {
        self.0 != u64::MAX
    }

    /// The octets that leave at this rate in `time`.
    pub fn octets_in(self, time: Duration) -> u64 {
        let octets = u128::from(self.0) * time.as_nanos() / 8_000_000_000;
        octets.try_into().unwrap_or(u64::MAX)
    }

    /// How long `octets` take at this rate. `Duration::MAX` if nothing flows.
    pub fn time_for(self, octets: u64) -> Duration {
        match (u128::from(octets) * 8_000_000_000).checked_div(self.0.into()) {
            Some(nanos) => Duration::from_nanos(nanos.try_into().unwrap_or(u64::MAX)),
            None => Duration::MAX,
        }
    }

    /// This rate times `factor`, which is not negative.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Rate {
        if self.is_limited() { Rate((self.0 as f64 * factor).round() as u64) } else { self }
    }

    /// `self + other`.
    #[must_use]
    pub const fn plus(self, other: Rate) -> Rate {
        Rate(self.0.saturating_add(other.0))
    }

    /// `self - other`, at least zero.
    #[must_use]
    pub const fn minus(self, other: Rate) -> Rate {
        if self.is_limited() { Rate(self.0.saturating_sub(other.0)) } else { self }
    }

    /// `self / other`. Infinite if `other` is zero.
    pub fn ratio(self, other: Rate) -> f64 {
        self.0 as f64 / other.0 as f64
    }
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_limited() { write!(f, "{} kbit/s", self.as_kbps()) } else { f.write_str("unlimited") }
    }
}

/// A moment on the receiver's clock, in microseconds since a start that nobody knows. Only differences mean something.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Arrival(pub i64);

impl Arrival {
    /// Milliseconds since `earlier`, negative if `earlier` is later.
    pub fn ms_since(self, earlier: Arrival) -> f64 {
        self.0.wrapping_sub(earlier.0) as f64 / 1_000.0
    }

    /// The time since `earlier`, zero if `earlier` is later.
    pub fn since(self, earlier: Arrival) -> Duration {
        Duration::from_micros(self.0.wrapping_sub(earlier.0).max(0) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ms;

    #[test]
    fn a_rate_times_a_time_is_octets_and_back() {
        let rate = Rate::kbps(800);
        assert_eq!(rate.octets_in(ms(10)), 1_000);
        assert_eq!(Rate::of(1_000, ms(10)), rate);
        assert_eq!(rate.time_for(1_000), ms(10));
        assert_eq!(rate.scaled(1.5), Rate::kbps(1_200));
    }

    #[test]
    fn the_ends_of_the_scale_do_not_overflow() {
        assert_eq!(Rate::of(1, Duration::ZERO), Rate::UNLIMITED);
        assert_eq!(Rate::UNLIMITED.scaled(0.5), Rate::UNLIMITED);
        assert_eq!(Rate::UNLIMITED.plus(Rate::kbps(1)), Rate::UNLIMITED);
        assert_eq!(Rate::UNLIMITED.minus(Rate::kbps(1)), Rate::UNLIMITED);
        assert_eq!(Rate::ZERO.time_for(1), Duration::MAX);
        assert_eq!(Rate::UNLIMITED.octets_in(Duration::MAX), u64::MAX);
        assert_eq!(Rate::kbps(1).minus(Rate::kbps(2)), Rate::ZERO);
    }

    #[test]
    fn arrivals_subtract_in_both_directions() {
        let (early, late) = (Arrival(-500), Arrival(1_000));
        assert_eq!((late.ms_since(early), early.ms_since(late)), (1.5, -1.5));
        assert_eq!((late.since(early), early.since(late)), (Duration::from_micros(1_500), Duration::ZERO));
    }
}
