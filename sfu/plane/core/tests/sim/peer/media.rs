//! The media of a simulated participant: the packets of its sources, its retransmissions, and the packets that arrive.

use plane_core::Discard;
use plane_core::codec::Codec;
use plane_core::command::Kind;
use plane_core::rtcp::{feedback, report, twcc};
use plane_core::rtp::elements::{self, Writer};
use plane_core::rtp::extension::Extension;
use plane_core::rtp::header::Header;
use plane_core::time::{Instant, ms};

use super::super::source::Source;
use super::super::uplink;
use super::super::viewer::Request;
use super::super::{Call, H264, OPUS, VP8};
use super::Peer;

/// Bits per second that are kept for audio.
const AUDIO: f64 = 40_000.0;

/// A received media packet, decrypted.
#[derive(Clone, Debug)]
pub struct Received {
    pub at: Instant,
    pub ssrc: u32,
    pub sequence: u16,
    pub timestamp: u32,
    pub marker: bool,
    pub payload_type: u8,
    pub mid: Option<String>,
    pub transport_cc: Option<u16>,
    pub descriptor: Option<Vec<u8>>,
    pub payload: Vec<u8>,
}

impl Peer {
    pub fn publish(&mut self, kind: Kind, mid: &str, rids: &[&str], now: Instant) {
        let base = 1_000 * (self.transport.0 as u32 + 1) + 100 * self.sources.len() as u32;
        if rids.is_empty() {
            self.sources.push(Source::new(kind, mid, None, base, now));
        }
        for (index, rid) in rids.iter().enumerate() {
            self.sources.push(Source::new(kind, mid, Some(rid), base + 10 * index as u32, now));
        }
    }

    /// Its source skips this many numbers.
    pub fn leap(&mut self, source: usize, by: u16) {
        let source = &mut self.sources[source];
        source.sequence = source.sequence.wrapping_add(by);
        *self.indexes.entry(source.ssrc).or_default() += u64::from(by);
    }

    pub(super) fn send_frame(&mut self, index: usize, now: Instant) {
        let report = self.sources[index].next_report <= now;
        if report {
            let source = &mut self.sources[index];
            source.next_report = now + ms(1_000);
            let (ntp, rtp) = source.report(self.clock);
            let report =
                report::SenderReport { ssrc: source.ssrc, ntp, rtp, packets: source.sent, octets: source.sent * 1_000 };
            let mut out = Vec::new();
            report::write_sender_report(&mut out, &report, &[]);
            self.send_rtcp(out);
        }
        for made in self.sources[index].next_frame() {
            if self.swallows.contains(&made.sequence) {
                continue;
            }
            self.allocation = self.sources[index].allocation.take();
            let source = &self.sources[index];
            self.descriptor = source.descriptors.get(&made.sequence).cloned();
            let payload_type = match source.codec {
                Codec::H264 => H264.number,
                Codec::Opus => OPUS.number,
                _ => VP8.number,
            };
            let named = self.names_streams.is_none_or(|packets| source.sent <= packets);
            let mid = if named { source.mid.clone() } else { String::new() };
            let (rid, ssrc) = (source.rid.clone().filter(|_| named), source.ssrc);
            let head = (payload_type, made.marker, made.sequence, made.timestamp, ssrc);
            self.send_rtp(head, &mid, rid.as_deref().map(|rid| (Extension::Rid, rid)), &made.payload);
        }
    }

    /// Head: payload type, marker, sequence number, timestamp, SSRC.
    pub fn send_rtp(
        &mut self,
        (payload_type, marker, sequence, timestamp, ssrc): (u8, bool, u16, u32, u32),
        mid: &str,
        rid: Option<(Extension, &str)>,
        payload: &[u8],
    ) {
        let packet = self.protect((payload_type, marker, sequence, timestamp, ssrc), mid, rid, payload);
        self.outgoing.extend(packet);
    }

    pub fn protect(
        &mut self,
        (payload_type, marker, sequence, timestamp, ssrc): (u8, bool, u16, u32, u32),
        mid: &str,
        rid: Option<(Extension, &str)>,
        payload: &[u8],
    ) -> Option<Vec<u8>> {
        // The rollover counter continues when the sequence number restarts.
        let highest = self.indexes.get(&ssrc).copied().unwrap_or(u64::from(sequence));
        let distance = sequence.wrapping_sub(highest as u16) as i16;
        let index = highest.saturating_add_signed(i64::from(distance));
        self.protect_index((payload_type, marker, timestamp, ssrc), index, mid, rid, payload)
    }

    /// Head: payload type, marker, timestamp, SSRC. `index`: the rollover counter and the sequence number.
    pub fn protect_index(
        &mut self,
        (payload_type, marker, timestamp, ssrc): (u8, bool, u32, u32),
        index: u64,
        mid: &str,
        rid: Option<(Extension, &str)>,
        payload: &[u8],
    ) -> Option<Vec<u8>> {
        let highest = self.indexes.entry(ssrc).or_insert(index);
        *highest = index.max(*highest);
        let sequence = index as u16;
        let ids = Call::extensions();
        let id = |extension| ids.id(extension).expect("the simulation speaks it");
        let mut packet = vec![0; 1_500];
        packet[0] = 0x90;
        packet[1] = payload_type | if marker { 0x80 } else { 0 };
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
        packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
        let mut writer = Writer::new(&mut packet[12..], false);
        if !mid.is_empty() {
            writer.element(id(Extension::Mid), mid.as_bytes());
        }
        if let Some((extension, rid)) = rid {
            writer.element(id(extension), rid.as_bytes());
        }
        writer.element(id(Extension::TransportCc), &self.transport_sequence.to_be_bytes());
        if payload_type == OPUS.number {
            writer.element(id(Extension::AudioLevel), &[self.level]);
        }
        if let Some(allocation) = self.allocation.take() {
            writer.element(id(Extension::VideoLayersAllocation), &allocation);
        }
        if let Some(descriptor) = self.descriptor.take() {
            writer.element(id(Extension::DependencyDescriptor), &descriptor);
        }
        if let Some(uplink) = &mut self.uplink {
            uplink.note_sent(self.transport_sequence, payload.len() + 60, self.now);
        }
        self.transport_sequence = self.transport_sequence.wrapping_add(1);
        let header = 12 + writer.finish();
        packet[header..header + payload.len()].copy_from_slice(payload);
        let outbound = self.outbound.as_mut()?;
        let length = outbound.protect_rtp(&mut packet, header, header + payload.len(), ssrc, index);
        packet.truncate(length);
        Some(packet)
    }

    /// The highest packet index it has sent of an SSRC.
    pub fn highest_index(&self, ssrc: u32) -> Option<u64> {
        self.indexes.get(&ssrc).copied()
    }

    /// Records that a test has sent this index itself.
    pub fn note_index(&mut self, ssrc: u32, index: u64) {
        self.indexes.insert(ssrc, index);
    }

    /// Skips this many transport-wide numbers, as if the packets had been lost.
    pub fn skip_numbers(&mut self, count: u16) {
        self.transport_sequence = self.transport_sequence.wrapping_add(count);
    }

    pub(super) fn handle_rtp(&mut self, datagram: &mut [u8], now: Instant) {
        let inbound = self.inbound.as_mut().expect("media comes after the handshake");
        let header = Header::parse(datagram).expect("the server's header is well formed");
        let length = match inbound.unprotect_rtp(datagram, &header) {
            Ok(length) => length,
            // A retransmission without RTX of a packet that was not lost. The audit checks that they are identical.
            Err(Discard::SrtpReplay) => {
                self.replayed += 1;
                return;
            }
            Err(why) => panic!("the server's packet is not authentic: {why:?}"),
        };
        let packet = &datagram[..length];
        self.note_plaintext(packet, now);
        let extensions = elements::read(&Call::extensions(), &header, packet).expect("its extensions are well formed");
        if let Some(number) = extensions.transport_cc {
            self.unreported.push((number, now));
        }
        let end = header.payload_end(packet).expect("its padding is well formed");
        let is_probe = header.padding && end == header.length;
        let received = Received {
            at: now,
            ssrc: header.ssrc,
            sequence: header.sequence,
            timestamp: header.timestamp,
            marker: header.marker,
            payload_type: header.payload_type,
            mid: extensions.mid.map(String::from),
            transport_cc: extensions.transport_cc,
            descriptor: extensions.dependency_descriptor.map(Vec::from),
            payload: packet[header.length..end].to_vec(),
        };
        self.counted.entry(header.ssrc).or_insert((header.sequence, 0)).1 += 1;
        let expected = self.expected.entry(header.ssrc).or_insert(header.sequence);
        let ahead = header.sequence.wrapping_sub(*expected);
        if ahead < 0x8000 {
            let lost: Vec<u16> = (0..ahead).map(|offset| expected.wrapping_add(offset)).collect();
            *expected = header.sequence.wrapping_add(1);
            if !lost.is_empty() && self.asks_for_losses && self.viewer.is_none() {
                let mut out = Vec::new();
                feedback::write_nack(&mut out, 1, header.ssrc, &lost);
                self.send_rtcp(out);
            }
        }
        if let Some(viewer) = &mut self.viewer {
            viewer.handle_packet(&received, now);
            self.view(now);
        } else if is_probe {
            self.probes += 1;
        } else {
            self.received.push(received);
        }
    }

    /// Sends what its viewer asks for.
    pub(super) fn view(&mut self, now: Instant) {
        while let Some(request) = self.viewer.as_mut().and_then(|viewer| viewer.poll_request(now)) {
            let mut out = Vec::new();
            match request {
                Request::Nack(ssrc, lost) => feedback::write_nack(&mut out, 1, ssrc, &lost),
                Request::Keyframe(ssrc) => feedback::write_pli(&mut out, 1, ssrc),
                Request::Arrivals(..) if !self.sends_feedback => {}
                Request::Arrivals(reference, base, deltas) => {
                    twcc::write_feedback(&mut out, 1, 1, self.feedback_count, reference, base, &deltas);
                    self.feedback_count = self.feedback_count.wrapping_add(1);
                    self.last_arrivals.clone_from(&out);
                }
                Request::Report => self.report_reception(&mut out, now),
            }
            if !out.is_empty() {
                self.send_rtcp(out);
            }
        }
    }

    /// Sets the rates of its simulcast encodings to its estimate.
    pub fn adapt(&mut self, now: Instant) {
        let Some(uplink) = &self.uplink else { return };
        let rates = uplink::simulcast(uplink.for_media(now) - AUDIO);
        let encodings = self.sources.iter_mut().filter(|source| source.encoder.is_some());
        for (source, rate) in encodings.zip(rates) {
            if let Some(encoder) = source.encoder.as_mut().filter(|_| rate > 0) {
                encoder.rate = rate;
            }
            if rate > 0 && !source.active {
                source.next_frame = now;
                source.keyframe_wanted = true;
            }
            source.active = rate > 0;
        }
    }

    pub(super) fn retransmit(&mut self, media: u32, lost: Vec<u16>, now: Instant) {
        self.nacks.push((media, lost.clone(), now));
        let Some(index) = self.sources.iter().position(|source| source.ssrc == media) else { return };
        for sequence in lost {
            if self.refuses.contains(&sequence) {
                continue;
            }
            let source = &mut self.sources[index];
            let Some((timestamp, marker, payload)) = source.history.get(&sequence).cloned() else { continue };
            let octets = payload.len();
            if self.uplink.as_mut().is_some_and(|uplink| !uplink.may_retransmit((media, sequence), octets, now)) {
                continue;
            }
            let mut wrapped = sequence.to_be_bytes().to_vec();
            wrapped.extend(payload);
            let head = (97, marker, source.rtx_sequence, timestamp, source.rtx_ssrc);
            source.rtx_sequence += 1;
            let (mut mid, mut rid) = (source.mid.clone(), source.rid.clone());
            if !self.names_repairs {
                (mid, rid) = (String::new(), None);
            }
            self.descriptor = source.descriptors.get(&sequence).cloned();
            self.send_rtp(head, &mid, rid.as_deref().map(|rid| (Extension::RepairedRid, rid)), &wrapped);
        }
    }

    /// The packets received for one SSRC.
    pub fn stream(&self, ssrc: u32) -> Vec<&Received> {
        self.received.iter().filter(|packet| packet.ssrc == ssrc).collect()
    }
}
