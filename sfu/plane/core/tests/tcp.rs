//! Media over TCP connections (RFC 6544): what a slow one loses, and what happens when it ends.

mod sim;

use plane_core::Discard;
use plane_core::command::{DtlsRole, Kind, Path};
use plane_core::id::{LinkId, SlotId};
use plane_core::limits::{ANY_DATAGRAM, LINK_REST};
use plane_core::link::most_unsent;
use plane_core::time::{Duration, Instant, ms};
use sim::Call;
use sim::stream::{contiguous, ssrc, whole};

/// A viewer over TCP, of a camera of 1.5 Mbit/s and a microphone.
struct Room {
    call: Call,
    alice: usize,
    viewer: usize,
    camera: SlotId,
    microphone: SlotId,
    /// Octets that the connection has accepted and not sent, and the octets of the viewer that were counted so far.
    unsent: usize,
    counted: u64,
    most_unsent: usize,
}

impl Room {
    fn new(seed: u64, link: LinkId) -> Self {
        let mut call = Call::new(seed);
        let alice = call.join();
        let (video, audio) = (call.publish(alice, Kind::Video, &[]), call.publish(alice, Kind::Audio, &[]));
        let viewer = call.invite(DtlsRole::Server);
        let path = call.path(viewer);
        call.peers[viewer].path = Path { link, ..path };
        call.connect(viewer);
        let camera = call.subscribe(viewer, video, Kind::Video);
        let microphone = call.subscribe(viewer, audio, Kind::Audio);
        let mut room = Self { call, alice, viewer, camera, microphone, unsent: 0, counted: 0, most_unsent: 0 };
        room.run(ms(2_000), usize::MAX);
        room.most_unsent = 0;
        room
    }

    /// The connection sends this many octets in each of 5 ms. The plane learns of its room as often.
    fn run(&mut self, time: Duration, sends: usize) {
        let end = self.call.now + time;
        while self.call.now < end {
            self.call.run(ms(5));
            let transport = self.call.peers[self.viewer].transport;
            let sent = self.call.plane.counters().find(|(id, _)| *id == transport).map_or(0, |(_, of)| of.bytes_sent);
            self.unsent += (sent - self.counted) as usize;
            self.counted = sent;
            self.most_unsent = self.most_unsent.max(self.unsent);
            self.unsent = self.unsent.saturating_sub(sends);
            let path = self.call.path(self.viewer);
            self.call.plane.handle_link_room(&path, most_unsent().saturating_sub(self.unsent));
        }
    }

    fn packets(&self, slot: SlotId, since: Instant) -> usize {
        self.call.peers[self.viewer].stream(ssrc(slot)).iter().filter(|packet| packet.at >= since).count()
    }

    fn keyframes(&self) -> u32 {
        self.call.peers[self.alice].sources[0].keyframes
    }
}

#[test]
fn a_viewer_over_tcp_gets_what_one_over_udp_gets() {
    for seed in 7..10 {
        let both = [LinkId::UDP, LinkId(3)].map(|link| {
            let mut room = Room::new(seed, link);
            room.run(ms(5_000), usize::MAX);
            assert!(contiguous(&whole(&room.call, room.viewer, room.camera)));
            assert_eq!(room.call.discarded(Discard::LinkFull), 0);
            [room.camera, room.microphone].map(|slot| whole(&room.call, room.viewer, slot))
        });
        assert!(both[0][0].len() > 300 && both[0] == both[1], "seed {seed}");
    }
}

#[test]
fn a_connection_that_takes_nothing_loses_video_and_keeps_audio_and_the_publisher_is_left_in_peace() {
    let mut room = Room::new(7, LinkId(3));
    let (start, keyframes) = (room.call.now, room.keyframes());
    room.run(ms(30_000), 0);
    let video = room.packets(room.camera, start) * 1_000;
    assert!(video <= most_unsent() + ANY_DATAGRAM, "{video} octets of video");
    assert!(room.packets(room.microphone, start) > 1_400, "audio goes on: the socket layer drops what is too much");
    assert_eq!(room.keyframes(), keyframes);
    assert!(room.call.discarded(Discard::LinkFull) > 0);

    let back = room.call.now;
    room.run(ms(3_000), usize::MAX);
    let stream = room.call.peers[room.viewer].stream(ssrc(room.camera));
    let first = stream.iter().find(|packet| packet.at > back).expect("video is back");
    assert_eq!(first.payload[5] & 1, 0, "it begins with a keyframe");
    assert!(first.at - back <= ms(500), "as soon as there is room");
    // A second one, because the viewer still asks for packets that are no longer stored.
    assert!(room.keyframes() <= keyframes + 2);
    assert_eq!(room.call.peers[room.viewer].stream(ssrc(room.microphone)).len(), {
        let audio = whole(&room.call, room.viewer, room.microphone);
        assert!(contiguous(&audio));
        audio.len()
    });
}

#[test]
fn a_connection_that_is_too_slow_carries_pictures_now_and_then_and_audio_always() {
    let mut room = Room::new(7, LinkId(3));
    let (start, keyframes) = (room.call.now, room.keyframes());
    // 400 kbit/s.
    room.run(ms(30_000), 250);
    assert!(contiguous(&whole(&room.call, room.viewer, room.microphone)));
    assert!(room.packets(room.microphone, start) > 1_400);
    assert!(room.packets(room.camera, start) > 300, "{}", room.packets(room.camera, start));
    let rests = (Duration::from_secs(30).as_millis() / LINK_REST.as_millis()) as u32;
    assert!(room.keyframes() - keyframes <= 2 * rests, "{} keyframes", room.keyframes() - keyframes);
    assert!(room.most_unsent <= most_unsent() + 5 * ANY_DATAGRAM, "{} octets unsent", room.most_unsent);
}

#[test]
fn a_connection_that_is_just_fast_enough_loses_nothing() {
    let mut room = Room::new(7, LinkId(3));
    let before = whole(&room.call, room.viewer, room.camera).len();
    room.run(ms(10_000), 3_000);
    assert_eq!(room.call.discarded(Discard::LinkFull), 0);
    let all = whole(&room.call, room.viewer, room.camera);
    assert!(contiguous(&all) && all.len() > before + 600);
    assert!(room.most_unsent <= most_unsent() + 5 * ANY_DATAGRAM);
}

#[test]
fn after_its_end_nothing_is_sent_until_the_peer_comes_by_another_connection() {
    let mut room = Room::new(7, LinkId(3));
    let old = room.call.path(room.viewer);
    assert!(room.call.plane.uses(&old));
    room.call.plane.handle_link_closed(&old);
    assert!(!room.call.plane.uses(&old));
    room.call.peers[room.viewer].checking = false;
    // The same addresses: the port was used again.
    room.call.peers[room.viewer].path = Path { link: LinkId(4), ..old };
    room.call.run(ms(100));
    let ended = room.call.now;
    room.call.run(ms(1_000));
    assert_eq!((room.packets(room.camera, ended), room.call.strayed(old)), (0, (0, 0)));

    room.call.peers[room.viewer].checking = true;
    room.run(ms(3_000), usize::MAX);
    assert!(room.packets(room.camera, ended) > 60 && room.packets(room.microphone, ended) > 60);
    assert_eq!(room.call.strayed(old), (0, 0));
}

#[test]
fn the_room_of_a_connection_that_is_not_selected_changes_nothing() {
    let mut room = Room::new(7, LinkId::UDP);
    let stranger = Path { link: LinkId(9), ..room.call.path(room.viewer) };
    let start = room.call.now;
    room.call.plane.handle_link_room(&stranger, 0);
    room.call.plane.handle_link_closed(&stranger);
    room.run(ms(1_000), usize::MAX);
    assert!(room.packets(room.camera, start) > 60);
}
