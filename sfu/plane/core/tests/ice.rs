//! Connectivity: checks, nomination, changing addresses, changing credentials (RFC 8445).

mod sim;

use plane_core::Discard;
use plane_core::command::{DtlsRole, IceCredentials, Kind, Path};
use plane_core::event::TransportState;
use plane_core::time::ms;
use sim::stream::{contiguous, ssrc, whole};
use sim::{Call, Link};

fn moved(path: Path, port: u16) -> Path {
    Path { remote: ([203, 0, 113, 7], port).into(), ..path }
}

fn new_credentials(call: &Call, peer: usize) -> IceCredentials {
    IceCredentials {
        local_ufrag: "again".into(),
        local_pwd: "another-password-of-the-server".into(),
        ..call.peers[peer].ice()
    }
}

/// Switches the peer to the new credentials.
fn use_new_credentials(call: &mut Call, peer: usize) {
    call.peers[peer].server_ufrag = "again".into();
    call.peers[peer].server_pwd = "another-password-of-the-server".into();
}

#[test]
fn a_participant_connects_whichever_end_begins_the_handshake() {
    for role in [DtlsRole::Server, DtlsRole::Client] {
        let mut call = Call::new(1);
        let alice = call.invite(role);
        let bob = call.join();
        call.connect(alice);
        let camera = call.publish(alice, Kind::Video, &[]);
        let slot = call.subscribe(bob, camera, Kind::Video);
        call.run(ms(500));
        assert!(whole(&call, bob, slot).len() > 30, "{role:?}");
    }
}

#[test]
fn ipv6_carries_everything() {
    let mut call = Call::new(2);
    let (alice, bob) = (call.invite(DtlsRole::Server), call.join());
    call.peers[alice].path = Path::udp(
        "[2001:db8::1]:7882".parse().expect("an address"),
        "[2001:db8::2:1]:50000".parse().expect("an address"),
    );
    call.connect(alice);
    let (up, down) = (call.publish(alice, Kind::Video, &[]), call.publish(bob, Kind::Video, &[]));
    let (to_bob, to_alice) = (call.subscribe(bob, up, Kind::Video), call.subscribe(alice, down, Kind::Video));
    call.run(ms(500));
    assert!(whole(&call, bob, to_bob).len() > 30);
    assert!(whole(&call, alice, to_alice).len() > 30);
}

#[test]
fn a_check_from_an_address_nobody_named_is_answered_over_the_same_pair_of_addresses() {
    let mut call = Call::new(3);
    let alice = call.invite(DtlsRole::Server);
    let other = Path::udp(([192, 0, 2, 99], 7_882).into(), ([203, 0, 113, 7], 1_234).into());
    let check = call.peers[alice].check(false);
    call.peers[alice].path = other;
    let sent = call.plane.stats().packets_sent;
    assert_eq!(call.inject(other, check), Ok(()));
    assert!(call.plane.stats().packets_sent > sent);
    // The simulated network delivers only what is addressed to this pair of addresses.
    call.connect(alice);
}

#[test]
fn dtls_and_media_are_heard_only_from_addresses_that_a_check_has_validated() {
    let mut call = Call::new(4);
    let alice = call.invite(DtlsRole::Server);
    let hello = call.peers[alice].dtls.poll_transmit().expect("a client speaks first");
    let path = call.path(alice);
    assert_eq!(call.inject(path, hello), Err(Discard::UnknownAddress));
    call.connect(alice);
    let elsewhere = moved(path, 9);
    for first in [22, 0x80] {
        let mut datagram = vec![first; 40];
        datagram[1] = 100;
        assert_eq!(call.inject(elsewhere, datagram), Err(Discard::UnknownAddress));
    }
    assert_eq!(call.discarded(Discard::UnknownAddress), 3);
}

#[test]
fn wrong_checks_get_no_answer_and_are_counted_by_what_is_wrong() {
    let mut call = Call::new(5);
    let alice = call.invite(DtlsRole::Server);
    let path = call.path(alice);
    let peer = &call.peers[alice];
    let wrong_password = peer.check_as(true, 1, "not-the-password-of-the-server");
    let mut bad_fingerprint = peer.check(true);
    *bad_fingerprint.last_mut().expect("a check has octets") ^= 1;
    let mut stranger = Call::new(5);
    stranger.invite(DtlsRole::Server);
    let nobody = stranger.invite(DtlsRole::Server);
    let unknown = stranger.peers[nobody].check(true);

    for (datagram, why) in [
        (wrong_password, Discard::StunIntegrity),
        (bad_fingerprint, Discard::StunFingerprint),
        (unknown, Discard::StunUnknownUser),
    ] {
        assert_eq!(call.inject(path, datagram), Err(why));
        assert_eq!(call.discarded(why), 1);
    }
    assert_eq!(call.plane.stats().packets_sent, 0);
}

#[test]
fn with_regular_nomination_media_waits_for_the_pair_and_nothing_turns_in_place() {
    let mut call = Call::new(6);
    let (alice, bob) = (call.join(), call.invite(DtlsRole::Server));
    let camera = call.publish(alice, Kind::Video, &[]);
    call.peers[bob].nominates = false;
    call.peers[bob].checking = true;
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(2_000));
    assert!(call.has_connected(bob));
    assert!(call.peers[bob].received.is_empty(), "no pair is nominated");

    call.peers[bob].nominates = true;
    call.run(ms(3_000));
    let packets = whole(&call, bob, slot);
    assert!(packets.len() > 30, "{} packets", packets.len());
    assert!(contiguous(&packets));
    let first = call.peers[bob].stream(ssrc(slot))[0];
    assert_eq!(first.payload[5] & 1, 0, "it begins with a keyframe");
}

#[test]
fn media_follows_the_nominated_pair_to_another_address() {
    let mut call = Call::new(7);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(1_000));
    for peer in [alice, bob] {
        call.peers[peer].path = moved(call.path(peer), 60_000 + peer as u16);
        let (check, path) = (call.peers[peer].check(true), call.path(peer));
        // The old pair was nominated within the last two seconds: a better one takes its place at once.
        let better = call.peers[peer].check_as(true, 2_000, &call.peers[peer].server_pwd);
        assert_eq!(call.inject(path, check), Ok(()));
        assert_eq!(call.inject(path, better), Ok(()));
    }
    let before = call.peers[bob].received.len();
    call.run(ms(1_000));
    assert!(call.peers[bob].received.len() > before + 80, "{} packets", call.peers[bob].received.len() - before);
    assert!(contiguous(&whole(&call, bob, slot)));
    assert_eq!(call.states(call.peers[bob].transport), [TransportState::Connected], "it never left");
}

#[test]
fn an_address_that_vanished_is_left_for_a_worse_one() {
    let mut call = Call::new(8);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    call.subscribe(bob, camera, Kind::Video);
    call.run(ms(1_000));
    // Another network, without signalling: checks continue from there, with the same priority.
    call.peers[bob].path = moved(call.path(bob), 61_000);
    call.peers[bob].check_interval = ms(500);
    call.run(ms(6_000));
    let before = call.peers[bob].received.len();
    call.run(ms(1_000));
    assert!(call.peers[bob].received.len() > before + 80);
}

#[test]
fn an_ice_restart_keeps_the_old_pair_until_the_new_one_is_nominated() {
    let mut call = Call::new(9);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(500));
    let old = call.path(bob);
    let ice = new_credentials(&call, bob);
    call.restart_ice(bob, ice);

    // The old credentials still hold, and media flows.
    let old_check = call.peers[bob].check(true);
    assert_eq!(call.inject(old, old_check.clone()), Ok(()));
    call.peers[bob].checking = false;
    let before = call.peers[bob].received.len();
    call.run(ms(1_000));
    assert!(call.peers[bob].received.len() > before + 80);

    // A check with the new ones does not move media before it nominates.
    use_new_credentials(&mut call, bob);
    let new = moved(old, 62_000);
    let probe = call.peers[bob].check(false);
    assert_eq!(call.inject(new, probe), Ok(()));
    let before = call.peers[bob].received.len();
    call.run(ms(1_000));
    assert!(call.peers[bob].received.len() > before + 80, "the old pair is in use");

    let nomination = call.peers[bob].check(true);
    assert_eq!(call.inject(new, nomination), Ok(()));
    call.peers[bob].path = new;
    call.run(ms(1_000));
    let packets = whole(&call, bob, slot);
    assert!(contiguous(&packets));
    assert!(packets.len() > 300, "{} packets", packets.len());
    assert_eq!(call.inject(old, old_check), Err(Discard::StunUnknownUser), "the old credentials are gone");
}

#[test]
fn a_restart_that_never_happens_changes_nothing() {
    let mut call = Call::new(10);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    let slot = call.subscribe(bob, camera, Kind::Video);
    let ice = new_credentials(&call, bob);
    call.restart_ice(bob, ice);
    call.run(ms(30_000));
    assert!(contiguous(&whole(&call, bob, slot)));
    assert_eq!(call.states(call.peers[bob].transport), [TransportState::Connected]);
}

#[test]
fn of_many_restarts_that_never_happen_nothing_piles_up() {
    let mut call = Call::new(11);
    let bob = call.join();
    let before = call.plane.indexes();
    for number in 0..50 {
        let local_ufrag = format!("again{number}");
        let ice = IceCredentials { local_ufrag, ..new_credentials(&call, bob) };
        call.restart_ice(bob, ice);
    }
    assert_eq!(call.plane.indexes(), before + 1, "the credentials in use, and the last ones offered");
}

#[test]
fn checks_that_get_lost_only_cost_time() {
    for seed in 0..10 {
        let mut call = Call::new(seed);
        let alice = call.invite(DtlsRole::Server);
        call.up[alice] = Link::lossy(ms(30), 0.3);
        call.down[alice] = Link::lossy(ms(30), 0.3);
        call.connect(alice);
    }
}
