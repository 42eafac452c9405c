//! Counters: packets are counted, not logged. One snapshot is published per worker and second.

use crate::batch::Batch;
use crate::discard::Discard;
use crate::timer::Timer;

/// Of one worker since its start, and how much there is of each thing now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Datagrams.
    pub packets_received: u64,
    /// Octets of datagrams.
    pub bytes_received: u64,
    /// Datagrams.
    pub packets_sent: u64,
    /// Octets of datagrams.
    pub bytes_sent: u64,
    /// Media packets that left for a subscriber, first transmissions only.
    pub packets_forwarded: u64,
    /// Media packets that left once more.
    pub packets_retransmitted: u64,
    /// PLI and FIR to publishers.
    pub keyframe_requests: u64,
    /// Packets that publishers were asked for.
    pub nacks_sent: u64,
    /// Sends, each of one datagram or of many segments: against `packets_sent`, how well segmentation works.
    pub messages_sent: u64,
    /// There now.
    pub transports: u64,
    /// There now.
    pub tracks: u64,
    /// There now.
    pub slots: u64,
    /// There now, or awaited.
    pub channels: u64,
    timers: [u64; Timer::ALL.len()],
    discards: [u64; Discard::ALL.len()],
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            packets_received: 0,
            bytes_received: 0,
            packets_sent: 0,
            bytes_sent: 0,
            packets_forwarded: 0,
            packets_retransmitted: 0,
            keyframe_requests: 0,
            nacks_sent: 0,
            messages_sent: 0,
            transports: 0,
            tracks: 0,
            slots: 0,
            channels: 0,
            timers: [0; Timer::ALL.len()],
            discards: [0; Discard::ALL.len()],
        }
    }
}

impl Stats {
    /// One datagram, or a part of one, went no further.
    pub fn discard(&mut self, why: Discard) {
        self.discards[why as usize] += 1;
    }

    /// So many of them.
    pub fn discard_many(&mut self, why: Discard, count: usize) {
        self.discards[why as usize] += count as u64;
    }

    /// A deadline of something has passed.
    pub(crate) fn count_timer(&mut self, timer: Timer) {
        self.timers[timer as usize] += 1;
    }

    /// How often deadlines of each name passed: why the worker woke, but for datagrams and commands.
    pub fn timers(&self) -> impl Iterator<Item = (Timer, u64)> + '_ {
        Timer::ALL.iter().map(|&timer| (timer, self.timers[timer as usize]))
    }

    /// What leaves with a batch.
    pub fn count_sent(&mut self, batch: &Batch) {
        for (message, datagrams) in batch.messages() {
            self.packets_sent += message.segments() as u64;
            self.bytes_sent += datagrams.len() as u64;
            self.messages_sent += 1;
        }
    }

    /// How many went no further for one reason.
    pub fn discarded(&self, why: Discard) -> u64 {
        self.discards[why as usize]
    }

    /// How many, for each reason.
    pub fn discards(&self) -> impl Iterator<Item = (Discard, u64)> + '_ {
        Discard::ALL.iter().map(|&why| (why, self.discarded(why)))
    }
}
