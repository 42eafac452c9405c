//! What a participant publishes: the encodings of a track with what is known of each, kept over updates of its spec.

use crate::codec::PayloadType;
use crate::command::{EncodingSpec, Kind, TrackSpec};
use crate::event::LayerRate;
use crate::layer::{Layer, Lives};
use crate::receive::clarity::Clarity;
use crate::receive::encoding::Encoding;
use crate::receive::keyframe::KeyframeRequests;
use crate::receive::life::Life;
use crate::receive::pulse::Pulse;
use crate::receive::route;
use crate::rtp::layers_allocation::LayersAllocation;
use crate::time::Instant;

pub use crate::receive::route::{Route, Router};

pub struct Track {
    pub spec: TrackSpec,
    /// As many as the spec has, in its order.
    pub encodings: Vec<EncodingState>,
    /// What its sender said last.
    allocation: Option<LayersAllocation>,
    /// What was told last.
    lives: Lives,
}

pub struct EncodingState {
    /// What it is recognised by when the track's spec is replaced.
    spec: EncodingSpec,
    /// Declared, or learned from its packets.
    pub ssrc: Option<u32>,
    pub rtx_ssrc: Option<u32>,
    pub encoding: Encoding,
    pub keyframes: KeyframeRequests,
    pub life: Life,
    pub clarity: Clarity,
    /// The timestamp of the last one.
    keyframe: Option<u32>,
}

impl Track {
    pub fn new(spec: TrackSpec) -> Self {
        let encodings = spec.encodings.iter().map(|encoding| EncodingState::new(&spec, encoding)).collect();
        Self { spec, encodings, allocation: None, lives: Lives::default() }
    }

    /// Takes a new spec with the same id; encodings that it still names keep their state.
    pub fn update(&mut self, spec: TrackSpec) {
        let mut known = std::mem::take(&mut self.encodings);
        for new in &spec.encodings {
            let same = known.iter().position(|state| route::is_same(&state.spec, new));
            self.encodings.push(match same {
                Some(place) => known.remove(place).updated(&spec, new),
                None => EncodingState::new(&spec, new),
            });
        }
        self.spec = spec;
        // The sender counts its streams anew.
        self.allocation = None;
    }

    /// Notes the SSRC that a route was found for. True: another stream takes this encoding's place, with timestamps
    /// and pictures of its own, and whoever shows it must begin anew.
    pub fn bind(&mut self, route: &Route, ssrc: u32) -> bool {
        let Some(state) = self.encodings.get_mut(route.encoding) else {
            return false;
        };
        if route.rtx {
            state.rtx_ssrc = Some(ssrc);
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

    /// What arrives of the track, least layer first. Of several encodings each is one spatial layer; only what flows
    /// counts.
    pub fn layers(&mut self, now: Instant) -> Vec<LayerRate> {
        let simulcast = self.encodings.len() > 1;
        let mut layers = Vec::new();
        for (index, state) in self.encodings.iter_mut().enumerate().filter(|(_, state)| state.life.is_flowing()) {
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
        if usize::from(allocation.stream) != encoding {
            return;
        }
        let before = self.allocation.take();
        if let Some(before) = &before {
            allocation.complete_from(before);
        }
        let sent = |allocation: &LayersAllocation, stream: usize| {
            allocation.stream(stream).fold(0, |bits, (spatial, _)| bits | 1_u8 << spatial)
        };
        for (stream, state) in self.encodings.iter_mut().enumerate() {
            let before = before.as_ref().map_or(u8::MAX, |before| sent(before, stream));
            state.life.allocate(before, sent(&allocation, stream));
        }
        self.allocation = Some(allocation);
    }

    /// Encodings are wanted that were not before, or spatial layers of its only one: as bits.
    pub fn expect(&mut self, wanted: u8) {
        if let [alone] = self.encodings.as_mut_slice() {
            return alone.life.expect(wanted);
        }
        let places = self.encodings.iter_mut().take(8).enumerate();
        places.filter(|(at, _)| wanted >> at & 1 != 0).for_each(|(_, state)| state.life.expect(u8::MAX));
    }

    /// A silence of something that flowed is to be judged.
    pub fn is_overdue(&self, now: Instant) -> bool {
        self.encodings.iter().any(|state| state.life.is_overdue(now))
    }

    pub fn pulses(&self) -> impl Iterator<Item = Pulse> {
        self.encodings.iter().filter_map(|state| state.life.pulse())
    }

    /// Judges silences; `elsewhere` is what else of its transport was heard.
    pub fn judge(&mut self, elsewhere: &[Pulse], now: Instant) {
        let pulses: Vec<Pulse> = self.pulses().collect();
        self.encodings.iter_mut().for_each(|state| state.life.judge(&pulses, elsewhere, now));
    }

    /// Which of its encodings flow, or spatial layers of its only one.
    pub fn lives(&self) -> Lives {
        if let [alone] = self.encodings.as_slice() {
            return alone.life.lives();
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

    /// Its payload cannot be read, and no descriptor tells keyframes.
    pub fn is_encrypted(&self) -> bool {
        self.encodings.iter().any(|state| state.clarity.is_encrypted())
    }
}

impl EncodingState {
    /// When there is something to ask the publisher for, or a silence to judge. A keyframe is not asked
    /// for before its SSRC is known: the wish waits.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let keyframe = self.ssrc.and_then(|_| self.keyframes.poll_timeout());
        [self.encoding.poll_timeout(), self.life.poll_timeout(), keyframe].into_iter().flatten().min()
    }

    fn new(track: &TrackSpec, spec: &EncodingSpec) -> Self {
        let encoding = Encoding::new(clock_rate(track), track.nack, track.kind == Kind::Video);
        Self {
            spec: spec.clone(),
            ssrc: spec.ssrc,
            rtx_ssrc: spec.rtx_ssrc,
            encoding,
            keyframes: KeyframeRequests::new(),
            life: Life::new(track.kind == Kind::Video),
            clarity: Clarity::default(),
            keyframe: None,
        }
    }

    /// A packet begins a keyframe, as several of one do in H.264: parameter sets, and the first slice.
    pub fn handle_keyframe(&mut self, timestamp: u32, now: Instant) {
        if self.keyframe.replace(timestamp) != Some(timestamp) {
            self.keyframes.handle_keyframe(now);
        }
    }

    fn updated(mut self, track: &TrackSpec, spec: &EncodingSpec) -> Self {
        self.spec = spec.clone();
        if let Some(ssrc) = spec.ssrc {
            self.bind(ssrc);
        }
        self.rtx_ssrc = spec.rtx_ssrc.or(self.rtx_ssrc);
        self.encoding.set_nack(track.nack);
        self
    }

    fn bind(&mut self, ssrc: u32) -> bool {
        let before = self.ssrc.replace(ssrc);
        let replaced = before.is_some_and(|before| before != ssrc);
        if replaced {
            self.encoding.restart();
            self.life = Life::new(self.encoding.is_video());
            self.clarity = Clarity::default();
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
        }
    }

    fn receive(track: &mut Track, encoding: usize, sequence: u16, now: Instant) {
        let description = Description { size: Some((320, 180)), ..Description::default() };
        let arrival = Arrival {
            sequence,
            timestamp: 0,
            marker: true,
            payload_length: 500,
            description: &description,
            retransmitted: false,
            received: now,
        };
        let state = &mut track.encodings[encoding];
        state.encoding.handle_packet(&arrival, now).unwrap();
        state.life.hear(0, u32::from(sequence), false, now);
    }

    fn media(encoding: usize) -> Route {
        Route { track: TrackId(1), encoding, rtx: false }
    }

    #[test]
    fn an_update_keeps_the_state_of_encodings_with_the_same_rid() {
        let (mut track, now) =
            (Track::new(spec(&[(Some("q"), None), (Some("h"), None), (Some("f"), None)])), Instant::now());
        assert!(!track.bind(&media(2), 77));
        receive(&mut track, 2, 9, now);
        track.update(spec(&[(Some("f"), None), (Some("x"), None)]));
        let seen =
            |track: &Track| track.encodings.iter().map(|state| state.encoding.highest().is_some()).collect::<Vec<_>>();
        assert_eq!(seen(&track), [true, false]);
        assert_eq!(track.encodings[0].ssrc, Some(77));
    }

    #[test]
    fn another_ssrc_is_another_stream() {
        let (mut track, now) = (Track::new(spec(&[(None, None)])), Instant::now());
        assert!(!track.bind(&media(0), 5));
        receive(&mut track, 0, 9, now);
        assert!(!track.bind(&media(0), 5));
        assert!(!track.bind(&Route { rtx: true, ..media(0) }, 6));
        assert!(track.encodings[0].encoding.highest().is_some());
        assert!(track.bind(&media(0), 7));
        assert_eq!(track.encodings[0].encoding.highest(), None);
    }

    #[test]
    fn a_wish_for_an_encoding_that_was_never_seen_waits_for_its_ssrc() {
        let (mut track, now) = (Track::new(spec(&[(Some("q"), None)])), Instant::now());
        track.encodings[0].keyframes.wish(now);
        assert_eq!(track.encodings[0].poll_timeout(), None);
        track.bind(&media(0), 5);
        assert_eq!(track.encodings[0].poll_timeout(), Some(now));
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
