//! A subscriber that behaves like Chromium: it asks for lost packets and keyframes, reports arrivals, and shows frames.
//! Each part is a model of one class of libwebrtc, named at its head. Pure, in virtual time.

pub mod arrivals;
pub mod freeze;
pub mod listening;
pub mod nack;
pub mod playout;
pub mod video;

use std::collections::BTreeMap;

use plane_core::time::{Duration, Instant, ms};

use super::peer::Received;
use super::random::Random;
use arrivals::Arrivals;
use listening::Listening;
use video::Video;

/// Chromium's interval of receiver reports for video, of which each is 0.5 to 1.5 (RFC 3550 s6.2; rtcp_sender.cc).
const REPORTS: Duration = ms(1_000);

/// What the subscriber sends next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    Nack(u32, Vec<u16>),
    Keyframe(u32),
    /// Transport-wide feedback: reference time in units of 64 ms, base sequence number, deltas in units of 250 us.
    Arrivals(i32, u16, Vec<Option<i16>>),
    Report,
}

pub struct Viewer {
    /// By the SSRC of their first transmissions.
    pub videos: BTreeMap<u32, Video>,
    pub audios: BTreeMap<u32, Listening>,
    /// The SSRC of retransmissions, and what they repeat.
    repairs: BTreeMap<u32, u32>,
    arrivals: Arrivals,
    /// When it sends arrivals and reports. Set once media has come.
    next_arrivals: Option<Instant>,
    next_report: Option<Instant>,
    random: Random,
}

impl Viewer {
    /// `origin`: where its clock begins.
    pub fn new(seed: u64, origin: Instant) -> Self {
        Self {
            videos: BTreeMap::new(),
            audios: BTreeMap::new(),
            repairs: BTreeMap::new(),
            arrivals: Arrivals::new(origin),
            next_arrivals: None,
            next_report: None,
            random: Random::new(seed),
        }
    }

    /// Watches a stream and its retransmissions. `round_trip`: what NACKs are spaced by.
    pub fn watch(&mut self, ssrc: u32, rtx_ssrc: u32, round_trip: Duration) {
        self.videos.insert(ssrc, Video::new(round_trip));
        self.repairs.insert(rtx_ssrc, ssrc);
    }

    pub fn listen(&mut self, ssrc: u32, red: u8) {
        self.audios.insert(ssrc, Listening::new(red));
    }

    pub fn handle_packet(&mut self, packet: &Received, now: Instant) {
        if let Some(number) = packet.transport_cc {
            self.arrivals.handle_packet(number, now);
            self.next_arrivals.get_or_insert(now + arrivals::INTERVAL);
        }
        self.next_report.get_or_insert(now + REPORTS / 2);
        if let Some(audio) = self.audios.get_mut(&packet.ssrc) {
            audio.handle_packet(packet, now);
        } else if let Some(video) = self.videos.get_mut(&packet.ssrc) {
            video.handle_packet(packet.sequence, packet, &packet.payload, false, now);
        } else if let Some(video) = self.repairs.get(&packet.ssrc).and_then(|media| self.videos.get_mut(media)) {
            // Padding (RFC 4588 without an original packet) has no payload.
            if let Some((original, payload)) = packet.payload.split_first_chunk() {
                video.handle_packet(u16::from_be_bytes(*original), packet, payload, true, now);
            }
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let videos = self.videos.values().filter_map(Video::poll_timeout);
        videos.chain([self.next_arrivals, self.next_report].into_iter().flatten()).min()
    }

    /// What is due. To be called after each packet and timeout.
    pub fn poll_request(&mut self, now: Instant) -> Option<Request> {
        for (&ssrc, video) in &mut self.videos {
            let lost = video.poll_nack(now);
            if !lost.is_empty() {
                return Some(Request::Nack(ssrc, lost));
            }
            if video.poll_keyframe_request(now) {
                return Some(Request::Keyframe(ssrc));
            }
        }
        if self.next_arrivals.is_some_and(|due| due <= now) {
            self.next_arrivals = Some(now + arrivals::INTERVAL);
            if let Some((reference, base, deltas)) = self.arrivals.next() {
                return Some(Request::Arrivals(reference, base, deltas));
            }
        }
        if self.next_report.is_some_and(|due| due <= now) {
            self.next_report = Some(now + REPORTS.mul_f64(0.5 + self.random.chance()));
            return Some(Request::Report);
        }
        None
    }
}

/// Extends 16-bit numbers and 32-bit timestamps, by the shorter way from the last one.
#[derive(Default, Debug)]
pub struct Extended(Option<i64>);

impl Extended {
    pub fn sequence(&mut self, number: u16) -> i64 {
        let extended =
            self.0.map_or(i64::from(number), |last| last + i64::from(number.wrapping_sub(last as u16) as i16));
        self.0 = Some(self.0.map_or(extended, |last| last.max(extended)));
        extended
    }

    pub fn timestamp(&mut self, timestamp: u32) -> i64 {
        let away = |last: i64| i64::from(timestamp.wrapping_sub(last as u32) as i32);
        let extended = self.0.map_or(i64::from(timestamp), |last| last + away(last));
        self.0 = Some(self.0.map_or(extended, |last| last.max(extended)));
        extended
    }
}
