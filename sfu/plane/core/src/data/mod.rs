//! Data channels: SCTP (RFC 8831), the opening of channels (RFC 8832), their limits, and the routing of messages.

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

/// Ids for channels that peers open. Clones share one counter, and all transports of a worker hold clones.
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
    /// The channel is open. This event precedes its first message.
    Opened {
        channel: ChannelId,
        label: String,
        protocol: String,
        ordered: bool,
        reliability: Reliability,
    },
    /// The peer closed the channel, or a limit did. No event follows when the application closes it.
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
    /// The number of queued and unacknowledged octets rose above half of the limit, or fell to half or less.
    Buffered {
        channel: ChannelId,
        octets: usize,
    },
    /// The association has ended and is not restarted. An [`Event::Closed`] for each channel comes first.
    Ended(&'static str),
}
