//! Tests of an association: hostile datagrams, its end, and its queues.

use super::*;

#[test]
fn garbage_never_kills_an_established_session() {
    for version in VERSIONS {
        let identities = limited_to(version);
        let mut call = Call::between(&identities, CLEAN, 1);
        call.connect();
        call.run(ms(3_000), |_| false);
        let captured: Vec<Vec<u8>> = call.sent.iter().flatten().cloned().collect();
        let mut random = Random(7);
        for round in 0..20_000 {
            let mut datagram = match round % 4 {
                // Noise behind a first byte of DTLS.
                0 => (0..random.next() % 200).map(|_| random.next() as u8).collect(),
                // Sent datagrams: repeated, with a flipped bit, truncated.
                kind => {
                    let mut datagram = captured[random.next() as usize % captured.len()].clone();
                    let at = random.next() as usize % datagram.len();
                    match kind {
                        1 => datagram[at] ^= 1 << (random.next() % 8),
                        2 => datagram.truncate(at),
                        _ => {}
                    }
                    datagram
                }
            };
            if round % 4 == 0 && !datagram.is_empty() {
                datagram[0] = 20 + (random.next() % 44) as u8;
            }
            for end in [CLIENT, SERVER] {
                let expected = if datagram.is_empty() { Err(Discard::Truncated) } else { Ok(()) };
                assert_eq!(call.ends[end].handle_datagram(&datagram, call.now), expected, "{version:?}: {datagram:x?}");
            }
        }
        for end in &mut call.ends {
            while end.poll_transmit().is_some() {}
        }
        call.ends[CLIENT].send(b"still here");
        call.ends[SERVER].send(b"still here");
        call.run(ms(100), |_| false);
        assert_eq!(call.data(SERVER), [b"still here"], "{version:?}");
        assert_eq!(call.data(CLIENT), [b"still here"], "{version:?}");
    }
}

#[test]
fn forged_plaintext_alerts_and_hellos_do_not_end_an_established_session() {
    for version in VERSIONS {
        let identities = limited_to(version);
        let mut call = Call::between(&identities, CLEAN, 1);
        call.connect();
        for epoch in [0u8, 1, 2, 3] {
            for content in [20u8, 21, 22, 23, 26] {
                let mut record = vec![content, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 9, 9, 0, 2, 2, 40];
                for end in [CLIENT, SERVER] {
                    assert_eq!(call.ends[end].handle_datagram(&record, call.now), Ok(()));
                }
                record.truncate(13);
                assert_eq!(call.ends[SERVER].handle_datagram(&record, call.now), Ok(()));
            }
        }
        assert!(call.ends.iter().all(Session::is_connected), "{version:?}");
    }
}

#[test]
fn goodbye_is_said_and_answered() {
    for version in VERSIONS {
        let identities = limited_to(version);
        for first in [CLIENT, SERVER] {
            let mut call = Call::between(&identities, CLEAN, 1);
            call.connect();
            call.run(ms(3_000), |_| false);
            call.sent = [Vec::new(), Vec::new()];
            call.ends[first].close();
            call.run(ms(100), |_| false);
            assert_eq!(call.events[1 - first].last(), Some(&Event::Closed), "{version:?}");
            assert_eq!(call.sent.each_ref().map(Vec::len), [1, 1], "one close_notify each way");
            for end in &mut call.ends {
                assert!(!end.is_connected());
                assert_eq!(end.poll_timeout(), None);
                assert_eq!(end.handle_datagram(&[22; 40], call.now), Err(Discard::DtlsClosed));
                end.send(b"nobody hears this");
                assert_eq!(end.poll_transmit(), None);
            }
        }
    }
}

#[test]
fn a_panic_in_the_library_ends_this_association_with_an_event() {
    let mut call = Call::between(&identities(), CLEAN, 1);
    call.connect();
    call.ends[SERVER].break_library();
    assert_eq!(call.ends[SERVER].handle_datagram(&[22; 40], call.now), Err(Discard::LibraryFault));
    call.drain();
    assert_eq!(call.events[SERVER].last(), Some(&Event::Failed("library fault")));
    assert_eq!(call.ends[SERVER].handle_datagram(&[22; 40], call.now), Err(Discard::DtlsClosed));
}

#[test]
fn nothing_is_sent_before_the_association_stands() {
    let start = Instant::now();
    let identities = identities();
    let mut server = Session::new(&identities[1], DtlsRole::Server, &[fingerprint(&identities[0])], start);
    server.send(b"too early");
    assert_eq!(server.poll_transmit(), None);
    server.close();
    assert_eq!(server.poll_transmit(), None);
    assert_eq!(server.poll_event(), None);
}

#[test]
fn datagrams_that_nobody_takes_do_not_pile_up() {
    let start = Instant::now();
    let identities = identities();
    let mut client = Session::new(&identities[0], DtlsRole::Client, &[fingerprint(&identities[1])], start);
    for _ in 0..1_000 {
        let due = client.poll_timeout().unwrap();
        client.handle_timeout(due);
    }
    assert!(std::iter::from_fn(|| client.poll_transmit()).count() <= 64);
}
