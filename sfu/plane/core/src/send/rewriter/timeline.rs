//! Continues the timestamps where one source follows another.

use crate::receive::packet::Packet;
use crate::receive::rung::EncodingId;
use crate::rtp::clock::SenderClock;
use crate::send::rewriter::run::Ids;
use crate::time::{Duration, Instant, ms};

/// How far a new source may move the timeline ahead of the wall clock. mediasoup: MaxExtraOffset.
const MOST_AHEAD: Duration = ms(75);
/// A source further behind than this has stopped its clock, so the wall clock is used. LiveKit:
/// ResumeBehindHighThreshold.
const MOST_BEHIND: Duration = ms(2_000);
/// The usual packet duration: packets must not overlap.
const AUDIO_STEP: Duration = ms(20);

/// The newest sent packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    pub timestamp: u32,
    pub received: Instant,
    pub clock: Option<SenderClock>,
    pub encoding: EncodingId,
    /// False once the slot shows another track, or the encoding becomes another stream.
    pub same_track: bool,
    pub timestamp_offset: u32,
    /// The highest ids that are used or reserved. None before the first packet that has them.
    pub ids: Option<Ids>,
    pub frame_number: Option<u16>,
}

impl Last {
    /// Advances the timeline to `packet`, of the same run. The first packet of a picture has the best receive time; in
    /// H264 a later picture may have an earlier timestamp.
    pub fn advance(&mut self, packet: &Packet) {
        let timestamp = packet.timestamp.wrapping_add(self.timestamp_offset);
        if timestamp.wrapping_sub(self.timestamp) as i32 > 0 {
            (self.timestamp, self.received) = (timestamp, packet.received);
        }
    }

    /// The offset for the timestamps of a source that begins with `packet`.
    ///
    /// The timeline advances by the wall clock. If the sender's own clock gives the time of the packet more exactly,
    /// that is used within bounds: the timeline never goes back, and not more than [`MOST_AHEAD`] ahead.
    pub fn offset_of(&self, packet: &Packet) -> u32 {
        let rate = packet.payload_type.clock_rate;
        let elapsed = ticks(packet.received.saturating_duration_since(self.received), rate);
        let expected = self.timestamp.wrapping_add(elapsed as u32);
        let mapped = match (self.clock, packet.clock) {
            _ if !self.same_track => None,
            _ if self.encoding == packet.encoding => Some(packet.timestamp.wrapping_add(self.timestamp_offset)),
            (Some(old), Some(new)) => {
                Some(old.rtp_at(new.ntp_at(packet.timestamp)).wrapping_add(self.timestamp_offset))
            }
            _ => None,
        };
        let ahead = mapped.map_or(0, |mapped| i64::from(mapped.wrapping_sub(expected) as i32));
        let ahead = if ahead < -ticks(MOST_BEHIND, rate) { 0 } else { ahead.min(ticks(MOST_AHEAD, rate)) };
        let step = if packet.payload_type.codec.is_video() { 1 } else { ticks(AUDIO_STEP, rate) };
        let advance = (elapsed + ahead).max(step);
        self.timestamp.wrapping_add(advance as u32).wrapping_sub(packet.timestamp)
    }
}

pub(super) fn ticks(duration: Duration, rate: u32) -> i64 {
    (duration.as_nanos() * u128::from(rate) / 1_000_000_000) as i64
}
