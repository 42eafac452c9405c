//! What is kept of an encoding beside its reception: its packets, for retransmissions and for who comes late, and what
//! decoders need before a keyframe.

use crate::codec::dependency::Structures;
use crate::codec::parameters::ParameterSets;
use crate::codec::{self, Codec, Description, PayloadType};
use crate::command::{Kind, TrackSpec};
use crate::discard::Discard;
use crate::receive::keyframe::KeyframeRequests;
use crate::rtp::elements::Extensions;
use crate::rtp::sequence::ExtendedSeq;
use crate::send::{Cache, Cached, Start};

/// Packets with parameter sets, and what else comes before the first slice of a keyframe.
const MOST_PARAMETERS: u64 = 8;

/// What is kept of an encoding beside its reception.
pub struct Kept {
    pub cache: Cache,
    pub start: Start,
    pub structures: Structures,
    pub parameters: Parameters,
}

/// What decoders of H.264 and H.265 need before a keyframe.
#[derive(Default)]
pub struct Parameters {
    sets: ParameterSets,
    /// The payload type that they are of.
    of: Option<u8>,
    /// The last keyframe came without them, and they came neither before nor by SDP.
    pub missing: bool,
}

impl Parameters {
    /// What is to leave before a packet for a decoder that begins with it; nothing if it brings all that is needed.
    pub fn before(&mut self, of: &PayloadType, spec: &TrackSpec, payload: &[u8], description: &Description) -> &[u8] {
        if self.of != Some(of.number) {
            *self = Self { of: Some(of.number), ..Self::default() };
            for (_, unit) in spec.parameter_sets.iter().filter(|(number, _)| *number == of.number) {
                self.sets.handle_payload(of.codec, unit);
            }
        }
        let brings_all = self.sets.handle_payload(of.codec, payload);
        // With a dependency descriptor every packet has one, and none of ours could.
        if !description.keyframe || description.dependency.is_some() {
            return &[];
        }
        self.missing = description.lacks_parameters && self.sets.packet().is_none();
        self.sets.packet().filter(|_| !brings_all).unwrap_or_default()
    }
}

impl Kept {
    pub fn new(spec: &TrackSpec) -> Self {
        Self {
            cache: Cache::new(spec.kind == Kind::Video),
            start: Start::default(),
            structures: Structures::default(),
            parameters: Parameters::default(),
        }
    }

    pub fn memory(&self) -> usize {
        self.cache.memory() + self.start.memory()
    }
}

/// Octets of what is kept for fast starts of one encoding: of a publisher that answers, a keyframe is soon to be had, and
/// what takes longer to send is of no use; one that ignores requests makes its next in up to 10 s (at 2.5 Mbit/s); of one
/// that was not asked often enough nobody knows (4 s, as hardware encoders have it by default).
pub fn most_kept(keyframes: &KeyframeRequests) -> usize {
    if keyframes.is_deaf() {
        4_000_000
    } else if keyframes.surely_hears() {
        500_000
    } else {
        1_600_000
    }
}

impl Kept {
    pub fn describe(
        &mut self,
        payload_type: &PayloadType,
        payload: &[u8],
        extensions: &Extensions<'_>,
    ) -> Result<Description, Discard> {
        if payload.is_empty() || !payload_type.codec.is_video() {
            return Ok(Description::default());
        }
        describe(&mut self.structures, payload_type.codec, payload, extensions.dependency_descriptor)
    }

    /// Something is missing between the picture before and a packet: perhaps parameter sets, without which nothing can
    /// be decoded. It begins with those, when they come.
    pub fn may_have_begun(&self, seq: ExtendedSeq, timestamp: u32) -> bool {
        let before = (1..=MOST_PARAMETERS).map(|behind| self.cache.get(ExtendedSeq(seq.0 - behind)));
        let mut before = before.skip_while(|cached| {
            cached.is_some_and(|cached| cached.timestamp == timestamp && !cached.description.keyframe)
        });
        before.next().is_none_or(|cached| cached.is_none())
    }

    /// A structure came after packets that refer to it: now they can be read.
    pub fn read_again(&mut self, seq: ExtendedSeq, highest: ExtendedSeq) {
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

/// One whose descriptor refers to a structure that was lost tells nothing by it; the payload still may.
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
