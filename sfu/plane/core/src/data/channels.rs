//! All data channels of one transport: opening and closing them (RFC 8832, 8831), and every limit on what they carry.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::association::{Association, Carriage, Notice};
use super::channel::{Backlog, Channel, State};
use super::dcep::{self, Dcep, Open};
use super::rate::Rate;
use super::streams::Streams;
use super::{Event, PeerIds};
use crate::command::{ChannelSpec, DtlsRole, Reliability, SctpSpec};
use crate::config::DataLimits;
use crate::discard::Discard;
use crate::id::ChannelId;
use crate::time::Instant;

/// RFC 8831 s8: what a message is. An empty one travels as one zero octet, by a name of its own.
const PPID_DCEP: u32 = 50;
const PPID_TEXT: u32 = 51;
const PPID_BINARY: u32 = 53;
const PPID_TEXT_EMPTY: u32 = 56;
const PPID_BINARY_EMPTY: u32 = 57;

/// What an envelope may add to a message of the largest size.
const ENVELOPE: usize = 256;

/// Added to a message's octets where they are counted: the tiniest ones cost memory too.
const MESSAGE_COST: usize = 64;

/// Discards that wait to be counted; no more are noted.
const MAX_DISCARDS: usize = 1_024;

/// The data channels of one transport. Like its association it is not `Send`.
pub struct Data {
    association: Association,
    limits: DataLimits,
    /// Octets of the largest message that the peer takes.
    max_outgoing: usize,
    ids: PeerIds,
    channels: BTreeMap<ChannelId, Channel>,
    streams: Streams,
    /// Messages under way, by ticket: whose they are, and what they count.
    under_way: HashMap<u64, (ChannelId, usize)>,
    next_ticket: u64,
    /// Octets under way, of all channels.
    octets: usize,
    rate: Rate,
    held: bool,
    /// Taken from the association, but over the rate: it waits, and all behind it in the association.
    waiting: Option<(u16, u32, Vec<u8>)>,
    /// Messages dealt with so far.
    handled: u64,
    resets: VecDeque<(u64, Vec<u16>)>,
    events: VecDeque<Event>,
    discards: VecDeque<Discard>,
    now: Instant,
}

impl Data {
    /// Nothing is sent before [`Data::connect`].
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
            rate: Rate::new(limits.messages_per_second, limits.message_burst, now),
            held: false,
            waiting: None,
            handled: 0,
            resets: VecDeque::new(),
            events: VecDeque::new(),
            discards: VecDeque::new(),
            now,
        }
    }

    /// DTLS is up.
    pub fn connect(&mut self, now: Instant) {
        self.association.connect(now);
        self.settle(now);
    }

    pub fn label(&self, channel: ChannelId) -> Option<&str> {
        self.channels.get(&channel).map(|channel| channel.label.as_str())
    }

    /// Channels, open or not yet.
    pub fn len(&self) -> usize {
        self.channels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    /// One SCTP packet. What was wrong with a message in it is told by [`Data::poll_discard`].
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
        let rate = self.waiting.as_ref().filter(|_| !self.held).map(|_| self.rate.next());
        backlogs.chain(self.association.poll_timeout()).chain(rate).min()
    }

    /// The next SCTP packet for DTLS to carry.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.association.poll_transmit()
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        if self.held && matches!(self.events.front(), Some(Event::Message { .. })) {
            return None;
        }
        self.events.pop_front()
    }

    /// What was thrown away, one by one. Drain it with the events.
    pub fn poll_discard(&mut self) -> Option<Discard> {
        self.discards.pop_front()
    }

    /// The caller takes no messages for now. They wait in the association, whose receive window then closes: that is
    /// how a slow server slows the sender, and loses nothing reliable.
    pub fn hold(&mut self, on: bool) {
        self.held = on;
        if !on {
            self.settle(self.now);
        }
    }

    /// Opens a channel; or, if it is for the peer to open it, gives the first one it opens by that label its id.
    /// `kept`: what was sent to it while there was no transport.
    pub fn open(&mut self, spec: &ChannelSpec, kept: Option<Backlog>, now: Instant) {
        if self.channels.contains_key(&spec.id) {
            return;
        }
        let refusal = if self.association.has_ended() {
            Some("the association has ended")
        } else if self.channels.len() >= self.limits.channels {
            Some("too many channels")
        } else if spec.label.len().max(spec.protocol.len()) > dcep::MAX_NAME {
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
            is_full: false,
        };
        self.channels.insert(spec.id, channel);
        if !spec.remote && self.association.is_connected() {
            self.send_open(spec.id, now);
        }
        self.settle(now);
    }

    /// By the application: no event follows.
    pub fn close(&mut self, channel: ChannelId, now: Instant) {
        self.forget(channel, now);
        self.settle(now);
    }

    /// Ends the association, so that the peer sees it.
    pub fn abort(&mut self, now: Instant) {
        self.association.abort(now);
        self.settle(now);
    }

    /// Queues one message. A lossy one is dropped where a receiver is too slow; a reliable one closes its channel there.
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

    fn transmit(&mut self, id: ChannelId, mut payload: Vec<u8>, text: bool, now: Instant) -> Result<(), Discard> {
        let channel = self.channels.get_mut(&id).ok_or(Discard::MessageUnrouted)?;
        let stream = channel.stream().ok_or(Discard::MessageUnrouted)?;
        let octets = payload.len() + MESSAGE_COST;
        // Lossy channels leave half of the queue to reliable ones, which would pay for them with their lives.
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
        let ppid = match (text, payload.is_empty()) {
            (true, false) => PPID_TEXT,
            (false, false) => PPID_BINARY,
            (true, true) => PPID_TEXT_EMPTY,
            (false, true) => PPID_BINARY_EMPTY,
        };
        if payload.is_empty() {
            payload.push(0);
        }
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

    /// Deals with what the association has to tell, until it has nothing more.
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
            Notice::PeerReset { streams, after } => self.resets.push_back((after, streams)),
            Notice::ResetDone(streams) => streams.into_iter().for_each(|stream| self.streams.ours_reset(stream)),
            Notice::ResetFailed(streams) => {
                for stream in streams {
                    if self.streams.reset_refused(stream) {
                        self.association.reset(stream, now);
                    }
                }
            }
            Notice::Settled(ticket) => self.settled(ticket),
            Notice::Restarted => self.lose_all("the association began anew"),
            Notice::Ended(reason) => {
                self.lose_all(reason);
                self.events.push_back(Event::Ended(reason));
            }
        }
    }

    /// All streams are gone, with what was under way in them.
    fn lose_all(&mut self, reason: &'static str) {
        for (channel, gone) in std::mem::take(&mut self.channels) {
            self.events.push_back(Event::Closed { channel, label: gone.label, reason });
        }
        self.streams.clear();
        self.resets.clear();
        self.handled += u64::from(self.waiting.take().is_some());
        self.forget_under_way();
    }

    fn forget_under_way(&mut self) {
        self.under_way.clear();
        self.octets = 0;
        for channel in self.channels.values_mut() {
            channel.octets = 0;
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

    fn send_open(&mut self, id: ChannelId, now: Instant) {
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
        self.association.send(stream, PPID_DCEP, message, carriage, None, now);
    }

    /// The channel has its stream: what waited for it leaves.
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

    /// Takes one message from the association, if the rate and the caller allow.
    fn take_message(&mut self, now: Instant) -> bool {
        if self.held {
            return false;
        }
        let Some((stream, ppid, payload)) = self.waiting.take().or_else(|| self.association.next_message()) else {
            return false;
        };
        if !self.rate.admit(now) {
            if ppid == PPID_DCEP || self.channel_of(stream).is_none_or(|(_, channel)| channel.is_reliable()) {
                self.waiting = Some((stream, ppid, payload));
                return false;
            }
            self.handled += 1;
            self.discard(Discard::MessageRate, 1);
            return true;
        }
        self.handled += 1;
        if let Err(discard) = self.handle_message(stream, ppid, payload, now) {
            self.discard(discard, 1);
        }
        true
    }

    fn handle_message(&mut self, stream: u16, ppid: u32, mut payload: Vec<u8>, now: Instant) -> Result<(), Discard> {
        let text = match ppid {
            PPID_DCEP => {
                return match dcep::parse(&payload)? {
                    Dcep::Open(open) => self.handle_open(stream, open, now),
                    Dcep::Ack => self.handle_ack(stream),
                };
            }
            PPID_TEXT | PPID_TEXT_EMPTY => true,
            PPID_BINARY | PPID_BINARY_EMPTY => false,
            _ => return Err(Discard::SctpMalformed),
        };
        if matches!(ppid, PPID_TEXT_EMPTY | PPID_BINARY_EMPTY) {
            payload.clear();
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

    fn handle_open(&mut self, stream: u16, open: Open, now: Instant) -> Result<(), Discard> {
        if !self.streams.may_open(stream) {
            return Err(Discard::DcepMalformed);
        }
        let awaited = self.channels.iter().find(|(_, channel)| {
            matches!(channel.state, State::Waiting { remote: true, .. }) && channel.label == open.label
        });
        let id = match awaited {
            Some((id, _)) => *id,
            // One who does not close what it was refused is refused without a word.
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
            is_full: false,
        });
        channel.protocol = open.protocol;
        channel.carriage = Carriage { ordered: open.ordered, reliability: open.reliability };
        self.send_dcep(stream, dcep::ACK.to_vec(), now);
        // Told before what waits for it is sent: should that close it, "closed" comes after "open".
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

    /// The peer has acknowledged our OPEN, by its ACK or by a message.
    fn opened(&mut self, id: ChannelId) {
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

    /// Resets of the peer take effect where they stand among its messages.
    fn apply_resets(&mut self, now: Instant) {
        while self.resets.front().is_some_and(|(after, _)| *after <= self.handled) {
            let Some((_, mut streams)) = self.resets.pop_front() else { return };
            if streams.is_empty() {
                streams = self.streams.all();
            }
            for stream in streams {
                self.handle_reset(stream, now);
            }
        }
    }

    fn handle_reset(&mut self, stream: u16, now: Instant) {
        let Some(id) = self.streams.channel(stream) else { return self.streams.theirs_reset(stream) };
        if let Some(channel) = self.channels.remove(&id) {
            let reason = "closed by the peer";
            self.events.push_back(Event::Closed { channel: id, label: channel.label, reason });
        }
        self.reset(stream, true, now);
    }

    fn reset(&mut self, stream: u16, theirs: bool, now: Instant) {
        if self.association.reset(stream, now) {
            self.streams.close(stream, theirs);
        } else {
            self.streams.release(stream);
        }
    }

    fn forget(&mut self, id: ChannelId, now: Instant) -> Option<Channel> {
        let channel = self.channels.remove(&id)?;
        if let Some(stream) = channel.stream() {
            self.reset(stream, false, now);
        }
        Some(channel)
    }

    fn fail(&mut self, id: ChannelId, reason: &'static str, now: Instant) {
        if let Some(channel) = self.forget(id, now) {
            self.events.push_back(Event::Closed { channel: id, label: channel.label, reason });
        }
    }

    fn discard(&mut self, discard: Discard, count: usize) {
        let room = MAX_DISCARDS.saturating_sub(self.discards.len());
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
        let carriage = Carriage { ordered: true, reliability: Reliability::Reliable };
        self.association.send(stream, ppid, payload.to_vec(), carriage, None, now);
    }
}
