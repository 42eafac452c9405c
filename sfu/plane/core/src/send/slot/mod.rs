//! One receive section of a subscriber, and the track it shows: what of it leaves, under the slot's own numbers.

mod feedback;

use crate::command::{Kind, SlotSpec};
use crate::id::TrackId;
use crate::layer::{Ladder, Layer, Lives};
use crate::limits::{SENT_AUDIO, SENT_VIDEO};
use crate::receive::start::Compression;
use crate::rtp::extension::Extension;
use crate::rtp::sequence::ExtendedSeq;
use crate::send::history::{Entry, History};
use crate::send::keyframe_budget::KeyframeBudget;
use crate::send::mapping::Mapping;
use crate::send::news::News;
use crate::send::outage::Reported;
use crate::send::passing::{DependencyPatch, Outgoing, Packet, Patch, Replay, SlotEvent, Transmission};
use crate::send::repeats::Repeats;
use crate::send::report::Reports;
use crate::send::rewriter::{Numbers, Rewriter};
use crate::send::selector::{Selector, Verdict};
use crate::time::{Duration, Instant};

#[derive(Debug)]
pub struct Slot {
    pub spec: SlotSpec,
    source: Option<TrackId>,
    selector: Selector,
    rewriter: Rewriter,
    history: History,
    /// Of what left under a payload type without RTX.
    pub repeats: Repeats,
    reports: Reports,
    next_rtx: u64,
    mapping: Option<Mapping>,
    /// The first source packet of what leaves now: what came before it the subscriber was never sent.
    begun: u64,
    /// Of the clock in `newest`, Hz.
    rate: u32,
    news: News,
    replay: Option<Replay>,
    /// The last answer of [`Slot::poll_keyframe_request`].
    wished: Option<u8>,
    /// Of what it caught up with last; and when it did.
    compression: Option<Compression>,
    caught_up: Option<Instant>,
    anew: bool,
    /// Leaves before the packet that was handed out last.
    parameter_sets: Option<Outgoing>,
    /// Packets wait for the structure that their dependency descriptors refer to: as if they had not come.
    held: bool,
    pub keyframe_budget: KeyframeBudget,
    reported: Reported,
}

impl Slot {
    /// The first numbers are random, the caller's, and the sequence numbers below 2^15. Audio is let through from the
    /// beginning; video waits for its first ladder.
    pub fn new(spec: SlotSpec, first_sequence: u16, first_rtx_sequence: u16, first_timestamp: u32) -> Self {
        debug_assert!(first_rtx_sequence < 1 << 15);
        let is_video = spec.kind == Kind::Video;
        let describes = spec.extensions.id(Extension::DependencyDescriptor).is_some();
        Self {
            source: None,
            selector: Selector::new(if is_video { Ladder::new() } else { vec![Layer::new(0, 0)] }, describes),
            rewriter: Rewriter::new(first_sequence, first_timestamp),
            history: History::new(if is_video { SENT_VIDEO } else { SENT_AUDIO }),
            repeats: Repeats::default(),
            reports: Reports::default(),
            next_rtx: u64::from(first_rtx_sequence & 0x7FFF),
            mapping: None,
            begun: 0,
            rate: 0,
            news: News::default(),
            replay: None,
            wished: None,
            compression: None,
            caught_up: None,
            anew: false,
            parameter_sets: None,
            held: false,
            keyframe_budget: KeyframeBudget::default(),
            reported: Reported::default(),
            spec,
        }
    }

    pub fn source(&self) -> Option<TrackId> {
        self.source
    }

    /// Octets of what is noted of packets that left.
    pub fn memory(&self) -> usize {
        self.history.memory() + self.repeats.memory()
    }

    /// What leaves now.
    pub fn current(&self) -> Option<Layer> {
        self.selector.shown()
    }

    pub fn ladder(&self) -> &[Layer] {
        self.selector.ladder()
    }

    /// The subscriber has no payload type for what comes.
    pub fn is_refusing(&self) -> bool {
        self.news.is_refusing()
    }

    pub fn is_paused(&self) -> bool {
        self.source.is_none() || self.selector.is_paused()
    }

    /// Which track the slot shows from now on, and what of it arrives. Its numbers go on.
    pub fn set_source(&mut self, source: Option<TrackId>, lives: Lives) {
        if self.source == source {
            return;
        }
        self.source = source;
        self.selector.forget_source();
        self.rewriter.forget_source();
        self.reports.forget_source();
        self.news.forget_source();
        self.mapping = None;
        self.replay = None;
        self.held = false;
        self.compression = None;
        self.caught_up = None;
        self.selector.set_lives(lives);
        self.update_news();
    }

    pub fn set_ladder(&mut self, ladder: Ladder) {
        self.selector.set_ladder(ladder);
        self.update_news();
    }

    /// Which encodings of the source arrive, or spatial layers of its only one, has changed.
    pub fn set_lives(&mut self, lives: Lives) {
        self.selector.set_lives(lives);
        self.update_news();
    }

    /// An encoding of the source is another stream from now on (its SSRC changed), or none: its numbers begin anew. What
    /// is shown of another encoding goes on.
    pub fn source_restarted(&mut self, encoding: u8) {
        self.selector.forget_encoding(encoding);
        self.rewriter.forget_encoding(encoding);
        self.compression = self.compression.filter(|compression| compression.encoding() != encoding);
        self.replay = self.replay.take().filter(|replay| replay.encoding != encoding);
        self.update_news();
    }

    /// What it said of layers names others by now.
    pub fn report_layer_again(&mut self) {
        self.news.forget_layer();
        self.update_news();
    }

    /// The source was held back for a while, for everybody, and goes on: what is missing in between was never to leave, and
    /// the next packet begins a talkspurt.
    pub fn source_resumed(&mut self) {
        self.selector.interrupt();
    }

    /// The peer went silent. What it is shown when it is back begins at a keyframe.
    pub fn interrupt(&mut self) {
        self.selector.interrupt();
        self.replay = None;
        self.reported = Reported::default();
        self.update_news();
    }

    /// The encoding whose keyframe this slot waits for.
    pub fn wanted_keyframe(&self) -> Option<u8> {
        if self.source.is_none() || self.spec.kind == Kind::Audio || self.news.is_refusing() {
            return None;
        }
        self.selector.wanted()
    }

    /// What it has come to wait for while packets passed by: it lost its place, or what it was shown died.
    pub fn poll_keyframe_request(&mut self) -> Option<u8> {
        let wanted = self.wanted_keyframe();
        if self.wished == wanted {
            return None;
        }
        self.wished = wanted;
        wanted
    }

    /// The encoding of which the subscriber wants a keyframe by PLI or FIR: what it waits for, or else what it is shown.
    pub fn keyframe_source(&self) -> Option<u8> {
        self.wanted_keyframe().or_else(|| self.selector.encoding())
    }

    /// The encoding that leaves now.
    pub fn encoding(&self) -> Option<u8> {
        self.selector.encoding()
    }

    /// Something else is shown since the last call: what was reported of the timeline no longer holds.
    pub fn poll_anew(&mut self) -> bool {
        std::mem::take(&mut self.anew)
    }

    /// How long ago what left last had come: so much is free on its timeline.
    pub fn room(&self, now: Instant) -> Duration {
        self.rewriter.newest().map_or(Duration::MAX, |(_, received, _)| now.saturating_duration_since(received))
    }

    /// When it last began with what had passed already.
    pub fn caught_up(&self) -> Option<Instant> {
        self.caught_up
    }

    /// Shows an encoding from a keyframe on that has passed already: all its packets from that up to now, in order. False:
    /// nothing of it can be shown.
    pub fn catch_up<'a>(
        &mut self,
        compression: Compression,
        packets: impl Iterator<Item = Packet<'a>>,
        now: Instant,
        mut leaves: impl FnMut(Outgoing, usize),
    ) -> bool {
        let since = self.rewriter.highest().map_or(0, |highest| highest.0 + 1);
        self.compression = Some(compression.since(ExtendedSeq(since)));
        self.selector.catch_up(true);
        for packet in packets {
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
            self.caught_up = Some(now);
        }
        shown
    }

    /// A packet of the source, of any encoding, also one with nothing in it: it took a number of the source. None: it
    /// does not leave through this slot, or not now.
    pub fn handle_packet(&mut self, packet: &Packet, now: Instant) -> Option<Outgoing> {
        let track = self.source?;
        if !self.selector.handle_packet(packet) || self.selector.is_paused() {
            return None;
        }
        self.news.set_payload_type(packet.payload_type);
        let begins = self.begins(packet);
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
        let (mut numbers, verdict) = self.number(packet, begins)?;
        if begins {
            self.begun = packet.seq.0;
        }
        if self.held && packet.description.dependency.as_ref().is_some_and(|frame| frame.structure_attached) {
            self.held = false;
            self.replay = self.since(packet);
        }
        if numbers.patch == Patch::None {
            numbers.patch = mapping.patch.of(packet, self.begun);
        }
        // The first packet of a talkspurt (RFC 3551 s4.1): a receiver may place it anew.
        let mut marker = packet.marker | (begins && self.spec.kind == Kind::Audio);
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
        self.reports.sent(packet.octets(numbers.patch));
        let rtx = mapping.rtx && self.spec.rtx_ssrc.is_some();
        let outgoing = Outgoing {
            kind: self.spec.kind,
            transmission: if rtx { Transmission::First } else { Transmission::Remembered },
            ssrc: self.spec.ssrc,
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
            self.parameter_sets = Some(before);
        }
        self.history.insert(Entry::new(&outgoing), now);
        if packet.description.keyframe {
            self.keyframe_budget.handle_keyframe(outgoing.seq);
        }
        Some(outgoing)
    }

    /// After a packet that left: a packet of parameter sets that leaves before it.
    pub fn poll_parameter_sets(&mut self) -> Option<Outgoing> {
        self.parameter_sets.take()
    }

    pub fn poll_event(&mut self) -> Option<SlotEvent> {
        self.news.poll()
    }

    /// After a packet that left: what came before it and belongs behind it.
    pub fn poll_replay(&mut self) -> Option<Replay> {
        self.replay.take()
    }

    /// Whether what leaves from `packet` on is another picture, or sound, than before.
    fn begins(&mut self, packet: &Packet) -> bool {
        let shows = self.selector.encoding() == Some(packet.encoding);
        if shows && !packet.recovered {
            let distance = self.rewriter.distance(packet.encoding, packet.seq);
            // What is missing further back than the history nobody will send again.
            if distance.is_none_or(|distance| distance.unsigned_abs() >= self.history.len() as u64) {
                self.selector.interrupt();
                self.news.lost = true;
                self.update_news();
            }
        }
        match self.spec.kind {
            Kind::Audio => self.selector.encoding().is_none() && !packet.recovered && packet.payload_length > 0,
            Kind::Video => self.selector.is_switch(packet),
        }
    }

    /// Under which numbers a packet leaves, and as what: left out, its number is one that was kept free for it. None: it
    /// does not leave.
    fn number(&mut self, packet: &Packet, begins: bool) -> Option<(Numbers, Verdict)> {
        if begins {
            let verdict = self.selector.switch(packet);
            (self.wished, self.news.lost, self.anew) = (None, false, true);
            self.replay = self.since(packet);
            return Some((self.rewriter.begin(packet), verdict));
        }
        if self.rewriter.distance(packet.encoding, packet.seq).is_none_or(|distance| distance < 0) {
            let packet = &match self.compression.filter(|compression| compression.covers(packet)) {
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

    /// What of its encoding came before `packet` did, and belongs behind it.
    fn since(&self, packet: &Packet) -> Option<Replay> {
        let seqs = packet.seq.0 + 1..=self.selector.newest(packet.encoding).0;
        (!seqs.is_empty()).then_some(Replay { encoding: packet.encoding, seqs })
    }

    /// The subscriber's payload type for the publisher's. None: it has none, and says so once per source.
    fn mapping(&mut self, packet: &Packet) -> Option<Mapping> {
        let (from, copied) = (packet.payload_type, packet.copies.is_some());
        if let Some(mapping) = self.mapping.filter(|mapping| mapping.is_of(from, copied)) {
            return Some(mapping);
        }
        let Some(mapping) = Mapping::find(&self.spec.payload_types, from, copied) else {
            self.news.refuse(*from);
            self.selector.interrupt();
            self.update_news();
            return None;
        };
        self.mapping = Some(mapping);
        self.mapping
    }

    /// What leaves and why, if it is other than was said last.
    fn update_news(&mut self) {
        self.news.update(&self.selector, self.is_paused());
    }
}
