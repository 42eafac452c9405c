//! Measures the cost of one packet in one slot: selecting layers, renumbering, and recording it. Payloads are not
//! touched.
//!
//! `cargo bench -p plane-core --bench slot` prints nanoseconds per packet, forwarded or not.

use std::hint::black_box;

use plane_core::codec::dependency::Structures;
use plane_core::codec::{self, Codec, Description, PayloadType};
use plane_core::command::{Kind, SlotSpec};
use plane_core::id::{SlotId, TrackId, TransportId};
use plane_core::layer::{Layer, Lives};
use plane_core::rtp::extension::{Extension, ExtensionMap};
use plane_core::rtp::sequence::ExtendedSeq;
use plane_core::send::{EncodingId, Packet, Slot};
use plane_core::time::{Duration, Instant, ms};

/// Packets of each frame, as in a picture of 1.5 Mbit/s with one spatial layer.
const PACKETS: u32 = 6;
/// 50 s of pictures.
const PICTURES: u32 = 1_500;

struct Made {
    seq: u64,
    timestamp: u32,
    marker: bool,
    description: Description,
}

fn main() {
    let shapes: [(&str, Codec, u8, &[Layer]); 6] = [
        ("VP8 L1T3, all", Codec::Vp8, 1, &[Layer::new(0, 3)]),
        ("VP8 L1T3, T0", Codec::Vp8, 1, &[Layer::new(0, 0)]),
        ("VP9 L3T3, all", Codec::Vp9, 3, &[Layer::new(2, 3)]),
        ("VP9 L3T3, S1T1", Codec::Vp9, 3, &[Layer::new(1, 1)]),
        ("AV1 L3T3, all", Codec::Av1, 3, &[Layer::new(2, 3)]),
        ("AV1 L3T3, S1T1", Codec::Av1, 3, &[Layer::new(1, 1)]),
    ];
    println!("{:>16} {:>14} {:>8}", "", "ns per packet", "leave");
    for (name, codec, spatial, ladder) in shapes {
        let packets = stream(codec, spatial);
        let (mut fastest, mut left) = (Duration::MAX, 0);
        for _ in 0..20 {
            let mut slot = slot(codec, ladder);
            let began = Instant::now();
            left = feed(&mut slot, codec, &packets);
            fastest = fastest.min(began.elapsed());
        }
        let each = fastest.as_nanos() as f64 / packets.len() as f64;
        println!("{name:>16} {each:>14.1} {:>7}%", 100 * left / packets.len());
    }
}

fn payload_type(codec: Codec) -> PayloadType {
    PayloadType { number: 96, codec, format: 0, clock_rate: 90_000, rtx: Some(97) }
}

fn slot(codec: Codec, ladder: &[Layer]) -> Slot {
    let mut extensions = ExtensionMap::default();
    extensions.set(Extension::DependencyDescriptor, 13);
    let spec = SlotSpec {
        id: SlotId(1),
        transport: TransportId(1),
        kind: Kind::Video,
        mid: "v1".into(),
        ssrc: 1,
        rtx_ssrc: Some(2),
        payload_types: vec![payload_type(codec)],
        extensions,
    };
    let mut slot = Slot::new(spec, 1_000, 1, 0);
    slot.set_source(Some(TrackId(1)), Lives { flowing: 0b111, stopped: 0 });
    slot.set_ladder(ladder.to_vec());
    slot
}

fn feed(slot: &mut Slot, codec: Codec, packets: &[Made]) -> usize {
    let payload_type = payload_type(codec);
    let start = Instant::now();
    let mut left = 0;
    for made in packets {
        let received = start + ms(33) * (made.timestamp / 3_000);
        let packet = Packet {
            parameter_sets: 0,
            encoding: EncodingId::first(0),
            alone: true,
            encrypted: false,
            seq: ExtendedSeq(made.seq),
            timestamp: made.timestamp,
            marker: made.marker,
            payload_type: &payload_type,
            payload_length: 1_100,
            description: &made.description,
            clock: None,
            recovered: false,
            received,
            copies: None,
        };
        match black_box(slot.handle_packet(&packet, received)) {
            Some(_) => left += 1,
            // As the plane does.
            None => drop(black_box(slot.poll_keyframe_request())),
        }
        black_box(slot.poll_event());
    }
    left
}

/// Pictures T0 T2 T1 T2, each of this many spatial layers; the first is a keyframe.
fn stream(codec: Codec, spatial: u8) -> Vec<Made> {
    let mut structures = Structures::default();
    let (mut seq, mut frame, mut tl0) = (70_000, 0_u16, 0_u8);
    let mut made = Vec::new();
    for picture in 0..PICTURES {
        let temporal = [0, 2, 1, 2][picture as usize % 4];
        tl0 = tl0.wrapping_add(u8::from(temporal == 0));
        for layer in 0..spatial {
            for n in 0..PACKETS {
                let (start, end) = (n == 0, n + 1 == PACKETS);
                let keyframe = picture == 0;
                let id = (picture as u16 | 0x8000).to_be_bytes();
                let mut dependency = None;
                let payload = match codec {
                    Codec::Vp8 => {
                        let tag = u8::from(!(keyframe && start));
                        let first = if start { 0x90 } else { 0x80 };
                        let sync = u8::from(temporal > 0) << 5;
                        vec![
                            first,
                            0xF0,
                            id[0],
                            id[1],
                            tl0,
                            temporal << 6 | sync,
                            tag,
                            0,
                            0,
                            0x9D,
                            0x01,
                            0x2A,
                            0x80,
                            0x02,
                            0x68,
                            0x01,
                        ]
                    }
                    Codec::Vp9 => {
                        let inter = u8::from(!keyframe) << 6;
                        let structure = u8::from(keyframe && start && layer == 0);
                        let flags = 0xA0 | inter | u8::from(start) << 3 | u8::from(end) << 2 | structure << 1;
                        let layers = temporal << 5 | 1 << 4 | layer << 1 | u8::from(layer > 0);
                        let mut payload = vec![flags, id[0], id[1], layers, tl0];
                        if structure == 1 {
                            payload.push((spatial - 1) << 5);
                        }
                        payload.extend([0; 4]);
                        payload
                    }
                    _ => {
                        let descriptor = descriptor(frame, (layer, temporal), keyframe, (start, end));
                        dependency = Some(structures.parse(&descriptor).expect("a descriptor"));
                        vec![if keyframe && start && layer == 0 { 0x18 } else { 0x10 }, 0x32, 0]
                    }
                };
                seq += 1;
                made.push(Made {
                    seq,
                    timestamp: picture * 3_000,
                    marker: end && layer + 1 == spatial,
                    description: codec::describe(codec, &payload, dependency).expect("a payload"),
                });
            }
            frame = frame.wrapping_add(1);
        }
    }
    made
}

/// L3T3 with nine targets: three templates a spatial layer; every frame refers to the one three before it.
fn descriptor(number: u16, (spatial, temporal): (u8, u8), keyframe: bool, (start, end): (bool, bool)) -> Vec<u8> {
    let mut bits: Vec<bool> = Vec::new();
    let mut put = |count: u32, value: u32| bits.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
    put(2, u32::from(start) << 1 | u32::from(end));
    put(6, u32::from(spatial * 3 + temporal));
    put(16, u32::from(number));
    let structure = keyframe && start && spatial == 0;
    put(5, u32::from(structure) << 4 | 0b010);
    if structure {
        put(6, 0);
        put(5, 8);
        for step in [1, 1, 2, 1, 1, 2, 1, 1, 3] {
            put(2, step);
        }
        for template in 0..9 {
            for target in 0..9 {
                let part = target / 3 >= template / 3 && target % 3 >= template % 3;
                put(2, if part { 2 } else { 0 });
            }
        }
        put(9, 0); // no frame differences
        put(3, 0); // no chains
        put(1, 0); // no sizes
    }
    if !keyframe {
        put(6, 0b01_0010);
    }
    put(2, 0);
    let octet = |bits: &[bool]| (0..8).fold(0, |octet, n| octet << 1 | u8::from(bits.get(n) == Some(&true)));
    bits.chunks(8).map(octet).collect()
}
