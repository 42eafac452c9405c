//! A received opus stream, with RED (RFC 2198): how much of it is concealed. The delay follows the 95th percentile of
//! arrivals in buckets of 20 ms, as in Chromium (delay_manager.cc, kQuantile, kForgetFactor).

use std::collections::BTreeSet;

use plane_core::time::{Duration, Instant, ms};

use super::super::peer::Received;
use super::Extended;

const PACKET: Duration = ms(20);
/// Samples of a packet.
const SAMPLES: i64 = 960;
const QUANTILE: f64 = 0.95;
const FORGET: f64 = 0.983;
const BUCKETS: usize = 50;

#[derive(Debug)]
pub struct Listening {
    red: u8,
    timestamp: Extended,
    /// The first packet: timestamp, arrival.
    first: Option<(i64, Instant)>,
    /// The least delay so far, relative to the first packet.
    least: i64,
    histogram: [f64; BUCKETS],
    /// Packets that came in time, by their place after the first, and places whose time is over.
    ready: BTreeSet<i64>,
    next: i64,
    /// Octets of payloads.
    pub octets: u64,
    pub played: u64,
    pub concealed: u64,
}

impl Listening {
    pub fn new(red: u8) -> Self {
        let mut histogram = [0.0; BUCKETS];
        histogram[2] = 1.0;
        let (timestamp, ready) = (Extended::default(), BTreeSet::new());
        Self {
            red,
            timestamp,
            first: None,
            least: i64::MAX,
            histogram,
            ready,
            next: 0,
            octets: 0,
            played: 0,
            concealed: 0,
        }
    }

    pub fn handle_packet(&mut self, packet: &Received, now: Instant) {
        self.octets += packet.payload.len() as u64;
        let timestamp = self.timestamp.timestamp(packet.timestamp);
        let first = *self.first.get_or_insert((timestamp, now));
        let place = (timestamp - first.0) / SAMPLES;
        let late = (now - first.1).as_micros() as i64 - place * PACKET.as_micros() as i64;
        self.least = self.least.min(late);
        let bucket = ((late - self.least) / PACKET.as_micros() as i64).clamp(0, BUCKETS as i64 - 1) as usize;
        self.play(first.1, now);
        self.histogram.iter_mut().for_each(|share| *share *= FORGET);
        self.histogram[bucket] += 1.0 - FORGET;
        let before = if packet.payload_type == self.red { distances(&packet.payload) } else { Vec::new() };
        for distance in before.into_iter().chain([0]) {
            let place = place - distance;
            if place >= self.next {
                self.ready.insert(place);
            }
        }
    }

    /// Plays all places whose time is over.
    fn play(&mut self, first: Instant, now: Instant) {
        let mut sum = 0.0;
        let reached = |share: &f64| {
            sum += share;
            sum >= QUANTILE
        };
        let bucket = self.histogram.iter().position(reached).unwrap_or(BUCKETS - 1) as i64;
        let delay = self.least + (bucket + 1) * PACKET.as_micros() as i64;
        let over = ((now - first).as_micros() as i64 - delay) / PACKET.as_micros() as i64;
        while self.next < over {
            self.played += 1;
            self.concealed += u64::from(!self.ready.remove(&self.next));
            self.next += 1;
        }
    }
}

/// How many packets before the last block the other blocks were (RFC 2198 s3).
fn distances(payload: &[u8]) -> Vec<i64> {
    let mut distances = Vec::new();
    for header in payload.chunks_exact(4).take_while(|header| header[0] & 0x80 != 0) {
        let offset = u16::from_be_bytes([header[1], header[2]]) >> 2;
        distances.push(i64::from(offset) / SAMPLES);
    }
    distances
}
