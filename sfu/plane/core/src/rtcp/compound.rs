//! Parses RTCP datagrams: a compound of several packets (RFC 3550 s6.1) or a single packet (reduced size, RFC 5506).
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use rtcp_types::prelude::{FciParser, RtcpPacket, RtcpPacketParser};
use rtcp_types::{Bye, Fir, Nack, PayloadFeedback, ReceiverReport, Sdes, SenderReport};
use rtcp_types::{TransportFeedback, Xr};

use super::feedback::{Lost, Remb};
use super::report::ReportBlock;
use super::xr::{self, ReferenceDelay};
use super::{ccfb, twcc};
use crate::discard::Discard;
use crate::time::Ntp;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Packet<'a> {
    SenderReport {
        ssrc: u32,
        ntp: Ntp,
        rtp: u32,
        packets: u32,
        octets: u32,
        reports: Vec<ReportBlock>,
    },
    ReceiverReport {
        ssrc: u32,
        reports: Vec<ReportBlock>,
    },
    /// The plane ignores its contents: it identifies streams by MID and does not forward publishers' CNAMEs.
    Sdes,
    Bye {
        ssrcs: Vec<u32>,
    },
    Nack {
        sender: u32,
        media: u32,
        lost: Lost<'a>,
    },
    Pli {
        media: u32,
    },
    /// One per entry of a FIR packet.
    Fir {
        media: u32,
        sequence: u8,
    },
    TransportFeedback(twcc::Feedback<'a>),
    CongestionFeedback(ccfb::Feedback<'a>),
    Remb {
        bps: u64,
        ssrcs: Vec<u32>,
    },
    /// A receiver reference time (RFC 3611 s4.4). The plane does not answer it: to its subscribers it sends sender
    /// reports.
    ReferenceTime {
        sender: u32,
        ntp: Ntp,
    },
    /// One per sub-block of an answer to receiver reference times (RFC 3611 s4.5).
    ReferenceDelay(ReferenceDelay),
    /// A packet type or format that the plane does not use.
    Other,
}

/// Calls `each` with every packet of a decrypted datagram, in order.
///
/// # Errors
/// `RtcpMalformed` at the first malformed packet; `each` has already been called with the packets before it.
pub fn parse<'a>(compound: &'a [u8], mut each: impl FnMut(Packet<'a>)) -> Result<(), Discard> {
    let mut rest = compound;
    loop {
        let &[_, kind, high, low] = rest.first_chunk().ok_or(Discard::RtcpMalformed)?;
        let length = usize::from(u16::from_be_bytes([high, low])).saturating_add(1) << 2;
        let (packet, behind) = rest.split_at_checked(length).ok_or(Discard::RtcpMalformed)?;
        parse_packet(kind, packet, &mut each)?;
        if behind.is_empty() {
            return Ok(());
        }
        rest = behind;
    }
}

fn parse_packet<'a>(kind: u8, packet: &'a [u8], each: &mut impl FnMut(Packet<'a>)) -> Result<(), Discard> {
    match kind {
        SenderReport::PACKET_TYPE => {
            let report: SenderReport = checked(packet)?;
            each(Packet::SenderReport {
                ssrc: report.ssrc(),
                ntp: Ntp(report.ntp_timestamp()),
                rtp: report.rtp_timestamp(),
                packets: report.packet_count(),
                octets: report.octet_count(),
                reports: report.report_blocks().map(ReportBlock::from).collect(),
            });
        }
        ReceiverReport::PACKET_TYPE => {
            let report: ReceiverReport = checked(packet)?;
            let reports = report.report_blocks().map(ReportBlock::from).collect();
            each(Packet::ReceiverReport { ssrc: report.ssrc(), reports });
        }
        Bye::PACKET_TYPE => {
            let bye: Bye = checked(packet)?;
            each(Packet::Bye { ssrcs: bye.ssrcs().collect() });
        }
        Xr::PACKET_TYPE => xr::parse(packet, each)?,
        TransportFeedback::PACKET_TYPE => parse_transport_feedback(packet, each)?,
        PayloadFeedback::PACKET_TYPE => parse_payload_feedback(packet, each)?,
        // Not parsed: rtcp-types takes zeros at the start of a second chunk's SSRC for padding of the first.
        Sdes::PACKET_TYPE => each(Packet::Sdes),
        _ => each(Packet::Other),
    }
    Ok(())
}

fn parse_transport_feedback<'a>(packet: &'a [u8], each: &mut impl FnMut(Packet<'a>)) -> Result<(), Discard> {
    let feedback: TransportFeedback = checked(packet)?;
    let fci = feedback_control_information(packet, feedback.padding())?;
    match format(packet) {
        Nack::FCI_FORMAT => {
            each(Packet::Nack { sender: feedback.sender_ssrc(), media: feedback.media_ssrc(), lost: Lost::new(fci) });
        }
        ccfb::FORMAT => {
            let end = packet.len().saturating_sub(usize::from(feedback.padding().unwrap_or(0)));
            let body = packet.get(8..end).ok_or(Discard::RtcpMalformed)?;
            each(Packet::CongestionFeedback(ccfb::Feedback::parse(body)?));
        }
        rtcp_types::Twcc::FCI_FORMAT => each(Packet::TransportFeedback(twcc::Feedback::parse(fci)?)),
        _ => each(Packet::Other),
    }
    Ok(())
}

/// The FMT of application layer feedback (RFC 4585 s6.4), which REMB uses.
const APPLICATION: u8 = 15;

fn parse_payload_feedback<'a>(packet: &'a [u8], each: &mut impl FnMut(Packet<'a>)) -> Result<(), Discard> {
    let feedback: PayloadFeedback = checked(packet)?;
    let fci = feedback_control_information(packet, feedback.padding())?;
    match format(packet) {
        rtcp_types::Pli::FCI_FORMAT => each(Packet::Pli { media: feedback.media_ssrc() }),
        Fir::FCI_FORMAT => {
            let fir: Fir = parsed(fci)?;
            fir.entries().for_each(|entry| each(Packet::Fir { media: entry.ssrc(), sequence: entry.sequence() }));
        }
        APPLICATION => match Remb::parse(fci)? {
            Some(Remb { bps, ssrcs }) => each(Packet::Remb { bps, ssrcs }),
            None => each(Packet::Other),
        },
        _ => each(Packet::Other),
    }
    Ok(())
}

fn checked<'a, P: RtcpPacketParser<'a>>(packet: &'a [u8]) -> Result<P, Discard> {
    P::parse(packet).map_err(|_| Discard::RtcpMalformed)
}

fn parsed<'a, F: FciParser<'a>>(fci: &'a [u8]) -> Result<F, Discard> {
    F::parse(fci).map_err(|_| Discard::RtcpMalformed)
}

/// The FMT field, which takes the place of the count in other packets.
fn format(packet: &[u8]) -> u8 {
    packet.first().map_or(0, |flags| flags & 0x1F)
}

/// The octets after both SSRCs, without the padding, which rtcp-types would read as entries of a NACK.
fn feedback_control_information(packet: &[u8], padding: Option<u8>) -> Result<&[u8], Discard> {
    let end = packet.len().checked_sub(usize::from(padding.unwrap_or(0))).ok_or(Discard::RtcpMalformed)?;
    packet.get(12..end).ok_or(Discard::RtcpMalformed)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::{feedback, report};
    use super::*;

    fn packets(compound: &[u8]) -> (Vec<Packet<'_>>, Result<(), Discard>) {
        let mut packets = Vec::new();
        let result = parse(compound, |packet| packets.push(packet));
        (packets, result)
    }

    fn report_block() -> impl Strategy<Value = ReportBlock> {
        let numbers = (any::<u32>(), any::<u8>(), -0x80_0000i32..0x80_0000, any::<u32>());
        (numbers, any::<[u32; 3]>()).prop_map(|((ssrc, fraction_lost, cumulative_lost, highest), rest)| ReportBlock {
            ssrc,
            fraction_lost,
            cumulative_lost,
            highest,
            jitter: rest[0],
            last_sr: rest[1],
            delay_since_last_sr: rest[2],
        })
    }

    #[test]
    fn a_compound_is_given_packet_by_packet() {
        let mut out = Vec::new();
        report::write_receiver_report(&mut out, 1, &[]);
        report::write_sdes_cname(&mut out, 1, "sfu");
        feedback::write_pli(&mut out, 1, 2);
        feedback::write_fir(&mut out, 1, 3, 4);
        feedback::write_nack(&mut out, 1, 2, &[65_535, 0, 40]);
        report::write_bye(&mut out, &[1, 5]);
        let (packets, result) = packets(&out);
        assert_eq!(result, Ok(()));
        assert_eq!(
            packets,
            [
                Packet::ReceiverReport { ssrc: 1, reports: vec![] },
                Packet::Sdes,
                Packet::Pli { media: 2 },
                Packet::Fir { media: 3, sequence: 4 },
                Packet::Nack { sender: 1, media: 2, lost: Lost::new(&[0, 0, 0, 0, 0, 40, 0, 0, 255, 255, 0, 0]) },
                Packet::Bye { ssrcs: vec![1, 5] },
            ]
        );
    }

    #[test]
    fn feedback_may_come_alone() {
        let mut out = Vec::new();
        feedback::write_pli(&mut out, 1, 2);
        assert_eq!(packets(&out), (vec![Packet::Pli { media: 2 }], Ok(())));
    }

    #[test]
    fn packets_before_a_bad_one_count() {
        let mut out = Vec::new();
        feedback::write_pli(&mut out, 1, 2);
        out.extend([0x80, 200, 0, 0]);
        feedback::write_pli(&mut out, 1, 3);
        assert_eq!(packets(&out), (vec![Packet::Pli { media: 2 }], Err(Discard::RtcpMalformed)));
    }

    #[test]
    fn a_length_that_points_past_the_datagram_and_nothing_at_all_are_malformed() {
        assert_eq!(packets(&[0x81, 206, 0, 9, 0, 0, 0, 1, 0, 0, 0, 2]), (vec![], Err(Discard::RtcpMalformed)));
        assert_eq!(packets(&[]), (vec![], Err(Discard::RtcpMalformed)));
    }

    #[test]
    fn what_has_no_use_here_is_passed_over() {
        let app = [0x80, 204, 0, 2, 0, 0, 0, 1, b'n', b'a', b'm', b'e'];
        let slice_loss = [0x82, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0];
        let loss_notification = [0x8F, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, b'L', b'N', b'T', b'F'];
        let compound = [&app[..], &slice_loss, &loss_notification].concat();
        assert_eq!(packets(&compound), (vec![Packet::Other; 3], Ok(())));
    }

    #[test]
    fn padding_is_not_taken_for_lost_packets() {
        let padded = [0xA1, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 100, 0, 0, 0, 0, 0, 4];
        assert_eq!(packets(&padded).0, [Packet::Nack { sender: 1, media: 2, lost: Lost::new(&[0, 100, 0, 0]) }]);
        let all_padding = [0xA1, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 13];
        assert_eq!(packets(&all_padding), (vec![], Err(Discard::RtcpMalformed)));
    }

    #[test]
    fn the_bandwidth_and_the_reference_time_of_a_receiver_are_read() {
        let remb = [0x8F, 206, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, b'R', b'E', b'M', b'B', 1, 0, 0x27, 0x10, 0, 0, 0, 9];
        assert_eq!(packets(&remb).0, [Packet::Remb { bps: 10_000, ssrcs: vec![9] }]);
        let xr = [0x80, 207, 0, 4, 0, 0, 0, 1, 4, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 6];
        assert_eq!(packets(&xr).0, [Packet::ReferenceTime { sender: 1, ntp: Ntp(5 << 32 | 6) }]);
        let padded = [&[0xA0, 207, 0, 5], &xr[4..], &[0, 0, 0, 4]].concat();
        assert_eq!(packets(&padded).0, packets(&xr).0, "without the padding");
    }

    #[test]
    fn more_reports_than_one_packet_can_count_follow_in_others() {
        let blocks: Vec<ReportBlock> = (0..70).map(|ssrc| ReportBlock { ssrc, ..ReportBlock::default() }).collect();
        let mut out = Vec::new();
        report::write_sender_report(&mut out, &report::SenderReport { ssrc: 1, ..Default::default() }, &blocks);
        let counts: Vec<usize> = packets(&out)
            .0
            .iter()
            .map(|packet| match packet {
                Packet::SenderReport { reports, .. } | Packet::ReceiverReport { reports, .. } => reports.len(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(counts, [31, 31, 8]);
    }

    proptest! {
        #[test]
        fn a_sender_report_is_read_as_it_was_written(
            ntp: u64,
            numbers: [u32; 4],
            blocks in prop::collection::vec(report_block(), 0..31),
        ) {
            let [ssrc, rtp, packet_count, octets] = numbers;
            let report = report::SenderReport { ssrc, ntp: Ntp(ntp), rtp, packets: packet_count, octets };
            let mut out = Vec::new();
            report::write_sender_report(&mut out, &report, &blocks);
            let report::SenderReport { ssrc, ntp, rtp, packets: count, octets } = report;
            let expected = Packet::SenderReport { ssrc, ntp, rtp, packets: count, octets, reports: blocks };
            prop_assert_eq!(packets(&out), (vec![expected], Ok(())));
        }

        #[test]
        fn a_nack_is_read_as_it_was_written(mut lost in prop::collection::vec(any::<u16>(), 1..200)) {
            let mut out = Vec::new();
            feedback::write_nack(&mut out, 1, 2, &lost);
            lost.sort();
            lost.dedup();
            let read: Vec<u16> = packets(&out).0.into_iter().flat_map(|packet| match packet {
                Packet::Nack { sender: 1, media: 2, lost } => lost.iter(),
                other => panic!("{other:?}"),
            }).collect();
            prop_assert_eq!(read, lost);
        }

        #[test]
        fn hostile_compounds_never_panic(
            heads in prop::collection::vec(
                (any::<u8>(), 198u8..210, any::<bool>(), prop::collection::vec(any::<u8>(), 0..64)), 1..4),
        ) {
            let mut compound = Vec::new();
            for (flags, kind, honest, body) in heads {
                let words = if honest { body.len() / 4 } else { body.len() };
                compound.extend([0x80 | flags & 0x3F, kind, 0, words as u8]);
                compound.extend(&body[..body.len() / 4 * 4]);
            }
            let _ = packets(&compound);
        }
    }
}
