//! Sender and receiver reports, SDES and BYE (RFC 3550 s6.4 to s6.6): their fields and their writers.

use rtcp_types::{Bye, ReceiverReport, Sdes, SdesChunk, SdesItem};

use super::append;
use crate::time::{Duration, Ntp};

/// The most report blocks, or SSRCs of a BYE, in one packet: its count field has five bits.
pub const MOST_BLOCKS: usize = 31;

/// No round trip is longer than this; a report that says so is wrong.
const LONGEST_ROUND_TRIP: Duration = Duration::from_secs(10);

/// Reception statistics of one source (s6.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReportBlock {
    /// The source that the block reports on.
    pub ssrc: u32,
    /// The fraction lost since the last report, in units of 1/256.
    pub fraction_lost: u8,
    /// 24 bits, signed: duplicates can make it negative.
    pub cumulative_lost: i32,
    /// The highest sequence number received, with the rollover count in the upper 16 bits.
    pub highest: u32,
    /// In units of the RTP timestamp.
    pub jitter: u32,
    /// The middle 32 bits of the NTP time of the last sender report; 0 if none was received.
    pub last_sr: u32,
    /// In units of 2^-16 s.
    pub delay_since_last_sr: u32,
}

/// The range of a 24-bit signed number.
const CUMULATIVE_LOST: std::ops::RangeInclusive<i32> = -0x80_0000..=0x7F_FFFF;

impl ReportBlock {
    /// The round trip time from our sender report to this block; `None` if the block refers to no sender report, or no
    /// path takes that long.
    /// Clocks of different resolution can make it negative; it is then zero.
    pub fn round_trip(&self, now: Ntp) -> Option<Duration> {
        round_trip(self.last_sr, self.delay_since_last_sr, now)
    }

    fn builder(&self) -> rtcp_types::ReportBlockBuilder {
        let cumulative_lost = self.cumulative_lost.clamp(*CUMULATIVE_LOST.start(), *CUMULATIVE_LOST.end());
        rtcp_types::ReportBlock::builder(self.ssrc)
            .fraction_lost(self.fraction_lost)
            .cumulative_lost(cumulative_lost as u32 & 0xFF_FFFF)
            .extended_sequence_number(self.highest)
            .interarrival_jitter(self.jitter)
            .last_sender_report_timestamp(self.last_sr)
            .delay_since_last_sender_report_timestamp(self.delay_since_last_sr)
    }
}

impl From<rtcp_types::ReportBlock<'_>> for ReportBlock {
    fn from(block: rtcp_types::ReportBlock) -> Self {
        Self {
            ssrc: block.ssrc(),
            fraction_lost: block.fraction_lost(),
            cumulative_lost: (block.cumulative_lost() << 8) as i32 >> 8,
            highest: block.extended_sequence_number(),
            jitter: block.interarrival_jitter(),
            last_sr: block.last_sender_report_timestamp(),
            delay_since_last_sr: block.delay_since_last_sender_report_timestamp(),
        }
    }
}

/// The round trip from a report of ours to its answer, which has the middle 32 bits of its time, and the delay of the
/// answer in units of 2^-16 s. `None` if it answers nothing, or no path takes that long.
pub(super) fn round_trip(last: u32, delay: u32, now: Ntp) -> Option<Duration> {
    if last == 0 {
        return None;
    }
    let elapsed = now.compact().wrapping_sub(last).wrapping_sub(delay) as i32;
    let units = u64::try_from(elapsed).unwrap_or(0);
    Some(Duration::from_nanos((units * 1_000_000_000) >> 16)).filter(|&took| took <= LONGEST_ROUND_TRIP)
}

/// The totals that one source has sent, and the wall time of one of its RTP timestamps.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SenderReport {
    pub ssrc: u32,
    pub ntp: Ntp,
    /// The RTP timestamp of the same moment.
    pub rtp: u32,
    pub packets: u32,
    /// Octets of payload, without headers and padding.
    pub octets: u32,
}

/// Appends a sender report. Blocks that do not fit follow in receiver reports.
pub fn write_sender_report(out: &mut Vec<u8>, report: &SenderReport, blocks: &[ReportBlock]) {
    let (first, rest) = blocks.split_at(blocks.len().min(MOST_BLOCKS));
    let mut packet = rtcp_types::SenderReport::builder(report.ssrc)
        .ntp_timestamp(report.ntp.0)
        .rtp_timestamp(report.rtp)
        .packet_count(report.packets)
        .octet_count(report.octets);
    for block in first {
        packet = packet.add_report_block(block.builder());
    }
    append(out, &packet);
    if !rest.is_empty() {
        write_receiver_report(out, report.ssrc, rest);
    }
}

/// Appends one receiver report, or as many as the blocks need. An empty one begins a compound of a participant that
/// sends no media (s6.1).
pub fn write_receiver_report(out: &mut Vec<u8>, ssrc: u32, blocks: &[ReportBlock]) {
    let (first, rest) = blocks.split_at(blocks.len().min(MOST_BLOCKS));
    for blocks in std::iter::once(first).chain(rest.chunks(MOST_BLOCKS)) {
        let mut packet = ReceiverReport::builder(ssrc);
        for block in blocks {
            packet = packet.add_report_block(block.builder());
        }
        append(out, &packet);
    }
}

/// Appends an SDES with the CNAME of one source. The length field is one octet, so `cname` is cut to 255 octets.
pub fn write_sdes_cname(out: &mut Vec<u8>, ssrc: u32, cname: &str) {
    let end = (0..=cname.len().min(255)).rfind(|&end| cname.is_char_boundary(end)).unwrap_or(0);
    let cname = &cname[..end];
    let chunk = SdesChunk::builder(ssrc).add_item(SdesItem::builder(SdesItem::CNAME, cname));
    append(out, &Sdes::builder().add_chunk(chunk));
}

/// Appends BYE packets for these sources.
pub fn write_bye(out: &mut Vec<u8>, ssrcs: &[u32]) {
    for ssrcs in ssrcs.chunks(MOST_BLOCKS) {
        append(out, &ssrcs.iter().fold(Bye::builder(), |packet, &ssrc| packet.add_source(ssrc)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A report on a sender report that was sent at second 1,000.
    fn block(delay: f64) -> ReportBlock {
        let last_sr = Ntp(1_000 << 32).compact();
        ReportBlock { last_sr, delay_since_last_sr: (delay * 65_536.0) as u32, ..ReportBlock::default() }
    }

    fn at(seconds: f64) -> Ntp {
        Ntp((seconds * 4_294_967_296.0) as u64)
    }

    #[test]
    fn the_round_trip_is_what_the_peer_did_not_wait() {
        assert_eq!(block(0.25).round_trip(at(1_000.75)), Some(Duration::from_millis(500)));
    }

    #[test]
    fn a_report_that_answers_none_of_ours_has_no_round_trip() {
        assert_eq!(ReportBlock::default().round_trip(at(1_000.0)), None);
    }

    #[test]
    fn a_round_trip_of_less_than_nothing_is_zero() {
        assert_eq!(block(0.5).round_trip(at(1_000.25)), Some(Duration::ZERO));
    }

    #[test]
    fn a_round_trip_that_no_path_has_is_not_believed() {
        assert_eq!(block(0.0).round_trip(at(1_010.0)), Some(Duration::from_secs(10)));
        assert_eq!(block(0.0).round_trip(at(1_010.1)), None);
    }

    #[test]
    fn the_compact_clock_may_wrap_on_the_way() {
        let sent = Ntp(0xFFFF_8000_0000_0000 >> 16 << 16);
        let block = ReportBlock { last_sr: sent.compact(), ..ReportBlock::default() };
        assert_eq!(block.round_trip(Ntp(sent.0.wrapping_add(1 << 32))), Some(Duration::from_secs(1)));
    }

    #[test]
    fn a_cname_ends_in_zeros_up_to_the_next_word() {
        let mut out = Vec::new();
        write_sdes_cname(&mut out, 0x0102_0304, "abcd");
        assert_eq!(out, [0x81, 202, 0, 3, 1, 2, 3, 4, 1, 4, b'a', b'b', b'c', b'd', 0, 0]);
    }
}
