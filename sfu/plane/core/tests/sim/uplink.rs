//! A publisher's estimate of its uplink from our transport-wide feedback, and its simulcast rates: a simple stand-in for
//! Chromium's, which reacts to delay, loss and the rate that arrives.

use std::collections::VecDeque;

use plane_core::time::{Duration, Instant, ms};

use super::peer::Reported;

/// Chromium's start estimate.
const START: f64 = 300_000.0;
const FLOOR: f64 = 30_000.0;
/// A longer queue is congestion; with a shorter one the estimate grows.
const CONGESTED: f64 = 0.060;
const CLEAR: f64 = 0.030;
/// GoogCC: the share of the arriving rate after congestion, the growth per second, and the limits of loss.
const BACK_OFF: f64 = 0.85;
const GROWTH: f64 = 0.08;
const LOW_LOSS: f64 = 0.02;
const HIGH_LOSS: f64 = 0.10;
/// Between two reductions.
const PAUSE: Duration = ms(300);
const WINDOW: Duration = ms(500);
/// A packet that is not reported for so long is lost.
const LATE: Duration = ms(500);
/// The least delay is searched in the last reports.
const REPORTS: usize = 1_000;

#[derive(Debug)]
struct Sent {
    /// Transport-wide.
    number: u16,
    at: Instant,
    octets: usize,
    /// What the last report said of it.
    arrived: Option<bool>,
}

#[derive(Debug)]
pub struct Uplink {
    sent: VecDeque<Sent>,
    /// Octets that arrived, by the time of their report.
    arrived: VecDeque<(Instant, usize)>,
    /// Octets that were retransmitted in the last second, and when each packet was: SSRC and number.
    again: VecDeque<(Instant, usize, (u32, u16))>,
    /// The delay of each report, in seconds between two clocks.
    delays: VecDeque<f64>,
    /// Bits per second.
    pub estimate: f64,
    pub most: f64,
    grows_fast: bool,
    reduced_at: Option<Instant>,
    reported_at: Option<Instant>,
    /// From the newest reported packet to its report.
    round_trip: Duration,
    origin: Instant,
}

impl Uplink {
    pub fn new(most: u64, now: Instant) -> Self {
        Self {
            sent: VecDeque::new(),
            arrived: VecDeque::new(),
            again: VecDeque::new(),
            delays: VecDeque::new(),
            estimate: START,
            most: most as f64,
            grows_fast: true,
            reduced_at: None,
            reported_at: None,
            round_trip: ms(100),
            origin: now,
        }
    }

    pub fn note_sent(&mut self, number: u16, octets: usize, now: Instant) {
        self.sent.push_back(Sent { number, at: now, octets, arrived: None });
        if self.sent.len() > 5_000 {
            self.sent.pop_front();
        }
    }

    /// Whether a packet may be retransmitted: not within a round trip, nor more than the estimate in a second
    /// (rtp_packet_history.cc, rate_limiter.h).
    pub fn may_retransmit(&mut self, packet: (u32, u16), octets: usize, now: Instant) -> bool {
        while self.again.front().is_some_and(|old| now - old.0 >= Duration::from_secs(1)) {
            self.again.pop_front();
        }
        let recently = |old: &(Instant, usize, (u32, u16))| old.2 == packet && now - old.0 < self.round_trip;
        let spent: usize = self.again.iter().map(|old| old.1).sum();
        if self.again.iter().any(recently) || (spent + octets) as f64 * 8.0 > self.estimate {
            return false;
        }
        self.again.push_back((now, octets, packet));
        true
    }

    /// Bits per second for media: what was retransmitted in the last second is subtracted, up to a half
    /// (fec_controller_default.cc).
    pub fn for_media(&self, now: Instant) -> f64 {
        let recent = self.again.iter().filter(|old| now - old.0 < Duration::from_secs(1));
        let again = recent.map(|old| old.1).sum::<usize>() as f64 * 8.0;
        self.estimate - again.min(0.5 * self.estimate)
    }

    pub fn handle_feedback(&mut self, report: &Reported, now: Instant) {
        let mut arrival = f64::from(report.reference) * 0.064;
        let (mut delays, mut octets, mut since_reduction) = (Vec::new(), 0, false);
        for &(number, delta) in &report.packets {
            arrival += f64::from(delta.unwrap_or(0)) * 0.000_25;
            let Some(sent) = self.sent.iter_mut().rev().find(|sent| sent.number == number) else { continue };
            since_reduction |= self.reduced_at.is_none_or(|at| sent.at > at);
            if delta.is_some() && sent.arrived.replace(true) != Some(true) {
                delays.push(arrival - (sent.at - self.origin).as_secs_f64());
                octets += sent.octets;
                self.round_trip = now - sent.at;
            } else {
                sent.arrived.get_or_insert(false);
            }
        }
        if delays.is_empty() {
            return;
        }
        self.arrived.push_back((now, octets));
        while self.arrived.front().is_some_and(|old| now - old.0 > WINDOW) {
            self.arrived.pop_front();
        }
        let rate = self.arrived.iter().map(|arrived| arrived.1).sum::<usize>() as f64 * 8.0 / WINDOW.as_secs_f64();
        // Its first quartile: jitter and packets that overtook others change it little.
        delays.sort_by(f64::total_cmp);
        let delay = delays[delays.len() / 4];
        self.delays.push_back(delay);
        if self.delays.len() > REPORTS {
            self.delays.pop_front();
        }
        let queue = delay - self.delays.iter().copied().fold(f64::INFINITY, f64::min);
        let loss = self.loss(now);
        let elapsed = self.reported_at.replace(now).map_or(0.0, |last| (now - last).as_secs_f64()).min(1.0);
        // What was sent before a reduction says nothing of its effect.
        let may_reduce = since_reduction && self.reduced_at.is_none_or(|at| now - at >= PAUSE);
        if queue > CONGESTED || loss > HIGH_LOSS {
            self.grows_fast = false;
            if may_reduce {
                let by_loss = self.estimate * (1.0 - 0.5 * loss);
                let reduced = if queue > CONGESTED { self.estimate.min(BACK_OFF * rate) } else { by_loss };
                self.estimate = reduced.max(FLOOR);
                self.reduced_at = Some(now);
            }
        } else if queue < CLEAR && loss < LOW_LOSS {
            // Probes find a free link within a second; then it grows by a share.
            let growth = if self.grows_fast { 8f64.powf(elapsed) } else { (1.0 + GROWTH).powf(elapsed) };
            self.estimate = (self.estimate * growth).min((2.0 * rate + 10_000.0).max(self.estimate)).min(self.most);
        }
    }
}

impl Uplink {
    /// The share of recent packets that did not arrive. The latest ones may only be late.
    fn loss(&self, now: Instant) -> f64 {
        let recent = self.sent.iter().rev().skip_while(|sent| now - sent.at < LATE);
        let recent = recent.take_while(|sent| now - sent.at < LATE + WINDOW);
        let new = recent.take_while(|sent| self.reduced_at.is_none_or(|at| sent.at > at));
        let reported: Vec<bool> = new.filter_map(|sent| sent.arrived).collect();
        let lost = reported.iter().filter(|&&arrived| !arrived).count();
        lost as f64 / reported.len().max(1) as f64
    }
}

/// Chromium's limits of the encodings of a 1280 x 720 camera, lowest first: least, wished and most bits per second
/// (simulcast.cc).
const ENCODINGS: [(f64, f64, f64); 3] =
    [(30_000.0, 150_000.0, 200_000.0), (150_000.0, 500_000.0, 700_000.0), (600_000.0, 2_500_000.0, 2_500_000.0)];

/// The rates of the encodings within an estimate, lowest first (simulcast_rate_allocator.cc). 0: off.
pub fn simulcast(estimate: f64) -> [u64; 3] {
    let (mut left, mut rates) = (estimate, [0.0; 3]);
    let mut top = 0;
    for (index, (least, wished, _)) in ENCODINGS.into_iter().enumerate() {
        if left < least && index > 0 {
            break;
        }
        top = index;
        rates[index] = left.clamp(least, wished);
        left = (left - rates[index]).max(0.0);
    }
    rates[top] = (rates[top] + left).min(ENCODINGS[top].2);
    rates.map(|rate| rate as u64)
}
