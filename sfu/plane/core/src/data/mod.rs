//! Data channels: SCTP (RFC 8831), the opening of channels (RFC 8832), their limits, and where messages go.

pub mod association;
pub mod channel;
pub mod channels;
pub mod dcep;
pub mod group;
pub mod incoming;
pub mod message;
pub mod rate;
pub mod streams;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::rc::Rc;

use crate::command::Reliability;
use crate::id::{ChannelId, PEER_OPENED, WORKER_SHIFT};

pub use channel::Backlog;
pub use channels::Data;
pub use group::{Delivery, Group};

/// Ids for channels that peers open: the transports of one worker share a counter, and so an end of clones.
#[derive(Clone)]
pub struct PeerIds(Rc<Cell<u64>>);

impl PeerIds {
    pub fn new(worker: u64) -> Self {
        Self(Rc::new(Cell::new(worker << WORKER_SHIFT | PEER_OPENED)))
    }

    fn next(&self) -> ChannelId {
        let id = self.0.get() + 1;
        self.0.set(id);
        ChannelId(id)
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Before its first message.
    Opened {
        channel: ChannelId,
        label: String,
        protocol: String,
        ordered: bool,
        reliability: Reliability,
    },
    /// Not by the application's wish: by the peer's, or because of a limit. The channel is gone.
    Closed {
        channel: ChannelId,
        label: String,
        reason: &'static str,
    },
    Message {
        channel: ChannelId,
        payload: Vec<u8>,
        text: bool,
    },
    /// Octets queued and unacknowledged rose over half of what is allowed, or fell under it.
    Buffered {
        channel: ChannelId,
        octets: usize,
    },
    /// The association is gone for good, and all channels with it, each with its [`Event::Closed`] before.
    Ended(&'static str),
}
