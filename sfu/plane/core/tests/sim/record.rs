//! The figures of one run, and their percentiles over runs of several seeds.

use plane_core::time::{Duration, Instant};

/// Samples of a run, taken at equal intervals.
#[derive(Default)]
pub struct Record {
    pub queue: Vec<Duration>,
    /// Bits per second, if the server estimates.
    pub estimate: Vec<f64>,
}

/// The figures of a run. Shares are from 0 to 1, times in milliseconds.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub struct Figures {
    /// The median estimate, in bits per second. 0 without one.
    pub estimate: f64,
    /// The time in the queue that 95 % of the samples do not exceed.
    pub queue: f64,
    /// The share of time in which the picture was frozen.
    pub frozen: f64,
    pub longest_freeze: f64,
    /// Frames of which something arrived and that were never shown.
    pub torn: f64,
    /// The share of media, each packet once, in all octets sent to the link.
    pub media: f64,
    /// The share of time in which the best encoding was shown.
    pub top: f64,
    /// Requests of the viewer for packets that were only late, as a share of the packets of its video.
    pub wasted: f64,
    /// The share of audio that was concealed.
    pub concealed: f64,
}

/// The value that a share of the values does not exceed. Of no values: 0.
pub fn percentile(values: impl IntoIterator<Item = f64>, share: f64) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(place.saturating_sub(1)).copied().unwrap_or(0.0)
}

/// The share of the time from `from` to `to` in which the last change was to `wanted`.
pub fn share_of_time<T: PartialEq>(changes: &[(Instant, T)], wanted: &T, from: Instant, to: Instant) -> f64 {
    let ends = changes.iter().skip(1).map(|change| change.0).chain([to]);
    let spans = changes.iter().zip(ends).filter(|(change, _)| change.1 == *wanted);
    let time: Duration = spans.map(|(change, end)| end.saturating_duration_since(change.0.max(from))).sum();
    time.div_duration_f64(to - from)
}
