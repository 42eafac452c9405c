//! Records when each packet with a transport-wide number arrived, and reports it to the publisher
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01), which estimates its bandwidth from it.

use std::collections::VecDeque;

use crate::limits::{ARRIVAL_HOLE, ARRIVALS, ARRIVALS_REPORTED, STATUSES_REPORTED};
use crate::rtcp::twcc;
use crate::rtp::sequence::Unwrapper;
use crate::time::{Duration, Instant, ms};

/// The longest time between two feedback packets. libwebrtc: remote_estimator_proxy.cc, default interval.
const INTERVAL: Duration = ms(100);
/// The time after the last feedback if a frame has ended: one feedback packet then covers the whole frame. Jitsi:
/// TccGeneratorNode.
const FRAME_INTERVAL: Duration = ms(20);
/// How long an arrival is kept after it was reported, so that a packet that it overtook can still be reported with it.
/// libwebrtc: remote_estimator_proxy.cc, back window.
const BACK_WINDOW: Duration = ms(500);
/// Capacity that is never freed: 0.6 s of a camera at 3 Mbit/s.
const SPARE: usize = 256;
/// The unit of a delta.
const TICK: Duration = Duration::from_micros(250);
/// The unit of the reference time: 64 ms.
const TICKS_PER_REFERENCE: i64 = 256;

#[derive(Clone, Debug, Default)]
pub struct ArrivalTimes {
    unwrapper: Unwrapper,
    /// The time of the first arrival, from which times are counted.
    origin: Option<Instant>,
    /// Arrival times in ticks since the origin, by number from `first` on; none: not arrived.
    times: VecDeque<Option<i64>>,
    first: u64,
    /// The lowest number of the next feedback packet.
    unreported: u64,
    /// Since when an arrival waits to be reported.
    waiting: Option<Instant>,
    frame_ended: bool,
    last: Option<Instant>,
    count: u8,
    deltas: Vec<Option<i16>>,
}

impl ArrivalTimes {
    pub fn new() -> Self {
        Self::default()
    }

    /// Octets of an entry of the list.
    pub const PLACE: usize = size_of::<Option<i64>>();

    /// Octets of memory.
    pub fn memory(&self) -> usize {
        self.times.capacity() * Self::PLACE
    }

    /// Records the arrival of a packet with this transport-wide number. Only the first arrival of a number counts.
    pub fn record(&mut self, transport_seq: u16, received: Instant) {
        let seq = self.unwrapper.extend(transport_seq).0;
        let end = self.first + self.times.len() as u64;
        if self.origin.is_none() || seq >= end + ARRIVAL_HOLE {
            self.times.clear();
            self.first = seq;
            self.unreported = seq;
        }
        let origin = *self.origin.get_or_insert(received);
        // The number was reported as lost or skipped, and dropped since.
        let Some(place) = seq.checked_sub(self.first) else {
            return;
        };
        let place = place as usize;
        if place >= self.times.len() {
            self.times.resize(place + 1, None);
            self.forget(self.times.len().saturating_sub(ARRIVALS));
        }
        let Some(time) = self.times.get_mut((seq - self.first) as usize) else {
            return;
        };
        if time.is_none() {
            *time = Some(ticks(origin, received));
            self.unreported = self.unreported.min(seq);
            self.waiting.get_or_insert(received);
        }
    }

    /// Notes that the last recorded packet ends a frame.
    pub fn frame_ended(&mut self) {
        self.frame_ended = self.waiting.is_some();
    }

    /// Appends one feedback packet if one is due. Call it until it returns false: one packet may not hold everything.
    /// The statuses of the last feedback.
    pub fn reported(&self) -> usize {
        self.deltas.len()
    }

    pub fn poll_feedback(&mut self, sender_ssrc: u32, media_ssrc: u32, now: Instant, out: &mut Vec<u8>) -> bool {
        if self.poll_timeout().is_none_or(|due| due > now) {
            return false;
        }
        let start = (self.unreported - self.first) as usize;
        let mut statuses = self.times.range(start..);
        let Some(reference) = statuses.find_map(|&time| time).map(|time| time.div_euclid(TICKS_PER_REFERENCE)) else {
            self.end_report(now);
            return false;
        };
        let mut previous = reference * TICKS_PER_REFERENCE;
        let mut arrivals = 0;
        self.deltas.clear();
        for &time in self.times.range(start..).take(STATUSES_REPORTED) {
            let delta = match time.map(|time| i16::try_from(time - previous)) {
                // The next feedback packet has a reference time of its own.
                Some(Err(_)) => break,
                Some(Ok(_)) if arrivals == ARRIVALS_REPORTED => break,
                Some(Ok(delta)) => Some(delta),
                None => None,
            };
            if let (Some(delta), Some(time)) = (delta, time) {
                self.deltas.push(Some(delta));
                previous = time;
                arrivals += 1;
            } else {
                self.deltas.push(None);
            }
        }
        // The reference time has 24 bits and wraps.
        let reference = ((reference << 40) >> 40) as i32;
        twcc::write_feedback(out, sender_ssrc, media_ssrc, self.count, reference, self.unreported as u16, &self.deltas);
        self.count = self.count.wrapping_add(1);
        self.unreported += self.deltas.len() as u64;
        if self.unreported == self.first + self.times.len() as u64 {
            self.end_report(now);
        }
        true
    }

    /// Skips the arrivals that are due and not reported: there were more than the limit for one time.
    pub fn forget_unreported(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|due| due <= now) {
            self.unreported = self.first + self.times.len() as u64;
            self.end_report(now);
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let waiting = self.waiting?;
        Some(self.last.unwrap_or(waiting) + if self.frame_ended { FRAME_INTERVAL } else { INTERVAL })
    }

    /// Ends a report: drops old arrivals and the holes before them.
    fn end_report(&mut self, now: Instant) {
        self.last = Some(now);
        self.waiting = None;
        self.frame_ended = false;
        let Some(origin) = self.origin else { return };
        let old = ticks(origin, now) - (BACK_WINDOW.as_micros() / TICK.as_micros()) as i64;
        let recent =
            self.times.iter().position(|time| time.is_some_and(|time| time >= old)).unwrap_or(self.times.len());
        let forgotten = self.times.range(..recent).rposition(Option::is_some).map_or(0, |last| last + 1);
        self.forget(forgotten);
        if self.times.capacity() > SPARE && self.times.len() < self.times.capacity() / 4 {
            self.times.shrink_to(SPARE);
        }
    }

    /// Drops the lowest `count` numbers, reported or not.
    fn forget(&mut self, count: usize) {
        self.times.drain(..count);
        self.first += count as u64;
        self.unreported = self.unreported.max(self.first);
    }
}

/// `at` in ticks since `origin`; the kernel's timestamps may be out of order.
fn ticks(origin: Instant, at: Instant) -> i64 {
    let count = |span: Duration| (span.as_micros() / TICK.as_micros()) as i64;
    match at.checked_duration_since(origin) {
        Some(after) => count(after),
        None => -count(origin.saturating_duration_since(at)),
    }
}

#[cfg(test)]
mod tests;
