//! Extended reports (RFC 3611): the receiver reference time (s4.4), by which a participant that sends no media measures
//! its round trip, and the answer to it (DLRR, s4.5).
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use rtcp_types::{DelaySinceLastReceiverReport, DelaySinceLastReceiverReportBlock, ReceiverReferenceTime, Xr};

use super::compound::Packet;
use super::{append, report};
use crate::discard::Discard;
use crate::time::{Duration, Ntp};

/// Block types (s4).
const REFERENCE_TIME: u8 = 4;
const DELAYS: u8 = 5;

/// How long the peer kept a receiver reference time of ours: one sub-block of a DLRR block.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReferenceDelay {
    /// The SSRC that sent the reference time.
    pub ssrc: u32,
    /// The middle 32 bits of the reference time; 0 if none was received.
    pub last: u32,
    /// In units of 2^-16 s.
    pub delay: u32,
}

impl ReferenceDelay {
    /// The round trip from our reference time to this answer; `None` if it answers none, or no path takes that long.
    pub fn round_trip(&self, now: Ntp) -> Option<Duration> {
        report::round_trip(self.last, self.delay, now)
    }
}

/// Calls `each` for every block. Not by rtcp-types, which takes padding for
/// blocks and refuses most lengths of a DLRR block.
///
/// # Errors
/// `RtcpMalformed` at the first block that does not fit the packet, or has the wrong length for its type.
pub(super) fn parse<'a>(packet: &'a [u8], each: &mut impl FnMut(Packet<'a>)) -> Result<(), Discard> {
    let (&[flags, _, _, _, s0, s1, s2, s3], _) = packet.split_first_chunk().ok_or(Discard::RtcpMalformed)?;
    let padding = if flags & 0x20 == 0 { 0 } else { packet.last().copied().map_or(0, usize::from) };
    let end = packet.len().checked_sub(padding).ok_or(Discard::RtcpMalformed)?;
    let mut rest = packet.get(8..end).ok_or(Discard::RtcpMalformed)?;
    let sender = u32::from_be_bytes([s0, s1, s2, s3]);
    while let Some((&[kind, _, high, low], behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([high, low])) << 2;
        let (content, behind) = behind.split_at_checked(length).ok_or(Discard::RtcpMalformed)?;
        rest = behind;
        match kind {
            REFERENCE_TIME => {
                let ntp = content.try_into().map_err(|_| Discard::RtcpMalformed)?;
                each(Packet::ReferenceTime { sender, ntp: Ntp(u64::from_be_bytes(ntp)) });
            }
            DELAYS => {
                let (words, _) = content.as_chunks::<4>();
                let (delays, odd) = words.as_chunks::<3>();
                if !odd.is_empty() {
                    return Err(Discard::RtcpMalformed);
                }
                for delay in delays {
                    let [ssrc, last, delay] = delay.map(u32::from_be_bytes);
                    each(Packet::ReferenceDelay(ReferenceDelay { ssrc, last, delay }));
                }
            }
            _ => each(Packet::Other),
        }
    }
    if rest.is_empty() { Ok(()) } else { Err(Discard::RtcpMalformed) }
}

/// Appends a receiver reference time: `now` on our clock.
pub fn write_reference_time(out: &mut Vec<u8>, sender: u32, now: Ntp) {
    append(out, &Xr::builder().sender_ssrc(sender).add_block(ReceiverReferenceTime::builder().ntp_timestamp(now.0)));
}

/// Appends the answers to receiver reference times.
pub fn write_reference_delays(out: &mut Vec<u8>, sender: u32, delays: &[ReferenceDelay]) {
    let mut block = DelaySinceLastReceiverReport::builder();
    for delay in delays {
        block = block.add_block(
            DelaySinceLastReceiverReportBlock::builder()
                .ssrc(delay.ssrc)
                .last_receiver_report(delay.last)
                .delay_since_last_receiver_report_timestamp(delay.delay),
        );
    }
    append(out, &Xr::builder().sender_ssrc(sender).add_block(block));
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]
mod tests {
    use super::*;

    /// What is read of a packet with these blocks.
    fn read(blocks: &[u8]) -> (Vec<Packet<'static>>, Result<(), Discard>) {
        let packet: &'static [u8] = [&[0x80, 207, 0, 0, 0, 0, 0, 7], blocks].concat().leak();
        let mut packets = Vec::new();
        let result = parse(packet, &mut |packet| packets.push(packet));
        (packets, result)
    }

    #[test]
    fn a_reference_time_is_written_in_twenty_octets() {
        let mut out = Vec::new();
        write_reference_time(&mut out, 7, Ntp(5 << 32 | 6));
        assert_eq!(out, [0x80, 207, 0, 4, 0, 0, 0, 7, 4, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 6]);
        assert_eq!(read(&out[8..]), (vec![Packet::ReferenceTime { sender: 7, ntp: Ntp(5 << 32 | 6) }], Ok(())));
    }

    #[test]
    fn all_answers_of_a_block_are_read_whatever_blocks_are_around_it() {
        let delays: Vec<_> = (1..4).map(|n| ReferenceDelay { ssrc: n, last: 10 * n, delay: 100 * n }).collect();
        let mut out = Vec::new();
        write_reference_delays(&mut out, 7, &delays);
        let strange = [42, 0, 0, 1, 1, 2, 3, 4];
        let expected =
            [vec![Packet::Other], delays.into_iter().map(Packet::ReferenceDelay).collect(), vec![Packet::Other]];
        assert_eq!(read(&[&strange[..], &out[8..], &strange].concat()), (expected.concat(), Ok(())));
    }

    #[test]
    fn a_block_of_the_wrong_length_is_malformed() {
        let table: [&[u8]; 6] = [
            &[4, 0, 0],
            &[4, 0, 0, 2, 0, 0, 0, 0],
            &[4, 0, 0, 1, 0, 0, 0, 0],
            &[4, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[5, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2],
            &[5, 0, 0xFF, 0xFF, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3],
        ];
        for body in table {
            assert_eq!(read(body), (vec![], Err(Discard::RtcpMalformed)), "{body:?}");
        }
        assert_eq!(read(&[5, 0, 0, 0]), (vec![], Ok(())), "no answers");
    }

    #[test]
    fn the_round_trip_is_what_the_peer_did_not_wait() {
        let sent = Ntp(1_000 << 32);
        let answer = ReferenceDelay { ssrc: 7, last: sent.compact(), delay: 0x4000 };
        let now = Ntp(1_000 << 32 | 0xC000_0000);
        assert_eq!(answer.round_trip(now), Some(Duration::from_millis(500)));
        assert_eq!(ReferenceDelay { last: 0, ..answer }.round_trip(now), None, "it has heard none");
    }
}
