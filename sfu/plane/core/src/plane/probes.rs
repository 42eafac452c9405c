//! Probes of what the network to a peer carries: what each of their packets is, and how an empty one is written.

use super::Plane;
use crate::batch::Batch;
use crate::bwe;
use crate::bwe::units::Rate;
use crate::capture::{Capture, Direction};
use crate::command::{Path, SlotSpec};
use crate::discard::Discard;
use crate::event::{Event, Network};
use crate::limits::DATAGRAM;
use crate::send::{Empty, Unacknowledged, Varied, packet};
use crate::time::Instant;
use crate::trace;
use crate::transport::{Queued, Transport};

impl Plane {
    /// Chooses the slot that carries the probes of a transport.
    pub(super) fn choose_probing_slot(&mut self, key: usize) {
        let Some(transport) = self.transports.get_mut(key) else { return };
        let is_numbered = transport.slots.iter().any(|&slot| self.slots[slot].slot.has_transport_cc());
        let is_named = !is_numbered && !transport.slots.is_empty();
        let was_named = std::mem::replace(&mut transport.is_named, is_named);
        if is_named && !was_named {
            // Other feedback than before, or none.
            transport.returns_names = false;
            transport.unacknowledged = Unacknowledged::default();
            transport.estimator.forget_feedback();
        }
        let returns_names = is_named && transport.returns_names;
        transport.probing_slot = transport.slots.iter().copied().find(|&slot| {
            let slot = &self.slots[slot].slot;
            slot.can_probe() && (returns_names || slot.has_transport_cc())
        });
    }

    /// Reports what the network to a peer carries, if it has changed.
    pub(super) fn report_estimate(&mut self, key: usize, now: Instant) {
        let Some(transport) = self.transports.get_mut(key) else { return };
        let Some(estimate) = transport.estimator.poll_notice(now) else { return };
        self.steps += transport.slots.len() as u64;
        for &slot in &transport.slots {
            self.slots[slot].slot.cold.protection.handle_estimated(estimate.loss, now);
        }
        let network = Network {
            estimate: estimate.rate.as_bps(),
            budget: estimate.budget.as_bps(),
            throughput: estimate.throughput.map(Rate::as_bps),
            queue: estimate.queue,
            loss: estimate.loss,
            is_loss_limited: estimate.is_loss_limited,
            round_trip: estimate.round_trip.unwrap_or_default(),
            is_silent: transport.unacknowledged.is_silent(),
        };
        tracing::debug!(target: trace::ESTIMATES, transport = transport.id.0, ?network, "estimated");
        self.events.push_back(Event::Estimate { transport: transport.id, network });
    }

    /// Reports at once that feedback stopped, or returned.
    pub(super) fn report_silence(&mut self, key: usize, now: Instant) {
        if let Some(transport) = self.transports.get_mut(key) {
            transport.estimator.notice_again();
            self.report_estimate(key, now);
        }
    }

    /// The next packet of a probe, if one is due.
    pub(super) fn poll_probe(&mut self, key: usize, now: Instant) -> Option<Queued> {
        let transport = self.transports.sending(key);
        let slot = transport.probing_slot.filter(|_| transport.probes())?;
        transport.estimator.connected(now);
        let is_silent = transport.unacknowledged.is_silent();
        while let Some(cluster) = transport.estimator.poll_cluster() {
            if !is_silent {
                transport.prober.push(cluster);
            }
        }
        if is_silent && !transport.unacknowledged.poll_request(now) || !is_silent && !transport.prober.is_due(now) {
            return None;
        }
        transport.prober.taken(packet::EMPTY_OCTETS);
        Some(Queued::Empty { slot, empty: self.slots[slot].slot.poll_empty()? })
    }
}

impl Transport {
    /// Writes, numbers and encrypts an empty packet into the batch.
    pub(super) fn write_empty(
        &mut self,
        spec: &SlotSpec,
        empty: &Empty,
        abs_send_time: u32,
        (batch, path, capture): (&mut Batch, Path, Option<&mut Capture>),
        now: Instant,
    ) -> Result<(), Discard> {
        let srtp = self.srtp.as_mut().ok_or(Discard::SrtpNoKeys)?;
        let out = batch.space();
        // The arena key may be another slot's by now.
        if spec.rtx_ssrc != Some(empty.ssrc) || out.len() < DATAGRAM {
            return Err(Discard::Unsent);
        }
        let varied = Varied { transport_sequence: Some(self.estimator.next_number()), abs_send_time, padding: 0 };
        let (header, length) = packet::write_empty(out, spec, empty, &varied);
        if let Some(capture) = capture {
            capture.packet(self.id, Direction::Out, &path, &out[..length], now);
        }
        let length = srtp.outbound.protect_rtp(out, header, length, empty.ssrc, empty.seq.0);
        if length == 0 {
            return Err(Discard::TooLate);
        }
        self.measure(length, bwe::Kind::Probe, now);
        if self.is_named {
            self.estimator.name(empty.ssrc, empty.seq.wire());
        }
        self.sending.spend(length);
        batch.push(path, length).map_err(|_| Discard::Unsent)
    }

    /// Records that a packet was sent with the next transport-wide number.
    pub(super) fn measure(&mut self, octets: usize, kind: bwe::Kind, now: Instant) {
        self.estimator.sent(octets as u32, kind, self.prober.cluster(), now);
        self.prober.sent(octets);
        if self.is_named && !self.returns_names {
            return;
        }
        self.consent.sent_with_feedback(now);
        self.unanswered.sent(now);
        self.unacknowledged.sent(now);
        self.presence.sent_with_feedback(now);
    }
}
