//! One publisher that adapts, one subscriber that behaves like Chromium, and links between them: the scene of a row of
//! the table of networks.

use plane_core::codec::{Codec, PayloadType};
use plane_core::command::{AudioPolicy, Command, DtlsRole, Kind};
use plane_core::event::Event;
use plane_core::id::{RoomId, SlotId, TrackId};
use plane_core::layer::Layer;
use plane_core::time::{Duration, Instant, ms};

use super::course::{Beside, Course};
use super::encoder::Encoder;
use super::network::{FlowId, SharedId, Way};
use super::record::{Figures, Record, Sample, percentile, share_of_time};
use super::tcp::SEGMENT;
use super::uplink::Uplink;
use super::viewer::Viewer;
use super::viewer::listening::Listening;
use super::viewer::video::Video;
use super::{Call, Link, OPUS, stream};

/// The simulcast of the publisher, together.
const RATE: u64 = 2_540_000;
const RED: PayloadType = PayloadType { number: 108, codec: Codec::Red, ..OPUS };
const SAMPLE: Duration = ms(20);
/// A queue below this has drained.
const DRAINED: Duration = ms(100);
/// The layers that Python asks for, best first. Nothing but a start budget lowers them yet.
const LADDER: [Layer; 3] = [Layer::new(2, 3), Layer::new(1, 3), Layer::new(0, 3)];

pub struct Scene {
    pub call: Call,
    pub publisher: usize,
    pub viewer: usize,
    pub video: SlotId,
    pub audio: SlotId,
    camera: Option<TrackId>,
    microphone: TrackId,
    redundancy: u8,
    /// A link before the viewer's own one, and who shares it: another viewer, or a flow.
    shared: Option<SharedId>,
    neighbour: Option<usize>,
    flow: Option<FlowId>,
    /// The estimate of the viewer's link, in bits per second, if there is one.
    pub estimate: fn(&Call, usize) -> Option<f64>,
}

/// What was counted at one time.
#[derive(Clone, Copy, Default)]
struct Counted {
    octets: u64,
    media: u64,
    torn: u64,
    packets: u64,
    wasted: u64,
    played: u64,
    concealed: u64,
    datagrams: u64,
    dropped: u64,
    received: u64,
    of_others: u64,
    asked: u64,
    published: u64,
}

impl Scene {
    /// A call in which the publisher has found its rate and the viewer is shown the best encoding. Both links have 25 ms
    /// each way. `redundancy`: earlier packets in each audio packet.
    pub fn new(seed: u64, redundancy: u8) -> Self {
        let far = Link::lossy(ms(25), 0.0);
        let mut scene = Self::before_join(seed, redundancy);
        scene.publish_simulcast(seed);
        scene.join(seed, (far, far), None);
        scene.call.run(ms(5_000));
        scene
    }

    /// A call whose viewer waits before its links. The publisher has a microphone.
    pub fn before_join(seed: u64, redundancy: u8) -> Self {
        let mut call = Call::new(seed);
        let publisher = call.join();
        (call.up[publisher], call.down[publisher]) = (Link::lossy(ms(25), 0.0), Link::lossy(ms(25), 0.0));
        let microphone = call.publish(publisher, Kind::Audio, &[]);
        let viewer = call.invite(DtlsRole::Server);
        let none = SlotId(0);
        Self {
            call,
            publisher,
            viewer,
            video: none,
            audio: none,
            camera: None,
            microphone,
            redundancy,
            shared: None,
            neighbour: None,
            flow: None,
            estimate: last_estimate,
        }
    }

    /// Publishes a camera in three encodings that adapt.
    pub fn publish_simulcast(&mut self, seed: u64) {
        self.camera = Some(self.call.publish(self.publisher, Kind::Video, &["q", "h", "f"]));
        let now = self.call.now;
        let alice = &mut self.call.peers[self.publisher];
        alice.uplink = Some(Uplink::new(RATE, now));
        for (index, source) in alice.sources.iter_mut().filter(|source| source.kind == Kind::Video).enumerate() {
            source.encoder = Some(Encoder::new(seed * 8 + index as u64, 150_000));
        }
        alice.adapt(now);
    }

    /// Publishes a camera in one encoding of this rate.
    pub fn publish_camera(&mut self, seed: u64, rate: u64) {
        self.camera = Some(self.call.publish(self.publisher, Kind::Video, &[]));
        let sources = self.call.peers[self.publisher].sources.iter_mut();
        for source in sources.filter(|source| source.kind == Kind::Video) {
            source.encoder = Some(Encoder::new(seed * 8, rate));
        }
    }

    /// The viewer connects over these links, up and down, and is shown what there is. With a shared link it is behind it.
    pub fn join(&mut self, seed: u64, (up, down): (Link, Link), shared: Option<(Link, Beside)>) {
        self.shared = shared.map(|(link, _)| self.call.network.add_shared(link));
        (self.video, self.audio) = self.connect(self.viewer, seed, (up, down));
        match shared {
            Some((_, Beside::Viewer)) => {
                let neighbour = self.call.invite(DtlsRole::Server);
                self.connect(neighbour, seed + 1_000, (up, down));
                self.neighbour = Some(neighbour);
            }
            Some((link, Beside::Cubic)) => {
                let (shared, now) = (self.shared.expect("it was just made"), self.call.now);
                self.flow = Some(self.call.network.add_flow(shared, link.delay, now));
            }
            None => {}
        }
    }

    fn connect(&mut self, viewer: usize, seed: u64, links: (Link, Link)) -> (SlotId, SlotId) {
        let call = &mut self.call;
        (call.up[viewer], call.down[viewer]) = links;
        if let Some(shared) = self.shared {
            call.network.share(Way::Down, viewer, shared);
        }
        let mut chromium = Viewer::new(seed, call.now);
        let video = call.add_slot(viewer, Kind::Video);
        let audio = call.add_slot_with(viewer, Kind::Audio, |spec| spec.payload_types.push(RED));
        // It only receives, and so has no round trip of its own: kDefaultRtt.
        chromium.watch(stream::ssrc(video), stream::ssrc(video) + 1, ms(100));
        chromium.listen(stream::ssrc(audio), RED.number);
        call.peers[viewer].viewer = Some(chromium);
        call.connect(viewer);
        if let Some(camera) = self.camera {
            call.show(video, Some(camera), &LADDER);
            call.subscribe_to(audio, self.microphone);
        }
        let (room, redundant) = (RoomId(call.id()), if self.redundancy > 0 { vec![self.microphone] } else { vec![] });
        let policy =
            AudioPolicy { room, loudest: 0, ranked: vec![], always: vec![], redundancy: self.redundancy, redundant };
        call.apply(Command::SetAudio(policy));
        (video, audio)
    }

    /// Runs for this time and measures it.
    pub fn measure(&mut self, time: Duration) -> Figures {
        self.follow(&Course { time, ..Course::default() })
    }

    /// Changes the network as the course says, and measures.
    pub fn follow(&mut self, course: &Course) -> Figures {
        let (began, before, mut settled) = (self.call.now, self.counted(), None);
        let (mut record, mut changes) = (Record::default(), course.changes.iter().peekable());
        while self.call.now < began + course.time {
            let elapsed = self.call.now - began;
            while let Some((_, change)) = changes.next_if(|(at, _)| *at <= elapsed) {
                change.apply(&mut self.call, self.publisher, self.viewer);
            }
            if elapsed >= course.settled {
                settled.get_or_insert_with(|| self.counted());
            }
            self.call.run(SAMPLE);
            record.samples.push(Sample {
                at: self.call.now - began,
                queue: self.call.network.queue_delay(Way::Down, self.viewer, self.call.now),
                estimate: (self.estimate)(&self.call, self.viewer),
                shown: self.received().0.freezes.shown,
            });
        }
        self.figures(course, began, (before, settled.unwrap_or_default()), &record)
    }

    fn chromium(&self) -> &Viewer {
        self.call.peers[self.viewer].viewer.as_ref().expect("it has one")
    }

    fn received(&self) -> (&Video, &Listening) {
        let chromium = self.chromium();
        (&chromium.videos[&stream::ssrc(self.video)], &chromium.audios[&stream::ssrc(self.audio)])
    }

    fn counted(&self) -> Counted {
        let (video, audio) = self.received();
        let carried = |peer| self.call.network.pipe(Way::Down, peer).counts.carried;
        let counts = self.call.network.pipe(Way::Down, self.viewer).counts;
        let shared = self.shared.map(|shared| self.call.network.shared_pipe(shared).counts).unwrap_or_default();
        let publisher = &self.call.peers[self.publisher];
        let flow = self.flow.map_or(0, |flow| self.call.network.flow(flow).receiver.received * SEGMENT as u64);
        Counted {
            octets: counts.octets,
            media: video.octets + audio.octets,
            torn: video.torn,
            packets: video.packets,
            wasted: video.wasted,
            played: audio.played,
            concealed: audio.concealed,
            datagrams: counts.datagrams + shared.datagrams,
            dropped: counts.policed + counts.queue_full + shared.policed + shared.queue_full,
            received: carried(self.viewer),
            of_others: self.neighbour.map_or(0, carried) + flow,
            asked: publisher.nacks.iter().map(|nack| nack.1.len() as u64).sum(),
            published: publisher.sources.iter().map(|source| u64::from(source.sent)).sum(),
        }
    }

    fn too_large(&self) -> u64 {
        let ends = [self.publisher, self.viewer].into_iter().flat_map(|peer| [(Way::Up, peer), (Way::Down, peer)]);
        ends.map(|(way, peer)| self.call.network.pipe(way, peer).counts.too_large).sum()
    }

    fn figures(&self, course: &Course, began: Instant, counted: (Counted, Counted), record: &Record) -> Figures {
        let ((before, settled), after) = (counted, self.counted());
        let ((video, _), now) = (self.received(), self.call.now);
        let share = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
        let of = |count: fn(&Counted) -> u64, whole: fn(&Counted) -> u64, since: &Counted| {
            share(count(&after) - count(since), whole(&after) - whole(since))
        };
        let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
        let (frozen, longest) = video.freezes.since(began, now);
        let encodings = self.call.peers[self.publisher].sources.iter().filter(|source| source.kind == Kind::Video);
        let top = encodings.map(|source| source.ssrc).max().unwrap_or(0);
        let (mark, samples) = (course.mark(), &record.samples);
        let shown = samples.iter().rev().find(|sample| sample.at <= mark).map_or(0, |sample| sample.shown);
        let since_top = video.sources.last().filter(|last| last.1 == top).map(|last| last.0);
        let all = (after.received - before.received, after.of_others - before.of_others);
        Figures {
            estimate: percentile(
                samples.iter().filter(|s| s.at >= course.settled).filter_map(|sample| sample.estimate),
                0.5,
            ),
            above: millis(record.longest(|sample| sample.estimate.is_some_and(|rate| rate > 1.25 * course.capacity))),
            risen: millis(record.until(mark, |sample| sample.estimate.is_some_and(|rate| rate >= course.level))),
            queue: percentile(
                samples.iter().filter(|s| s.at >= course.queue_from).map(|sample| millis(sample.queue)),
                0.95,
            ),
            drained: millis(record.last(mark, |sample| sample.queue >= DRAINED)),
            frozen: frozen.div_duration_f64(now - began),
            longest_freeze: millis(longest),
            resumed: millis(record.until(mark, |sample| sample.shown > shown)),
            torn: (after.torn - before.torn) as f64,
            media: of(|c| c.media, |c| c.octets, &before),
            top: share_of_time(&video.sources, &top, began, now),
            top_after: since_top.map_or(millis(course.time), |at| millis(at.saturating_duration_since(began + mark))),
            wasted: of(|c| c.wasted, |c| c.packets, &before),
            asked: of(|c| c.asked, |c| c.published, &before),
            concealed: of(|c| c.concealed, |c| c.played, &before),
            dropped: of(|c| c.dropped, |c| c.datagrams, &settled),
            too_large: self.too_large() as f64,
            share: share(all.0, all.0 + all.1),
        }
    }
}

/// The last estimate that the plane reported.
fn last_estimate(call: &Call, viewer: usize) -> Option<f64> {
    let transport = call.peers[viewer].transport;
    call.events.iter().rev().find_map(|event| match event {
        Event::Estimate { transport: of, network } if *of == transport => Some(network.estimate as f64),
        _ => None,
    })
}
