//! Steps that send authentic RTCP: compounds of any packets, about existing or unknown streams.

use super::Script;
use super::octets::Octets;

/// The maximum octets of a compound: a participant may send more than we do.
const LONGEST: usize = 1_400;

impl Script {
    pub(super) fn rtcp(&mut self, choices: &mut Octets) -> Option<()> {
        let (peer, packets) = (self.peer(choices)?, choices.below(4)? + 1);
        let mut compound = Vec::new();
        for _ in 0..packets {
            self.packet(peer, &mut compound, choices)?;
        }
        compound.truncate(LONGEST);
        if compound.len() >= 8 {
            self.call.peers[peer].outbound.as_mut()?.protect_rtcp(&mut compound);
            self.inject(peer, compound);
        }
        Some(())
    }

    fn packet(&mut self, peer: usize, out: &mut Vec<u8>, choices: &mut Octets) -> Option<()> {
        let (kind, sender, media) = (choices.octet()?, self.ssrc(choices)?, self.ssrc(choices)?);
        let mut body = sender.to_be_bytes().to_vec();
        let (format, packet_type) = match kind % 12 {
            // Generic NACK (RFC 4585 s6.2.1) of what was sent to it, or of anything.
            0..=2 => {
                body.extend(media.to_be_bytes());
                let last = self.call.peers[peer].received.iter().rev().find(|packet| packet.ssrc == media);
                let mut base = last.map_or(0, |packet| packet.sequence).wrapping_sub(u16::from(choices.octet()?));
                let mask = choices.short()?;
                for _ in 0..usize::from(choices.octet()?) {
                    body.extend(base.to_be_bytes());
                    body.extend(mask.to_be_bytes());
                    base = base.wrapping_add(if kind & 0x80 == 0 { 17 } else { 0 });
                }
                (1, 205)
            }
            // Transport-wide feedback: of the numbers that were sent to it, or of any.
            3 | 4 => {
                body.extend(media.to_be_bytes());
                let last = self.call.peers[peer].received.iter().rev().find_map(|packet| packet.transport_cc);
                let base = last.unwrap_or(0).wrapping_sub(u16::from(choices.octet()?));
                body.extend(base.to_be_bytes());
                body.extend(choices.short()?.to_be_bytes());
                body.extend(choices.long()?.to_be_bytes());
                body.extend(choices.some(255)?);
                (15, 205)
            }
            5 => {
                body.extend(media.to_be_bytes());
                (1, 206)
            }
            // FIR (RFC 5104 s4.3.1).
            6 => {
                body.extend([0; 4]);
                for _ in 0..choices.below(40)? {
                    body.extend(self.ssrc(choices)?.to_be_bytes());
                    body.extend([choices.octet()?, 0, 0, 0]);
                }
                (4, 206)
            }
            // Receiver and sender reports with blocks.
            7 | 8 => {
                let is_sender = kind % 12 == 8;
                if is_sender {
                    body.extend(choices.long()?.to_be_bytes());
                    body.extend(choices.long()?.to_be_bytes());
                    body.extend(choices.long()?.to_be_bytes());
                    body.extend([0; 8]);
                }
                let blocks = choices.below(32)?;
                for _ in 0..blocks {
                    body.extend(self.ssrc(choices)?.to_be_bytes());
                    body.extend(choices.long()?.to_be_bytes());
                    body.extend(choices.long()?.to_be_bytes());
                    body.extend([0; 4]);
                    let reports = &self.call.peers[peer].sender_reports;
                    let last = reports.last().map_or(0, |report| report.1.compact());
                    body.extend(if choices.flag()? { last } else { choices.long()? }.to_be_bytes());
                    body.extend(choices.long()?.to_be_bytes());
                }
                (blocks as u8, if is_sender { 200 } else { 201 })
            }
            // REMB, and other messages of an application.
            9 => {
                body.extend([0; 4]);
                body.extend(b"REMB");
                body.extend(choices.some(64)?);
                (15, 206)
            }
            10 => {
                for _ in 0..choices.below(31)? {
                    body.extend(self.ssrc(choices)?.to_be_bytes());
                }
                ((body.len() / 4) as u8, 203)
            }
            _ => {
                body.extend(choices.some(255)?);
                (choices.octet()? & 31, choices.pick(&[200, 201, 202, 203, 204, 205, 206, 207, 192, 208, 223])?)
            }
        };
        body.resize(body.len().next_multiple_of(4), 0);
        let mut words = (body.len() / 4) as u16;
        if kind >= 0xF0 {
            words = choices.short()?;
        }
        out.extend([0x80 | format & 31, packet_type]);
        out.extend(words.to_be_bytes());
        out.extend(body);
        Some(())
    }
}
