//! All data channels of one transport (RFC 8831): their messages and limits.

mod closing;
mod opening;

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::association::{Association, Notice};
use super::channel::{Channel, State};
use super::incoming::Incoming;
use super::message::{self, Content};
use super::streams::Streams;
use super::{Event, PeerIds};
use crate::command::{DtlsRole, SctpSpec};
use crate::config::DataLimits;
use crate::discard::Discard;
use crate::id::ChannelId;
use crate::limits;
use crate::time::Instant;

/// The largest size of an envelope, which is allowed in addition to the largest message.
const ENVELOPE: usize = 256;

/// Added to the octets of each message in flight, because small messages cost memory too.
const MESSAGE_COST: usize = 64;

/// The data channels of one transport. Not `Send`, like the association.
pub struct Data {
    association: Association,
    limits: DataLimits,
    /// The largest outgoing message in octets: the lower of the peer's limit and ours.
    max_outgoing: usize,
    ids: PeerIds,
    channels: BTreeMap<ChannelId, Channel>,
    streams: Streams,
    /// Messages in flight by ticket: their channel, and their octets with [`MESSAGE_COST`].
    under_way: HashMap<u64, (ChannelId, usize)>,
    next_ticket: u64,
    /// Octets in flight on all channels.
    octets: usize,
    incoming: Incoming,
    events: VecDeque<Event>,
    discards: VecDeque<Discard>,
    now: Instant,
}

impl Data {
    /// Creates the association. It sends nothing before [`Data::connect`].
    pub fn new(spec: SctpSpec, role: DtlsRole, limits: &DataLimits, ids: PeerIds, now: Instant) -> Self {
        let peer_takes = match spec.max_message_size {
            0 => usize::MAX, // RFC 8841 s6: any size
            octets => octets as usize,
        };
        Self {
            association: Association::new(spec, limits, now),
            limits: *limits,
            max_outgoing: peer_takes.min(limits.message + ENVELOPE),
            ids,
            channels: BTreeMap::new(),
            streams: Streams::new(role),
            under_way: HashMap::new(),
            next_ticket: 1,
            octets: 0,
            incoming: Incoming::new(limits, now),
            events: VecDeque::new(),
            discards: VecDeque::new(),
            now,
        }
    }

    /// Starts the association after the DTLS handshake.
    pub fn connect(&mut self, now: Instant) {
        self.association.connect(now);
        self.settle(now);
    }

    pub fn label(&self, channel: ChannelId) -> Option<&str> {
        self.channels.get(&channel).map(|channel| channel.label.as_str())
    }

    /// Returns the octets of messages that are in flight or wait for their channel.
    pub fn memory(&self) -> usize {
        let waiting = self.channels.values().map(|channel| match &channel.state {
            State::Waiting { backlog, .. } => backlog.octets(),
            _ => 0,
        });
        self.octets + waiting.sum::<usize>()
    }

    /// Returns the number of channels, open or opening.
    pub fn len(&self) -> usize {
        self.channels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    /// Handles one SCTP packet. [`Data::poll_discard`] reports messages that were discarded.
    pub fn handle_packet(&mut self, packet: &[u8], now: Instant) -> Result<(), Discard> {
        let result = self.association.handle_packet(packet, now);
        self.settle(now);
        result
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        self.association.handle_timeout(now);
        let mut dropped = 0;
        for channel in self.channels.values_mut() {
            if let State::Waiting { backlog, .. } = &mut channel.state {
                dropped += backlog.expire(now);
            }
        }
        self.discard(Discard::MessageDropped, dropped);
        self.settle(now);
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let backlogs = self.channels.values().filter_map(|channel| match &channel.state {
            State::Waiting { backlog, .. } => backlog.expires(),
            _ => None,
        });
        backlogs.chain(self.association.poll_timeout()).chain(self.incoming.poll_timeout()).min()
    }

    /// Returns the next SCTP packet to send over DTLS.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.association.poll_transmit()
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        if self.incoming.is_held() && matches!(self.events.front(), Some(Event::Message { .. })) {
            return None;
        }
        self.events.pop_front()
    }

    /// Returns the next discard. Drain it together with the events.
    pub fn poll_discard(&mut self) -> Option<Discard> {
        self.discards.pop_front()
    }

    /// Stops taking messages while `on`. They wait in the association, and its receive window closes. So a slow server
    /// slows down the sender and loses no reliable message.
    pub fn hold(&mut self, on: bool) {
        self.incoming.hold(on);
        if !on {
            self.settle(self.now);
        }
    }

    /// Ends the association and notifies the peer.
    pub fn abort(&mut self, now: Instant) {
        self.association.abort(now);
        self.settle(now);
    }

    /// Queues one message. If the receiver is too slow, a lossy message is dropped; a reliable one closes its channel.
    pub fn send(&mut self, id: ChannelId, payload: &[u8], text: bool, now: Instant) -> Result<(), Discard> {
        let channel = self.channels.get_mut(&id).ok_or(Discard::MessageUnrouted)?;
        if payload.len() > self.max_outgoing {
            return Err(Discard::MessageTooLarge);
        }
        let reliable = channel.is_reliable();
        if let State::Waiting { backlog, .. } = &mut channel.state {
            if !reliable {
                return Err(Discard::MessageDropped);
            }
            let dropped = backlog.push(payload, text, now);
            self.discard(Discard::MessageDropped, dropped);
            return Ok(());
        }
        let result = self.transmit(id, payload.to_vec(), text, now);
        self.settle(now);
        result
    }

    fn transmit(&mut self, id: ChannelId, payload: Vec<u8>, text: bool, now: Instant) -> Result<(), Discard> {
        let channel = self.channels.get_mut(&id).ok_or(Discard::MessageUnrouted)?;
        let stream = channel.stream().ok_or(Discard::MessageUnrouted)?;
        let octets = payload.len() + MESSAGE_COST;
        // Lossy channels may fill half of the queue only, because a full queue closes reliable channels.
        let allowed = if channel.is_reliable() { self.limits.buffered } else { self.limits.buffered / 2 };
        if self.octets + octets > allowed {
            if !self.association.is_sending() {
                self.forget_under_way();
            } else if channel.is_reliable() {
                self.fail(id, "too slow", now);
                return Err(Discard::MessageDropped);
            } else {
                return Err(Discard::MessageDropped);
            }
        }
        let Some(channel) = self.channels.get_mut(&id) else { return Err(Discard::MessageUnrouted) };
        let (ppid, payload) = message::write(payload, text);
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.under_way.insert(ticket, (id, octets));
        self.octets += octets;
        channel.octets += octets;
        let carriage = channel.carriage();
        if !self.association.send(stream, ppid, payload, carriage, Some(ticket), now) {
            self.settled(ticket);
            return Err(Discard::MessageDropped);
        }
        self.tell_buffered(id);
        Ok(())
    }

    /// Handles notices, resets and messages of the association until none is left.
    fn settle(&mut self, now: Instant) {
        self.now = self.now.max(now);
        loop {
            while let Some(notice) = self.association.poll_notice() {
                self.handle_notice(notice, now);
            }
            self.apply_resets(now);
            if !self.take_message(now) {
                break;
            }
        }
    }

    fn handle_notice(&mut self, notice: Notice, now: Instant) {
        match notice {
            Notice::Connected => {
                let ours = |channel: &Channel| matches!(channel.state, State::Waiting { remote: false, .. });
                let ready: Vec<_> =
                    self.channels.iter().filter(|(_, channel)| ours(channel)).map(|(id, _)| *id).collect();
                for id in ready {
                    self.send_open(id, now);
                }
            }
            Notice::PeerReset { streams, after } => self.incoming.handle_reset(after, streams),
            Notice::ResetDone(streams) => streams.into_iter().for_each(|stream| self.streams.ours_reset(stream)),
            Notice::ResetFailed(streams) => {
                for stream in streams {
                    if self.streams.reset_refused(stream) {
                        self.association.reset(stream, now);
                    }
                }
            }
            Notice::Settled(ticket) => self.settled(ticket),
            Notice::Restarted => self.close_all("the association began anew"),
            Notice::Ended(reason) => {
                self.close_all(reason);
                self.events.push_back(Event::Ended(reason));
            }
        }
    }

    fn forget_under_way(&mut self) {
        self.under_way.clear();
        self.octets = 0;
        for channel in self.channels.values_mut() {
            channel.octets = 0;
        }
        for id in self.channels.keys().copied().collect::<Vec<_>>() {
            self.tell_buffered(id);
        }
    }

    fn settled(&mut self, ticket: u64) {
        let Some((id, octets)) = self.under_way.remove(&ticket) else { return };
        self.octets -= octets;
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.octets = channel.octets.saturating_sub(octets);
            self.tell_buffered(id);
        }
    }

    fn tell_buffered(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let is_full = channel.octets > self.limits.buffered / 2;
        if is_full != channel.is_full {
            channel.is_full = is_full;
            self.events.push_back(Event::Buffered { channel: id, octets: channel.octets });
        }
    }

    /// Takes and handles one message, if the rate and the caller allow. False if there was none.
    fn take_message(&mut self, now: Instant) -> bool {
        let is_reliable = |stream| {
            let channel = self.streams.channel(stream).and_then(|id| self.channels.get(&id));
            channel.is_none_or(Channel::is_reliable)
        };
        let Some(message) = self.incoming.take(&mut self.association, is_reliable, now) else { return false };
        let handled = message.and_then(|(stream, ppid, payload)| self.handle_message(stream, ppid, payload, now));
        if let Err(discard) = handled {
            self.discard(discard, 1);
        }
        true
    }

    fn handle_message(&mut self, stream: u16, ppid: u32, payload: Vec<u8>, now: Instant) -> Result<(), Discard> {
        let (payload, text) = match message::read(ppid, payload)? {
            Content::Dcep(message) => return self.handle_dcep(stream, &message, now),
            Content::Message { payload, text } => (payload, text),
            Content::Part => {
                self.channel_of_mut(stream).ok_or(Discard::MessageUnrouted)?.is_partial = true;
                return Err(Discard::SctpMalformed);
            }
        };
        // The parts before were discarded, so the last part is not a complete message.
        if std::mem::take(&mut self.channel_of_mut(stream).ok_or(Discard::MessageUnrouted)?.is_partial) {
            return Err(Discard::SctpMalformed);
        }
        let (channel, _) = self.channel_of(stream).ok_or(Discard::MessageUnrouted)?;
        if payload.len() > self.limits.message {
            return Err(Discard::MessageTooLarge);
        }
        if text && std::str::from_utf8(&payload).is_err() {
            return Err(Discard::MessageNotUtf8);
        }
        self.opened(channel);
        self.events.push_back(Event::Message { channel, payload, text });
        Ok(())
    }

    fn channel_of(&self, stream: u16) -> Option<(ChannelId, &Channel)> {
        let id = self.streams.channel(stream)?;
        Some((id, self.channels.get(&id)?))
    }

    fn channel_of_mut(&mut self, stream: u16) -> Option<&mut Channel> {
        self.channels.get_mut(&self.streams.channel(stream)?)
    }

    fn discard(&mut self, discard: Discard, count: usize) {
        let room = limits::CHANNEL_DISCARDS.saturating_sub(self.discards.len());
        self.discards.extend(std::iter::repeat_n(discard, count.min(room)));
    }
}

#[cfg(test)]
impl Data {
    /// Streams that are still closing.
    pub(super) fn closing_streams(&self) -> usize {
        self.streams.closing()
    }

    /// Octets under way.
    pub(super) fn queued(&self) -> usize {
        self.octets
    }

    /// What no peer in its right mind sends.
    pub(super) fn send_raw(&mut self, stream: u16, ppid: u32, payload: &[u8], now: Instant) {
        use super::association::Carriage;
        use crate::command::Reliability;

        let carriage = Carriage { ordered: true, reliability: Reliability::Reliable };
        self.association.send(stream, ppid, payload.to_vec(), carriage, None, now);
    }
}
