//! A policer: a token bucket without a queue. What finds too few tokens is dropped.

use plane_core::time::Instant;

#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Policer {
    /// Bits per second.
    pub rate: u64,
    /// The size of the bucket, in octets.
    pub bucket: usize,
}

/// The tokens, in octets. Full at first.
#[derive(Clone, Copy, Default, Debug)]
pub struct Bucket {
    state: Option<(f64, Instant)>,
}

impl Bucket {
    /// Takes the tokens of a datagram, if there are enough.
    pub fn takes(&mut self, policer: Policer, octets: usize, now: Instant) -> bool {
        let full = policer.bucket as f64;
        let tokens = self.state.map_or(full, |(tokens, at)| {
            let came = now.saturating_duration_since(at).as_secs_f64() * policer.rate as f64 / 8.0;
            (tokens + came).min(full)
        });
        let taken = tokens >= octets as f64;
        self.state = Some((if taken { tokens - octets as f64 } else { tokens }, now));
        taken
    }
}
