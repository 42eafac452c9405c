//! The figures of one run, and their percentiles over runs of several seeds.

use plane_core::time::{Duration, Instant};

/// A sample of a run.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Since the measurement began.
    pub at: Duration,
    /// How long a datagram to the viewer would wait.
    pub queue: Duration,
    /// Bits per second, if the server estimates.
    pub estimate: Option<f64>,
    /// Frames that were shown until then.
    pub shown: u64,
}

/// Samples of a run, taken at equal intervals.
#[derive(Default)]
pub struct Record {
    pub samples: Vec<Sample>,
}

impl Record {
    /// The longest time in which each sample was like this.
    pub fn longest(&self, is_so: impl Fn(&Sample) -> bool) -> Duration {
        let runs = self.samples.chunk_by(|one, other| is_so(one) == is_so(other)).filter(|run| is_so(&run[0]));
        runs.map(|run| run[run.len() - 1].at - run[0].at).max().unwrap_or_default()
    }

    /// The time from a moment to the first sample that is like this; without one, to the end.
    pub fn until(&self, from: Duration, is_so: impl Fn(&Sample) -> bool) -> Duration {
        let later = || self.samples.iter().filter(|sample| sample.at > from);
        let found =
            later().find(|sample| is_so(sample)).or_else(|| self.samples.last().filter(|sample| sample.at > from));
        found.map_or(Duration::ZERO, |sample| sample.at - from)
    }

    /// The time from a moment to the last sample that is like this.
    pub fn last(&self, from: Duration, is_so: impl Fn(&Sample) -> bool) -> Duration {
        let last = self.samples.iter().rev().find(|sample| sample.at > from && is_so(sample));
        last.map_or(Duration::ZERO, |sample| sample.at - from)
    }
}

/// The figures of a run. Shares are from 0 to 1, times in milliseconds.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub struct Figures {
    /// The median estimate, in bits per second. 0 without one.
    pub estimate: f64,
    /// The longest time in which the estimate was above 1.25 times what the link carries.
    pub above: f64,
    /// From the last change of the network until the estimate reached the wanted level.
    pub risen: f64,
    /// The time in the queue that 95 % of the samples do not exceed.
    pub queue: f64,
    /// From the last change of the network until the queue stayed below 100 ms.
    pub drained: f64,
    /// The share of time in which the picture was frozen.
    pub frozen: f64,
    pub longest_freeze: f64,
    /// From the last change of the network to the next frame that was shown.
    pub resumed: f64,
    /// Frames of which something arrived and that were never shown.
    pub torn: f64,
    /// The share of media, each packet once, in all octets sent to the link.
    pub media: f64,
    /// The share of time in which the best encoding was shown.
    pub top: f64,
    /// From the last change of the network until the best encoding was shown for the rest of the time.
    pub top_after: f64,
    /// Requests of the viewer for packets that were only late, as a share of the packets of its video.
    pub wasted: f64,
    /// Requests of the server to the publisher, as a share of the publisher's packets.
    pub asked: f64,
    /// The share of audio that was concealed.
    pub concealed: f64,
    /// The share of datagrams to the viewer that a queue or a policer dropped, once the estimate has settled.
    pub dropped: f64,
    /// Datagrams that were too large for the path, both ways.
    pub too_large: f64,
    /// The share of what the viewer received in what all received that share its link.
    pub share: f64,
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
