//! Decides when packets leave a transport, and in which order. For now they leave at once, by class; a rate estimate
//! will be applied here.

use std::collections::VecDeque;

use crate::time::Instant;

/// The assumed rate in bit/s until one is measured: most links of today carry a burst of half a second at this rate.
const FIRST_RATE: u64 = 10_000_000;

/// The classes of queued items, most urgent first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Class {
    /// Small packets; a delay is audible at once.
    Audio,
    /// A receiver's video freezes until it arrives.
    Retransmission,
    Video,
    /// SCTP has its own congestion control.
    Data,
}

impl Class {
    const COUNT: usize = 4;
}

/// An item of a queue.
#[derive(Debug)]
struct Waiting<T> {
    octets: usize,
    since: Instant,
    item: T,
}

/// One queue per class. Each is first in, first out, so sequence numbers stay in order.
#[derive(Debug)]
pub struct Pacer<T> {
    queues: [VecDeque<Waiting<T>>; Class::COUNT],
    octets: usize,
}

impl<T> Default for Pacer<T> {
    fn default() -> Self {
        Self { queues: std::array::from_fn(|_| VecDeque::new()), octets: 0 }
    }
}

impl<T> Pacer<T> {
    pub fn new() -> Self {
        Self::default()
    }

    /// Queues an item that takes `octets` on the wire.
    pub fn push(&mut self, class: Class, octets: usize, item: T, now: Instant) {
        self.octets += octets;
        self.queues[class as usize].push_back(Waiting { octets, since: now, item });
    }

    /// Takes the next item that may be sent now.
    pub fn pop(&mut self, _now: Instant) -> Option<T> {
        let queued = self.queues.iter_mut().find_map(VecDeque::pop_front)?;
        self.octets -= queued.octets;
        Some(queued.item)
    }

    /// Takes the next item if it is audio, for a link that has no room for anything else.
    pub fn pop_audio(&mut self) -> Option<T> {
        let queued = self.queues[Class::Audio as usize].pop_front()?;
        self.octets -= queued.octets;
        Some(queued.item)
    }

    /// When [`Pacer::pop`] returns an item.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.queues.iter().filter_map(|queue| queue.front()).map(|queued| queued.since).min()
    }

    /// The rate in bit/s at which queued items are sent, as far as it is known.
    pub fn rate(&self) -> u64 {
        FIRST_RATE
    }

    /// Queued octets.
    pub fn queued(&self) -> usize {
        self.octets
    }

    pub fn is_empty(&self) -> bool {
        self.queues.iter().all(VecDeque::is_empty)
    }

    /// Drops all queued items, when the peer is no longer connected or too slow. Returns how many there were.
    pub fn clear(&mut self) -> usize {
        let dropped = self.queues.iter().map(VecDeque::len).sum();
        self.queues.iter_mut().for_each(VecDeque::clear);
        self.octets = 0;
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ms;

    #[test]
    fn audio_leaves_first_and_data_last_and_each_class_in_its_own_order() {
        let (mut pacer, now) = (Pacer::new(), Instant::now());
        let pushed = [
            (Class::Data, "d1"),
            (Class::Video, "v1"),
            (Class::Audio, "a1"),
            (Class::Retransmission, "r1"),
            (Class::Video, "v2"),
            (Class::Audio, "a2"),
        ];
        for (class, item) in pushed {
            pacer.push(class, 100, item, now);
        }
        let popped: Vec<_> = std::iter::from_fn(|| pacer.pop(now)).collect();
        assert_eq!(popped, ["a1", "a2", "r1", "v1", "v2", "d1"]);
    }

    #[test]
    fn what_waits_is_due_since_it_came_and_its_octets_are_counted() {
        let (mut pacer, now) = (Pacer::new(), Instant::now());
        assert_eq!((pacer.poll_timeout(), pacer.queued()), (None, 0));
        pacer.push(Class::Video, 1_200, 1, now);
        pacer.push(Class::Audio, 80, 2, now + ms(5));
        assert_eq!((pacer.poll_timeout(), pacer.queued()), (Some(now), 1_280));
        assert_eq!(pacer.pop(now + ms(5)), Some(2));
        assert_eq!(pacer.queued(), 1_200);
        pacer.push(Class::Data, 60, 3, now);
        assert_eq!((pacer.pop_audio(), pacer.pop_audio()), (None, None));
        assert_eq!((pacer.clear(), pacer.clear()), (2, 0), "the first video packet is still there");
        assert_eq!((pacer.poll_timeout(), pacer.queued(), pacer.is_empty()), (None, 0, true));
    }
}
