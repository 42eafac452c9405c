//! Closes channels for the application, for the peer, or because of a limit, and resets their streams (RFC 8831 s6.7).

use super::Data;
use crate::data::Event;
use crate::data::channel::Channel;
use crate::id::ChannelId;
use crate::time::Instant;

impl Data {
    /// Closes a channel for the application. No event follows.
    pub fn close(&mut self, channel: ChannelId, now: Instant) {
        self.forget(channel, now);
        self.settle(now);
    }

    /// Applies the resets of the peer whose preceding messages are handled.
    pub(super) fn apply_resets(&mut self, now: Instant) {
        while let Some(mut streams) = self.incoming.take_reset() {
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

    pub(super) fn reset(&mut self, stream: u16, theirs: bool, now: Instant) {
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

    pub(super) fn fail(&mut self, id: ChannelId, reason: &'static str, now: Instant) {
        if let Some(channel) = self.forget(id, now) {
            self.events.push_back(Event::Closed { channel: id, label: channel.label, reason });
        }
    }

    /// Closes all channels and forgets all streams and the messages in flight.
    pub(super) fn close_all(&mut self, reason: &'static str) {
        for (channel, gone) in std::mem::take(&mut self.channels) {
            self.events.push_back(Event::Closed { channel, label: gone.label, reason });
        }
        self.streams.clear();
        self.incoming.forget();
        self.forget_under_way();
    }
}
