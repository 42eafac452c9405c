//! Checks the sender reports of an encoding (RFC 3550 s6.4.1). A report is accepted if it agrees with the packets and
//! with the report before it. Without an accepted report the encoding has no clock, and the time of a packet is its
//! arrival.
//!
//! Some encoders begin with a timestamp of all ones, repeat their first report, or count from boot.

use crate::rtp::clock::SenderClock;
use crate::time::{Duration, Instant, Ntp, ms};

/// How far a report's timestamp may be ahead of the newest packet's: packets may wait in the sender's pacer. libwebrtc:
/// pacing_controller.h, kMaxExpectedQueueLength.
const MOST_AHEAD: Duration = ms(2_000);
/// How far a report's timestamp may be behind the newest packet's. Packets are not from the future; this allows for
/// unevenly spaced timestamps.
const MOST_BEHIND: Duration = ms(1_000);
/// The time between two reports may differ by this and a tenth of that time between wall clock and media clock: clocks
/// are adjusted gradually, and the timestamp may be a frame's instead of the report's.
const DISAGREE: Duration = ms(250);

#[derive(Clone, Copy, Debug)]
struct Newest {
    timestamp: u32,
    received: Instant,
}

#[derive(Clone, Debug)]
pub struct Clock {
    /// Hz.
    rate: u32,
    newest: Option<Newest>,
    /// The last report that agrees with the packets, or that arrived before the first packet.
    last: Option<SenderClock>,
    believed: Option<SenderClock>,
}

impl Clock {
    /// `rate` in Hz.
    pub fn new(rate: u32) -> Self {
        Self { rate, newest: None, last: None, believed: None }
    }

    /// The accepted report; none if no report is accepted.
    pub fn believed(&self) -> Option<SenderClock> {
        self.believed
    }

    /// Handles a packet that is newer than all before.
    pub fn handle_packet(&mut self, timestamp: u32, received: Instant) {
        let is_first = self.newest.is_none();
        self.newest = Some(Newest { timestamp, received });
        if is_first {
            self.last = self.last.filter(|report| self.agrees_with_packets(report));
            self.believed = self.last;
        }
    }

    /// Handles the NTP/RTP pair of a report. A report without wall time (zero) is ignored.
    pub fn handle_report(&mut self, ntp: Ntp, rtp: u32, now: Instant) {
        if ntp == Ntp(0) {
            return;
        }
        let report = SenderClock { rate: self.rate, ntp, rtp, heard: now };
        if !self.agrees_with_packets(&report) {
            self.believed = None;
            return;
        }
        let agrees = self.last.replace(report).is_none_or(|last| agree(&last, &report));
        self.believed = Some(report).filter(|_| agrees && self.newest.is_some());
    }

    fn agrees_with_packets(&self, report: &SenderClock) -> bool {
        let Some(newest) = self.newest else { return true };
        let ahead = seconds(report.rtp.wrapping_sub(newest.timestamp), self.rate);
        let elapsed = apart(report.heard, newest.received);
        (-MOST_BEHIND.as_secs_f64()..=MOST_AHEAD.as_secs_f64()).contains(&(ahead - elapsed))
    }
}

/// True if the wall time advanced between two reports, and the timestamps by about the same amount.
fn agree(last: &SenderClock, report: &SenderClock) -> bool {
    let wall = report.ntp.seconds_since(last.ntp);
    let media = seconds(report.rtp.wrapping_sub(last.rtp), report.rate);
    wall > 0.0 && (wall - media).abs() <= DISAGREE.as_secs_f64() + media.abs() / 10.0
}

fn seconds(ticks: u32, rate: u32) -> f64 {
    f64::from(ticks as i32) / f64::from(rate.max(1))
}

/// The seconds by which `one` is later than `other`.
fn apart(one: Instant, other: Instant) -> f64 {
    let [later, earlier] = [one.saturating_duration_since(other), other.saturating_duration_since(one)];
    later.as_secs_f64() - earlier.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 90_000;
    const SECOND: u64 = 1 << 32;
    const FIRST: u32 = 862_000_000;

    /// Sends packets each 20 ms and reports each second, with these seconds of wall time and of media, or no report.
    /// Returns whether a clock exists after each.
    fn believed(reports: &[(f64, f64)]) -> Vec<bool> {
        let (mut clock, start) = (Clock::new(RATE), Instant::now());
        let mut found = Vec::new();
        for (second, &(wall, media)) in (1..).zip(reports) {
            for packet in (second - 1) * 50..second * 50 {
                clock.handle_packet(FIRST.wrapping_add(packet * 1_800), start + ms(20) * packet);
            }
            let rtp = FIRST.wrapping_add((media * f64::from(RATE)) as i64 as u32);
            clock.handle_report(Ntp((wall * SECOND as f64) as u64), rtp, start + ms(1_000) * second);
            found.push(clock.believed().is_some());
        }
        found
    }

    #[test]
    fn a_table_of_reports_and_whether_they_are_believed() {
        const BOOT: f64 = 100.0;
        for (what, reports, expected) in [
            ("true ones", [(5_001.0, 1.0), (5_002.0, 2.0), (5_003.0, 3.0), (5_004.0, 4.0)], [true; 4]),
            (
                "of what is captured, not sent",
                [(5_001.0, 2.5), (5_002.0, 3.5), (5_003.0, 4.5), (5_004.0, 5.5)],
                [true; 4],
            ),
            (
                "the first is of nowhere",
                [(5_001.0, -1_500.0), (5_002.0, 2.0), (5_003.0, 3.0), (5_004.0, 4.0)],
                [false, true, true, true],
            ),
            ("five seconds behind", [(5_001.0, -4.0), (5_002.0, -3.0), (5_003.0, -2.0), (5_004.0, -1.0)], [false; 4]),
            ("five seconds ahead", [(5_001.0, 6.0), (5_002.0, 7.0), (5_003.0, 8.0), (5_004.0, 9.0)], [false; 4]),
            (
                "wall time stands still",
                [(5_001.0, 1.0), (5_001.0, 2.0), (5_001.0, 3.0), (5_001.0, 4.0)],
                [true, false, false, false],
            ),
            (
                "all stands still",
                [(5_001.0, 1.0), (5_001.0, 1.0), (5_001.0, 1.0), (5_001.0, 1.0)],
                [true, false, false, false],
            ),
            (
                "the clock is set",
                [(BOOT, 1.0), (5_002.0, 2.0), (5_003.0, 3.0), (5_004.0, 4.0)],
                [true, false, true, true],
            ),
            (
                "it is set back",
                [(5_001.0, 1.0), (BOOT, 2.0), (BOOT + 1.0, 3.0), (BOOT + 2.0, 4.0)],
                [true, false, true, true],
            ),
            ("without wall time", [(0.0, 1.0), (0.0, 2.0), (0.0, 3.0), (0.0, 4.0)], [false; 4]),
        ] {
            assert_eq!(believed(&reports), expected, "{what}");
        }
    }

    #[test]
    fn a_report_before_the_first_packet_is_weighed_with_it() {
        for (timestamp, expected) in [(45_000, true), (900_000, false)] {
            let (mut clock, start) = (Clock::new(RATE), Instant::now());
            clock.handle_report(Ntp(5_000 * SECOND), 0, start);
            assert!(clock.believed().is_none());
            clock.handle_packet(timestamp, start + ms(500));
            assert_eq!(clock.believed().is_some(), expected);
        }
    }
}
