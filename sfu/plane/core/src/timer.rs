//! Named timers. Each thing has one deadline per name, and a heap orders the things by their earliest deadline.

use crate::time::Instant;

macro_rules! timers {
    ($($(#[$doc:meta])* $name:ident = $label:literal),* $(,)?) => {
        /// The reasons for which a worker wakes. Each name is a label of the metric `sfu_timers_total`.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum Timer { $($(#[$doc])* $name),* }

        impl Timer {
            /// All of them.
            pub const ALL: &'static [Timer] = &[$(Timer::$name),*];

            /// Its name in metrics.
            pub fn label(self) -> &'static str {
                match self { $(Timer::$name => $label),* }
            }
        }
    };
}

timers! {
    /// A transport sends one of our checks, or may move media to another path (RFC 8445).
    Ice = "ice",
    /// A transport received nothing for too long: from the peer, over the path in use, or in a trial (RFC 7675).
    Consent = "consent",
    /// A transport sends a flight again, or its handshake has taken too long (RFC 9147 s5.8).
    Dtls = "dtls",
    /// A timer of a transport's SCTP (RFC 9260 s6.3), or of messages that wait for a channel or for their rate.
    Data = "data",
    /// A transport sends transport-wide feedback.
    Feedback = "feedback",
    /// A transport sends sender and receiver reports (RFC 3550 s6.3).
    Reports = "reports",
    /// A transport's estimate is lowered for missing feedback, or it is time for another probe.
    Estimate = "estimate",
    /// A transport sends the next packets of a probe.
    Probe = "probe",
    /// A transport's pacer sends the next packet.
    Pacer = "pacer",
    /// A transport's cached packets are trimmed to what its rate needs.
    Memory = "memory",
    /// A track requests lost packets (RFC 4585 s6.2.1).
    Nack = "nack",
    /// A track requests a keyframe, or a requested one did not arrive (RFC 4585 s6.3.1, RFC 5104 s4.3.1).
    Keyframe = "keyframe",
    /// A track checks whether a silent encoding or layer has stopped.
    Lives = "lives",
    /// A track reports the layers that arrive to the application.
    Layers = "layers",
    /// The worker reports the levels of its microphones to the application.
    AudioLevels = "audio_levels",
    /// A piece of the capture leaves, or the capture ends.
    Capture = "capture",
}

/// A set of timers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct Due(u16);

impl Due {
    pub fn has(self, timer: Timer) -> bool {
        self.0 & 1 << timer as u8 != 0
    }

    pub fn has_any(self, timers: &[Timer]) -> bool {
        timers.iter().any(|&timer| self.has(timer))
    }

    /// The union of both sets.
    pub fn with(self, others: Due) -> Due {
        Due(self.0 | others.0)
    }

    pub fn iter(self) -> impl Iterator<Item = Timer> {
        Timer::ALL.iter().copied().filter(move |&timer| self.has(timer))
    }

    fn insert(&mut self, timer: Timer) {
        self.0 |= 1 << timer as u8;
    }
}

/// The deadlines of one thing.
#[derive(Clone, Debug)]
struct Row {
    deadlines: [Option<Instant>; Timer::ALL.len()],
    /// The earliest of them.
    next: Option<Instant>,
    /// Its position in the heap.
    place: Option<usize>,
}

/// The deadlines of the things in an arena, by key. Setting a deadline takes time logarithmic in the number of things.
/// No stale entries are kept.
#[derive(Default)]
pub(crate) struct Timers {
    rows: Vec<Row>,
    /// The keys of things with a deadline, as a binary heap with the earliest first: no entry is earlier than the one
    /// at half its index.
    heap: Vec<usize>,
}

impl Timers {
    /// Replaces deadlines of a thing. Each call for a thing must have the same names.
    pub fn set(&mut self, key: usize, deadlines: impl IntoIterator<Item = (Timer, Option<Instant>)>) {
        if self.rows.len() <= key {
            self.rows.resize(key + 1, Row { deadlines: [None; Timer::ALL.len()], next: None, place: None });
        }
        let row = &mut self.rows[key];
        let mut next: Option<Instant> = None;
        for (timer, deadline) in deadlines {
            row.deadlines[timer as usize] = deadline;
            if let Some(deadline) = deadline {
                next = Some(next.map_or(deadline, |next| next.min(deadline)));
            }
        }
        self.reorder(key, next);
    }

    /// Removes the deadlines of a thing.
    pub fn clear(&mut self, key: usize) {
        if let Some(row) = self.rows.get_mut(key) {
            row.deadlines.fill(None);
            self.reorder(key, None);
        }
    }

    /// Returns a thing with expired deadlines and their names, earliest thing first. Disarms these deadlines.
    pub fn expired(&mut self, now: Instant) -> Option<(usize, Due)> {
        let &key = self.heap.first()?;
        let row = &mut self.rows[key];
        if row.next.is_none_or(|next| next > now) {
            return None;
        }
        let mut due = Due::default();
        for &timer in Timer::ALL {
            let deadline = &mut row.deadlines[timer as usize];
            if deadline.is_some_and(|deadline| deadline <= now) {
                *deadline = None;
                due.insert(timer);
            }
        }
        let next = row.deadlines.iter().flatten().min().copied();
        self.reorder(key, next);
        Some((key, due))
    }

    /// The earliest deadline of all.
    pub fn next(&self) -> Option<Instant> {
        self.heap.first().and_then(|&key| self.rows[key].next)
    }

    fn reorder(&mut self, key: usize, next: Option<Instant>) {
        let row = &mut self.rows[key];
        if std::mem::replace(&mut row.next, next) == next {
            return;
        }
        match (row.place, next) {
            (Some(place), Some(_)) => self.sift(place),
            (None, Some(_)) => {
                row.place = Some(self.heap.len());
                self.heap.push(key);
                self.sift(self.heap.len() - 1);
            }
            (Some(place), None) => {
                row.place = None;
                self.heap.swap_remove(place);
                if let Some(&moved) = self.heap.get(place) {
                    self.rows[moved].place = Some(place);
                    self.sift(place);
                }
            }
            (None, None) => {}
        }
    }

    /// Moves the entry at `place` up or down to its position.
    fn sift(&mut self, mut place: usize) {
        while place > 0 && self.at(place) < self.at((place - 1) / 2) {
            self.swap(place, (place - 1) / 2);
            place = (place - 1) / 2;
        }
        loop {
            let children = (2 * place + 1..2 * place + 3).filter(|&child| child < self.heap.len());
            let Some(least) = children.min_by_key(|&child| self.at(child)) else { return };
            if self.at(place) <= self.at(least) {
                return;
            }
            self.swap(place, least);
            place = least;
        }
    }

    fn at(&self, place: usize) -> Option<Instant> {
        self.rows[self.heap[place]].next
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.heap.swap(one, other);
        self.rows[self.heap[one]].place = Some(one);
        self.rows[self.heap[other]].place = Some(other);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::ms;

    fn due(timers: &[Timer]) -> Due {
        let mut due = Due::default();
        timers.iter().for_each(|&timer| due.insert(timer));
        due
    }

    #[test]
    fn each_name_has_one_deadline_and_what_is_due_is_told_by_name() {
        let start = Instant::now();
        let at = |after| Some(start + ms(after));
        let mut timers = Timers::default();
        timers.set(0, [(Timer::Dtls, at(10)), (Timer::Data, at(40))]);
        timers.set(1, [(Timer::Dtls, at(20)), (Timer::Data, at(20))]);
        timers.set(0, [(Timer::Dtls, at(30)), (Timer::Data, at(40))]);
        assert_eq!(timers.next(), at(20));
        assert_eq!(timers.expired(start + ms(25)), Some((1, due(&[Timer::Dtls, Timer::Data]))));
        assert_eq!(timers.expired(start + ms(25)), None);
        assert_eq!(timers.expired(start + ms(30)), Some((0, due(&[Timer::Dtls]))));
        assert_eq!(timers.next(), at(40), "the other one is still to come");
        timers.clear(0);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn labels_are_names_of_their_own() {
        let labels: std::collections::BTreeSet<&str> = Timer::ALL.iter().map(|timer| timer.label()).collect();
        assert_eq!(labels.len(), Timer::ALL.len());
        assert!(Timer::ALL.len() <= u16::BITS as usize, "a bit each");
    }

    proptest! {
        /// Arms, moves and clears deadlines at random, and compares with a list that is searched.
        #[test]
        fn the_earliest_is_always_on_top(steps in prop::collection::vec((0..20_usize, 0..3_u8, 0..1_000_u64), 1..200)) {
            let start = Instant::now();
            let mut timers = Timers::default();
            let mut plain = [const { None }; 20];
            for (key, act, after) in steps {
                let at = start + ms(after);
                match act {
                    0 => {
                        timers.clear(key);
                        plain[key] = None;
                    }
                    1 => {
                        timers.set(key, [(Timer::Ice, Some(at)), (Timer::Memory, Some(at + ms(1)))]);
                        plain[key] = Some(at);
                    }
                    _ => {
                        while let Some((key, due)) = timers.expired(at) {
                            prop_assert!(due.has(Timer::Ice) || due.has(Timer::Memory));
                            let expired = plain[key].take().unwrap();
                            prop_assert!(expired <= at);
                            plain[key] = Some(expired + ms(1)).filter(|left| !due.has(Timer::Memory) && *left > at);
                        }
                        prop_assert!(plain.iter().flatten().all(|left| *left > at));
                    }
                }
                prop_assert_eq!(timers.next(), plain.iter().flatten().min().copied());
                prop_assert!(timers.heap.len() <= 20, "nothing stale is kept");
            }
        }
    }
}
