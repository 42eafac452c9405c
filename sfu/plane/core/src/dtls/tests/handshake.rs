//! Tests of the handshake: its versions, profiles, losses, timers and certificates.

use super::*;

#[test]
fn both_versions_connect_with_matching_keys_and_carry_data_both_ways() {
    for version in VERSIONS {
        let identities = limited_to(version);
        let mut call = Call::between(&identities, CLEAN, 1);
        let took = call.connect();
        assert!(took <= ms(60), "{version:?} took {took:?}");
        assert!(call.ends.iter().all(|end| end.version() == Some(version)));
        let (client, server) = (call.keys(CLIENT), call.keys(SERVER));
        assert_eq!((&client.local, &client.remote), (&server.remote, &server.local));
        assert_ne!(client.local, client.remote);

        call.ends[CLIENT].send(b"to the server");
        call.ends[SERVER].send(b"to the client");
        call.run(ms(100), |_| false);
        assert_eq!(call.data(SERVER), [b"to the server"]);
        assert_eq!(call.data(CLIENT), [b"to the client"]);
    }
}

#[test]
fn the_first_profile_of_ours_that_the_client_offers_is_taken() {
    for (offered, expected) in [
        ("SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_256_GCM:SRTP_AEAD_AES_128_GCM", Profile::Aes128Gcm),
        ("SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_256_GCM", Profile::Aes256Gcm),
        ("SRTP_AES128_CM_SHA1_80", Profile::Aes128CmSha1_80),
    ] {
        for version in VERSIONS {
            let client = custom(|context| {
                context.set_max_proto_version(Some(version))?;
                context.set_tlsext_use_srtp(offered)
            });
            let mut call = Call::between(&[client, Identity::generate().unwrap()], CLEAN, 1);
            call.connect();
            assert_eq!(call.keys(CLIENT).profile, expected);
            assert_eq!(call.keys(SERVER).profile, expected);
            assert_eq!(call.keys(CLIENT).local.key.len(), expected.key_length());
            assert_eq!(call.keys(CLIENT).local, call.keys(SERVER).remote);
        }
    }
}

#[test]
fn without_a_profile_in_common_there_is_no_association() {
    let client = custom(|context| context.set_tlsext_use_srtp("SRTP_AES128_CM_SHA1_32"));
    let mut call = Call::between(&[client, Identity::generate().unwrap()], CLEAN, 1);
    call.run(ms(2_000), |_| false);
    assert_eq!(call.events[SERVER], [Event::Failed("no SRTP profile in common")]);
}

#[test]
fn lossy_doubling_reordering_links_connect_soon() {
    for version in VERSIONS {
        let identities = limited_to(version);
        for loss in [5, 20] {
            let link = Link { delay: ms(10), jitter: ms(30), loss, doubled: 10 };
            let mut took: Vec<Duration> =
                (0..100).map(|seed| Call::between(&identities, link, seed).connect()).collect();
            took.sort();
            assert!(took[50] <= ms(300), "{version:?} at {loss} %: p50 {:?}, p90 {:?}", took[50], took[90]);
            assert!(took[99] <= ms(10_000), "{version:?} at {loss} %: slowest {:?}", took[99]);
        }
    }
}

#[test]
fn after_a_lossy_handshake_data_passes_both_ways() {
    for version in VERSIONS {
        let identities = limited_to(version);
        for seed in 0..50 {
            let link = Link { delay: ms(5), jitter: ms(20), loss: 25, doubled: 20 };
            let mut call = Call::between(&identities, link, seed);
            call.connect();
            // Retransmissions of the end still fly: they must not end what is established.
            call.run(ms(3_000), |_| false);
            call.link = CLEAN;
            call.ends[CLIENT].send(b"ping");
            call.ends[SERVER].send(b"pong");
            call.run(ms(100), |_| false);
            assert_eq!(call.data(SERVER), [b"ping"], "{version:?}, seed {seed}: {:?}", call.events);
            assert_eq!(call.data(CLIENT), [b"pong"], "{version:?}, seed {seed}: {:?}", call.events);
        }
    }
}

#[test]
fn a_silent_peer_is_asked_again_after_50_ms_and_then_twice_as_long_up_to_a_second() {
    let start = Instant::now();
    let identities = identities();
    let mut client = Session::new(&identities[0], DtlsRole::Client, &[fingerprint(&identities[1])], start);
    let mut now = start;
    let mut sent_at = Vec::new();
    while now <= start + ms(31_000) {
        while client.poll_transmit().is_some() {
            sent_at.push((now - start).as_millis());
        }
        now = client.poll_timeout().expect("the client goes on");
        client.handle_timeout(now);
    }
    let a_dozen_times = [0, 50, 150, 350, 750, 1_550, 2_550, 3_550, 4_550, 5_550, 11_550, 17_550, 23_550];
    assert_eq!(sent_at[..13], a_dozen_times);
    assert_eq!(sent_at[13..], [29_550, 29_600, 29_700, 29_900, 30_300], "then it starts anew: a path may come late");
}

#[test]
fn a_server_whose_peer_falls_silent_gives_up_after_30_s() {
    let mut call = Call::between(&identities(), CLEAN, 1);
    assert_eq!(call.ends[SERVER].poll_timeout(), None, "nothing runs before the first datagram");
    call.run(ms(15), |_| false);
    call.link.loss = 100;
    call.run(ms(29_000), |_| false);
    assert_eq!(call.events[SERVER], []);
    call.run(ms(2_000), |_| false);
    assert_eq!(call.events[SERVER], [Event::Failed("the handshake took too long")]);
    assert_eq!(call.ends[SERVER].poll_timeout(), None);
}

#[test]
fn the_last_flight_of_a_1_2_server_is_repeated_without_being_asked() {
    let mut call = Call::between(&limited_to(SslVersion::DTLS1_2), CLEAN, 1);
    assert!(call.run(ms(1_000), |call| call.ends[SERVER].is_connected()));
    // Lost; and this client never repeats its own flight.
    call.flying.clear();
    let now = call.now + ms(50);
    call.ends[SERVER].handle_timeout(now);
    let again = call.ends[SERVER].poll_transmit().expect("the last flight again");
    call.ends[CLIENT].handle_datagram(&again, now).unwrap();
    assert!(call.ends[CLIENT].is_connected());
}

#[test]
fn a_post_quantum_hello_in_two_datagrams_is_put_together_in_any_order() {
    for reversed in [false, true] {
        // As browsers send it: the share of X25519MLKEM768 alone is as long as a datagram.
        let client = custom(|context| context.set_curves_list(SERVER_CURVES));
        let mut call = Call::between(&[client, Identity::generate().unwrap()], CLEAN, 1);
        call.drain();
        assert_eq!(call.flying.len(), 2, "a hello of two datagrams");
        if reversed {
            call.flying.reverse();
        }
        let took = call.connect();
        assert!(took <= ms(60), "took {took:?}");
        assert_eq!(call.ends[SERVER].version(), Some(SslVersion::DTLS1_3));
    }
}

#[test]
fn our_own_hello_is_one_datagram() {
    let identities = identities();
    let mut client = Session::new(&identities[0], DtlsRole::Client, &[fingerprint(&identities[1])], Instant::now());
    assert!(client.poll_transmit().is_some());
    assert_eq!(client.poll_transmit(), None);
}

#[test]
fn peers_with_rsa_certificates_connect_in_both_roles() {
    for version in VERSIONS {
        let keys = [rsa(), ecdsa()];
        for [client, server] in [[0, 1], [1, 0], [0, 0]] {
            let identities = [client, server].map(|key: usize| {
                let limit = |context: &mut SslContextBuilder| context.set_max_proto_version(Some(version));
                Identity::configured(&keys[key], limit).unwrap()
            });
            Call::between(&identities, CLEAN, 1).connect();
        }
    }
}

#[test]
fn fingerprints_of_all_three_hashes_are_checked() {
    let identities = identities();
    let certificate = identities[0].context(DtlsRole::Client).certificate().unwrap().to_der().unwrap();
    let digests = [
        (Hash::Sha256, MessageDigest::sha256()),
        (Hash::Sha384, MessageDigest::sha384()),
        (Hash::Sha512, MessageDigest::sha512()),
    ]
    .map(|(name, digest)| Fingerprint { hash: name, digest: hash(digest, &certificate).unwrap().to_vec() });
    let server = [fingerprint(&identities[1])];
    for good in [&digests[0..1], &digests[1..2], &digests[2..3], &digests[..]] {
        let start = Instant::now();
        let [client, server] = ends(&identities, [&server, good], start);
        Call::new(CLEAN, 1, client, server, start).connect();
    }
}

#[test]
fn a_wrong_fingerprint_fails_before_any_key_is_given_out() {
    for version in VERSIONS {
        let identities = limited_to(version);
        let [client, server] = identities.each_ref().map(fingerprint);
        let flip = |right: &Fingerprint| {
            let mut wrong = right.clone();
            wrong.digest[31] ^= 1;
            wrong
        };
        let cases: [(&str, [&[Fingerprint]; 2], usize); 4] = [
            ("of the client", [std::slice::from_ref(&server), &[flip(&client)]], SERVER),
            ("of the server", [&[flip(&server)], std::slice::from_ref(&client)], CLIENT),
            ("beside a right one", [std::slice::from_ref(&server), &[client.clone(), flip(&client)]], SERVER),
            ("none at all", [std::slice::from_ref(&server), &[]], SERVER),
        ];
        for (name, fingerprints, refuses) in cases {
            let start = Instant::now();
            let [client, server] = ends(&identities, fingerprints, start);
            let mut call = Call::new(CLEAN, 1, client, server, start);
            call.run(ms(2_000), |_| false);
            let reason = Event::Failed("the certificate does not match the fingerprint");
            assert_eq!(call.events[refuses], [reason], "{version:?}, {name}");
            assert!(call.ends.iter().all(|end| !end.is_connected()), "{version:?}, {name}");
            let other = call.events[1 - refuses].last();
            assert_eq!(other, Some(&Event::Failed("the peer sent a fatal alert")), "{version:?}, {name}");
        }
    }
}
