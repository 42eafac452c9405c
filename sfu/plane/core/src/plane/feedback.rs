//! RTCP in both directions (RFC 3550, 4585, 5104): reports and requests of peers, and of the plane.

use super::media::leave;
use super::transmit::cached;
use super::{Place, Plane};
use crate::bwe::Reception;
use crate::capture::Direction;
use crate::command::{Kind, Path};
use crate::discard::Discard;
use crate::limits::{DATAGRAM, FEEDBACKS_AT_ONCE, MISSING_READ_AT_ONCE, REQUESTED_AT_ONCE, SENT_VIDEO};
use crate::receive::keyframe::Due;
use crate::receive::nack::Round;
use crate::receive::rung::EncodingId;
use crate::rtcp::compound::{self, Packet};
use crate::rtcp::feedback::{self, Lost};
use crate::rtcp::twcc::Feedback;
use crate::rtcp::{Compounds, ccfb, report, xr};
use crate::rtp::sequence::ExtendedSeq;
use crate::send::Nack;
use crate::time::{Duration, Instant, ms};
use crate::trace;

/// Intervals of the reports of a transport with video, and of one without. libwebrtc: rtp_rtcp_interface.h,
/// kDefaultVideoReportInterval.
const VIDEO_REPORTS: Duration = ms(1_000);
const AUDIO_REPORTS: Duration = ms(5_000);

/// The SSRC of a compound packet's sender, which SRTCP leaves unencrypted (RFC 3711 s3.4).
fn reporter(compound: &[u8]) -> Option<u32> {
    compound.get(4..8).and_then(|ssrc| ssrc.try_into().ok()).map(u32::from_be_bytes)
}

impl Plane {
    /// `received` is when the kernel received the datagram, which may have waited since: round trips are measured to
    /// that time.
    pub(super) fn handle_rtcp(
        &mut self,
        key: usize,
        datagram: &mut [u8],
        path: &Path,
        received: Instant,
        now: Instant,
    ) -> Result<(), Discard> {
        let transport = &mut self.transports[key];
        let srtp = transport.srtp.as_mut().ok_or(Discard::SrtpNoKeys)?;
        let length = srtp.inbound.unprotect_rtcp(datagram)?;
        if let Some(capture) = &mut self.capture {
            capture.packet(transport.id, Direction::In, path, &datagram[..length], received);
        }
        self.handle_authenticated(key, path, true, now);
        self.handle_compound(key, &datagram[..length], path, received, now)
    }

    /// Handles RTCP from an unknown address. Its peer's NAT may have assigned another port, and the peer sends no
    /// connectivity checks (libnice). The SSRC of its earlier reports identifies the peer, and SRTCP authenticates the
    /// packet. Anybody may have relayed it from that address, so the address is proven by our own request, as with any
    /// check.
    pub(super) fn handle_moved(
        &mut self,
        datagram: &mut [u8],
        path: Path,
        received: Instant,
        now: Instant,
    ) -> Result<(), Discard> {
        let reporter = reporter(datagram).ok_or(Discard::UnknownAddress)?;
        let key = self.by_reporter.get(&reporter).ok_or(Discard::UnknownAddress)?;
        let octets = datagram.len();
        // Different peers may have the same SSRC: a packet that is not authentic is of an unknown peer.
        let srtp = self.transports[key].srtp.as_mut().ok_or(Discard::UnknownAddress)?;
        let length = srtp.inbound.unprotect_rtcp(datagram).map_err(|_| Discard::UnknownAddress)?;
        if let Some(capture) = &mut self.capture {
            capture.packet(self.transports[key].id, Direction::In, &path, &datagram[..length], received);
        }
        self.transports[key].agent.handle_moved(path, octets, now);
        self.give(path, key);
        self.handle_authenticated(key, &path, false, now);
        self.handle_compound(key, &datagram[..length], &path, received, now)
    }

    /// Handles a decrypted compound packet.
    fn handle_compound(
        &mut self,
        key: usize,
        compound: &[u8],
        path: &Path,
        received: Instant,
        now: Instant,
    ) -> Result<(), Discard> {
        if !self.transports[key].has_reported
            && let Some(reporter) = reporter(compound)
        {
            self.transports[key].has_reported = true;
            if self.by_reporter.get(&reporter).is_none() {
                self.by_reporter.insert(reporter, key);
            }
        }
        self.asked.clear();
        let whole = compound::parse(compound, |packet| self.handle_rtcp_packet(key, packet, path, received, now));
        while let Some(slot) = self.asked.poll_picture() {
            self.stats.counters.keyframe_requests_received += 1;
            if let Some(counters) = self.transports.counters(key) {
                counters.keyframe_requests_received += 1;
            }
            self.handle_keyframe_request(slot, now);
        }
        whole
    }

    fn handle_rtcp_packet(&mut self, key: usize, packet: Packet<'_>, path: &Path, received: Instant, now: Instant) {
        self.steps += 1;
        match packet {
            Packet::SenderReport { ssrc, ntp, rtp, reports, .. } => {
                if let Some(route) = self.transports[key].router.lookup(ssrc)
                    && let Some(&Place::Track(track)) = self.places.get(&route.track.0)
                    && let Some(state) = self.tracks[track].track.encoding_mut(route.encoding)
                    && !route.rtx
                {
                    state.stream.handle_sender_report(ntp, rtp, received);
                }
                self.handle_reports(key, &reports, received);
            }
            Packet::ReceiverReport { reports, .. } => self.handle_reports(key, &reports, received),
            Packet::Nack { media, lost, .. } => self.handle_nack(key, media, lost, now),
            Packet::Pli { media } | Packet::Fir { media, .. } => {
                if let Some(slot) = self.slot_by_ssrc(key, media) {
                    self.asked.picture(slot);
                }
            }
            Packet::TransportFeedback(feedback) => {
                if let Err(why) = self.handle_transport_feedback(key, feedback, path, received, now) {
                    self.discard(key, why, 1);
                }
            }
            Packet::CongestionFeedback(feedback) => {
                if let Err(why) = self.handle_congestion_feedback(key, feedback, path, received, now) {
                    self.discard(key, why, 1);
                }
            }
            Packet::Bye { ssrcs } => {
                for ssrc in ssrcs {
                    self.transports[key].router.forget(ssrc);
                }
                self.transports[key].retire_dropped();
            }
            Packet::ReferenceDelay(delay) => {
                let ntp = self.config.wall_clock.ntp(received);
                let transport = &mut self.transports[key];
                if delay.ssrc == transport.ssrc
                    && let Some(took) = delay.round_trip(ntp)
                {
                    transport.round_trip.handle_reference(took, received);
                }
            }
            Packet::Remb { bps, .. } => {
                self.transports[key].estimator.handle_remb(bps, received);
                self.report_estimate(key, now);
            }
            Packet::ReferenceTime { .. } | Packet::Sdes | Packet::Other => {}
        }
    }

    /// Handles transport-wide feedback. It is rejected unread unless all packets that it covers were sent.
    fn handle_transport_feedback(
        &mut self,
        key: usize,
        feedback: Feedback<'_>,
        path: &Path,
        received: Instant,
        now: Instant,
    ) -> Result<(), Discard> {
        let transport = &mut self.transports[key];
        if !transport.estimator.covers(feedback.base, feedback.count) {
            return Err(Discard::FeedbackUnsent);
        }
        self.steps += feedback.check()? as u64;
        transport.handle_feedback(path, now);
        let estimator = &mut transport.estimator;
        if !estimator.spend_statuses(feedback.count) {
            return Err(Discard::FeedbackRepeated);
        }
        self.steps += u64::from(feedback.count);
        if estimator.handle_feedback(feedback.reference, feedback.packets(), received) {
            self.handle_acknowledged(key, now);
        }
        self.report_estimate(key, now);
        Ok(())
    }

    /// Handles congestion control feedback (RFC 8888). It counts for a transport whose packets have no transport-wide
    /// numbers.
    fn handle_congestion_feedback(
        &mut self,
        key: usize,
        feedback: ccfb::Feedback<'_>,
        path: &Path,
        received: Instant,
        now: Instant,
    ) -> Result<(), Discard> {
        let transport = &mut self.transports[key];
        let count = u16::try_from(feedback.count()).map_err(|_| Discard::FeedbackUnsent)?;
        if !transport.is_named {
            return Err(Discard::FeedbackUnsent);
        }
        transport.handle_feedback(path, now);
        if !transport.estimator.spend_statuses(count) {
            return Err(Discard::FeedbackRepeated);
        }
        self.steps += u64::from(count);
        if transport.estimator.handle_named_feedback(feedback.timestamp, feedback.packets(), received) {
            transport.returns_names = true;
            self.handle_acknowledged(key, now);
            self.choose_probing_slot(key);
        }
        self.report_estimate(key, now);
        Ok(())
    }

    fn handle_reports(&mut self, key: usize, reports: &[report::ReportBlock], received: Instant) {
        let ntp = self.config.wall_clock.ntp(received);
        self.steps += reports.len() as u64;
        let mut reception = None;
        for block in reports {
            let Some(slot) = self.slot_by_ssrc(key, block.ssrc) else { continue };
            let reported = self.slots[slot].slot.handle_report(block, ntp, received);
            self.steps += u64::from(reported.reception.sent).min(SENT_VIDEO as u64);
            reception.get_or_insert_with(Reception::default).add(reported.reception);
            if self.slots[slot].slot.spec.kind == Kind::Audio
                && block.ssrc == self.slots[slot].slot.spec.ssrc
                && let Some(track) = self.source(slot)
            {
                self.tracks.unarmed(track).track.listeners.handle_report(block.fraction_lost, received);
            }
            if let Some(round_trip) = reported.round_trip {
                self.transports[key].round_trip.handle_report(round_trip, received);
            }
            if reported.resumed {
                self.resume_picture(slot, received);
            }
        }
        let transport = &mut self.transports[key];
        if let Some(reception) = reception {
            let round_trip = transport.round_trip.get();
            transport.estimator.handle_reception(reception, round_trip, received);
            self.report_estimate(key, received);
        }
    }

    /// Answers a NACK from the cache of the encoding. Packets that are not there are requested from the publisher, once
    /// per round trip for all subscribers. Nothing is sent or requested for a subscriber that has used up its
    /// retransmission budget.
    fn handle_nack(&mut self, key: usize, media: u32, lost: Lost<'_>, now: Instant) {
        let Some(slot) = self.slot_by_ssrc(key, media) else { return };
        let round_trip = self.transports[key].round_trip.get();
        self.asked.begin(slot);
        let (mut asked, mut refused) = (0, 0);
        for sequence in lost.iter() {
            self.steps += 1;
            if !self.asked.packet(sequence) {
                continue;
            }
            asked += 1;
            if !self.transports[key].repairs.is_allowed() {
                refused += 1;
                continue;
            }
            let placed = &mut self.slots[slot];
            match placed.slot.handle_nack(sequence, now, round_trip) {
                Nack::Send(outgoing) => {
                    // The packet may be of a track that was shown before.
                    let Some(&Place::Track(track)) = self.places.get(&outgoing.track.0) else { continue };
                    match cached(&self.tracks, track, &outgoing).map(|cached| cached.payload.len()) {
                        Some(octets) => self.transports[key].send(slot, track, outgoing, octets, now),
                        None => self.discard(key, Discard::CacheMiss, 1),
                    }
                }
                Nack::Missing { encoding, seq } => self.recover(key, slot, encoding, seq, now),
                Nack::Ignore => {}
            }
        }
        self.stats.counters.nacks_received += asked;
        if let Some(counters) = self.transports.counters(key) {
            counters.nacks_received += asked;
        }
        if refused > 0 {
            self.discard(key, Discard::RepairLimit, refused);
            let transport = self.transports[key].id.0;
            tracing::debug!(target: trace::RESENDS, transport, media, refused, "refused: the peer's limit is used up");
        }
    }

    /// Recovers a packet that never left by the slot: from the cache if it has arrived meanwhile, else by a request to
    /// the publisher.
    fn recover(&mut self, key: usize, slot: usize, encoding: EncodingId, seq: ExtendedSeq, now: Instant) {
        let placed = &mut self.slots[slot];
        let Some(&Place::Track(track)) = placed.slot.source().and_then(|track| self.places.get(&track.0)) else {
            return;
        };
        let published = &mut self.tracks[track];
        if let Some(packet) = published.packet(encoding, seq) {
            if let Some(outgoing) = placed.slot.handle_packet(&packet, now) {
                leave((slot, track), &mut placed.slot, &mut self.transports[key], &packet, outgoing, now);
            }
            return;
        }
        if let Some(state) = published.track.encoding_mut(encoding)
            && state.stream.ask_for(seq, now)
        {
            tracing::debug!(
                target: trace::RESENDS, track = published.track.spec.id.0, encoding = ?encoding, seq = seq.0,
                "not cached: requested of the publisher"
            );
            // It costs as much as it makes the publisher send.
            self.transports[key].repairs.take(DATAGRAM);
        }
    }

    /// Queues the feedback to a transport's publisher that is due: NACKs and keyframe requests for some of its tracks, in
    /// the order of their keys, and arrivals. Tracks beyond [`MISSING_READ_AT_ONCE`] stay due: the next call begins with
    /// them.
    pub(super) fn poll_feedback(&mut self, key: usize, tracks: impl Iterator<Item = usize>, now: Instant) {
        let transport = self.transports.receiving(key);
        let (sender, wait) = (transport.ssrc, transport.round_trip.wait());
        let mut out = Compounds::default();
        let mut lost = std::mem::take(&mut self.lost);
        let mut ignored = Vec::new();
        let (Round { from, mut requested }, mut read, mut rest) = (transport.nacks, 0, None);
        for track in tracks {
            if track < from || read >= MISSING_READ_AT_ONCE {
                rest = rest.or((track >= from).then_some(track));
                self.tracks.arm(track);
                continue;
            }
            let published = &mut self.tracks[track];
            let (pli, fir) = (published.track.spec.pli, published.track.spec.fir);
            let mut asked = false;
            for state in &mut published.track.encodings {
                let Some(ssrc) = state.ssrc else { continue };
                let missing = state.stream.due_nacks(now);
                read += missing;
                self.steps += 1 + missing as u64;
                lost.clear();
                if state.stream.poll_nack(now, wait, &mut lost) && (pli || fir) {
                    state.keyframes.request(now);
                }
                lost.truncate(REQUESTED_AT_ONCE - requested);
                if !lost.is_empty() {
                    requested += lost.len();
                    self.stats.counters.nacks_sent += lost.len() as u64;
                    transport.counters.nacks_sent += lost.len() as u64;
                    out.add(|out| feedback::write_nack(out, sender, ssrc, &lost));
                }
                if asked {
                    state.keyframes.defer(now);
                }
                match state.keyframes.poll(now, state.life.last()) {
                    Some(Due::Request) => {
                        asked = true;
                        self.stats.counters.keyframe_requests += 1;
                        transport.counters.keyframe_requests += 1;
                        tracing::debug!(target: trace::KEYFRAMES, track = published.track.spec.id.0, ssrc, "requested");
                        out.add(|out| match pli {
                            true => feedback::write_pli(out, sender, ssrc),
                            false => feedback::write_fir(out, sender, ssrc, state.keyframes.sequence()),
                        });
                    }
                    Some(Due::Ignored) => {
                        tracing::debug!(target: trace::KEYFRAMES, track = published.track.spec.id.0, ssrc, "ignored");
                        ignored.push(track);
                    }
                    None => {}
                }
            }
            if asked {
                published.track.encodings.iter_mut().for_each(|state| state.keyframes.defer(now));
            }
        }
        self.lost = lost;
        transport.nacks = rest.map_or(Round::default(), |from| Round { from, requested });
        let media = transport.heard_ssrc();
        for _ in 0..FEEDBACKS_AT_ONCE {
            let mut more = false;
            out.add(|out| more = transport.arrivals.poll_feedback(sender, media, now, out));
            if !more {
                break;
            }
            self.steps += transport.arrivals.reported() as u64;
        }
        transport.arrivals.forget_unreported(now);
        // Nothing is sent to a silent peer: subscribers' requests to it would queue up for as long as it is silent.
        if !out.is_empty() && transport.sends_media() {
            let refused = self.transports[key].queue_rtcp(&out);
            self.discard(key, Discard::Unsent, refused);
        }
        for track in ignored {
            self.begin_without_keyframe(track, now);
        }
    }

    /// Queues sender reports of the slots and receiver reports of the tracks, by the transport's interval.
    pub(super) fn poll_reports(&mut self, key: usize, now: Instant) {
        let Some(transport) = self.transports.get_mut(key) else { return };
        if transport.next_report > now {
            return;
        }
        let video = transport.slots.iter().any(|&slot| self.slots[slot].slot.spec.kind == Kind::Video)
            || transport.tracks.iter().any(|&track| self.tracks[track].track.spec.kind == Kind::Video);
        // RFC 3550 s6.3.5: intervals are random, so that reports of many sessions do not coincide.
        let interval = if video { VIDEO_REPORTS } else { AUDIO_REPORTS };
        transport.next_report = now + interval.mul_f32(0.75 + (self.random.next() % 500) as f32 / 1_000.0);
        self.steps += (transport.slots.len() + transport.tracks.len()) as u64;
        if !transport.sends_media() {
            return;
        }
        self.report_idle_slots(key, now);
        let Some(transport) = self.transports.get_mut(key) else { return };
        if !transport.tracks.is_empty() && transport.round_trip.is_stale(now) {
            transport.agent.measure(now);
        }
        let ntp = self.config.wall_clock.ntp(now);
        let mut out = Compounds::default();
        for &slot in &transport.slots {
            let Some(sender_report) = self.slots[slot].slot.sender_report(now, ntp) else { continue };
            out.add(|out| {
                report::write_sender_report(out, &sender_report, &[]);
                report::write_sdes_cname(out, sender_report.ssrc, &transport.cname);
            });
        }
        let mut blocks = Vec::new();
        for &track in &transport.tracks {
            let track = &mut self.tracks.unarmed(track).track;
            // Only the fraction: libwebrtc's bandwidth estimate reads the cumulative loss.
            let listeners = if track.spec.kind == Kind::Audio { track.listeners.worst(now) } else { 0 };
            for state in &mut track.encodings {
                let block = state.ssrc.and_then(|ssrc| state.stream.report_block(ssrc, now));
                blocks.extend(
                    block.map(|block| report::ReportBlock {
                        fraction_lost: block.fraction_lost.max(listeners),
                        ..block
                    }),
                );
            }
        }
        // Report blocks about what the peer is sent measure the round trip, too.
        let mut measures = out.is_empty();
        for blocks in blocks.chunks(report::MOST_BLOCKS) {
            out.add(|out| {
                report::write_receiver_report(out, transport.ssrc, blocks);
                report::write_sdes_cname(out, transport.ssrc, &transport.cname);
                if std::mem::take(&mut measures) {
                    xr::write_reference_time(out, transport.ssrc, ntp);
                }
            });
        }
        let refused = transport.queue_rtcp(&out);
        self.discard(key, Discard::Unsent, refused);
    }

    fn slot_by_ssrc(&self, key: usize, ssrc: u32) -> Option<usize> {
        self.transports[key].slots_by_ssrc.get(&ssrc).copied()
    }
}
