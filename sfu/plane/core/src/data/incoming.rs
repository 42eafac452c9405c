//! Incoming messages, taken one by one as the rate limit and the caller allow. Stream resets of the peer take effect in
//! order with its messages.

use std::collections::VecDeque;

use super::association::Association;
use super::message;
use super::rate::Rate;
use crate::config::DataLimits;
use crate::discard::Discard;
use crate::time::Instant;

/// Stream, payload protocol identifier (PPID) and payload.
type Message = (u16, u32, Vec<u8>);

pub struct Incoming {
    rate: Rate,
    held: bool,
    /// A message that exceeded the rate. It waits here, and later messages wait in the association.
    waiting: Option<Message>,
    /// The number of messages handled or dropped so far.
    handled: u64,
    /// Pending resets: the number of messages that are handled first, and the streams.
    resets: VecDeque<(u64, Vec<u16>)>,
}

impl Incoming {
    pub fn new(limits: &DataLimits, now: Instant) -> Self {
        Self {
            rate: Rate::new(limits.messages_per_second, limits.message_burst, now),
            held: false,
            waiting: None,
            handled: 0,
            resets: VecDeque::new(),
        }
    }

    pub fn hold(&mut self, on: bool) {
        self.held = on;
    }

    pub fn is_held(&self) -> bool {
        self.held
    }

    /// Returns when the waiting message may pass.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.as_ref().filter(|_| !self.held).map(|_| self.rate.next())
    }

    /// Takes one message from the association, if the rate and the caller allow. Above the rate, DCEP messages and
    /// messages of reliable streams (`is_reliable`) wait; other messages are dropped.
    pub fn take(
        &mut self,
        association: &mut Association,
        is_reliable: impl Fn(u16) -> bool,
        now: Instant,
    ) -> Option<Result<Message, Discard>> {
        if self.held {
            return None;
        }
        let (stream, ppid, payload) = self.waiting.take().or_else(|| association.next_message())?;
        let admitted = self.rate.admit(now);
        if !admitted && (ppid == message::DCEP || is_reliable(stream)) {
            self.waiting = Some((stream, ppid, payload));
            return None;
        }
        self.handled += 1;
        Some(if admitted { Ok((stream, ppid, payload)) } else { Err(Discard::MessageRate) })
    }

    /// Records that the peer resets `streams` after `after` messages are handled.
    pub fn handle_reset(&mut self, after: u64, streams: Vec<u16>) {
        self.resets.push_back((after, streams));
    }

    /// Returns the streams of the next reset, if all messages before it are handled. An empty list means all streams.
    pub fn take_reset(&mut self) -> Option<Vec<u16>> {
        if self.resets.front().is_none_or(|(after, _)| *after > self.handled) {
            return None;
        }
        self.resets.pop_front().map(|(_, streams)| streams)
    }

    /// Discards the pending resets and the waiting message, because all streams are gone.
    pub fn forget(&mut self) {
        self.resets.clear();
        self.handled += u64::from(self.waiting.take().is_some());
    }
}
