//! What a participant publishes: a track with its encodings, kept over updates of its spec.

mod keyframes;
mod lives;
mod told;

use crate::codec::{Codec, PayloadType};
use crate::command::{EncodingSpec, TrackSpec};
use crate::discard::Discard;
use crate::id::TrackId;
use crate::layer::{Ladder, Layer, Lives};
use crate::receive::encoding::{Encoding, Received, Taken};
use crate::rtp::elements::Extensions;
use crate::rtp::header::Header;
use crate::rtp::layers_allocation::LayersAllocation;
use crate::time::{Duration, Instant, ms};
use crate::timer::Timer;

/// Silence of what repairs a stream after which something else may, where nothing says what does: a second without loss is
/// nothing special.
const REPAIRS_GONE: Duration = ms(3_000);

/// Where the packets of an SSRC go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    pub track: TrackId,
    /// The place of the encoding: see [`Track::encodings`].
    pub encoding: usize,
    /// It carries retransmissions (RFC 4588).
    pub rtx: bool,
}

pub struct Track {
    pub spec: TrackSpec,
    /// By place: an encoding keeps its place as long as a spec names it, wherever in the list. Slots, caches and packets on
    /// their way know it by that.
    pub encodings: Vec<Encoding>,
    /// Of each encoding of the spec.
    places: Vec<usize>,
    /// What its sender said last.
    allocation: Option<LayersAllocation>,
    /// What was told last.
    lives: Lives,
    /// SSRCs that lead here and are not taken, and when each was heard last.
    surplus: Vec<(u32, Instant)>,
    /// Of the last packet.
    codec: Option<Codec>,
    /// When the application is told what arrives.
    next_layers: Option<Instant>,
    /// Octets of what is kept of all its encodings.
    memory: usize,
}

impl Track {
    pub fn new(spec: TrackSpec) -> Self {
        let encodings =
            (0..).zip(&spec.encodings).map(|(place, encoding)| Encoding::new(&spec, encoding, place)).collect();
        let places = (0..spec.encodings.len()).collect();
        Self {
            spec,
            encodings,
            places,
            allocation: None,
            lives: Lives::default(),
            surplus: Vec::new(),
            codec: None,
            next_layers: None,
            memory: 0,
        }
    }

    pub fn id(&self) -> TrackId {
        self.spec.id
    }

    /// By its place.
    pub fn encoding(&self, place: u8) -> Option<&Encoding> {
        self.encodings.get(usize::from(place))
    }

    /// Takes a new spec with the same id; encodings that it still names keep place and state. Returns the places of those
    /// that are gone: what takes one later has higher numbers.
    pub fn update(&mut self, spec: TrackSpec, now: Instant) -> Vec<usize> {
        let mut known: Vec<_> = self.spec.encodings.iter().zip(self.places.drain(..)).collect();
        let kept: Vec<Option<usize>> = spec
            .encodings
            .iter()
            .map(|new| known.iter().position(|(old, _)| is_same(old, new)).map(|at| known.remove(at).1))
            .collect();
        let gone: Vec<usize> = known.into_iter().map(|(_, place)| place).collect();
        for &place in &gone {
            self.encodings[place].vacate(&spec);
        }
        let mut free = (0..).filter(|place| !kept.contains(&Some(*place)));
        for (new, kept) in spec.encodings.iter().zip(&kept) {
            // There is always another number.
            let Some(place) = kept.or_else(|| free.next()) else { break };
            match self.encodings.get_mut(place) {
                Some(state) => state.update(&spec, new),
                None => self.encodings.push(Encoding::new(&spec, new, place as u8)),
            }
            self.places.push(place);
        }
        self.spec = spec;
        // The sender counts its streams anew.
        self.allocation = None;
        self.set_layers_due(now);
        self.count();
        gone
    }

    /// Of each encoding of the spec, in its order.
    pub fn places(&self) -> &[usize] {
        &self.places
    }

    /// Its only encoding is all there is: layers to choose from are within it.
    pub fn is_alone(&self) -> bool {
        self.places == [0]
    }

    /// A ladder whose rungs name encodings as the spec lists them, by their places.
    pub fn ladder(&self, listed: &[Layer]) -> Ladder {
        if self.is_alone() {
            return listed.to_vec();
        }
        let placed =
            |rung: &Layer| Some(Layer { spatial: *self.places.get(usize::from(rung.spatial))? as u8, ..*rung });
        listed.iter().filter_map(placed).collect()
    }

    /// A layer by the encoding's index in the spec.
    pub fn listed(&self, layer: Layer) -> Layer {
        let index = self.places.iter().position(|&place| place == usize::from(layer.spatial));
        index.filter(|_| !self.is_alone()).map_or(layer, |index| Layer { spatial: index as u8, ..layer })
    }

    /// Another stream may have what a route leads to. None: nothing was heard of it yet.
    pub fn is_gone(&self, route: &Route, now: Instant) -> Option<bool> {
        let state = self.encodings.get(route.encoding)?;
        if route.rtx {
            return state.repaired().map(|at| now >= at + REPAIRS_GONE);
        }
        state.life.is_gone(now)
    }

    /// Takes a packet in clear into the encoding that its route names.
    ///
    /// # Errors
    /// Why it is not taken.
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
        let payload = packet.get(header.length..end).ok_or(Discard::Truncated)?;
        let before = self.encodings.get(route.encoding).ok_or(Discard::UnknownSsrc)?.memory();
        self.bind(route, header.ssrc, now);
        let Self { spec, encodings, .. } = self;
        let encoding = encodings.get_mut(route.encoding).ok_or(Discard::UnknownSsrc)?;
        let taken = match payload_type(spec, header.payload_type) {
            Some((payload_type, rtx)) => {
                let packet = Received { header, extensions, payload, payload_type, rtx, at: received };
                encoding.handle_packet(&packet, spec, now).inspect(|_| self.codec = Some(payload_type.codec))
            }
            None => Err(Discard::UnknownPayloadType),
        };
        self.memory = self.memory + encoding.memory() - before;
        let taken = taken?;
        self.next_layers.get_or_insert(now);
        // One that cannot be read says nothing; the packet is none the worse.
        let allocation = extensions.video_layers_allocation.map(LayersAllocation::parse);
        if let Some(Ok(allocation)) = allocation.filter(|_| !taken.recovered) {
            self.allocate(route.encoding, allocation);
        }
        Ok(taken)
    }

    /// Notes the SSRC that a route was found for.
    pub fn bind(&mut self, route: &Route, ssrc: u32, now: Instant) {
        match (self.encodings.get_mut(route.encoding), route.rtx) {
            (Some(encoding), true) => encoding.bind_rtx(ssrc, now),
            (Some(encoding), false) => encoding.bind(ssrc),
            (None, _) => {}
        }
    }

    /// Octets of the lists of what its encodings miss.
    pub fn missing_memory(&self) -> usize {
        self.encodings.iter().map(|encoding| encoding.stream.missing_memory()).sum()
    }

    /// Octets of what is kept of all its encodings.
    pub fn memory(&self) -> usize {
        self.memory
    }

    fn count(&mut self) {
        self.memory = self.encodings.iter().map(Encoding::memory).sum();
    }

    /// Gives back what the rate of the last second does not need.
    pub fn trim(&mut self, now: Instant) {
        self.encodings.iter_mut().for_each(|encoding| encoding.trim(now));
        self.count();
    }

    /// Gives back about half of what is kept: what leads from the last keyframe to now first, since a keyframe can be had
    /// instead; then the older half of what is kept for retransmissions.
    pub fn halve(&mut self) {
        let half = self.memory / 2;
        while self.memory > half
            && let Some(most) = self.encodings.iter_mut().max_by_key(|encoding| encoding.start().memory())
            && most.start().memory() > 0
        {
            most.forget_start();
            self.count();
        }
        while self.memory > half
            && let Some(most) = self.encodings.iter_mut().max_by_key(|encoding| encoding.cache().memory())
            && most.cache().memory() > 0
        {
            most.halve_cache();
            self.count();
        }
    }

    /// When there is something to ask the publisher for, or a silence to judge. Nothing is asked for before the SSRC is
    /// known: the wish waits.
    pub fn deadlines(&self) -> [(Timer, Option<Instant>); 4] {
        let of = |deadline: fn(&Encoding) -> Option<Instant>| self.encodings.iter().filter_map(deadline).min();
        [
            (Timer::Nack, of(|state| state.ssrc.and_then(|_| state.stream.poll_timeout()))),
            (Timer::Keyframe, of(|state| state.ssrc.and_then(|_| state.keyframes.poll_timeout()))),
            (Timer::Lives, of(|state| state.life.poll_timeout())),
            (Timer::Layers, self.next_layers),
        ]
    }
}

/// Whether an updated spec means the same encoding: the same RID, or else the same SSRC as far as both tell.
pub fn is_same(old: &EncodingSpec, new: &EncodingSpec) -> bool {
    match (&old.rid, &new.rid) {
        (Some(old), Some(new)) => old == new,
        (None, None) => old.ssrc.is_none() || new.ssrc.is_none() || old.ssrc == new.ssrc,
        _ => false,
    }
}

/// Whether a payload type of the track is one of retransmission; none: it has not negotiated it.
pub fn is_rtx(track: &TrackSpec, number: u8) -> Option<bool> {
    if track.payload_types.iter().any(|known| known.number == number) {
        return Some(false);
    }
    track.payload_types.iter().any(|known| known.rtx == Some(number)).then_some(true)
}

/// The payload type with this number, or the one that this number retransmits: then true.
fn payload_type(track: &TrackSpec, number: u8) -> Option<(&PayloadType, bool)> {
    let rtx = is_rtx(track, number)?;
    let found = |known: &&PayloadType| {
        if rtx { known.rtx == Some(number) } else { known.number == number }
    };
    track.payload_types.iter().find(found).map(|known| (known, rtx))
}

#[cfg(test)]
mod tests;
