//! Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 s3.1): which numbered packets arrived,
//! and when.
//!
//! ```text
//! |      base sequence number     |      packet status count      |
//! |                 reference time                | fb pkt. count |
//! |          packet chunk         |         packet chunk ...      |
//! |           recv delta          |  recv delta   | zero padding  |
//! ```
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use rtcp_types::prelude::FciParser;
use rtcp_types::{TransportFeedback, Twcc, TwccPacketStatus};

use super::append;
use crate::discard::Discard;
use crate::limits::FEEDBACK_STATUSES;

/// One feedback packet. The packet statuses are decoded lazily, because 32 octets can report on 32,768 packets. The
/// caller first checks that so many packets were sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Feedback<'a> {
    /// The number of the first packet reported on.
    pub base: u16,
    /// The number of packets reported on.
    pub count: u16,
    /// Grows by one with each feedback packet, and wraps.
    pub feedback_count: u8,
    /// The receiver's clock in units of 64 ms; 24 bits, signed. The first arrival is relative to it.
    pub reference: i32,
    fci: &'a [u8],
}

impl<'a> Feedback<'a> {
    /// Parses the header of the feedback control information: the octets after both SSRCs, without RTCP padding.
    ///
    /// # Errors
    /// `RtcpMalformed` if it is too short, or reports on more than half the number space.
    pub(super) fn parse(fci: &'a [u8]) -> Result<Feedback<'a>, Discard> {
        let &[b0, b1, c0, c1, r0, r1, r2, feedback_count] = fci.first_chunk().ok_or(Discard::RtcpMalformed)?;
        let count = u16::from_be_bytes([c0, c1]);
        if count > FEEDBACK_STATUSES {
            return Err(Discard::RtcpMalformed);
        }
        let reference = i32::from_be_bytes([r0, r1, r2, 0]) >> 8;
        Ok(Feedback { base: u16::from_be_bytes([b0, b1]), count, feedback_count, reference, fci })
    }

    /// Validates the chunks, in one step per chunk regardless of its packets. Returns the number of chunks.
    ///
    /// # Errors
    /// `RtcpMalformed` if chunks or deltas are missing, or a status has the reserved value.
    pub fn check(&self) -> Result<usize, Discard> {
        let (count, body) = (self.count, self.fci.get(8..).unwrap_or_default());
        let (mut covered, mut deltas) = (0_usize, 0_usize);
        let mut rest = body;
        while covered < usize::from(count) {
            let (&chunk, behind) = rest.split_first_chunk::<2>().ok_or(Discard::RtcpMalformed)?;
            rest = behind;
            let left = usize::from(count).saturating_sub(covered);
            let chunk = Chunk(u16::from_be_bytes(chunk));
            deltas = deltas.saturating_add(chunk.delta_octets(left).ok_or(Discard::RtcpMalformed)?);
            covered = covered.saturating_add(chunk.statuses());
        }
        if rest.len() < deltas {
            return Err(Discard::RtcpMalformed);
        }
        Ok(body.len().saturating_sub(rest.len()) / 2)
    }

    /// The transport-wide number of each packet, and its arrival time since the previous reported arrival in units of
    /// 250 us, or `None` if it did not arrive. The list is complete only if [`Feedback::check`] succeeds.
    pub fn packets(&self) -> impl Iterator<Item = (u16, Option<i16>)> + use<'a> {
        let read = Twcc::parse(self.fci).into_iter().flat_map(|twcc| {
            let packets: Vec<_> = twcc.packets().map_while(Result::ok).collect();
            packets
        });
        read.map(|(sequence, status)| match status {
            TwccPacketStatus::NotReceived => (sequence, None),
            TwccPacketStatus::Received { delta } => (sequence, Some(delta)),
        })
    }
}

/// A packet status chunk (s3.1.3, s3.1.4): a run of one status, or a vector of 14 of one bit or 7 of two.
#[derive(Clone, Copy)]
struct Chunk(u16);

impl Chunk {
    fn statuses(self) -> usize {
        match self.0 >> 14 {
            0 | 1 => usize::from(self.0 & 0x1FFF),
            2 => 14,
            _ => 7,
        }
    }

    /// The octets of the deltas of its first `most` statuses. Returns `None` if a status has the reserved value or the
    /// chunk has no status.
    fn delta_octets(self, most: usize) -> Option<usize> {
        match self.0 >> 14 {
            0 | 1 => {
                let octets = match (self.0 >> 13) & 3 {
                    3 => return None,
                    octets => usize::from(octets),
                };
                (self.statuses() > 0).then(|| octets.saturating_mul(self.statuses().min(most)))
            }
            2 => Some((0..14).take(most).filter(|bit| self.0 & (0x2000 >> bit) != 0).count()),
            _ => [12, 10, 8, 6, 4, 2, 0].into_iter().take(most).try_fold(0_usize, |octets, bits| {
                match (self.0 >> bits) & 3 {
                    3 => None,
                    status => Some(octets.saturating_add(usize::from(status))),
                }
            }),
        }
    }
}

/// Appends a feedback packet. `arrivals` lists the packets from `base` on: each entry is the time since the previous
/// arrival (the first: since `reference`) in units of 250 us, or `None` for a packet that did not arrive. `reference`
/// is in units of 64 ms; its lower 24 bits are sent.
pub fn write_feedback(
    out: &mut Vec<u8>,
    sender: u32,
    media: u32,
    feedback_count: u8,
    reference: i32,
    base: u16,
    arrivals: &[Option<i16>],
) {
    debug_assert!((1..=usize::from(FEEDBACK_STATUSES)).contains(&arrivals.len()), "{} arrivals", arrivals.len());
    let statuses: Vec<TwccPacketStatus> = arrivals
        .iter()
        .map(|arrival| match *arrival {
            None => TwccPacketStatus::NotReceived,
            Some(delta) => TwccPacketStatus::Received { delta },
        })
        .collect();
    let twcc = Twcc::builder(base, reference as u32 & 0xFF_FFFF, feedback_count, &statuses, None);
    append(out, &TransportFeedback::builder(&twcc).sender_ssrc(sender).media_ssrc(media));
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The octets of `write_feedback` after the SSRCs.
    fn written(reference: i32, base: u16, arrivals: &[Option<i16>]) -> Vec<u8> {
        let mut out = Vec::new();
        write_feedback(&mut out, 1, 2, 9, reference, base, arrivals);
        assert_eq!(out[..2], [0x8F, 205], "format 15 of transport layer feedback");
        assert_eq!(out.len(), 4 * (1 + usize::from(u16::from_be_bytes([out[2], out[3]]))));
        assert_eq!(out[4..12], [0, 0, 0, 1, 0, 0, 0, 2]);
        out.split_off(12)
    }

    fn checked(fci: &[u8]) -> Result<usize, Discard> {
        Feedback::parse(fci)?.check()
    }

    #[test]
    fn equal_statuses_are_a_run() {
        let fci = written(0x01_02_03, 65_530, &[Some(4); 10]);
        assert_eq!(fci[..8], [0xFF, 0xFA, 0, 10, 1, 2, 3, 9]);
        assert_eq!(fci[8..10], [0x20, 10], "run of small deltas");
        assert_eq!(fci[10..20], [4; 10]);
        assert_eq!(fci.len(), 20);
    }

    #[test]
    fn mixed_statuses_are_a_vector_and_deltas_that_are_large_or_negative_take_two_octets() {
        let fci = written(-1, 7, &[Some(255), None, Some(256), Some(-1)]);
        assert_eq!(fci[..8], [0, 7, 0, 4, 0xFF, 0xFF, 0xFF, 9]);
        assert_eq!(fci[8..10], [0b1101_0010, 0b1000_0000]);
        assert_eq!(fci[10..15], [255, 1, 0, 0xFF, 0xFF]);
        assert_eq!(fci.len() % 4, 0);
    }

    /// The draft's example chunks (s3.1.3, s3.1.4): a run of 221 lost packets, and a vector of fourteen.
    #[test]
    fn the_chunks_of_the_draft_mean_what_it_says() {
        let fci = [0, 0, 0, 235, 0, 0, 0, 0, 0x00, 0xDD, 0b1001_1111, 0b0001_1100, 1, 1, 1, 1, 1, 1, 1, 1];
        let packets: Vec<_> = Feedback::parse(&fci).unwrap().packets().collect();
        assert!(packets[..221].iter().all(|(_, delta)| delta.is_none()));
        let vector: Vec<bool> = packets[221..].iter().map(|(_, delta)| delta.is_some()).collect();
        let expected = [0, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0].map(|bit| bit == 1);
        assert_eq!(vector, expected);
    }

    #[test]
    fn a_reference_before_the_epoch_is_negative_and_numbers_wrap() {
        let fci = written(-2, 65_535, &[Some(0), None, Some(3)]);
        let feedback = Feedback::parse(&fci).unwrap();
        assert_eq!((feedback.reference, feedback.feedback_count, feedback.base), (-2, 9, 65_535));
        assert_eq!(feedback.packets().collect::<Vec<_>>(), [(65_535, Some(0)), (0, None), (1, Some(3))]);
    }

    #[test]
    fn feedback_that_lacks_what_it_announces_is_malformed() {
        let whole = written(0, 1, &[Some(1), Some(2), Some(3), Some(4), Some(5), Some(6)]);
        assert_eq!(checked(&whole), Ok(1), "one chunk");
        for length in 0..whole.len() {
            assert_eq!(checked(&whole[..length]), Err(Discard::RtcpMalformed), "{length} octets");
        }
        let reserved = [0, 1, 0, 1, 0, 0, 0, 0, 0x60, 1, 0, 0];
        assert_eq!(checked(&reserved), Err(Discard::RtcpMalformed));
    }

    #[test]
    fn eight_octets_cannot_claim_the_whole_number_space() {
        let fci = [0, 1, 0xFF, 0xFF, 0, 0, 0, 0, 0x1F, 0xFF, 0x1F, 0xFF, 0x1F, 0xFF, 0x1F, 0xFF, 0x1F, 0xFF];
        assert_eq!(Feedback::parse(&fci), Err(Discard::RtcpMalformed));
    }

    #[test]
    fn feedback_has_a_delta_for_each_packet_that_arrived() {
        let small = 0x2000;
        for (chunks, count, deltas) in [
            (&[3][..], 3_u8, Some(0)),
            (&[small | 3], 3, Some(3)),
            (&[small | 3], 2, Some(2)),
            (&[0x4000 | 3], 3, Some(6)),
            (&[0x4000 | 3], 1, Some(2)),
            (&[0x6000 | 3], 3, None),
            (&[small], 1, None),
            (&[0b10_10110000000001], 14, Some(4)),
            (&[0b10_10110000000001], 13, Some(3)),
            (&[0b10_10110000000001], 3, Some(2)),
            (&[0b11_01_10_00_00_00_00_10], 7, Some(5)),
            (&[0b11_01_10_00_00_00_00_10], 6, Some(3)),
            (&[0b11_01_00_00_00_00_00_11], 7, None),
            (&[0b11_01_00_00_00_00_00_11], 6, Some(1)),
            (&[0b10_10110000000001, small | 2], 16, Some(6)),
            (&[0b11_01_10_00_00_00_00_10, small | 2], 9, Some(7)),
            (&[small | 2, 0b11_01_10_00_00_00_00_10], 9, Some(7)),
            (&[0b10_10110000000001], 15, None),
            (&[0b11_01_10_00_00_00_00_10], 8, None),
        ] {
            let mut fci = vec![0, 1, 0, count, 0, 0, 0, 0];
            fci.extend(chunks.iter().flat_map(|chunk: &u16| chunk.to_be_bytes()));
            let checked = |octets: usize| {
                let whole = [&fci[..], &[0; 40][..octets]].concat();
                Feedback::parse(&whole).unwrap().check()
            };
            for octets in 0..40 {
                let expected = deltas.is_some_and(|deltas| octets >= deltas).then_some(chunks.len());
                assert_eq!(checked(octets).ok(), expected, "{chunks:x?} of {count}, and {octets} octets");
            }
        }
    }

    #[test]
    fn feedback_speaks_of_so_many_packets_and_no_more() {
        for (count, is_read) in [(1, true), (FEEDBACK_STATUSES, true), (FEEDBACK_STATUSES + 1, false), (0xFFFF, false)]
        {
            let mut fci = vec![0, 1, 0, 0, 0, 0, 0, 0];
            fci[2..4].copy_from_slice(&count.to_be_bytes());
            fci.extend([0x1F, 0xFF].repeat(9));
            assert_eq!(Feedback::parse(&fci).is_ok(), is_read, "{count}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            reference in -0x80_0000i32..0x80_0000,
            base: u16,
            arrivals in prop::collection::vec(
                prop_oneof![4 => Just(Some(8i16)), 2 => Just(None), 1 => any::<i16>().prop_map(Some)], 1..300),
        ) {
            let fci = written(reference, base, &arrivals);
            let feedback = Feedback::parse(&fci).unwrap();
            prop_assert_eq!(feedback.reference, reference);
            let numbered: Vec<(u16, Option<i16>)> =
                arrivals.iter().enumerate().map(|(n, &delta)| (base.wrapping_add(n as u16), delta)).collect();
            prop_assert_eq!(usize::from(feedback.count), numbered.len());
            prop_assert_eq!(feedback.packets().collect::<Vec<_>>(), numbered);
        }

        #[test]
        fn hostile_feedback_never_panics(fci in prop::collection::vec(any::<u8>(), 0..80)) {
            let Ok(feedback) = Feedback::parse(&fci) else { return Ok(()) };
            if feedback.check().is_err() {
                return Ok(());
            }
            prop_assert_eq!(feedback.packets().count(), usize::from(feedback.count), "what is accepted can be read");
        }
    }
}
