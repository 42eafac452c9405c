//! One direction of a network path: when each datagram arrives, or why it does not. Pure, in virtual time, by seed.
//!
//! ```text
//! datagram -> MTU -> loss -> policer -> drop-tail queue -> rate -> delay and jitter -> arrival, or two of them
//! ```
//!
//! [`Link`] describes the path and may change at any time; [`Pipe`] is its state.

pub mod loss;
pub mod policer;
pub mod rate;

use std::collections::VecDeque;

use plane_core::time::{Duration, Instant, ms};

use super::random::Random;
use loss::{Burst, Bursts};
use policer::{Bucket, Policer};
use rate::Rate;

/// A description of one direction of a path.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Link {
    pub rate: Rate,
    /// The limit of the queue before the rate.
    pub queue: Queue,
    pub delay: Duration,
    /// The maximum random extra delay. It reorders datagrams, unless they stay `in_order`.
    pub jitter: Duration,
    pub in_order: bool,
    /// The share of datagrams that are lost at random: 0 to 1.
    pub loss: f64,
    pub burst: Option<Burst>,
    /// The share of datagrams that skip the delay, and so overtake others.
    pub reorder: f64,
    /// The share of datagrams that arrive twice.
    pub duplicates: f64,
    pub policer: Option<Policer>,
    /// The largest datagram with its headers, in octets.
    pub mtu: usize,
    /// Octets of the IP and UDP headers: 28 for IPv4, 48 for IPv6.
    pub headers: usize,
}

/// The limit of a drop-tail queue: a datagram that finds it reached is dropped.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Queue {
    Octets(usize),
    Packets(usize),
    /// The time that a datagram would wait.
    Time(Duration),
}

/// Why a datagram does not arrive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dropped {
    TooLarge,
    Lost,
    Policed,
    QueueFull,
}

/// When a datagram arrives, and when its duplicate does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arrival {
    pub at: Instant,
    pub duplicate: Option<Instant>,
}

/// Datagrams and octets, with their headers, that entered a link, and datagrams that did not arrive.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counts {
    pub datagrams: u64,
    pub octets: u64,
    pub too_large: u64,
    pub lost: u64,
    pub policed: u64,
    pub queue_full: u64,
    /// Octets that left the queue, or will.
    pub carried: u64,
}

impl Link {
    pub fn lossy(delay: Duration, loss: f64) -> Self {
        Self { delay, loss, ..Self::default() }
    }

    /// A bottleneck of bits per second, with a queue of this time.
    pub fn slow(rate: u64, queue: Duration, delay: Duration) -> Self {
        Self { rate: Rate::Constant(rate), queue: Queue::Time(queue), delay, ..Self::default() }
    }
}

impl Default for Link {
    /// No limit, 5 ms one way.
    fn default() -> Self {
        Self {
            rate: Rate::Unlimited,
            queue: Queue::Time(ms(300)),
            delay: ms(5),
            jitter: ms(0),
            in_order: false,
            loss: 0.0,
            burst: None,
            reorder: 0.0,
            duplicates: 0.0,
            policer: None,
            mtu: usize::MAX,
            headers: 28,
        }
    }
}

/// The state of one direction of a path.
#[derive(Clone, Debug)]
pub struct Pipe {
    random: Random,
    bursts: Bursts,
    bucket: Bucket,
    /// When the last bit of the last queued datagram leaves.
    free_at: Option<Instant>,
    /// When those in the queue leave, and their octets.
    waiting: VecDeque<(Instant, usize)>,
    waiting_octets: usize,
    last_arrival: Option<Instant>,
    pub counts: Counts,
}

impl Pipe {
    pub fn new(random: Random) -> Self {
        Self {
            random,
            bursts: Bursts::default(),
            bucket: Bucket::default(),
            free_at: None,
            waiting: VecDeque::new(),
            waiting_octets: 0,
            last_arrival: None,
            counts: Counts::default(),
        }
    }

    /// Sends a datagram of `octets` without headers. `now` never decreases.
    pub fn send(&mut self, link: &Link, octets: usize, now: Instant) -> Result<Arrival, Dropped> {
        let octets = octets + link.headers;
        self.counts.datagrams += 1;
        self.counts.octets += octets as u64;
        let leaves = self.enqueue(link, octets, now).inspect_err(|why| match why {
            Dropped::TooLarge => self.counts.too_large += 1,
            Dropped::Lost => self.counts.lost += 1,
            Dropped::Policed => self.counts.policed += 1,
            Dropped::QueueFull => self.counts.queue_full += 1,
        })?;
        self.counts.carried += octets as u64;
        let at = self.arrival(link, leaves);
        let duplicate = self.random.happens(link.duplicates).then(|| self.arrival(link, leaves));
        Ok(Arrival { at, duplicate })
    }

    /// How long a datagram that is sent now waits until its first bit leaves.
    pub fn queue_delay(&self, now: Instant) -> Duration {
        self.free_at.map_or(Duration::ZERO, |free| free.saturating_duration_since(now))
    }

    /// When the last bit of a datagram leaves.
    fn enqueue(&mut self, link: &Link, octets: usize, now: Instant) -> Result<Instant, Dropped> {
        if octets > link.mtu {
            return Err(Dropped::TooLarge);
        }
        let in_burst = link.burst.is_some_and(|burst| self.bursts.next(burst, &mut self.random));
        if in_burst || self.random.happens(link.loss) {
            return Err(Dropped::Lost);
        }
        if link.policer.is_some_and(|policer| !self.bucket.takes(policer, octets, now)) {
            return Err(Dropped::Policed);
        }
        while let Some(&(_, octets)) = self.waiting.front().filter(|waiting| waiting.0 <= now) {
            self.waiting.pop_front();
            self.waiting_octets -= octets;
        }
        let is_full = match link.queue {
            Queue::Octets(most) => self.waiting_octets + octets > most,
            Queue::Packets(most) => self.waiting.len() >= most,
            Queue::Time(longest) => self.queue_delay(now) > longest,
        };
        if is_full && !self.waiting.is_empty() {
            return Err(Dropped::QueueFull);
        }
        let begins = self.free_at.map_or(now, |free| free.max(now));
        let leaves = link.rate.leaves(begins, octets).ok_or(Dropped::QueueFull)?;
        self.free_at = Some(leaves);
        if leaves > now {
            self.waiting.push_back((leaves, octets));
            self.waiting_octets += octets;
        }
        Ok(leaves)
    }

    fn arrival(&mut self, link: &Link, leaves: Instant) -> Instant {
        if self.random.happens(link.reorder) {
            return leaves + link.delay.min(ms(1));
        }
        let jitter = if link.jitter.is_zero() { link.jitter } else { link.jitter.mul_f64(self.random.chance()) };
        let mut at = leaves + link.delay + jitter;
        if link.in_order {
            at = self.last_arrival.map_or(at, |last| last.max(at));
            self.last_arrival = Some(at);
        }
        at
    }
}
