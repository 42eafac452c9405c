//! How timestamps go on where one source follows another.

use crate::rtp::clock::SenderClock;
use crate::send::passing::Packet;
use crate::send::rewriter::run::Ids;
use crate::time::{Duration, Instant, ms};

/// How far ahead of what the wall clock expects a new source may put the timeline. mediasoup: MaxExtraOffset.
const MOST_AHEAD: Duration = ms(75);
/// A source further behind than this has stopped its clock; the wall clock is right. LiveKit: ResumeBehindHighThreshold.
const MOST_BEHIND: Duration = ms(2_000);
/// The usual packet: what must not be played over another.
const AUDIO_STEP: Duration = ms(20);

/// The newest of what left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    pub timestamp: u32,
    pub received: Instant,
    pub clock: Option<SenderClock>,
    pub encoding: u8,
    /// Of the track it came from; false once the slot shows another.
    pub same_track: bool,
    pub timestamp_offset: u32,
    /// The highest in use or kept free. None before the first packet that has them.
    pub ids: Option<Ids>,
    pub frame_number: Option<u16>,
}

impl Last {
    /// The timeline has come to `packet`, of the same run, at least. The first packet of a picture tells best when it
    /// is of; in H264 a later picture may be of an earlier time.
    pub fn advance(&mut self, packet: &Packet) {
        let timestamp = packet.timestamp.wrapping_add(self.timestamp_offset);
        if timestamp.wrapping_sub(self.timestamp) as i32 > 0 {
            (self.timestamp, self.received) = (timestamp, packet.received);
        }
    }

    /// What to add to the timestamps of a source that begins with `packet`.
    ///
    /// The timeline has gone on by the wall clock. Where the sender's own clock says more exactly what time the packet
    /// is of, that is believed, within bounds: the timeline never goes back, and not more than [`MOST_AHEAD`] ahead.
    pub fn offset_of(&self, packet: &Packet) -> u32 {
        let rate = packet.payload_type.clock_rate;
        let elapsed = ticks(packet.received.saturating_duration_since(self.received), rate);
        let expected = self.timestamp.wrapping_add(elapsed as u32);
        let told = match (self.clock, packet.clock) {
            _ if !self.same_track => None,
            _ if self.encoding == packet.encoding => Some(packet.timestamp.wrapping_add(self.timestamp_offset)),
            (Some(old), Some(new)) => {
                Some(old.rtp_at(new.ntp_at(packet.timestamp)).wrapping_add(self.timestamp_offset))
            }
            _ => None,
        };
        let ahead = told.map_or(0, |told| i64::from(told.wrapping_sub(expected) as i32));
        let ahead = if ahead < -ticks(MOST_BEHIND, rate) { 0 } else { ahead.min(ticks(MOST_AHEAD, rate)) };
        let step = if packet.payload_type.codec.is_video() { 1 } else { ticks(AUDIO_STEP, rate) };
        let advance = (elapsed + ahead).max(step);
        self.timestamp.wrapping_add(advance as u32).wrapping_sub(packet.timestamp)
    }
}

pub(super) fn ticks(duration: Duration, rate: u32) -> i64 {
    (duration.as_nanos() * u128::from(rate) / 1_000_000_000) as i64
}
