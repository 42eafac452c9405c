//! What gets the packets of a track. The path of media asks a sink what it needs, and hands it packets; how a sink sends
//! or keeps them is its own matter. Only the sink of a peer has a transport.
//!
//! ```text
//! handle_media -> deliver -> Sink { source_restarted  source_resumed  is_ready  handle_packet -> keyframe request }
//!                             PeerSink: a slot, its transport                        a tap: neither
//! ```

use std::collections::VecDeque;

use super::media::{leave, replay};
use super::published::Published;
use super::transports::Transports;
use super::{report, start};
use crate::event::Event;
use crate::receive::packet::Packet;
use crate::receive::rung::EncodingId;
use crate::send::Slot;
use crate::time::{Duration, Instant};

/// A receiver of a track's packets. Its calls are dispatched statically.
pub(super) trait Sink {
    /// An encoding became another stream: its numbers restart.
    fn source_restarted(&mut self, encoding: EncodingId);

    /// The source continues after its packets were held back for all sinks.
    fn source_resumed(&mut self);

    /// True if it can take packets now.
    fn is_ready(&mut self, now: Instant) -> bool;

    /// Takes a packet of any encoding, or ignores it; the payload is in the cache of `source`. Returns the encoding whose
    /// keyframe it newly needs. `steps` counts the packets that it looks at in addition.
    fn handle_packet(
        &mut self,
        source: &Published,
        packet: &Packet,
        now: Instant,
        steps: &mut u64,
    ) -> Option<EncodingId>;
}

/// What happened to the encoding of a packet before it.
#[derive(Clone, Copy)]
pub(super) struct Before {
    /// It became another stream.
    pub restarted: bool,
    /// Packets of its track were held back.
    pub resumed: bool,
}

/// Hands a packet to a sink. Returns the encoding whose keyframe the sink newly needs.
#[inline]
pub(super) fn deliver<S: Sink>(
    sink: &mut S,
    source: &Published,
    packet: &Packet,
    before: Before,
    now: Instant,
    steps: &mut u64,
) -> Option<EncodingId> {
    if before.restarted {
        sink.source_restarted(packet.encoding);
    }
    if before.resumed {
        sink.source_resumed();
    }
    if !sink.is_ready(now) {
        return None;
    }
    sink.handle_packet(source, packet, now, steps)
}

/// The slot of a peer, which sends by the peer's transport.
pub(super) struct PeerSink<'a> {
    /// The arena keys of the slot and of its track.
    pub keys: (usize, usize),
    pub slot: &'a mut Slot,
    /// The arena key of its transport.
    pub transport: usize,
    pub transports: &'a mut Transports,
    /// The publisher's.
    pub round_trip: Duration,
    pub events: &'a mut VecDeque<Event>,
    /// Transports that may try a picture although nothing is heard of their peers.
    pub tried: &'a mut Vec<usize>,
}

impl Sink for PeerSink<'_> {
    fn source_restarted(&mut self, encoding: EncodingId) {
        self.slot.source_restarted(encoding);
    }

    fn source_resumed(&mut self) {
        self.slot.source_resumed();
    }

    /// No numbers are assigned for a peer that cannot receive: a gap of 2^15 would break its rollover counter.
    fn is_ready(&mut self, now: Instant) -> bool {
        let key = self.transport;
        if self.transports[key].sends_media() {
            return true;
        }
        if !self.slot.is_paused()
            && self.transports[key].may_try_picture(now)
            && self.transports[key].sending.try_picture(now)
        {
            self.tried.push(key);
        }
        false
    }

    fn handle_packet(
        &mut self,
        source: &Published,
        packet: &Packet,
        now: Instant,
        steps: &mut u64,
    ) -> Option<EncodingId> {
        let Self { keys, slot, transport: key, transports, round_trip, events, .. } = self;
        let mut wanted = None;
        if let Some(outgoing) = slot.handle_packet(packet, now) {
            let transport = transports.sending(*key);
            leave(*keys, slot, transport, packet, outgoing, now);
            *steps += replay(source, *keys, slot, transport, now);
            if slot.poll_anew() {
                transport.report_soon(now);
            }
        } else if let Some(encoding) = slot.poll_keyframe_request() {
            let transport = transports.sending(*key);
            let started = start::fast(source, *keys, slot, transport, *round_trip, now, steps);
            wanted = Some(encoding).filter(|_| !started);
        }
        report(events, slot, Some(source));
        wanted
    }
}

/// A sink without a transport: a recorder, for tests of the shape.
#[cfg(test)]
#[derive(Default)]
pub(super) struct Tap {
    /// The arena key of its track.
    pub track: usize,
    pub is_ready: bool,
    /// The encodings that it had a packet of. It asks for a keyframe with the first one.
    known: Vec<EncodingId>,
    /// Encoding, timestamp and payload of each packet.
    pub packets: Vec<(EncodingId, u32, Vec<u8>)>,
    pub restarts: Vec<EncodingId>,
}

#[cfg(test)]
impl Sink for Tap {
    fn source_restarted(&mut self, encoding: EncodingId) {
        self.restarts.push(encoding);
    }

    fn source_resumed(&mut self) {}

    fn is_ready(&mut self, _: Instant) -> bool {
        self.is_ready
    }

    fn handle_packet(&mut self, source: &Published, packet: &Packet, _: Instant, _: &mut u64) -> Option<EncodingId> {
        let payload = source.cached(packet.encoding, packet.seq).map(|cached| cached.payload.clone());
        self.packets.push((packet.encoding, packet.timestamp, payload.unwrap_or_default()));
        if self.known.contains(&packet.encoding) {
            return None;
        }
        self.known.push(packet.encoding);
        Some(packet.encoding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Codec, PayloadType};
    use crate::command::{Command, EncodingSpec, Kind, TrackSpec};
    use crate::id::{TrackId, TransportId};
    use crate::plane::fixture::{keys, path, plane};
    use crate::rtp::extension::ExtensionMap;
    use crate::srtp::Outbound;
    use crate::time::ms;

    const VP8: PayloadType = PayloadType { number: 96, codec: Codec::Vp8, format: 0, clock_rate: 90_000, rtx: None };

    #[test]
    fn a_sink_without_a_transport_gets_the_packets_of_a_track_and_its_keyframe_requests_reach_the_publisher() {
        let start = Instant::now();
        let (mut plane, _) = plane(start);
        let ssrcs = [1_000, 2_000];
        plane.apply(
            Command::AddTrack(TrackSpec {
                id: TrackId(100),
                transport: TransportId(1),
                kind: Kind::Video,
                mid: "0".into(),
                payload_types: vec![VP8],
                encodings: ssrcs.map(|ssrc| EncodingSpec { ssrc: Some(ssrc), ..EncodingSpec::default() }).into(),
                extensions: ExtensionMap::default(),
                parameter_sets: Vec::new(),
                nack: true,
                pli: true,
                fir: false,
                repairs: Vec::new(),
            }),
            start,
        );
        let Some(&crate::plane::Place::Track(track)) = plane.places.get(&100) else { panic!("it was added") };
        let mut peer = Outbound::new(&keys());
        let mut send = |plane: &mut crate::plane::Plane, ssrc: u32, sequence: u16, now: Instant| {
            let mut packet = vec![0; 200];
            packet[..2].copy_from_slice(&[0x80, VP8.number]);
            packet[2..4].copy_from_slice(&sequence.to_be_bytes());
            packet[4..8].copy_from_slice(&(u32::from(sequence) * 3_000).to_be_bytes());
            packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
            // VP8, in the middle of a frame.
            packet[12..32].fill(sequence as u8);
            packet[12] = 0;
            let length = peer.protect_rtp(&mut packet, 12, 32, ssrc, u64::from(sequence));
            plane.handle_datagram(&mut packet[..length], path(1), now, now).expect("it is taken");
        };
        plane.taps.push(Tap { track, ..Tap::default() });
        send(&mut plane, ssrcs[0], 1, start);
        assert!(plane.taps[0].packets.is_empty(), "it was not ready");
        plane.taps[0].is_ready = true;
        for sequence in 2..=5 {
            for ssrc in ssrcs {
                send(&mut plane, ssrc, sequence, start + ms(33) * u32::from(sequence));
            }
        }
        let of = |place| {
            let packets = plane.taps[0].packets.iter().filter(move |packet| packet.0 == EncodingId::first(place));
            packets.map(|(_, timestamp, payload)| (*timestamp, payload[1])).collect::<Vec<_>>()
        };
        let expected: Vec<(u32, u8)> = (2..=5).map(|sequence| (sequence * 3_000, sequence as u8)).collect();
        assert_eq!((of(0), of(1)), (expected.clone(), expected));
        let asked = |plane: &crate::plane::Plane| {
            let encodings = &plane.tracks[track].track.encodings;
            encodings.iter().all(|encoding| encoding.keyframes.is_asking())
        };
        assert!(asked(&plane), "its needs are merged with those of slots");
        plane.handle_timeout(start + ms(1_000));
        assert!(plane.stats().keyframe_requests > 0);
        // Another stream takes the place of the first one.
        plane.tracks[track].track.encodings[0].bind(3_000);
        plane.tracks[track].track.encodings[0].bind(ssrcs[0]);
        send(&mut plane, ssrcs[0], 6, start + ms(1_100));
        assert_eq!(plane.taps[0].restarts, [EncodingId::first(0)]);
    }
}
