//! What a participant publishes: the encodings of a track with what is known of each, kept over updates of its spec.

use crate::codec::PayloadType;
use crate::command::{EncodingSpec, Kind, TrackSpec};
use crate::event::LayerRate;
use crate::layer::{Ladder, Layer, Lives};
use crate::limits::SURPLUS_SSRCS;
use crate::receive::clarity::Clarity;
use crate::receive::encoding::Encoding;
use crate::receive::keyframe::KeyframeRequests;
use crate::receive::life::Life;
use crate::receive::pulse::Pulse;
use crate::receive::route;
use crate::rtp::layers_allocation::LayersAllocation;
use crate::time::{Duration, Instant, ms};
use crate::timer::Timer;

use crate::receive::route::Route;

/// Silence of what repairs a stream after which something else may, where nothing says what does: a second without loss is
/// nothing special.
const REPAIRS_GONE: Duration = ms(3_000);
/// How long it is told that a stream was not taken.
const SURPLUS_TOLD: Duration = ms(5_000);

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
    pub encoding: Encoding,
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
            .map(|new| known.iter().position(|(old, _)| route::is_same(old, new)).map(|at| known.remove(at).1))
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
        let rtx = route::is_rtx(&self.spec, number)?;
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
        let encoding = Encoding::new(clock_rate(track), track.nack, track.kind == Kind::Video);
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
        let encoding = std::mem::replace(&mut self.encoding, Encoding::new(clock_rate(track), false, false));
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

/// Of the first payload type; [`Encoding::set_clock_rate`] follows what is really sent.
fn clock_rate(track: &TrackSpec) -> u32 {
    let default = if track.kind == Kind::Video { 90_000 } else { 48_000 };
    track.payload_types.first().map_or(default, |first| first.clock_rate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Codec, Description};
    use crate::id::{TrackId, TransportId};
    use crate::receive::encoding::Arrival;
    use crate::rtp::extension::ExtensionMap;

    fn spec(encodings: &[(Option<&str>, Option<u32>)]) -> TrackSpec {
        let vp8 = PayloadType { number: 96, codec: Codec::Vp8, format: 0, clock_rate: 90_000, rtx: Some(97) };
        let encoding =
            |&(rid, ssrc): &(Option<&str>, _)| EncodingSpec { rid: rid.map(String::from), ssrc, rtx_ssrc: None };
        TrackSpec {
            parameter_sets: Vec::new(),
            id: TrackId(1),
            transport: TransportId(1),
            kind: Kind::Video,
            mid: "0".into(),
            payload_types: vec![vp8],
            encodings: encodings.iter().map(encoding).collect(),
            extensions: ExtensionMap::default(),
            nack: true,
            pli: true,
            fir: false,
            repairs: Vec::new(),
        }
    }

    fn receive(track: &mut Track, encoding: usize, sequence: u16, now: Instant) {
        let description = Description { size: Some((320, 180)), ..Description::default() };
        let arrival = Arrival {
            sequence,
            timestamp: 0,
            payload_length: 500,
            description: &description,
            retransmitted: false,
            received: now,
        };
        let state = &mut track.encodings[encoding];
        state.encoding.handle_packet(&arrival, now).unwrap();
        state.life.handle_packet(0, u32::from(sequence), false, now);
    }

    fn media(encoding: usize) -> Route {
        Route { track: TrackId(1), encoding, rtx: false }
    }

    #[test]
    fn an_update_keeps_the_state_of_encodings_with_the_same_rid() {
        let (mut track, now) =
            (Track::new(spec(&[(Some("q"), None), (Some("h"), None), (Some("f"), None)])), Instant::now());
        assert!(!track.bind(&media(2), 77, now));
        receive(&mut track, 2, 9, now);
        track.update(spec(&[(Some("f"), None), (Some("x"), None)]));
        let seen =
            |track: &Track| track.encodings.iter().map(|state| state.encoding.highest().is_some()).collect::<Vec<_>>();
        assert_eq!((seen(&track), track.places()), (vec![false, false, true], &[2, 0][..]), "each has its place");
        assert_eq!(track.encodings.iter().map(|state| state.ssrc).collect::<Vec<_>>(), [None, None, Some(77)]);
        let top = Layer::new(0, 1);
        assert_eq!((track.ladder(&[top]), track.listed(Layer::new(2, 1))), (vec![Layer::new(2, 1)], top));
    }

    #[test]
    fn what_takes_the_place_of_another_encoding_has_higher_numbers() {
        let (mut track, now) = (Track::new(spec(&[(Some("q"), None), (Some("h"), None)])), Instant::now());
        receive(&mut track, 1, 60_000, now);
        let before = track.encodings[1].encoding.highest();
        assert_eq!(track.update(spec(&[(Some("q"), None)])), [1]);
        assert!(track.update(spec(&[(Some("x"), None), (Some("q"), None)])).is_empty());
        assert_eq!(track.places(), [1, 0]);
        receive(&mut track, 1, 5, now);
        assert!(track.encodings[1].encoding.highest() > before);
    }

    #[test]
    fn streams_that_are_not_taken_are_told_for_a_while_and_bounded() {
        let (mut track, now) = (Track::new(spec(&[(None, None)])), Instant::now());
        assert!(track.handle_surplus(9, now) && !track.handle_surplus(9, now + ms(10)) && track.handle_surplus(8, now));
        assert_eq!(track.surplus(now), [8, 9]);
        assert_eq!(track.surplus(now + ms(5_005)), [9]);
        for ssrc in 0..1_000 {
            track.handle_surplus(ssrc, now);
        }
        assert_eq!(track.surplus(now).len(), SURPLUS_SSRCS);
    }

    #[test]
    fn another_ssrc_is_another_stream() {
        let (mut track, now) = (Track::new(spec(&[(None, None)])), Instant::now());
        assert!(!track.bind(&media(0), 5, now));
        receive(&mut track, 0, 9, now);
        assert!(!track.bind(&media(0), 5, now));
        assert!(!track.bind(&Route { rtx: true, ..media(0) }, 6, now));
        assert!(track.encodings[0].encoding.highest().is_some());
        assert!(track.bind(&media(0), 7, now));
        assert_eq!(track.encodings[0].encoding.highest(), None);
    }

    #[test]
    fn a_wish_for_an_encoding_that_was_never_seen_waits_for_its_ssrc() {
        let (mut track, now) = (Track::new(spec(&[(Some("q"), None)])), Instant::now());
        track.encodings[0].keyframes.request(now);
        assert_eq!(track.deadlines()[1], (Timer::Keyframe, None));
        track.bind(&media(0), 5, now);
        assert_eq!(track.deadlines()[1], (Timer::Keyframe, Some(now)));
    }

    /// Its retransmissions came first, of numbers with gaps between them: few, or too many to ask for.
    #[test]
    fn packets_of_an_encoding_whose_ssrc_is_unknown_are_not_asked_for_yet() {
        for gap in [3, 3_000] {
            let (mut track, now) = (Track::new(spec(&[(Some("q"), None)])), Instant::now());
            track.bind(&Route { rtx: true, ..media(0) }, 6, now);
            receive(&mut track, 0, 9, now);
            receive(&mut track, 0, 9 + gap, now);
            assert_eq!(track.deadlines()[0], (Timer::Nack, None));
            track.bind(&media(0), 5, now);
            assert!(matches!(track.deadlines()[0], (Timer::Nack, Some(_))), "a gap of {gap}");
        }
    }

    #[test]
    fn payload_types_of_retransmission_lead_to_the_one_they_repeat() {
        let track = Track::new(spec(&[(None, None)]));
        let found = [96, 97, 98].map(|number| track.payload_type(number).map(|(known, rtx)| (known.number, rtx)));
        assert_eq!(found, [Some((96, false)), Some((96, true)), None]);
    }

    #[test]
    fn each_encoding_that_flows_is_a_layer() {
        let (mut track, now) =
            (Track::new(spec(&[(Some("q"), None), (Some("h"), None), (Some("f"), None)])), Instant::now());
        receive(&mut track, 0, 1, now);
        receive(&mut track, 2, 1, now);
        let layers: Vec<Layer> = track.layers(now).iter().map(|rate| rate.layer).collect();
        assert_eq!(layers, [Layer::new(0, 0), Layer::new(2, 0)]);
        assert_eq!(track.layers(now)[0].width, 320);
    }
}
