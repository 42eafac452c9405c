//! A track where receive and send meet: its encodings, what each remembers for retransmission, and who watches.

use crate::codec::dependency::Structures;
use crate::codec::{self, Codec, Description, PayloadType};
use crate::command::{Kind, TrackSpec};
use crate::discard::Discard;
use crate::event::Event;
use crate::id::TrackId;
use crate::layer::Lives;
use crate::receive::encoding::Arrival;
use crate::receive::route::{self, Route};
use crate::receive::track::Track;
use crate::rtp::extension::Extensions;
use crate::rtp::header::Header;
use crate::rtp::layers_allocation::LayersAllocation;
use crate::rtp::rtx;
use crate::rtp::sequence::ExtendedSeq;
use crate::send::{Cache, Cached, Packet, Stored, redundancy};
use crate::time::{Duration, Instant, ms};

use super::sound::Sound;

/// What arrives is told this often, while anything does.
const LAYERS_INTERVAL: Duration = ms(1_000);

/// What is kept of an encoding beside its reception.
struct Kept {
    cache: Cache,
    structures: Structures,
}

impl Kept {
    fn new(spec: &TrackSpec) -> Self {
        Self { cache: Cache::new(spec.kind == Kind::Video), structures: Structures::default() }
    }
}

pub struct Published {
    pub track: Track,
    /// Arena key of the transport it comes by.
    pub transport: usize,
    /// By encoding.
    kept: Vec<Kept>,
    subscribers: Vec<usize>,
    /// What its room says of it.
    pub sound: Sound,
    /// Of the last packet.
    codec: Option<Codec>,
    next_layers: Option<Instant>,
    /// Something of it began or stopped to arrive since it was told.
    changed: bool,
    /// Another stream took an encoding's place, and none of its packets was taken yet.
    replaced: bool,
}

/// What became of a packet.
pub struct Taken {
    pub seq: ExtendedSeq,
    /// It came late, or by retransmission.
    pub recovered: bool,
    /// Another stream took the encoding's place: whoever shows it begins anew.
    pub replaced: bool,
}

impl Published {
    pub fn new(spec: TrackSpec, transport: usize) -> Self {
        let kept = spec.encodings.iter().map(|_| Kept::new(&spec)).collect();
        Self {
            track: Track::new(spec),
            transport,
            kept,
            subscribers: Vec::new(),
            sound: Sound::default(),
            codec: None,
            next_layers: None,
            changed: false,
            replaced: false,
        }
    }

    /// Encodings that are the same as before keep what they know.
    pub fn update(&mut self, spec: TrackSpec) {
        let mut before: Vec<_> = self.track.spec.encodings.drain(..).zip(self.kept.drain(..)).collect();
        for new in &spec.encodings {
            let same = before.iter().position(|(old, _)| route::is_same(old, new));
            self.kept.push(same.map_or_else(|| Kept::new(&spec), |place| before.remove(place).1));
        }
        self.track.update(spec);
    }

    pub fn id(&self) -> TrackId {
        self.track.spec.id
    }

    /// The arena keys of the slots that show it.
    pub fn subscribers(&self) -> &[usize] {
        &self.subscribers
    }

    pub fn subscribe(&mut self, slot: usize) {
        self.subscribers.push(slot);
    }

    pub fn unsubscribe(&mut self, slot: usize) {
        self.subscribers.retain(|&other| other != slot);
    }

    /// Takes a packet in clear: RTX unwrapped, its place in the sequence noted, its layer read, its payload kept.
    pub fn receive(
        &mut self,
        route: &Route,
        header: &Header,
        extensions: &Extensions<'_>,
        packet: &[u8],
        received: Instant,
        now: Instant,
    ) -> Result<Taken, Discard> {
        let end = header.payload_end(packet)?;
        let mut payload = packet.get(header.length..end).ok_or(Discard::Truncated)?;
        let replaced = self.track.bind(route, header.ssrc);
        self.replaced |= replaced;
        let (&payload_type, rtx) = self.track.payload_type(header.payload_type).ok_or(Discard::UnknownPayloadType)?;
        let kept = self.kept.get_mut(route.encoding).ok_or(Discard::UnknownSsrc)?;
        if replaced {
            *kept = Kept::new(&self.track.spec);
        }
        let mut sequence = header.sequence;
        if rtx {
            sequence = rtx::original_sequence(payload)?;
            payload = payload.get(rtx::OSN..).unwrap_or_default();
        }
        let mut description = kept.describe(&payload_type, payload, extensions)?;
        let state = &mut self.track.encodings[route.encoding];
        state.clarity.note(&description);
        if state.clarity.is_encrypted() {
            (description.keyframe, description.size) = (false, None);
        }
        let arrival = Arrival {
            sequence,
            timestamp: header.timestamp,
            marker: header.marker,
            payload_length: payload.len(),
            description: &description,
            retransmitted: rtx,
            received,
        };
        state.encoding.set_clock_rate(payload_type.clock_rate);
        let seq = state.encoding.handle_packet(&arrival, now)?;
        if description.keyframe {
            state.keyframes.handle_keyframe();
        }
        self.codec = Some(payload_type.codec);
        self.next_layers.get_or_insert(now);
        let stored = Stored {
            timestamp: header.timestamp,
            marker: header.marker,
            payload_type: &payload_type,
            passed: extensions.passed,
            dependency_descriptor: extensions.dependency_descriptor.unwrap_or_default(),
            description: &description,
        };
        kept.cache.insert(seq, stored, payload, now);
        let recovered = rtx || state.encoding.highest() != Some(seq);
        if !payload.is_empty() {
            state.life.hear(description.spatial, header.timestamp, recovered, now);
        }
        // One that cannot be read says nothing; the packet is none the worse.
        let allocation = extensions.video_layers_allocation.map(LayersAllocation::parse);
        if let Some(Ok(allocation)) = allocation.filter(|_| !recovered) {
            self.track.allocate(route.encoding, allocation);
        }
        Ok(Taken { seq, recovered, replaced: std::mem::take(&mut self.replaced) })
    }

    /// A packet that was taken goes to nobody: what it meant for those who show the track, the next one tells them.
    pub fn hold_back(&mut self, taken: &Taken) {
        self.replaced |= taken.replaced;
    }

    /// A packet as slots take it, while it is remembered.
    pub fn packet(&self, encoding: usize, seq: ExtendedSeq) -> Option<Packet<'_>> {
        let state = self.track.encodings.get(encoding)?;
        let (clock, encrypted) = (state.encoding.clock(), state.clarity.is_encrypted());
        let alone = self.track.encodings.len() == 1;
        let cache = &self.kept.get(encoding)?.cache;
        let cached = cache.get(seq)?;
        let copies = (self.sound.redundancy > 0).then(|| redundancy::copies(cached, self.sound.redundancy, cache));
        Some(Packet { alone, encrypted, copies, ..cached.packet(encoding as u8, clock) })
    }

    pub fn cached(&self, encoding: usize, seq: ExtendedSeq) -> Option<&Cached> {
        self.kept.get(encoding)?.cache.get(seq)
    }

    /// A subscriber needs a keyframe of this encoding. A publisher that answers no request is sent none.
    pub fn wish_keyframe(&mut self, encoding: u8, now: Instant) {
        let answers = self.track.spec.pli || self.track.spec.fir;
        // Before its first packet a slot does not know that there is one encoding only.
        let encoding = encoding.min(self.track.encodings.len().saturating_sub(1) as u8);
        if answers && let Some(state) = self.track.encodings.get_mut(usize::from(encoding)) {
            state.keyframes.wish(now);
        }
    }

    /// The same for several encodings, by their bits.
    pub fn wish_keyframes(&mut self, encodings: u8, now: Instant) {
        for encoding in (0..8).filter(|encoding| encodings & 1 << encoding != 0) {
            self.wish_keyframe(encoding, now);
        }
    }

    /// Which of it arrives, if that is news.
    pub fn poll_lives(&mut self) -> Option<Lives> {
        let lives = self.track.poll_lives();
        self.changed |= lives.is_some();
        lives
    }

    /// What arrives, once a second and when an encoding starts or stops.
    pub fn poll_layers(&mut self, now: Instant) -> Option<Event> {
        let due = self.next_layers.is_some_and(|due| due <= now);
        if !std::mem::take(&mut self.changed) && !due {
            return None;
        }
        let layers = self.track.layers(now);
        self.next_layers = (!layers.is_empty()).then_some(now + LAYERS_INTERVAL);
        Some(Event::Layers { track: self.id(), codec: self.codec, layers, encrypted: self.track.is_encrypted() })
    }

    /// When there is something to do: an encoding may have stopped, something lost is to be asked for.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let encodings = self.track.encodings.iter().filter_map(|state| state.poll_timeout());
        encodings.chain(self.next_layers).min()
    }
}

impl Kept {
    fn describe(
        &mut self,
        payload_type: &PayloadType,
        payload: &[u8],
        extensions: &Extensions<'_>,
    ) -> Result<Description, Discard> {
        if payload.is_empty() || !payload_type.codec.is_video() {
            return Ok(Description::default());
        }
        // One that refers to a structure which was lost tells nothing; the payload still may.
        let dependency = extensions.dependency_descriptor.and_then(|bytes| self.structures.parse(bytes).ok());
        codec::describe(payload_type.codec, payload, dependency)
    }
}
