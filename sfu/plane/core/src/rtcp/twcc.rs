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

/// One feedback packet.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Feedback {
    /// The number of the first packet reported on.
    pub base: u16,
    /// Grows by one with each feedback packet, and wraps.
    pub feedback_count: u8,
    /// In units of 64 ms, of the receiver's clock; 24 bits, signed. The first arrival is measured from here.
    pub reference: i32,
    /// Transport-wide number, and when it arrived: after the arrival named before it, in units of 250 us. `None`: not.
    pub packets: Vec<(u16, Option<i16>)>,
}

impl Feedback {
    /// Reads the feedback control information: what is behind both SSRCs, without RTCP padding.
    ///
    /// # Errors
    /// `RtcpMalformed` if chunks or deltas are missing, or a status has the reserved value.
    pub(super) fn parse(fci: &[u8]) -> Result<Feedback, Discard> {
        let &[_, _, c0, c1, r0, r1, r2, _] = fci.first_chunk().ok_or(Discard::RtcpMalformed)?;
        let count = u16::from_be_bytes([c0, c1]);
        if count > FEEDBACK_STATUSES {
            return Err(Discard::RtcpMalformed);
        }
        let twcc = Twcc::parse(fci).map_err(|_| Discard::RtcpMalformed)?;
        let mut packets = Vec::new();
        for packet in twcc.packets() {
            let (sequence, status) = packet.map_err(|_| Discard::RtcpMalformed)?;
            let delta = match status {
                TwccPacketStatus::NotReceived => None,
                TwccPacketStatus::Received { delta } => Some(delta),
            };
            packets.push((sequence, delta));
        }
        if packets.len() != usize::from(count) {
            return Err(Discard::RtcpMalformed);
        }
        let reference = i32::from_be_bytes([r0, r1, r2, 0]) >> 8;
        Ok(Feedback {
            base: twcc.base_sequence_number(),
            feedback_count: twcc.feedback_packet_count(),
            reference,
            packets,
        })
    }
}

/// Appends a feedback packet. `arrivals` are those of `base` and the numbers after it: each the time since the arrival
/// named before it (the first: since `reference`), in units of 250 us; `None` for what did not come. `reference` is in
/// units of 64 ms, of which 24 bits are sent.
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

    /// What `write_feedback` puts behind the SSRCs.
    fn written(reference: i32, base: u16, arrivals: &[Option<i16>]) -> Vec<u8> {
        let mut out = Vec::new();
        write_feedback(&mut out, 1, 2, 9, reference, base, arrivals);
        assert_eq!(out[..2], [0x8F, 205], "format 15 of transport layer feedback");
        assert_eq!(out.len(), 4 * (1 + usize::from(u16::from_be_bytes([out[2], out[3]]))));
        assert_eq!(out[4..12], [0, 0, 0, 1, 0, 0, 0, 2]);
        out.split_off(12)
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
        let feedback = Feedback::parse(&fci).unwrap();
        assert!(feedback.packets[..221].iter().all(|(_, delta)| delta.is_none()));
        let vector: Vec<bool> = feedback.packets[221..].iter().map(|(_, delta)| delta.is_some()).collect();
        let expected = [0, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0].map(|bit| bit == 1);
        assert_eq!(vector, expected);
    }

    #[test]
    fn a_reference_before_the_epoch_is_negative_and_numbers_wrap() {
        let feedback = Feedback::parse(&written(-2, 65_535, &[Some(0), None, Some(3)])).unwrap();
        assert_eq!((feedback.reference, feedback.feedback_count, feedback.base), (-2, 9, 65_535));
        assert_eq!(feedback.packets, [(65_535, Some(0)), (0, None), (1, Some(3))]);
    }

    #[test]
    fn feedback_that_lacks_what_it_announces_is_malformed() {
        let whole = written(0, 1, &[Some(1), Some(2), Some(3), Some(4), Some(5), Some(6)]);
        assert!(Feedback::parse(&whole).is_ok());
        for length in 0..whole.len() {
            assert_eq!(Feedback::parse(&whole[..length]), Err(Discard::RtcpMalformed), "{length} octets");
        }
        let reserved = [0, 1, 0, 1, 0, 0, 0, 0, 0x60, 1, 0, 0];
        assert_eq!(Feedback::parse(&reserved), Err(Discard::RtcpMalformed));
    }

    #[test]
    fn eight_octets_cannot_claim_the_whole_number_space() {
        let fci = [0, 1, 0xFF, 0xFF, 0, 0, 0, 0, 0x1F, 0xFF, 0x1F, 0xFF, 0x1F, 0xFF, 0x1F, 0xFF, 0x1F, 0xFF];
        assert_eq!(Feedback::parse(&fci), Err(Discard::RtcpMalformed));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            reference in -0x80_0000i32..0x80_0000,
            base: u16,
            arrivals in prop::collection::vec(
                prop_oneof![4 => Just(Some(8i16)), 2 => Just(None), 1 => any::<i16>().prop_map(Some)], 1..300),
        ) {
            let feedback = Feedback::parse(&written(reference, base, &arrivals)).unwrap();
            prop_assert_eq!(feedback.reference, reference);
            let numbered: Vec<(u16, Option<i16>)> =
                arrivals.iter().enumerate().map(|(n, &delta)| (base.wrapping_add(n as u16), delta)).collect();
            prop_assert_eq!(feedback.packets, numbered);
        }

        #[test]
        fn hostile_feedback_never_panics(fci in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Feedback::parse(&fci);
        }
    }
}
