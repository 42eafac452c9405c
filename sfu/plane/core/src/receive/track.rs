//! A published track with its encodings, which are kept when its spec is updated.

mod events;
mod keyframes;
mod lives;

use std::collections::VecDeque;

use crate::codec::{Codec, PayloadType};
use crate::command::{EncodingSpec, TrackSpec};
use crate::discard::Discard;
use crate::id::TrackId;
use crate::layer::{Layer, Lives};
use crate::limits::SDP_ENCODINGS;
use crate::receive::arrival::Arrival;
use crate::receive::encoding::{Encoding, Taken};
use crate::receive::listeners::ListenersLoss;
use crate::receive::losses::Losses;
use crate::receive::rung::{EncodingId, Rung};
use crate::rtp::elements::Extensions;
use crate::rtp::header::Header;
use crate::rtp::layers_allocation::LayersAllocation;
use crate::rtp::sequence::ExtendedSeq;
use crate::time::{Duration, Instant, ms};
use crate::timer::Timer;

/// An RTX SSRC that was silent for this long may be replaced, where SDP does not declare it: a second without losses is
/// common.
const REPAIRS_GONE: Duration = ms(3_000);

/// The track and the encoding that the packets of an SSRC belong to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Route {
    pub track: TrackId,
    pub encoding: EncodingId,
    /// The SSRC carries retransmissions (RFC 4588).
    pub rtx: bool,
}

pub struct Track {
    pub spec: TrackSpec,
    /// By place. Slots, caches and queued packets refer to an encoding by its id.
    pub encodings: Vec<Encoding>,
    /// The encodings of the spec, in its order.
    ids: Vec<EncodingId>,
    /// The last layers allocation of the sender.
    allocation: Option<LayersAllocation>,
    /// The last reported value.
    lives: Lives,
    /// SSRCs that match this track and are ignored, and when each was last heard.
    surplus: Vec<(u32, Instant)>,
    /// The codec of the last packet.
    codec: Option<Codec>,
    /// When the next [`Event::Layers`](crate::event::Event::Layers) is due.
    next_layers: Option<Instant>,
    losses: Losses,
    /// The loss that its listeners report, if it is audio.
    pub listeners: ListenersLoss,
    /// The packets that were rebuilt from the last one, and are not polled yet.
    rebuilt: VecDeque<ExtendedSeq>,
    /// Octets of the stored packets of all encodings.
    memory: usize,
}

impl Track {
    /// Of a spec with more than [`SDP_ENCODINGS`] encodings, the first ones count.
    pub fn new(mut spec: TrackSpec) -> Self {
        spec.encodings.truncate(SDP_ENCODINGS);
        let ids: Vec<_> = (0..).map(EncodingId::first).take(spec.encodings.len()).collect();
        let encodings = ids.iter().zip(&spec.encodings).map(|(&id, encoding)| Encoding::new(&spec, encoding, id));
        let encodings = encodings.collect();
        Self {
            spec,
            encodings,
            ids,
            allocation: None,
            lives: Lives::default(),
            surplus: Vec::new(),
            codec: None,
            next_layers: None,
            losses: Losses::default(),
            listeners: ListenersLoss::default(),
            rebuilt: VecDeque::new(),
            memory: 0,
        }
    }

    pub fn id(&self) -> TrackId {
        self.spec.id
    }

    /// The encoding with this id. None: it was removed.
    pub fn encoding(&self, id: EncodingId) -> Option<&Encoding> {
        self.encodings.get(id.place()).filter(|encoding| encoding.id == id)
    }

    pub fn encoding_mut(&mut self, id: EncodingId) -> Option<&mut Encoding> {
        self.encodings.get_mut(id.place()).filter(|encoding| encoding.id == id)
    }

    /// Applies a new spec with the same id. Encodings that it still names keep their ids and state. Returns the removed
    /// ones.
    pub fn update(&mut self, mut spec: TrackSpec, now: Instant) -> Vec<EncodingId> {
        spec.encodings.truncate(SDP_ENCODINGS);
        let mut known: Vec<_> = self.spec.encodings.iter().zip(self.ids.drain(..)).collect();
        let kept: Vec<Option<EncodingId>> = spec
            .encodings
            .iter()
            .map(|new| known.iter().position(|(old, _)| is_same(old, new)).map(|at| known.remove(at).1))
            .collect();
        let gone: Vec<EncodingId> = known.into_iter().map(|(_, id)| id).collect();
        for &id in &gone {
            self.encodings[id.place()].vacate(&spec);
        }
        let taken: u8 = kept.iter().flatten().fold(0, |taken, id| taken | id.bit());
        let mut free = (0..SDP_ENCODINGS).filter(|place| taken >> place & 1 == 0);
        for (new, kept) in spec.encodings.iter().zip(&kept) {
            // There are no more encodings than places.
            let Some(place) = kept.map(EncodingId::place).or_else(|| free.next()) else { break };
            match self.encodings.get_mut(place) {
                Some(state) => state.update(&spec, new),
                None => self.encodings.push(Encoding::new(&spec, new, EncodingId::first(place as u8))),
            }
            self.ids.push(self.encodings[place].id);
        }
        self.spec = spec;
        // The sender may number its streams differently now.
        self.allocation = None;
        self.set_layers_due(now);
        self.count();
        gone
    }

    /// The encodings of the spec, in its order.
    pub fn ids(&self) -> &[EncodingId] {
        &self.ids
    }

    /// True if the track has a single encoding. Its spatial layers are then selectable layers.
    pub fn is_alone(&self) -> bool {
        matches!(self.ids.as_slice(), [only] if only.place() == 0)
    }

    /// Converts a ladder from indices in the spec's list to encodings.
    pub fn ladder(&self, listed: &[Layer]) -> Vec<Rung> {
        if self.is_alone() {
            return listed.iter().map(|&layer| Rung { encoding: self.ids[0], layer }).collect();
        }
        let rung = |layer: &Layer| {
            let encoding = *self.ids.get(usize::from(layer.spatial))?;
            Some(Rung { encoding, layer: Layer { spatial: encoding.place() as u8, ..*layer } })
        };
        listed.iter().filter_map(rung).collect()
    }

    /// Converts a layer from the encoding's place to its index in the spec.
    pub fn listed(&self, layer: Layer) -> Layer {
        let index = self.ids.iter().position(|id| id.place() == usize::from(layer.spatial));
        index.filter(|_| !self.is_alone()).map_or(layer, |index| Layer { spatial: index as u8, ..layer })
    }

    /// True if another stream may take over the route. None: no packet has arrived by it yet.
    pub fn is_gone(&self, route: &Route, now: Instant) -> Option<bool> {
        let state = self.encoding(route.encoding)?;
        if route.rtx {
            return state.repaired().map(|at| now >= at + REPAIRS_GONE);
        }
        state.life.is_gone(now)
    }

    /// Hands a decrypted packet to the encoding of its route.
    ///
    /// # Errors
    /// The reason why the packet is dropped.
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
        let before = self.encoding(route.encoding).ok_or(Discard::UnknownSsrc)?.memory();
        self.bind(route, header.ssrc, now);
        let Self { spec, encodings, rebuilt, .. } = self;
        rebuilt.clear();
        let encoding = encodings.get_mut(route.encoding.place()).ok_or(Discard::UnknownSsrc)?;
        let taken = match payload_type(spec, header.payload_type) {
            Some(kind) => Arrival::read(header, extensions, payload, kind, received)
                .and_then(|arrival| {
                    if arrival.payload_type.codec == Codec::Red {
                        encoding.rebuild(&arrival, spec, rebuilt, now);
                    }
                    encoding.handle_packet(&arrival, spec, now)
                })
                .inspect(|_| self.codec = Some(kind.0.codec)),
            None => Err(Discard::UnknownPayloadType),
        };
        self.memory = self.memory + encoding.memory() - before;
        let taken = taken?;
        self.next_layers.get_or_insert(now);
        // A malformed allocation is ignored; the packet itself is fine.
        let allocation = extensions.video_layers_allocation.map(LayersAllocation::parse);
        if let Some(Ok(allocation)) = allocation.filter(|_| !taken.recovered) {
            self.allocate(route.encoding, allocation);
        }
        Ok(taken)
    }

    /// Returns the next packet that was rebuilt from the last one: each lies before it.
    pub fn poll_rebuilt(&mut self) -> Option<ExtendedSeq> {
        self.rebuilt.pop_front()
    }

    /// Records the SSRC that a route was found for.
    pub fn bind(&mut self, route: &Route, ssrc: u32, now: Instant) {
        match (self.encoding_mut(route.encoding), route.rtx) {
            (Some(encoding), true) => encoding.bind_rtx(ssrc, now),
            (Some(encoding), false) => encoding.bind(ssrc),
            (None, _) => {}
        }
    }

    /// Notes that an SSRC has left a route of this track for another track.
    pub fn unbind(&mut self, route: &Route, ssrc: u32) {
        if let Some(encoding) = self.encoding_mut(route.encoding) {
            encoding.unbind(ssrc);
            self.count();
        }
    }

    /// Octets of the lists of missing packets of all encodings.
    pub fn missing_memory(&self) -> usize {
        self.encodings.iter().map(|encoding| encoding.stream.missing_memory()).sum()
    }

    /// Octets of the stored packets of all encodings.
    pub fn memory(&self) -> usize {
        self.memory
    }

    fn count(&mut self) {
        self.memory = self.encodings.iter().map(Encoding::memory).sum();
    }

    /// Frees memory that the rate of the last second does not need.
    pub fn trim(&mut self, now: Instant) {
        self.encodings.iter_mut().for_each(|encoding| encoding.trim(now));
        self.count();
    }

    /// Frees about half of the stored octets. Frees the fast-start packets first, since a keyframe can be requested
    /// instead, then the older half of the retransmission caches.
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

    /// The deadlines of NACKs, keyframe requests, silences and layer events. Nothing is requested before an encoding's
    /// SSRC is known; the request waits.
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

/// True if an updated spec means the same encoding: the same RID, or, without RIDs, the same SSRC or an SSRC that one
/// of them does not name.
pub fn is_same(old: &EncodingSpec, new: &EncodingSpec) -> bool {
    match (&old.rid, &new.rid) {
        (Some(old), Some(new)) => old == new,
        (None, None) => old.ssrc.is_none() || new.ssrc.is_none() || old.ssrc == new.ssrc,
        _ => false,
    }
}

/// True if a payload type of the track is for retransmissions; none if it is not negotiated.
pub fn is_rtx(track: &TrackSpec, number: u8) -> Option<bool> {
    if track.payload_types.iter().any(|known| known.number == number) {
        return Some(false);
    }
    track.payload_types.iter().any(|known| known.rtx == Some(number)).then_some(true)
}

/// The payload type with this number (false), or the one that this number retransmits (true).
fn payload_type(track: &TrackSpec, number: u8) -> Option<(&PayloadType, bool)> {
    let rtx = is_rtx(track, number)?;
    let found = |known: &&PayloadType| {
        if rtx { known.rtx == Some(number) } else { known.number == number }
    };
    track.payload_types.iter().find(found).map(|known| (known, rtx))
}

#[cfg(test)]
mod tests;
