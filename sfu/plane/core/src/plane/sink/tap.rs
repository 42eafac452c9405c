//! A sink without a transport: it records the packets of the best layer that arrives of those it asks for. It exists
//! only in tests, which show with it that nothing behind a track needs a peer.

use super::{Sink, Update};
use crate::layer::{Ladder, Lives};
use crate::plane::published::Published;
use crate::receive::packet::Packet;
use crate::receive::rung::{EncodingId, Rung};
use crate::rtp::sequence::ExtendedSeq;
use crate::time::Instant;

#[derive(Default)]
pub(in crate::plane) struct Tap {
    pub is_ready: bool,
    /// The layers that it asks for, best first, numbered by the encodings that the spec of its track lists.
    pub ladder: Ladder,
    rungs: Vec<Rung>,
    lives: Lives,
    shown: Option<EncodingId>,
    /// The last recorded packet: nothing is recorded twice.
    last: Option<(EncodingId, ExtendedSeq)>,
    /// The encoding whose keyframe it asked for last.
    wished: Option<EncodingId>,
    /// Encoding, timestamp and payload of each recorded packet.
    pub packets: Vec<(EncodingId, u32, Vec<u8>)>,
    pub restarts: Vec<EncodingId>,
    pub resumes: usize,
}

impl Tap {
    pub fn new(ladder: Ladder) -> Self {
        Self { is_ready: true, ladder, ..Self::default() }
    }

    /// The best encoding that arrives, or the best one.
    fn target(&self) -> Option<EncodingId> {
        let arrives = self.rungs.iter().find(|rung| self.lives.flowing & rung.encoding.bit() != 0);
        arrives.or(self.rungs.first()).map(|rung| rung.encoding)
    }

    fn use_ladder(&mut self, source: &Published) {
        self.rungs = if source.muted { Vec::new() } else { source.track.ladder(&self.ladder) };
        self.shown = self.shown.filter(|shown| self.rungs.iter().any(|rung| rung.encoding == *shown));
    }

    fn poll_wish(&mut self) -> Option<EncodingId> {
        let wanted = self.wanted_keyframe();
        if std::mem::replace(&mut self.wished, wanted) == wanted { None } else { wanted }
    }

    fn record(&mut self, source: &Published, packet: &Packet) {
        if self.last.is_some_and(|(encoding, seq)| encoding == packet.encoding && packet.seq <= seq) {
            return;
        }
        self.last = Some((packet.encoding, packet.seq));
        let payload = source.cached(packet.encoding, packet.seq).map(|cached| cached.payload.clone());
        self.packets.push((packet.encoding, packet.timestamp, payload.unwrap_or_default()));
    }
}

impl Sink for Tap {
    fn set_source(&mut self, source: &Published) {
        (self.shown, self.wished, self.lives) = (None, None, source.track.lives());
        self.use_ladder(source);
    }

    fn source_removed(&mut self) {
        (self.shown, self.rungs) = (None, Vec::new());
    }

    fn source_updated(&mut self, source: &Published, update: &Update) {
        self.shown = self.shown.filter(|shown| !update.gone.contains(shown));
        self.use_ladder(source);
    }

    fn source_muted(&mut self, source: &Published) {
        self.use_ladder(source);
    }

    fn source_restarted(&mut self, encoding: EncodingId) {
        self.restarts.push(encoding);
        self.shown = self.shown.filter(|&shown| shown != encoding);
    }

    fn source_resumed(&mut self) {
        self.resumes += 1;
    }

    fn set_lives(&mut self, lives: Lives) -> bool {
        self.lives = lives;
        self.poll_wish().is_some()
    }

    fn report(&mut self, _: &Published) {}

    fn wanted(&self) -> u8 {
        self.rungs.iter().fold(0, |bits, rung| bits | 1 << rung.layer.spatial)
    }

    fn wanted_keyframe(&self) -> Option<EncodingId> {
        self.target().filter(|&target| self.is_ready && self.shown != Some(target))
    }

    /// A recorder is in no hurry: whatever is stored is better than a request.
    fn start(&mut self, source: &Published, _: Instant) -> bool {
        let Some(wanted) = self.wanted_keyframe() else { return false };
        let Some(encoding) = source.track.encoding(wanted).filter(|encoding| encoding.start().is_whole()) else {
            return false;
        };
        for packet in encoding.start().packets(wanted, source.track.is_alone(), None) {
            self.record(source, &packet);
        }
        self.shown = Some(wanted);
        true
    }

    fn is_ready(&mut self, _: Instant) -> bool {
        self.is_ready
    }

    fn handle_packet(&mut self, source: &Published, packet: &Packet, _: Instant) -> Option<EncodingId> {
        if packet.description.keyframe && self.target() == Some(packet.encoding) {
            self.shown = Some(packet.encoding);
        }
        if self.shown == Some(packet.encoding) {
            self.record(source, packet);
        }
        self.poll_wish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Batch;
    use crate::codec::{Codec, PayloadType};
    use crate::command::{Command, EncodingSpec, Kind, TrackSpec};
    use crate::id::{TrackId, TransportId};
    use crate::layer::Layer;
    use crate::plane::fixture::{keys, path, plane};
    use crate::plane::sink::Subscriber;
    use crate::plane::{Place, Plane};
    use crate::rtp::extension::ExtensionMap;
    use crate::srtp::Outbound;
    use crate::time::ms;

    const VP8: PayloadType = PayloadType { number: 96, codec: Codec::Vp8, format: 0, clock_rate: 90_000, rtx: None };
    const SSRCS: [u32; 2] = [1_000, 2_000];
    const LOW: EncodingId = EncodingId::first(0);
    const HIGH: EncodingId = EncodingId::first(1);

    /// A plane in which the first participant publishes two encodings.
    struct Call {
        plane: Plane,
        peer: Outbound,
        now: Instant,
        track: usize,
        frames: u16,
    }

    fn spec(ssrcs: &[u32]) -> TrackSpec {
        TrackSpec {
            id: TrackId(100),
            transport: TransportId(1),
            kind: Kind::Video,
            mid: "0".into(),
            payload_types: vec![VP8],
            encodings: ssrcs.iter().map(|&ssrc| EncodingSpec { ssrc: Some(ssrc), ..EncodingSpec::default() }).collect(),
            extensions: ExtensionMap::default(),
            parameter_sets: Vec::new(),
            nack: true,
            pli: true,
            fir: false,
            repairs: Vec::new(),
        }
    }

    impl Call {
        fn new() -> Self {
            let now = Instant::now();
            let (mut plane, _) = plane(now);
            plane.apply(Command::AddTrack(spec(&SSRCS)), now);
            let Some(&Place::Track(track)) = plane.places.get(&100) else { panic!("it was added") };
            Self { plane, peer: Outbound::new(&keys()), now, track, frames: 0 }
        }

        /// Sends a frame of one packet of each of these encodings, and lets timers expire.
        fn frame(&mut self, ssrcs: &[u32], keyframe: bool) {
            self.now += ms(33);
            self.frames += 1;
            let sequence = self.frames;
            for &ssrc in ssrcs {
                let mut packet = vec![0; 200];
                packet[..2].copy_from_slice(&[0x80, VP8.number | 0x80]);
                packet[2..4].copy_from_slice(&sequence.to_be_bytes());
                packet[4..8].copy_from_slice(&(u32::from(sequence) * 3_000).to_be_bytes());
                packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
                // VP8: the start of a partition, then the frame tag (RFC 7741 s4.2, RFC 6386 s9.1).
                packet[12..32].fill(sequence as u8);
                packet[12..14].copy_from_slice(&[0x10, u8::from(!keyframe)]);
                packet[16..19].copy_from_slice(&[0x9D, 0x01, 0x2A]);
                let length = self.peer.protect_rtp(&mut packet, 12, 32, ssrc, u64::from(sequence));
                let result = self.plane.handle_datagram(&mut packet[..length], path(1), self.now, self.now);
                result.expect("it is taken");
            }
            self.plane.handle_timeout(self.now);
        }

        fn tap(&mut self, ladder: &[Layer]) -> usize {
            let key = self.plane.taps.insert(Tap::new(ladder.to_vec()));
            self.plane.subscribe(Subscriber::Tap(key), self.track, self.now);
            key
        }

        /// The encodings and numbers of the frames that a tap has recorded since the last call.
        fn recorded(&mut self, tap: usize) -> Vec<(EncodingId, u16)> {
            let packets = std::mem::take(&mut self.plane.taps[tap].packets);
            packets.into_iter().map(|(encoding, timestamp, _)| (encoding, (timestamp / 3_000) as u16)).collect()
        }

        fn is_asking(&self, encoding: EncodingId) -> bool {
            self.plane.tracks[self.track].track.is_asking(encoding)
        }

        fn datagrams(&mut self) -> usize {
            let (mut batch, mut datagrams) = (Batch::default(), 0);
            while self.plane.poll_transmit(&mut batch, self.now) {
                datagrams += batch.totals().0;
                batch.clear();
            }
            datagrams
        }
    }

    fn of(encoding: EncodingId, frames: impl IntoIterator<Item = u16>) -> Vec<(EncodingId, u16)> {
        frames.into_iter().map(|frame| (encoding, frame)).collect()
    }

    #[test]
    fn a_tap_gets_a_fast_start_and_then_the_packets_of_the_layer_it_asks_for() {
        let mut call = Call::new();
        call.frame(&SSRCS, true);
        (0..4).for_each(|_| call.frame(&SSRCS, false));
        let low = call.tap(&[Layer::new(0, 0)]);
        let high = call.tap(&[Layer::new(1, 0), Layer::new(0, 0)]);
        assert_eq!((call.recorded(low), call.recorded(high)), (of(LOW, 1..=5), of(HIGH, 1..=5)));
        (0..3).for_each(|_| call.frame(&SSRCS, false));
        assert_eq!((call.recorded(low), call.recorded(high)), (of(LOW, 6..=8), of(HIGH, 6..=8)));
        assert_eq!(call.plane.taps[low].restarts, []);
    }

    #[test]
    fn payloads_reach_a_tap_as_they_were_sent() {
        let mut call = Call::new();
        let tap = call.tap(&[Layer::new(0, 0)]);
        call.frame(&SSRCS[..1], true);
        let mut expected = vec![1; 20];
        expected[..2].copy_from_slice(&[0x10, 0]);
        expected[4..7].copy_from_slice(&[0x9D, 0x01, 0x2A]);
        assert_eq!(call.plane.taps[tap].packets, [(LOW, 3_000, expected)]);
    }

    #[test]
    fn the_keyframe_that_a_tap_needs_is_requested_of_the_publisher_and_only_there_a_datagram_leaves() {
        let mut call = Call::new();
        call.frame(&SSRCS, false);
        call.datagrams();
        let tap = call.tap(&[Layer::new(1, 0)]);
        assert!(call.is_asking(HIGH) && !call.is_asking(LOW));
        call.now += ms(1_000);
        call.plane.handle_timeout(call.now);
        let requests = call.plane.stats().keyframe_requests;
        assert!(requests > 0);
        assert_eq!(call.plane.stats().packets_forwarded, 0);
        call.frame(&SSRCS, true);
        assert_eq!(call.recorded(tap), of(HIGH, [2]));
    }

    #[test]
    fn a_tap_that_is_not_ready_gets_nothing_and_requests_nothing() {
        let mut call = Call::new();
        let tap = call.plane.taps.insert(Tap { is_ready: false, ..Tap::new(vec![Layer::new(0, 0)]) });
        call.plane.subscribe(Subscriber::Tap(tap), call.track, call.now);
        call.frame(&SSRCS, true);
        assert!(call.recorded(tap).is_empty() && !call.is_asking(LOW));
        call.plane.taps[tap].is_ready = true;
        call.plane.begin(Subscriber::Tap(tap), call.track, call.now);
        assert_eq!(call.recorded(tap), of(LOW, [1]));
    }

    #[test]
    fn a_tap_learns_that_its_encoding_stopped_and_continues_with_another() {
        let mut call = Call::new();
        let tap = call.tap(&[Layer::new(1, 0), Layer::new(0, 0)]);
        call.frame(&SSRCS, true);
        (0..30).for_each(|_| call.frame(&SSRCS, false));
        let begun = [of(LOW, [1]), of(HIGH, 1..=31)].concat();
        assert_eq!(call.recorded(tap), begun, "the better one as soon as it arrives");
        (0..60).for_each(|_| call.frame(&SSRCS[..1], false));
        // The picture since the last keyframe of the lower encoding.
        let recorded = call.recorded(tap);
        assert_eq!(recorded, of(LOW, 1..=91));
    }

    #[test]
    fn a_muted_track_gives_a_tap_nothing_until_the_mute_ends() {
        let mut call = Call::new();
        let tap = call.tap(&[Layer::new(0, 0)]);
        call.frame(&SSRCS, true);
        call.plane.apply(Command::SetMuted { track: TrackId(100), muted: true }, call.now);
        call.frame(&SSRCS, false);
        assert_eq!(call.recorded(tap), of(LOW, [1]));
        call.plane.apply(Command::SetMuted { track: TrackId(100), muted: false }, call.now);
        call.frame(&SSRCS, false);
        assert_eq!(call.recorded(tap), of(LOW, [2, 3]), "from the cache, then the next one");
    }

    #[test]
    fn a_tap_learns_of_encodings_that_an_update_removes_and_of_streams_that_restart() {
        let mut call = Call::new();
        let tap = call.tap(&[Layer::new(1, 0), Layer::new(0, 0)]);
        call.frame(&SSRCS, true);
        assert_eq!(call.recorded(tap), [of(LOW, [1]), of(HIGH, [1])].concat());
        call.plane.apply(Command::UpdateTrack(spec(&SSRCS[..1])), call.now);
        call.frame(&SSRCS[..1], false);
        assert_eq!(call.recorded(tap), of(LOW, [1, 2]));
        // Another stream takes the place of the first one.
        let encodings = &mut call.plane.tracks[call.track].track.encodings;
        [3_000, SSRCS[0]].into_iter().for_each(|ssrc| encodings[0].bind(ssrc));
        call.frame(&SSRCS[..1], true);
        assert_eq!(call.plane.taps[tap].restarts, [LOW]);
        assert_eq!(call.recorded(tap), of(LOW, [3]));
    }

    #[test]
    fn a_tap_ends_with_its_track_or_when_it_unsubscribes() {
        let mut call = Call::new();
        let [one, other] = [0, 1].map(|layer| call.tap(&[Layer::new(layer, 0)]));
        call.plane.unsubscribe(Subscriber::Tap(one), call.track);
        assert!(!call.plane.taps.contains(one));
        assert_eq!(call.plane.tracks[call.track].subscribers(), [Subscriber::Tap(other)]);
        call.plane.apply(Command::Remove(100), call.now);
        assert!(call.plane.taps.is_empty());
    }

    #[test]
    fn what_another_sink_wants_already_is_not_expected_anew() {
        let mut call = Call::new();
        call.tap(&[Layer::new(1, 0)]);
        call.frame(&SSRCS, true);
        (0..30).for_each(|_| call.frame(&SSRCS, false));
        (0..60).for_each(|_| call.frame(&SSRCS[..1], false));
        let stopped = |call: &Call| call.plane.tracks[call.track].track.lives().stopped;
        assert_eq!(stopped(&call), HIGH.bit());
        // A second sink wants it too: it has not stopped for lack of interest, so that one packet does not revive it.
        call.tap(&[Layer::new(1, 0)]);
        call.frame(&SSRCS, false);
        assert_eq!(stopped(&call), HIGH.bit());
    }
}
