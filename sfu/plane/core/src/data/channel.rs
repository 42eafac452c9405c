//! One data channel: its state, and the messages that wait until it has a stream.

use std::collections::VecDeque;

use super::association::Carriage;
use crate::command::Reliability;
use crate::config::DataLimits;
use crate::time::{Duration, Instant};

pub enum State {
    /// The channel has no stream yet: the association is not connected, or the peer has to open the channel (`remote`).
    Waiting {
        remote: bool,
        backlog: Backlog,
    },
    /// We sent OPEN. Messages may follow it, but must not overtake it (RFC 8832 s6).
    Opening {
        stream: u16,
    },
    Open {
        stream: u16,
    },
}

pub struct Channel {
    pub label: String,
    pub protocol: String,
    pub carriage: Carriage,
    pub state: State,
    /// Queued and unacknowledged octets.
    pub octets: usize,
    /// A part of a message arrived, but not its last part.
    pub is_partial: bool,
    /// True if the last [`Event::Buffered`](super::Event::Buffered) reported more than half of the limit.
    pub is_full: bool,
}

impl Channel {
    pub fn stream(&self) -> Option<u16> {
        match self.state {
            State::Waiting { .. } => None,
            State::Opening { stream } | State::Open { stream } => Some(stream),
        }
    }

    pub fn is_reliable(&self) -> bool {
        self.carriage.reliability == Reliability::Reliable
    }

    /// Returns how to send a message now: ordered until the channel is open.
    pub fn carriage(&self) -> Carriage {
        let ordered = self.carriage.ordered || matches!(self.state, State::Opening { .. });
        Carriage { ordered, ..self.carriage }
    }
}

pub struct Pending {
    pub payload: Vec<u8>,
    pub text: bool,
    since: Instant,
}

/// Messages for a channel without a stream. Keeps the latest ones, limited by octets and by age.
pub struct Backlog {
    messages: VecDeque<Pending>,
    octets: usize,
    max_octets: usize,
    max_age: Duration,
}

impl Backlog {
    pub fn new(limits: &DataLimits) -> Self {
        Self { messages: VecDeque::new(), octets: 0, max_octets: limits.backlog_octets, max_age: limits.backlog_age }
    }

    /// Returns the number of waiting octets.
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// Adds a message. Returns the number of messages that were dropped.
    pub fn push(&mut self, payload: &[u8], text: bool, now: Instant) -> usize {
        self.octets += payload.len();
        self.messages.push_back(Pending { payload: payload.to_vec(), text, since: now });
        let mut dropped = self.expire(now);
        while self.octets > self.max_octets {
            self.drop_oldest();
            dropped += 1;
        }
        dropped
    }

    /// Drops the messages that are too old and returns their number.
    pub fn expire(&mut self, now: Instant) -> usize {
        let mut dropped = 0;
        while self.expires().is_some_and(|expires| expires <= now) {
            self.drop_oldest();
            dropped += 1;
        }
        dropped
    }

    pub fn expires(&self) -> Option<Instant> {
        self.messages.front().map(|oldest| oldest.since + self.max_age)
    }

    pub fn drain(self) -> impl Iterator<Item = Pending> {
        self.messages.into_iter()
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.messages.pop_front() {
            self.octets -= oldest.payload.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ms;

    #[test]
    fn a_backlog_keeps_the_latest_two_seconds_and_hundred_kilobytes() {
        let start = Instant::now();
        let mut backlog = Backlog::new(&DataLimits::default());
        for (at, octets, dropped) in
            [(0, 40_000, 0), (500, 60_000, 0), (1_000, 1, 1), (2_600, 10, 1), (2_999, 100_000, 2)]
        {
            assert_eq!(backlog.push(&vec![0; octets], false, start + ms(at)), dropped, "at {at}");
        }
        assert_eq!(backlog.expires(), Some(start + ms(4_999)));
        assert_eq!((backlog.expire(start + ms(4_998)), backlog.expire(start + ms(4_999))), (0, 1));
        assert_eq!(backlog.push(&vec![0; 100_001], false, start + ms(5_000)), 1, "nor itself, if it alone is too much");
        assert_eq!(backlog.drain().count(), 0);
    }
}
