//! The RTCP of a simulated participant: its reports and transport-wide feedback, and what the server sends.

use std::hash::{DefaultHasher, Hash, Hasher};

use plane_core::rtcp::compound::{self, Packet};
use plane_core::rtcp::{report, twcc, xr};
use plane_core::time::{Instant, ms};

use super::Peer;

/// Received transport-wide feedback.
#[derive(Clone, Debug)]
pub struct Reported {
    /// In units of 64 ms.
    pub reference: i32,
    /// By number: the time since the previous arrival, in units of 250 us. None: not arrived.
    pub packets: Vec<(u16, Option<i16>)>,
}

impl Reported {
    fn new(feedback: &twcc::Feedback<'_>) -> Self {
        Self { reference: feedback.reference, packets: feedback.packets().collect() }
    }
}

impl Peer {
    pub fn send_rtcp(&mut self, mut compound: Vec<u8>) {
        if let Some(outbound) = &mut self.outbound {
            outbound.protect_rtcp(&mut compound);
            self.outgoing.push_back(compound);
        }
    }

    pub(super) fn handle_rtcp(&mut self, datagram: &mut [u8], now: Instant) {
        let inbound = self.inbound.as_mut().expect("RTCP comes after the handshake");
        let mut hasher = DefaultHasher::new();
        datagram.hash(&mut hasher);
        // The network may duplicate a datagram. The server never uses an index for two packets.
        if !self.compounds_seen.insert(hasher.finish()) {
            return;
        }
        let length = inbound.unprotect_rtcp(datagram).expect("the server's RTCP is authentic, and new");
        self.note_plaintext(&datagram[..length], now);
        self.compounds.push_back(datagram[..length].to_vec());
        self.compounds.truncate(100);
        let mut packets = Vec::new();
        compound::parse(&datagram[..length], |packet| packets.push(packet)).expect("its RTCP is well formed");
        for packet in packets {
            match packet {
                Packet::SenderReport { ssrc, ntp, rtp, .. } => {
                    self.sender_reports.push((ssrc, ntp, rtp, now));
                    self.last_reports.insert(ssrc, (ntp.compact(), now));
                }
                Packet::Pli { media } => {
                    self.plis.push((media, now));
                    for source in self.sources.iter_mut().filter(|source| source.ssrc == media) {
                        source.keyframe_wanted = true;
                    }
                }
                Packet::Nack { media, lost, .. } => self.retransmit(media, lost.iter().collect(), now),
                Packet::TransportFeedback(feedback) => {
                    let reported = Reported::new(&feedback);
                    if let Some(uplink) = &mut self.uplink {
                        uplink.handle_feedback(&reported, now);
                        self.adapt(now);
                    }
                    self.feedback.push(reported);
                }
                Packet::ReferenceTime { sender, ntp } => self.references.push((sender, ntp.compact(), now)),
                Packet::Bye { ssrcs } => self.byes.extend(ssrcs),
                _ => {}
            }
        }
    }

    /// Writes a receiver report.
    pub(super) fn report_reception(&mut self, out: &mut Vec<u8>, now: Instant) {
        let mut blocks = Vec::new();
        for (&ssrc, &(last_sr, at)) in &self.last_reports {
            let (Some(next), Some(&(first, came))) = (self.expected.get(&ssrc), self.counted.get(&ssrc)) else {
                continue;
            };
            let expected = i32::from(next.wrapping_sub(first));
            let before = self.reported.insert(ssrc, (expected, came as i32)).unwrap_or_default();
            let (due, lost) = (expected - before.0, expected - before.0 - (came as i32 - before.1));
            blocks.push(report::ReportBlock {
                ssrc,
                fraction_lost: if due > 0 { (lost.max(0) * 256 / due).min(255) as u8 } else { 0 },
                cumulative_lost: expected - came as i32,
                highest: u32::from(next.wrapping_sub(1)),
                jitter: 0,
                last_sr,
                delay_since_last_sr: ((now - at).as_secs_f64() * 65_536.0) as u32,
            });
        }
        if !blocks.is_empty() {
            report::write_receiver_report(out, 1, &blocks);
        }
        let references = std::mem::take(&mut self.references);
        if self.answers_references && !references.is_empty() {
            let delay = |at: Instant| ((now - at).as_secs_f64() * 65_536.0) as u32;
            let delays = references.iter().map(|&(ssrc, last, at)| xr::ReferenceDelay { ssrc, last, delay: delay(at) });
            xr::write_reference_delays(out, 1, &delays.collect::<Vec<_>>());
        }
    }

    /// Sends receiver reports and transport-wide feedback.
    pub(super) fn report(&mut self, now: Instant) {
        let mut out = Vec::new();
        self.report_reception(&mut out, now);
        let arrived = std::mem::take(&mut self.unreported);
        if let (Some(&(base, first)), true) = (arrived.first(), self.sends_feedback) {
            let reference = ((first - self.origin).as_millis() / 64) as i32;
            let mut previous = self.origin + ms(reference as u64 * 64);
            let mut deltas = Vec::new();
            for (number, at) in arrived {
                let place = usize::from(number.wrapping_sub(base));
                // A late one: it was reported as lost.
                if place < deltas.len() || place >= 1 << 15 {
                    continue;
                }
                deltas.resize(place, None);
                let delta = (at.saturating_duration_since(previous).as_micros() / 250) as i16;
                previous += plane_core::time::Duration::from_micros(250) * delta as u32;
                deltas.push(Some(delta));
            }
            twcc::write_feedback(&mut out, 1, 1, self.feedback_count, reference, base, &deltas);
            self.feedback_count = self.feedback_count.wrapping_add(1);
        }
        if !out.is_empty() {
            self.send_rtcp(out);
        }
    }
}
