//! How long packets stand in the queue of the link: their one-way delay above the least one of the last minute.
//!
//! The trend of the delay tells that a queue fills, but not how full it is. After a step down of the link it is full
//! within some tens of milliseconds, and then has no trend.

use std::collections::VecDeque;

use super::Report;
use super::units::Arrival;
use crate::time::{Duration, Instant, ms};

/// The least delay is kept for so many intervals of this length. Clocks drift apart by up to 0.1 ms/s.
const INTERVALS: usize = 12;
const INTERVAL: Duration = ms(5_000);
/// Of the packets that arrived in this time the least delay counts, so that jitter is no queue.
const RECENT: Duration = ms(50);
/// Packets that are kept at most.
const MOST: usize = 256;

/// The delays of one transport, in milliseconds on two clocks that are not compared.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    origin: Option<(Instant, Arrival)>,
    /// The least delay of each interval, oldest first, with the begin of it.
    least: VecDeque<(Arrival, f64)>,
    recent: VecDeque<(Arrival, f64)>,
}

impl Queue {
    /// Takes a packet that arrived; `now` is when its feedback did.
    pub fn next(&mut self, report: &Report, arrived: Arrival, now: Instant) {
        let (sent, first) = *self.origin.get_or_insert((report.sent, arrived));
        let ahead = report.sent.saturating_duration_since(sent).as_secs_f64();
        let behind = sent.saturating_duration_since(report.sent).as_secs_f64();
        let delay = arrived.ms_since(first) - (ahead - behind) * 1_000.0;
        // No packet stands in a queue for longer than its feedback takes: the receiver's clock has jumped.
        let most = now.saturating_duration_since(report.sent).as_secs_f64() * 1_000.0;
        if self.base().is_some_and(|base| delay - base > most) {
            self.least.clear();
            self.recent.clear();
        }
        match self.least.back_mut() {
            Some((begun, least)) if arrived.since(*begun) < INTERVAL => *least = least.min(delay),
            _ => self.least.push_back((arrived, delay)),
        }
        if self.least.len() > INTERVALS {
            self.least.pop_front();
        }
        self.recent.push_back((arrived, delay));
        while self.recent.len() > MOST || self.recent.front().is_some_and(|(at, _)| arrived.since(*at) > RECENT) {
            self.recent.pop_front();
        }
    }

    /// How long the last packets stood in the queue.
    pub fn delay(&self) -> Duration {
        match (least(&self.recent), self.base()) {
            (Some(now), Some(base)) => Duration::from_secs_f64((now - base).max(0.0) / 1_000.0),
            _ => Duration::ZERO,
        }
    }

    /// The delay without a queue.
    fn base(&self) -> Option<f64> {
        least(&self.least)
    }
}

fn least(delays: &VecDeque<(Arrival, f64)>) -> Option<f64> {
    delays.iter().map(|(_, delay)| *delay).reduce(f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends a packet each 10 ms from `from` to `to`, whose delay is given for each.
    fn run(queue: &mut Queue, start: Instant, (from, to): (u64, u64), delay: impl Fn(u64) -> u64) {
        for at in (from..to).step_by(10) {
            let arrived = Arrival(((at + delay(at)) * 1_000) as i64);
            queue.next(&Report::arrived(0, start + ms(at), 1_200, arrived), arrived, start + ms(at + delay(at) + 20));
        }
    }

    #[test]
    fn the_delay_above_the_least_one_is_the_queue() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        assert_eq!(queue.delay(), ms(0));
        run(&mut queue, start, (0, 1_000), |_| 80);
        assert_eq!(queue.delay(), ms(0));
        run(&mut queue, start, (1_000, 2_000), |_| 380);
        assert_eq!(queue.delay(), ms(300), "it stands, and has no trend");
        run(&mut queue, start, (2_000, 3_000), |_| 90);
        assert_eq!(queue.delay(), ms(10));
    }

    #[test]
    fn a_clock_that_jumps_is_no_queue() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        run(&mut queue, start, (0, 1_000), |_| 40);
        for at in (1_000..2_000).step_by(10) {
            let arrived = Arrival((at as i64 + 17_040) * 1_000);
            queue.next(&Report::arrived(0, start + ms(at), 1_200, arrived), arrived, start + ms(at + 60));
        }
        assert_eq!(queue.delay(), ms(0));
        for at in (2_000..3_000).step_by(10) {
            let arrived = Arrival((at as i64 + 17_090) * 1_000);
            queue.next(&Report::arrived(0, start + ms(at), 1_200, arrived), arrived, start + ms(at + 110));
        }
        assert_eq!(queue.delay(), ms(50));
    }

    #[test]
    fn jitter_is_no_queue() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        run(&mut queue, start, (0, 5_000), |at| 40 + at / 10 * 7 % 30);
        assert!(queue.delay() < ms(15), "{:?}", queue.delay());
    }

    #[test]
    fn a_path_that_became_longer_is_the_base_after_a_minute() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        run(&mut queue, start, (0, 5_000), |_| 20);
        run(&mut queue, start, (5_000, 30_000), |_| 120);
        assert_eq!(queue.delay(), ms(100));
        run(&mut queue, start, (30_000, 70_000), |_| 120);
        assert_eq!(queue.delay(), ms(0));
    }
}
