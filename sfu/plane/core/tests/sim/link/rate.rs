//! The rate of a link over time.

use plane_core::time::{Duration, Instant, ms};

/// Bits per second, headers included.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Rate {
    Unlimited,
    Constant(u64),
    /// A shape that begins at this time.
    Varying(Instant, Shape),
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Shape {
    /// Each rate from its time on; before the first one, its rate. 0 is an outage.
    Steps(&'static [(Duration, u64)]),
    /// Changes evenly, then keeps `to`.
    Ramp { from: u64, to: u64, over: Duration },
    /// From `high` down to `low` and up again, for ever.
    Triangle { low: u64, high: u64, period: Duration },
}

/// A varying rate is constant for this long.
const SLICE: Duration = ms(1);
/// A datagram that leaves later than this is dropped.
const LATEST: Duration = Duration::from_secs(600);

impl Rate {
    /// Bits per second at a time.
    pub fn at(&self, now: Instant) -> f64 {
        match *self {
            Rate::Unlimited => f64::INFINITY,
            Rate::Constant(rate) => rate as f64,
            Rate::Varying(since, shape) => shape.at(now.saturating_duration_since(since)),
        }
    }

    /// When the last bit leaves of a datagram whose first bit leaves at `begins`. None: never.
    pub fn leaves(&self, begins: Instant, octets: usize) -> Option<Instant> {
        let mut bits = octets as f64 * 8.0;
        match *self {
            Rate::Unlimited => return Some(begins),
            Rate::Constant(0) => return None,
            Rate::Constant(rate) => return Some(begins + Duration::from_secs_f64(bits / rate as f64)),
            Rate::Varying(..) => {}
        }
        let mut at = begins;
        while at - begins < LATEST {
            let rate = self.at(at);
            let in_slice = rate * SLICE.as_secs_f64();
            if in_slice >= bits {
                return Some(at + Duration::from_secs_f64(bits / rate));
            }
            bits -= in_slice;
            at += SLICE;
        }
        None
    }
}

impl Shape {
    fn at(self, elapsed: Duration) -> f64 {
        match self {
            Shape::Steps(steps) => {
                let past = steps.iter().rev().find(|step| step.0 <= elapsed);
                past.or(steps.first()).map_or(f64::INFINITY, |step| step.1 as f64)
            }
            Shape::Ramp { from, to, over } => between(from, to, elapsed.div_duration_f64(over).min(1.0)),
            Shape::Triangle { low, high, period } => {
                let phase = elapsed.div_duration_f64(period).fract();
                between(high, low, 1.0 - (2.0 * phase - 1.0).abs())
            }
        }
    }
}

fn between(from: u64, to: u64, share: f64) -> f64 {
    from as f64 + (to as f64 - from as f64) * share
}
