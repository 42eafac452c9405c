//! Time is an argument of every method. This file only names its units and maps it to the clock of RTCP.

pub use std::time::{Duration, Instant};

/// A duration of `n` milliseconds.
pub const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A 64-bit NTP timestamp: seconds since 1900 in the upper half, fractions of 2^-32 s in the lower (RFC 5905 s6).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Ntp(pub u64);

impl Ntp {
    /// The middle 32 bits, as LSR and DLSR carry them (RFC 3550 s6.4.1), in units of 2^-16 s.
    pub fn compact(self) -> u32 {
        (self.0 >> 16) as u32
    }

    /// `self - earlier`, in seconds; negative if `earlier` is later.
    pub fn seconds_since(self, earlier: Ntp) -> f64 {
        self.0.wrapping_sub(earlier.0) as i64 as f64 / 4_294_967_296.0
    }
}

/// A moment on the monotonic clock and in wall time, taken when the plane was made. After that only the monotonic clock
/// is read.
#[derive(Clone, Copy, Debug)]
pub struct WallClock {
    /// The moment on the monotonic clock.
    pub at: Instant,
    /// The same moment in wall time.
    pub ntp: Ntp,
}

impl WallClock {
    /// The wall time of `now`.
    pub fn ntp(&self, now: Instant) -> Ntp {
        let elapsed = now.saturating_duration_since(self.at);
        let fraction = (u64::from(elapsed.subsec_nanos()) << 32) / 1_000_000_000;
        Ntp(self.ntp.0.wrapping_add((elapsed.as_secs() << 32) + fraction))
    }
}
