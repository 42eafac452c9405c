//! Tracks the missing packets of an encoding and when to request them from the publisher (generic NACK, RFC 4585
//! s6.2.1).
//!
//! A missing packet may only be reordered: it is requested a little later, then once per round trip, until it arrives
//! or was requested often enough.

use std::collections::VecDeque;

use crate::limits::{ENCODING_HISTORY, MISSING_PACKETS, PACKET_REQUESTS};
use crate::rtp::sequence::ExtendedSeq;
use crate::time::{Duration, Instant, ms};

/// How long to wait at first for a reordered packet before the first request (mediasoup: Producer.cpp, sendNackDelay),
/// and at most, however late packets arrive.
const REORDER_WAIT: Duration = ms(10);
const LONGEST_REORDER_WAIT: Duration = ms(60);
/// A packet that arrives later than the wait raises it by this share of the difference. One that arrives sooner, and one
/// that was lost, lower it by the other share: about four of five reordered packets arrive within the wait.
const RISE: u32 = 4;
const FALL: u32 = 16;
/// The shortest time between two requests: within one host the round trip is shorter than the sender's time to answer.
/// libwebrtc: nack_requester.cc, process interval.
const SHORTEST_WAIT: Duration = ms(20);

/// The progress of the NACKs to one publisher that are due. Reading all lists of all its encodings at once would delay
/// everybody else, so a round may take several turns.
#[derive(Clone, Copy, Debug, Default)]
pub struct Round {
    /// The arena key of the track with which the next turn goes on; 0 begins a new round.
    pub from: usize,
    /// The packets that this round has requested so far.
    pub requested: usize,
}

#[derive(Clone, Copy, Debug)]
struct Missing {
    seq: ExtendedSeq,
    requests: u8,
    /// A subscriber needs it again.
    is_wanted: bool,
    /// When it was found missing, in milliseconds since the first packet.
    since: u32,
    /// When to request it next; after the last request, when to give up.
    due: Instant,
}

/// What [`Nacks::handle_packet`] must know of a packet beside its number.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Traits {
    pub keyframe: bool,
    /// It was retransmitted, or rebuilt from others.
    pub retransmitted: bool,
}

/// The packets to request, lowest first.
#[derive(Clone, Debug)]
pub struct Nacks {
    missing: VecDeque<Missing>,
    highest: Option<ExtendedSeq>,
    /// The first packet of the last keyframe: packets before it are not needed to show what follows.
    keyframe: Option<ExtendedSeq>,
    /// No entry is due before this; it may be earlier than the first due entry.
    next: Option<Instant>,
    /// When the first packet came.
    origin: Option<Instant>,
    /// How long to wait for a reordered packet.
    reorder_wait: Duration,
    /// The last wait between two requests.
    wait: Duration,
    /// Only a keyframe helps.
    hopeless: bool,
}

impl Default for Nacks {
    fn default() -> Self {
        Self {
            missing: VecDeque::new(),
            highest: None,
            keyframe: None,
            next: None,
            origin: None,
            reorder_wait: REORDER_WAIT,
            wait: SHORTEST_WAIT,
            hopeless: false,
        }
    }
}

impl Nacks {
    /// Handles a packet that arrived: it may leave a hole below it or fill one.
    pub fn handle_packet(&mut self, seq: ExtendedSeq, traits: Traits, now: Instant) {
        if traits.keyframe {
            self.keyframe = self.keyframe.max(Some(seq));
        }
        match self.highest {
            Some(highest) if seq <= highest => self.remove(seq, traits.retransmitted, now),
            Some(highest) => {
                self.highest = Some(seq);
                self.add_hole(highest.0 + 1, seq.0, now);
            }
            None => self.highest = Some(seq),
        }
    }

    /// Requests a packet once that a subscriber needs and the cache does not hold. Returns false if it is already in
    /// the list or the list is full.
    pub fn ask_for(&mut self, seq: ExtendedSeq, now: Instant) -> bool {
        if let Err(place) = self.find(seq)
            && self.missing.len() < MISSING_PACKETS
        {
            self.missing
                .insert(place, Missing { seq, requests: PACKET_REQUESTS - 1, is_wanted: true, since: 0, due: now });
            self.set_due(now);
            return true;
        }
        false
    }

    /// Appends the sequence numbers to request now, each again after `wait` if it does not arrive: the round trip, and
    /// what it varies by. Returns true if only a keyframe helps: too many are missing, or one after the last keyframe was
    /// requested in vain.
    pub fn poll(&mut self, now: Instant, wait: Duration, lost: &mut Vec<u16>) -> bool {
        if self.next.is_some_and(|next| next <= now) {
            let wait = wait.max(SHORTEST_WAIT);
            self.wait = wait;
            let too_late = self.highest.map_or(0, |highest| (highest.0 + 1).saturating_sub(ENCODING_HISTORY));
            let (keyframe, hopeless) = (self.keyframe, &mut self.hopeless);
            self.missing.retain_mut(|missing| {
                if missing.seq.0 < too_late || (missing.due <= now && missing.requests == PACKET_REQUESTS) {
                    *hopeless |= !missing.is_wanted && keyframe.is_none_or(|keyframe| missing.seq > keyframe);
                    return false;
                }
                if missing.due <= now {
                    missing.requests += 1;
                    missing.due = now + wait;
                    lost.push(missing.seq.wire());
                }
                true
            });
            self.next = self.missing.iter().map(|missing| missing.due).min();
        }
        std::mem::take(&mut self.hopeless)
    }

    /// The number of entries that [`Nacks::poll`] reads now.
    pub fn due(&self, now: Instant) -> usize {
        if self.next.is_some_and(|next| next <= now) { self.missing.len() } else { 0 }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    /// Octets of an entry of the list.
    pub const PLACE: usize = size_of::<Missing>();

    /// Octets of memory.
    pub fn memory(&self) -> usize {
        self.missing.capacity() * Self::PLACE
    }

    /// The number of packets in the list.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.missing.len()
    }

    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty()
    }

    /// Adds the missing packets `start..end`; a later packet has arrived.
    fn add_hole(&mut self, start: u64, end: u64, now: Instant) {
        let count = (end - start) as usize;
        if count == 0 {
            return;
        }
        if self.missing.len() + count > MISSING_PACKETS {
            self.drop_before_keyframe();
        }
        if self.missing.len() + count > MISSING_PACKETS {
            self.missing.clear();
            // The next poll reports it.
            self.next = Some(now);
            self.hopeless = true;
            return;
        }
        let (due, since) = (now + self.reorder_wait, self.age(now));
        self.missing.extend((start..end).map(|seq| Missing {
            seq: ExtendedSeq(seq),
            requests: 0,
            is_wanted: false,
            since,
            due,
        }));
        self.set_due(due);
    }

    fn drop_before_keyframe(&mut self) {
        if let Some(keyframe) = self.keyframe {
            let count = self.missing.partition_point(|missing| missing.seq < keyframe);
            self.missing.drain(..count);
        }
    }

    fn remove(&mut self, seq: ExtendedSeq, retransmitted: bool, now: Instant) {
        if let Ok(place) = self.find(seq)
            && let Some(found) = self.missing.remove(place)
        {
            if !found.is_wanted {
                self.measure_reordering(&found, retransmitted, now);
            }
            if self.missing.is_empty() {
                self.next = None;
            }
        }
    }

    /// Milliseconds since the first packet.
    fn age(&mut self, now: Instant) -> u32 {
        let origin = *self.origin.get_or_insert(now);
        now.saturating_duration_since(origin).as_millis() as u32
    }

    /// Adapts the wait to a missing packet that arrived.
    fn measure_reordering(&mut self, found: &Missing, retransmitted: bool, now: Instant) {
        let late = ms(self.age(now).saturating_sub(found.since).into());
        // An answer takes at least a round trip, of which the wait is a little more.
        let answered = found.requests > 1 || found.requests == 1 && found.due <= now + self.wait / 2;
        let before = self.reorder_wait;
        self.reorder_wait = if retransmitted || answered || late <= before {
            let least = if retransmitted || answered { REORDER_WAIT } else { late.max(REORDER_WAIT) };
            before - before.saturating_sub(least) / FALL
        } else {
            (before + (late - before) / RISE).min(LONGEST_REORDER_WAIT)
        };
    }

    fn find(&self, seq: ExtendedSeq) -> Result<usize, usize> {
        self.missing.binary_search_by_key(&seq, |missing| missing.seq)
    }

    fn set_due(&mut self, due: Instant) {
        self.next = Some(self.next.map_or(due, |next| next.min(due)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    const RTT: Duration = ms(50);
    const PLAIN: Traits = Traits { keyframe: false, retransmitted: false };
    const KEYFRAME: Traits = Traits { keyframe: true, retransmitted: false };
    const AGAIN: Traits = Traits { keyframe: false, retransmitted: true };

    fn seq(n: u64) -> ExtendedSeq {
        ExtendedSeq((1 << 16) + n)
    }

    fn asked(nacks: &mut Nacks, now: Instant) -> Vec<u16> {
        let mut lost = Vec::new();
        assert!(!nacks.poll(now, RTT, &mut lost));
        lost
    }

    #[test]
    fn an_overtaken_packet_is_not_asked_for() {
        let (mut nacks, now) = (Nacks::default(), Instant::now());
        nacks.handle_packet(seq(1), PLAIN, now);
        nacks.handle_packet(seq(3), PLAIN, now);
        assert_eq!(asked(&mut nacks, now + ms(9)), []);
        nacks.handle_packet(seq(2), PLAIN, now + ms(9));
        assert_eq!(nacks.poll_timeout(), None);
        assert_eq!(asked(&mut nacks, now + ms(10)), []);
    }

    #[test]
    fn a_lost_packet_is_asked_for_once_per_round_trip_and_ten_times() {
        let (mut nacks, start) = (Nacks::default(), Instant::now());
        nacks.handle_packet(seq(1), KEYFRAME, start);
        nacks.handle_packet(seq(4), PLAIN, start);
        let (mut times, mut hopeless) = (Vec::new(), Vec::new());
        for at in 0..1_000 {
            let mut lost = Vec::new();
            if nacks.poll(start + ms(at), RTT, &mut lost) {
                hopeless.push(at);
            }
            if !lost.is_empty() {
                assert_eq!(lost, [2, 3]);
                times.push(at);
            }
        }
        assert_eq!(times, (0..10).map(|n| 10 + 50 * n).collect::<Vec<_>>());
        assert_eq!(hopeless, [510], "then only a keyframe helps");
        assert!(nacks.is_empty());
        assert_eq!(nacks.poll_timeout(), None);
    }

    /// True if a keyframe is wanted within a second.
    fn is_hopeless(nacks: &mut Nacks, start: Instant) -> bool {
        (0..1_000).any(|at| nacks.poll(start + ms(at), RTT, &mut Vec::new()))
    }

    #[test]
    fn no_keyframe_is_wanted_for_what_was_before_the_last_one_or_what_only_a_subscriber_misses() {
        let (mut nacks, now) = (Nacks::default(), Instant::now());
        nacks.handle_packet(seq(1), PLAIN, now);
        nacks.handle_packet(seq(3), PLAIN, now);
        nacks.handle_packet(seq(4), KEYFRAME, now + ms(300));
        assert!(!is_hopeless(&mut nacks, now));
        nacks.ask_for(seq(4), now + ms(1_000));
        assert!(!is_hopeless(&mut nacks, now + ms(1_000)));
        nacks.handle_packet(seq(6), PLAIN, now + ms(2_000));
        assert!(is_hopeless(&mut nacks, now + ms(2_000)));
    }

    /// How long the first request waits after so many packets that were missing for so long.
    fn wait_after(nacks: &mut Nacks, packets: u64, late: Duration, retransmitted: bool) -> Duration {
        let mut now = Instant::now();
        let first = nacks.highest.map_or(1, |highest| highest.0 - (1 << 16) + 1);
        nacks.handle_packet(seq(first), PLAIN, now);
        for at in 0..packets {
            let missing = first + 1 + 2 * at;
            now += ms(1_000);
            nacks.handle_packet(seq(missing + 1), PLAIN, now);
            for polled in 0..=late.as_millis() as u64 {
                nacks.poll(now + ms(polled), RTT, &mut Vec::new());
            }
            nacks.handle_packet(seq(missing), if retransmitted { AGAIN } else { PLAIN }, now + late);
        }
        nacks.reorder_wait
    }

    #[test]
    fn the_wait_follows_how_late_reordered_packets_arrive() {
        let mut nacks = Nacks::default();
        assert_eq!(wait_after(&mut nacks, 50, ms(5), false), REORDER_WAIT);
        assert!(wait_after(&mut nacks, 20, ms(30), false) > ms(29), "an answer takes longer");
        assert!(wait_after(&mut nacks, 20, ms(50), false) > ms(49));
        assert_eq!(wait_after(&mut nacks, 20, ms(10_000), false).max(LONGEST_REORDER_WAIT), LONGEST_REORDER_WAIT);
        assert!(wait_after(&mut nacks, 60, ms(100), true) < ms(12), "losses are asked for soon");
        assert!(wait_after(&mut nacks, 60, ms(100), false) < ms(12), "these are answers without RTX");
    }

    #[test]
    fn a_recovered_packet_is_not_asked_for_again() {
        let (mut nacks, now) = (Nacks::default(), Instant::now());
        nacks.handle_packet(seq(1), PLAIN, now);
        nacks.handle_packet(seq(4), PLAIN, now);
        assert_eq!(asked(&mut nacks, now + ms(10)), [2, 3]);
        nacks.handle_packet(seq(2), PLAIN, now + ms(40));
        assert_eq!(asked(&mut nacks, now + ms(60)), [3]);
    }

    #[test]
    fn what_a_subscriber_misses_is_asked_for_at_once_and_once_per_round_trip() {
        let (mut nacks, now) = (Nacks::default(), Instant::now());
        (1..=5).for_each(|n| nacks.handle_packet(seq(n), PLAIN, now));
        for subscriber in 0..3 {
            nacks.ask_for(seq(3), now + ms(subscriber));
        }
        assert_eq!(asked(&mut nacks, now + ms(2)), [3]);
        nacks.ask_for(seq(3), now + ms(30));
        assert_eq!(asked(&mut nacks, now + ms(40)), []);
        assert_eq!(asked(&mut nacks, now + ms(60)), []);
        nacks.ask_for(seq(3), now + ms(61));
        assert_eq!(asked(&mut nacks, now + ms(61)), [3]);
    }

    #[test]
    fn too_many_missing_are_given_up_for_a_keyframe() {
        let (mut nacks, now) = (Nacks::default(), Instant::now());
        nacks.handle_packet(seq(1), PLAIN, now);
        nacks.handle_packet(seq(2_000), PLAIN, now);
        let mut lost = Vec::new();
        assert!(nacks.poll(now + ms(10), RTT, &mut lost));
        assert!(lost.is_empty() && nacks.is_empty());
        assert!(!nacks.poll(now + ms(20), RTT, &mut lost), "it is said once");
    }

    #[test]
    fn the_list_is_bounded_however_the_packets_came_to_be_missing() {
        let most = MISSING_PACKETS as u64;
        let (mut nacks, now) = (Nacks::default(), Instant::now());
        (0..=most).for_each(|n| nacks.handle_packet(seq(2 * n), PLAIN, now));
        assert_eq!(nacks.len(), MISSING_PACKETS, "holes of one packet each");
        nacks.ask_for(seq(0), now);
        assert_eq!(nacks.len(), MISSING_PACKETS, "nor does a subscriber add to a list that is full");
        nacks.handle_packet(seq(2 * most + 2), PLAIN, now);
        assert!(nacks.poll(now, RTT, &mut Vec::new()) && nacks.is_empty(), "one hole too many");

        let mut nacks = Nacks::default();
        let news = (0..2 * most).filter(|&n| nacks.ask_for(seq(n), now)).count();
        assert_eq!((nacks.len(), news), (MISSING_PACKETS, MISSING_PACKETS), "what subscribers miss");
        assert!(!nacks.ask_for(seq(0), now), "it is asked for already");

        for (hole, given_up) in [(most, false), (most + 1, true)] {
            let mut nacks = Nacks::default();
            nacks.handle_packet(seq(0), PLAIN, now);
            nacks.handle_packet(seq(hole + 1), PLAIN, now);
            assert_eq!(nacks.poll(now, RTT, &mut Vec::new()), given_up, "one hole of {hole}");
        }
    }

    #[test]
    fn what_is_before_a_keyframe_is_asked_for_while_there_is_room() {
        for (hole, first) in [(MISSING_PACKETS as u64 - 1, 2), (MISSING_PACKETS as u64, 4)] {
            let (mut nacks, now) = (Nacks::default(), Instant::now());
            nacks.handle_packet(seq(1), PLAIN, now);
            nacks.handle_packet(seq(3), KEYFRAME, now);
            assert!(!nacks.is_empty());
            nacks.handle_packet(seq(4 + hole), PLAIN, now);
            assert_eq!(nacks.len(), MISSING_PACKETS);
            assert_eq!(asked(&mut nacks, now + ms(10))[0], first, "a hole of {hole}");
        }
    }

    #[test]
    fn what_a_keyframe_made_useless_is_dropped_first() {
        let (mut nacks, now) = (Nacks::default(), Instant::now());
        nacks.handle_packet(seq(1), PLAIN, now);
        nacks.handle_packet(seq(600), KEYFRAME, now);
        nacks.handle_packet(seq(1_101), PLAIN, now);
        let mut lost = Vec::new();
        assert!(!nacks.poll(now + ms(10), RTT, &mut lost));
        assert_eq!(lost, (601..1_101).collect::<Vec<_>>());
    }

    #[test]
    fn what_would_arrive_too_late_is_not_asked_for() {
        let (mut nacks, now) = (Nacks::default(), Instant::now());
        nacks.handle_packet(seq(1), PLAIN, now);
        (3..2 + ENCODING_HISTORY).for_each(|n| nacks.handle_packet(seq(n), PLAIN, now));
        assert_eq!(asked(&mut nacks, now + ms(10)), [2]);
        nacks.handle_packet(seq(2 + ENCODING_HISTORY), PLAIN, now + ms(10));
        let mut lost = Vec::new();
        assert!(nacks.poll(now + ms(60), RTT, &mut lost) && lost.is_empty(), "a keyframe is");
    }

    proptest! {
        /// Random loss, reordering and repetition, for a caller that polls each millisecond.
        #[test]
        fn only_missing_packets_are_asked_for_never_twice_in_a_round_trip_and_never_too_often(
            packets in prop::collection::vec((0_u64..4, -6_i64..6), 1..300),
        ) {
            let (mut nacks, start) = (Nacks::default(), Instant::now());
            let (mut arrived, mut requests) = (BTreeSet::new(), BTreeMap::<u16, Vec<u64>>::new());
            let mut next = 1_000_i64;
            for (at, (skip, back)) in packets.into_iter().enumerate() {
                let (at, number) = (at as u64, (next + back.min(0)) as u64);
                next += if back < 0 { 0 } else { 1 + skip as i64 };
                arrived.insert(number as u16);
                nacks.handle_packet(seq(number), PLAIN, start + ms(at));
                let mut lost = Vec::new();
                prop_assert!(!nacks.poll(start + ms(at), RTT, &mut lost));
                for number in lost {
                    prop_assert!(!arrived.contains(&number), "{} has arrived", number);
                    let times = requests.entry(number).or_default();
                    prop_assert!(times.last().is_none_or(|last| at - last >= 50));
                    times.push(at);
                    prop_assert!(times.len() <= 10);
                }
                prop_assert!(nacks.is_empty() || nacks.poll_timeout().is_some_and(|next| next > start + ms(at)));
            }
        }
    }
}
