//! The statistics of a received stream for its reception report block (RFC 3550 s6.4.1, A.3, A.8).

use crate::rtcp::report::ReportBlock;
use crate::rtp::sequence::ExtendedSeq;
use crate::time::{Duration, Instant, Ntp};

/// A change of the transit time above this is no jitter: the sender's clock was set. libwebrtc:
/// receive_statistics_impl.cc.
const LONGEST_STEP: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug)]
struct Last {
    received: Instant,
    timestamp: u32,
}

/// Counts the packets of the media SSRC only: a retransmission by RTX does not undo the loss on the path.
#[derive(Clone, Debug)]
pub struct Reception {
    clock_rate: u32,
    base: Option<ExtendedSeq>,
    highest: ExtendedSeq,
    received: u64,
    expected_before: u64,
    received_before: u64,
    last: Option<Last>,
    /// In sixteenths of a timestamp unit.
    jitter: u32,
    sender_report: Option<(Ntp, Instant)>,
    /// A packet or a sender report arrived since the last block.
    heard: bool,
    /// What was expected and received when [`Reception::poll_loss`] was called last.
    polled: (u64, u64),
}

impl Reception {
    /// `clock_rate` in Hz.
    pub fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate,
            base: None,
            highest: ExtendedSeq(0),
            received: 0,
            expected_before: 0,
            received_before: 0,
            last: None,
            jitter: 0,
            sender_report: None,
            heard: false,
            polled: (0, 0),
        }
    }

    pub fn handle_packet(&mut self, seq: ExtendedSeq, timestamp: u32, received: Instant) {
        self.heard = true;
        self.received += 1;
        let in_order = self.base.is_none() || seq > self.highest;
        self.base.get_or_insert(seq);
        if in_order {
            self.highest = seq;
            self.measure_jitter(Last { received, timestamp });
        }
    }

    pub fn handle_sender_report(&mut self, ntp: Ntp, now: Instant) {
        self.heard = true;
        self.sender_report = Some((ntp, now));
    }

    /// The block for `ssrc`. Its fraction lost counts since the last block. None if nothing arrived since.
    pub fn report_block(&mut self, ssrc: u32, now: Instant) -> Option<ReportBlock> {
        let base = self.base?;
        if !std::mem::take(&mut self.heard) {
            return None;
        }
        let expected = self.highest.0 - base.0 + 1;
        let expected_since = expected - self.expected_before;
        let received_since = self.received - self.received_before;
        self.expected_before = expected;
        self.received_before = self.received;
        let lost_since = expected_since.saturating_sub(received_since);
        let fraction = (lost_since << 8).checked_div(expected_since).unwrap_or(0);
        let (last_sr, delay) = self.sender_report.map_or((0, 0), |(ntp, at)| {
            let delay = now.saturating_duration_since(at).as_micros() * 65_536 / 1_000_000;
            (ntp.compact(), u32::try_from(delay).unwrap_or(u32::MAX))
        });
        Some(ReportBlock {
            ssrc,
            fraction_lost: fraction.min(255) as u8,
            cumulative_lost: (expected as i64 - self.received as i64).clamp(-0x80_0000, 0x7F_FFFF) as i32,
            // The block counts rollovers from the first packet; our numbers begin in the second cycle.
            highest: (self.highest.0 - (base.0 & !0xFFFF)) as u32,
            jitter: self.jitter >> 4,
            last_sr,
            delay_since_last_sr: delay,
        })
    }

    /// The packets expected since the last call, and those of them that did not arrive. Late ones make it negative.
    pub fn poll_loss(&mut self) -> (u64, i64) {
        let expected = self.base.map_or(0, |base| self.highest.0 - base.0 + 1);
        let (expected_before, received_before) = std::mem::replace(&mut self.polled, (expected, self.received));
        let since = expected - expected_before;
        (since, since as i64 - (self.received - received_before) as i64)
    }

    /// Measures jitter (RFC 3550 A.8) by the first packet of each frame: the others wait in the sender's pacer.
    fn measure_jitter(&mut self, packet: Last) {
        let Some(last) = self.last else {
            self.last = Some(packet);
            return;
        };
        if packet.timestamp == last.timestamp {
            return;
        }
        self.last = Some(packet);
        let apart = packet.received.saturating_duration_since(last.received);
        let arrival = apart.as_nanos() as i128 * i128::from(self.clock_rate) / 1_000_000_000;
        let sent = i128::from(packet.timestamp.wrapping_sub(last.timestamp) as i32);
        let step = (arrival - sent).unsigned_abs();
        if step > LONGEST_STEP.as_secs() as u128 * u128::from(self.clock_rate) {
            return;
        }
        let fading = (self.jitter >> 4) + (self.jitter >> 3 & 1);
        self.jitter = (self.jitter - fading).saturating_add(u32::try_from(step).unwrap_or(u32::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ms;
    use proptest::prelude::*;

    fn seq(n: u64) -> ExtendedSeq {
        ExtendedSeq((1 << 16) + n)
    }

    #[test]
    fn loss_is_told_as_a_fraction_since_the_last_block_and_in_all() {
        let (mut reception, now) = (Reception::new(90_000), Instant::now());
        assert_eq!(reception.report_block(7, now), None);
        (0..8).filter(|n| n % 4 != 1).for_each(|n| reception.handle_packet(seq(65_530 + n), 0, now));
        let block = reception.report_block(7, now).unwrap();
        assert_eq!((block.ssrc, block.fraction_lost, block.cumulative_lost), (7, 64, 2));
        assert_eq!(block.highest, 65_537, "one rollover");
        (8..10).for_each(|n| reception.handle_packet(seq(65_530 + n), 0, now));
        let block = reception.report_block(7, now).unwrap();
        assert_eq!((block.fraction_lost, block.cumulative_lost), (0, 2));
        assert_eq!(reception.report_block(7, now), None, "nothing was heard since");
    }

    #[test]
    fn a_late_packet_is_not_lost_and_a_surplus_is_negative_loss() {
        let (mut reception, now) = (Reception::new(90_000), Instant::now());
        [5, 7, 6, 4, 3].into_iter().for_each(|n| reception.handle_packet(seq(n), 0, now));
        let block = reception.report_block(1, now).unwrap();
        assert_eq!((block.fraction_lost, block.cumulative_lost, block.highest), (0, -2, 7));
    }

    #[test]
    fn the_loss_since_the_last_time_is_told_beside_the_blocks() {
        let (mut reception, now) = (Reception::new(90_000), Instant::now());
        assert_eq!(reception.poll_loss(), (0, 0));
        [0, 1, 3, 5].into_iter().for_each(|n| reception.handle_packet(seq(n), 0, now));
        reception.report_block(7, now);
        assert_eq!(reception.poll_loss(), (6, 2));
        [4, 6].into_iter().for_each(|n| reception.handle_packet(seq(n), 0, now));
        assert_eq!(reception.poll_loss(), (1, -1), "one was late");
    }

    #[test]
    fn the_senders_report_comes_back_with_its_age() {
        let (mut reception, now) = (Reception::new(90_000), Instant::now());
        reception.handle_packet(seq(1), 0, now);
        reception.handle_sender_report(Ntp(0x1234_5678_9ABC_DEF0), now);
        let block = reception.report_block(1, now + ms(1_500)).unwrap();
        assert_eq!((block.last_sr, block.delay_since_last_sr), (0x5678_9ABC, 0x1_8000));
    }

    #[test]
    fn jitter_is_the_mean_deviation_between_frames() {
        let (mut reception, start) = (Reception::new(90_000), Instant::now());
        for frame in 0..2_000_u32 {
            // Each second frame is 5 ms late: every step deviates by 5 ms, 450 units.
            let received = start + ms(u64::from(frame) * 40 + u64::from(frame % 2) * 5);
            for packet in 0..3 {
                reception.handle_packet(seq(u64::from(frame) * 3 + packet), frame * 3_600, received + ms(packet));
            }
        }
        let jitter = reception.report_block(1, start).unwrap().jitter;
        assert!((445..=450).contains(&jitter), "{jitter}");
    }

    #[test]
    fn a_clock_that_was_set_is_not_jitter() {
        let (mut reception, now) = (Reception::new(48_000), Instant::now());
        reception.handle_packet(seq(1), 0, now);
        reception.handle_packet(seq(2), 0x7000_0000, now + ms(20));
        reception.handle_packet(seq(3), 0x7000_0000 + 960, now + ms(40));
        assert_eq!(reception.report_block(1, now).unwrap().jitter, 0);
    }

    proptest! {
        #[test]
        fn expected_is_received_and_lost(steps in prop::collection::vec(1_u64..5, 1..500), blocks in 1_usize..50) {
            let (mut reception, now) = (Reception::new(90_000), Instant::now());
            let (mut at, mut cumulative) = (70_000, 0);
            reception.handle_packet(ExtendedSeq(at), 0, now);
            for (count, step) in steps.iter().enumerate() {
                at += step;
                reception.handle_packet(ExtendedSeq(at), 0, now);
                if count % blocks == 0 {
                    let block = reception.report_block(1, now).unwrap();
                    prop_assert_eq!(block.cumulative_lost as u64, at - 70_000 + 1 - (count as u64 + 2));
                    prop_assert_eq!(block.fraction_lost > 0, block.cumulative_lost > cumulative);
                    cumulative = block.cumulative_lost;
                }
            }
        }
    }
}
