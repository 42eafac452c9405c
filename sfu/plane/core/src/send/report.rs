//! The sender reports of a slot (RFC 3550 s6.4.1).
//!
//! A sender report maps an RTP timestamp to a wall time; browsers use it to synchronise a publisher's audio and video.
//! The plane's reports use the plane's clock, the publisher's reports use the publisher's. The two clocks differ by an
//! unknown offset, which the sender report with the shortest delay estimates best (LiveKit: the propagation delay of
//! rtpstats_receiver.go). Audio and video of one publisher arrive over the same path, so both have the same error.

use crate::rtcp::report::SenderReport;
use crate::rtp::clock::SenderClock;
use crate::time::{Duration, Instant, Ntp, ms};

/// How long an estimate is kept. Two clocks drift apart: 50 ppm are 3 ms a minute, so an older estimate is not better
/// than a newer one.
const ACCOUNT_KEPT: Duration = ms(60_000);
/// If a report is this much slower than the quickest one, the publisher's clock was set.
const CLOCK_SET: Duration = ms(5_000);
/// A report that maps further than this from the packets that are sent is not used: the timeline restarted after it.
/// The packets may have waited this long in the publisher's pacer.
const MOST_APART: Duration = ms(2_000);

/// An estimate of the publisher's clock: it showed `ntp` at `heard` or earlier.
#[derive(Clone, Copy, Debug)]
struct Account {
    heard: Instant,
    ntp: Ntp,
}

impl Account {
    /// Seconds by which this estimate of the publisher's clock is ahead of `other`.
    fn seconds_ahead_of(&self, other: &Account) -> f64 {
        let elapsed = self.heard.saturating_duration_since(other.heard).as_secs_f64();
        self.ntp.seconds_since(other.ntp) - elapsed
    }

    fn ntp_at(&self, now: Instant) -> Ntp {
        let elapsed = now.saturating_duration_since(self.heard);
        Ntp(self.ntp.0.wrapping_add(((elapsed.as_nanos() << 32) / 1_000_000_000) as u64))
    }
}

/// The newest sent packet, from which the timeline continues.
#[derive(Clone, Copy, Debug)]
pub struct Newest {
    pub timestamp: u32,
    pub received: Instant,
    /// The offset that was added to the source's timestamp.
    pub timestamp_offset: u32,
    /// Hz.
    pub rate: u32,
}

#[derive(Debug, Default)]
pub struct Reports {
    packets: u32,
    octets: u32,
    clock: Option<SenderClock>,
    account: Option<Account>,
}

impl Reports {
    /// Counts a first transmission.
    pub fn sent(&mut self, payload_length: usize) {
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(payload_length as u32);
    }

    /// Sets the sender's clock for the shown encoding.
    pub fn set_clock(&mut self, clock: Option<SenderClock>) {
        if self.clock == clock {
            return;
        }
        self.clock = clock;
        let Some(clock) = clock else { return };
        let heard = Account { heard: clock.heard, ntp: clock.ntp };
        let keep = self.account.is_some_and(|account| {
            (-CLOCK_SET.as_secs_f64()..0.0).contains(&heard.seconds_ahead_of(&account))
                && clock.heard.saturating_duration_since(account.heard) < ACCOUNT_KEPT
        });
        if !keep {
            self.account = Some(heard);
        }
    }

    /// Forgets the clock, when the slot shows another track.
    pub fn forget_source(&mut self) {
        self.clock = None;
        self.account = None;
    }

    /// Makes the report for `now`, which is `ntp` on our clock.
    pub fn sender_report(&self, ssrc: u32, newest: &Newest, now: Instant, ntp: Ntp) -> SenderReport {
        let elapsed = now.saturating_duration_since(newest.received);
        let arrived = newest.timestamp.wrapping_add(ticks(elapsed, newest.rate));
        let mapped = self
            .clock
            .zip(self.account)
            .map(|(clock, account)| clock.rtp_at(account.ntp_at(now)).wrapping_add(newest.timestamp_offset));
        let flows =
            |mapped: &u32| (mapped.wrapping_sub(arrived) as i32).unsigned_abs() <= ticks(MOST_APART, newest.rate);
        let rtp = mapped.filter(flows).unwrap_or(arrived);
        SenderReport { ssrc, ntp, rtp, packets: self.packets, octets: self.octets }
    }
}

fn ticks(duration: Duration, rate: u32) -> u32 {
    (duration.as_nanos() * u128::from(rate) / 1_000_000_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1 << 32;

    fn clock(seconds: u64, rtp: u32, heard: Instant) -> Option<SenderClock> {
        Some(SenderClock { rate: 90_000, ntp: Ntp(seconds * SECOND), rtp, heard })
    }

    fn newest(received: Instant) -> Newest {
        Newest { timestamp: 1_000_000, received, timestamp_offset: 1_000_000, rate: 90_000 }
    }

    #[test]
    fn without_a_report_of_the_publisher_the_timeline_goes_on_from_the_newest_packet() {
        let (mut reports, start) = (Reports::default(), Instant::now());
        reports.sent(1_000);
        reports.sent(200);
        let report = reports.sender_report(7, &newest(start), start + ms(100), Ntp(42));
        let expected = SenderReport { ssrc: 7, ntp: Ntp(42), rtp: 1_009_000, packets: 2, octets: 1_200 };
        assert_eq!(report, expected);
    }

    #[test]
    fn with_one_it_is_mapped_by_the_publishers_clock_whatever_the_delay_of_the_packets() {
        let (mut reports, start) = (Reports::default(), Instant::now());
        reports.set_clock(clock(100, 0, start));
        let report = reports.sender_report(7, &newest(start + ms(300)), start + ms(500), Ntp(42));
        assert_eq!(report.rtp, 1_000_000 + 45_000);
    }

    #[test]
    fn the_quickest_report_of_the_publisher_says_how_far_the_clocks_are_apart() {
        for (delays, mapped) in [([0, 30, 10], 0), ([30, 10, 20], 10), ([20, 20, 0], 0)] {
            let (mut reports, start) = (Reports::default(), Instant::now());
            for (n, delay) in (0..).zip(delays) {
                reports.set_clock(clock(100 + n, 90_000 * n as u32, start + ms(1_000 * n + delay)));
            }
            let rtp = reports.sender_report(7, &newest(start), start + ms(4_000), Ntp(42)).rtp;
            let expected = 1_000_000 + 4 * 90_000 - mapped * 90;
            assert!(rtp.abs_diff(expected) <= 1, "{delays:?}: {rtp}, not {expected}");
        }
    }

    #[test]
    fn a_timeline_that_began_anew_since_the_last_report_goes_on_from_its_newest_packet() {
        for (rtp, expected) in [(900, 1_009_900), (900_000, 1_009_000), (900_000_u32.wrapping_neg(), 1_009_000)] {
            let (mut reports, start) = (Reports::default(), Instant::now());
            reports.set_clock(clock(100, rtp, start));
            let mapped = reports.sender_report(7, &newest(start), start + ms(100), Ntp(42)).rtp;
            assert!(mapped.abs_diff(expected) <= 1, "{mapped}, not {expected}");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_begins_a_new_account() {
        let (mut reports, start) = (Reports::default(), Instant::now());
        reports.set_clock(clock(5_000, 0, start));
        reports.set_clock(clock(100, 90_000, start + ms(1_000)));
        let rtp = reports.sender_report(7, &newest(start), start + ms(2_000), Ntp(42)).rtp;
        assert!(rtp.abs_diff(1_180_000) <= 1, "{rtp}");
    }

    #[test]
    fn after_a_minute_a_slower_report_is_believed_because_clocks_drift() {
        let (mut reports, start) = (Reports::default(), Instant::now());
        reports.set_clock(clock(100, 0, start));
        reports.set_clock(clock(161, 61 * 90_000, start + ms(61_020)));
        let rtp = reports.sender_report(7, &newest(start), start + ms(62_020), Ntp(42)).rtp;
        assert!(rtp.abs_diff(1_000_000 + 62 * 90_000) <= 1, "{rtp}");
    }
}
