//! Publishers in virtual time whose packets can be lost, late or switched, for the tests of this module.

mod capture;
mod captured;
mod decoder;
mod layers;
mod pictures;
mod properties;
mod red;
mod slot;
mod start;
mod svc;
mod templates;
mod wire;

use super::*;
use crate::codec::{Codec, Description, PayloadType, vp8};
use crate::command::{Kind, SlotSpec};
use crate::id::{SlotId, TrackId, TransportId};
use crate::layer::{Layer, Lives};
use crate::rtp::clock::SenderClock;
use crate::rtp::extension::{Extension, ExtensionMap};
use crate::rtp::sequence::ExtendedSeq;
use crate::time::{Duration, Instant, Ntp, ms};

/// The first encoding at a place.
pub(in crate::send) fn id(place: u8) -> EncodingId {
    EncodingId::first(place)
}

pub(in crate::send) const VP8: PayloadType =
    PayloadType { number: 96, codec: Codec::Vp8, format: 0, clock_rate: 90_000, rtx: Some(97) };
pub(in crate::send) const VP9: PayloadType = PayloadType { number: 98, codec: Codec::Vp9, rtx: Some(99), ..VP8 };
pub(in crate::send) const AV1: PayloadType = PayloadType { number: 45, codec: Codec::Av1, rtx: Some(46), ..VP8 };
pub(in crate::send) const H264: PayloadType = PayloadType { number: 102, codec: Codec::H264, rtx: Some(103), ..VP8 };
pub(in crate::send) const OPUS: PayloadType =
    PayloadType { number: 111, codec: Codec::Opus, format: 0, clock_rate: 48_000, rtx: None };
pub(in crate::send) const RED: PayloadType =
    PayloadType { number: 63, codec: Codec::Red, format: 0, clock_rate: 48_000, rtx: None };

/// A packet for the slot.
#[derive(Clone, Debug)]
pub(in crate::send) struct Sent {
    pub encoding: u8,
    pub seq: u64,
    pub timestamp: u32,
    pub marker: bool,
    pub payload_type: PayloadType,
    pub description: Description,
    pub payload: Vec<u8>,
    /// The dependency descriptor.
    pub descriptor: Vec<u8>,
    pub alone: bool,
    pub clock: Option<SenderClock>,
    pub at: Instant,
}

impl Sent {
    pub fn packet(&self, recovered: bool) -> Packet<'_> {
        Packet {
            parameter_sets: 0,
            encoding: id(self.encoding),
            alone: self.alone,
            encrypted: false,
            seq: ExtendedSeq(self.seq),
            timestamp: self.timestamp,
            marker: self.marker,
            payload_type: &self.payload_type,
            payload_length: self.payload.len(),
            description: &self.description,
            clock: self.clock,
            recovered,
            received: self.at,
            copies: None,
        }
    }

    /// The packet as it arrives.
    pub fn arrival(&self) -> Arrival<'_> {
        Arrival {
            sequence: self.seq as u16,
            timestamp: self.timestamp,
            marker: self.marker,
            dependency_descriptor: Some(&self.descriptor),
            ..Arrival::of(&self.payload_type, &self.payload, self.at)
        }
    }
}

/// One VP8 encoding of a publisher, or its opus.
#[derive(Clone, Debug)]
pub(in crate::send) struct Source {
    pub encoding: u8,
    pub seq: u64,
    pub timestamp: u32,
    pub picture: u16,
    pub tl0: u8,
    pub key: u8,
    pub clock: Option<SenderClock>,
}

impl Source {
    pub fn new(encoding: u8) -> Self {
        let n = u64::from(encoding);
        Self {
            encoding,
            seq: 70_000 + 5_000 * n,
            timestamp: 0xFFFF_0000_u32.wrapping_add(777_777 * u32::from(encoding)),
            picture: 0x7FF0 + 3 * u16::from(encoding),
            tl0: 250_u8.wrapping_add(encoding),
            key: 30 + encoding,
            clock: None,
        }
    }

    /// The next picture, of `packets` packets. `what`: "key", or its temporal layer, with a "+" if it is a sync.
    pub fn picture(&mut self, what: &str, packets: usize, at: Instant) -> Vec<Sent> {
        let keyframe = what == "key";
        let temporal = what.bytes().next().filter(u8::is_ascii_digit).map_or(0, |digit| digit - b'0');
        self.picture = self.picture.wrapping_add(1) & 0x7FFF;
        self.timestamp = self.timestamp.wrapping_add(FRAME_TICKS);
        self.tl0 = self.tl0.wrapping_add(u8::from(temporal == 0));
        self.key = self.key.wrapping_add(u8::from(keyframe)) & 0x1F;
        let numbers = vp8::Numbers {
            picture_id: Some(self.picture),
            long_picture_id: true,
            tl0_picture_index: Some(self.tl0),
            key_index: Some(self.key),
            descriptor_length: 6,
        };
        (0..packets)
            .map(|n| {
                self.seq += 1;
                let [high, low] = (self.picture | 0x8000).to_be_bytes();
                let mut payload = vec![0x90, 0xF0, high, low, self.tl0, temporal << 6 | self.key];
                payload.extend_from_slice(&self.seq.to_be_bytes());
                Sent {
                    encoding: self.encoding,
                    seq: self.seq,
                    timestamp: self.timestamp,
                    marker: n + 1 == packets,
                    payload_type: VP8,
                    description: Description {
                        keyframe: keyframe && n == 0,
                        start: n == 0,
                        end: n + 1 == packets,
                        temporal,
                        layer_sync: what.ends_with('+'),
                        vp8: Some(numbers),
                        ..Description::default()
                    },
                    payload,
                    descriptor: Vec::new(),
                    alone: false,
                    clock: self.clock,
                    at,
                }
            })
            .collect()
    }

    /// RTP padding, like Chromium's probes after a picture.
    pub fn padding(&mut self, at: Instant) -> Sent {
        self.seq += 1;
        Sent {
            encoding: self.encoding,
            seq: self.seq,
            timestamp: self.timestamp,
            marker: false,
            payload_type: VP8,
            description: Description::default(),
            payload: Vec::new(),
            descriptor: Vec::new(),
            alone: false,
            clock: self.clock,
            at,
        }
    }

    pub fn sound(&mut self, at: Instant) -> Sent {
        self.timestamp = self.timestamp.wrapping_add(960);
        Sent { payload_type: OPUS, payload: vec![7; 80], timestamp: self.timestamp, ..self.padding(at) }
    }
}

pub(in crate::send) fn spec(kind: Kind) -> SlotSpec {
    let mut extensions = ExtensionMap::default();
    extensions.set(Extension::Mid, 1);
    extensions.set(Extension::TransportCc, 3);
    extensions.set(Extension::DependencyDescriptor, 13);
    SlotSpec {
        id: SlotId(1),
        transport: TransportId(1),
        kind,
        mid: "v1".into(),
        ssrc: 0x5107,
        rtx_ssrc: Some(0x5108),
        payload_types: [VP8, VP9, AV1]
            .map(|from| PayloadType { number: 120, rtx: Some(121), ..from })
            .into_iter()
            .chain([PayloadType { number: 109, ..OPUS }])
            .collect(),
        extensions,
    }
}

/// All encodings of its source arrive.
pub(in crate::send) const FLOWS: Lives = Lives { flowing: 0b111, stopped: 0 };
pub(in crate::send) const FRAME: Duration = ms(33);
pub(in crate::send) const FRAME_TICKS: u32 = 2_970;
pub(in crate::send) const ROUND_TRIP: Duration = ms(50);
pub(in crate::send) const FIRST: u64 = 1_000;
pub(in crate::send) const FIRST_TIMESTAMP: u32 = 50_000;

pub(in crate::send) fn slot(kind: Kind) -> Slot {
    let mut slot = Slot::new(spec(kind), FIRST as u16, 77, FIRST_TIMESTAMP);
    slot.set_source(Some(TrackId(1)), FLOWS);
    slot
}

pub(in crate::send) fn ladder(rungs: &[(u8, u8)]) -> Vec<Layer> {
    rungs.iter().map(|&(spatial, temporal)| Layer::new(spatial, temporal)).collect()
}

/// The clock of an encoding in which `timestamp` was captured `age` before the second 1,000.
pub(in crate::send) fn clock(timestamp: u32, age: Duration) -> Option<SenderClock> {
    let rtp = timestamp.wrapping_add((age.as_millis() * 90) as u32);
    Some(SenderClock { rate: 90_000, ntp: Ntp(1_000 << 32), rtp, heard: Instant::now() })
}
