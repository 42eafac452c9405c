//! Moves packets from the queues of one transport into the batch: writes, numbers and encrypts each as it leaves.

use super::Plane;
use super::arena::Arena;
use super::published::Published;
use crate::batch::{Batch, Full};
use crate::broken::{Broken, contain};
use crate::bwe;
use crate::capture::{Capture, Direction};
use crate::command::{Kind, Path};
use crate::discard::Discard;
use crate::limits::{ANY_DATAGRAM, DATAGRAM, SRTCP_OVERHEAD};
use crate::rtcp::report;
use crate::rtp::extension::Extension;
use crate::send::redundancy::{self, Earlier};
use crate::send::{Cached, Outgoing, Patch, Slot, Transmission, Varied, packet};
use crate::srtp::context::Outbound;
use crate::stats::Stats;
use crate::time::{Instant, Ntp};
use crate::trace::packet_event;
use crate::transport::{Queued, Transport};

/// Packets of a frame whose sizes differ by less are padded to one size (RFC 3550 s5.1), so that they leave as one
/// segmented send. libwebrtc: rtp_format.cc, SplitAboutEqually makes the last packets of a frame one octet larger.
const MAX_PADDING: usize = 16;
/// Most packets that are taken from the pacer at a time.
const CHUNK: usize = 64;
/// The P bit of the first octet (RFC 3550 s5.1).
const PADDING: u8 = 1 << 5;

impl Plane {
    /// Sends everything that the transport may send now. Returns false if the batch is full and there is more.
    pub(super) fn transmit(&mut self, key: usize, batch: &mut Batch, now: Instant) -> bool {
        let transport = self.transports.sending(key);
        // Twice: a datagram that waits for a proof of its address causes a request, and that may leave at once.
        for _ in 0..2 {
            loop {
                if !batch.has_room(ANY_DATAGRAM) {
                    return false;
                }
                let Some((path, datagram)) = transport.poll_control(now) else { break };
                let _ = copy(batch, path, &datagram, &mut self.stats);
            }
            if !transport.ask_for_what_waits(now) {
                break;
            }
        }
        if transport.sending.poll_used_up() {
            self.hold(key);
            return true;
        }
        let (Some(path), true) = (transport.agent.selected(), transport.sends_media()) else { return true };
        while let (Some(compound), Some(srtp)) = (transport.rtcp.front_mut(), &mut transport.srtp) {
            // The number is taken only when the compound is certain to leave.
            if !batch.has_room(compound.len() + SRTCP_OVERHEAD) {
                return false;
            }
            if !transport.sending.is_allowed() {
                break;
            }
            if let Some(capture) = &mut self.capture {
                capture.packet(transport.id, Direction::Out, &path, compound, now);
            }
            if srtp.outbound.protect_rtcp(compound) {
                transport.sending.spend(compound.len());
                if copy(batch, path, compound, &mut self.stats) == Err(Full) {
                    return false;
                }
            }
            transport.rtcp.pop_front();
        }
        if transport.link.poll_open(now) {
            self.begin_slots(key, now);
        }
        let mut room = self.transports.sending(key).link.room_of(path.link);
        let mut leaving = std::mem::take(&mut self.leaving);
        let ntp = self.config.wall_clock.ntp(now);
        let all = loop {
            while leaving.len() < CHUNK && batch.has_room((leaving.len() + 1) * ANY_DATAGRAM) {
                let pacer = &mut self.transports.sending(key).pacer;
                let before = pacer.queued();
                let item = if room > 0 { pacer.pop(now) } else { pacer.pop_audio() };
                room = room.saturating_sub(before - pacer.queued());
                if item.is_none() && room > 0 {
                    let Some(probe) = self.poll_probe(key, now) else { break };
                    room = room.saturating_sub(DATAGRAM);
                    leaving.push(probe);
                    continue;
                }
                let Some(item) = item else { break };
                leaving.push(item);
            }
            if leaving.is_empty() {
                break batch.has_room(ANY_DATAGRAM) || self.transports[key].pacer.is_empty();
            }
            let written = contain(|| self.write(key, path, &leaving, batch, ntp, now));
            leaving.clear();
            self.transports.sending(key).prober.flushed();
            if let Err(Broken(why)) = written {
                let _ = self.break_transport::<()>(key, why);
                self.discard(key, Discard::InvariantBroken, 1);
                break true;
            }
        };
        self.leaving = leaving;
        self.end_if_broken(key);
        if path.link.is_tcp() {
            self.sent_over_tcp(key, room, all, now);
        }
        if self.transports.sending(key).sending.poll_used_up() {
            self.hold(key);
            return true;
        }
        all
    }

    /// Writes packets into the batch. It changes only its own transport.
    fn write(&mut self, key: usize, path: Path, leaving: &[Queued], batch: &mut Batch, ntp: Ntp, now: Instant) {
        let Self { transports, tracks, slots, stats, capture, .. } = self;
        let transport = transports.sending(key);
        // The middle 24 bits: 6 of seconds, 18 of a fraction.
        let abs_send_time = (ntp.0 >> 14) as u32 & 0x00FF_FFFF;
        let mut octets = [0; CHUNK];
        for (item, octets) in leaving.iter().zip(&mut octets) {
            if let Queued::Media { track, outgoing, .. } = item {
                *octets = cached(tracks, *track, outgoing).map_or(0, |cached| match outgoing.patch {
                    Patch::ParameterSets => cached.parameter_sets.len(),
                    _ => cached.payload.len(),
                });
            }
        }
        let mut frame = 0;
        for (index, item) in leaving.iter().enumerate() {
            #[cfg(test)]
            assert!(!transport.faulty, "a fault of one transport");
            // The trial has used up its budget.
            if !transport.sending.is_allowed() {
                return;
            }
            let (slot, track, outgoing) = match item {
                Queued::Media { slot, track, outgoing } => (*slot, *track, outgoing),
                Queued::Sctp(sctp) => {
                    transport.dtls.send(sctp);
                    while let Some(record) = transport.dtls.poll_transmit() {
                        transport.sending.spend(record.len());
                        // There is room for one record. The association's remaining records may need more.
                        if copy(batch, path, &record, stats) == Err(Full) {
                            transport.control.push_back((path, record));
                        }
                    }
                    continue;
                }
                Queued::Empty { slot, empty } => {
                    let Some(placed) = slots.get(*slot) else { continue };
                    let out = (&mut *batch, path, capture.as_deref_mut());
                    match transport.write_empty(&placed.slot.spec, empty, abs_send_time, out, now) {
                        Ok(()) => {
                            stats.counters.packets_probing += 1;
                            transport.counters.packets_probing += 1;
                        }
                        Err(why) => {
                            stats.counters.discard(why, 1);
                            transport.discard(why, 1);
                        }
                    }
                    continue;
                }
            };
            let (Some((cached, earlier)), Some(placed)) = (whole(tracks, track, outgoing), slots.get_mut(slot)) else {
                stats.counters.discard(Discard::CacheMiss, 1);
                transport.discard(Discard::CacheMiss, 1);
                continue;
            };
            if frame <= index {
                frame = index + leaving[index..].iter().take_while(|item| is_of_frame(item, outgoing)).count();
            }
            let padding = padding(octets[index], &octets[index + 1..frame]) as u8;
            let space = batch.space();
            match transport.write_media(
                &mut placed.slot,
                outgoing,
                (cached, earlier),
                (padding, abs_send_time),
                (space, path, capture.as_deref_mut()),
                now,
            ) {
                Ok(length) if batch.push(path, length).is_ok() => {}
                Ok(_) => {
                    stats.counters.discard(Discard::Unsent, 1);
                    transport.discard(Discard::Unsent, 1);
                    continue;
                }
                Err(why) => {
                    stats.counters.discard(why, 1);
                    transport.discard(why, 1);
                    continue;
                }
            }
            for counters in [&mut stats.counters, &mut transport.counters] {
                match outgoing.transmission {
                    Transmission::First | Transmission::Remembered => counters.packets_forwarded += 1,
                    Transmission::Rtx(_) | Transmission::Identical => counters.packets_retransmitted += 1,
                }
            }
            packet_event!(transport = transport.id.0, ssrc = outgoing.ssrc, seq = outgoing.seq.0, "sent");
        }
    }

    pub(super) fn transmit_last_datagrams(&mut self, batch: &mut Batch) {
        while let Some((path, datagram)) = self.last_datagrams.last()
            && copy(batch, *path, datagram, &mut self.stats).is_ok()
        {
            self.last_datagrams.pop();
        }
    }

    /// Returns the remaining control datagrams, BYE (RFC 3550 s6.6) and close_notify of a transport that is about to be
    /// removed.
    pub(super) fn closing_datagrams(&mut self, key: usize, now: Instant) -> Vec<(Path, Vec<u8>)> {
        let transport = &mut self.transports[key];
        let mut datagrams: Vec<_> = transport.control.drain(..).collect();
        let (Some(path), true) = (transport.agent.selected(), transport.sends_media()) else { return datagrams };
        transport.dtls.close();
        transport.flush_dtls(path);
        if let Some(srtp) = &mut transport.srtp {
            let sources: Vec<u32> = transport.slots.iter().map(|&slot| self.slots[slot].slot.spec.ssrc).collect();
            for sources in sources.chunks(report::MOST_BLOCKS) {
                let mut compound = Vec::new();
                report::write_receiver_report(&mut compound, transport.ssrc, &[]);
                report::write_sdes_cname(&mut compound, transport.ssrc, &transport.cname);
                report::write_bye(&mut compound, sources);
                if let Some(capture) = &mut self.capture {
                    capture.packet(transport.id, Direction::Out, &path, &compound, now);
                }
                if srtp.outbound.protect_rtcp(&mut compound) {
                    datagrams.push((path, compound));
                }
            }
        }
        datagrams.extend(transport.control.drain(..));
        // They are taken from the end.
        datagrams.reverse();
        datagrams
    }
}

/// Copies a datagram of the plane's own, which is never longer than [`DATAGRAM`]: if one is, it is dropped and counted.
fn copy(batch: &mut Batch, path: Path, datagram: &[u8], stats: &mut Stats) -> Result<(), Full> {
    if datagram.len() > DATAGRAM {
        stats.counters.discard(Discard::Unsent, 1);
        return Ok(());
    }
    batch.copy(path, datagram)
}

impl Transport {
    /// Writes one packet to the front of `out`, numbers and encrypts it. Returns its length. An identical repetition
    /// has the same number, time and padding as before.
    fn write_media(
        &mut self,
        slot: &mut Slot,
        outgoing: &Outgoing,
        (cached, earlier): (&Cached, Earlier<'_>),
        (padding, abs_send_time): (u8, u32),
        (out, path, mut capture): (&mut [u8], Path, Option<&mut Capture>),
        now: Instant,
    ) -> Result<usize, Discard> {
        let srtp = self.srtp.as_mut().ok_or(Discard::SrtpNoKeys)?;
        let spec = &slot.spec;
        // The arena key may be another slot's by now.
        let remembered = outgoing.ssrc == spec.ssrc;
        let (varied, before) = match outgoing.transmission {
            Transmission::Identical => {
                let before = slot.cold.repeats.get(outgoing.seq).filter(|_| remembered);
                before.map(|(varied, proof)| (varied, Some(proof))).ok_or(Discard::TooLate)?
            }
            _ => {
                let is_numbered = self.is_named || spec.extensions.id(Extension::TransportCc).is_some();
                let transport_sequence = is_numbered.then(|| self.estimator.next_number());
                (Varied { transport_sequence, abs_send_time, padding }, None)
            }
        };
        let padding = usize::from(varied.padding);
        let needed = packet::most_octets(spec, cached, &earlier) + padding + Outbound::OVERHEAD;
        if needed > out.len().min(ANY_DATAGRAM) {
            return Err(Discard::Unsent);
        }
        let (header, mut length) = packet::write(out, spec, outgoing, cached, &earlier, &varied);
        if padding > 0 && length + padding + Outbound::OVERHEAD <= DATAGRAM {
            out[0] |= PADDING;
            out[length..length + padding].fill(0);
            length += padding;
            out[length - 1] = varied.padding;
        }
        let id = self.id;
        let captured = capture.as_mut().map(|capture| capture.packet(id, Direction::Out, &path, &out[..length], now));
        let undo = || capture.zip(captured).map(|(capture, before)| capture.undo(before));
        let (ssrc, index) = (outgoing.ssrc, outgoing.seq.0);
        if let Some(proof) = before {
            let length = srtp.outbound.protect_rtp_again(out, header, length, (ssrc, index), proof);
            self.sending.spend(length);
            if length == 0 {
                undo();
                return Err(Discard::RepeatChanged);
            }
            if let Some(number) = varied.transport_sequence {
                self.estimator.repeated(number);
            }
            return Ok(length);
        }
        let length = srtp.outbound.protect_rtp(out, header, length, ssrc, index);
        if length == 0 {
            undo();
            return Err(Discard::TooLate);
        }
        if outgoing.transmission == Transmission::Remembered && remembered {
            slot.cold.repeats.insert(outgoing.seq, varied, srtp.outbound.proof(&out[..length]));
        }
        match varied.transport_sequence {
            Some(_) => {
                self.measure(length, kind(outgoing), now);
                if self.is_named {
                    self.estimator.name(ssrc, outgoing.seq.wire());
                }
            }
            None => self.estimator.sent_unnumbered(length as u32, now),
        }
        self.sending.spend(length);
        Ok(length)
    }
}

/// The stored packet that an outgoing packet is written from, if it is still stored. The arena key may be another
/// track's by now.
pub(super) fn cached<'a>(tracks: &'a Arena<Published>, track: usize, outgoing: &Outgoing) -> Option<&'a Cached> {
    let published = tracks.get(track).filter(|published| published.id() == outgoing.track)?;
    published.cached(outgoing.encoding, outgoing.source_seq)
}

/// The same, with the earlier packets that are sent along for redundancy.
fn whole<'a>(tracks: &'a Arena<Published>, track: usize, outgoing: &Outgoing) -> Option<(&'a Cached, Earlier<'a>)> {
    let published = tracks.get(track).filter(|published| published.id() == outgoing.track)?;
    let cached = |seq| published.cached(outgoing.encoding, seq);
    let earlier = match outgoing.patch {
        Patch::RedMade { earlier, .. } => redundancy::earlier(outgoing.source_seq, earlier, cached)?,
        _ => Earlier::default(),
    };
    Some((cached(outgoing.source_seq)?, earlier))
}

/// What the estimator needs to know of a packet's content.
fn kind(outgoing: &Outgoing) -> bwe::Kind {
    match (outgoing.transmission, outgoing.kind) {
        (Transmission::Rtx(_) | Transmission::Identical, _) => bwe::Kind::Repair,
        (Transmission::First | Transmission::Remembered, Kind::Audio) => bwe::Kind::Audio,
        (Transmission::First | Transmission::Remembered, Kind::Video) => bwe::Kind::Video,
    }
}

fn is_of_frame(item: &Queued, first: &Outgoing) -> bool {
    matches!(item, Queued::Media { outgoing, .. }
        if outgoing.ssrc == first.ssrc && outgoing.timestamp == first.timestamp)
}

/// How many octets smaller a packet is than the largest that follows it in its frame, if the difference is below
/// [`MAX_PADDING`].
fn padding(octets: usize, following: &[usize]) -> usize {
    let more = following.iter().map(|next| next.saturating_sub(octets));
    more.filter(|&more| more < MAX_PADDING).max().unwrap_or(0)
}
