//! One publisher that adapts, one subscriber that behaves like Chromium, and links between them: the scene of a row of
//! the table of networks.

use plane_core::Command;
use plane_core::codec::{Codec, PayloadType};
use plane_core::command::{AudioPolicy, Kind};
use plane_core::id::{RoomId, SlotId, TrackId};
use plane_core::time::{Duration, Instant, ms};

use super::encoder::Encoder;
use super::network::Way;
use super::record::{Figures, Record, percentile, share_of_time};
use super::uplink::Uplink;
use super::viewer::Viewer;
use super::{Call, Link, OPUS, stream};

/// The simulcast of the publisher, together.
const RATE: u64 = 2_540_000;
const RED: PayloadType = PayloadType { number: 108, codec: Codec::Red, ..OPUS };
const SAMPLE: Duration = ms(20);

pub struct Scene {
    pub call: Call,
    pub publisher: usize,
    pub viewer: usize,
    pub camera: TrackId,
    pub video: SlotId,
    pub audio: SlotId,
    /// The estimate of the viewer's link, in bits per second, if there is one.
    pub estimate: fn(&Call, usize) -> Option<f64>,
}

/// What was counted when a measurement began.
struct Before {
    at: Instant,
    octets: u64,
    media: u64,
    torn: u64,
    packets: u64,
    wasted: u64,
    played: u64,
    concealed: u64,
}

impl Scene {
    /// A call in which the publisher has found its rate and the viewer is shown the best encoding. Both links have 25 ms
    /// each way. `redundancy`: earlier packets in each audio packet.
    pub fn new(seed: u64, redundancy: u8) -> Self {
        let mut call = Call::new(seed);
        let (publisher, viewer) = (call.join(), call.join());
        for peer in [publisher, viewer] {
            (call.up[peer], call.down[peer]) = (Link::lossy(ms(25), 0.0), Link::lossy(ms(25), 0.0));
        }
        let camera = call.publish(publisher, Kind::Video, &["q", "h", "f"]);
        let microphone = call.publish(publisher, Kind::Audio, &[]);
        let now = call.now;
        let alice = &mut call.peers[publisher];
        alice.uplink = Some(Uplink::new(RATE, now));
        for (index, source) in alice.sources.iter_mut().filter(|source| source.kind == Kind::Video).enumerate() {
            source.encoder = Some(Encoder::new(seed * 8 + index as u64, 150_000));
        }
        alice.adapt(now);
        let video = call.subscribe(viewer, camera, Kind::Video);
        let audio = call.add_slot_with(viewer, Kind::Audio, |spec| spec.payload_types.push(RED));
        call.subscribe_to(audio, microphone);
        let (room, redundant) = (RoomId(call.id()), if redundancy > 0 { vec![microphone] } else { Vec::new() });
        let policy = AudioPolicy { room, loudest: 0, ranked: vec![], always: vec![], redundancy, redundant };
        call.apply(Command::SetAudio(policy));
        let mut chromium = Viewer::new(seed, now);
        // It only receives, and so has no round trip of its own: kDefaultRtt.
        chromium.watch(stream::ssrc(video), stream::ssrc(video) + 1, ms(100));
        chromium.listen(stream::ssrc(audio), RED.number);
        call.peers[viewer].viewer = Some(chromium);
        call.run(ms(5_000));
        Self { call, publisher, viewer, camera, video, audio, estimate: |_, _| None }
    }

    /// Runs for this time and measures it.
    pub fn measure(&mut self, time: Duration) -> Figures {
        let (before, mut record) = (self.before(), Record::default());
        let end = self.call.now + time;
        while self.call.now < end {
            self.call.run(SAMPLE);
            record.queue.push(self.call.network.queue_delay(Way::Down, self.viewer, self.call.now));
            record.estimate.extend((self.estimate)(&self.call, self.viewer));
        }
        self.figures(&before, &record)
    }

    fn chromium(&self) -> &Viewer {
        self.call.peers[self.viewer].viewer.as_ref().expect("it has one")
    }

    fn before(&self) -> Before {
        let (video, audio) = self.received();
        Before {
            at: self.call.now,
            octets: self.call.network.pipe(Way::Down, self.viewer).counts.octets,
            media: video.octets + audio.octets,
            torn: video.torn,
            packets: video.packets,
            wasted: video.wasted,
            played: audio.played,
            concealed: audio.concealed,
        }
    }

    fn received(&self) -> (&super::viewer::video::Video, &super::viewer::listening::Listening) {
        let chromium = self.chromium();
        (&chromium.videos[&stream::ssrc(self.video)], &chromium.audios[&stream::ssrc(self.audio)])
    }

    fn figures(&self, before: &Before, record: &Record) -> Figures {
        let (after, (video, _), now) = (self.before(), self.received(), self.call.now);
        let share = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
        let (frozen, longest) = video.freezes.since(before.at, now);
        let encodings = self.call.peers[self.publisher].sources.iter().filter(|source| source.kind == Kind::Video);
        let top = encodings.map(|source| source.ssrc).max().expect("it has encodings");
        Figures {
            estimate: percentile(record.estimate.iter().copied(), 0.5),
            queue: percentile(record.queue.iter().map(|delay| delay.as_secs_f64() * 1_000.0), 0.95),
            frozen: frozen.div_duration_f64(now - before.at),
            longest_freeze: longest.as_secs_f64() * 1_000.0,
            torn: (after.torn - before.torn) as f64,
            media: share(after.media - before.media, after.octets - before.octets),
            top: share_of_time(&video.sources, &top, before.at, now),
            wasted: share(after.wasted - before.wasted, after.packets - before.packets),
            concealed: share(after.concealed - before.concealed, after.played - before.played),
        }
    }
}
