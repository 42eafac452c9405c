//! The sent packets of a slot: enough of each to write it again byte for byte from the cache, and a record of the
//! numbers in use.

use std::num::NonZeroU16;

use crate::command::Kind;
use crate::id::TrackId;
use crate::limits::RESENDS;
use crate::receive::rung::EncodingId;
use crate::rtp::sequence::ExtendedSeq;
use crate::send::passing::{DependencyPatch, Outgoing, Patch, Transmission};
use crate::time::{Duration, Instant};

/// One sent packet.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Locates the payload: the sequence number in the cache of `encoding` of `track`.
    pub source_seq: ExtendedSeq,
    pub track: TrackId,
    /// The lower 32 bits of its sequence number. The length of a [`History`] is far less than their range.
    pub seq: u32,
    pub timestamp: u32,
    /// When it was last retransmitted: the lower 16 bits of the milliseconds since the slot's first packet. Unused
    /// before the first retransmission.
    resent_at: u16,
    pub patch: Patch,
    /// Frame number and active targets of its [`DependencyPatch`], which would take six octets as a whole.
    frame: Option<(u16, NonZeroU16)>,
    /// The template id offset of its [`DependencyPatch`].
    templates: u8,
    pub encoding: EncodingId,
    /// The second octet of the RTP header (RFC 3550 s5.1).
    marker_and_payload_type: u8,
    resends: u8,
}

const _: () = assert!(size_of::<Entry>() <= 40, "20 KB per video slot");

const MARKER: u8 = 0x80;

impl Entry {
    /// Creates the entry of a first transmission.
    pub fn new(outgoing: &Outgoing) -> Self {
        Self {
            source_seq: outgoing.source_seq,
            track: outgoing.track,
            seq: outgoing.seq.0 as u32,
            timestamp: outgoing.timestamp,
            resent_at: 0,
            patch: outgoing.patch,
            frame: outgoing.dependency.map(|patch| (patch.frame_number, patch.active_targets)),
            templates: outgoing.dependency.map_or(0, |patch| patch.templates),
            encoding: outgoing.encoding,
            marker_and_payload_type: outgoing.payload_type & !MARKER | if outgoing.marker { MARKER } else { 0 },
            resends: 0,
        }
    }

    pub fn payload_type(&self) -> u8 {
        self.marker_and_payload_type & !MARKER
    }

    /// Returns true and counts a retransmission if the packet may be sent again at `at` (since the first packet): a
    /// round trip after the last retransmission, and at most `RESENDS` times.
    pub fn resend(&mut self, at: Duration, round_trip: Duration) -> bool {
        let at = at.as_millis() as u16;
        let soon = self.resends > 0 && u128::from(at.wrapping_sub(self.resent_at)) < round_trip.as_millis();
        if soon || self.resends >= RESENDS {
            return false;
        }
        self.resends += 1;
        self.resent_at = at;
        true
    }

    /// The packet as an RTX packet (RFC 4588): number `seq` of stream `ssrc`.
    pub fn again(&self, kind: Kind, ssrc: u32, payload_type: u8, seq: ExtendedSeq) -> Outgoing {
        self.outgoing(Transmission::Rtx(self.seq as u16), kind, ssrc, payload_type, seq)
    }

    /// The identical packet again: number `seq` of stream `ssrc`, as in the first transmission.
    pub fn identical(&self, kind: Kind, ssrc: u32, seq: ExtendedSeq) -> Outgoing {
        debug_assert_eq!(seq.0 as u32, self.seq);
        self.outgoing(Transmission::Identical, kind, ssrc, self.payload_type(), seq)
    }

    fn outgoing(
        &self,
        transmission: Transmission,
        kind: Kind,
        ssrc: u32,
        payload_type: u8,
        seq: ExtendedSeq,
    ) -> Outgoing {
        let dependency = |(frame_number, active_targets)| DependencyPatch {
            frame_number,
            templates: self.templates,
            active_targets,
        };
        Outgoing {
            kind,
            transmission,
            ssrc,
            seq,
            timestamp: self.timestamp,
            marker: self.marker_and_payload_type & MARKER != 0,
            payload_type,
            encoding: self.encoding,
            source_seq: self.source_seq,
            track: self.track,
            patch: self.patch,
            dependency: self.frame.map(dependency),
        }
    }
}

/// A ring, indexed by the sent sequence number. It allocates its memory at the first packet.
#[derive(Debug)]
pub struct History {
    ring: Vec<Option<Entry>>,
    length: usize,
    /// When the first packet was sent.
    origin: Option<Instant>,
}

impl History {
    /// Octets of one ring entry.
    pub const PLACE: usize = size_of::<Option<Entry>>();

    pub fn new(length: usize) -> Self {
        debug_assert!(length.is_power_of_two());
        Self { ring: Vec::new(), length, origin: None }
    }

    pub fn len(&self) -> usize {
        self.length
    }

    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// Octets allocated for the ring.
    pub fn memory(&self) -> usize {
        self.ring.capacity() * Self::PLACE
    }

    /// The time since the first packet was sent. Times in the entries count from there.
    pub fn age(&self, now: Instant) -> Duration {
        self.origin.map_or(Duration::ZERO, |origin| now.saturating_duration_since(origin))
    }

    /// Records a sent packet.
    pub fn insert(&mut self, entry: Entry, now: Instant) {
        self.origin.get_or_insert(now);
        if self.ring.is_empty() {
            self.ring.resize(self.length, None);
        }
        let place = entry.seq as usize & (self.length - 1);
        self.ring[place] = Some(entry);
    }

    pub fn get_mut(&mut self, seq: ExtendedSeq) -> Option<&mut Entry> {
        let place = seq.0 as usize & (self.length - 1);
        self.ring.get_mut(place)?.as_mut().filter(|entry| entry.seq == seq.0 as u32)
    }

    /// True if `seq` is at most `highest` and was certainly not sent. Only then may a late packet take it. Numbers
    /// older than the ring count as used.
    pub fn is_free(&self, seq: ExtendedSeq, highest: ExtendedSeq) -> bool {
        if seq > highest || highest.0 - seq.0 >= self.length as u64 {
            return false;
        }
        let place = seq.0 as usize & (self.length - 1);
        !matches!(self.ring.get(place), Some(Some(entry)) if entry.seq == seq.0 as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::SENT_AUDIO;
    use crate::time::ms;

    fn entry(seq: u64) -> Entry {
        Entry::new(&Outgoing {
            kind: Kind::Video,
            transmission: Transmission::First,
            ssrc: 1,
            seq: ExtendedSeq(seq),
            timestamp: 0,
            marker: false,
            payload_type: 96,
            encoding: EncodingId::first(0),
            source_seq: ExtendedSeq(900 + seq),
            track: TrackId(1),
            patch: Patch::None,
            dependency: None,
        })
    }

    #[test]
    fn a_packet_is_sent_again_once_per_round_trip_and_ten_times_at_most() {
        let mut entry = entry(1);
        let asked = [(0, true), (40, false), (99, false), (100, true), (150, false), (220, true), (9_000, true)];
        for (at, sent) in asked {
            assert_eq!(entry.resend(ms(at), ms(100)), sent, "at {at} ms");
        }
        let times = (0..20).filter(|again| entry.resend(ms(10_000 + again * 100), ms(100))).count();
        assert_eq!(times, usize::from(RESENDS) - 4);
    }

    #[test]
    fn a_number_is_free_until_it_leaves_and_used_once_it_is_too_old_to_tell() {
        let mut history = History::new(SENT_AUDIO);
        history.insert(entry(200), Instant::now());
        let highest = ExtendedSeq(300);
        assert!(!history.is_free(ExtendedSeq(200), highest));
        assert!(history.is_free(ExtendedSeq(201), highest));
        assert!(!history.is_free(ExtendedSeq(301), highest), "not given out yet");
        assert!(history.is_free(ExtendedSeq(173), highest));
        assert!(!history.is_free(ExtendedSeq(172), highest));
    }

    #[test]
    fn an_entry_is_not_mistaken_for_one_a_ring_later() {
        let mut history = History::new(SENT_AUDIO);
        assert!(history.is_empty());
        history.insert(entry(200), Instant::now());
        assert!(history.get_mut(ExtendedSeq(200)).is_some());
        assert!(history.get_mut(ExtendedSeq(200 + SENT_AUDIO as u64)).is_none());
        history.insert(entry(200 + SENT_AUDIO as u64), Instant::now());
        assert!(history.get_mut(ExtendedSeq(200)).is_none());
    }
}
