//! What the application is told of a track: the layers that arrive, and the streams that were not taken.

use super::Track;
use crate::event::{Event, LayerRate};
use crate::layer::Layer;
use crate::limits::SURPLUS_SSRCS;
use crate::receive::encoding::Encoding;
use crate::time::{Duration, Instant, ms};

/// What arrives is told this often, while anything does.
const LAYERS_INTERVAL: Duration = ms(1_000);
/// Streams that are not taken are told after this: a flood of them is one event.
const SURPLUS_DELAY: Duration = ms(20);
/// How long it is told that a stream was not taken.
const SURPLUS_TOLD: Duration = ms(5_000);

impl Track {
    /// What arrives, once a second and when an encoding starts or stops.
    pub fn poll_layers(&mut self, now: Instant) -> Option<Event> {
        self.next_layers.filter(|&due| due <= now)?;
        let layers = self.layers(now);
        self.next_layers = (!layers.is_empty()).then_some(now + LAYERS_INTERVAL);
        let (encrypted, deaf, surplus) = (self.is_encrypted(), self.is_deaf(), self.surplus(now));
        let lacks_parameters = self.encodings.iter().any(Encoding::lacks_parameters);
        let (track, codec) = (self.spec.id, self.codec);
        Some(Event::Layers { track, codec, layers, encrypted, deaf, surplus, lacks_parameters })
    }

    /// What arrives of the track, by the spec's encodings. Of several each is one spatial layer; only what flows counts.
    pub(super) fn layers(&mut self, now: Instant) -> Vec<LayerRate> {
        let simulcast = !self.is_alone();
        let mut layers = Vec::new();
        for (index, &place) in self.places.iter().enumerate() {
            let state = &mut self.encodings[place];
            if !state.life.is_flowing() {
                continue;
            }
            let rates = state.stream.rates(self.allocation.as_ref(), index, now);
            let top = rates.iter().map(|rate| rate.layer.spatial).max();
            layers.extend(rates.into_iter().filter_map(|rate| match simulcast {
                false => state.life.has_layer(rate.layer.spatial).then_some(rate),
                true if Some(rate.layer.spatial) != top => None,
                true => Some(LayerRate { layer: Layer::new(index as u8, rate.layer.temporal), ..rate }),
            }));
        }
        layers
    }

    /// A packet leads here, but another stream has its place.
    pub fn handle_surplus(&mut self, ssrc: u32, now: Instant) {
        let before = self.surplus.len();
        self.surplus.retain(|&(other, at)| other != ssrc && now < at + SURPLUS_TOLD);
        if self.surplus.len() == SURPLUS_SSRCS {
            self.surplus.remove(0);
        }
        self.surplus.push((ssrc, now));
        if self.surplus.len() != before {
            self.set_layers_due(now + SURPLUS_DELAY);
        }
    }

    /// SSRCs that lead here and were not taken lately.
    pub fn surplus(&self, now: Instant) -> Vec<u32> {
        let mut lately: Vec<u32> = self.surplus.iter().filter(|of| now < of.1 + SURPLUS_TOLD).map(|of| of.0).collect();
        lately.sort_unstable();
        lately
    }

    /// Its payload cannot be read, and no descriptor tells keyframes.
    pub fn is_encrypted(&self) -> bool {
        self.encodings.iter().any(|state| state.clarity.is_encrypted())
    }

    /// Something of what arrives is other than it was told.
    pub(super) fn set_layers_due(&mut self, at: Instant) {
        self.next_layers = Some(self.next_layers.map_or(at, |due| due.min(at)));
    }
}
