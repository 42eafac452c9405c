//! Rewrites the numbers of packets: sequence number, timestamp, the numbers in a VP8 or VP9 payload (RFC 7741 s4.2, RFC
//! 9628 s4.2), and those of a dependency descriptor. They stay continuous while the slot drops layers, pauses, or
//! switches encoding or track.
//!
//! The source's numbers are divided into *runs*. Within a run, a packet's new number is its own plus the run's offset,
//! so the number of a missing packet stays reserved until it arrives late. Between runs no number is reserved.
//!
//! ```text
//! source   10 11 12 13 14 15 16 | 17 18 | 19 20 ·· 22       12 lost, 17 and 18 dropped on purpose, 21 still missing
//! output    1  2 ··  4  5  6  7 |       |  8  9 ·· 11       3 waits for 12, 10 for 21
//! runs     [10                17)        [19       23)
//! ```
//!
//! VP8 picture ids become contiguous in the same way. VP9 picture ids and frame numbers only get an offset, constant
//! between two switches, because frames refer to one another by distance. Template ids get an offset that is constant
//! between two structures.

mod run;
mod templates;
mod timeline;

use std::collections::VecDeque;

use crate::codec::dependency::DependencyDescriptor;
use crate::receive::packet::Packet;
use crate::receive::rung::EncodingId;
use crate::rtp::sequence::ExtendedSeq;
use crate::time::Instant;

use run::{Frame, Ids, Offsets, Run};
use templates::Templates;
use timeline::Last;

pub use run::Numbers;

/// The number of runs that are kept for late packets. With the upper of two temporal layers dropped, a run is one
/// picture: 1.6 s.
const MOST_RUNS: usize = 48;

/// A frame that is being dropped.
#[derive(Clone, Copy, Debug)]
struct Skipping {
    frame: Frame,
    /// Its last packet was seen.
    ended: bool,
}

#[derive(Debug)]
pub struct Rewriter {
    /// The next sequence number.
    next: u64,
    first_timestamp: u32,
    /// When a report first announced the timeline, and the clock rate of the timeline, Hz.
    announced: Option<(Instant, u32)>,
    /// Oldest first. The last run is open.
    runs: VecDeque<Run>,
    last: Option<Last>,
    skipping: Option<Skipping>,
    templates: Templates,
}

impl Rewriter {
    /// `first_sequence` must be below 2^15: otherwise the first loss could make a receiver guess its rollovers wrong
    /// (RFC 3711 s3.3.1).
    pub fn new(first_sequence: u16, first_timestamp: u32) -> Self {
        debug_assert!(first_sequence < 1 << 15);
        Self {
            next: u64::from(first_sequence & 0x7FFF),
            first_timestamp,
            announced: None,
            runs: VecDeque::new(),
            last: None,
            skipping: None,
            templates: Templates::default(),
        }
    }

    /// The highest number that was used or reserved.
    pub fn highest(&self) -> Option<ExtendedSeq> {
        self.last.map(|_| ExtendedSeq(self.next - 1))
    }

    /// The timestamp of the newest packet, when it was received, and the offset that is added to the source's
    /// timestamps.
    pub fn newest(&self) -> Option<(u32, Instant, u32)> {
        self.last.map(|last| (last.timestamp, last.received, last.timestamp_offset))
    }

    /// The present timestamp of the timeline before its first packet, for a report. The first packet continues from
    /// there.
    pub fn announce(&mut self, rate: u32, now: Instant) -> u32 {
        let (at, rate) = *self.announced.get_or_insert((now, rate));
        self.first_timestamp.wrapping_add(timeline::ticks(now.saturating_duration_since(at), rate) as u32)
    }

    /// Called when the slot shows another track. Late packets of the old one are dropped.
    pub fn forget_source(&mut self) {
        self.runs.clear();
        self.skipping = None;
        if let Some(last) = &mut self.last {
            last.same_track = false;
        }
    }

    /// Called when an encoding of the track becomes another stream, or none. Its late packets are dropped.
    pub fn forget_encoding(&mut self, encoding: EncodingId) {
        if self.runs.back().is_some_and(|run| run.encoding == encoding) {
            self.skipping = None;
        }
        self.runs.retain(|run| run.encoding != encoding);
        if let Some(last) = self.last.as_mut().filter(|last| last.encoding == encoding) {
            last.same_track = false;
        }
    }

    /// How far `seq` is ahead of the next expected number of `encoding`; negative if it is behind. None: the newest
    /// packet was of another encoding.
    pub fn distance(&self, encoding: EncodingId, seq: ExtendedSeq) -> Option<i64> {
        let run = self.runs.back().filter(|run| run.encoding == encoding)?;
        Some(seq.0.wrapping_sub(run.end) as i64)
    }

    /// Reserves a number for a packet of our own, sent before the one that [`Rewriter::begin`] is called with next.
    pub fn reserve(&mut self) -> ExtendedSeq {
        self.next += 1;
        ExtendedSeq(self.next - 1)
    }

    /// Numbers the first packet of a source: of another track or encoding, or of the same one after a pause. It gets
    /// the next sequence number, and the timestamp that the timeline has reached.
    pub fn begin(&mut self, packet: &Packet) -> Numbers {
        let gone_on = self.announced.map_or(0, |(at, _)| {
            timeline::ticks(packet.received.saturating_duration_since(at), packet.payload_type.clock_rate) as u32
        });
        let first = || self.first_timestamp.wrapping_add(gone_on).wrapping_sub(packet.timestamp);
        let timestamp = self.last.map_or_else(first, |last| last.offset_of(packet));
        let mut offsets = Offsets { timestamp, ..Offsets::default() };
        let ids = Ids::of(packet);
        let picture = ids.map_or(0, |ids| ids.picture);
        if let (Some(ids), Some(last)) = (ids, self.last.and_then(|last| last.ids)) {
            offsets.follow(last, ids);
        }
        if let Some(frame) = &packet.description.dependency {
            let next = self.last.and_then(|last| last.frame_number).map(|last| last.wrapping_add(1));
            offsets.frame = next.map_or(0, |next| next.wrapping_sub(frame.frame_number));
            offsets.templates = self.templates.begin(&frame.structure);
        }
        self.skipping = None;
        self.open(Run {
            encoding: packet.encoding,
            first: packet.seq.0,
            end: packet.seq.0,
            output: self.next,
            offsets,
            picture,
            skipped: None,
        });
        let numbers = self.advance(packet);
        if let Some(last) = &mut self.last {
            (last.timestamp, last.received) = (numbers.timestamp, packet.received);
        }
        numbers
    }

    /// Numbers a packet that is the newest of the shown encoding. The numbers of packets missing before it are
    /// reserved.
    pub fn advance(&mut self, packet: &Packet) -> Numbers {
        if let Some(frame) = &packet.description.dependency
            && !self.templates.are_of(&frame.structure)
        {
            self.exchange_structure(packet, frame);
        }
        let lost_of_skipped = self.lost_of_skipped(packet);
        let next = self.next;
        let Some(run) = self.runs.back_mut() else { return self.begin(packet) };
        debug_assert!(run.encoding == packet.encoding && packet.seq.0 >= run.end);
        run.first += lost_of_skipped;
        run.end = packet.seq.0 + 1;
        self.next = run.output + (run.end - run.first);
        debug_assert!(self.next > next);
        self.skipping = None;

        let ids = run.insert(packet);
        let numbers = run.numbers(packet);
        let timestamp_offset = run.offsets.timestamp;
        match &mut self.last {
            Some(last) => {
                // The first packet of a picture has the best receive time; in H264 a later picture may have an earlier
                // timestamp.
                if numbers.timestamp.wrapping_sub(last.timestamp) as i32 > 0 {
                    (last.timestamp, last.received) = (numbers.timestamp, packet.received);
                }
                (last.clock, last.encoding, last.same_track) = (packet.clock, packet.encoding, true);
                last.timestamp_offset = timestamp_offset;
                last.ids = ids.or(last.ids);
                last.frame_number = numbers.frame_number.or(last.frame_number);
            }
            None => {
                self.last = Some(Last {
                    timestamp: numbers.timestamp,
                    received: packet.received,
                    clock: packet.clock,
                    encoding: packet.encoding,
                    same_track: true,
                    timestamp_offset,
                    ids,
                    frame_number: numbers.frame_number,
                });
            }
        }
        numbers
    }

    /// Drops a packet that is the newest of the shown encoding. The next packet gets the number it would have had.
    /// `begins`: it is the first packet of its frame.
    pub fn skip(&mut self, packet: &Packet, begins: bool) {
        let seq = packet.seq.0;
        let frame = Frame::of(packet);
        let continues = self.skipping.is_some_and(|skipping| skipping.frame == frame);
        let lost_of_skipped = if continues { 0 } else { self.lost_of_skipped(packet) };
        self.skipping = Some(Skipping { frame, ended: packet.marker || packet.description.end });
        let Some(run) = self.runs.back_mut() else {
            return;
        };
        if continues {
            // Packets missing in between belong to the same frame.
            (run.first, run.end) = (seq + 1, seq + 1);
            return;
        }
        run.first += lost_of_skipped;
        run.end += lost_of_skipped;
        // If the frame's first packet is missing, the packet before this one certainly belongs to the frame.
        let missing = seq.saturating_sub(run.end);
        let reserved = if begins { missing } else { missing.saturating_sub(1) };
        run.end += reserved;
        self.next += reserved;

        let mut following = *run;
        following.first = seq + 1;
        following.end = seq + 1;
        following.output = self.next;
        following.skipped = Some(frame);
        if packet.description.vp8.is_some() {
            following.offsets.picture = following.offsets.picture.wrapping_sub(1);
        }
        let ids = following.insert(packet);
        let frame_number = following.frame_number(packet);
        self.follow(following);
        // Packets with reserved numbers before it may still arrive.
        if let Some(last) = &mut self.last {
            last.ids = ids.or(last.ids);
            last.frame_number = frame_number.or(last.frame_number);
            if reserved > 0 {
                last.advance(packet);
            }
        }
    }

    /// Drops an empty packet (RTP padding, by which browsers probe) that is the newest of the shown encoding. The next
    /// packet gets the number it would have had.
    pub fn omit(&mut self, packet: &Packet) {
        let seq = packet.seq.0;
        let Some(run) = self.runs.back_mut() else {
            return;
        };
        if self.skipping.is_some_and(|skipping| skipping.frame.timestamp == packet.timestamp) {
            (run.first, run.end) = (seq + 1, seq + 1);
            return;
        }
        let reserved = seq.saturating_sub(run.end);
        self.next += reserved;
        run.end = seq.max(run.end);
        if reserved > 0
            && let Some(last) = &mut self.last
        {
            last.advance(packet);
        }
        let following = Run { first: seq + 1, end: seq + 1, output: self.next, ..*run };
        self.follow(following);
    }

    /// The numbers reserved for a late packet; None if there are none. The history knows whether they are still free,
    /// and [`Rewriter::is_skipped`] whether the packet belongs to a dropped frame.
    pub fn late(&self, packet: &Packet) -> Option<Numbers> {
        let seq = packet.seq.0;
        let matches = |run: &Run| run.encoding == packet.encoding && (run.first..run.end).contains(&seq);
        let at = self.runs.iter().rposition(matches)?;
        Some(self.runs[at].numbers(packet))
    }

    /// True if a late packet belongs to a frame of which another packet was dropped.
    pub fn is_skipped(&self, packet: &Packet) -> bool {
        let frame = Some(Frame::of(packet));
        self.runs.iter().any(|run| run.encoding == packet.encoding && run.skipped == frame)
    }

    /// The source packet that a number is reserved for.
    pub fn source(&self, seq: ExtendedSeq) -> Option<(EncodingId, ExtendedSeq)> {
        let run = self.runs.iter().rev().find(|run| run.output <= seq.0)?;
        let source = run.first + (seq.0 - run.output);
        (source < run.end).then_some((run.encoding, ExtendedSeq(source)))
    }

    /// Handles another structure within a run. If the offset of template ids changes, a new run begins.
    #[cold]
    fn exchange_structure(&mut self, packet: &Packet, frame: &DependencyDescriptor) {
        let lost_of_skipped = self.lost_of_skipped(packet);
        let Some(run) = self.runs.back_mut() else {
            return;
        };
        let templates = self.templates.go_on(frame, run.offsets.templates);
        if templates == run.offsets.templates {
            return;
        }
        // Packets missing before it use the last structure.
        let seq = packet.seq.0;
        run.first += lost_of_skipped;
        run.end = seq;
        self.next = run.output + (run.end - run.first);
        self.skipping = None;
        let offsets = Offsets { templates, ..run.offsets };
        let following = Run { first: seq, end: seq, output: self.next, offsets, ..*run };
        self.follow(following);
    }

    /// Opens another run of the same source. It replaces the last one if that is empty.
    fn follow(&mut self, following: Run) {
        match self.runs.back_mut().filter(|run| run.first == run.end) {
            Some(empty) => *empty = following,
            None => self.open(following),
        }
    }

    fn open(&mut self, run: Run) {
        if self.runs.len() == MOST_RUNS {
            self.runs.pop_front();
        }
        self.runs.push_back(run);
    }

    /// Returns 1 if a frame is being dropped, its end is missing, and packets before `packet`, which belongs to the
    /// next frame, are missing too. The first missing packet needs no number, because it certainly belongs to the
    /// dropped frame.
    fn lost_of_skipped(&self, packet: &Packet) -> u64 {
        let Some(skipping) = self.skipping else {
            return 0;
        };
        let missing = self.runs.back().is_some_and(|run| packet.seq.0 > run.end);
        u64::from(missing && !skipping.ended && skipping.frame != Frame::of(packet))
    }
}

#[cfg(test)]
mod tests;
