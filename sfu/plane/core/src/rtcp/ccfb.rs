//! Congestion control feedback (RFC 8888 s3.1): which packets of each stream arrived, and when.
//!
//! ```text
//! |                 SSRC of a stream                              |
//! |          begin_seq            |          num_reports          |
//! |R|ECN|  Arrival time offset    |R|ECN|  Arrival time offset    |   one for each packet, and zeros up to a word
//!   …                                                                the next stream
//! |                 Report timestamp                              |
//! ```
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use crate::discard::Discard;

/// FMT of congestion control feedback (s3.1).
pub const FORMAT: u8 = 11;

/// Packets that one report of a stream may cover (s3.1).
const MOST_REPORTS: u16 = 16_384;
/// The R bit: the packet arrived.
const RECEIVED: u16 = 1 << 15;
/// The arrival time offset, in units of 1/1024 s before the report timestamp.
const OFFSET: u16 = (1 << 13) - 1;
/// It arrived after the report timestamp: the time is not known. One less: it arrived earlier than can be said.
const UNAVAILABLE: u16 = OFFSET;
const TOO_EARLY: u16 = OFFSET - 1;

/// One feedback packet. The reports of packets are decoded lazily.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Feedback<'a> {
    /// The receiver's clock in units of 2^-16 s: the middle 32 bits of an NTP time.
    pub timestamp: u32,
    streams: &'a [u8],
}

/// What a report says of one packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Report {
    pub ssrc: u32,
    pub sequence: u16,
    /// None: it did not arrive.
    pub arrived: Option<Arrived>,
}

/// When a packet arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrived {
    /// So many units of 1/1024 s before the report timestamp.
    Before(u16),
    /// At an unknown time.
    Unknown,
}

impl<'a> Feedback<'a> {
    /// Parses the octets after the SSRC of the sender, without RTCP padding.
    ///
    /// # Errors
    /// `RtcpMalformed` if it is too short, a stream lacks reports that it announces, or it covers more packets than one
    /// feedback may.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, Discard> {
        let (streams, timestamp) = body.split_last_chunk::<4>().ok_or(Discard::RtcpMalformed)?;
        let feedback = Self { timestamp: u32::from_be_bytes(*timestamp), streams };
        let mut rest = streams;
        while !rest.is_empty() {
            rest = Stream::split(rest).ok_or(Discard::RtcpMalformed)?.1;
        }
        Ok(feedback)
    }

    /// The number of packets that it reports on.
    pub fn count(&self) -> usize {
        self.streams().map(|stream| stream.reports.len()).sum()
    }

    /// What it says of each packet, in its order.
    pub fn packets(&self) -> impl Iterator<Item = Report> + use<'a> {
        self.streams().flat_map(|stream| {
            (0..).zip(stream.reports).map(move |(place, &report)| Report {
                ssrc: stream.ssrc,
                sequence: stream.begin.wrapping_add(place),
                arrived: arrived(u16::from_be_bytes(report)),
            })
        })
    }

    fn streams(&self) -> impl Iterator<Item = Stream<'a>> + use<'a> {
        let mut rest = self.streams;
        std::iter::from_fn(move || {
            let (stream, behind) = Stream::split(rest)?;
            rest = behind;
            Some(stream)
        })
    }
}

fn arrived(report: u16) -> Option<Arrived> {
    match (report & RECEIVED, report & OFFSET) {
        (0, _) => None,
        (_, UNAVAILABLE | TOO_EARLY) => Some(Arrived::Unknown),
        (_, offset) => Some(Arrived::Before(offset)),
    }
}

/// The reports of one stream.
struct Stream<'a> {
    ssrc: u32,
    begin: u16,
    reports: &'a [[u8; 2]],
}

impl<'a> Stream<'a> {
    /// Splits the first stream off. None if it is not complete.
    fn split(octets: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&[s0, s1, s2, s3, b0, b1, n0, n1], rest) = octets.split_first_chunk()?;
        let count = u16::from_be_bytes([n0, n1]);
        if count > MOST_REPORTS {
            return None;
        }
        let octets = usize::from(count).saturating_mul(2);
        let (reports, rest) = rest.split_at_checked(octets)?;
        // An odd number of reports is followed by 16 bits of padding.
        let rest = rest.get(octets & 2..)?;
        let begin = u16::from_be_bytes([b0, b1]);
        Some((Self { ssrc: u32::from_be_bytes([s0, s1, s2, s3]), begin, reports: reports.as_chunks().0 }, rest))
    }
}

/// Appends a feedback packet. Each stream has its SSRC, the sequence number of its first packet, and for each packet
/// from there on when it arrived, or `None`.
pub fn write_feedback(out: &mut Vec<u8>, sender: u32, streams: &[(u32, u16, Vec<Option<Arrived>>)], timestamp: u32) {
    let begin = out.len();
    out.extend([0x80 | FORMAT, super::TRANSPORT_FEEDBACK, 0, 0]);
    out.extend(sender.to_be_bytes());
    for (ssrc, first, reports) in streams {
        debug_assert!(reports.len() <= usize::from(MOST_REPORTS), "{} reports", reports.len());
        out.extend(ssrc.to_be_bytes());
        out.extend(first.to_be_bytes());
        out.extend((reports.len() as u16).to_be_bytes());
        for report in reports {
            let report = match report {
                None => 0,
                Some(Arrived::Unknown) => RECEIVED | UNAVAILABLE,
                Some(Arrived::Before(offset)) => RECEIVED | (*offset).min(TOO_EARLY),
            };
            out.extend(report.to_be_bytes());
        }
        if reports.len() & 1 == 1 {
            out.extend([0; 2]);
        }
    }
    out.extend(timestamp.to_be_bytes());
    let words = out.len().saturating_sub(begin).checked_div(4).unwrap_or(0).saturating_sub(1);
    if let Some(length) = out.get_mut(begin.saturating_add(2)..begin.saturating_add(4)) {
        length.copy_from_slice(&(words as u16).to_be_bytes());
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(streams: &[(u32, u16, Vec<Option<Arrived>>)], timestamp: u32) -> Vec<u8> {
        let mut out = Vec::new();
        write_feedback(&mut out, 7, streams, timestamp);
        assert_eq!(out[..2], [0x8B, 205], "format 11 of transport layer feedback");
        assert_eq!(out.len(), 4 * (1 + usize::from(u16::from_be_bytes([out[2], out[3]]))));
        assert_eq!(out[4..8], [0, 0, 0, 7]);
        out.split_off(8)
    }

    fn reports(feedback: &Feedback<'_>) -> Vec<(u32, u16, Option<Arrived>)> {
        feedback.packets().map(|report| (report.ssrc, report.sequence, report.arrived)).collect()
    }

    /// RFC 8888 s3.1: R, ECN and the offset share 16 bits; begin_seq wraps.
    #[test]
    fn a_stream_reports_on_the_packets_from_its_first_number_on() {
        #[rustfmt::skip]
        let body = [
            0, 0, 0, 9, 0xFF, 0xFF, 0, 3,
            0x80, 0x01, 0x00, 0x00, 0xE4, 0x00, 0, 0,
            0, 1, 0, 0,
        ];
        let feedback = Feedback::parse(&body).unwrap();
        assert_eq!((feedback.timestamp, feedback.count()), (1 << 16, 3));
        let (first, last) = (Some(Arrived::Before(1)), Some(Arrived::Before(0x400)));
        assert_eq!(reports(&feedback), [(9, 65_535, first), (9, 0, None), (9, 1, last)], "ECN is no part of the time");
    }

    /// RFC 8888 s3.1: 0x1FFF and 0x1FFE are no times.
    #[test]
    fn a_packet_may_have_arrived_at_an_unknown_time() {
        for (offset, expected) in [
            (0x1FFF, Arrived::Unknown),
            (0x1FFE, Arrived::Unknown),
            (0x1FFD, Arrived::Before(0x1FFD)),
            (0, Arrived::Before(0)),
        ] {
            assert_eq!(arrived(RECEIVED | offset), Some(expected), "{offset:x}");
            assert_eq!(arrived(offset), None, "R is 0");
        }
    }

    #[test]
    fn several_streams_follow_one_another_and_one_may_be_empty() {
        let at = |offset| Some(Arrived::Before(offset));
        let streams = [(1, 10, vec![at(3)]), (2, 20, vec![]), (3, 30, vec![None, at(5)])];
        let body = written(&streams, 99);
        let feedback = Feedback::parse(&body).unwrap();
        assert_eq!(reports(&feedback), [(1, 10, at(3)), (3, 30, None), (3, 31, at(5))]);
    }

    #[test]
    fn feedback_that_lacks_what_it_announces_is_malformed() {
        let whole = written(&[(1, 10, vec![None; 5]), (2, 20, vec![None; 4])], 99);
        for length in 0..whole.len() {
            let is_whole = [4, 24].contains(&length);
            assert_eq!(Feedback::parse(&whole[..length]).is_ok(), is_whole, "{length} octets");
        }
        assert_eq!(Feedback::parse(&[0; 4]).map(|feedback| feedback.count()), Ok(0), "no stream");
    }

    #[test]
    fn a_stream_covers_so_many_packets_and_no_more() {
        for (count, is_read) in [(MOST_REPORTS, true), (MOST_REPORTS + 1, false)] {
            let mut body = vec![0; 12 + 2 * usize::from(count) + 2 * usize::from(count & 1)];
            body[6..8].copy_from_slice(&count.to_be_bytes());
            assert_eq!(Feedback::parse(&body).is_ok(), is_read, "{count}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            timestamp: u32,
            streams in prop::collection::vec(
                (any::<u32>(), any::<u16>(), prop::collection::vec(prop::option::of(0u16..0x1FFE), 0..40)), 0..6),
        ) {
            let streams: Vec<_> = streams
                .into_iter()
                .map(|(ssrc, first, reports)| {
                    (ssrc, first, reports.into_iter().map(|at| at.map(Arrived::Before)).collect::<Vec<_>>())
                })
                .collect();
            let body = written(&streams, timestamp);
            let feedback = Feedback::parse(&body).unwrap();
            prop_assert_eq!(feedback.timestamp, timestamp);
            let expected: Vec<_> = streams
                .iter()
                .flat_map(|(ssrc, first, reports)| {
                    (0..).zip(reports).map(|(place, report)| (*ssrc, first.wrapping_add(place), *report))
                })
                .collect();
            prop_assert_eq!(feedback.count(), expected.len());
            prop_assert_eq!(reports(&feedback), expected);
        }

        #[test]
        fn hostile_feedback_never_panics(body in prop::collection::vec(any::<u8>(), 0..120)) {
            if let Ok(feedback) = Feedback::parse(&body) {
                prop_assert_eq!(feedback.packets().count(), feedback.count());
                prop_assert!(feedback.count() <= body.len() / 2);
            }
        }
    }
}
