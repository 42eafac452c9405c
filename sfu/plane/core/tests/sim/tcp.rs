//! A bulk TCP flow with CUBIC (RFC 9438), as cross traffic: an unlimited sender, and a receiver that acknowledges each
//! segment. Whole segments instead of octets; SACK-based recovery (RFC 6675), retransmission timeout (RFC 6298).

pub mod cubic;

use std::collections::{BTreeMap, BTreeSet};

use plane_core::time::{Duration, Instant, ms};

use cubic::Cubic;

/// Octets of a full segment without the 28 octets that a link adds to each datagram: 1,500 together.
pub const SEGMENT: usize = 1_472;
/// RFC 6298 s2.1; the minimum is that of Linux (TCP_RTO_MIN).
const INITIAL_RTO: Duration = ms(1_000);
const MIN_RTO: Duration = ms(200);
const MAX_RTO: Duration = ms(60_000);
/// Later ones that arrived, before a segment counts as lost (RFC 6675 s2, DupThresh).
const DUPLICATES: u64 = 3;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    pub number: u64,
    /// The nth transmission of the flow.
    pub transmission: u64,
}

/// What the receiver knows: the next segment in order, and the one that caused this acknowledgement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ack {
    pub next: u64,
    pub segment: Segment,
}

#[derive(Default, Debug)]
pub struct Receiver {
    next: u64,
    ahead: BTreeSet<u64>,
    /// Segments that came for the first time.
    pub received: u64,
}

impl Receiver {
    pub fn handle_segment(&mut self, segment: Segment) -> Ack {
        if segment.number >= self.next && self.ahead.insert(segment.number) {
            self.received += 1;
        }
        while self.ahead.remove(&self.next) {
            self.next += 1;
        }
        Ack { next: self.next, segment }
    }
}

/// A segment in flight.
#[derive(Debug)]
struct Sent {
    at: Instant,
    transmission: u64,
    is_again: bool,
}

#[derive(Debug)]
pub struct Sender {
    pub cubic: Cubic,
    next: u64,
    flying: BTreeMap<u64, Sent>,
    /// The numbers of those in flight, by transmission.
    order: BTreeMap<u64, u64>,
    /// Segments to send again.
    lost: BTreeSet<u64>,
    transmissions: u64,
    /// The latest transmission that arrived.
    arrived: u64,
    /// A loss of what was sent before this segment belongs to the same event.
    recovers_at: u64,
    srtt: Option<Duration>,
    variation: Duration,
    rto: Duration,
    timer: Option<Instant>,
    pub timeouts: u64,
    pub retransmissions: u64,
    /// Congestion window before and after each reduction, and its time.
    pub reductions: Vec<(Instant, f64, f64)>,
}

impl Sender {
    pub fn new() -> Self {
        Self {
            cubic: Cubic::default(),
            next: 0,
            flying: BTreeMap::new(),
            order: BTreeMap::new(),
            lost: BTreeSet::new(),
            transmissions: 0,
            arrived: 0,
            recovers_at: 0,
            srtt: None,
            variation: Duration::ZERO,
            rto: INITIAL_RTO,
            timer: None,
            timeouts: 0,
            retransmissions: 0,
            reductions: Vec::new(),
        }
    }

    pub fn smoothed_round_trip(&self) -> Option<Duration> {
        self.srtt
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timer
    }

    /// The next segment that the window allows.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Segment> {
        if self.flying.len() as f64 >= self.cubic.window().floor() {
            return None;
        }
        let again = self.lost.pop_first();
        self.retransmissions += u64::from(again.is_some());
        let number = again.unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        });
        self.transmissions += 1;
        let transmission = self.transmissions;
        self.flying.insert(number, Sent { at: now, transmission, is_again: again.is_some() });
        self.order.insert(transmission, number);
        self.timer.get_or_insert(now + self.rto);
        Some(Segment { number, transmission })
    }

    pub fn handle_ack(&mut self, ack: Ack, now: Instant) {
        // A round trip of a retransmitted segment is ambiguous (Karn).
        let measured = self.flying.get(&ack.segment.number).filter(|sent| !sent.is_again).map(|sent| now - sent.at);
        if let Some(sample) = measured {
            self.measure(sample);
        }
        let mut acknowledged = 0;
        while let Some(oldest) = self.flying.first_entry().filter(|oldest| *oldest.key() < ack.next) {
            self.order.remove(&oldest.remove().transmission);
            acknowledged += 1;
        }
        if let Some(sent) = self.flying.remove(&ack.segment.number) {
            self.order.remove(&sent.transmission);
            acknowledged += 1;
        }
        self.lost = self.lost.split_off(&ack.next);
        self.lost.remove(&ack.segment.number);
        self.arrived = self.arrived.max(ack.segment.transmission);
        self.detect_losses(now);
        if acknowledged == 0 {
            return;
        }
        if ack.next >= self.recovers_at && self.lost.is_empty() {
            self.cubic.grow(acknowledged, self.srtt.unwrap_or(INITIAL_RTO), now);
        }
        self.timer = (!self.flying.is_empty()).then(|| now + self.rto);
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        if self.timer.is_none_or(|due| due > now) {
            return;
        }
        self.timeouts += 1;
        let before = self.cubic.window();
        self.cubic.time_out();
        self.reductions.push((now, before, self.cubic.window()));
        self.order.clear();
        self.lost.extend(std::mem::take(&mut self.flying).into_keys());
        self.recovers_at = self.next;
        self.rto = (self.rto * 2).min(MAX_RTO);
        self.timer = Some(now + self.rto);
    }

    /// RFC 6298 s2.
    fn measure(&mut self, sample: Duration) {
        let srtt = match self.srtt {
            None => {
                self.variation = sample / 2;
                sample
            }
            Some(srtt) => {
                self.variation = (self.variation * 3 + srtt.abs_diff(sample)) / 4;
                (srtt * 7 + sample) / 8
            }
        };
        self.srtt = Some(srtt);
        self.rto = (srtt + self.variation * 4).clamp(MIN_RTO, MAX_RTO);
        self.cubic.note_round_trip(sample, self.next, self.flying.keys().next().copied().unwrap_or(self.next));
    }

    /// A transmission is lost when three later ones have arrived. One reduction per window.
    fn detect_losses(&mut self, now: Instant) {
        while let Some(oldest) = self.order.first_entry().filter(|oldest| oldest.key() + DUPLICATES <= self.arrived) {
            let number = oldest.remove();
            self.flying.remove(&number);
            self.lost.insert(number);
            if number >= self.recovers_at {
                let before = self.cubic.window();
                self.cubic.reduce();
                self.reductions.push((now, before, self.cubic.window()));
                self.recovers_at = self.next;
            }
        }
    }
}
