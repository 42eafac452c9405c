//! What a participant publishes: the encodings of a track with what is known of each, kept over updates of its spec.

use crate::codec::PayloadType;
use crate::command::{EncodingSpec, Kind, TrackSpec};
use crate::event::LayerRate;
use crate::id::TrackId;
use crate::layer::{Ladder, Layer, Lives};
use crate::limits::SURPLUS_SSRCS;
use crate::receive::clarity::Clarity;
use crate::receive::stream::Stream;
use crate::receive::keyframe::KeyframeRequests;
use crate::receive::life::Life;
use crate::receive::pulse::Pulse;
use crate::rtp::layers_allocation::LayersAllocation;
use crate::time::{Duration, Instant, ms};
use crate::timer::Timer;

/// Silence of what repairs a stream after which something else may, where nothing says what does: a second without loss is
/// nothing special.
const REPAIRS_GONE: Duration = ms(3_000);
/// How long it is told that a stream was not taken.
const SURPLUS_TOLD: Duration = ms(5_000);

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
    pub encodings: Vec<EncodingState>,
    /// Of each encoding of the spec.
    places: Vec<usize>,
    /// What its sender said last.
    allocation: Option<LayersAllocation>,
    /// What was told last.
    lives: Lives,
    /// SSRCs that lead here and are not taken, and when each was heard last.
    surplus: Vec<(u32, Instant)>,
}

pub struct EncodingState {
    /// Declared, or learned from its packets.
    pub ssrc: Option<u32>,
    pub rtx_ssrc: Option<u32>,
    pub encoding: Stream,
    pub keyframes: KeyframeRequests,
    pub life: Life,
    pub clarity: Clarity,
    /// The timestamp of the last one.
    keyframe: Option<u32>,
    /// When something came by RTX.
    repaired: Option<Instant>,
}

impl Track {
    /// Octets of the lists of what its encodings miss.
    pub fn missing_memory(&self) -> usize {
        self.encodings.iter().map(|state| state.encoding.missing_memory()).sum()
    }

    pub fn new(spec: TrackSpec) -> Self {
        let encodings = spec.encodings.iter().map(|encoding| EncodingState::new(&spec, encoding)).collect();
        let places = (0..spec.encodings.len()).collect();
        Self { spec, encodings, places, allocation: None, lives: Lives::default(), surplus: Vec::new() }
    }

    /// Takes a new spec with the same id; encodings that it still names keep place and state. Returns the places of those
    /// that are gone: what takes one later has higher numbers.
    pub fn update(&mut self, spec: TrackSpec) -> Vec<usize> {
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
                None => self.encodings.push(EncodingState::new(&spec, new)),
            }
            self.places.push(place);
        }
        self.spec = spec;
        // The sender counts its streams anew.
        self.allocation = None;
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
            return state.repaired.map(|at| now >= at + REPAIRS_GONE);
        }
        state.life.is_gone(now)
    }

    /// A packet leads here, but another stream has its place. True: that is news.
    pub fn handle_surplus(&mut self, ssrc: u32, now: Instant) -> bool {
        let before = self.surplus.len();
        self.surplus.retain(|&(other, at)| other != ssrc && now < at + SURPLUS_TOLD);
        if self.surplus.len() == SURPLUS_SSRCS {
            self.surplus.remove(0);
        }
        self.surplus.push((ssrc, now));
        self.surplus.len() != before
    }

    /// SSRCs that lead here and were not taken lately.
    pub fn surplus(&self, now: Instant) -> Vec<u32> {
        let mut lately: Vec<u32> = self.surplus.iter().filter(|of| now < of.1 + SURPLUS_TOLD).map(|of| of.0).collect();
        lately.sort_unstable();
        lately
    }

    /// Notes the SSRC that a route was found for. True: another stream takes this encoding's place, with timestamps
    /// and pictures of its own, and whoever shows it must begin anew.
    pub fn bind(&mut self, route: &Route, ssrc: u32, now: Instant) -> bool {
        let Some(state) = self.encodings.get_mut(route.encoding) else {
            return false;
        };
        if route.rtx {
            (state.rtx_ssrc, state.repaired) = (Some(ssrc), Some(now));
            return false;
        }
        state.bind(ssrc)
    }

    /// The payload type with this number, or the one that this number retransmits: then true.
    pub fn payload_type(&self, number: u8) -> Option<(&PayloadType, bool)> {
        let rtx = is_rtx(&self.spec, number)?;
        let found = |known: &&PayloadType| {
            if rtx { known.rtx == Some(number) } else { known.number == number }
        };
        self.spec.payload_types.iter().find(found).map(|known| (known, rtx))
    }

    /// What arrives of the track, by the spec's encodings. Of several each is one spatial layer; only what flows counts.
    pub fn layers(&mut self, now: Instant) -> Vec<LayerRate> {
        let simulcast = !self.is_alone();
        let mut layers = Vec::new();
        for (index, &place) in self.places.iter().enumerate() {
            let state = &mut self.encodings[place];
            if !state.life.is_flowing() {
                continue;
            }
            let rates = state.encoding.rates(self.allocation.as_ref(), index, now);
            let top = rates.iter().map(|rate| rate.layer.spatial).max();
            layers.extend(rates.into_iter().filter_map(|rate| match simulcast {
                false => state.life.has_layer(rate.layer.spatial).then_some(rate),
                true if Some(rate.layer.spatial) != top => None,
                true => Some(LayerRate { layer: Layer::new(index as u8, rate.layer.temporal), ..rate }),
            }));
        }
        layers
    }

    /// Its sender says which layers it sends from now on, by a packet of `encoding`. One that counts its streams otherwise
    /// than its offer did is not understood.
    pub fn allocate(&mut self, encoding: usize, mut allocation: LayersAllocation) {
        if self.places.get(usize::from(allocation.stream)) != Some(&encoding) {
            return;
        }
        let before = self.allocation.take();
        if let Some(before) = &before {
            allocation.complete_from(before);
        }
        let sent = |allocation: &LayersAllocation, stream: usize| {
            allocation.stream(stream).fold(0, |bits, (spatial, _)| bits | 1_u8 << spatial)
        };
        for (stream, &place) in self.places.iter().enumerate() {
            let before = before.as_ref().map_or(u8::MAX, |before| sent(before, stream));
            self.encodings[place].life.allocate(before, sent(&allocation, stream));
        }
        self.allocation = Some(allocation);
    }

    /// Encodings are wanted that were not before, or spatial layers of its only one: as bits.
    pub fn expect(&mut self, wanted: u8) {
        if self.is_alone() {
            return self.encodings[0].life.expect(wanted);
        }
        let places = self.encodings.iter_mut().take(8).enumerate();
        places.filter(|(at, _)| wanted >> at & 1 != 0).for_each(|(_, state)| state.life.expect(u8::MAX));
    }

    pub fn pulses(&self) -> impl Iterator<Item = Pulse> {
        self.encodings.iter().filter_map(|state| state.life.pulse())
    }

    /// Judges silences; `elsewhere` is what else of its transport was heard.
    pub fn handle_silence(&mut self, elsewhere: &[Pulse], now: Instant) {
        let pulses: Vec<Pulse> = self.pulses().collect();
        self.encodings.iter_mut().for_each(|state| state.life.handle_silence(&pulses, elsewhere, now));
    }

    /// Which of its encodings flow, or spatial layers of its only one.
    pub fn lives(&self) -> Lives {
        if self.is_alone() {
            return self.encodings[0].life.lives();
        }
        let bits = |is: fn(&Life) -> bool| {
            let places = self.encodings.iter().take(8).enumerate();
            places.fold(0, |bits, (at, state)| bits | u8::from(is(&state.life)) << at)
        };
        Lives { flowing: bits(Life::is_flowing), stopped: bits(Life::has_stopped) }
    }

    /// The same, if it is other than it was told last.
    pub fn poll_lives(&mut self) -> Option<Lives> {
        let lives = self.lives();
        (std::mem::replace(&mut self.lives, lives) != lives).then_some(lives)
    }

    /// When there is something to ask the publisher for, or a silence to judge. Nothing is asked for before the SSRC is
    /// known: the wish waits.
    pub fn deadlines(&self) -> [(Timer, Option<Instant>); 3] {
        let of = |deadline: fn(&EncodingState) -> Option<Instant>| self.encodings.iter().filter_map(deadline).min();
        [
            (Timer::Nack, of(|state| state.ssrc.and_then(|_| state.encoding.poll_timeout()))),
            (Timer::Keyframe, of(|state| state.ssrc.and_then(|_| state.keyframes.poll_timeout()))),
            (Timer::Lives, of(|state| state.life.poll_timeout())),
        ]
    }

    /// Its payload cannot be read, and no descriptor tells keyframes.
    pub fn is_encrypted(&self) -> bool {
        self.encodings.iter().any(|state| state.clarity.is_encrypted())
    }
}

impl EncodingState {
    fn new(track: &TrackSpec, spec: &EncodingSpec) -> Self {
        let encoding = Stream::new(clock_rate(track), track.nack, track.kind == Kind::Video);
        Self {
            ssrc: spec.ssrc,
            rtx_ssrc: spec.rtx_ssrc,
            encoding,
            keyframes: KeyframeRequests::new(),
            life: Life::new(track.kind == Kind::Video),
            clarity: Clarity::default(),
            keyframe: None,
            repaired: None,
        }
    }

    /// A packet begins a keyframe, as several of one do in H.264: parameter sets, and the first slice.
    pub fn handle_keyframe(&mut self, timestamp: u32, now: Instant) {
        if self.keyframe.replace(timestamp) != Some(timestamp) {
            self.keyframes.handle_keyframe(now);
        }
    }

    /// A new spec names it, for the first time or again.
    fn update(&mut self, track: &TrackSpec, spec: &EncodingSpec) {
        if let Some(ssrc) = spec.ssrc {
            self.bind(ssrc);
        }
        self.rtx_ssrc = spec.rtx_ssrc.or(self.rtx_ssrc);
        self.encoding.set_nack(track.nack);
    }

    /// No spec names it any more. Its numbers are not given out again.
    fn vacate(&mut self, track: &TrackSpec) {
        self.encoding.restart();
        let encoding = std::mem::replace(&mut self.encoding, Stream::new(clock_rate(track), false, false));
        *self = Self { encoding, ..Self::new(track, &EncodingSpec::default()) };
    }

    fn bind(&mut self, ssrc: u32) -> bool {
        let before = self.ssrc.replace(ssrc);
        let replaced = before.is_some_and(|before| before != ssrc);
        if replaced {
            self.encoding.restart();
            self.life = Life::new(self.encoding.is_video());
            self.clarity = Clarity::default();
            (self.rtx_ssrc, self.repaired) = (None, None);
        }
        replaced
    }
}

/// Of the first payload type; [`Stream::set_clock_rate`] follows what is really sent.
fn clock_rate(track: &TrackSpec) -> u32 {
    let default = if track.kind == Kind::Video { 90_000 } else { 48_000 };
    track.payload_types.first().map_or(default, |first| first.clock_rate)
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

#[cfg(test)]
mod tests;
