//! One simulcast stream of a track as its publisher sends it: numbers its packets, tells new from repeated ones, and
//! keeps what is said about it: what is missing (NACK), how it arrived (reports), what it consists of (layers).

use crate::codec::Description;
use crate::discard::Discard;
use crate::event::LayerRate;
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

pub struct Encoding {
    clock_rate: u32,
    video: bool,
    /// Added to unwrapped numbers: a stream that replaces this one goes on above it.
    origin: u64,
    unwrapper: Unwrapper,
    history: History,
    nacks: Option<Nacks>,
    reception: Reception,
    rates: Rates,
    clock: Option<SenderClock>,
    frame: Option<Frame>,
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
    pub marker: bool,
    /// Octets, without padding: zero if the packet is padding only.
    pub payload_length: usize,
    pub description: &'a Description,
    /// It came by RTX.
    pub retransmitted: bool,
    /// The kernel's stamp.
    pub received: Instant,
}

impl Encoding {
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
            clock: None,
            frame: None,
        }
    }

    /// Another stream takes its place, with numbers, timestamps and reports of its own: a new SSRC. The extended
    /// numbers go on above all that were given out.
    pub fn restart(&mut self) {
        let above = self.highest().map_or(self.origin, |highest| (highest.0 & !0xFFFF) + (1 << 16));
        *self = Self { origin: above, ..Self::new(self.clock_rate, self.nacks.is_some(), self.video) };
    }

    /// Another codec of the same track may have another clock; what was measured in the old one is dropped.
    pub fn set_clock_rate(&mut self, clock_rate: u32) {
        if self.clock_rate != clock_rate {
            self.clock_rate = clock_rate;
            self.reception = Reception::new(clock_rate);
            self.clock = None;
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

    /// The NTP/RTP pair of a sender report. One without wall time (RFC 3550 s6.4.1: zero) says nothing.
    pub fn handle_sender_report(&mut self, ntp: Ntp, rtp: u32, now: Instant) {
        if ntp != Ntp(0) {
            self.clock = Some(SenderClock { rate: self.clock_rate, ntp, rtp, heard: now });
            self.reception.handle_sender_report(ntp, now);
        }
    }

    pub fn clock(&self) -> Option<SenderClock> {
        self.clock
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

    /// When [`Encoding::poll_nack`] has something to say.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.nacks.as_ref()?.poll_timeout()
    }

    /// A subscriber needs a packet that the cache does not hold: [`Encoding::poll_nack`] asks for it, once per round
    /// trip whoever else wants it, and it may arrive again if it had arrived.
    pub fn ask_for(&mut self, seq: ExtendedSeq, now: Instant) {
        if let Some(nacks) = &mut self.nacks
            && self.history.reaches(seq)
        {
            self.history.forget(seq);
            nacks.ask_for(seq, now);
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
mod tests {
    use super::*;
    use crate::time::ms;
    use proptest::prelude::*;

    fn video() -> Encoding {
        Encoding::new(90_000, true, true)
    }

    /// One packet a frame, a frame each 33 ms.
    fn receive(
        encoding: &mut Encoding,
        sequence: u16,
        retransmitted: bool,
        now: Instant,
    ) -> Result<ExtendedSeq, Discard> {
        let arrival = Arrival {
            sequence,
            timestamp: u32::from(sequence) * 3_000,
            marker: true,
            payload_length: 1_000,
            description: &Description::default(),
            retransmitted,
            received: now,
        };
        encoding.handle_packet(&arrival, now)
    }

    #[test]
    fn numbers_go_on_over_the_wrap_and_repeated_packets_are_told() {
        let (mut encoding, now) = (video(), Instant::now());
        for (sequence, expected) in [
            (65_535, Ok(ExtendedSeq(131_071))),
            (0, Ok(ExtendedSeq(131_072))),
            (65_535, Err(Discard::Duplicate)),
            (65_534, Ok(ExtendedSeq(131_070))),
            (2_000, Ok(ExtendedSeq(133_072))),
            (65_533, Err(Discard::TooLate)),
        ] {
            assert_eq!(receive(&mut encoding, sequence, false, now), expected, "{sequence}");
        }
    }

    #[test]
    fn a_lost_packet_is_asked_for_and_taken_once_when_it_comes_by_rtx() {
        let (mut encoding, now) = (video(), Instant::now());
        for sequence in [1, 2, 4] {
            receive(&mut encoding, sequence, false, now).unwrap();
        }
        let mut lost = Vec::new();
        let due = encoding.poll_timeout().unwrap();
        assert!(!encoding.poll_nack(due, ms(50), &mut lost));
        assert_eq!(lost, [3]);
        assert_eq!(receive(&mut encoding, 3, true, due).map(ExtendedSeq::wire), Ok(3));
        assert_eq!(receive(&mut encoding, 3, true, due), Err(Discard::Duplicate));
        assert_eq!(receive(&mut encoding, 3, false, due), Err(Discard::Duplicate), "it was only very late");
        let block = encoding.report_block(1, due).unwrap();
        assert_eq!((block.cumulative_lost, block.highest), (1, 4), "what RTX repaired is still loss on the path");
    }

    #[test]
    fn the_lost_end_of_a_burst_may_come_by_rtx_first() {
        let (mut encoding, now) = (video(), Instant::now());
        receive(&mut encoding, 1, false, now).unwrap();
        assert!(receive(&mut encoding, 3, true, now).is_ok());
        assert!(receive(&mut encoding, 2, false, now).is_ok());
        assert_eq!(receive(&mut encoding, 1_100, true, now), Err(Discard::RtxUnmatched));
    }

    #[test]
    fn a_packet_the_cache_lost_is_asked_for_and_taken_again() {
        let (mut encoding, now) = (video(), Instant::now());
        let wanted = receive(&mut encoding, 1, false, now).unwrap();
        receive(&mut encoding, 2, false, now).unwrap();
        encoding.ask_for(wanted, now);
        encoding.ask_for(wanted, now);
        let mut lost = Vec::new();
        encoding.poll_nack(now, ms(50), &mut lost);
        assert_eq!(lost, [1]);
        assert_eq!(receive(&mut encoding, 1, true, now), Ok(wanted));
    }

    #[test]
    fn what_was_never_sent_or_is_too_old_is_not_asked_for() {
        let (mut encoding, now) = (video(), Instant::now());
        let old = receive(&mut encoding, 1, false, now).unwrap();
        let newest = (2..2_000).map(|sequence| receive(&mut encoding, sequence, false, now).unwrap()).last().unwrap();
        encoding.ask_for(old, now);
        encoding.ask_for(ExtendedSeq(newest.0 + 1), now);
        assert_eq!(encoding.poll_timeout(), None);
    }

    #[test]
    fn without_nack_nothing_is_asked_for() {
        let (mut encoding, now) = (Encoding::new(48_000, false, false), Instant::now());
        receive(&mut encoding, 1, false, now).unwrap();
        receive(&mut encoding, 2_000, false, now).unwrap();
        assert_eq!(encoding.poll_timeout(), None);
        assert!(!encoding.poll_nack(now + ms(100), ms(50), &mut Vec::new()));
    }

    #[test]
    fn a_new_stream_in_its_place_is_numbered_above_the_old_one() {
        let (mut encoding, now) = (video(), Instant::now());
        let before = receive(&mut encoding, 60_000, false, now).unwrap();
        encoding.restart();
        assert_eq!(encoding.highest(), None);
        let after = receive(&mut encoding, 5, false, now).unwrap();
        assert!(after > before);
        assert_eq!(after.wire(), 5);
        assert!(receive(&mut encoding, 4, false, now).unwrap() > before);
    }

    #[test]
    fn a_sender_report_maps_timestamps_to_wall_time() {
        let (mut encoding, now) = (video(), Instant::now());
        encoding.handle_sender_report(Ntp(0), 9, now);
        assert_eq!(encoding.clock(), None);
        encoding.handle_sender_report(Ntp(5 << 32), 90_000, now);
        assert_eq!(encoding.clock().unwrap().ntp_at(180_000), Ntp(6 << 32));
        encoding.set_clock_rate(48_000);
        assert_eq!(encoding.clock(), None);
    }

    #[test]
    fn frames_are_counted_by_timestamp_and_spatial_layer() {
        let (mut encoding, start) = (video(), Instant::now());
        let mut sequence = 0;
        for frame in 0..30_u32 {
            for spatial in [0, 0, 1, 1, 1] {
                let arrival = Arrival {
                    sequence,
                    timestamp: frame * 3_000,
                    marker: false,
                    payload_length: 100,
                    description: &Description { spatial, ..Description::default() },
                    retransmitted: false,
                    received: start,
                };
                encoding.handle_packet(&arrival, start + ms(33) * frame).unwrap();
                sequence += 1;
            }
        }
        let rates = encoding.rates(None, 0, start + ms(990));
        assert_eq!(rates.len(), 2);
        assert!(rates.iter().all(|layer| (28.0..32.0).contains(&layer.fps)), "{rates:?}");
    }

    #[test]
    fn frames_are_still_counted_when_timestamps_begin_anew() {
        let (mut encoding, start) = (video(), Instant::now());
        for sequence in (50_000..50_010).chain(50..60) {
            let arrival = Arrival {
                sequence: sequence as u16 % 100,
                timestamp: sequence * 3_000,
                marker: true,
                payload_length: 100,
                description: &Description::default(),
                retransmitted: false,
                received: start,
            };
            encoding.handle_packet(&arrival, start).unwrap();
        }
        assert_eq!(encoding.rates(None, 0, start + ms(1_100)), []);
        assert_eq!(encoding.rates(None, 0, start + ms(500))[0].fps, 40.0);
    }

    #[test]
    fn padding_fills_its_number_and_counts_for_nothing() {
        let (mut encoding, now) = (video(), Instant::now());
        let padding = Arrival {
            sequence: 2,
            timestamp: 0,
            marker: false,
            payload_length: 0,
            description: &Description::default(),
            retransmitted: false,
            received: now,
        };
        encoding.handle_packet(&padding, now).unwrap();
        assert_eq!(encoding.rates(None, 0, now), []);
        receive(&mut encoding, 1, false, now).unwrap();
        receive(&mut encoding, 3, false, now).unwrap();
        assert_eq!(encoding.poll_timeout(), None, "nothing is missing");
        assert_eq!(encoding.rates(None, 0, now)[0].fps, 10.0);
    }

    proptest! {
        /// Any packets in any order: each number is taken once, and what is asked for had not arrived.
        #[test]
        fn no_packet_is_taken_twice_or_asked_for_after_it_came(
            packets in prop::collection::vec((0_u16..400, any::<bool>()), 1..400),
        ) {
            let (mut encoding, start) = (video(), Instant::now());
            let mut taken = std::collections::BTreeSet::new();
            for (at, (sequence, retransmitted)) in packets.into_iter().enumerate() {
                let now = start + ms(at as u64 * 5);
                let sequence = sequence.wrapping_add(65_400);
                let result = receive(&mut encoding, sequence, retransmitted, now);
                prop_assert_eq!(result.is_ok(), taken.insert(sequence));
                let mut lost = Vec::new();
                prop_assert!(!encoding.poll_nack(now, ms(30), &mut lost));
                prop_assert!(lost.iter().all(|sequence| !taken.contains(sequence)));
            }
        }
    }
}
