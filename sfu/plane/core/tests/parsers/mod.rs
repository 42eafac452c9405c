//! Every parser of hostile bytes behind one signature: the fuzz targets run them, and a test replays their corpora.
//!
//! A parser may refuse, but never panic. If it can also write, parsing its output gives the same result.

#![allow(dead_code)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use plane_core::bwe::units::Rate;
use plane_core::bwe::{Estimator, Kind};
use plane_core::codec::dependency::Structures;
use plane_core::codec::{self, Codec};
use plane_core::command::{DtlsRole, IceCredentials, Member, Path, SctpSpec};
use plane_core::config::DataLimits;
use plane_core::data::{Data, Group, PeerIds, dcep};
use plane_core::demux;
use plane_core::ice::agent::Agent;
use plane_core::ice::binding;
use plane_core::ice::framing::{self, Deframer};
use plane_core::id::ChannelId;
use plane_core::limits::ANY_DATAGRAM;
use plane_core::rtcp::compound;
use plane_core::rtp::elements;
use plane_core::rtp::extension::{Extension, ExtensionMap};
use plane_core::rtp::header::Header;
use plane_core::rtp::layers_allocation::{self, LayersAllocation};
use plane_core::rtp::rtx;

type Parser = fn(&[u8]);

/// The parsers by the name of their fuzz target and corpus folder.
pub const PARSERS: [(&str, Parser); 14] = [
    ("stun", stun),
    ("frames", frames),
    ("rtp", rtp),
    ("rtcp", rtcp),
    ("vp8", vp8),
    ("vp9", vp9),
    ("av1", av1),
    ("h264", h264),
    ("h265", h265),
    ("dependency", dependency),
    ("layers_allocation", layers_allocation),
    ("sctp", sctp),
    ("message", message),
    ("estimator", estimator),
];

pub fn stun(bytes: &[u8]) {
    let _ = demux::protocol(bytes);
    let _ = binding::username(bytes);
    let mut agent = Agent::new(IceCredentials {
        local_ufrag: "server0".into(),
        local_pwd: "password-of-the-server-for-0".into(),
        remote_ufrag: "peer0".into(),
        remote_pwd: "the-password-of-the-peer".into(),
    });
    let address: SocketAddr = ([127, 0, 0, 1], 7_882).into();
    let path = Path::udp(address, address);
    let _ = agent.handle_response(bytes, path, Instant::now());
    let answer = agent.handle_request(bytes, path, false, Instant::now());
    assert!(answer.is_err() || binding::username(bytes) == Ok("server0"));
}

/// The octets of a TCP connection after one that says how long the pieces are in which they arrive.
pub fn frames(bytes: &[u8]) {
    let Some((&piece, octets)) = bytes.split_first() else { return };
    let read = |piece: usize| {
        let (mut deframer, mut datagrams, mut octets) = (Deframer::default(), Vec::new(), octets.to_vec());
        let is_whole = octets.chunks_mut(piece).all(|piece| {
            let taken = deframer.read(piece, |datagram| {
                assert!((1..=ANY_DATAGRAM).contains(&datagram.len()));
                datagrams.push(datagram.to_vec());
            });
            taken.is_ok()
        });
        (datagrams, is_whole)
    };
    assert_eq!(read(usize::from(piece) + 1), read(usize::MAX));
    // What is refused stays refused, and a complete check stays one, whatever follows.
    let known = (0..=octets.len()).map(|end| framing::first_ufrag(&octets[..end])).find(|found| *found != Ok(None));
    assert_eq!(known.unwrap_or(Ok(None)), framing::first_ufrag(octets));
}

pub fn rtp(bytes: &[u8]) {
    let mut map = ExtensionMap::default();
    for (id, extension) in [
        (1, Extension::AudioLevel),
        (2, Extension::AbsSendTime),
        (3, Extension::TransportCc),
        (4, Extension::Mid),
        (10, Extension::Rid),
        (11, Extension::RepairedRid),
        (12, Extension::DependencyDescriptor),
    ] {
        map.set(extension, id);
    }
    let Ok(header) = Header::parse(bytes) else { return };
    assert!(header.length <= bytes.len());
    let _ = elements::read(&map, &header, bytes);
    if let Ok(end) = header.payload_end(bytes) {
        assert!((header.length..=bytes.len()).contains(&end));
        let _ = rtx::original_sequence(&bytes[header.length..end]);
    }
}

pub fn rtcp(bytes: &[u8]) {
    let mut packets = 0;
    let _ = compound::parse(bytes, |packet| {
        packets += 1;
        match packet {
            compound::Packet::TransportFeedback(feedback) => match feedback.check() {
                Ok(chunks) => {
                    assert!(chunks <= bytes.len() / 2);
                    assert_eq!(feedback.packets().count(), usize::from(feedback.count));
                }
                Err(_) => drop(feedback.packets().count()),
            },
            compound::Packet::CongestionFeedback(feedback) => {
                assert!(feedback.count() <= bytes.len() / 2);
                assert_eq!(feedback.packets().count(), feedback.count());
            }
            compound::Packet::Nack { lost, .. } => assert!(lost.iter().count() <= bytes.len() / 4 * 17),
            _ => {}
        }
    });
    // A FIR packet counts once per entry of eight octets.
    assert!(packets <= bytes.len() / 4);
}

pub fn vp8(bytes: &[u8]) {
    let Ok(description) = codec::describe(Codec::Vp8, bytes, None) else { return };
    let Some(numbers) = description.vp8 else { return };
    let mut out = vec![0; bytes.len() + 1];
    let length = codec::vp8::write(&mut out, bytes, &numbers, 0x1234, 5, 6);
    let again = codec::describe(Codec::Vp8, &out[..length], None).expect("what was written can be read");
    assert_eq!(again.keyframe, description.keyframe);
}

pub fn vp9(bytes: &[u8]) {
    let _ = codec::describe(Codec::Vp9, bytes, None);
}

pub fn av1(bytes: &[u8]) {
    let _ = codec::describe(Codec::Av1, bytes, None);
}

pub fn h264(bytes: &[u8]) {
    let _ = codec::describe(Codec::H264, bytes, None);
}

pub fn h265(bytes: &[u8]) {
    let _ = codec::describe(Codec::H265, bytes, None);
}

/// Several descriptors, each after its length in one octet: later ones use the structures of earlier ones.
pub fn dependency(bytes: &[u8]) {
    let mut structures = Structures::default();
    let mut rest = bytes;
    while let Some((&length, behind)) = rest.split_first() {
        let (descriptor, next) = behind.split_at(usize::from(length).min(behind.len()));
        if let Ok(descriptor) = structures.parse(descriptor) {
            let _ = codec::describe(Codec::Av1, &[], Some(descriptor));
        }
        rest = next;
    }
}

pub fn layers_allocation(bytes: &[u8]) {
    let Ok(allocation) = LayersAllocation::parse(bytes) else { return };
    let sent = (0..layers_allocation::MOST).flat_map(|stream| allocation.stream(stream));
    assert!(sent.count() <= layers_allocation::MOST * layers_allocation::MOST);
}

pub fn sctp(bytes: &[u8]) {
    let now = Instant::now();
    let spec = SctpSpec { local_port: 5_000, remote_port: 5_000, max_message_size: 65_536 };
    let mut data = Data::new(spec, DtlsRole::Server, &DataLimits::default(), PeerIds::new(0), now);
    data.connect(now);
    let _ = data.handle_packet(bytes, now);
    while data.poll_transmit().is_some() {}
    while data.poll_event().is_some() {}
}

pub fn message(bytes: &[u8]) {
    if let Ok(dcep::Dcep::Open(open)) = dcep::parse(bytes)
        && let Some(written) = open.write()
    {
        assert_eq!(dcep::parse(&written), Ok(dcep::Dcep::Open(open)));
    }
    for is_enveloped in [true, false] {
        let mut group = Group::new(is_enveloped);
        for (name, id) in [("PA_a", 1), ("PA_b", 2)] {
            group.join(ChannelId(id), Member { name: name.to_owned(), may_send: true });
        }
        if let Ok(delivery) = group.deliver(ChannelId(1), bytes) {
            assert!(!delivery.to.contains(&ChannelId(1)), "never back where it came from");
        }
    }
}

/// Packets that leave, time that passes and transport-wide feedback of any content in any order.
pub fn estimator(bytes: &[u8]) {
    let (mut now, mut rest) = (Instant::now(), bytes);
    let mut estimator = Estimator::new(Rate::kbps(300));
    estimator.connected(now);
    while let Some((&[step, amount], behind)) = rest.split_first_chunk() {
        rest = behind;
        match step % 8 {
            0 => now += Duration::from_millis(u64::from(amount) * 20),
            1 => now += Duration::from_micros(u64::from(amount) * 250),
            2 | 3 => {
                let (cluster, kind) = (estimator.poll_cluster(), if step & 8 == 0 { Kind::Video } else { Kind::Probe });
                (0..=amount % 32).for_each(|_| estimator.sent(u32::from(step) * 8, kind, cluster, now));
            }
            4 => estimator.set_demand(Rate::kbps(u64::from(amount) * 40), now),
            5 => estimator.repeated(estimator.next_number().wrapping_sub(u16::from(amount))),
            _ => {
                // Deltas that are likely, and others: 250 us, or not arrived.
                let told = rest.len().min(usize::from(amount));
                let (deltas, behind) = rest.split_at(told);
                rest = behind;
                let base = estimator.next_number().wrapping_sub(u16::from(step >> 3) * 16);
                let packets = deltas.iter().zip(0u16..).map(|(&delta, offset)| {
                    let arrived =
                        (delta & 1 == 0).then(|| (i16::from(delta as i8) >> 1) * if delta > 0xF0 { 512 } else { 1 });
                    (base.wrapping_add(offset), arrived)
                });
                let reference = i32::from(amount) * if step & 0x80 == 0 { 1 } else { 65_521 };
                estimator.handle_feedback(reference, packets, now);
            }
        }
        estimator.handle_timeout(now);
        let estimate = estimator.estimate();
        assert!((Rate::kbps(5)..=Rate::kbps(100_000)).contains(&estimate.rate), "{estimate:?}");
        assert!(estimate.budget <= estimate.rate && (0.0..=1.0).contains(&estimate.loss), "{estimate:?}");
        assert!(estimator.memory() < 1 << 20);
    }
}
