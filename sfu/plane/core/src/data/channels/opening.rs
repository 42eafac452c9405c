//! Opens channels, by us or by the peer: OPEN and ACK (RFC 8832), and the stream of the channel.

use super::Data;
use crate::command::{ChannelSpec, Reliability};
use crate::data::Event;
use crate::data::association::Carriage;
use crate::data::channel::{Backlog, Channel, State};
use crate::data::dcep::{self, Dcep, Open};
use crate::data::message;
use crate::discard::Discard;
use crate::id::ChannelId;
use crate::limits::CHANNEL_NAME;
use crate::time::Instant;

impl Data {
    /// Opens a channel. If the spec is `remote`, the first channel that the peer opens with that label gets its id.
    /// `kept`: messages that were sent to the channel before the transport existed.
    pub fn open(&mut self, spec: &ChannelSpec, kept: Option<Backlog>, now: Instant) {
        if self.channels.contains_key(&spec.id) {
            return;
        }
        let refusal = if self.association.has_ended() {
            Some("the association has ended")
        } else if self.channels.len() >= self.limits.channels {
            Some("too many channels")
        } else if spec.label.len().max(spec.protocol.len()) > CHANNEL_NAME {
            Some("the label is too long")
        } else {
            None
        };
        if let Some(reason) = refusal {
            self.events.push_back(Event::Closed { channel: spec.id, label: spec.label.clone(), reason });
            return;
        }
        let channel = Channel {
            label: spec.label.clone(),
            protocol: spec.protocol.clone(),
            carriage: Carriage { ordered: spec.ordered, reliability: spec.reliability },
            state: State::Waiting { remote: spec.remote, backlog: kept.unwrap_or_else(|| Backlog::new(&self.limits)) },
            octets: 0,
            is_partial: false,
            is_full: false,
        };
        self.channels.insert(spec.id, channel);
        if !spec.remote && self.association.is_connected() {
            self.send_open(spec.id, now);
        }
        self.settle(now);
    }

    pub(super) fn send_open(&mut self, id: ChannelId, now: Instant) {
        let Some(stream) = self.streams.free() else { return self.fail(id, "no stream is free", now) };
        let Some(channel) = self.channels.get(&id) else { return };
        let open = Open {
            ordered: channel.carriage.ordered,
            reliability: channel.carriage.reliability,
            label: channel.label.clone(),
            protocol: channel.protocol.clone(),
        };
        let Some(message) = open.write() else { return self.fail(id, "the label is too long", now) };
        self.send_dcep(stream, message, now);
        self.bind(id, State::Opening { stream }, stream, now);
    }

    fn send_dcep(&mut self, stream: u16, message: Vec<u8>, now: Instant) {
        let carriage = Carriage { ordered: true, reliability: Reliability::Reliable };
        self.association.send(stream, message::DCEP, message, carriage, None, now);
    }

    /// Assigns the stream to the channel and sends the messages that waited.
    fn bind(&mut self, id: ChannelId, state: State, stream: u16, now: Instant) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        self.streams.bind(stream, id);
        let State::Waiting { mut backlog, .. } = std::mem::replace(&mut channel.state, state) else { return };
        let mut dropped = backlog.expire(now);
        for message in backlog.drain() {
            dropped += usize::from(self.transmit(id, message.payload, message.text, now).is_err());
        }
        self.discard(Discard::MessageDropped, dropped);
    }

    pub(super) fn handle_dcep(&mut self, stream: u16, message: &[u8], now: Instant) -> Result<(), Discard> {
        match dcep::parse(message) {
            Ok(Dcep::Open(open)) => self.handle_open(stream, open, now),
            Ok(Dcep::Ack) => self.handle_ack(stream),
            Err(why) => {
                // Without a reset, the peer's channel would stay in the opening state forever (RFC 8832 s6).
                if self.streams.may_open(stream) && self.streams.closing() < self.limits.channels {
                    self.reset(stream, false, now);
                }
                Err(why)
            }
        }
    }

    fn handle_open(&mut self, stream: u16, open: Open, now: Instant) -> Result<(), Discard> {
        if !self.streams.may_open(stream) {
            return Err(Discard::DcepMalformed);
        }
        let awaited = self.channels.iter().find(|(_, channel)| {
            matches!(channel.state, State::Waiting { remote: true, .. }) && channel.label == open.label
        });
        let id = match awaited {
            Some((id, _)) => *id,
            // Too many refused streams are still closing: the peer gets no reset.
            None if self.streams.closing() >= self.limits.channels => return Err(Discard::ChannelLimit),
            None if self.channels.len() >= self.limits.channels => {
                self.reset(stream, false, now);
                return Err(Discard::ChannelLimit);
            }
            None => self.ids.next(),
        };
        let limits = self.limits;
        let channel = self.channels.entry(id).or_insert_with(|| Channel {
            label: open.label,
            protocol: String::new(),
            carriage: Carriage { ordered: true, reliability: Reliability::Reliable },
            state: State::Waiting { remote: true, backlog: Backlog::new(&limits) },
            octets: 0,
            is_partial: false,
            is_full: false,
        });
        channel.protocol = open.protocol;
        channel.carriage = Carriage { ordered: open.ordered, reliability: open.reliability };
        self.send_dcep(stream, dcep::ACK.to_vec(), now);
        // The event comes before the waiting messages are sent: if sending closes the channel, "closed" follows "open".
        self.tell_opened(id);
        self.bind(id, State::Open { stream }, stream, now);
        Ok(())
    }

    fn handle_ack(&mut self, stream: u16) -> Result<(), Discard> {
        let (id, channel) = self.channel_of(stream).ok_or(Discard::DcepMalformed)?;
        if !matches!(channel.state, State::Opening { .. }) {
            return Err(Discard::DcepMalformed);
        }
        self.opened(id);
        Ok(())
    }

    /// Opens the channel, because the peer acknowledged our OPEN by an ACK or by a message.
    pub(super) fn opened(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        if let State::Opening { stream } = channel.state {
            channel.state = State::Open { stream };
            self.tell_opened(id);
        }
    }

    fn tell_opened(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get(&id) else { return };
        self.events.push_back(Event::Opened {
            channel: id,
            label: channel.label.clone(),
            protocol: channel.protocol.clone(),
            ordered: channel.carriage.ordered,
            reliability: channel.carriage.reliability,
        });
    }
}
