//! Five hundred participants join and leave in every way during a call: nothing of them remains.

mod sim;

use plane_core::Command;
use plane_core::command::{DtlsRole, Kind};
use plane_core::dtls::Identity;
use plane_core::event::TransportState;
use plane_core::id::{SlotId, TrackId};
use plane_core::time::ms;
use sim::peer::fingerprint;
use sim::stream::{contiguous, ssrc, whole};
use sim::{Call, Link};

#[derive(Clone, Copy, Debug)]
enum Ending {
    /// Removed during its call.
    Kicked,
    /// It sent close_notify and was then removed.
    Left,
    /// Killed: it went silent, was reported as disconnected, and removed when nobody resumed.
    Silent,
    /// Its network is cut in both directions.
    Cut,
    WrongFingerprint,
    /// It sends one check and nothing more.
    HalfAnIceCheck,
    /// Its tracks and slots are removed first, one by one.
    PieceByPiece,
}

const ENDINGS: [Ending; 7] = [
    Ending::Kicked,
    Ending::Left,
    Ending::Silent,
    Ending::Cut,
    Ending::WrongFingerprint,
    Ending::HalfAnIceCheck,
    Ending::PieceByPiece,
];

fn arenas(call: &Call) -> [u64; 4] {
    let stats = call.plane.stats();
    [stats.transports, stats.tracks, stats.slots, stats.channels]
}

fn remove_transport(call: &mut Call, peer: usize) {
    let id = call.peers[peer].transport.0;
    call.apply(Command::Remove(id));
}

/// Joins, with a camera and a slot, and ends that way.
fn come_and_go(call: &mut Call, ending: Ending, room: (usize, TrackId, SlotId)) {
    let stranger = Identity::generate().expect("a certificate can be made");
    let peer = call.invite_with(DtlsRole::Server, |spec| {
        if matches!(ending, Ending::WrongFingerprint) {
            spec.fingerprints = vec![fingerprint(&stranger)];
        }
    });
    let (_, camera, stage) = room;
    let own = call.publish(peer, Kind::Video, &["q", "h"]);
    let slot = call.subscribe(peer, camera, Kind::Video);
    call.open_sctp(peer);
    let fails = matches!(ending, Ending::WrongFingerprint | Ending::HalfAnIceCheck);
    if fails {
        let (path, check) = (call.path(peer), call.peers[peer].check(true));
        assert_eq!(call.inject(path, check), Ok(()));
        call.peers[peer].checking = matches!(ending, Ending::WrongFingerprint);
        call.run(ms(300));
    } else {
        call.connect(peer);
        // Its picture is put on a stage that others watch.
        call.subscribe_to(stage, own);
        call.run(ms(200));
        assert!(!call.peers[peer].received.is_empty());
    }
    let transport = call.peers[peer].transport;
    match ending {
        Ending::Kicked | Ending::WrongFingerprint | Ending::HalfAnIceCheck => {}
        Ending::Left => {
            let now = call.now;
            call.peers[peer].dtls.close();
            call.peers[peer].pump(now);
            call.run(ms(50));
            assert_eq!(call.states(transport).last(), Some(&TransportState::Closed));
        }
        Ending::Silent => {
            call.peers[peer].alive = false;
            call.run(ms(6_000));
            assert_eq!(call.states(transport).last(), Some(&TransportState::Disconnected));
        }
        Ending::Cut => {
            call.up[peer] = Link::lossy(ms(5), 1.0);
            call.down[peer] = Link::lossy(ms(5), 1.0);
            call.run(ms(500));
        }
        Ending::PieceByPiece => {
            for id in [slot.0, own.0] {
                call.apply(Command::Remove(id));
                call.run(ms(20));
            }
        }
    }
    remove_transport(call, peer);
    call.peers[peer].alive = false;
    call.peers[peer].received = Vec::new();
}

#[test]
fn five_hundred_joins_that_end_in_seven_ways_leave_nothing_behind() {
    let mut call = Call::new(1);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    let watched = call.subscribe(bob, camera, Kind::Video);
    let stage = call.add_slot(bob, Kind::Video);
    call.show(stage, None, &[plane_core::layer::Layer::new(1, 3), plane_core::layer::Layer::new(0, 3)]);
    call.run(ms(500));
    let before = arenas(&call);
    for index in 0..500 {
        come_and_go(&mut call, ENDINGS[index % ENDINGS.len()], (bob, camera, stage));
        assert_eq!(arenas(&call), before, "after the {index}th, {:?}", ENDINGS[index % ENDINGS.len()]);
    }
    call.run(ms(500));
    assert!(contiguous(&whole(&call, bob, stage)), "the stage went on through all of it");
    // In the order they came: there are more than the numbers go round.
    let numbers: Vec<u16> = call.peers[bob].stream(ssrc(watched)).iter().map(|packet| packet.sequence).collect();
    assert!(numbers.len() > 50_000);
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)));
    for peer in [alice, bob] {
        remove_transport(&mut call, peer);
    }
    assert_eq!(arenas(&call), [0; 4]);
    assert_eq!(call.plane.indexes(), 0, "paths, names, groups and wishes to send");
    call.run(ms(60_000));
    let sent = call.plane.stats().packets_sent;
    call.run(ms(60_000));
    assert_eq!(call.plane.stats().packets_sent, sent, "nobody is left to send to");
    assert_eq!(call.plane.poll_timeout(), None, "nor anything to do");
}

#[test]
fn commands_about_what_is_gone_do_nothing() {
    let mut call = Call::new(2);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(300));
    remove_transport(&mut call, alice);
    remove_transport(&mut call, bob);
    call.show(slot, Some(camera), &[]);
    call.subscribe_to(slot, camera);
    call.apply(Command::RequestKeyframe(camera));
    call.apply(Command::Remove(slot.0));
    call.apply(Command::Remove(9_999));
    let ice = call.peers[alice].ice();
    call.restart_ice(alice, ice);
    assert_eq!((arenas(&call), call.plane.indexes()), ([0; 4], 0));
}
