//! A track where receive and send meet: its encodings, what each remembers for retransmission, and who watches.

use crate::codec::Codec;
use crate::command::{Kind, TrackSpec};
use crate::discard::Discard;
use crate::event::Event;
use crate::id::TrackId;
use crate::layer::{Layer, Lives};
use crate::receive::stream::Arrival;
use crate::receive::track::{Route, Track};
use crate::rtp::clock::SenderClock;
use crate::rtp::elements::Extensions;
use crate::rtp::header::Header;
use crate::rtp::layers_allocation::LayersAllocation;
use crate::rtp::rtx;
use crate::rtp::sequence::ExtendedSeq;
use crate::send::{Cached, Packet, Start, Stored, redundancy};
use crate::time::{Duration, Instant, ms};
use crate::timer::Timer;

use super::arena::Timed;
use crate::receive::encoding::{Kept, most_kept};
use super::sound::Sound;

/// What arrives is told this often, while anything does.
const LAYERS_INTERVAL: Duration = ms(1_000);
/// Streams that are not taken are told after this: a flood of them is one event.
const SURPLUS_TOLD: Duration = ms(20);

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
    /// Another stream took an encoding's place, and none of its packets was taken yet.
    replaced: bool,
    /// Octets of what is kept of all its encodings.
    memory: usize,
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
            replaced: false,
            memory: 0,
        }
    }

    /// Encodings that are the same as before keep place and what is known of them. Returns the places of those that are gone.
    pub fn update(&mut self, spec: TrackSpec, now: Instant) -> Vec<usize> {
        let gone = self.track.update(spec);
        for &place in &gone {
            self.kept[place] = Kept::new(&self.track.spec);
        }
        self.kept.resize_with(self.track.encodings.len(), || Kept::new(&self.track.spec));
        self.set_layers_due(now);
        self.count();
        gone
    }

    /// Octets of what is kept of all its encodings.
    pub fn memory(&self) -> usize {
        self.memory
    }

    fn count(&mut self) {
        self.memory = self.kept.iter().map(Kept::memory).sum();
    }

    /// Gives back what the rate of the last second does not need.
    pub fn trim(&mut self, now: Instant) {
        for kept in &mut self.kept {
            kept.cache.trim(now);
            kept.start.trim(now);
        }
        self.count();
    }

    /// Gives back about half of what is kept: what leads from the last keyframe to now first, since a keyframe can be had
    /// instead; then the older half of what is kept for retransmissions.
    pub fn halve(&mut self) {
        let half = self.memory / 2;
        while self.memory > half
            && let Some(most) = self.kept.iter_mut().max_by_key(|kept| kept.start.memory())
            && most.start.memory() > 0
        {
            most.start.forget();
            self.count();
        }
        while self.memory > half
            && let Some(most) = self.kept.iter_mut().max_by_key(|kept| kept.cache.memory())
            && most.cache.memory() > 0
        {
            most.cache.halve();
            self.count();
        }
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
        let kept = |published: &Self| published.kept.get(route.encoding).map_or(0, Kept::memory);
        let before = kept(self);
        let taken = self.take_in(route, header, extensions, packet, received, now);
        self.memory = self.memory + kept(self) - before;
        taken
    }

    fn take_in(
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
        let replaced = self.track.bind(route, header.ssrc, now);
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
        if !rtx && self.track.encodings[route.encoding].encoding.begins_anew(sequence) {
            self.track.encodings[route.encoding].encoding.restart();
            self.replaced = true;
            *kept = Kept::new(&self.track.spec);
        }
        let mut description = kept.describe(&payload_type, payload, extensions)?;
        let state = &mut self.track.encodings[route.encoding];
        state.clarity.handle_description(&description);
        if state.clarity.is_encrypted() {
            (description.keyframe, description.size) = (false, None);
        }
        if description.lacks_parameters && kept.may_have_begun(state.encoding.peek(sequence), header.timestamp) {
            description.keyframe = false;
        }
        let arrival = Arrival {
            sequence,
            timestamp: header.timestamp,
            payload_length: payload.len(),
            description: &description,
            retransmitted: rtx,
            received,
        };
        state.encoding.set_clock_rate(payload_type.clock_rate);
        let starts = state.life.is_silent(now);
        let seq = state.encoding.handle_packet(&arrival, now)?;
        if starts {
            state.keyframes.handle_start(now);
        }
        if description.keyframe {
            state.handle_keyframe(header.timestamp, now);
        }
        self.codec = Some(payload_type.codec);
        self.next_layers.get_or_insert(now);
        let Kept { cache, start, parameters, .. } = &mut *kept;
        let parameter_sets = match payload_type.codec {
            Codec::H264 | Codec::H265 => parameters.before(&payload_type, &self.track.spec, payload, &description),
            _ => &[],
        };
        let stored = Stored {
            timestamp: header.timestamp,
            marker: header.marker,
            payload_type: &payload_type,
            passed: extensions.passed,
            dependency_descriptor: extensions.dependency_descriptor.unwrap_or_default(),
            parameter_sets,
            description: &description,
        };
        cache.insert(seq, stored, payload, now);
        if payload_type.codec.is_video()
            && let Some(cached) = cache.get(seq)
        {
            let most = most_kept(&state.keyframes);
            start.insert(&Packet::again(cached, route.encoding as u8, None), stored, payload, most);
        }
        let highest = state.encoding.highest().unwrap_or(seq);
        let recovered = rtx || highest != seq;
        if recovered && description.dependency.as_ref().is_some_and(|frame| frame.structure_attached) {
            kept.read_again(seq, highest);
        }
        if !payload.is_empty() {
            state.life.handle_packet(description.spatial, header.timestamp, recovered, now);
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
        let cached = self.cached(encoding, seq)?;
        let encrypted = self.track.encodings.get(encoding)?.clarity.is_encrypted();
        let cache = &self.kept.get(encoding)?.cache;
        let copies = (self.sound.redundancy > 0).then(|| redundancy::copies(cached, self.sound.redundancy, cache));
        let clock = self.clock(encoding as u8);
        Some(Packet { alone: self.is_alone(), encrypted, copies, ..Packet::again(cached, encoding as u8, clock) })
    }

    pub fn cached(&self, encoding: usize, seq: ExtendedSeq) -> Option<&Cached> {
        let kept = self.kept.get(encoding)?;
        kept.cache.get(seq).or_else(|| kept.start.get(seq))
    }

    /// Its only encoding is all there is: layers to choose from are within it.
    pub fn is_alone(&self) -> bool {
        self.track.is_alone()
    }

    /// A stream leads here whose place another has.
    pub fn handle_surplus(&mut self, ssrc: u32, now: Instant) {
        if self.track.handle_surplus(ssrc, now) {
            self.set_layers_due(now + SURPLUS_TOLD);
        }
    }

    pub fn clock(&self, encoding: u8) -> Option<SenderClock> {
        self.track.encodings.get(usize::from(encoding))?.encoding.clock()
    }

    /// A keyframe is about to be asked for, or was: one wish more makes no difference.
    pub fn is_asking(&self, encoding: u8) -> bool {
        self.track.encodings.get(usize::from(encoding)).is_some_and(|state| state.keyframes.is_asking())
    }

    /// What leads from the last keyframe of an encoding to now.
    pub fn start(&self, encoding: u8) -> Option<&Start> {
        self.kept.get(usize::from(encoding)).map(|kept| &kept.start)
    }

    /// Whether packets of this encoding come.
    pub fn arrives(&self, encoding: u8, now: Instant) -> bool {
        self.track.encodings.get(usize::from(encoding)).is_some_and(|state| !state.life.is_silent(now))
    }

    /// The encoding to begin with for a slot that waits for `wanted`, as it may not know yet what there is: if nothing
    /// of that arrives, the best one in its ladder of which something does.
    pub fn arriving(&self, wanted: u8, ladder: &[Layer], now: Instant) -> Option<u8> {
        let arrives = |&encoding: &u8| self.arrives(encoding, now);
        if self.is_alone() {
            return Some(0).filter(arrives);
        }
        std::iter::once(wanted).chain(ladder.iter().map(|rung| rung.spatial)).find(arrives)
    }

    /// In how long a keyframe will begin to arrive for somebody who wishes for it now. None: nobody can tell.
    pub fn time_to_keyframe(&self, encoding: u8, round_trip: Duration, now: Instant) -> Option<Duration> {
        let keyframes = &self.track.encodings.get(usize::from(encoding))?.keyframes;
        if self.takes_requests() { keyframes.time_to_keyframe(now, round_trip) } else { keyframes.time_by_itself(now) }
    }

    /// A subscriber needs a keyframe of this encoding. A publisher that takes no requests is sent none.
    pub fn request_keyframe(&mut self, encoding: u8, round_trip: Duration, now: Instant) {
        let takes = self.takes_requests();
        // Before its first packet a slot does not know that there is one encoding only.
        let encoding = if self.is_alone() { 0 } else { encoding };
        if let Some(state) = self.track.encodings.get_mut(usize::from(encoding)).filter(|_| takes) {
            if state.life.is_silent(now) {
                // Its publisher was told to send it, by those who want it.
                state.life.expect(u8::MAX);
                state.keyframes.request_raised(now, round_trip);
            } else {
                state.keyframes.request(now);
            }
        }
    }

    /// The same for several encodings, by their bits.
    pub fn request_keyframes(&mut self, encodings: u8, round_trip: Duration, now: Instant) {
        for encoding in (0..8).filter(|encoding| encodings & 1 << encoding != 0) {
            self.request_keyframe(encoding, round_trip, now);
        }
    }

    /// Which of it arrives, if that is news.
    pub fn poll_lives(&mut self, now: Instant) -> Option<Lives> {
        let lives = self.track.poll_lives();
        if lives.is_some() {
            self.set_layers_due(now);
        }
        lives
    }

    /// Something of what arrives is other than it was told.
    fn set_layers_due(&mut self, at: Instant) {
        self.next_layers = Some(self.next_layers.map_or(at, |due| due.min(at)));
    }

    /// It ignores requests for keyframes, or said that it takes none.
    pub fn is_deaf(&self) -> bool {
        let ignores = self.track.encodings.iter().any(|state| state.keyframes.is_deaf());
        self.track.spec.kind == Kind::Video && (ignores || !self.takes_requests())
    }

    fn takes_requests(&self) -> bool {
        self.track.spec.pli || self.track.spec.fir
    }

    /// What arrives, once a second and when an encoding starts or stops.
    pub fn poll_layers(&mut self, now: Instant) -> Option<Event> {
        self.next_layers.filter(|&due| due <= now)?;
        let layers = self.track.layers(now);
        self.next_layers = (!layers.is_empty()).then_some(now + LAYERS_INTERVAL);
        let (encrypted, deaf, surplus) = (self.track.is_encrypted(), self.is_deaf(), self.track.surplus(now));
        let lacks_parameters = self.kept.iter().any(|kept| kept.parameters.missing);
        let (track, codec) = (self.id(), self.codec);
        Some(Event::Layers { track, codec, layers, encrypted, deaf, surplus, lacks_parameters })
    }
}

impl Timed for Published {
    fn deadlines(&self) -> impl IntoIterator<Item = (Timer, Option<Instant>)> {
        let [nack, keyframe, lives] = self.track.deadlines();
        [nack, keyframe, lives, (Timer::Layers, self.next_layers)]
    }
}
