//! Publishers of scalable video: VP9 by its payload descriptors, AV1 and H.264 by dependency descriptors, hand-built by
//! the rules of libwebrtc's scalability structures.

use super::*;
use crate::codec;
use crate::codec::dependency::Structures;

/// A frame and its references.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// Counts frames of the publisher.
    pub id: u32,
    pub spatial: u8,
    pub temporal: u8,
    pub references: Vec<u32>,
    pub packets: Vec<Sent>,
}

/// `L{spatial}T{temporal}`, with `_KEY` if layers refer to one another in key pictures only.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mode {
    pub spatial: u8,
    pub temporal: u8,
    pub key: bool,
}

impl Mode {
    pub fn named(name: &str) -> Self {
        let digit = |at: usize| name.as_bytes()[at] - b'0';
        Self { spatial: digit(1), temporal: digit(3), key: name.ends_with("_KEY") }
    }

    fn targets(self) -> impl Iterator<Item = (u8, u8)> {
        (0..self.spatial).flat_map(move |spatial| (0..self.temporal).map(move |temporal| (spatial, temporal)))
    }

    /// The temporal layer of the nth picture after a key picture.
    fn layer(self, n: u32) -> u8 {
        match self.temporal {
            1 => 0,
            2 => [0, 1][n as usize % 2],
            _ => [0, 2, 1, 2][n as usize % 4],
        }
    }
}

pub(super) struct Publisher {
    pub mode: Mode,
    payload_type: PayloadType,
    /// The number of spatial layers that are sent.
    pub sends: u8,
    since_key: u32,
    frames: u32,
    seq: u64,
    timestamp: u32,
    picture: u16,
    tl0: u8,
    /// By spatial layer: the last frames of each temporal layer.
    last: [[Option<u32>; 3]; 3],
    /// By chain: its last frame.
    chains: [Option<u32>; 3],
    structures: Structures,
    first_template: u8,
    described: u8,
}

impl Publisher {
    pub fn new(payload_type: PayloadType, mode: &str) -> Self {
        let mode = Mode::named(mode);
        Self {
            mode,
            payload_type,
            sends: mode.spatial,
            since_key: 0,
            frames: 65_500,
            seq: 70_000,
            timestamp: 0xFFFF_0000,
            picture: 0x7FF0,
            tl0: 250,
            last: Default::default(),
            chains: [None; 3],
            structures: Structures::default(),
            first_template: 0,
            described: mode.spatial,
        }
    }

    /// The nth of several publishers, whose frames are distinguishable.
    pub fn nth(self, n: u32) -> Self {
        Self { frames: self.frames + (n << 20), ..self }
    }

    /// Changes the structure from the next picture on, which must be a keyframe. `anew`: template ids begin at 0 again.
    pub fn set_mode(&mut self, mode: &str, anew: bool) {
        let next = self.first_template + self.mode.spatial * (self.mode.temporal + 1);
        self.first_template = if anew { 0 } else { next & 0x3F };
        self.mode = Mode::named(mode);
        (self.sends, self.described) = (self.mode.spatial, self.mode.spatial);
    }

    /// The next picture: its frames, lowest layer first, each of `packets` packets.
    pub fn picture(&mut self, keyframe: bool, packets: usize, at: Instant) -> Vec<Frame> {
        self.since_key = if keyframe { 0 } else { self.since_key + 1 };
        let temporal = self.mode.layer(self.since_key);
        self.picture = self.picture.wrapping_add(1) & 0x7FFF;
        self.tl0 = self.tl0.wrapping_add(u8::from(temporal == 0));
        self.timestamp = self.timestamp.wrapping_add(FRAME_TICKS);
        let sends = self.sends;
        (0..sends).map(|spatial| self.frame(spatial, temporal, keyframe, packets, at)).collect()
    }

    fn frame(&mut self, spatial: u8, temporal: u8, keyframe: bool, packets: usize, at: Instant) -> Frame {
        let id = self.frames;
        self.frames += 1;
        let below = id - 1;
        let row = self.last[usize::from(spatial)];
        let inter = match (temporal, self.since_key % 4) {
            _ if keyframe => None,
            (0 | 1, _) => row[0],
            (_, 3) => row[1].or(row[0]),
            _ => row[0],
        };
        let inter_layer = spatial > 0 && (keyframe || !self.mode.key);
        let references: Vec<u32> = inter.into_iter().chain(inter_layer.then_some(below)).collect();
        if keyframe {
            self.last[usize::from(spatial)] = [None; 3];
        }
        self.last[usize::from(spatial)][usize::from(temporal)] = Some(id);
        let av1 = self.payload_type.codec != Codec::Vp9;
        let parts = (0..packets)
            .map(|n| {
                let (start, end) = (n == 0, n + 1 == packets);
                let marker = end && spatial + 1 == self.sends;
                let descriptor = if av1 {
                    self.descriptor(id, spatial, temporal, keyframe, (start, end), &references)
                } else {
                    Vec::new()
                };
                let mut payload = if av1 {
                    vec![if keyframe && spatial == 0 && start { 0x18 } else { 0x10 }, 0x32]
                } else {
                    self.vp9(spatial, temporal, keyframe, (start, end), inter.is_some(), inter_layer)
                };
                payload.extend(id.to_be_bytes());
                let dependency = av1.then(|| self.structures.parse(&descriptor).expect("a descriptor"));
                let description = codec::describe(if av1 { Codec::Av1 } else { Codec::Vp9 }, &payload, dependency)
                    .expect("a payload");
                self.seq += 1;
                Sent {
                    encoding: 0,
                    seq: self.seq,
                    timestamp: self.timestamp,
                    marker,
                    payload_type: self.payload_type,
                    description,
                    payload,
                    descriptor,
                    alone: true,
                    clock: None,
                    at,
                }
            })
            .collect();
        for chain in 0..self.mode.spatial {
            let is_in = temporal == 0 && if keyframe || !self.mode.key { spatial <= chain } else { spatial == chain };
            if is_in {
                self.chains[usize::from(chain)] = Some(id);
            }
        }
        Frame { id, spatial, temporal, references, packets: parts }
    }

    /// I, P, L, flexible mode, B, E, V, Z.
    fn vp9(
        &self,
        spatial: u8,
        temporal: u8,
        keyframe: bool,
        (start, end): (bool, bool),
        inter: bool,
        inter_layer: bool,
    ) -> Vec<u8> {
        let structure = keyframe && spatial == 0 && start;
        let stands_alone = spatial + 1 == self.mode.spatial || (self.mode.key && !keyframe);
        let flags = [true, inter, true, false, start, end, structure, stands_alone];
        let [high, low] = (self.picture | 0x8000).to_be_bytes();
        // U as in libwebrtc's flexible mode: the frame refers to lower temporal layers only.
        let up = keyframe || temporal > 0;
        let layers = temporal << 5 | u8::from(up) << 4 | spatial << 1 | u8::from(inter_layer);
        let flags = flags.iter().fold(0, |octet, &flag| octet << 1 | u8::from(flag));
        let mut payload = vec![flags, high, low, layers, self.tl0];
        if structure {
            payload.push((self.sends - 1) << 5);
        }
        payload
    }

    fn descriptor(
        &mut self,
        id: u32,
        spatial: u8,
        temporal: u8,
        keyframe: bool,
        (start, end): (bool, bool),
        references: &[u32],
    ) -> Vec<u8> {
        // Templates: of each spatial layer its key frame, then one for each temporal layer.
        let per_layer = self.mode.temporal + 1;
        let template = self.first_template + spatial * per_layer + if keyframe { 0 } else { 1 + temporal };
        let structure = keyframe && spatial == 0 && start;
        let active = self.described != self.sends || (structure && self.sends != self.mode.spatial);
        self.described = self.sends;
        let mut bits = Bits::default();
        bits.put(1, u32::from(start)).put(1, u32::from(end)).put(6, u32::from(template & 0x3F)).put(16, id & 0xFFFF);
        bits.put(1, u32::from(structure)).put(1, u32::from(active)).put(3, 0b011);
        if structure {
            self.structure(&mut bits);
        }
        if active {
            let mask = (1 << (self.sends * self.mode.temporal)) - 1;
            bits.put(u32::from(self.mode.spatial * self.mode.temporal), mask);
        }
        for reference in references {
            bits.put(2, 2).put(8, id - reference - 1);
        }
        bits.put(2, 0);
        for chain in self.chains.iter().take(usize::from(self.mode.spatial)) {
            // The key picture's first frame begins all chains.
            let before = chain.filter(|_| !(keyframe && spatial == 0));
            bits.put(8, before.map_or(0, |before| (id - before).min(255)));
        }
        bits.octets()
    }

    fn structure(&self, bits: &mut Bits) {
        let mode = self.mode;
        let count = u32::from(mode.spatial * mode.temporal);
        bits.put(6, self.first_template.into()).put(5, count - 1);
        let kinds: Vec<(u8, u8, bool)> = (0..mode.spatial)
            .flat_map(|spatial| {
                let deltas = (0..mode.temporal).map(move |temporal| (spatial, temporal, false));
                std::iter::once((spatial, 0, true)).chain(deltas)
            })
            .collect();
        for pair in kinds.windows(2) {
            let step = if pair[1].0 != pair[0].0 { 2 } else { u32::from(pair[1].1 != pair[0].1) };
            bits.put(2, step);
        }
        bits.put(2, 3);
        for &(spatial, temporal, key) in &kinds {
            for target in mode.targets() {
                bits.put(2, indication(mode, (spatial, temporal, key), target));
            }
        }
        for _ in &kinds {
            bits.put(1, 0);
        }
        bits.below(count + 1, u32::from(mode.spatial));
        for (spatial, _) in mode.targets() {
            bits.below(u32::from(mode.spatial), u32::from(spatial));
        }
        for _ in 0..kinds.len() * usize::from(mode.spatial) {
            bits.put(4, 0);
        }
        bits.put(1, 0);
    }
}

/// libwebrtc: scalability_structure_full_svc.cc and scalability_structure_key_svc.cc, Dti().
fn indication(mode: Mode, (spatial, temporal, key): (u8, u8, bool), (to, up): (u8, u8)) -> u32 {
    const NOT_PRESENT: u32 = 0;
    const DISCARDABLE: u32 = 1;
    const SWITCH: u32 = 2;
    const REQUIRED: u32 = 3;
    if to < spatial || up < temporal {
        return NOT_PRESENT;
    }
    if key {
        return SWITCH;
    }
    match (to == spatial, mode.key) {
        (false, true) => NOT_PRESENT,
        (false, false) => REQUIRED,
        (true, _) if up == temporal && temporal > 0 => DISCARDABLE,
        (true, _) => SWITCH,
    }
}

#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn put(&mut self, count: u32, value: u32) -> &mut Self {
        self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    /// ns(n) of AV1 s4.10.7.
    fn below(&mut self, n: u32, value: u32) {
        let width = n.ilog2();
        let short = (2 << width) - n;
        if value < short {
            self.put(width, value);
        } else {
            self.put(width + 1, value + short);
        }
    }

    fn octets(&self) -> Vec<u8> {
        let octet = |bits: &[bool]| (0..8).fold(0, |octet, n| octet << 1 | u8::from(bits.get(n) == Some(&true)));
        self.0.chunks(8).map(octet).collect()
    }
}
