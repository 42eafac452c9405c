//! The timestamps of a fast start. All packets since the last keyframe leave at once; with their own timestamps a receiver
//! would play the past and stay behind for as long as it shows the track, so the timestamps are compressed.
//!
//! ```text
//! source    K · · T0 · · T0 · · T0 · · T0|        |: the live edge, where both timelines agree
//! leaves                           K T0T0T0T0| T0 · · …
//! ```

use crate::receive::packet::Packet;
use crate::receive::rung::EncodingId;
use crate::receive::start::Span;
use crate::rtp::sequence::ExtendedSeq;
use crate::time::{Duration, Instant, ms};

/// Most time from the keyframe to the live edge on the compressed timeline: a receiver that takes the first packet for
/// live plays everything later by this.
const LONGEST_SPAN: Duration = ms(40);
/// The highest compression factor: frames at 90 per second are still two ticks apart.
const MOST_COMPRESSED: u32 = 500;

/// Compresses the timeline of one encoding before its live edge linearly, towards the edge.
#[derive(Clone, Copy, Debug)]
pub struct Compression {
    encoding: EncodingId,
    /// Packets before `first` left with their own timestamps, if they did; packets after `last` are live.
    first: ExtendedSeq,
    last: ExtendedSeq,
    /// The live edge: the newest timestamp and its arrival.
    timestamp: u32,
    received: Instant,
    /// Hz.
    rate: u32,
    /// `from` ticks are compressed to `to` ticks.
    from: u32,
    to: u32,
    /// The first number of the slot that leaves with a compressed timestamp.
    since: ExtendedSeq,
}

impl Compression {
    /// How a slot catches up with the live edge if sending the stored packets takes `time`. The compressed span fits
    /// into `room`, the slot's free time behind what it has shown.
    pub fn new(span: &Span, encoding: EncodingId, time: Duration, room: Duration, now: Instant) -> Self {
        // Time since the edge arrived.
        let waited = now.saturating_duration_since(span.received);
        let longest = time.min(LONGEST_SPAN.saturating_sub(waited)).min(room);
        let longest = (longest.as_micros() as u64 * u64::from(span.rate) / 1_000_000) as u32;
        Self {
            encoding,
            first: span.first,
            last: span.last,
            timestamp: span.timestamp,
            received: span.received,
            rate: span.rate,
            from: span.ticks.max(1),
            to: longest.max(span.ticks.div_ceil(MOST_COMPRESSED)).min(span.ticks),
            since: ExtendedSeq(0),
        }
    }

    pub fn encoding(&self) -> EncodingId {
        self.encoding
    }

    /// Sets `since`, the next number of the slot.
    pub fn since(self, since: ExtendedSeq) -> Self {
        Self { since, ..self }
    }

    /// True if a packet belongs to the compressed part. A late one must leave with the timestamp of its frame.
    pub fn covers(&self, packet: &Packet) -> bool {
        packet.encoding == self.encoding && (self.first..=self.last).contains(&packet.seq)
    }

    /// Returns a late packet, which leaves as number `seq`, with the timestamp that its frame left with: the compressed
    /// one from `since` on, before that the original one.
    pub fn at_its_time<'a>(&self, packet: &Packet<'a>, seq: ExtendedSeq) -> Packet<'a> {
        let caught_up = seq >= self.since;
        let timestamp = if caught_up { self.timestamp(packet.timestamp) } else { packet.timestamp };
        Packet { timestamp, ..*packet }
    }

    /// Returns a recorded packet at its time on the compressed timeline.
    pub fn compress<'a>(&self, packet: &Packet<'a>) -> Packet<'a> {
        Packet { timestamp: self.timestamp(packet.timestamp), received: self.received(packet.timestamp), ..*packet }
    }

    fn timestamp(&self, timestamp: u32) -> u32 {
        self.timestamp.wrapping_sub(self.ticks_behind(timestamp))
    }

    /// The arrival time that fits the compressed timestamp.
    fn received(&self, timestamp: u32) -> Instant {
        let micros = u64::from(self.ticks_behind(timestamp)) * 1_000_000 / u64::from(self.rate.max(1));
        self.received.checked_sub(Duration::from_micros(micros)).unwrap_or(self.received)
    }

    fn ticks_behind(&self, timestamp: u32) -> u32 {
        let behind = (self.timestamp.wrapping_sub(timestamp) as i32).max(0);
        (u64::from(behind.unsigned_abs()) * u64::from(self.to) / u64::from(self.from)) as u32
    }
}
