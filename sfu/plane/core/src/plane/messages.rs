//! Data channels across transports: receives SCTP packets and delivers messages to their groups, without a detour
//! through Python.

use super::{Place, Plane};
use crate::command::{ChannelSpec, Member, Reliability};
use crate::data::{self, Backlog, Group};
use crate::discard::Discard;
use crate::event::{ChannelState, Event, TransportState};
use crate::id::{ChannelId, GroupId, TransportId};
use crate::send::Class;
use crate::time::Instant;
use crate::transport::Queued;

/// The messages for a channel that has no transport yet. Messages that are too old are dropped when one is added or
/// taken.
pub(super) struct Awaited {
    is_reliable: bool,
    backlog: Backlog,
}

impl Plane {
    pub(super) fn handle_sctp(&mut self, key: usize, packet: &[u8], now: Instant) -> Result<(), Discard> {
        let data = self.transports[key].data.as_mut().ok_or(Discard::SctpMalformed)?;
        let result = data.handle_packet(packet, now);
        self.poll_data(key, now);
        result
    }

    /// Moves the output of the association on: packets to the pacer, messages to their groups, states to events.
    pub(super) fn poll_data(&mut self, key: usize, now: Instant) {
        while let Some(event) = self.transports.get_mut(key).and_then(|t| t.data.as_mut()).and_then(|d| d.poll_event())
        {
            let transport = self.transports[key].id;
            match event {
                data::Event::Opened { channel, label, protocol, .. } => {
                    self.channels.insert(channel, key);
                    self.events.push_back(channel_event(transport, channel, ChannelState::Open, label, protocol, ""));
                }
                data::Event::Closed { channel, label, reason } => {
                    self.channels.remove(&channel);
                    self.leave_group(channel);
                    let closed = channel_event(transport, channel, ChannelState::Closed, label, String::new(), reason);
                    self.events.push_back(closed);
                }
                data::Event::Message { channel, payload, text } => self.deliver(channel, payload, text, now),
                data::Event::Buffered { channel, octets } => {
                    self.events.push_back(Event::Buffered { channel, octets });
                }
                data::Event::Ended(_) => {}
            }
        }
        while let Some(why) = self.transports.get_mut(key).and_then(|t| t.data.as_mut()).and_then(|d| d.poll_discard())
        {
            self.discard(key, why, 1);
        }
        self.flush_data(key, now);
    }

    /// Lets SCTP retransmit, and sends what waited for its channel or its rate.
    pub(super) fn handle_data_timeout(&mut self, key: usize, now: Instant) {
        if let Some(data) = &mut self.transports[key].data {
            data.handle_timeout(now);
        }
        self.poll_data(key, now);
    }

    fn flush_data(&mut self, key: usize, now: Instant) {
        let Some(transport) = self.transports.get_mut(key) else { return };
        if !transport.dtls.is_connected() {
            return;
        }
        // Packets to a silent peer are dropped: they would be lost, and their retransmissions would queue up.
        let is_silent = transport.state == Some(TransportState::Disconnected);
        while let Some(packet) = transport.data.as_mut().and_then(|data| data.poll_transmit()) {
            if is_silent {
                continue;
            }
            transport.pacer.push(Class::Data, packet.len(), Queued::Sctp(packet), now);
        }
    }

    fn deliver(&mut self, from: ChannelId, payload: Vec<u8>, text: bool, now: Instant) {
        let group = self.memberships.get(&from).map(|&key| &self.groups[key]);
        match group.ok_or(Discard::MessageUnrouted).and_then(|group| group.deliver(from, &payload)) {
            Ok(delivery) => {
                self.steps += delivery.to.len() as u64;
                self.send_message(&delivery.to, &delivery.payload, text, now);
                if delivery.to_server {
                    let Some(transport) = self.channels.get(&from).map(|&key| self.transports[key].id) else { return };
                    self.events.push_back(Event::Message { transport, channel: from, payload: delivery.payload, text });
                }
            }
            Err(why) => match self.channels.get(&from) {
                Some(&key) => self.discard(key, why, 1),
                None => self.count_discards(why, 1),
            },
        }
    }

    pub(super) fn send_message(&mut self, channels: &[ChannelId], payload: &[u8], text: bool, now: Instant) {
        for channel in channels {
            let Some(&key) = self.channels.get(channel) else {
                self.keep(*channel, payload, text, now);
                continue;
            };
            let Some(data) = self.transports[key].data.as_mut() else { continue };
            if let Err(why) = data.send(*channel, payload, text, now) {
                self.discard(key, why, 1);
            }
            self.flush_data(key, now);
        }
    }

    /// Stores a message for a channel that has no transport yet, if the channel is awaited.
    fn keep(&mut self, channel: ChannelId, payload: &[u8], text: bool, now: Instant) {
        let Some(awaited) = self.awaited.get_mut(&channel) else { return };
        let dropped = if awaited.is_reliable { awaited.backlog.push(payload, text, now) } else { 1 };
        self.stats.counters.discard(Discard::MessageDropped, dropped);
    }

    pub(super) fn open_channel(&mut self, spec: ChannelSpec, now: Instant) {
        let Some(transport) = spec.transport else {
            let is_reliable = spec.reliability == Reliability::Reliable;
            let backlog = Backlog::new(&self.config.data);
            self.awaited.entry(spec.id).or_insert(Awaited { is_reliable, backlog });
            return;
        };
        let Some(key) = self.transport(transport) else { return };
        if let Some(data) = self.transports[key].data.as_mut() {
            let kept = self.awaited.remove(&spec.id).map(|awaited| awaited.backlog);
            self.channels.insert(spec.id, key);
            data.open(&spec, kept, now);
            self.poll_data(key, now);
        }
    }

    pub(super) fn close_channel(&mut self, channel: ChannelId, now: Instant) {
        self.leave_group(channel);
        self.awaited.remove(&channel);
        if let Some(key) = self.channels.remove(&channel)
            && let Some(data) = self.transports[key].data.as_mut()
        {
            data.close(channel, now);
            self.poll_data(key, now);
        }
    }

    pub(super) fn forget_channels(&mut self, key: usize) {
        let Self { channels, memberships, groups, .. } = self;
        channels.retain(|&channel, &mut owner| {
            if owner == key
                && let Some(group) = memberships.remove(&channel)
            {
                groups[group].leave(channel);
            }
            owner != key
        });
    }

    pub(super) fn add_group(&mut self, id: GroupId, is_enveloped: bool) {
        if !self.places.contains_key(&id.0) {
            let key = self.groups.insert(Group::new(is_enveloped));
            self.places.insert(id.0, Place::Group(key));
        }
    }

    pub(super) fn join_group(&mut self, group: GroupId, channel: ChannelId, member: Member) {
        let Some(&Place::Group(key)) = self.places.get(&group.0) else { return };
        if !self.channels.contains_key(&channel) && !self.awaited.contains_key(&channel) {
            return;
        }
        self.leave_group(channel);
        self.groups[key].join(channel, member);
        self.memberships.insert(channel, key);
    }

    fn leave_group(&mut self, channel: ChannelId) {
        if let Some(key) = self.memberships.remove(&channel) {
            self.groups[key].leave(channel);
        }
    }

    pub(super) fn remove_group(&mut self, key: usize) {
        for channel in self.groups.remove(key).channels() {
            self.memberships.remove(&channel);
        }
    }

    /// Holds further messages of a transport in its association, while Python has not yet read its earlier ones.
    pub fn hold_messages(&mut self, transport: TransportId, on: bool, now: Instant) {
        if let Some(key) = self.transport(transport)
            && let Some(data) = self.transports[key].data.as_mut()
        {
            data.hold(on);
            self.poll_data(key, now);
        }
    }
}

fn channel_event(
    transport: TransportId,
    channel: ChannelId,
    state: ChannelState,
    label: String,
    protocol: String,
    reason: &'static str,
) -> Event {
    Event::ChannelState { transport, channel, state, label, protocol, reason }
}
