//! Counters: packets are counted, not logged. Each worker publishes one snapshot a second.

use std::ops::Deref;

use crate::batch::Batch;
use crate::discard::Discard;
use crate::timer::Timer;

/// What is counted of a worker since its start, and of each transport since it was added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams; of a transport, those of RTP, RTCP and DTLS from its peer's paths.
    pub packets_received: u64,
    /// Octets of these datagrams.
    pub bytes_received: u64,
    /// Datagrams.
    pub packets_sent: u64,
    /// Octets of datagrams.
    pub bytes_sent: u64,
    /// Media packets sent to subscribers, first transmissions only.
    pub packets_forwarded: u64,
    /// Media packets that were retransmitted.
    pub packets_retransmitted: u64,
    /// Empty packets that were sent only to measure the path.
    pub packets_probing: u64,
    /// PLI and FIR sent to publishers.
    pub keyframe_requests: u64,
    /// Packets that were requested from publishers.
    pub nacks_sent: u64,
    /// PLI and FIR of subscribers about their slots. Repetitions in one datagram count once.
    pub keyframe_requests_received: u64,
    /// Packets that subscribers requested. Repetitions in one datagram count once.
    pub nacks_received: u64,
    discards: [u64; Discard::ALL.len()],
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            packets_received: 0,
            bytes_received: 0,
            packets_sent: 0,
            bytes_sent: 0,
            packets_forwarded: 0,
            packets_retransmitted: 0,
            packets_probing: 0,
            keyframe_requests: 0,
            nacks_sent: 0,
            keyframe_requests_received: 0,
            nacks_received: 0,
            discards: [0; Discard::ALL.len()],
        }
    }
}

impl Counters {
    /// Counts discarded datagrams, or parts of them. Returns true if their number has reached a power of two since.
    pub(crate) fn discard(&mut self, why: Discard, count: usize) -> bool {
        let before = self.discards[why as usize];
        self.discards[why as usize] += count as u64;
        reached_power_of_two(before, self.discards[why as usize])
    }

    /// The number of discards for one reason.
    pub fn discarded(&self, why: Discard) -> u64 {
        self.discards[why as usize]
    }

    /// The number of discards for each reason.
    pub fn discards(&self) -> impl Iterator<Item = (Discard, u64)> + '_ {
        Discard::ALL.iter().map(|&why| (why, self.discarded(why)))
    }
}

/// The counters of one worker, and the present number of each thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Of all transports that there ever were, and of datagrams of no transport.
    pub counters: Counters,
    /// Send calls, each of one datagram or of several segments. The ratio to `packets_sent` shows how well segmentation
    /// works.
    pub messages_sent: u64,
    /// The present number.
    pub transports: u64,
    /// The present number.
    pub tracks: u64,
    /// The present number.
    pub slots: u64,
    /// The present number, including awaited ones.
    pub channels: u64,
    /// The present number of TCP connections. The caller of the plane counts them.
    pub links: u64,
    timers: [u64; Timer::ALL.len()],
}

/// The counters are read as if they were the worker's own.
impl Deref for Stats {
    type Target = Counters;

    fn deref(&self) -> &Counters {
        &self.counters
    }
}

/// True if a count that rose passed 1, 2, 4, 8 and so on: an event at these is bounded, whatever is counted.
fn reached_power_of_two(before: u64, after: u64) -> bool {
    after.checked_ilog2() > before.checked_ilog2()
}

impl Stats {
    /// Counts a discard outside of any plane.
    pub fn count_discard(&mut self, why: Discard) {
        self.counters.discard(why, 1);
    }

    /// Counts an expired deadline.
    pub(crate) fn count_timer(&mut self, timer: Timer) {
        self.timers[timer as usize] += 1;
    }

    /// How often deadlines of each timer expired: why the worker woke, apart from datagrams and commands.
    pub fn timers(&self) -> impl Iterator<Item = (Timer, u64)> + '_ {
        Timer::ALL.iter().map(|&timer| (timer, self.timers[timer as usize]))
    }

    /// Counts the datagrams of a batch.
    pub fn count_sent(&mut self, batch: &Batch) {
        for (message, datagrams) in batch.messages() {
            self.counters.packets_sent += message.segments() as u64;
            self.counters.bytes_sent += datagrams.len() as u64;
            self.messages_sent += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_reports_each_power_of_two_once() {
        let mut counters = Counters::default();
        let reports = (1..=9).filter(|_| counters.discard(Discard::Padding, 1));
        assert_eq!(reports.count(), 4, "at 1, 2, 4 and 8");
        assert!(counters.discard(Discard::Padding, 7), "16 lies between");
        assert!(!counters.discard(Discard::Padding, 0));
        assert_eq!(counters.discarded(Discard::Padding), 16);
        assert_eq!(counters.discards().map(|(_, count)| count).sum::<u64>(), 16);
    }
}
