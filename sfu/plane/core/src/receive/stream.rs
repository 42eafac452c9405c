//! One simulcast stream of a track as its publisher sends it: extends the sequence numbers, detects duplicates, and
//! holds the state for NACKs, reception reports and layer rates.

use crate::codec::Description;
use crate::discard::Discard;
use crate::event::LayerRate;
use crate::limits::ENCODING_HISTORY;
use crate::receive::arrival::Arrival;
use crate::receive::clock::Clock;
use crate::receive::history::History;
use crate::receive::nack::{Nacks, Traits};
use crate::receive::rates::Rates;
use crate::receive::reception::Reception;
use crate::rtcp::report::ReportBlock;
use crate::rtp::clock::SenderClock;
use crate::rtp::layers_allocation::LayersAllocation;
use crate::rtp::sequence::{ExtendedSeq, Unwrapper};
use crate::time::{Duration, Instant, Ntp};

/// A retransmission with a number this far above the highest received one is of a packet that was never sent.
const MAX_RETRANSMITTED_LEAD: u64 = 1_000;

/// A timestamp this far behind the newest frame is not a late packet: the sender restarted its timestamps.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

pub struct Stream {
    clock_rate: u32,
    video: bool,
    /// Added to unwrapped numbers, so that the numbers of a stream that replaces another are above it.
    origin: u64,
    unwrapper: Unwrapper,
    history: History,
    nacks: Option<Nacks>,
    reception: Reception,
    rates: Rates,
    clock: Clock,
    frame: Option<Frame>,
    /// Set by a packet far below the highest number: the sequence number that would follow it if the sender restarted
    /// its numbering.
    astray: Option<u16>,
}

/// The newest frame: its timestamp, and the lowest spatial layer of it that is not counted yet.
#[derive(Clone, Copy, Debug)]
struct Frame {
    timestamp: u32,
    next_spatial: u8,
}

impl Stream {
    /// `clock_rate` is in Hz; `nack` is true if the publisher answers NACKs.
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

    /// Resets the state for another stream (a new SSRC) with its own numbers, timestamps and reports. Its extended
    /// numbers begin above all earlier ones.
    pub fn restart(&mut self) {
        let above = self.highest().map_or(self.origin, |highest| (highest.0 & !0xFFFF) + (1 << 16));
        *self = Self { origin: above, ..Self::new(self.clock_rate, self.nacks.is_some(), self.video) };
    }

    /// True if the sender restarted its numbering or skipped half of the number space: this is the second packet in a
    /// row that is far below the highest number (RFC 3550 A.1). The caller then calls [`Stream::restart`] before it
    /// handles the packet.
    pub fn begins_anew(&mut self, sequence: u16) -> bool {
        let seq = self.peek(sequence);
        let is_far = self.highest().is_some_and(|highest| seq.0 + ENCODING_HISTORY <= highest.0);
        let follows = self.astray == Some(sequence);
        self.astray = is_far.then(|| sequence.wrapping_add(1));
        is_far && follows
    }

    /// Sets the clock rate, as another codec of the same track may have another one. A change drops the measurements.
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

    /// Records a packet. A packet of padding only has a sequence number too and is recorded, so that it does not count
    /// as lost.
    ///
    /// # Errors
    /// `Duplicate`, `TooLate`; `RtxUnmatched` for a retransmission of a packet that was never sent.
    pub fn handle_packet(
        &mut self,
        arrival: &Arrival,
        description: &Description,
        now: Instant,
    ) -> Result<ExtendedSeq, Discard> {
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
        if let Some(nacks) = &mut self.nacks {
            let traits = Traits { keyframe: description.keyframe, retransmitted: arrival.retransmitted };
            nacks.handle_packet(seq, traits, now);
        }
        if !arrival.payload.is_empty() {
            let frame = self.video && self.begins_frame(arrival.timestamp, description.spatial);
            self.rates.handle_packet(description, arrival.payload.len(), frame, now);
        }
        Ok(seq)
    }

    /// The extended number of a packet that arrived or is about to arrive.
    pub fn peek(&self, sequence: u16) -> ExtendedSeq {
        self.number(self.unwrapper.peek(sequence))
    }

    /// Handles the NTP/RTP pair of a sender report. The report is echoed in the report blocks even if the clock does
    /// not accept it: the sender measures its round trip by that.
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

    /// See [`Reception::poll_loss`].
    pub fn poll_loss(&mut self) -> (u64, i64) {
        self.reception.poll_loss()
    }

    /// Appends the sequence numbers to request by NACK now, each again after `wait`. Returns true if only a keyframe
    /// helps.
    pub fn poll_nack(&mut self, now: Instant, wait: Duration, lost: &mut Vec<u16>) -> bool {
        self.nacks.as_mut().is_some_and(|nacks| nacks.poll(now, wait, lost)) && self.video
    }

    /// The number of missing packets that [`Stream::poll_nack`] looks at now.
    pub fn due_nacks(&self, now: Instant) -> usize {
        self.nacks.as_ref().map_or(0, |nacks| nacks.due(now))
    }

    /// Octets of the list of missing packets.
    pub fn missing_memory(&self) -> usize {
        self.nacks.as_ref().map_or(0, Nacks::memory)
    }

    /// When [`Stream::poll_nack`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.nacks.as_ref()?.poll_timeout()
    }

    /// Requests a packet that a subscriber needs and the cache does not hold. [`Stream::poll_nack`] asks for it once
    /// per round trip, however many subscribers need it; the packet may arrive again if it had arrived before. Returns
    /// false if the publisher supports no NACK, or the packet is too old or already requested.
    pub fn ask_for(&mut self, seq: ExtendedSeq, now: Instant) -> bool {
        match &mut self.nacks {
            Some(nacks) if self.history.reaches(seq) => {
                self.history.forget(seq);
                nacks.ask_for(seq, now)
            }
            _ => false,
        }
    }

    /// The rates per layer over the last second. `allocated` is the sender's layers allocation.
    pub fn rates(&mut self, allocated: Option<&LayersAllocation>, stream: usize, now: Instant) -> Vec<LayerRate> {
        self.rates.layers(allocated, stream, now)
    }

    fn number(&self, seq: ExtendedSeq) -> ExtendedSeq {
        ExtendedSeq(self.origin + seq.0)
    }

    /// True if the packet is the first of a frame in its spatial layer. Frames are distinguished by timestamp: not
    /// every codec marks their start, and the packet with the mark may be lost.
    fn begins_frame(&mut self, timestamp: u32, spatial: u8) -> bool {
        let next_spatial = spatial.saturating_add(1);
        let Some(frame) = &mut self.frame else {
            self.frame = Some(Frame { timestamp, next_spatial });
            return true;
        };
        let ahead = i64::from(timestamp.wrapping_sub(frame.timestamp) as i32);
        // Far behind: the sender restarted its timestamps.
        if ahead > 0 || ahead < -i64::from(self.clock_rate) * LONGEST_DELAY.as_secs() as i64 {
            *frame = Frame { timestamp, next_spatial };
            return true;
        }
        let first = ahead == 0 && spatial >= frame.next_spatial;
        if first {
            frame.next_spatial = next_spatial;
        }
        first
    }
}

#[cfg(test)]
mod tests;
