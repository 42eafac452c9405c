//! Carries out the application's commands. A command about a removed object does nothing.

use super::published::Published;
use super::sink::{Placed, Subscriber, Update};
use super::{Place, Plane, report};
use crate::bwe::units::Rate;
use crate::command::{Command, SlotSpec, TrackSpec, TransportSpec};
use crate::id::{ChannelId, SlotId, TrackId, TransportId};
use crate::layer::Ladder;
use crate::send::Slot;
use crate::time::Instant;
use crate::trace;
use crate::transport::Transport;

impl Plane {
    /// Carries out a command; there is no reply. A command does nothing if it refers to an id that is gone or never
    /// existed, or adds one that is in use.
    pub fn apply(&mut self, command: Command, now: Instant) {
        let _span = tracing::debug_span!(target: trace::COMMANDS, "command", name = command.name()).entered();
        match command {
            Command::AddTransport(spec) => self.add_transport(spec, now),
            Command::RestartIce { transport, ice } => {
                if let Some(key) = self.transport(transport) {
                    self.by_ufrag.insert(ice.local_ufrag.clone(), key);
                    self.transports[key].restart_ice(ice);
                    // Of several restarts that the peer does not take up, only the last counts.
                    self.forget_stale_ufrags(key);
                }
            }
            Command::OpenSctp { transport, spec } => {
                if let Some(key) = self.transport(transport) {
                    self.transports[key].open_sctp(spec, &self.config.data, self.peer_ids.clone(), now);
                    self.poll_data(key, now);
                }
            }
            Command::AddTrack(spec) => self.add_track(spec),
            Command::UpdateTrack(spec) => self.update_track(spec, now),
            Command::AddSlot(spec) => self.add_slot(spec),
            Command::SetSource { slots, track } => {
                slots.into_iter().for_each(|slot| self.set_source(slot, track, now));
            }
            Command::SetTargets(targets) => {
                targets.into_iter().for_each(|(slot, ladder)| self.set_target(slot, ladder, now));
            }
            Command::SetDemand { transport, bps } => {
                if let Some(key) = self.transport(transport) {
                    self.transports[key].estimator.set_demand(Rate::bps(bps), now);
                    self.transports.sending(key);
                }
            }
            Command::SetMuted { track, muted } => self.set_muted(track, muted, now),
            Command::SetAudio(policy) => self.set_audio(policy),
            Command::RequestKeyframe(track) => self.request_keyframes(track, now),
            Command::OpenChannel(spec) => self.open_channel(spec, now),
            Command::AddGroup { id, enveloped } => self.add_group(id, enveloped),
            Command::JoinGroup { group, channel, member } => self.join_group(group, channel, member),
            Command::Send { channels, payload, text } => self.send_message(&channels, &payload, text, now),
            Command::StartCapture { transport, octets, time } => self.start_capture(transport, octets, time, now),
            Command::StopCapture(transport) => self.end_capture(Some(transport), "it was stopped"),
            Command::Remove(id) => self.remove(id, now),
        }
    }

    fn add_transport(&mut self, spec: TransportSpec, now: Instant) {
        let id = spec.id;
        if self.places.contains_key(&id.0) {
            return;
        }
        let ufrag = spec.ice.local_ufrag.clone();
        let ssrc = self.random.next() as u32;
        let key = self.transports.insert(Transport::new(spec, &self.config, ssrc, now));
        self.places.insert(id.0, Place::Transport(key));
        self.by_ufrag.insert(ufrag, key);
    }

    fn add_track(&mut self, spec: TrackSpec) {
        let Some(key) = self.transport(spec.transport) else { return };
        if self.places.contains_key(&spec.id.0) {
            return;
        }
        let id = spec.id;
        let transport = &mut self.transports[key];
        transport.extensions.merge(&spec.extensions);
        let published = Published::new(spec, key);
        transport.router.declare(&published.track);
        transport.retire_dropped();
        let track = self.tracks.insert(published);
        transport.tracks.push(track);
        self.places.insert(id.0, Place::Track(track));
    }

    /// Updates a track. Sinks refer to encodings by id, so forwarding continues unless the encoding was removed.
    fn update_track(&mut self, spec: TrackSpec, now: Instant) {
        let Some(&Place::Track(track)) = self.places.get(&spec.id.0) else { return };
        let published = &mut self.tracks[track];
        let transport = &mut self.transports[published.transport];
        transport.extensions.merge(&spec.extensions);
        let (key, before) = (published.transport, published.track.memory());
        let (listed, was_alone) = (published.track.ids().to_vec(), published.track.is_alone());
        let gone = published.track.update(spec, now);
        let is_alone = published.track.is_alone();
        transport.router.declare(&published.track);
        transport.retire_dropped();
        let after = published.track.memory();
        self.update_kept(key, before, after, now);
        self.source_updated(track, &Update { gone: &gone, before: &listed, renumbers: !was_alone && !is_alone }, now);
    }

    fn add_slot(&mut self, spec: SlotSpec) {
        let Some(key) = self.transport(spec.transport) else { return };
        if self.places.contains_key(&spec.id.0) {
            return;
        }
        let id = spec.id;
        // The first number is below 2^15, so that the peer cannot misjudge the rollover counter if that packet is lost
        // (RFC 3711 s3.3.1). It is below 2^14, since numbers before it may be assigned to packets that never leave: for
        // a peer that went silent, or for a retransmission that is no longer in the cache.
        let sequence = (self.random.next() & 0x3FFF) as u16;
        let rtx_sequence = (self.random.next() & 0x3FFF) as u16;
        let timestamp = self.random.next() as u32;
        let slot = Slot::new(spec, sequence, rtx_sequence, timestamp);
        let slot = self.slots.insert(Placed::new(slot, key));
        self.transports[key].slots.push(slot);
        self.transports[key].slots_by_ssrc.insert(self.slots[slot].slot.spec.ssrc, slot);
        self.places.insert(id.0, Place::Slot(slot));
        self.choose_probing_slot(key);
    }

    fn set_source(&mut self, slot: SlotId, track: Option<TrackId>, now: Instant) {
        let Some(slot) = self.slot(slot) else { return };
        let (subscriber, former) = (Subscriber::Slot(slot), self.source(slot));
        match (track.and_then(|track| self.track(track)), former) {
            (Some(track), former) => {
                if let Some(former) = former {
                    self.tracks[former].unsubscribe(subscriber);
                }
                self.subscribe(subscriber, track, now);
            }
            (None, Some(former)) => self.unsubscribe(subscriber, former),
            (None, None) => {}
        }
    }

    fn set_target(&mut self, slot: SlotId, ladder: Ladder, now: Instant) {
        let Some(slot) = self.slot(slot) else { return };
        let track = self.source(slot);
        let added = self.slots[slot].set_ladder(ladder, track.map(|track| &self.tracks[track]));
        match track {
            Some(track) => {
                self.expect(Subscriber::Slot(slot), track, added);
                self.begin(Subscriber::Slot(slot), track, now);
            }
            None => report(&mut self.events, &mut self.slots[slot].slot, None),
        }
    }

    fn set_muted(&mut self, track: TrackId, muted: bool, now: Instant) {
        if let Some(track) = self.track(track) {
            self.mute(track, muted, now);
        }
    }

    fn request_keyframes(&mut self, track: TrackId, now: Instant) {
        let Some(track) = self.track(track) else { return };
        let publisher = self.tracks[track].transport;
        self.tracks[track].track.request_keyframes(u8::MAX, self.transports[publisher].round_trip.get(), now);
    }

    fn remove(&mut self, id: u64, now: Instant) {
        match self.places.remove(&id) {
            Some(Place::Transport(key)) => self.remove_transport(key, now),
            Some(Place::Track(track)) => {
                let key = self.tracks[track].transport;
                self.transports[key].tracks.retain(|&other| other != track);
                self.remove_track(track, now);
            }
            Some(Place::Slot(slot)) => {
                let key = self.slots[slot].transport;
                self.transports[key].slots.retain(|&other| other != slot);
                self.remove_slot(slot);
            }
            Some(Place::Sounds(key)) => self.remove_sounds(key),
            Some(Place::Group(key)) => self.remove_group(key),
            None => self.close_channel(ChannelId(id), now),
        }
    }

    /// Removes a transport and everything it owns. Its BYE and close_notify are sent with the next batch, from a queue
    /// of the plane, because the transport no longer exists then.
    fn remove_transport(&mut self, key: usize, now: Instant) {
        let datagrams = self.closing_datagrams(key, now);
        self.last_datagrams.extend(datagrams);
        self.end_capture(Some(self.transports[key].id), "its transport was removed");
        for track in std::mem::take(&mut self.transports[key].tracks) {
            self.places.remove(&self.tracks[track].id().0);
            self.remove_track(track, now);
        }
        for slot in std::mem::take(&mut self.transports[key].slots) {
            self.places.remove(&self.slots[slot].slot.spec.id.0);
            self.remove_slot(slot);
        }
        self.forget_channels(key);
        self.by_path.remove(key);
        self.by_ufrag.remove(key);
        self.by_reporter.remove(key);
        self.transports.remove(key);
    }

    fn remove_track(&mut self, track: usize, now: Instant) {
        let published = self.tracks.remove(track);
        self.update_kept(published.transport, published.track.memory(), 0, now);
        self.levels.remove(published.id());
        self.forget_sound(published.id(), published.sound);
        if let Some(transport) = self.transports.get_mut(published.transport) {
            transport.router.remove(published.id());
            transport.retire_dropped();
        }
        for &subscriber in published.subscribers() {
            self.source_removed(subscriber, track);
        }
    }

    fn remove_slot(&mut self, slot: usize) {
        if let Some(track) = self.source(slot) {
            self.tracks[track].unsubscribe(Subscriber::Slot(slot));
        }
        let key = slot;
        let Placed { slot, transport: owner, .. } = self.slots.remove(slot);
        if let Some(transport) = self.transports.get_mut(owner) {
            if transport.slots_by_ssrc.get(&slot.spec.ssrc) == Some(&key) {
                transport.slots_by_ssrc.remove(&slot.spec.ssrc);
            }
            transport.retire_own([Some(slot.spec.ssrc), slot.spec.rtx_ssrc].into_iter().flatten());
            if transport.probing_slot == Some(key) {
                self.choose_probing_slot(owner);
            }
        }
    }

    fn track(&self, id: TrackId) -> Option<usize> {
        match self.places.get(&id.0) {
            Some(&Place::Track(track)) => Some(track),
            _ => None,
        }
    }

    fn slot(&self, id: SlotId) -> Option<usize> {
        match self.places.get(&id.0) {
            Some(&Place::Slot(slot)) => Some(slot),
            _ => None,
        }
    }

    /// Removes all transports, with BYE and close_notify, as the process ends.
    pub fn close(&mut self, now: Instant) {
        let ids: Vec<TransportId> = self.transports.iter().map(|(_, transport)| transport.id).collect();
        for id in ids {
            self.remove(id.0, now);
        }
    }
}
