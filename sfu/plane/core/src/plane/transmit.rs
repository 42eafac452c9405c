//! From the queues of one transport into the batch: written, numbered and encrypted as it leaves.

use super::Plane;
use crate::batch::{Batch, MAX_DATAGRAM};
use crate::command::Path;
use crate::discard::Discard;
use crate::rtcp::report;
use crate::rtp::extension::Extension;
use crate::send::{Outgoing, packet};
use crate::time::{Instant, Ntp};
use crate::transport::Queued;

/// Packets of a frame whose sizes differ by less are padded to one size (RFC 3550 s5.1), so that they leave as one
/// segmented send. libwebrtc: rtp_format.cc, SplitAboutEqually makes the last packets of a frame one octet larger.
const MAX_PADDING: usize = 16;
/// What is taken from the pacer at once.
const CHUNK: usize = 64;
/// The P bit of the first octet (RFC 3550 s5.1).
const PADDING: u8 = 1 << 5;

impl Plane {
    /// Everything the transport may send now. False: the batch is full, and there is more.
    pub(super) fn transmit(&mut self, key: usize, batch: &mut Batch, now: Instant) -> bool {
        let Some(transport) = self.transports.get_mut(key) else { return true };
        while let Some((path, datagram)) = transport.control.front() {
            if !batch.has_room(MAX_DATAGRAM) {
                return false;
            }
            batch.copy(*path, datagram);
            transport.control.pop_front();
        }
        let (Some(path), true) = (transport.agent.selected(), transport.sends_media()) else { return true };
        while !transport.rtcp.is_empty() {
            if !batch.has_room(MAX_DATAGRAM) {
                return false;
            }
            if let (Some(mut compound), Some(srtp)) = (transport.rtcp.pop_front(), &mut transport.srtp) {
                srtp.outbound.protect_rtcp(&mut compound);
                batch.copy(path, &compound);
            }
        }
        let mut leaving = std::mem::take(&mut self.leaving);
        let ntp = self.config.wall_clock.ntp(now);
        let all = loop {
            while leaving.len() < CHUNK && batch.has_room((leaving.len() + 1) * MAX_DATAGRAM) {
                match self.transports[key].pacer.pop(now) {
                    Some(item) => leaving.push(item),
                    None => break,
                }
            }
            if leaving.is_empty() {
                break batch.has_room(MAX_DATAGRAM) || self.transports[key].pacer.is_empty();
            }
            self.write(key, path, &leaving, batch, ntp, now);
            leaving.clear();
        };
        self.leaving = leaving;
        all
    }

    fn write(&mut self, key: usize, path: Path, leaving: &[Queued], batch: &mut Batch, ntp: Ntp, now: Instant) {
        for (index, item) in leaving.iter().enumerate() {
            match item {
                Queued::Media { slot, outgoing } => {
                    let padding = self.padding(outgoing, &leaving[index + 1..]);
                    self.write_media(key, *slot, outgoing, padding, path, batch, ntp, now);
                }
                Queued::Sctp(sctp) => {
                    let transport = &mut self.transports[key];
                    transport.dtls.send(sctp);
                    while let Some(record) = transport.dtls.poll_transmit() {
                        batch.copy(path, &record);
                    }
                }
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn write_media(
        &mut self,
        key: usize,
        slot: usize,
        outgoing: &Outgoing,
        padding: usize,
        path: Path,
        batch: &mut Batch,
        ntp: Ntp,
        now: Instant,
    ) {
        let (Some(cached), Some(placed)) = (self.cached(outgoing), self.slots.get(slot)) else {
            return self.stats.discard(Discard::CacheMiss);
        };
        let spec = &placed.slot.spec;
        let out = batch.space();
        if packet::most_octets(spec, cached) + padding > MAX_DATAGRAM {
            return self.stats.discard(Discard::Truncated);
        }
        let transport_sequence =
            spec.extensions.id(Extension::TransportCc).map(|_| self.transports[key].transport_sequence);
        // The middle 24 bits: 6 of seconds, 18 of a fraction.
        let abs_send_time = (ntp.0 >> 14) as u32 & 0x00FF_FFFF;
        let (header, mut length) = packet::write(out, spec, outgoing, cached, transport_sequence, abs_send_time);
        if padding > 0 {
            out[0] |= PADDING;
            out[length..length + padding].fill(0);
            length += padding;
            out[length - 1] = padding as u8;
        }
        let transport = &mut self.transports[key];
        let Some(srtp) = &mut transport.srtp else { return };
        let length = srtp.outbound.protect_rtp(out, header, length, outgoing.ssrc, outgoing.seq.0);
        if length == 0 {
            return self.stats.discard(Discard::TooLate);
        }
        if transport_sequence.is_some() {
            transport.transport_sequence = transport.transport_sequence.wrapping_add(1);
            transport.consent.sent_with_feedback(now);
        }
        batch.push(path, length);
        match outgoing.retransmission {
            Some(_) => self.stats.packets_retransmitted += 1,
            None => self.stats.packets_forwarded += 1,
        }
    }

    /// How much smaller the packet is than the largest that follows it in its frame, if it is a little.
    fn padding(&self, outgoing: &Outgoing, rest: &[Queued]) -> usize {
        let octets = |outgoing: &Outgoing| self.cached(outgoing).map_or(0, |cached| cached.payload.len());
        let of_frame = rest.iter().map_while(|item| match item {
            Queued::Media { outgoing: next, .. }
                if next.ssrc == outgoing.ssrc && next.timestamp == outgoing.timestamp =>
            {
                Some(octets(next))
            }
            _ => None,
        });
        let own = octets(outgoing);
        of_frame.map(|next| next.saturating_sub(own)).filter(|&more| more < MAX_PADDING).max().unwrap_or(0)
    }

    pub(super) fn transmit_farewells(&mut self, batch: &mut Batch) {
        while batch.has_room(MAX_DATAGRAM)
            && let Some((path, datagram)) = self.farewells.pop()
        {
            batch.copy(path, &datagram);
        }
    }

    /// BYE (RFC 3550 s6.6) and close_notify of a transport that is about to go.
    pub(super) fn farewell(&mut self, key: usize) -> Vec<(Path, Vec<u8>)> {
        let transport = &mut self.transports[key];
        let mut datagrams: Vec<_> = transport.control.drain(..).collect();
        let (Some(path), true) = (transport.agent.selected(), transport.sends_media()) else { return datagrams };
        transport.dtls.close();
        transport.flush_dtls(path);
        if let Some(srtp) = &mut transport.srtp {
            let sources: Vec<u32> = transport.slots.iter().map(|&slot| self.slots[slot].slot.spec.ssrc).collect();
            let mut compound = Vec::new();
            report::write_receiver_report(&mut compound, transport.ssrc, &[]);
            report::write_sdes_cname(&mut compound, transport.ssrc, &transport.cname);
            report::write_bye(&mut compound, &sources[..sources.len().min(31)]);
            srtp.outbound.protect_rtcp(&mut compound);
            datagrams.push((path, compound));
        }
        datagrams.extend(transport.control.drain(..));
        // Taken from the end.
        datagrams.reverse();
        datagrams
    }
}
