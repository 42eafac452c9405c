//! Events for the application about a track: the layers that arrive, and the streams that are ignored.

use super::Track;
use crate::event::{Event, LayerRate};
use crate::layer::Layer;
use crate::limits::SURPLUS_SSRCS;
use crate::receive::encoding::Encoding;
use crate::time::{Duration, Instant, ms};

/// Interval of the layer events while packets arrive.
const LAYERS_INTERVAL: Duration = ms(1_000);
/// Delay of the event for an ignored stream, so that many of them make one event.
const SURPLUS_DELAY: Duration = ms(20);
/// How long an ignored stream is reported after its last packet.
const SURPLUS_REPORTED: Duration = ms(5_000);

impl Track {
    /// Returns the layers that arrive, once a second and when an encoding starts or stops. `round_trip` is that to the
    /// publisher, if it was measured.
    pub fn poll_layers(&mut self, round_trip: Option<Duration>, now: Instant) -> Option<Event> {
        self.next_layers.filter(|&due| due <= now)?;
        let lost = self.encodings.iter_mut().map(|encoding| encoding.stream.poll_loss());
        let (expected, lost) = lost.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        self.losses.add(expected, lost);
        let loss = self.losses.share();
        let layers = self.layers(now);
        self.next_layers = (!layers.is_empty()).then_some(now + LAYERS_INTERVAL);
        let (encrypted, deaf, surplus) = (self.is_encrypted(), self.is_deaf(), self.surplus(now));
        let lacks_parameters = self.encodings.iter().any(Encoding::lacks_parameters);
        let (track, codec) = (self.spec.id, self.codec);
        Some(Event::Layers { track, codec, layers, encrypted, deaf, surplus, lacks_parameters, loss, round_trip })
    }

    /// The layers that flow, by the spec's encodings. With several encodings, each counts as one spatial layer.
    pub(super) fn layers(&mut self, now: Instant) -> Vec<LayerRate> {
        let simulcast = !self.is_alone();
        let mut layers = Vec::new();
        for (index, id) in self.ids.iter().enumerate() {
            let state = &mut self.encodings[id.place()];
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

    /// Records an ignored SSRC: its packets match an encoding that another stream has.
    pub fn handle_surplus(&mut self, ssrc: u32, now: Instant) {
        let before = self.surplus.len();
        self.surplus.retain(|&(other, at)| other != ssrc && now < at + SURPLUS_REPORTED);
        if self.surplus.len() == SURPLUS_SSRCS {
            self.surplus.remove(0);
        }
        self.surplus.push((ssrc, now));
        if self.surplus.len() != before {
            self.set_layers_due(now + SURPLUS_DELAY);
        }
    }

    /// The SSRCs that match this track and were ignored lately.
    pub fn surplus(&self, now: Instant) -> Vec<u32> {
        let mut lately: Vec<u32> =
            self.surplus.iter().filter(|of| now < of.1 + SURPLUS_REPORTED).map(|of| of.0).collect();
        lately.sort_unstable();
        lately
    }

    /// True if a payload is encrypted end to end and no dependency descriptor marks keyframes.
    pub fn is_encrypted(&self) -> bool {
        self.encodings.iter().any(|state| state.clarity.is_encrypted())
    }

    /// Makes the next layer event due at `at`, or earlier if it already is.
    pub(super) fn set_layers_due(&mut self, at: Instant) {
        self.next_layers = Some(self.next_layers.map_or(at, |due| due.min(at)));
    }
}
