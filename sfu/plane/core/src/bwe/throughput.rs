//! Measures the rate that arrives.
//!
//! Source: libwebrtc, modules/congestion_controller/goog_cc/robust_throughput_estimator.{h,cc}.

use std::collections::VecDeque;

use super::Report;
use super::units::{Arrival, Rate};
use crate::time::{Duration, Instant, ms};

/// Packets below which nothing is measured (`required_packets`).
const REQUIRED: usize = 10;
/// The window has at least so many packets and this time, and at most these (`window_packets`, `min_window_duration`,
/// `max_window_packets`, `max_window_duration`).
const LEAST_PACKETS: usize = 20;
const LEAST: Duration = ms(1_000);
const MOST_PACKETS: usize = 500;
const MOST: Duration = ms(5_000);
/// What [`Throughput::recent`] measures: this time, and at least so many packets.
const RECENT: Duration = ms(200);
const RECENT_PACKETS: usize = 6;
/// Packets that arrive at once took so long.
const SHORTEST: Duration = ms(1);

#[derive(Clone, Copy, Debug)]
struct Packet {
    sent: Instant,
    arrived: Arrival,
    octets: u64,
}

/// The packets that arrived in the last second or more, in the order of arrival.
#[derive(Clone, Debug, Default)]
pub struct Throughput {
    window: VecDeque<Packet>,
    octets: u64,
    /// The latest time at which a packet that has left the window was sent.
    discarded: Option<Instant>,
}

impl Throughput {
    /// Takes a packet that arrived.
    pub fn next(&mut self, report: &Report, arrived: Arrival) {
        self.window.push_back(Packet { sent: report.sent, arrived, octets: report.octets.into() });
        self.octets += u64::from(report.octets);
        // Feedback may come out of order.
        let mut place = self.window.len() - 1;
        while place > 0 && self.window[place].arrived < self.window[place - 1].arrived {
            self.window.swap(place, place - 1);
            place -= 1;
        }
        while self.is_first_outdated() {
            let Some(first) = self.window.pop_front() else { break };
            self.octets -= first.octets;
            self.discarded = self.discarded.max(Some(first.sent));
        }
    }

    fn is_first_outdated(&self) -> bool {
        let (Some(first), Some(last)) = (self.window.front(), self.window.back()) else { return false };
        let duration = last.arrived.since(first.arrived);
        self.window.len() > MOST_PACKETS || duration > MOST || (self.window.len() > LEAST_PACKETS && duration > LEAST)
    }

    /// The rate at which the last packets arrived. While a queue is full this is what the link carries. None: too few.
    pub fn recent(&self) -> Option<Rate> {
        let last = self.window.back()?;
        let first = self.window.iter().position(|packet| last.arrived.since(packet.arrived) <= RECENT)?;
        let recent = self.window.range(first..);
        if recent.len() < RECENT_PACKETS {
            return None;
        }
        let begun = self.window[first];
        let octets: u64 = recent.map(|packet| packet.octets).sum();
        Some(Rate::of(octets - begun.octets, last.arrived.since(begun.arrived).max(SHORTEST)))
    }

    /// The rate at which packets arrived, but not more than the rate at which they were sent. The longest pause between
    /// two arrivals does not count, because the link is as often silent before a packet as it is after one. None:
    /// too few packets.
    pub fn rate(&self) -> Option<Rate> {
        if self.window.len() < REQUIRED {
            return None;
        }
        let (mut longest, mut second) = (Duration::ZERO, Duration::ZERO);
        for (before, after) in self.window.iter().zip(self.window.iter().skip(1)) {
            let gap = after.arrived.since(before.arrived);
            if gap > longest {
                (longest, second) = (gap, longest);
            } else {
                second = second.max(gap);
            }
        }
        let (first, last) = (self.window.front()?, self.window.back()?);
        let received_in = last.arrived.since(first.arrived).saturating_sub(longest) + second;
        // N packets end N - 1 intervals: the first that arrived ends none, and the last that was sent begins none.
        let received = self.octets - first.octets;
        let received = Rate::of(received, received_in.max(SHORTEST));
        // Packets that were overtaken by discarded ones may be old, and say nothing of the present.
        let is_recent = |packet: &&Packet| self.discarded.is_none_or(|discarded| packet.sent >= discarded);
        let recent = || self.window.iter().filter(is_recent);
        if recent().count() < REQUIRED {
            return Some(received);
        }
        let (earliest, latest) = (recent().map(|packet| packet.sent).min()?, recent().max_by_key(|p| p.sent)?);
        let sent = recent().map(|packet| packet.octets).sum::<u64>() - latest.octets;
        let sent_in = latest.sent.saturating_duration_since(earliest);
        Some(Rate::of(sent, sent_in.max(SHORTEST)).min(received))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Run {
        throughput: Throughput,
        start: Instant,
        sent: Duration,
        arrived: Duration,
    }

    impl Run {
        fn new() -> Self {
            Self { throughput: Throughput::default(), start: Instant::now(), sent: ms(0), arrived: ms(50) }
        }

        /// Sends packets of 1,000 octets at one rate, which arrive at another. In octets a second.
        fn flow(&mut self, packets: u32, sent: u32, arrived: u32) {
            for _ in 0..packets {
                let arrival = Arrival(self.arrived.as_micros() as i64);
                let report = Report::arrived(0, self.start + self.sent, 1_000, arrival);
                self.throughput.next(&report, arrival);
                self.sent += Duration::from_secs(1_000) / sent;
                self.arrived += Duration::from_secs(1_000) / arrived;
            }
        }

        /// In octets a second.
        fn rate(&self) -> Option<f64> {
            Some(self.throughput.rate()?.as_bps() as f64 / 8.0)
        }
    }

    fn is_near(rate: Option<f64>, expected: f64) -> bool {
        rate.is_some_and(|rate| (rate - expected).abs() <= 0.05 * expected)
    }

    /// libwebrtc: RobustThroughputEstimatorTest.InitialEstimate.
    #[test]
    fn initial_estimate() {
        let mut run = Run::new();
        run.flow(9, 100_000, 100_000);
        assert_eq!(run.rate(), None, "too few");
        run.flow(11, 100_000, 100_000);
        assert!(is_near(run.rate(), 100_000.0), "{:?}", run.rate());
    }

    /// libwebrtc: RobustThroughputEstimatorTest.EstimateAdapts.
    #[test]
    fn estimate_adapts() {
        let mut run = Run::new();
        run.flow(110, 100_000, 100_000);
        assert!(is_near(run.rate(), 100_000.0), "{:?}", run.rate());
        run.flow(220, 200_000, 200_000);
        assert!(is_near(run.rate(), 200_000.0), "{:?}", run.rate());
        run.flow(55, 50_000, 50_000);
        assert!(is_near(run.rate(), 50_000.0), "{:?}", run.rate());
    }

    /// libwebrtc: RobustThroughputEstimatorTest.CappedByReceiveRate, CappedBySendRate.
    #[test]
    fn capped_by_both_rates() {
        let mut run = Run::new();
        run.flow(30, 100_000, 25_000);
        assert!(is_near(run.rate(), 25_000.0), "{:?}", run.rate());
        let mut run = Run::new();
        run.flow(30, 50_000, 100_000);
        assert!(is_near(run.rate(), 50_000.0), "{:?}", run.rate());
    }

    /// libwebrtc: RobustThroughputEstimatorTest.DelaySpike.
    #[test]
    fn delay_spike() {
        let mut run = Run::new();
        run.flow(110, 100_000, 100_000);
        run.arrived += ms(25);
        run.flow(1, 100_000, 100_000);
        assert!(is_near(run.rate(), 100_000.0), "the longest pause does not count: {:?}", run.rate());
        // The packets behind it are delivered faster.
        run.flow(9, 100_000, 400_000);
        assert!(is_near(run.rate(), 100_000.0), "{:?}", run.rate());
    }

    /// libwebrtc: RobustThroughputEstimatorTest.HighLoss.
    #[test]
    fn high_loss() {
        let mut run = Run::new();
        for n in 0..40 {
            if n % 2 == 0 {
                run.flow(1, 100_000, 100_000);
            } else {
                run.sent += ms(10);
                run.arrived += ms(10);
            }
        }
        assert!(is_near(run.rate(), 50_000.0), "{:?}", run.rate());
    }

    /// libwebrtc: RobustThroughputEstimatorTest.ReorderedFeedback.
    #[test]
    fn reordered_feedback() {
        let mut run = Run::new();
        run.flow(20, 100_000, 100_000);
        let (sent, arrived) = (run.sent, run.arrived);
        run.sent += ms(100);
        run.arrived += ms(100);
        run.flow(20, 100_000, 100_000);
        (run.sent, run.arrived) = (sent, arrived);
        run.flow(10, 100_000, 100_000);
        assert!(is_near(run.rate(), 100_000.0), "{:?}", run.rate());
    }

    /// libwebrtc: RobustThroughputEstimatorTest.StreamPausedAndResumed.
    #[test]
    fn stream_paused_and_resumed() {
        let mut run = Run::new();
        run.flow(110, 100_000, 100_000);
        run.sent += ms(5_000);
        run.arrived += ms(5_000);
        run.flow(20, 100_000, 100_000);
        assert!(is_near(run.rate(), 100_000.0), "the time of the pause is no part of it: {:?}", run.rate());
    }

    #[test]
    fn the_window_is_bounded() {
        let mut run = Run::new();
        run.flow(5_000, 10_000_000, 10_000_000);
        assert!(run.throughput.window.len() <= MOST_PACKETS);
    }
}
