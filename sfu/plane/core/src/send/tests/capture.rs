//! Captures of `tests/data/packets` as a slot's source: packets of browsers, parsed like the plane does.

use std::collections::HashMap;
use std::path::Path;

use super::*;
use crate::codec;
use crate::codec::dependency::Structures;
use crate::rtcp::compound;
use crate::rtp::elements;
use crate::rtp::header::Header;

/// One capture file.
pub(super) struct Capture {
    pub name: &'static str,
    pub encodings: usize,
    pub codec: Codec,
    /// Packets in the order of arrival.
    pub sent: Vec<Sent>,
}

/// The contents of its `.sdp` file.
struct Answer {
    extensions: ExtensionMap,
    payload_type: PayloadType,
    rids: Vec<String>,
}

#[derive(Default)]
struct Encoding {
    structures: Structures,
    highest: Option<u64>,
    clock: Option<SenderClock>,
}

impl Capture {
    pub fn open(name: &'static str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/data/packets");
        let read = |kind: &str| std::fs::read(folder.join(format!("{name}.{kind}"))).expect("a capture has two files");
        let answer = Answer::parse(&String::from_utf8(read("sdp")).expect("SDP is text"));
        let mut encodings: Vec<Encoding> = Vec::new();
        encodings.resize_with(answer.rids.len().max(1), Encoding::default);
        let mut ssrcs: HashMap<u32, usize> = HashMap::new();
        let (mut sent, start) = (Vec::new(), Instant::now());
        for (after, octets, is_rtp) in packets(&read("rtpdump")) {
            if is_rtp {
                sent.push(answer.take(&octets, &mut encodings, &mut ssrcs, start + after));
                continue;
            }
            let report = |packet| {
                if let compound::Packet::SenderReport { ssrc, ntp, rtp, .. } = packet
                    && let Some(&encoding) = ssrcs.get(&ssrc)
                {
                    encodings[encoding].clock = Some(SenderClock { rate: 90_000, ntp, rtp, heard: start + after });
                }
            };
            compound::parse(&octets, report).expect("a browser's report");
        }
        Self { name, encodings: encodings.len(), codec: answer.payload_type.codec, sent }
    }
}

impl Answer {
    fn parse(text: &str) -> Self {
        let mut answer = Self { extensions: ExtensionMap::default(), payload_type: VP8, rids: Vec::new() };
        for line in text.lines() {
            let (name, value) = line.split_once(':').expect("attributes with values");
            let (first, rest) = value.split_once(' ').expect("of two words");
            match name {
                "a=extmap" => {
                    let number = first.split('/').next().and_then(|id| id.parse().ok()).expect("an id");
                    if let Some(extension) = known(rest) {
                        answer.extensions.set(extension, number);
                    }
                }
                "a=rtpmap" => {
                    let own = [VP8, VP9, AV1, H264].into_iter().zip(["VP8", "VP9", "AV1", "H264"]);
                    let (own, _) = own.into_iter().find(|(_, name)| rest.starts_with(name)).expect("a codec of ours");
                    answer.payload_type = PayloadType { number: first.parse().expect("a number"), ..own };
                }
                "a=simulcast" => answer.rids = rest.split(';').map(String::from).collect(),
                _ => {}
            }
        }
        answer
    }

    fn take(&self, octets: &[u8], encodings: &mut [Encoding], ssrcs: &mut HashMap<u32, usize>, at: Instant) -> Sent {
        let header = Header::parse(octets).expect("a browser's header");
        let extensions = elements::read(&self.extensions, &header, octets).expect("a browser's extensions");
        let named = extensions.rid.and_then(|rid| self.rids.iter().position(|own| own == rid));
        let index = named.or(ssrcs.get(&header.ssrc).copied()).unwrap_or(0);
        ssrcs.insert(header.ssrc, index);
        let encoding = &mut encodings[index];
        let end = header.payload_end(octets).expect("a browser's padding");
        let payload = &octets[header.length..end];
        let dependency =
            extensions.dependency_descriptor.map(|octets| encoding.structures.parse(octets).expect("known"));
        let description = if payload.is_empty() {
            Description::default()
        } else {
            codec::describe(self.payload_type.codec, payload, dependency).expect("a browser's payload")
        };
        let highest = encoding.highest.unwrap_or((1 << 16) + u64::from(header.sequence));
        let seq = highest.saturating_add_signed(i64::from(header.sequence.wrapping_sub(highest as u16) as i16));
        encoding.highest = Some(highest.max(seq));
        Sent {
            encoding: index as u8,
            seq,
            timestamp: header.timestamp,
            marker: header.marker,
            payload_type: self.payload_type,
            description,
            payload: payload.to_vec(),
            descriptor: extensions.dependency_descriptor.unwrap_or_default().to_vec(),
            alone: self.rids.len() < 2,
            clock: encoding.clock,
            at,
        }
    }
}

fn known(uri: &str) -> Option<Extension> {
    match uri.rsplit(['/', ':', '#']).next()? {
        "mid" => Some(Extension::Mid),
        "rtp-stream-id" => Some(Extension::Rid),
        "repaired-rtp-stream-id" => Some(Extension::RepairedRid),
        "dependency-descriptor-rtp-header-extension" => Some(Extension::DependencyDescriptor),
        "video-layers-allocation00" => Some(Extension::VideoLayersAllocation),
        "playout-delay" => Some(Extension::PlayoutDelay),
        "video-content-type" => Some(Extension::ContentType),
        "color-space" => Some(Extension::ColorSpace),
        _ => None,
    }
}

/// The packets of an rtptools file, with their arrival and whether they are RTP. Truncated octets are zero.
fn packets(file: &[u8]) -> Vec<(Duration, Vec<u8>, bool)> {
    const FILE_HEADER: usize = 16;
    let line = file.iter().position(|&octet| octet == b'\n').expect("a line of text");
    let mut rest = &file[line + 1 + FILE_HEADER..];
    let mut packets = Vec::new();
    while let Some((&[l0, l1, p0, p1, t0, t1, t2, t3], behind)) = rest.split_first_chunk() {
        let [kept, whole] = [[l0, l1], [p0, p1]].map(|octets| usize::from(u16::from_be_bytes(octets)));
        let (octets, behind) = behind.split_at(kept - 8);
        let mut octets = octets.to_vec();
        octets.resize(octets.len().max(whole), 0);
        packets.push((ms(u64::from(u32::from_be_bytes([t0, t1, t2, t3]))), octets, whole > 0));
        rest = behind;
    }
    packets
}
