//! The media of a participant: frames of VP8 by RID, or opus, at their rates, with keyframes on request.

use std::collections::BTreeMap;

use plane_core::codec::Codec;
use plane_core::command::Kind;
use plane_core::time::{Duration, Instant, Ntp, WallClock, ms};

use super::encoder::Encoder;

/// The pair of the nth sender report, instead of the true one.
pub type Falsify = fn(u32, Ntp, u32) -> (Ntp, u32);

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
    /// It ignores requests.
    pub deaf: bool,
    /// It makes periodic keyframes, after this many frames.
    pub period: Option<u32>,
    pub frames: u32,
    pub keyframes: u32,
    pub active: bool,
    /// The frame interval, if not the default.
    pub every: Option<Duration>,
    /// Whole frames are encrypted end to end; the payload descriptor is not.
    pub encrypted: bool,
    /// A `video-layers-allocation` that goes with the next packet.
    pub allocation: Option<Vec<u8>>,
    /// Its frames are described by dependency descriptors only, not by their payloads. Each keyframe has other
    /// templates.
    pub describes: bool,
    /// The pair of its nth sender report, made from the true one.
    pub falsify: Option<Falsify>,
    pub reports: u32,
    /// The packets of H.264 keyframes that have parameter sets.
    pub parameter_sets: ParameterSets,
    /// Packets a frame.
    pub packets: usize,
    /// Chooses the sizes of frames, instead of `packets` of 1,000 octets.
    pub encoder: Option<Encoder>,
    pub sent: u32,
    pub octets: u64,
    /// Payloads by sequence number, for retransmissions, and dependency descriptors.
    pub history: BTreeMap<u16, (u32, bool, Vec<u8>)>,
    pub descriptors: BTreeMap<u16, Vec<u8>>,
}

/// How an H.264 source sends its parameter sets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParameterSets {
    /// Sequence, then picture: the first two packets of each keyframe.
    First,
    PictureFirst,
    /// Before the first picture only.
    Once,
    /// They are in SDP, or nowhere.
    Never,
}

/// A packet without its header.
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
            describes: false,
            falsify: None,
            reports: 0,
            parameter_sets: ParameterSets::First,
            packets: if kind == Kind::Video { 3 } else { 1 },
            encoder: None,
            sent: 0,
            octets: 0,
            history: BTreeMap::new(),
            descriptors: BTreeMap::new(),
        }
    }

    pub fn interval(&self) -> Duration {
        self.every.unwrap_or(if self.kind == Kind::Video { ms(33) } else { ms(20) })
    }

    /// The packets of the next frame. Their payloads end with the frame's number, so that a receiver can distinguish
    /// them.
    pub fn next_frame(&mut self) -> Vec<Made> {
        let asked = std::mem::take(&mut self.keyframe_wanted) && !self.deaf;
        let due = self.period.is_some_and(|period| self.frames.is_multiple_of(period));
        let keyframe = asked || due || self.frames == 0;
        self.frames += 1;
        self.keyframes += u32::from(keyframe);
        let mut made = Vec::new();
        let octets = self.encoder.as_mut().map(|encoder| encoder.next_frame(keyframe));
        let packets = octets.map_or(self.packets, |octets| octets.div_ceil(PACKET));
        for index in 0..packets {
            let mut payload = match self.kind {
                Kind::Video if self.codec == Codec::H264 => self.h264(index, keyframe),
                Kind::Video if self.describes => undescribed(vp8(self.picture_id, index == 0, keyframe)),
                Kind::Video => vp8(self.picture_id, index == 0, keyframe),
                Kind::Audio => vec![0xFC; 60],
            };
            if self.encrypted {
                encrypt(&mut payload[DESCRIPTOR..], u32::from(self.sequence));
            }
            if let Some(octets) = octets {
                payload.resize((octets / packets).max(20), 0x55);
            }
            payload.extend_from_slice(&self.ssrc.to_be_bytes());
            payload.extend_from_slice(&self.sequence.to_be_bytes());
            let marker = self.kind == Kind::Video && index + 1 == packets;
            self.history.insert(self.sequence, (self.timestamp, marker, payload.clone()));
            if self.describes {
                let ends = (index == 0, marker);
                let descriptor = descriptor(ends, keyframe, self.keyframes, self.picture_id);
                self.descriptors.insert(self.sequence, descriptor);
            }
            self.octets += payload.len() as u64;
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

    fn h264(&self, index: usize, keyframe: bool) -> Vec<u8> {
        let index = match (self.parameter_sets, index) {
            _ if !keyframe => index,
            (ParameterSets::Never, index) => index + 2,
            (ParameterSets::Once, index) if self.keyframes > 1 => index + 2,
            (ParameterSets::PictureFirst, 0 | 1) => 1 - index,
            _ => index,
        };
        h264(index, keyframe)
    }

    /// The pair for a sender report: the next frame's timestamp belongs to the time it is due.
    pub fn clock(&self, clock: WallClock) -> (Ntp, u32) {
        (clock.ntp(self.next_frame), self.timestamp)
    }

    /// The pair that its next sender report has.
    pub fn report(&mut self, clock: WallClock) -> (Ntp, u32) {
        let (ntp, rtp) = self.clock(clock);
        self.reports += 1;
        self.falsify.map_or((ntp, rtp), |falsify| falsify(self.reports - 1, ntp, rtp))
    }
}

/// The largest payload of an encoder without the six octets that identify it. Chromium's packets have 1,200 octets at
/// most with RTP header, extensions and the two octets of RTX, and without the authentication tag.
const PACKET: usize = 1_164;
/// Octets of the payload descriptor.
const DESCRIPTOR: usize = 6;

/// Random octets for this seed.
fn encrypt(frame: &mut [u8], seed: u32) {
    let mut state = u64::from(seed);
    for octet in frame {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *octet ^= (state >> 56) as u8;
    }
}

/// A VP8 packet without numbers in its payload descriptor, as libwebrtc sends it beside a dependency descriptor.
fn undescribed(packet: Vec<u8>) -> Vec<u8> {
    let first = packet[0] & 0x10;
    [&[first][..], &packet[DESCRIPTOR..]].concat()
}

/// The structure of a stream of one layer and one chain, which has other templates since the nth `keyframe` (AV1 RTP
/// specification, A.8): a keyframe's, and one that refers to the frame before it. A keyframe's first packet has them.
fn descriptor((first, last): (bool, bool), is_keyframe: bool, keyframe: u32, frame_number: u16) -> Vec<u8> {
    let offset = keyframe * 2 % 64;
    let template = (offset + u32::from(!is_keyframe)) % 64;
    let head = u32::from(first) << 7 | u32::from(last) << 6 | template;
    let [high, low] = frame_number.to_be_bytes();
    let mut bits = vec![(head, 8), (high.into(), 8), (low.into(), 8)];
    if is_keyframe && first {
        // Flags, offset, one target; a second template of the same layer; both of them switch; their references.
        bits.extend([(0x10, 5), (offset, 6), (0, 5), (0, 2), (3, 2), (2, 2), (2, 2), (0, 1), (0b10_0000, 6)]);
        // One chain, which the second continues; no sizes.
        bits.extend([(1, 1), (0, 4), (1, 4), (0, 1)]);
    }
    let bits: Vec<u8> =
        bits.iter().flat_map(|&(value, count)| (0..count).rev().map(move |bit| (value >> bit & 1) as u8)).collect();
    bits.chunks(8).map(|octet| octet.iter().enumerate().fold(0, |sum, (at, bit)| sum | bit << (7 - at))).collect()
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
    let is_parameter_set = keyframe && index < 2;
    payload.resize(if is_parameter_set { payload.len() } else { 1_000 }, 0x55);
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
