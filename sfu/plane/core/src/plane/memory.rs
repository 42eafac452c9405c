//! Limits the memory of stored packets, per transport and in total ([`limits`](crate::limits)): frees unneeded memory
//! once a second, and halves what exceeds a limit.

use super::Plane;
use crate::id::TransportId;
use crate::limits::{KEPT_PER_TRANSPORT, KEPT_PER_WORKER};
use crate::time::{Duration, Instant, ms};

/// The interval at which memory is freed that the rate of the last second does not need.
const TRIMS: Duration = ms(1_000);

/// Octets of stored packets, and their limits.
pub(super) struct Memory {
    kept: usize,
    per_transport: usize,
    per_worker: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Self { kept: 0, per_transport: KEPT_PER_TRANSPORT, per_worker: KEPT_PER_WORKER }
    }
}

/// The memory that a participant causes, in octets, without that of the DTLS and SCTP libraries, which have limits of
/// their own: of a handshake message, and of the windows of an association.
#[derive(Clone, Copy, Debug)]
pub struct Remembered {
    /// The participant's transport.
    pub transport: TransportId,
    /// Stored packets of its tracks.
    pub published: usize,
    /// Records of the packets that left by its slots, without payloads.
    pub sent: usize,
    /// Lists of the packets that its encodings miss.
    pub missing: usize,
    /// Arrival times of packets with transport-wide numbers.
    pub arrivals: usize,
    /// The estimator, with its records of sent packets.
    pub estimator: usize,
    /// Replay windows and retired SSRCs of SRTP.
    pub windows: usize,
    /// Queued datagrams.
    pub waiting: usize,
    /// Messages of data channels that are not acknowledged, or wait for a channel to open.
    pub messages: usize,
}

impl Plane {
    /// The memory that each participant causes. [`limits`](crate::limits) has the limits.
    pub fn remembered(&self) -> impl Iterator<Item = Remembered> {
        self.transports.iter().map(|(_, transport)| Remembered {
            transport: transport.id,
            published: transport.kept,
            sent: transport.slots.iter().map(|&slot| self.slots[slot].slot.memory()).sum(),
            missing: transport.tracks.iter().map(|&track| self.tracks[track].track.missing_memory()).sum(),
            arrivals: transport.arrivals.memory(),
            estimator: transport.estimator.memory(),
            windows: transport.srtp.as_ref().map_or(0, |srtp| srtp.inbound.memory() + srtp.outbound.memory()),
            waiting: transport.waiting(),
            messages: transport.data.as_ref().map_or(0, |data| data.memory()),
        })
    }

    /// Octets of stored packets of all participants.
    pub fn kept(&self) -> usize {
        self.memory.kept
    }

    /// Replaces the limits of stored octets that [`limits`](crate::limits) has.
    pub fn limit_kept(&mut self, per_transport: usize, per_worker: usize) {
        self.memory = Memory { per_transport, per_worker, ..self.memory };
    }

    /// Updates the totals after the stored octets of a track changed from `before` to `after`.
    pub(super) fn update_kept(&mut self, key: usize, before: usize, after: usize, now: Instant) {
        self.memory.kept = self.memory.kept + after - before;
        if self.transports.contains(key) {
            let transport = self.transports.receiving(key);
            transport.kept = transport.kept + after - before;
            transport.next_trim.get_or_insert(now + TRIMS);
        }
    }

    /// Makes room before a packet is accepted: halves the transport's stored packets if it exceeds its limit, and those
    /// of the largest transport if the worker exceeds its limit.
    pub(super) fn make_room(&mut self, key: usize, now: Instant) {
        if self.transports[key].kept > self.memory.per_transport {
            self.halve(key, now);
        }
        if self.memory.kept > self.memory.per_worker
            && let Some((most, _)) = self.transports.iter().max_by_key(|(_, transport)| transport.kept)
        {
            self.halve(most, now);
        }
    }

    fn halve(&mut self, key: usize, now: Instant) {
        let half = self.transports[key].kept / 2;
        for _ in 0..self.transports[key].tracks.len() {
            let tracks = self.transports[key].tracks.iter().copied();
            let Some(most) = tracks.max_by_key(|&track| self.tracks[track].track.memory()) else { return };
            let before = self.tracks[most].track.memory();
            self.tracks[most].track.halve();
            self.update_kept(key, before, self.tracks[most].track.memory(), now);
            if self.transports[key].kept <= half {
                return;
            }
        }
    }

    /// Frees unneeded memory of a transport if that is due.
    pub(super) fn trim(&mut self, key: usize, now: Instant) {
        let Some(transport) = self.transports.get_mut(key) else { return };
        if transport.next_trim.is_none_or(|due| due > now) {
            return;
        }
        transport.next_trim = None;
        self.steps += transport.tracks.len() as u64;
        for at in 0..transport.tracks.len() {
            let track = self.transports[key].tracks[at];
            let before = self.tracks[track].track.memory();
            self.tracks.unarmed(track).track.trim(now);
            self.update_kept(key, before, self.tracks[track].track.memory(), now);
        }
        let transport = &mut self.transports[key];
        transport.next_trim = (transport.kept > 0).then_some(now + TRIMS);
    }
}
