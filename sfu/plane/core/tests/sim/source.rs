//! What a participant sends: frames of VP8 by RID, or opus, at their rates, with keyframes when they are asked for.

use std::collections::BTreeMap;

use plane_core::codec::Codec;
use plane_core::command::Kind;
use plane_core::time::{Duration, Instant, Ntp, WallClock, ms};

/// One SSRC of a published track.
pub struct Source {
    pub kind: Kind,
    pub mid: String,
    pub rid: Option<String>,
    pub ssrc: u32,
    pub rtx_ssrc: u32,
    pub sequence: u16,
    pub rtx_sequence: u16,
    pub timestamp: u32,
    pub picture_id: u16,
    pub next_frame: Instant,
    pub next_report: Instant,
    pub keyframe_wanted: bool,
    pub codec: Codec,
    /// It does not care what is asked of it.
    pub deaf: bool,
    /// It makes a keyframe each so many frames, come what may.
    pub period: Option<u32>,
    pub frames: u32,
    pub keyframes: u32,
    pub active: bool,
    /// Between frames, if not as usual.
    pub every: Option<Duration>,
    /// Frames are encrypted end to end, whole; the payload descriptor is not.
    pub encrypted: bool,
    /// A `video-layers-allocation` that goes with the next packet.
    pub allocation: Option<Vec<u8>>,
    /// Packets a frame.
    pub packets: usize,
    pub sent: u32,
    /// Payloads by sequence number, for retransmissions.
    pub history: BTreeMap<u16, (u32, bool, Vec<u8>)>,
}

/// A packet before it has a header.
pub struct Made {
    pub sequence: u16,
    pub timestamp: u32,
    pub marker: bool,
    pub payload: Vec<u8>,
}

impl Source {
    pub fn new(kind: Kind, mid: &str, rid: Option<&str>, ssrc: u32, now: Instant) -> Self {
        Self {
            kind,
            mid: mid.into(),
            rid: rid.map(String::from),
            ssrc,
            rtx_ssrc: ssrc + 1,
            sequence: (ssrc % 1_000) as u16,
            rtx_sequence: 1,
            timestamp: ssrc.wrapping_mul(7_919),
            picture_id: 0,
            next_frame: now,
            next_report: now,
            keyframe_wanted: true,
            codec: if kind == Kind::Video { Codec::Vp8 } else { Codec::Opus },
            deaf: false,
            period: None,
            frames: 0,
            keyframes: 0,
            active: true,
            every: None,
            encrypted: false,
            allocation: None,
            packets: if kind == Kind::Video { 3 } else { 1 },
            sent: 0,
            history: BTreeMap::new(),
        }
    }

    pub fn interval(&self) -> Duration {
        self.every.unwrap_or(if self.kind == Kind::Video { ms(33) } else { ms(20) })
    }

    /// The packets of the next frame. Their payloads end in the frame's number, so that a receiver can tell them apart.
    pub fn next_frame(&mut self) -> Vec<Made> {
        let asked = std::mem::take(&mut self.keyframe_wanted) && !self.deaf;
        let due = self.period.is_some_and(|period| self.frames.is_multiple_of(period));
        let keyframe = asked || due || self.frames == 0;
        self.frames += 1;
        self.keyframes += u32::from(keyframe);
        let mut made = Vec::new();
        for index in 0..self.packets {
            let mut payload = match self.kind {
                Kind::Video if self.codec == Codec::H264 => h264(index, keyframe),
                Kind::Video => vp8(self.picture_id, index == 0, keyframe),
                Kind::Audio => vec![0xFC; 60],
            };
            if self.encrypted {
                encrypt(&mut payload[DESCRIPTOR..], u32::from(self.sequence));
            }
            payload.extend_from_slice(&self.ssrc.to_be_bytes());
            payload.extend_from_slice(&self.sequence.to_be_bytes());
            let marker = self.kind == Kind::Video && index + 1 == self.packets;
            self.history.insert(self.sequence, (self.timestamp, marker, payload.clone()));
            made.push(Made { sequence: self.sequence, timestamp: self.timestamp, marker, payload });
            self.sequence = self.sequence.wrapping_add(1);
            self.sent += 1;
        }
        if self.history.len() > 500 {
            self.history.pop_first();
        }
        self.picture_id = (self.picture_id + 1) & 0x7FFF;
        self.timestamp = self
            .timestamp
            .wrapping_add(self.interval().as_millis() as u32 * if self.kind == Kind::Video { 90 } else { 48 });
        self.next_frame += self.interval();
        made
    }

    /// The pair for a sender report: the next frame's timestamp belongs to the time it is due.
    pub fn clock(&self, clock: WallClock) -> (Ntp, u32) {
        (clock.ntp(self.next_frame), self.timestamp)
    }
}

/// Octets of the payload descriptor.
const DESCRIPTOR: usize = 6;

/// Octets without a rule, other ones for each seed.
fn encrypt(frame: &mut [u8], seed: u32) {
    let mut state = u64::from(seed);
    for octet in frame {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *octet ^= (state >> 56) as u8;
    }
}

/// Units of H.264 (RFC 6184): a keyframe's first two are its parameter sets.
pub fn h264(index: usize, keyframe: bool) -> Vec<u8> {
    let mut payload = match (keyframe, index) {
        (true, 0) => vec![0x67, 0x42, 0xE0, 0x1F, 0xDA, 0x02, 0x80, 0xBF, 0xE5, 0xC0],
        (true, 1) => vec![0x68, 0xCE, 0x3C, 0x80],
        (true, 2) => vec![0x65, 0x88, 0x84],
        (true, _) => vec![0x65, 0x08, 0x84],
        (false, 0) => vec![0x41, 0x9A, 0x02],
        (false, _) => vec![0x41, 0x1A, 0x02],
    };
    payload.resize(1_000, 0x55);
    payload
}

/// A VP8 packet (RFC 7741): 15-bit picture id, TL0PICIDX, one temporal layer; a keyframe of 640 x 360.
pub fn vp8(picture_id: u16, first: bool, keyframe: bool) -> Vec<u8> {
    let mut payload = vec![if first { 0x90 } else { 0x80 }, 0xE0];
    payload.extend_from_slice(&(picture_id | 0x8000).to_be_bytes());
    payload.push(picture_id as u8);
    payload.push(0x20);
    if first && keyframe {
        payload.extend_from_slice(&[0x10, 0x02, 0x00, 0x9D, 0x01, 0x2A, 0x80, 0x02, 0x68, 0x01]);
    } else {
        payload.push(0x11);
    }
    payload.resize(1_000, 0x55);
    payload
}
