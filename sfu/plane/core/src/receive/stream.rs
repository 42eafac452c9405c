//! One simulcast stream of a track as its publisher sends it: numbers its packets, tells new from repeated ones, and
//! keeps what is said about it: what is missing (NACK), how it arrived (reports), what it consists of (layers).

use crate::codec::Description;
use crate::discard::Discard;
use crate::event::LayerRate;
use crate::limits::ENCODING_HISTORY;
use crate::receive::clock::Clock;
use crate::receive::history::History;
use crate::receive::nack::Nacks;
use crate::receive::rates::Rates;
use crate::receive::reception::Reception;
use crate::rtcp::report::ReportBlock;
use crate::rtp::clock::SenderClock;
use crate::rtp::layers_allocation::LayersAllocation;
use crate::rtp::sequence::{ExtendedSeq, Unwrapper};
use crate::time::{Duration, Instant, Ntp};

/// A retransmission further ahead of everything received names a packet that was never sent.
const MAX_RETRANSMITTED_LEAD: u64 = 1_000;

/// No packet arrives later than this after a frame that was sent after it.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

pub struct Stream {
    clock_rate: u32,
    video: bool,
    /// Added to unwrapped numbers: a stream that replaces this one goes on above it.
    origin: u64,
    unwrapper: Unwrapper,
    history: History,
    nacks: Option<Nacks>,
    reception: Reception,
    rates: Rates,
    clock: Clock,
    frame: Option<Frame>,
    /// After a packet that is too late to be one: the number of the next, if its sender numbers anew.
    astray: Option<u16>,
}

/// The newest frame: its timestamp, and the lowest spatial layer not counted of it yet.
#[derive(Clone, Copy, Debug)]
struct Frame {
    timestamp: u32,
    next_spatial: u8,
}

/// A packet in clear, as received or as unwrapped from its retransmission.
pub struct Arrival<'a> {
    pub sequence: u16,
    pub timestamp: u32,
    /// Octets, without padding: zero if the packet is padding only.
    pub payload_length: usize,
    pub description: &'a Description,
    /// It came by RTX.
    pub retransmitted: bool,
    /// The kernel's stamp.
    pub received: Instant,
}

impl Stream {
    /// `clock_rate` in Hz; `nack`: the publisher retransmits what is asked for.
    pub fn new(clock_rate: u32, nack: bool, video: bool) -> Self {
        Self {
            clock_rate,
            video,
            origin: 0,
            unwrapper: Unwrapper::new(),
            history: History::default(),
            nacks: nack.then(Nacks::default),
            reception: Reception::new(clock_rate),
            rates: Rates::default(),
            clock: Clock::new(clock_rate),
            frame: None,
            astray: None,
        }
    }

    /// Another stream takes its place, with numbers, timestamps and reports of its own: a new SSRC. The extended
    /// numbers go on above all that were given out.
    pub fn restart(&mut self) {
        let above = self.highest().map_or(self.origin, |highest| (highest.0 & !0xFFFF) + (1 << 16));
        *self = Self { origin: above, ..Self::new(self.clock_rate, self.nacks.is_some(), self.video) };
    }

    /// Whether a packet shows that its sender numbers anew, or left out half of the numbers: the second in a row that is
    /// far from all others (RFC 3550 A.1). Then [`Stream::restart`], before it is taken.
    pub fn begins_anew(&mut self, sequence: u16) -> bool {
        let seq = self.peek(sequence);
        let is_far = self.highest().is_some_and(|highest| seq.0 + ENCODING_HISTORY <= highest.0);
        let follows = self.astray == Some(sequence);
        self.astray = is_far.then(|| sequence.wrapping_add(1));
        is_far && follows
    }

    /// Another codec of the same track may have another clock; what was measured in the old one is dropped.
    pub fn set_clock_rate(&mut self, clock_rate: u32) {
        if self.clock_rate != clock_rate {
            self.clock_rate = clock_rate;
            self.reception = Reception::new(clock_rate);
            self.clock = Clock::new(clock_rate);
        }
    }

    pub fn is_video(&self) -> bool {
        self.video
    }

    pub fn set_nack(&mut self, nack: bool) {
        if self.nacks.is_some() != nack {
            self.nacks = nack.then(Nacks::default);
        }
    }

    /// Takes in a packet. One of padding only has a number too, which nothing must be expected to fill.
    ///
    /// # Errors
    /// `Duplicate`, `TooLate`; `RtxUnmatched` for a retransmission of what was not sent.
    pub fn handle_packet(&mut self, arrival: &Arrival, now: Instant) -> Result<ExtendedSeq, Discard> {
        let seq = self.peek(arrival.sequence);
        if arrival.retransmitted && self.highest().is_some_and(|highest| seq.0 > highest.0 + MAX_RETRANSMITTED_LEAD) {
            return Err(Discard::RtxUnmatched);
        }
        self.history.insert(seq)?;
        self.unwrapper.extend(arrival.sequence);
        if !arrival.retransmitted {
            if self.highest() == Some(seq) {
                self.clock.handle_packet(arrival.timestamp, arrival.received);
            }
            self.reception.handle_packet(seq, arrival.timestamp, arrival.received);
        }
        let keyframe = arrival.description.keyframe;
        if let Some(nacks) = &mut self.nacks {
            nacks.handle_packet(seq, keyframe, now);
        }
        if arrival.payload_length > 0 {
            let frame = self.video && self.begins_frame(arrival);
            self.rates.handle_packet(arrival.description, arrival.payload_length, frame, now);
        }
        Ok(seq)
    }

    /// The number of a packet that came, or is about to.
    pub fn peek(&self, sequence: u16) -> ExtendedSeq {
        self.number(self.unwrapper.peek(sequence))
    }

    /// The NTP/RTP pair of a sender report. It is reported back, believed or not: its sender measures the round trip so.
    pub fn handle_sender_report(&mut self, ntp: Ntp, rtp: u32, now: Instant) {
        self.clock.handle_report(ntp, rtp, now);
        if ntp != Ntp(0) {
            self.reception.handle_sender_report(ntp, now);
        }
    }

    pub fn clock(&self) -> Option<SenderClock> {
        self.clock.believed()
    }

    pub fn highest(&self) -> Option<ExtendedSeq> {
        self.unwrapper.highest().map(|seq| self.number(seq))
    }

    pub fn report_block(&mut self, ssrc: u32, now: Instant) -> Option<ReportBlock> {
        self.reception.report_block(ssrc, now)
    }

    /// Appends the sequence numbers to ask the publisher for now. True: too many are missing, ask for a keyframe.
    pub fn poll_nack(&mut self, now: Instant, round_trip: Duration, lost: &mut Vec<u16>) -> bool {
        self.nacks.as_mut().is_some_and(|nacks| nacks.poll(now, round_trip, lost)) && self.video
    }

    /// Octets of the list of what is missing.
    pub fn missing_memory(&self) -> usize {
        self.nacks.as_ref().map_or(0, Nacks::memory)
    }

    /// When [`Stream::poll_nack`] has something to say.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.nacks.as_ref()?.poll_timeout()
    }

    /// A subscriber needs a packet that the cache does not hold: [`Stream::poll_nack`] asks for it, once per round
    /// trip whoever else wants it, and it may arrive again if it had arrived. False: nobody is asked, or was already.
    pub fn ask_for(&mut self, seq: ExtendedSeq, now: Instant) -> bool {
        match &mut self.nacks {
            Some(nacks) if self.history.reaches(seq) => {
                self.history.forget(seq);
                nacks.ask_for(seq, now)
            }
            _ => false,
        }
    }

    /// What arrives, per layer, over the last second; `allocated` is what the sender says of its spatial layers.
    pub fn rates(&mut self, allocated: Option<&LayersAllocation>, stream: usize, now: Instant) -> Vec<LayerRate> {
        self.rates.layers(allocated, stream, now)
    }

    fn number(&self, seq: ExtendedSeq) -> ExtendedSeq {
        ExtendedSeq(self.origin + seq.0)
    }

    /// Whether the packet is the first of a frame of its spatial layer. Frames are told apart by timestamp: not every
    /// codec marks their start, and the packet that does may be lost.
    fn begins_frame(&mut self, arrival: &Arrival) -> bool {
        let next_spatial = arrival.description.spatial.saturating_add(1);
        let Some(frame) = &mut self.frame else {
            self.frame = Some(Frame { timestamp: arrival.timestamp, next_spatial });
            return true;
        };
        let ahead = i64::from(arrival.timestamp.wrapping_sub(frame.timestamp) as i32);
        // Far behind: the sender began its timestamps anew.
        if ahead > 0 || ahead < -i64::from(self.clock_rate) * LONGEST_DELAY.as_secs() as i64 {
            *frame = Frame { timestamp: arrival.timestamp, next_spatial };
            return true;
        }
        let first = ahead == 0 && arrival.description.spatial >= frame.next_spatial;
        if first {
            frame.next_spatial = next_spatial;
        }
        first
    }
}

#[cfg(test)]
mod tests;
