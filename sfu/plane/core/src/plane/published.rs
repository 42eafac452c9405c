//! A published track with its subscribers and its room's audio settings.

use crate::command::TrackSpec;
use crate::id::TrackId;
use crate::receive::cache::Cached;
use crate::receive::packet::Packet;
use crate::receive::rung::EncodingId;
use crate::receive::track::Track;
use crate::rtp::sequence::ExtendedSeq;
use crate::send::redundancy;
use crate::time::Instant;
use crate::timer::Timer;

use super::arena::Timed;
use super::sink::Subscriber;
use super::sound::Sound;

pub struct Published {
    pub track: Track,
    /// The arena key of its publisher's transport.
    pub transport: usize,
    subscribers: Vec<Subscriber>,
    /// Its subscribers receive nothing.
    pub muted: bool,
    /// The audio settings of its room.
    pub sound: Sound,
}

impl Published {
    pub fn new(spec: TrackSpec, transport: usize) -> Self {
        Self { track: Track::new(spec), transport, subscribers: Vec::new(), muted: false, sound: Sound::default() }
    }

    pub fn id(&self) -> TrackId {
        self.track.id()
    }

    /// What receives it.
    pub(super) fn subscribers(&self) -> &[Subscriber] {
        &self.subscribers
    }

    pub(super) fn subscribe(&mut self, subscriber: Subscriber) {
        self.subscribers.push(subscriber);
    }

    pub(super) fn unsubscribe(&mut self, subscriber: Subscriber) {
        self.subscribers.retain(|&other| other != subscriber);
    }

    /// Returns a stored packet in the form that slots forward.
    pub fn packet(&self, encoding: EncodingId, seq: ExtendedSeq) -> Option<Packet<'_>> {
        let (alone, encoding) = (self.track.is_alone(), self.track.encoding(encoding)?);
        let packet = encoding.packet(seq)?;
        let distance = self.sound.redundancy;
        let copies = (distance > 0)
            .then(|| encoding.cached(seq).map(|cached| redundancy::copies(cached, distance, encoding.cache())));
        Some(Packet { alone, copies: copies.flatten(), ..packet })
    }

    /// Returns a stored packet if its payload is stored.
    pub fn cached(&self, encoding: EncodingId, seq: ExtendedSeq) -> Option<&Cached> {
        self.track.encoding(encoding)?.cached(seq)
    }
}

impl Timed for Published {
    fn deadlines(&self) -> impl IntoIterator<Item = (Timer, Option<Instant>)> {
        self.track.deadlines()
    }
}
