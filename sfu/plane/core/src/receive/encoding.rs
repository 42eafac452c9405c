//! One simulcast stream of a track: its reception state, the packets stored for retransmissions and for fast starts,
//! the parameter sets that decoders need, its keyframe requests, and whether it flows.

use std::collections::VecDeque;

use crate::codec::dependency::Structures;
use crate::codec::parameters::ParameterSets;
use crate::codec::{self, Codec, Description, PayloadType};
use crate::command::{EncodingSpec, Kind, TrackSpec};
use crate::discard::Discard;
use crate::limits::REBUILT_AT_ONCE;
use crate::receive::arrival::Arrival;
use crate::receive::cache::{Cache, Cached};
use crate::receive::clarity::Clarity;
use crate::receive::keyframe::KeyframeRequests;
use crate::receive::life::Life;
use crate::receive::packet::Packet;
use crate::receive::rebuild;
use crate::receive::rung::EncodingId;
use crate::receive::start::Start;
use crate::receive::stream::Stream;
use crate::rtp::passed::Passed;
use crate::rtp::sequence::ExtendedSeq;
use crate::time::{Duration, Instant};

/// Most packets of a keyframe before its first slice: parameter sets and other units.
const MOST_PARAMETERS: u64 = 8;

/// One encoding of a track. It keeps its id for as long as a spec names it.
pub struct Encoding {
    pub id: EncodingId,
    /// Declared in the spec, or learned from its packets.
    pub ssrc: Option<u32>,
    pub rtx_ssrc: Option<u32>,
    pub stream: Stream,
    pub keyframes: KeyframeRequests,
    pub life: Life,
    pub clarity: Clarity,
    cache: Cache,
    start: Start,
    structures: Structures,
    parameters: Parameters,
    /// The timestamp of the last keyframe.
    keyframe: Option<u32>,
    /// When the last packet arrived by RTX.
    repaired: Option<Instant>,
    /// Another stream took its place, and the slots that show it do not know yet.
    replaced: bool,
}

/// The result for an accepted packet.
pub struct Taken {
    pub seq: ExtendedSeq,
    /// The packet arrived out of order or by retransmission.
    pub recovered: bool,
    /// Another stream took the encoding's place: the slots that show it restart.
    pub replaced: bool,
}

/// The parameter sets that decoders of H.264 and H.265 need before a keyframe.
#[derive(Default)]
struct Parameters {
    sets: ParameterSets,
    /// The payload type of the sets.
    of: Option<u8>,
    /// The last keyframe arrived without parameter sets, and neither earlier packets nor SDP had them.
    pub missing: bool,
}

impl Parameters {
    /// The payload of parameter sets to send before a packet if a decoder begins with it; empty if the packet has all
    /// it needs.
    pub fn before(&mut self, of: &PayloadType, spec: &TrackSpec, payload: &[u8], description: &Description) -> &[u8] {
        if self.of != Some(of.number) {
            *self = Self { of: Some(of.number), ..Self::default() };
            for (_, unit) in spec.parameter_sets.iter().filter(|(number, _)| *number == of.number) {
                self.sets.handle_payload(of.codec, unit);
            }
        }
        let brings_all = self.sets.handle_payload(of.codec, payload);
        // With dependency descriptors every packet has one, and a packet made by the plane could have none.
        if !description.keyframe || description.dependency.is_some() {
            return &[];
        }
        self.missing = description.lacks_parameters && self.sets.packet().is_none();
        self.sets.packet().filter(|_| !brings_all).unwrap_or_default()
    }
}

impl Encoding {
    pub fn new(track: &TrackSpec, spec: &EncodingSpec, id: EncodingId) -> Self {
        let video = track.kind == Kind::Video;
        Self {
            id,
            ssrc: spec.ssrc,
            rtx_ssrc: spec.rtx_ssrc,
            stream: Stream::new(clock_rate(track), track.nack, video),
            keyframes: KeyframeRequests::new(),
            life: Life::new(video),
            clarity: Clarity::default(),
            cache: Cache::new(video),
            start: Start::default(),
            structures: Structures::default(),
            parameters: Parameters::default(),
            keyframe: None,
            repaired: None,
            replaced: false,
        }
    }

    /// Applies a new spec that names this encoding, for the first time or again.
    pub fn update(&mut self, track: &TrackSpec, spec: &EncodingSpec) {
        if let Some(ssrc) = spec.ssrc {
            self.bind(ssrc);
        }
        self.rtx_ssrc = spec.rtx_ssrc.or(self.rtx_ssrc);
        self.stream.set_nack(track.nack);
    }

    /// Resets an encoding that no spec names any more, and gives the next one at its place the next id. Its numbers are
    /// not reused.
    pub fn vacate(&mut self, track: &TrackSpec) {
        self.stream.restart();
        let stream = std::mem::replace(&mut self.stream, Stream::new(clock_rate(track), false, false));
        *self = Self { stream, ..Self::new(track, &EncodingSpec::default(), self.id.successor()) };
    }

    /// Sets the SSRC of its packets. A different SSRC is a different stream with its own timestamps and pictures: the
    /// stored state of the former one is dropped, and the slots that show it start anew.
    pub fn bind(&mut self, ssrc: u32) {
        if self.ssrc.replace(ssrc).is_some_and(|before| before != ssrc) {
            self.life = Life::new(self.stream.is_video());
            self.clarity = Clarity::default();
            (self.rtx_ssrc, self.repaired) = (None, None);
            self.restart();
        }
    }

    /// Notes that the stream of this SSRC now belongs to another track. The stored state is dropped, so that the next
    /// stream does not continue it. That nothing arrives is noticed like any silence.
    pub fn unbind(&mut self, ssrc: u32) {
        if self.ssrc == Some(ssrc) {
            self.clarity = Clarity::default();
            (self.ssrc, self.rtx_ssrc, self.repaired) = (None, None, None);
            self.restart();
        }
    }

    /// Sets the SSRC of its retransmissions, of which one has just arrived.
    pub fn bind_rtx(&mut self, ssrc: u32, now: Instant) {
        (self.rtx_ssrc, self.repaired) = (Some(ssrc), Some(now));
    }

    fn restart(&mut self) {
        self.stream.restart();
        self.cache = Cache::new(self.stream.is_video());
        (self.start, self.structures, self.parameters) =
            (Start::default(), Structures::default(), Parameters::default());
        self.replaced = true;
    }

    /// Accepts a packet: records its sequence number, reads its layer, and stores its payload.
    ///
    /// # Errors
    /// The reason why the packet is dropped.
    pub fn handle_packet(&mut self, arrival: &Arrival, track: &TrackSpec, now: Instant) -> Result<Taken, Discard> {
        let &Arrival { sequence, timestamp, payload, retransmitted, .. } = arrival;
        if !retransmitted && self.stream.begins_anew(sequence) {
            self.restart();
        }
        let mut description = self.describe(arrival)?;
        self.clarity.handle_description(&description);
        if self.clarity.is_encrypted() {
            (description.keyframe, description.size) = (false, None);
        }
        if description.lacks_parameters && self.may_have_begun(self.stream.peek(sequence), timestamp) {
            description.keyframe = false;
        }
        self.stream.set_clock_rate(arrival.payload_type.clock_rate);
        let starts = self.life.is_silent(now);
        let seq = self.stream.handle_packet(arrival, &description, now)?;
        if starts {
            self.keyframes.handle_start(now);
        }
        if description.keyframe {
            self.handle_keyframe(timestamp, now);
        }
        self.keep(seq, arrival, &description, track, now);
        let highest = self.stream.highest().unwrap_or(seq);
        let recovered = retransmitted || highest != seq;
        if recovered && description.dependency.as_ref().is_some_and(|frame| frame.structure_attached) {
            self.read_again(seq, highest);
        }
        if !payload.is_empty() {
            self.life.handle_packet(description.spatial, timestamp, recovered, now);
        }
        Ok(Taken { seq, recovered, replaced: std::mem::take(&mut self.replaced) })
    }

    /// Rebuilds the missing packets before this one from the copies in it, and appends their numbers to `rebuilt`, oldest
    /// first. Each counts as retransmitted: the path lost it.
    pub fn rebuild(&mut self, arrival: &Arrival, track: &TrackSpec, rebuilt: &mut VecDeque<ExtendedSeq>, now: Instant) {
        let Arrival { payload, timestamp, .. } = *arrival;
        let seq = self.stream.peek(arrival.sequence);
        let mut found = [None; REBUILT_AT_ONCE];
        let arrived = |seq| self.cached(seq).map(|cached| cached.timestamp);
        for (place, one) in found.iter_mut().zip(rebuild::rebuild(payload, seq, timestamp, arrived)) {
            *place = Some(one);
        }
        for one in found.into_iter().flatten() {
            let is_its = |known: &&PayloadType| known.number == one.payload_type && known.codec == Codec::Opus;
            let Some(payload_type) = track.payload_types.iter().find(is_its) else { continue };
            let arrival = Arrival {
                sequence: one.seq.wire(),
                timestamp: one.timestamp,
                marker: false,
                payload_type,
                payload: one.payload,
                passed: Passed::default(),
                dependency_descriptor: None,
                parameter_sets: &[],
                retransmitted: true,
                received: arrival.received,
            };
            if let Ok(taken) = self.handle_packet(&arrival, track, now) {
                self.hold_back(&taken);
                rebuilt.push_back(one.seq);
            }
        }
    }

    /// Notes that an accepted packet is not forwarded. If another stream took the encoding's place, the next packet
    /// reports it to the slots.
    pub fn hold_back(&mut self, taken: &Taken) {
        self.replaced |= taken.replaced;
    }

    /// Stores a packet, with the parameter sets that decoders need before it.
    fn keep(
        &mut self,
        seq: ExtendedSeq,
        arrival: &Arrival,
        description: &Description,
        track: &TrackSpec,
        now: Instant,
    ) {
        let codec = arrival.payload_type.codec;
        let parameter_sets = match codec {
            Codec::H264 | Codec::H265 => {
                self.parameters.before(arrival.payload_type, track, arrival.payload, description)
            }
            _ => &[],
        };
        let arrival = Arrival { parameter_sets, ..*arrival };
        self.cache.insert(seq, &arrival, description, now);
        if codec.is_video() && self.cache.get(seq).is_some() {
            self.start.insert(seq, &arrival, description, now, most_kept(&self.keyframes));
        }
    }

    /// Handles a packet that begins a keyframe. In H.264 several packets of one keyframe do: parameter sets, and the
    /// first slice.
    pub fn handle_keyframe(&mut self, timestamp: u32, now: Instant) {
        if self.keyframe.replace(timestamp) != Some(timestamp) {
            self.keyframes.handle_keyframe(now);
        }
    }

    /// Returns a stored packet in the form that slots forward, without what only its track knows.
    pub fn packet(&self, seq: ExtendedSeq) -> Option<Packet<'_>> {
        let packet = Packet::again(self.cached(seq)?, self.id, self.stream.clock());
        Some(Packet { encrypted: self.clarity.is_encrypted(), ..packet })
    }

    /// Returns a stored packet if its payload is stored.
    pub fn cached(&self, seq: ExtendedSeq) -> Option<&Cached> {
        self.cache.get(seq).or_else(|| self.start.get(seq))
    }

    /// The last packets.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The packets since the last keyframe.
    pub fn start(&self) -> &Start {
        &self.start
    }

    /// True if the last keyframe arrived without parameter sets and no other source had them.
    pub fn lacks_parameters(&self) -> bool {
        self.parameters.missing
    }

    /// When the last packet arrived by RTX.
    pub fn repaired(&self) -> Option<Instant> {
        self.repaired
    }

    /// Octets of its stored packets.
    pub fn memory(&self) -> usize {
        self.cache.memory() + self.start.memory()
    }

    /// Frees memory that the rate of the last second does not need.
    pub fn trim(&mut self, now: Instant) {
        self.cache.trim(now);
        self.start.trim(now);
    }

    /// Frees the packets since the last keyframe: a keyframe can be requested instead.
    pub fn forget_start(&mut self) {
        self.start.forget();
    }

    /// Frees the older half of the packets that are stored for retransmissions.
    pub fn halve_cache(&mut self) {
        self.cache.halve();
    }

    /// Requests a keyframe for a subscriber.
    pub fn request_keyframe(&mut self, round_trip: Duration, now: Instant) {
        if self.life.is_silent(now) {
            // Subscribers that want the encoding make its publisher send it.
            self.life.expect(u8::MAX);
            self.keyframes.request_raised(now, round_trip);
        } else {
            self.keyframes.request(now);
        }
    }

    fn describe(&mut self, arrival: &Arrival) -> Result<Description, Discard> {
        let codec = arrival.payload_type.codec;
        if arrival.payload.is_empty() || !codec.is_video() {
            return Ok(Description::default());
        }
        describe(&mut self.structures, codec, arrival.payload, arrival.dependency_descriptor)
    }

    /// True if packets may be missing between the previous picture and this packet: they may be the parameter sets,
    /// without which nothing can be decoded. The keyframe then begins with those when they arrive.
    fn may_have_begun(&self, seq: ExtendedSeq, timestamp: u32) -> bool {
        let before = (1..=MOST_PARAMETERS).map(|behind| self.cache.get(ExtendedSeq(seq.0 - behind)));
        let mut before = before.skip_while(|cached| {
            cached.is_some_and(|cached| cached.timestamp == timestamp && !cached.description.keyframe)
        });
        before.next().is_none_or(|cached| cached.is_none())
    }

    /// Reads packets again that arrived before the structure that they refer to.
    fn read_again(&mut self, seq: ExtendedSeq, highest: ExtendedSeq) {
        let Self { cache, start, structures, .. } = self;
        let mut read = |cached: &mut Cached| {
            if !cached.description.awaits_structure {
                return;
            }
            let descriptor = Some(cached.dependency_descriptor.as_slice());
            if let Ok(description) = describe(structures, cached.payload_type.codec, &cached.payload, descriptor) {
                cached.description = description;
            }
        };
        (seq.0 + 1..=highest.0).for_each(|seq| {
            cache.get_mut(ExtendedSeq(seq)).into_iter().for_each(&mut read);
        });
        start.behind(seq).for_each(read);
    }
}

/// The clock rate of the first payload type; [`Stream::set_clock_rate`] sets that of the payload type in use.
fn clock_rate(track: &TrackSpec) -> u32 {
    let default = if track.kind == Kind::Video { 90_000 } else { 48_000 };
    track.payload_types.first().map_or(default, |first| first.clock_rate)
}

/// Most octets that are stored for fast starts of one encoding. A publisher that answers requests sends a keyframe
/// soon, so that more, which takes longer to send, is of no use. One that ignores requests sends its next keyframe in
/// up to 10 s (at 2.5 Mbit/s). For one that was not asked often enough this assumes 4 s, the default of hardware
/// encoders.
fn most_kept(keyframes: &KeyframeRequests) -> usize {
    if keyframes.is_deaf() {
        4_000_000
    } else if keyframes.surely_answers() {
        500_000
    } else {
        1_600_000
    }
}

/// Describes a packet. If its descriptor refers to a structure that was lost, only the payload is read.
fn describe(
    structures: &mut Structures,
    codec: Codec,
    payload: &[u8],
    descriptor: Option<&[u8]>,
) -> Result<Description, Discard> {
    let dependency = descriptor.and_then(|octets| structures.parse(octets).ok());
    let awaits_structure = descriptor.is_some() && dependency.is_none();
    Ok(Description { awaits_structure, ..codec::describe(codec, payload, dependency)? })
}
