//! Messages on their way in: one after another, as the rate and the caller allow; and the peer's resets of streams, which
//! take effect where they stand among its messages.

use std::collections::VecDeque;

use super::association::Association;
use super::message;
use super::rate::Rate;
use crate::config::DataLimits;
use crate::discard::Discard;
use crate::time::Instant;

/// The stream it came on, the identifier of what it is, and its octets.
type Message = (u16, u32, Vec<u8>);

pub struct Incoming {
    rate: Rate,
    held: bool,
    /// Taken from the association, but over the rate: it waits, and all behind it in the association.
    waiting: Option<Message>,
    /// Messages dealt with so far.
    handled: u64,
    /// After how many messages they take effect, and on which streams.
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

    /// When what waits may pass.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.as_ref().filter(|_| !self.held).map(|_| self.rate.next())
    }

    /// Takes one message from the association, if the rate and the caller allow. Over the rate, what `is_reliable` by its
    /// stream waits, as do openings of channels; the rest is dropped.
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

    /// The peer resets `streams` once `after` messages are dealt with.
    pub fn handle_reset(&mut self, after: u64, streams: Vec<u16>) {
        self.resets.push_back((after, streams));
    }

    /// The streams of a reset whose place among the messages is reached; none listed means all.
    pub fn take_reset(&mut self) -> Option<Vec<u16>> {
        if self.resets.front().is_none_or(|(after, _)| *after > self.handled) {
            return None;
        }
        self.resets.pop_front().map(|(_, streams)| streams)
    }

    /// All streams are gone, with what was under way in them.
    pub fn forget(&mut self) {
        self.resets.clear();
        self.handled += u64::from(self.waiting.take().is_some());
    }
}
