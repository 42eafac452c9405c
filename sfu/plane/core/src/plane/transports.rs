//! The transports of a worker, and the queue of those that have something to send.

use std::collections::VecDeque;
use std::ops::{Index, IndexMut};

use super::arena::{Arena, Timed};
use crate::discard::Discard;
use crate::stats::Counters;
use crate::time::Instant;
use crate::timer::{Due, Timer};
use crate::transport::Transport;

/// A caller that changes a transport through `&mut` does not need to report it: the transport's deadlines are checked
/// again, and whether it has something to send. The two exceptions are [`Transports::receiving`] and
/// [`Transports::sending`], which are called per packet.
#[derive(Default)]
pub(super) struct Transports {
    arena: Arena<Transport>,
    /// The transports with something to send, first come, first served.
    sending: VecDeque<usize>,
}

impl Transports {
    pub fn insert(&mut self, transport: Transport) -> usize {
        self.arena.insert(transport)
    }

    /// # Panics
    /// If there is no such transport.
    pub fn remove(&mut self, key: usize) {
        self.sending.retain(|&other| other != key);
        self.arena.remove(key);
    }

    pub fn get(&self, key: usize) -> Option<&Transport> {
        self.arena.get(key)
    }

    pub fn get_mut(&mut self, key: usize) -> Option<&mut Transport> {
        self.contains(key).then(|| &mut self[key])
    }

    pub fn contains(&self, key: usize) -> bool {
        self.arena.contains(key)
    }

    pub fn len(&self) -> usize {
        self.arena.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = (usize, &Transport)> {
        self.arena.iter()
    }

    /// Lends a transport to receive media, which alone gives it nothing to send.
    pub fn receiving(&mut self, key: usize) -> &mut Transport {
        &mut self.arena[key]
    }

    /// Lends a transport to queue and send packets. Its deadlines are checked after it has sent.
    pub fn sending(&mut self, key: usize) -> &mut Transport {
        let transport = self.arena.unarmed(key);
        if !transport.sends {
            transport.sends = true;
            self.sending.push_back(key);
        }
        transport
    }

    /// The counters of a transport, if it still exists. Counting moves no deadline.
    pub fn counters(&mut self, key: usize) -> Option<&mut Counters> {
        self.contains(key).then(|| &mut self.arena.unarmed(key).counters)
    }

    /// Counts discards for a transport, if it still exists.
    pub fn discard(&mut self, key: usize, why: Discard, count: usize) {
        if self.contains(key) {
            self.arena.unarmed(key).discard(why, count);
        }
    }

    /// The number of transports with something to send.
    pub fn to_send(&self) -> usize {
        self.sending.len()
    }

    /// The transport that sends next.
    pub fn first_to_send(&self) -> Option<usize> {
        self.sending.front().copied()
    }

    /// Removes the first transport from the queue: it has sent all that it may.
    pub fn first_has_sent(&mut self) {
        if let Some(key) = self.sending.pop_front() {
            self.arena.unarmed(key).sends = false;
            self.arena.arm(key);
        }
    }

    /// The earliest deadline.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        self.arena.poll_timeout()
    }

    /// Returns a transport with expired deadlines, and which ones.
    pub fn poll_expired(&mut self, now: Instant) -> Option<(usize, Due)> {
        self.arena.poll_expired(now)
    }
}

impl Timed for Transport {
    fn deadlines(&self) -> impl IntoIterator<Item = (Timer, Option<Instant>)> {
        Transport::deadlines(self)
    }
}

impl Index<usize> for Transports {
    type Output = Transport;

    fn index(&self, key: usize) -> &Transport {
        &self.arena[key]
    }
}

impl IndexMut<usize> for Transports {
    fn index_mut(&mut self, key: usize) -> &mut Transport {
        self.sending(key);
        &mut self.arena[key]
    }
}
