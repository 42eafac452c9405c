//! Sends the clusters of probes that the estimator asks for: so many octets at a rate, spread over ticks. Media that
//! leaves meanwhile is part of the cluster; padding fills the rest.

use std::collections::VecDeque;

use crate::bwe::Cluster;
use crate::limits::PROBE_OCTETS;
use crate::time::{Duration, Instant, ms};

/// Octets leave in portions of this time. libwebrtc: pacing_controller.cc sends probes in steps of 2 ms
/// (`min_probe_delta`); with five, many transports share a wake-up.
const TICK: Duration = ms(5);
/// A cluster that could not be sent within this time is given up.
const MOST: Duration = ms(1_000);

#[derive(Clone, Copy, Debug)]
struct Running {
    cluster: Cluster,
    began: Instant,
    next: Instant,
    sent: Sum,
    /// What is about to be sent; the octets are an estimate.
    taken: Sum,
}

/// Packets, and their octets.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    packets: u32,
    octets: u64,
}

impl Sum {
    fn add(&mut self, octets: usize) {
        self.packets += 1;
        self.octets += octets as u64;
    }
}

impl Running {
    /// True if packets and octets are as many as the cluster needs.
    fn is_whole(&self, with: Sum) -> bool {
        let (packets, octets) = (self.sent.packets + with.packets, self.sent.octets + with.octets);
        packets >= self.cluster.packets && octets >= self.cluster.octets
    }
}

/// The clusters of one transport.
#[derive(Clone, Debug, Default)]
pub struct Prober {
    waiting: VecDeque<Cluster>,
    running: Option<Running>,
}

impl Prober {
    /// Queues a cluster.
    pub fn push(&mut self, cluster: Cluster) {
        let octets = cluster.octets.min(PROBE_OCTETS);
        self.waiting.push_back(Cluster { octets, ..cluster });
    }

    /// The cluster that a packet which leaves now is part of.
    pub fn cluster(&self) -> Option<Cluster> {
        self.running.map(|running| running.cluster)
    }

    /// True if a packet of padding is to be sent now.
    pub fn is_due(&mut self, now: Instant) -> bool {
        if self.running.is_some_and(|running| now.saturating_duration_since(running.began) > MOST) {
            self.running = None;
        }
        if self.running.is_none() {
            let begin =
                |cluster| Running { cluster, began: now, next: now, sent: Sum::default(), taken: Sum::default() };
            self.running = self.waiting.pop_front().map(begin);
        }
        let Some(running) = &mut self.running else { return false };
        let elapsed = now.saturating_duration_since(running.began);
        let due = running.cluster.rate.octets_in(elapsed + TICK);
        // A worker that wakes late sends no more than the cluster.
        if running.is_whole(running.taken) || running.sent.octets + running.taken.octets >= due {
            running.next = now + TICK;
            return false;
        }
        true
    }

    /// Records that padding of about so many octets was taken to be sent.
    pub fn taken(&mut self, octets: usize) {
        if let Some(running) = &mut self.running {
            running.taken.add(octets);
        }
    }

    /// Records that a packet of the cluster was sent, `octets` long.
    pub fn sent(&mut self, octets: usize) {
        let Some(running) = &mut self.running else { return };
        running.sent.add(octets);
        if running.is_whole(Sum::default()) {
            self.running = None;
        }
    }

    /// Records that everything that was taken was sent, or failed.
    pub fn flushed(&mut self) {
        if let Some(running) = &mut self.running {
            running.taken = Sum::default();
        }
    }

    /// When [`Prober::is_due`] may be true again.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.running.map(|running| running.next)
    }

    /// Gives up all clusters.
    pub fn clear(&mut self) {
        self.waiting.clear();
        self.running = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bwe::units::Rate;

    /// Sends what is due in packets of 250 octets at each deadline. Returns the time of each.
    fn run(prober: &mut Prober, start: Instant) -> Vec<u64> {
        let (mut now, mut sent) = (start, Vec::new());
        for _ in 0..1_000 {
            while prober.is_due(now) {
                // Less is sent than was taken.
                prober.taken(260);
                prober.sent(250);
                prober.flushed();
                sent.push(now.duration_since(start).as_millis() as u64);
            }
            match prober.poll_timeout() {
                Some(next) => now = next,
                None => break,
            }
        }
        sent
    }

    fn cluster(kbps: u64, octets: u64) -> Cluster {
        Cluster { id: 1, rate: Rate::kbps(kbps), packets: 5, octets }
    }

    #[test]
    fn a_cluster_is_spread_over_ticks_at_its_rate() {
        let (mut prober, start) = (Prober::default(), Instant::now());
        assert!(!prober.is_due(start));
        // 800 kbit/s: 500 octets in a tick.
        prober.push(cluster(800, 2_000));
        assert_eq!(run(&mut prober, start), [0, 0, 5, 5, 10, 10, 15, 15]);
        assert_eq!((prober.cluster(), prober.poll_timeout()), (None, None), "it is over");
    }

    #[test]
    fn clusters_follow_one_another_and_media_is_part_of_them() {
        let (mut prober, start) = (Prober::default(), Instant::now());
        prober.push(cluster(800, 2_000));
        prober.push(Cluster { id: 2, ..cluster(800, 1_000) });
        assert!(prober.is_due(start));
        prober.sent(1_200);
        assert_eq!(prober.cluster().map(|cluster| cluster.id), Some(1));
        assert!(!prober.is_due(start), "media has taken its place");
        let sent = run(&mut prober, start);
        assert_eq!(sent.len(), 4 + 5, "the rest of the first, with its least number of packets; then the second");
    }

    #[test]
    fn a_late_wake_sends_the_rest_of_the_cluster_and_no_more() {
        let (mut prober, start) = (Prober::default(), Instant::now());
        prober.push(cluster(800, 2_000));
        assert!(prober.is_due(start));
        let late = start + ms(500);
        let mut taken = 0;
        while prober.is_due(late) && taken < 100 {
            prober.taken(250);
            taken += 1;
        }
        assert_eq!(taken, 8);
        (0..taken).for_each(|_| prober.sent(250));
        prober.flushed();
        assert!(prober.cluster().is_none() && !prober.is_due(late), "it is over");
    }

    #[test]
    fn a_cluster_that_cannot_be_sent_is_given_up_and_a_large_one_is_cut() {
        let (mut prober, start) = (Prober::default(), Instant::now());
        prober.push(cluster(800, 2_000));
        assert!(prober.is_due(start));
        assert!(!prober.is_due(start + MOST + ms(1)));
        prober.push(cluster(1_000_000, 1 << 30));
        prober.push(cluster(800, 2_000));
        let octets = 250 * run(&mut prober, start).len() as u64;
        assert!((PROBE_OCTETS..PROBE_OCTETS + 2_500).contains(&octets), "{octets}");
        prober.push(cluster(800, 2_000));
        prober.clear();
        assert!(!prober.is_due(start));
    }
}
