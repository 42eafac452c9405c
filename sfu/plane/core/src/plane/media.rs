//! The path of media: from the publisher to the pacers of all transports that are shown its track.

use std::cell::Cell;

use super::published::Published;
use super::sink::{Before, deliver, with_sink};
use super::sound::Hearing;
use super::{Place, Plane};
use crate::broken::{Broken, contain};
use crate::capture::Direction;
use crate::command::Path;
use crate::discard::Discard;
use crate::id::TrackId;
use crate::receive::encoding::Taken;
use crate::receive::packet::Packet;
use crate::receive::rung::EncodingId;
use crate::receive::track::Route;
use crate::rtp::elements::{self, AudioLevel, Extensions};
use crate::rtp::header::Header;
use crate::rtp::sequence::ExtendedSeq;
use crate::send::{Outgoing, Replay, Slot};
use crate::time::Instant;
use crate::transport::Transport;

impl Plane {
    /// Handles a media packet: unprotects, routes and receives it; then each sink of the track takes it: a slot
    /// selects, rewrites and records it and hands it to its pacer.
    pub(super) fn handle_media(
        &mut self,
        key: usize,
        datagram: &mut [u8],
        path: &Path,
        received: Instant,
        now: Instant,
    ) -> Result<(), Discard> {
        let mut is_authentic = false;
        let taken = contain(|| self.take_in(key, datagram, path, received, now, &mut is_authentic));
        if is_authentic {
            self.handle_authenticated(key, path, true, now);
        }
        let (track, route, level, taken) = match taken {
            Ok(taken) => taken?,
            Err(Broken(why)) => return self.break_transport(key, why),
        };
        let hearing = self.handle_level(track, level, taken.recovered, now);
        if hearing == Hearing::HeldBack {
            if let Some(encoding) = self.tracks[track].track.encoding_mut(route.encoding) {
                encoding.hold_back(&taken);
            }
            return Ok(());
        }
        self.update_lives(track, now);
        let before = Before { restarted: taken.replaced, resumed: hearing == Hearing::Resumes };
        // What follows a pause starts with this packet.
        while let Some(seq) = self.tracks.unarmed(track).track.poll_rebuilt() {
            if before == Before::default() {
                self.forward(key, track, (route.encoding, seq), true, before, now);
            }
        }
        if !self.forward(key, track, (route.encoding, taken.seq), taken.recovered, before, now) {
            return Err(Discard::TooLate);
        }
        Ok(())
    }

    /// Hands a cached packet to each sink of its track. Returns false if it is no longer cached.
    fn forward(
        &mut self,
        key: usize,
        track: usize,
        (encoding, seq): (EncodingId, ExtendedSeq),
        recovered: bool,
        before: Before,
        now: Instant,
    ) -> bool {
        let (tracks, mut sinks) = self.sinks();
        let published = &tracks[track];
        let Some(mut packet) = published.packet(encoding, seq) else { return false };
        packet.recovered = recovered;
        let mut wished = 0u8;
        *sinks.steps += published.subscribers().len() as u64;
        for &subscriber in published.subscribers() {
            let wanted = with_sink!(sinks, subscriber, track, sink => deliver(sink, published, &packet, before, now));
            wished |= wanted.map_or(0, EncodingId::bit);
        }
        let tried = sinks.tried;
        if wished != 0 {
            let round_trip = self.transports[key].round_trip.get();
            self.tracks[track].track.request_keyframes(wished, round_trip, now);
        }
        for silent in tried {
            self.begin_slots(silent, now);
        }
        true
    }

    /// Unprotects and routes a packet, and hands it to its encoding. It changes only its own transport.
    fn take_in(
        &mut self,
        key: usize,
        datagram: &mut [u8],
        path: &Path,
        received: Instant,
        now: Instant,
        is_authentic: &mut bool,
    ) -> Result<(usize, Route, Option<AudioLevel>, Taken), Discard> {
        let header = Header::parse(datagram)?;
        let transport = self.transports.receiving(key);
        #[cfg(test)]
        assert!(!transport.faulty, "a fault of one transport");
        let srtp = transport.srtp.as_mut().ok_or(Discard::SrtpNoKeys)?;
        let length = srtp.inbound.unprotect_rtp(datagram, &header)?;
        *is_authentic = true;
        let packet = &datagram[..length];
        if let Some(capture) = &mut self.capture {
            capture.packet(transport.id, Direction::In, path, packet, received);
        }
        let extensions = elements::read(&transport.extensions, &header, packet)?;
        transport.handle_arrival(&header, &extensions, received);
        let known = transport.router.lookup(header.ssrc).and_then(|route| self.with_track(route));
        let (route, track) = match known {
            Some((route, track)) if extensions.mid.is_none_or(|mid| mid == self.tracks[track].track.spec.mid) => {
                (route, track)
            }
            _ => {
                let route = self.find_route(key, &header, &extensions, now)?;
                self.with_track(route).ok_or(Discard::UnknownSsrc)?
            }
        };
        self.make_room(key, now);
        let published = &mut self.tracks[track];
        let before = published.track.memory();
        let taken = published.track.receive(&route, &header, &extensions, packet, received, now);
        let after = published.track.memory();
        if before != after {
            self.update_kept(key, before, after, now);
        }
        let taken = taken?;
        let evidence = self.tracks[track].track.encoding(route.encoding).and_then(|state| state.life.evidence());
        let transport = self.transports.receiving(key);
        transport.flowed = transport.flowed.max(evidence);
        Ok((track, route, extensions.audio_level, taken))
    }

    /// A route with the arena key of its track.
    fn with_track(&self, route: Route) -> Option<(Route, usize)> {
        match self.places.get(&route.track.0) {
            Some(&Place::Track(track)) => Some((route, track)),
            _ => None,
        }
    }

    /// Finds the route of a packet by MID and RID, or by its payload type: of the first one of an SSRC, and of one with
    /// another MID than that of its SSRC's track.
    fn find_route(
        &mut self,
        key: usize,
        header: &Header,
        extensions: &Extensions<'_>,
        now: Instant,
    ) -> Result<Route, Discard> {
        let transport = self.transports.receiving(key);
        let looked_at = Cell::new(0);
        let track = |id: TrackId| match self.places.get(&id.0) {
            Some(&Place::Track(track)) => {
                looked_at.update(|tracks| tracks + 1);
                Some(&self.tracks[track].track)
            }
            _ => None,
        };
        let route = transport.router.route(header, extensions, track, now);
        self.steps += looked_at.get();
        transport.retire_dropped();
        if let (None, Some(srtp)) = (transport.router.lookup(header.ssrc), &mut transport.srtp) {
            srtp.inbound.retire(header.ssrc);
        }
        let left = transport.router.poll_left();
        if let Some(&Place::Track(track)) = transport.router.poll_surplus().and_then(|track| self.places.get(&track.0))
        {
            self.tracks[track].track.handle_surplus(header.ssrc, now);
        }
        if let Some((left, track)) = left.and_then(|route| self.with_track(route)) {
            let before = self.tracks[track].track.memory();
            self.tracks[track].track.unbind(&left, header.ssrc);
            self.update_kept(key, before, self.tracks[track].track.memory(), now);
        }
        route
    }
}

/// Sends the packets of a picture that arrived before its first packet. Returns how many packets were looked at. `keys`
/// are those of the slot and its track.
pub(super) fn replay(
    published: &Published,
    keys: (usize, usize),
    slot: &mut Slot,
    transport: &mut Transport,
    now: Instant,
) -> u64 {
    let Some(Replay { encoding, seqs }) = slot.poll_replay() else { return 0 };
    let steps = seqs.end() - seqs.start() + 1;
    for seq in seqs {
        if let Some(packet) = published.packet(encoding, ExtendedSeq(seq))
            && let Some(outgoing) = slot.handle_packet(&packet, now)
        {
            leave(keys, slot, transport, &packet, outgoing, now);
        }
    }
    steps
}

/// Queues the packet that a slot forwards, after the parameter sets that it needs. `keys` are those of the slot and its
/// track.
pub(super) fn leave(
    (key, track): (usize, usize),
    slot: &mut Slot,
    transport: &mut Transport,
    packet: &Packet,
    outgoing: Outgoing,
    now: Instant,
) {
    if let Some(before) = slot.poll_parameter_sets() {
        transport.send(key, track, before, before.patch.octets(packet), now);
    }
    transport.send(key, track, outgoing, outgoing.patch.octets(packet), now);
}
