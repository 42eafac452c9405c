//! What left through a slot: enough of each packet to write it again byte for byte from the cache, and proof that its
//! number is used.

use std::num::NonZeroU16;

use crate::command::Kind;
use crate::id::TrackId;
use crate::limits::RESENDS;
use crate::rtp::sequence::ExtendedSeq;
use crate::send::passing::{DependencyPatch, Outgoing, Patch, Transmission};
use crate::time::{Duration, Instant};

/// One packet that left.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Where the payload is: the number in the cache of `encoding` of `track`.
    pub source_seq: ExtendedSeq,
    pub track: TrackId,
    /// The lower half of the number it left under; [`History::LENGTHS`] are far less than its range.
    pub seq: u32,
    pub timestamp: u32,
    /// When it was sent again the last time, in ms since the first packet (of which it keeps the lower half); nothing
    /// before.
    resent_at: u16,
    pub patch: Patch,
    /// The parts of [`DependencyPatch`], which would take six octets: frame number and active targets,
    frame: Option<(u16, NonZeroU16)>,
    /// ... and what is added to template ids.
    templates: u8,
    pub encoding: u8,
    /// The second octet of its header (RFC 3550 s5.1).
    marker_and_payload_type: u8,
    resends: u8,
}

const _: () = assert!(size_of::<Entry>() <= 40, "20 KB per video slot");

const MARKER: u8 = 0x80;

impl Entry {
    /// Of a first transmission.
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

    /// Whether it may be sent again at `at` (since the first packet): not before the last time can have arrived, and
    /// not for ever. If so, it is taken as sent.
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

    /// The same once more, by RTX (RFC 4588): as number `seq` of stream `ssrc`.
    pub fn again(&self, kind: Kind, ssrc: u32, payload_type: u8, seq: ExtendedSeq) -> Outgoing {
        self.outgoing(Transmission::Rtx(self.seq as u16), kind, ssrc, payload_type, seq)
    }

    /// The same once more as it was: number `seq` of stream `ssrc`, as which it left first.
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

/// A ring in which an entry's place is the number it left under. It takes memory with the first packet.
#[derive(Debug)]
pub struct History {
    ring: Vec<Option<Entry>>,
    length: usize,
    /// When the first packet left.
    origin: Option<Instant>,
}

impl History {
    /// Octets of a place in the ring.
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

    /// Octets.
    pub fn memory(&self) -> usize {
        self.ring.capacity() * Self::PLACE
    }

    /// How long ago the first packet left: times in the entries count from there.
    pub fn age(&self, now: Instant) -> Duration {
        self.origin.map_or(Duration::ZERO, |origin| now.saturating_duration_since(origin))
    }

    /// A packet leaves.
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

    /// Whether `seq`, at most `highest`, has certainly not left: only then may a late packet take it. What is older
    /// than the ring counts as used.
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
            encoding: 0,
            source_seq: ExtendedSeq(900 + seq),
            track: TrackId(1),
            patch: Patch::None,
            dependency: None,
        })
    }

    #[test]
    fn a_packet_is_sent_again_once_per_round_trip_and_three_times_at_most() {
        let mut entry = entry(1);
        let asked = [(0, true), (40, false), (99, false), (100, true), (150, false), (220, true), (9_000, false)];
        for (at, sent) in asked {
            assert_eq!(entry.resend(ms(at), ms(100)), sent, "at {at} ms");
        }
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
