//! Handshakes of participants: loss, wrong certificates, fragments, close_notify (RFC 5764, 6347, 9147).

mod sim;

use std::sync::Arc;

use plane_core::command::{DtlsRole, Kind};
use plane_core::dtls::Identity;
use plane_core::event::TransportState;
use plane_core::time::ms;
use plane_core::{Discard, Event};
use sim::peer::fingerprint;
use sim::stream::whole;
use sim::{Call, Link};

fn reason(call: &Call, peer: usize) -> Option<&'static str> {
    call.events.iter().rev().find_map(|event| match event {
        Event::TransportState { transport, reason, .. } if *transport == call.peers[peer].transport => Some(*reason),
        _ => None,
    })
}

#[test]
fn a_wrong_fingerprint_fails_the_transport_and_installs_no_key() {
    for role in [DtlsRole::Server, DtlsRole::Client] {
        let mut call = Call::new(1);
        let bob = call.join();
        let somebody_else = Identity::generate().expect("a certificate can be made");
        let mallory = call.invite_with(role, |spec| spec.fingerprints = vec![fingerprint(&somebody_else)]);
        let track = call.publish(mallory, Kind::Video, &[]);
        let slot = call.subscribe(bob, track, Kind::Video);
        call.peers[mallory].checking = true;
        call.run(ms(3_000));

        assert_eq!(call.states(call.peers[mallory].transport), [TransportState::Failed], "{role:?}");
        assert_eq!(reason(&call, mallory), Some("the certificate does not match the fingerprint"));
        let path = call.path(mallory);
        let mut media = vec![0x80; 60];
        media[1] = 96;
        assert_eq!(call.inject(path, media), Err(Discard::SrtpNoKeys));
        let hello = vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(call.inject(path, hello), Err(Discard::DtlsClosed));
        assert!(whole(&call, bob, slot).is_empty());
        assert!(call.has_connected(bob));
    }
}

#[test]
fn a_server_that_the_peer_does_not_trust_learns_it() {
    let mut call = Call::new(2);
    let alice = call.invite(DtlsRole::Server);
    let somebody_else = Arc::new(Identity::generate().expect("a certificate can be made"));
    let now = call.now;
    call.peers[alice].expect(&somebody_else, now);
    call.peers[alice].checking = true;
    call.run(ms(3_000));
    assert!(call.peers[alice].failed);
    assert_eq!(call.states(call.peers[alice].transport), [TransportState::Failed]);
}

#[test]
fn handshakes_survive_what_networks_do_to_them() {
    // At 40 % each way, one of 200 needs longer than 15 s.
    let networks = [(0.1, ms(15_000)), (0.25, ms(15_000)), (0.4, ms(30_000))];
    for (seed, (loss, longest)) in (0..24).map(|seed| (seed, networks[seed as usize % 3])) {
        for role in [DtlsRole::Server, DtlsRole::Client] {
            let mut call = Call::new(seed);
            let alice = call.invite(role);
            let link = Link { delay: ms(40), loss, jitter: ms(60), ..Link::default() };
            (call.up[alice], call.down[alice]) = (link, link);
            call.peers[alice].checking = true;
            let began = call.now;
            while !(call.has_connected(alice) && call.peers[alice].is_connected()) {
                call.run(ms(100));
                assert!(call.now - began < longest, "seed {seed}, loss {loss}, {role:?}: {:?}", call.events);
            }
        }
    }
}

/// Splits a ClientHello into two datagrams (RFC 6347 s4.2.3), as browsers must do with post-quantum key shares.
fn in_two(hello: &[u8]) -> [Vec<u8>; 2] {
    const RECORD: usize = 13;
    const MESSAGE: usize = 12;
    let (record, rest) = hello.split_at(RECORD);
    let (message, body) = rest.split_at(MESSAGE);
    let half = body.len() / 2;
    [(0, &body[..half]), (half, &body[half..])].map(|(offset, part)| {
        let mut datagram = record[..11].to_vec();
        datagram[10] += u8::from(offset > 0);
        datagram.extend(((part.len() + MESSAGE) as u16).to_be_bytes());
        datagram.extend(&message[..6]);
        datagram.extend(&(offset as u32).to_be_bytes()[1..]);
        datagram.extend(&(part.len() as u32).to_be_bytes()[1..]);
        datagram.extend(part);
        datagram
    })
}

#[test]
fn a_client_hello_in_two_datagrams_is_put_together_in_either_order() {
    for swapped in [false, true] {
        let mut call = Call::new(3);
        let alice = call.invite(DtlsRole::Server);
        let (path, check) = (call.path(alice), call.peers[alice].check(true));
        assert_eq!(call.inject(path, check), Ok(()));
        let hello = call.peers[alice].dtls.poll_transmit().expect("a client speaks first");
        assert_eq!(call.peers[alice].dtls.poll_transmit(), None);
        let mut parts = in_two(&hello);
        if swapped {
            parts.reverse();
        }
        let sent = call.plane.stats().packets_sent;
        for (index, part) in parts.into_iter().enumerate() {
            assert_eq!(call.inject(path, part), Ok(()));
            let answered = call.plane.stats().packets_sent > sent;
            assert_eq!(answered, index == 1, "the answer to all of it");
        }
        call.connect(alice);
    }
}

#[test]
fn close_notify_closes_the_transport_for_good() {
    let mut call = Call::new(4);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    call.subscribe(bob, camera, Kind::Video);
    call.run(ms(300));
    let now = call.now;
    call.peers[bob].dtls.close();
    call.peers[bob].pump(now);
    call.run(ms(100));
    let transport = call.peers[bob].transport;
    assert_eq!(call.states(transport), [TransportState::Connected, TransportState::Closed]);
    let quiet = call.plane.stats().packets_forwarded;
    call.run(ms(5_000));
    assert_eq!(call.plane.stats().packets_forwarded, quiet, "its checks bring nothing back");
    assert_eq!(call.states(transport).len(), 2);
    assert_eq!(call.plane.stats().transports, 2, "removing it is for whoever added it");
}

#[test]
fn garbage_does_not_end_an_association() {
    let mut call = Call::new(5);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    let slot = call.subscribe(bob, camera, Kind::Video);
    let path = call.path(bob);
    for kind in 20..64 {
        for length in [1, 13, 14, 60, 300] {
            let datagram: Vec<u8> =
                (0..length).map(|at| if at == 0 { kind } else { (call.chance() * 256.0) as u8 }).collect();
            let _ = call.inject(path, datagram);
            // As long as it says, for the right version: the library looks further.
            let mut record = vec![kind, 254, 253, 0, 1, 0, 0, 0, 0, 0, 9, (length >> 8) as u8, length as u8];
            record.extend((0..length).map(|_| (call.chance() * 256.0) as u8));
            let _ = call.inject(path, record);
        }
    }
    call.run(ms(1_000));
    assert_eq!(call.states(call.peers[bob].transport), [TransportState::Connected]);
    assert!(whole(&call, bob, slot).len() > 80);
}
