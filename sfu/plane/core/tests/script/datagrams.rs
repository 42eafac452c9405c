//! Steps that send: media, connectivity checks, DTLS, SCTP, messages, and random octets.

use plane_core::command::{ChannelSpec, Path, Reliability};
use plane_core::id::ChannelId;
use plane_core::rtp::extension::Extension;
use plane_core::rtp::header::Header;
use plane_core::time::ms;

use super::octets::Octets;
use super::{Script, Sent};
use crate::sim::Call;
use crate::sim::source::{h264, vp8};

/// The steps between two sequence numbers. A larger step than the last would break a rollover counter.
const AHEAD: [u64; 12] = [1, 1, 1, 1, 1, 2, 3, 17, 100, 999, 5_000, 0x7FFF];
/// RFC 8285 s4.3.
const TWO_BYTE: u16 = 0x1000;
const MIDS: [&str; 7] = ["0", "1", "2", "3", "r5", "", "a-mid-that-nobody-has-declared-anywhere"];
const RIDS: [&str; 6] = ["q", "h", "f", "x", "", "a-rid-of-more-than-sixteen-octets"];
const LABELS: [&str; 4] = ["chat", "sfu-reliable", "", "lossy"];

impl Script {
    /// An authentic media packet of any content.
    pub(super) fn rtp(&mut self, choices: &mut Octets) -> Option<()> {
        let (peer, ssrc) = (self.peer(choices)?, self.ssrc(choices)?);
        let payload_type = choices.pick(&[96, 97, 102, 103, 98, 100, 45, 49, 111, 63, 0, 121])?;
        let shape = choices.octet()?;
        let (ahead, later) = (choices.octet()?, choices.pick(&[0, 0, 960, 3_000, 90_000, 0x8000_0000, u32::MAX - 5])?);
        let extension = if shape & 1 == 1 { self.elements(choices)? } else { Vec::new() };
        let payload = self.payload(choices)?;
        let index = self.next_index(peer, ssrc, ahead);
        let sent = self.sent.entry((peer, ssrc)).or_default();
        sent.timestamp = sent.timestamp.wrapping_add(later);

        let mut packet = vec![0x80 | (shape & 1) << 4, payload_type | shape & 0x80];
        packet.extend((index as u16).to_be_bytes());
        packet.extend(sent.timestamp.to_be_bytes());
        packet.extend(ssrc.to_be_bytes());
        if shape & 0x0E == 0x0E {
            packet[0] |= 2;
            packet.extend([0, 0, 0, 1, 0, 0, 0, 2]);
        }
        packet.extend(extension);
        packet.extend(payload);
        if shape & 0x70 == 0x70 {
            packet[0] |= 0x20;
            packet.push(choices.octet()?);
        }
        let length = packet.len();
        let header = Header::parse(&packet).map_or(12, |header| header.length);
        packet.resize(length + 16, 0);
        let protected = self.call.peers[peer].outbound.as_mut()?.protect_rtp(&mut packet, header, length, ssrc, index);
        packet.truncate(protected);
        self.inject(peer, packet);
        Some(())
    }

    /// The next index of an SSRC, or one that was skipped before. None is used twice.
    fn next_index(&mut self, peer: usize, ssrc: u32, choice: u8) -> u64 {
        let other = self.call.peers[peer].highest_index(ssrc);
        let sent: &mut Sent = self.sent.entry((peer, ssrc)).or_default();
        let highest = sent.highest.max(other);
        if choice >= 0xC0
            && let Some(hole) = sent.holes.pop()
        {
            return hole;
        }
        let ahead = AHEAD[usize::from(choice) % AHEAD.len()];
        let next = highest.map_or(u64::from(choice) << 6, |highest| highest + ahead);
        if let Some(highest) = highest {
            sent.holes.extend((highest + 1..next).rev().take(32));
            sent.holes.drain(..sent.holes.len().saturating_sub(64));
        }
        sent.highest = Some(next);
        // Packets sent like a browser's continue after it.
        for source in &mut self.call.peers[peer].sources {
            if source.ssrc == ssrc {
                source.sequence = (next as u16).wrapping_add(1);
            }
            if source.rtx_ssrc == ssrc {
                source.rtx_sequence = (next as u16).wrapping_add(1);
            }
        }
        self.call.peers[peer].note_index(ssrc, next);
        next
    }

    /// A block of header extensions: ours with valid or random values, or random octets.
    fn elements(&mut self, choices: &mut Octets) -> Option<Vec<u8>> {
        let which = choices.short()?;
        let mut block = Vec::new();
        if which & 0xE000 == 0xE000 {
            block.extend(choices.some(64)?);
        } else {
            let map = Call::extensions();
            let mut element = |extension, value: &[u8]| {
                if let Some(id) = map.id(extension) {
                    block.extend([id, value.len() as u8]);
                    block.extend(value);
                }
            };
            if which & 1 == 1 {
                element(Extension::Mid, choices.pick(&MIDS)?.as_bytes());
            }
            if which & 2 == 2 {
                element(Extension::Rid, choices.pick(&RIDS)?.as_bytes());
            }
            if which & 4 == 4 {
                element(Extension::RepairedRid, choices.pick(&RIDS)?.as_bytes());
            }
            if which & 8 == 8 {
                element(Extension::TransportCc, &choices.short()?.to_be_bytes());
            }
            if which & 16 == 16 {
                element(Extension::AudioLevel, &[choices.octet()?]);
            }
            if which & 32 == 32 {
                element(Extension::DependencyDescriptor, choices.some(64)?);
            }
            if which & 64 == 64 {
                element(Extension::VideoLayersAllocation, choices.some(32)?);
            }
            if which & 128 == 128 {
                element(Extension::AbsSendTime, choices.some(4)?);
            }
        }
        let profile = if which & 0xF000 == 0xF000 { 0xBEDE } else { TWO_BYTE };
        block.resize(block.len().next_multiple_of(4), 0);
        let words = (block.len() / 4) as u16;
        Some([&profile.to_be_bytes()[..], &words.to_be_bytes(), &block].concat())
    }

    fn payload(&mut self, choices: &mut Octets) -> Option<Vec<u8>> {
        let kind = choices.octet()?;
        let mut payload = match kind & 7 {
            0 | 1 => vp8(choices.short()? & 0x7FFF, kind & 8 == 0, kind & 16 == 0),
            2 => h264(choices.below(4)?, kind & 16 == 0),
            // RTX: of a number near what the sources have sent.
            3 => [&choices.short()?.to_be_bytes()[..], &vp8(u16::from(kind), true, true)].concat(),
            _ => return Some(choices.some(255)?.to_vec()),
        };
        // Some octets of it are others.
        let changed = choices.some(12)?;
        let length = payload.len().min(32);
        for pair in changed.chunks_exact(2) {
            payload[usize::from(pair[0]) % length] = pair[1];
        }
        if kind & 32 == 32 {
            payload.truncate(usize::from(choices.octet()?));
        }
        Some(payload)
    }

    /// A connectivity check, from the peer's address or from another one.
    pub(super) fn stun(&mut self, choices: &mut Octets) -> Option<()> {
        let (index, kind, priority) =
            (self.peer(choices)?, choices.octet()?, choices.pick(&[1, 1_000, 2_000, u32::MAX])?);
        let peer = &self.call.peers[index];
        let mut check = peer.check_as(kind & 1 == 1, priority, &peer.server_pwd);
        let mut path = peer.path;
        if kind & 6 == 6 {
            // The same port: the audit knows the peer by it.
            path.remote.set_ip([203, 0, 113, 1 + (kind >> 6)].into());
        }
        if kind & 24 == 24 {
            let (at, octet) = (usize::from(choices.octet()?), choices.octet()?);
            let at = at % check.len();
            check[at] ^= octet;
        } else if kind & 32 == 32 {
            self.call.peers[index].path = path;
        }
        let _ = self.call.inject(path, check);
        Some(())
    }

    /// A record of any content, or close_notify.
    pub(super) fn dtls(&mut self, choices: &mut Octets) -> Option<()> {
        let (peer, kind) = (self.peer(choices)?, choices.octet()?);
        if kind < 8 {
            let now = self.call.now;
            self.call.peers[peer].dtls.close();
            self.call.peers[peer].pump(now);
            self.run(ms(6));
            return Some(());
        }
        let body = choices.some(255)?;
        let mut record = vec![20 + kind % 44];
        if kind & 0x40 == 0x40 {
            record.extend([254, 253, 0, kind >> 7, 0, 0, 0, 0, 0, kind, 0, body.len() as u8]);
        }
        record.extend(body);
        self.inject(peer, record);
        Some(())
    }

    /// An SCTP packet of any chunks, with a valid tag and checksum.
    pub(super) fn sctp(&mut self, choices: &mut Octets) -> Option<()> {
        let (peer, kind) = (self.peer(choices)?, choices.octet()?);
        let mut packet = self.call.peers[peer].sctp_header.to_vec();
        packet.extend([0; 4]);
        for _ in 0..kind % 4 {
            let (chunk, flags, body) = (choices.octet()?, choices.octet()?, choices.some(255)?);
            // All of RFC 9260, re-configuration (RFC 6525), FORWARD-TSN (RFC 3758), I-DATA (RFC 8260), or any.
            let chunk = if chunk < 0x80 {
                [0, 1, 2, 3, 4, 6, 7, 9, 10, 11, 13, 14, 64, 130, 192, 194][usize::from(chunk) % 16]
            } else {
                chunk
            };
            let length = (body.len() + 4) as u16;
            packet.extend([chunk, flags]);
            packet.extend(length.to_be_bytes());
            packet.extend(body);
            packet.resize(packet.len().next_multiple_of(4), 0);
        }
        if kind & 0xE0 == 0xE0 {
            packet.extend(choices.some(64)?);
        }
        let checksum = crc32c(&packet);
        packet[8..12].copy_from_slice(&checksum.to_le_bytes());
        let now = self.call.now;
        self.call.peers[peer].dtls.send(&packet);
        self.call.peers[peer].pump(now);
        self.run(ms(6));
        Some(())
    }

    /// A peer opens or closes a channel, or sends a message.
    pub(super) fn message(&mut self, choices: &mut Octets) -> Option<()> {
        let (peer, kind) = (self.peer(choices)?, choices.octet()?);
        let (transport, now) = (self.call.peers[peer].transport, self.call.now);
        let data = self.call.peers[peer].data.as_mut()?;
        let own = ChannelId(u64::from(kind >> 4) % 6 + 7);
        match kind & 7 {
            0 | 1 => {
                let spec = ChannelSpec {
                    id: own,
                    transport: Some(transport),
                    label: choices.pick(&LABELS)?.into(),
                    protocol: String::new(),
                    ordered: choices.flag()?,
                    reliability: reliability(choices)?,
                    remote: false,
                };
                data.open(&spec, None, now);
            }
            2 => data.close(own, now),
            _ => {
                let name = choices.pick(&["", "server", "PA_0", "PA_1", "nobody"])?;
                let body = choices.some(255)?;
                let long = if kind & 8 == 8 { 70_000 } else { 0 };
                let message = [&[name.len() as u8], name.as_bytes(), body, &vec![b'x'; long]].concat();
                let _ = data.send(own, &message, choices.flag()?, now);
            }
        }
        self.call.peers[peer].pump(now);
        self.run(ms(12));
        Some(())
    }

    /// Octets from a peer's address, or from an unknown one.
    pub(super) fn anything(&mut self, choices: &mut Octets) -> Option<()> {
        let (peer, stranger) = (self.peer(choices)?, choices.flag()?);
        let mut path: Path = self.call.path(peer);
        if stranger {
            path.remote.set_ip([203, 0, 113, 99].into());
        }
        let _ = self.call.inject(path, choices.some(255)?.to_vec());
        Some(())
    }

    pub(super) fn inject(&mut self, peer: usize, datagram: Vec<u8>) {
        let _ = self.call.inject(self.call.path(peer), datagram);
    }
}

pub(super) fn reliability(choices: &mut Octets) -> Option<Reliability> {
    choices.pick(&[Reliability::Reliable, Reliability::Retransmits(0), Reliability::Lifetime(100)])
}

/// RFC 9260, appendix A.
fn crc32c(octets: &[u8]) -> u32 {
    let fold = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0x82F6_3B78 } else { crc >> 1 };
    !octets.iter().fold(!0, |crc, &octet| (0..8).fold(crc ^ u32::from(octet), |crc, _| fold(crc)))
}
