//! Requests for lost packets as Chromium sends them (nack_requester.cc): at once when a later packet shows the gap, then
//! once per round trip, looked at each 20 ms, up to ten times.

use std::collections::BTreeMap;

use plane_core::time::{Duration, Instant, ms};

/// kUpdateInterval, kMaxNackRetries, kMaxNackPackets, kMaxPacketAge.
const INTERVAL: Duration = ms(20);
const MAX_REQUESTS: u32 = 10;
const MAX_MISSING: usize = 1_000;
const MAX_AGE: i64 = 10_000;
/// kMaxReorderedPackets: the histogram of how far packets were reordered.
const MAX_REORDERED: i64 = 128;

#[derive(Debug)]
struct Missing {
    /// Asked for when a packet of this number has come.
    at_number: i64,
    sent: Option<Instant>,
    requests: u32,
}

#[derive(Debug)]
pub struct Nacks {
    newest: Option<i64>,
    missing: BTreeMap<i64, Missing>,
    /// Distances of the packets that came late without being asked for, newest last.
    reordered: Vec<i64>,
    next: Option<Instant>,
    round_trip: Duration,
    /// Numbers asked for, with repetitions.
    pub asked: u64,
}

/// What a packet means for the requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Noted {
    /// In order, or the first one after a gap.
    New,
    /// It was missing, and had been asked for this often.
    Recovered(u32),
    Known,
    /// Too much is missing: only a keyframe helps.
    Overflow,
}

impl Nacks {
    pub fn new(round_trip: Duration) -> Self {
        Self { newest: None, missing: BTreeMap::new(), reordered: Vec::new(), next: None, round_trip, asked: 0 }
    }

    pub fn handle_packet(&mut self, number: i64, is_repair: bool, now: Instant) -> Noted {
        let Some(newest) = self.newest else {
            self.newest = Some(number);
            self.next = Some(now + INTERVAL);
            return Noted::New;
        };
        if number <= newest {
            if !is_repair && number < newest {
                self.reordered.push((newest - number).min(MAX_REORDERED));
                let old = self.reordered.len().saturating_sub(MAX_REORDERED as usize);
                self.reordered.drain(..old);
            }
            return self.missing.remove(&number).map_or(Noted::Known, |missing| Noted::Recovered(missing.requests));
        }
        if is_repair {
            return Noted::Known;
        }
        self.newest = Some(number);
        self.missing = self.missing.split_off(&(number - MAX_AGE));
        if self.missing.len() + (number - newest - 1) as usize > MAX_MISSING {
            self.missing.clear();
            return Noted::Overflow;
        }
        let wait = self.usual_distance();
        for lost in newest + 1..number {
            self.missing.insert(lost, Missing { at_number: lost + wait, sent: None, requests: 0 });
        }
        Noted::New
    }

    /// A frame up to here was decoded: what is older is not needed.
    pub fn forget_until(&mut self, number: i64) {
        self.missing = self.missing.split_off(&number);
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next.filter(|_| !self.missing.is_empty())
    }

    /// Numbers to ask for now.
    pub fn poll(&mut self, now: Instant) -> Vec<u16> {
        let by_time = self.next.is_some_and(|next| next <= now);
        while let Some(next) = self.next.as_mut().filter(|next| **next <= now) {
            *next += INTERVAL;
        }
        let newest = self.newest.unwrap_or_default();
        let mut due = Vec::new();
        for (&number, missing) in &mut self.missing {
            let is_first = missing.sent.is_none() && newest >= missing.at_number;
            let is_again = by_time && missing.sent.is_some_and(|sent| now - sent >= self.round_trip);
            if is_first || is_again {
                missing.sent = Some(now);
                missing.requests += 1;
                due.push(number);
            }
        }
        self.missing.retain(|_, missing| missing.requests < MAX_REQUESTS);
        self.asked += due.len() as u64;
        due.into_iter().map(|number| number as u16).collect()
    }

    /// The distance that half of the reordered packets do not exceed. 0 without reordered packets.
    fn usual_distance(&self) -> i64 {
        let mut sorted = self.reordered.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or(0)
    }
}
