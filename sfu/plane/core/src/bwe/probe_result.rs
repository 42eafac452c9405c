//! The rate that a probe found: the packets of a cluster, as they were sent and as they arrived.
//!
//! Source: libwebrtc, modules/congestion_controller/goog_cc/probe_bitrate_estimator.{h,cc}.

use std::collections::VecDeque;

use super::Report;
use super::units::{Arrival, Rate};
use crate::time::{Duration, Instant, ms};

/// The share of a cluster's packets and octets that must arrive (`kMinReceivedProbesRatio`, `kMinReceivedBytesRatio`).
const RECEIVED: f64 = 0.8;
/// More cannot arrive than was sent; a higher ratio means that the measurement is wrong (`kMaxValidRatio`).
const MOST_RATIO: f64 = 2.0;
/// If less than this arrived, the link was full (`kMinRatioForUnsaturatedLink`), and this much of it is used
/// (`kTargetUtilizationFraction`).
const UNSATURATED: f64 = 0.9;
const UTILIZATION: f64 = 0.95;
/// Clusters last and are kept this long (`kMaxProbeInterval`, `kMaxClusterHistory`).
const MOST: Duration = ms(1_000);
/// Clusters that are kept. Two are sent at once.
const CLUSTERS: usize = 8;

/// A group of packets sent at a rate above the estimate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cluster {
    /// Grows by one with each cluster of a transport.
    pub id: u32,
    /// The rate at which it is sent.
    pub rate: Rate,
    /// What must be sent at least: packets and octets.
    pub packets: u32,
    /// See `packets`.
    pub octets: u64,
}

/// What a cluster shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    /// Of the cluster.
    pub id: u32,
    /// The rate that arrived.
    pub rate: Rate,
    /// Clearly less arrived than was sent: the link was full, or the machine of a peer busy.
    pub is_full: bool,
}

#[derive(Clone, Copy, Debug)]
struct Received {
    id: u32,
    packets: u32,
    octets: u64,
    first_sent: Instant,
    first_arrived: Arrival,
    first_arrived_octets: u64,
    last_arrived: Arrival,
    /// The packets that were sent last, at one time.
    last: Burst,
}

/// Packets sent at one time. Of them only the first one to arrive tells something: the others queue behind it.
#[derive(Clone, Copy, Debug)]
struct Burst {
    sent: Instant,
    octets: u64,
    first_arrived: Arrival,
    first_octets: u64,
}

/// What arrived of the last clusters.
#[derive(Clone, Debug, Default)]
pub struct Probes {
    clusters: VecDeque<Received>,
}

impl Probes {
    /// Takes a packet of a cluster that arrived. Returns what the cluster shows with it.
    pub fn next(&mut self, report: &Report, arrived: Arrival, cluster: &Cluster) -> Option<Found> {
        self.clusters.retain(|kept| arrived.since(kept.last_arrived) <= MOST);
        let octets = u64::from(report.octets);
        let place = match self.clusters.iter().position(|kept| kept.id == cluster.id) {
            Some(place) => place,
            None => {
                if self.clusters.len() == CLUSTERS {
                    self.clusters.pop_front();
                }
                self.clusters.push_back(Received {
                    id: cluster.id,
                    packets: 0,
                    octets: 0,
                    first_sent: report.sent,
                    first_arrived: arrived,
                    first_arrived_octets: octets,
                    last_arrived: arrived,
                    last: Burst { sent: report.sent, octets: 0, first_arrived: arrived, first_octets: octets },
                });
                self.clusters.len() - 1
            }
        };
        let kept = self.clusters.get_mut(place)?;
        kept.packets += 1;
        kept.octets += octets;
        kept.first_sent = kept.first_sent.min(report.sent);
        if report.sent > kept.last.sent {
            kept.last = Burst { sent: report.sent, octets: 0, first_arrived: arrived, first_octets: octets };
        }
        if report.sent == kept.last.sent {
            kept.last.octets += octets;
            if arrived < kept.last.first_arrived {
                (kept.last.first_arrived, kept.last.first_octets) = (arrived, octets);
            }
        }
        if arrived < kept.first_arrived {
            (kept.first_arrived, kept.first_arrived_octets) = (arrived, octets);
        }
        kept.last_arrived = kept.last_arrived.max(arrived);
        kept.found(cluster)
    }
}

impl Received {
    fn found(&self, cluster: &Cluster) -> Option<Found> {
        let is_enough = f64::from(self.packets) >= f64::from(cluster.packets) * RECEIVED
            && self.octets as f64 >= cluster.octets as f64 * RECEIVED;
        let sent_in = self.last.sent.saturating_duration_since(self.first_sent);
        let arrived_in = self.last.first_arrived.since(self.first_arrived);
        let is_measurable = |time: Duration| !time.is_zero() && time <= MOST;
        if !is_enough || !is_measurable(sent_in) || !is_measurable(arrived_in) {
            return None;
        }
        // The packets sent last begin no interval, and the first that arrived ends none.
        let sent = Rate::of(self.octets - self.last.octets, sent_in);
        let behind_first = self.octets + self.last.first_octets;
        let received = Rate::of(behind_first - self.last.octets - self.first_arrived_octets, arrived_in);
        let ratio = received.ratio(sent);
        let is_full = ratio < UNSATURATED;
        let rate = if is_full { received.scaled(UTILIZATION) } else { sent.min(received) };
        (ratio <= MOST_RATIO).then_some(Found { id: self.id, rate, is_full })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Run {
        probes: Probes,
        start: Instant,
        found: Option<Found>,
    }

    impl Run {
        fn new() -> Self {
            Self { probes: Probes::default(), start: Instant::now(), found: None }
        }

        /// Times in milliseconds.
        fn next(&mut self, id: u32, octets: u32, sent: u64, arrived: i64) {
            let cluster = Cluster { id, rate: Rate::kbps(1_000), packets: 5, octets: 5_000 };
            let arrival = Arrival(arrived * 1_000);
            let report = Report::arrived(0, self.start + ms(sent), octets, arrival);
            self.found = self.probes.next(&report, arrival, &cluster);
        }

        fn kbps(&self) -> Option<f64> {
            self.found.map(|found| found.rate.as_kbps())
        }
    }

    /// libwebrtc: ProbeBitrateEstimatorTest.OneCluster.
    #[test]
    fn one_cluster() {
        let mut run = Run::new();
        for n in 0..4 {
            run.next(0, 1_000, 10 * n, 10 + 10 * n as i64);
        }
        assert_eq!(run.kbps(), Some(800.0));
    }

    /// libwebrtc: ProbeBitrateEstimatorTest.OneClusterTooFewProbes.
    #[test]
    fn one_cluster_too_few_probes() {
        let mut run = Run::new();
        for n in 0..3 {
            run.next(0, 2_000, 10 * n, 10 + 10 * n as i64);
        }
        assert_eq!(run.kbps(), None);
    }

    /// libwebrtc: ProbeBitrateEstimatorTest.OneClusterTooFewBytes.
    #[test]
    fn one_cluster_too_few_bytes() {
        let mut run = Run::new();
        for n in 0..6 {
            run.next(0, 660, 10 * n, 10 + 10 * n as i64);
        }
        assert_eq!(run.kbps(), None);
    }

    /// libwebrtc: ProbeBitrateEstimatorTest.SmallCluster.
    #[test]
    fn small_cluster() {
        let mut run = Run::new();
        for n in 0..6 {
            run.next(0, 1_000, 10 * n, 10 + 10 * n as i64);
        }
        assert_eq!(run.kbps(), Some(800.0));
    }

    /// libwebrtc: ProbeBitrateEstimatorTest.FastReceive.
    #[test]
    fn fast_receive() {
        let mut run = Run::new();
        for (n, arrived) in [15, 25, 35, 40].into_iter().enumerate() {
            run.next(0, 1_000, 10 * n as u64, arrived);
        }
        assert_eq!(run.kbps(), Some(800.0), "no more than was sent");
        assert!(run.found.is_some_and(|found| !found.is_full));
    }

    /// libwebrtc: ProbeBitrateEstimatorTest.TooFastReceive.
    #[test]
    fn too_fast_receive() {
        let mut run = Run::new();
        for (n, arrived) in [19, 22, 25, 28].into_iter().enumerate() {
            run.next(0, 1_000, 10 * n as u64, arrived);
        }
        assert_eq!(run.kbps(), None);
    }

    /// libwebrtc: ProbeBitrateEstimatorTest.SlowReceive.
    #[test]
    fn slow_receive() {
        let mut run = Run::new();
        for (n, arrived) in [10, 40, 70, 85].into_iter().enumerate() {
            run.next(0, 1_000, 10 * n as u64, arrived);
        }
        assert_eq!(run.kbps(), Some(304.0), "95 % of 320 kbit/s");
        assert!(run.found.is_some_and(|found| found.is_full));
    }

    /// libwebrtc: ProbeBitrateEstimatorTest.BurstReceive.
    #[test]
    fn burst_receive() {
        let mut run = Run::new();
        for n in 0..4 {
            run.next(0, 1_000, 10 * n, 50);
        }
        assert_eq!(run.kbps(), None);
    }

    /// libwebrtc: ProbeBitrateEstimatorTest.MultipleClusters.
    #[test]
    fn multiple_clusters() {
        let mut run = Run::new();
        for (n, sent) in [0, 10, 20, 40].into_iter().enumerate() {
            run.next(0, 1_000, sent, 10 + [0, 10, 20, 40][n]);
        }
        assert_eq!(run.kbps(), Some(600.0));
        for (sent, arrived) in [(50, 60), (60, 70), (65, 75), (70, 80)] {
            run.next(1, 1_000, sent, arrived);
        }
        assert_eq!(run.kbps(), Some(1_200.0));
    }

    /// libwebrtc: ProbeBitrateEstimatorTest.IgnoreOldClusters.
    #[test]
    fn ignore_old_clusters() {
        let mut run = Run::new();
        for (sent, arrived) in [(0, 10), (10, 20), (20, 30)] {
            run.next(0, 1_000, sent, arrived);
        }
        for (sent, arrived) in [(60, 70), (65, 77), (70, 84), (75, 90)] {
            run.next(1, 1_000, sent, arrived);
        }
        assert_eq!(run.kbps(), Some(1_140.0), "95 % of 1,200 kbit/s");
        run.next(0, 6_000, 33_000, 33_070);
        assert_eq!(run.kbps(), None, "the rest of the first cluster is gone");
    }

    /// libwebrtc: ProbeBitrateEstimatorTest.IgnoreSizeLastSendPacket, IgnoreSizeFirstReceivePacket.
    #[test]
    fn ignore_size_of_the_packets_at_the_ends() {
        let mut run = Run::new();
        for n in 0..4 {
            run.next(0, 1_000, 10 * n, 10 + 10 * n as i64);
        }
        run.next(0, 1_100, 40, 50);
        assert_eq!(run.kbps(), Some(800.0));
        let mut run = Run::new();
        run.next(0, 1_100, 0, 10);
        for n in 1..4 {
            run.next(0, 1_000, 10 * n, 10 + 10 * n as i64);
        }
        assert_eq!(run.kbps(), Some(800.0));
    }

    /// libwebrtc: ProbeBitrateEstimatorTest.NoLastEstimatedBitrateBps.
    #[test]
    fn clusters_are_bounded() {
        let mut run = Run::new();
        for id in 0..100 {
            run.next(id, 1_000, 1, 1);
        }
        assert_eq!(run.probes.clusters.len(), CLUSTERS);
    }
}
