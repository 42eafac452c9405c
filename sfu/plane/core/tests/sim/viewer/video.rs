//! A received VP8 stream: packets become frames, frames are decoded in order and shown (packet_buffer.cc,
//! frame_buffer.cc, video_receive_stream2.cc). A frame can be decoded if it is whole and is a keyframe, or follows the
//! last decoded one.

use std::collections::{BTreeMap, BTreeSet};

use plane_core::time::{Duration, Instant, ms};

use super::super::peer::Received;
use super::super::stream::origin;
use super::Extended;
use super::freeze::Freezes;
use super::nack::{Nacks, Noted};
use super::playout::Playout;

/// kMaxWaitForKeyFrame, kMaxWaitForFrame.
const WAIT_FOR_KEYFRAME: Duration = ms(200);
const WAIT_FOR_FRAME: Duration = ms(3_000);

#[derive(Default, Debug)]
struct Frame {
    packets: BTreeSet<i64>,
    first: Option<i64>,
    last: Option<i64>,
    is_keyframe: bool,
    picture: u16,
    source: u32,
    is_repaired: bool,
}

impl Frame {
    fn is_whole(&self) -> bool {
        matches!((self.first, self.last), (Some(first), Some(last)) if (last - first + 1) as usize == self.packets.len())
    }
}

#[derive(Debug)]
pub struct Video {
    sequence: Extended,
    timestamp: Extended,
    pub nacks: Nacks,
    frames: BTreeMap<i64, Frame>,
    /// The last decoded frame: timestamp, picture id.
    decoded: Option<(i64, u16)>,
    playout: Playout,
    pub freezes: Freezes,
    /// When it asks for a keyframe unless a frame is decoded.
    patience: Option<Instant>,
    keyframe_wanted: bool,
    /// Frames of which something came and that were never shown.
    pub torn: u64,
    pub keyframes: u64,
    pub keyframe_requests: u64,
    /// The SSRC of the publisher's encoding of each shown frame, when it changes.
    pub sources: Vec<(Instant, u32)>,
    /// Requested packets that had not been lost: they came themselves, late.
    pub wasted: u64,
    /// Packets that came for the first time, and octets of their payloads.
    pub packets: u64,
    pub octets: u64,
}

impl Video {
    pub fn new(round_trip: Duration) -> Self {
        Self {
            sequence: Extended::default(),
            timestamp: Extended::default(),
            nacks: Nacks::new(round_trip),
            frames: BTreeMap::new(),
            decoded: None,
            playout: Playout::new(round_trip),
            freezes: Freezes::default(),
            patience: None,
            keyframe_wanted: false,
            torn: 0,
            keyframes: 0,
            keyframe_requests: 0,
            sources: Vec::new(),
            wasted: 0,
            packets: 0,
            octets: 0,
        }
    }

    pub fn handle_packet(&mut self, sequence: u16, packet: &Received, payload: &[u8], is_repair: bool, now: Instant) {
        let number = self.sequence.sequence(sequence);
        let noted = self.nacks.handle_packet(number, is_repair, now);
        self.patience.get_or_insert(now + WAIT_FOR_KEYFRAME);
        match noted {
            Noted::Overflow => self.keyframe_wanted = true,
            Noted::Recovered(requests) if requests > 0 && !is_repair => self.wasted += 1,
            _ => {}
        }
        let timestamp = self.timestamp.timestamp(packet.timestamp);
        let is_late = self.decoded.is_some_and(|decoded| timestamp <= decoded.0);
        if is_late || payload.len() < 13 {
            return;
        }
        let frame = self.frames.entry(timestamp).or_default();
        if !frame.packets.insert(number) {
            return;
        }
        self.packets += 1;
        self.octets += payload.len() as u64;
        frame.is_repaired |= matches!(noted, Noted::Recovered(requests) if requests > 0);
        if payload[0] & 0x10 != 0 {
            frame.first = Some(number);
            frame.is_keyframe = payload[6] & 1 == 0;
        }
        frame.picture = u16::from_be_bytes([payload[2], payload[3]]) & 0x7FFF;
        frame.source = origin(payload).0;
        if packet.marker {
            frame.last = Some(number);
        }
        self.decode(now);
    }

    /// Decodes what can be decoded, in order.
    fn decode(&mut self, now: Instant) {
        let follows = |frame: &Frame, decoded: Option<(i64, u16)>| {
            let next = decoded.map(|decoded| (decoded.1 + 1) & 0x7FFF);
            frame.is_whole() && (frame.is_keyframe || next == Some(frame.picture))
        };
        while let Some((&timestamp, _)) = self.frames.iter().find(|(_, frame)| follows(frame, self.decoded)) {
            let later = self.frames.split_off(&(timestamp + 1));
            let mut past = std::mem::replace(&mut self.frames, later);
            let Some((_, frame)) = past.pop_last() else { return };
            self.torn += past.len() as u64;
            self.decoded = Some((timestamp, frame.picture));
            self.nacks.forget_until(frame.last.unwrap_or_default() + 1);
            self.keyframes += u64::from(frame.is_keyframe);
            if self.sources.last().is_none_or(|last| last.1 != frame.source) {
                self.sources.push((now, frame.source));
            }
            let shown = self.playout.handle_frame(timestamp, frame.is_repaired, now);
            self.freezes.handle_frame(shown);
            self.patience = Some(now + WAIT_FOR_FRAME);
            self.keyframe_wanted = false;
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.nacks.poll_timeout(), self.patience].into_iter().flatten().min()
    }

    pub fn poll_nack(&mut self, now: Instant) -> Vec<u16> {
        self.nacks.poll(now)
    }

    /// Whether it asks for a keyframe now.
    pub fn poll_keyframe_request(&mut self, now: Instant) -> bool {
        let impatient = self.patience.is_some_and(|patience| patience <= now);
        if !impatient && !self.keyframe_wanted {
            return false;
        }
        self.keyframe_wanted = false;
        self.patience = Some(now + WAIT_FOR_KEYFRAME);
        self.keyframe_requests += 1;
        true
    }
}
