//! How much is kept of what flows, per transport and in all ([`limits`](crate::limits)): trimmed once a second, halved
//! where it is too much.

use super::Plane;
use crate::id::TransportId;
use crate::limits::{KEPT_PER_TRANSPORT, KEPT_PER_WORKER};
use crate::time::{Duration, Instant, ms};

/// What the rate of the last second does not need is given back so often.
const TRIMS: Duration = ms(1_000);

/// Octets of packets that are kept, and how many may be.
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

/// What a participant makes us remember, in octets of memory, but for what the libraries of DTLS and SCTP have.
#[derive(Clone, Copy, Debug)]
pub struct Remembered {
    /// The participant's.
    pub transport: TransportId,
    /// Packets of its tracks.
    pub published: usize,
    /// What left through its slots, without payloads.
    pub sent: usize,
    /// What its encodings miss.
    pub missing: usize,
    /// When packets with transport-wide numbers arrived.
    pub arrivals: usize,
    /// Datagrams that wait to leave.
    pub waiting: usize,
    /// Messages of data channels that are not acknowledged, or for channels that are not open yet.
    pub messages: usize,
}

impl Plane {
    /// What each participant makes us remember. [`limits`](crate::limits) has how much it may be.
    pub fn remembered(&self) -> impl Iterator<Item = Remembered> {
        self.transports.iter().map(|(_, transport)| Remembered {
            transport: transport.id,
            published: transport.kept,
            sent: transport.slots.iter().map(|&slot| self.slots[slot].slot.memory()).sum(),
            missing: transport.tracks.iter().map(|&track| self.tracks[track].track.missing_memory()).sum(),
            arrivals: transport.arrivals.memory(),
            waiting: transport.waiting(),
            messages: transport.data.as_ref().map_or(0, |data| data.memory()),
        })
    }

    /// Octets of packets that are kept for all participants.
    pub fn kept(&self) -> usize {
        self.memory.kept
    }

    /// Octets that may be kept, other than [`limits`](crate::limits) has it.
    pub fn limit_kept(&mut self, per_transport: usize, per_worker: usize) {
        self.memory = Memory { per_transport, per_worker, ..self.memory };
    }

    /// What is kept of a track of the transport has changed from so many octets to so many.
    pub(super) fn update_kept(&mut self, key: usize, before: usize, after: usize, now: Instant) {
        self.memory.kept = self.memory.kept + after - before;
        if self.transports.contains(key) {
            let transport = self.transports.receiving(key);
            transport.kept = transport.kept + after - before;
            transport.next_trim.get_or_insert(now + TRIMS);
        }
    }

    /// Before a packet is taken in: whoever has too much gives half of it, in a worker that has too much whoever has most.
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

    /// What of it is due.
    pub(super) fn trim(&mut self, key: usize, now: Instant) {
        let Some(transport) = self.transports.get_mut(key) else { return };
        if transport.next_trim.is_none_or(|due| due > now) {
            return;
        }
        transport.next_trim = None;
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
