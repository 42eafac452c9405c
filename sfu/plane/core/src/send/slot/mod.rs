//! One receive section of a subscriber. It forwards packets of the track that it shows, under its own numbers.

mod feedback;
mod probe;
mod source;

pub use probe::Empty;

use crate::command::{Kind, SlotSpec};
use crate::id::TrackId;
use crate::layer::Layer;
use crate::limits::{SENT_AUDIO, SENT_VIDEO};
use crate::receive::packet::{MOST_COPIES, Packet};
use crate::receive::rung::{EncodingId, Rung};
use crate::rtp::extension::Extension;
use crate::rtp::sequence::ExtendedSeq;
use crate::send::compression::Compression;
use crate::send::history::{Entry, History};
use crate::send::keyframe_budget::KeyframeBudget;
use crate::send::mapping::{Mapping, Redundancy};
use crate::send::news::News;
use crate::send::outage::Reported;
use crate::send::passing::{DependencyPatch, Outgoing, Patch, Replay, SlotEvent, Transmission};
use crate::send::protection::Protection;
use crate::send::repeats::Repeats;
use crate::send::report::Reports;
use crate::send::rewriter::{Numbers, Rewriter};
use crate::send::selector::{Selector, Verdict};
use crate::time::{Duration, Instant};

/// What every packet of the source reads or writes is here, without a detour; the rest is behind two pointers.
#[derive(Debug)]
pub struct Slot {
    pub spec: Box<SlotSpec>,
    pub cold: Box<Cold>,
    /// Of the spec.
    kind: Kind,
    ssrc: u32,
    source: Option<TrackId>,
    /// The source is muted. Nothing is reported of it.
    pub muted: bool,
    selector: Selector,
    rewriter: Rewriter,
    history: History,
    reports: Reports,
    mapping: Option<Mapping>,
    /// The first source packet since the last switch. The subscriber was never sent earlier ones.
    begun: u64,
    /// The clock rate of the newest packet, Hz.
    rate: u32,
    news: News,
    replay: Option<Replay>,
    /// The last result of [`Slot::poll_keyframe_request`].
    wished: Option<EncodingId>,
    anew: bool,
    /// The parameter sets to send before the packet that was returned last.
    parameter_sets: Option<Box<Outgoing>>,
    /// How far back the copies in each audio packet go (RFC 2198).
    distance: u8,
    /// Packets are ignored until the structure arrives that their dependency descriptors refer to.
    held: bool,
}

const _: () = assert!(size_of::<Slot>() <= 768, "twelve cache lines");

/// What keyframes, late packets, retransmissions, requests and reports need of a slot.
#[derive(Debug, Default)]
pub struct Cold {
    /// Packets that were sent with a payload type without RTX.
    pub repeats: Repeats,
    pub keyframe_budget: KeyframeBudget,
    pub protection: Protection,
    next_rtx: u64,
    /// The compression of the last catch-up, and when it took place.
    compression: Option<Compression>,
    caught_up: Option<Instant>,
    reported: Reported,
}

impl Slot {
    /// The caller chooses random first numbers; the sequence numbers are below 2^15. Audio is forwarded from the
    /// beginning; video waits for its first ladder.
    pub fn new(spec: SlotSpec, first_sequence: u16, first_rtx_sequence: u16, first_timestamp: u32) -> Self {
        debug_assert!(first_rtx_sequence < 1 << 15);
        let is_video = spec.kind == Kind::Video;
        let describes = spec.extensions.id(Extension::DependencyDescriptor).is_some();
        let next_rtx = u64::from(first_rtx_sequence & 0x7FFF);
        Self {
            kind: spec.kind,
            ssrc: spec.ssrc,
            source: None,
            muted: false,
            selector: Selector::new(if is_video { Vec::new() } else { vec![Layer::new(0, 0).into()] }, describes),
            rewriter: Rewriter::new(first_sequence, first_timestamp),
            history: History::new(if is_video { SENT_VIDEO } else { SENT_AUDIO }),
            reports: Reports::default(),
            mapping: None,
            begun: 0,
            rate: 0,
            news: News::default(),
            replay: None,
            wished: None,
            anew: false,
            parameter_sets: None,
            distance: MOST_COPIES as u8,
            held: false,
            cold: Box::new(Cold { next_rtx, ..Cold::default() }),
            spec: Box::new(spec),
        }
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn source(&self) -> Option<TrackId> {
        self.source
    }

    /// Octets of the records of sent packets.
    pub fn memory(&self) -> usize {
        self.history.memory() + self.cold.repeats.memory()
    }

    /// The layer that is forwarded now.
    pub fn current(&self) -> Option<Layer> {
        self.selector.shown()
    }

    pub fn ladder(&self) -> &[Rung] {
        self.selector.ladder()
    }

    /// True if the subscriber has no payload type for the source's packets.
    pub fn is_refusing(&self) -> bool {
        self.news.is_refusing()
    }

    pub fn is_paused(&self) -> bool {
        self.source.is_none() || self.selector.is_paused()
    }

    /// The encoding whose keyframe this slot waits for.
    pub fn wanted_keyframe(&self) -> Option<EncodingId> {
        if self.source.is_none() || self.kind == Kind::Audio || self.news.is_refusing() {
            return None;
        }
        self.selector.wanted()
    }

    /// The encoding whose keyframe is newly needed since the last call: packets were lost for good, or the shown
    /// encoding stopped.
    pub fn poll_keyframe_request(&mut self) -> Option<EncodingId> {
        let wanted = self.wanted_keyframe();
        if self.wished == wanted {
            return None;
        }
        self.wished = wanted;
        wanted
    }

    /// The encoding whose keyframe a PLI or FIR of the subscriber asks for: the one that is awaited, or else the shown
    /// one.
    pub fn keyframe_source(&self) -> Option<EncodingId> {
        self.wanted_keyframe().or_else(|| self.selector.encoding())
    }

    /// The encoding that is forwarded now.
    pub fn encoding(&self) -> Option<EncodingId> {
        self.selector.encoding()
    }

    /// True if the slot switched since the last call: the last sender report no longer fits the timeline.
    pub fn poll_anew(&mut self) -> bool {
        std::mem::take(&mut self.anew)
    }

    /// The time since the newest sent packet was received: so much is free on the timeline.
    pub fn room(&self, now: Instant) -> Duration {
        self.rewriter.newest().map_or(Duration::MAX, |(_, received, _)| now.saturating_duration_since(received))
    }

    /// When the slot last began with cached packets.
    pub fn caught_up(&self) -> Option<Instant> {
        self.cold.caught_up
    }

    /// Shows an encoding from a past keyframe on: sends all its packets since then, in order and with compressed
    /// timestamps. False if nothing of it can be shown.
    pub fn catch_up<'a>(
        &mut self,
        compression: Compression,
        packets: impl Iterator<Item = Packet<'a>>,
        now: Instant,
        mut leaves: impl FnMut(Outgoing, usize),
    ) -> bool {
        let since = self.rewriter.highest().map_or(0, |highest| highest.0 + 1);
        self.cold.compression = Some(compression.since(ExtendedSeq(since)));
        self.selector.catch_up(true);
        for packet in packets {
            let packet = compression.compress(&packet);
            if let Some(outgoing) = self.handle_packet(&packet, now) {
                if let Some(before) = self.poll_parameter_sets() {
                    leaves(before, packet.parameter_sets);
                }
                leaves(outgoing, packet.payload_length);
            }
        }
        self.selector.catch_up(false);
        self.replay = None;
        let shown = self.selector.encoding() == Some(compression.encoding());
        if shown {
            self.cold.caught_up = Some(now);
        }
        shown
    }

    /// Sets how many earlier packets each audio packet may carry. 0: a publisher's redundancy is removed, too.
    pub fn set_distance(&mut self, distance: u8) {
        self.distance = distance.min(MOST_COPIES as u8);
    }

    /// Handles a packet of the source, of any encoding. Empty packets count, because they took a number of the source.
    /// None: the packet is not sent through this slot, or not now.
    pub fn handle_packet(&mut self, packet: &Packet, now: Instant) -> Option<Outgoing> {
        let track = self.source?;
        self.selector.handle_packet(packet);
        if self.selector.is_paused() {
            return None;
        }
        self.news.set_payload_type(packet.payload_type);
        let shows = self.selector.encoding() == Some(packet.encoding);
        let distance =
            if shows || packet.recovered { self.rewriter.distance(packet.encoding, packet.seq) } else { None };
        let begins = self.begins(packet, shows, distance);
        if self.news.is_old(&self.selector) {
            self.update_news();
        }
        if !begins && (self.selector.encoding()? != packet.encoding && !packet.recovered) {
            return None;
        }
        if !begins && self.selector.awaits_structure(packet) {
            self.held = true;
            return None;
        }
        let mapping = self.mapping(packet)?;
        let reserved = (begins && packet.parameter_sets > 0).then(|| self.rewriter.reserve());
        let (mut numbers, verdict) = self.number(packet, begins, distance)?;
        if begins {
            self.begun = packet.seq.0;
        }
        if self.held && packet.description.dependency.as_ref().is_some_and(|frame| frame.structure_attached) {
            self.held = false;
            self.replay = self.since(packet);
        }
        if numbers.patch == Patch::None {
            numbers.patch = mapping.patch.of(packet, self.begun, self.distance);
        }
        // The marker bit begins a talkspurt (RFC 3551 s4.1): a receiver may adjust its playout there.
        let mut marker = packet.marker | (begins && self.kind == Kind::Audio);
        let mut dependency = None;
        match verdict {
            Verdict::LeftOut => (numbers.patch, marker) = (Patch::Empty, false),
            Verdict::Sends { ends_picture, targets } => {
                marker |= ends_picture;
                dependency =
                    numbers.frame_number.and_then(|number| DependencyPatch::new(number, numbers.templates, targets));
            }
        }
        if self.selector.encoding() == Some(packet.encoding) {
            self.reports.set_clock(packet.clock);
            self.rate = packet.payload_type.clock_rate;
        }
        if self.selector.leaves() != self.news.layer() || begins {
            self.update_news();
        }
        self.reports.sent(numbers.patch.octets(packet));
        let outgoing = Outgoing {
            kind: self.kind,
            transmission: if mapping.rtx { Transmission::First } else { Transmission::Remembered },
            ssrc: self.ssrc,
            seq: numbers.seq,
            timestamp: numbers.timestamp,
            marker,
            payload_type: mapping.to,
            encoding: packet.encoding,
            source_seq: packet.seq,
            track,
            patch: numbers.patch,
            dependency,
        };
        if let Some(seq) = reserved {
            let before = Outgoing { seq, marker: false, patch: Patch::ParameterSets, dependency: None, ..outgoing };
            self.reports.sent(packet.parameter_sets);
            self.history.insert(Entry::new(&before), now);
            self.parameter_sets = Some(Box::new(before));
        }
        self.history.insert(Entry::new(&outgoing), now);
        if packet.description.keyframe {
            self.cold.keyframe_budget.handle_keyframe(outgoing.seq);
        }
        Some(outgoing)
    }

    /// After [`Slot::handle_packet`] returned a packet: the parameter sets to send before it.
    pub fn poll_parameter_sets(&mut self) -> Option<Outgoing> {
        self.parameter_sets.take().map(|before| *before)
    }

    pub fn poll_event(&mut self) -> Option<SlotEvent> {
        self.news.poll()
    }

    /// After [`Slot::handle_packet`] returned a packet: the packets that arrived before it and follow it in the source.
    pub fn poll_replay(&mut self) -> Option<Replay> {
        self.replay.take()
    }

    /// True if `packet` begins another picture or sound than before. `shows`: its encoding is shown. `distance`: from
    /// the next number that is expected of it.
    fn begins(&mut self, packet: &Packet, shows: bool, distance: Option<i64>) -> bool {
        // Packets missing further back than the history reaches cannot be retransmitted.
        let is_lost = distance.is_none_or(|distance| distance.unsigned_abs() >= self.history.len() as u64);
        if shows && !packet.recovered && is_lost {
            self.selector.interrupt();
            self.news.lost = true;
            self.update_news();
        }
        match self.kind {
            Kind::Audio => self.selector.encoding().is_none() && !packet.recovered && packet.payload_length > 0,
            Kind::Video => self.selector.is_switch(packet),
        }
    }

    /// The numbers of a packet, and the verdict on it. `LeftOut`: an empty packet uses the number that was reserved for
    /// it. None: the packet is not sent.
    fn number(&mut self, packet: &Packet, begins: bool, distance: Option<i64>) -> Option<(Numbers, Verdict)> {
        if begins {
            let verdict = self.selector.switch(packet);
            (self.wished, self.news.lost, self.anew) = (None, false, true);
            self.replay = self.since(packet);
            return Some((self.rewriter.begin(packet), verdict));
        }
        if distance.is_none_or(|distance| distance < 0) {
            let packet = &match self.cold.compression.filter(|compression| compression.covers(packet)) {
                Some(compression) => compression.at_its_time(packet, self.rewriter.late(packet)?.seq),
                None => *packet,
            };
            let numbers = self.rewriter.late(packet)?;
            if !self.history.is_free(numbers.seq, self.rewriter.highest()?) {
                return None;
            }
            let skipped = self.rewriter.is_skipped(packet);
            return Some((numbers, if skipped { Verdict::LeftOut } else { self.selector.select_late(packet) }));
        }
        if packet.payload_length == 0 {
            self.rewriter.omit(packet);
            return None;
        }
        let verdict = self.selector.select(packet);
        if verdict == Verdict::LeftOut {
            self.rewriter.skip(packet, packet.description.start);
            return None;
        }
        Some((self.rewriter.advance(packet), verdict))
    }

    /// The packets of its encoding that arrived before `packet` and follow it in the source.
    fn since(&self, packet: &Packet) -> Option<Replay> {
        let seqs = packet.seq.0 + 1..=self.selector.newest(packet.encoding).0;
        (!seqs.is_empty()).then_some(Replay { encoding: packet.encoding, seqs })
    }

    /// The subscriber's payload type for the publisher's. None if there is none, which is reported once per source.
    fn mapping(&mut self, packet: &Packet) -> Option<Mapping> {
        let from = packet.payload_type;
        let redundancy = match (self.distance, packet.copies) {
            (0, _) => Redundancy::Removed,
            (_, Some(_)) => Redundancy::Added,
            (_, None) => Redundancy::Passed,
        };
        if let Some(mapping) = self.mapping.filter(|mapping| mapping.is_of(from, redundancy)) {
            return Some(mapping);
        }
        let Some(mut mapping) = Mapping::find(&self.spec.payload_types, from, redundancy) else {
            self.news.refuse(*from);
            self.selector.interrupt();
            self.update_news();
            return None;
        };
        mapping.rtx &= self.spec.rtx_ssrc.is_some();
        self.mapping = Some(mapping);
        self.mapping
    }

    /// Reports the forwarded layer and its cause if either changed. Nothing is reported of a muted source.
    fn update_news(&mut self) {
        if self.muted {
            return;
        }
        self.news.update(&self.selector, self.is_paused());
    }
}
