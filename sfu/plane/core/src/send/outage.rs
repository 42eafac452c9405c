//! Detects when a subscriber receives packets again after an outage. The packets sent during the outage are no longer
//! cached, so its decoders can continue only with a keyframe. They get one without a request.

use crate::rtcp::report::ReportBlock;
use crate::time::{Duration, Instant, ms};

/// Retransmissions fill shorter gaps: packets are cached this long (`CACHED_FOR` in `limits.rs`).
const SHORTEST: Duration = ms(1_000);
/// Receivers report video about once a second (libwebrtc: rtp_rtcp_interface.h, kDefaultVideoReportInterval). The first
/// report after an outage covers the outage, too.
const SHORTEST_REPORTED: Duration = ms(1_500);

/// Detects outages of a whole transport by transport-wide feedback.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unanswered {
    since: Option<Instant>,
}

impl Unanswered {
    /// Records that a packet with a transport-wide number was sent.
    pub fn sent(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// Handles feedback about at least one packet that arrived. True if it ends an outage.
    pub fn answered(&mut self, now: Instant) -> bool {
        self.since.take().is_some_and(|since| now.saturating_duration_since(since) >= SHORTEST)
    }
}

/// Detects outages of one SSRC by report blocks (RFC 3550 s6.4.2).
#[derive(Clone, Copy, Debug, Default)]
pub struct Reported {
    last: Option<(Instant, u32, i32)>,
}

/// The reception since the previous report block.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Nothing was lost.
    pub whole: bool,
    /// This is the first block after an outage.
    pub resumed: bool,
    /// The numbers that were given out, and those of them that did not arrive.
    pub expected: u32,
    pub missing: u32,
}

impl Reported {
    /// None if nothing arrived since the previous block.
    pub fn handle_block(&mut self, block: &ReportBlock, now: Instant) -> Option<Progress> {
        let Some((at, highest, lost)) = self.last else {
            self.last = Some((now, block.highest, block.cumulative_lost));
            return Some(Progress { whole: block.cumulative_lost <= 0, ..Progress::default() });
        };
        let expected = block.highest.wrapping_sub(highest) as i32;
        if expected <= 0 {
            return None;
        }
        self.last = Some((now, block.highest, block.cumulative_lost));
        let missing = block.cumulative_lost.saturating_sub(lost);
        let long = now.saturating_duration_since(at) >= SHORTEST_REPORTED;
        Some(Progress {
            whole: missing <= 0,
            resumed: long && missing.saturating_mul(2) >= expected,
            expected: expected.unsigned_abs(),
            missing: missing.clamp(0, expected).unsigned_abs(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feedback_after_a_second_without_it_ends_an_outage() {
        let (mut unanswered, start) = (Unanswered::default(), Instant::now());
        assert!(!unanswered.answered(start + ms(5_000)), "nothing left");
        for (at, resumed) in [(100, false), (1_050, false), (2_100, true), (2_200, false)] {
            unanswered.sent(start + ms(at) - if resumed { ms(1_000) } else { ms(50) });
            assert_eq!(unanswered.answered(start + ms(at)), resumed, "at {at} ms");
        }
    }

    #[test]
    fn a_report_that_goes_on_after_most_was_lost_for_long_ends_an_outage() {
        // Milliseconds, the highest number, all that was lost.
        let blocks = [
            (0, 100, 0, Some((true, false))),
            (1_000, 200, 0, Some((true, false))),
            (2_000, 300, 60, Some((false, false))),
            (3_000, 300, 60, None),
            (4_000, 300, 60, None),
            (5_000, 600, 300, Some((false, true))),
            (6_000, 700, 300, Some((true, false))),
            // Reports got lost, media did not.
            (10_000, 1_100, 310, Some((false, false))),
        ];
        let (mut reported, start) = (Reported::default(), Instant::now());
        for (at, highest, cumulative_lost, expected) in blocks {
            let block = ReportBlock { highest, cumulative_lost, ..ReportBlock::default() };
            let progress = reported.handle_block(&block, start + ms(at));
            let progress = progress.map(|progress| (progress.whole, progress.resumed));
            assert_eq!(progress, expected, "at {at} ms");
        }
    }
}
