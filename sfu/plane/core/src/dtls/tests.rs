//! Two sessions over a seeded link in virtual time.

use std::time::{Duration, Instant};

use boring::ec::{EcGroup, EcKey};
use boring::error::ErrorStack;
use boring::hash::{MessageDigest, hash};
use boring::nid::Nid;
use boring::pkey::{PKey, Private};
use boring::rsa::Rsa;
use boring::ssl::{SslContextBuilder, SslVersion};

use super::identity::SERVER_CURVES;
use super::{Event, Identity, Session};
use crate::command::{DtlsRole, Fingerprint, Hash};
use crate::discard::Discard;
use crate::srtp::{Keys, Profile};
use crate::time::ms;

/// xorshift64*: the same seed, the same losses.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn percent(&mut self, chance: u64) -> bool {
        (self.next() >> 33) % 100 < chance
    }
}

#[derive(Clone, Copy)]
struct Link {
    delay: Duration,
    /// At most so much more, drawn per datagram: it reorders.
    jitter: Duration,
    /// In percent.
    loss: u64,
    doubled: u64,
}

const CLEAN: Link = Link { delay: ms(10), jitter: ms(0), loss: 0, doubled: 0 };

/// What one end says of itself in the offer or the answer.
fn fingerprint(identity: &Identity) -> Fingerprint {
    let digest = identity.fingerprint().split(':').map(|octet| u8::from_str_radix(octet, 16).unwrap()).collect();
    Fingerprint { hash: Hash::Sha256, digest }
}

/// A client and a server, and the datagrams between them.
struct Call {
    start: Instant,
    now: Instant,
    random: Random,
    link: Link,
    ends: [Session; 2],
    /// When, to which end, what.
    flying: Vec<(Instant, usize, Vec<u8>)>,
    events: [Vec<Event>; 2],
    sent: [Vec<Vec<u8>>; 2],
}

const CLIENT: usize = 0;
const SERVER: usize = 1;

impl Call {
    fn new(link: Link, seed: u64, client: Session, server: Session, start: Instant) -> Call {
        Call {
            start,
            now: start,
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            link,
            ends: [client, server],
            flying: Vec::new(),
            events: [Vec::new(), Vec::new()],
            sent: [Vec::new(), Vec::new()],
        }
    }

    /// Two ends that expect one another.
    fn between(identities: &[Identity; 2], link: Link, seed: u64) -> Call {
        let start = Instant::now();
        let expected = identities.each_ref().map(|identity| [fingerprint(identity)]);
        let [client, server] = ends(identities, [&expected[SERVER], &expected[CLIENT]], start);
        Call::new(link, seed, client, server, start)
    }

    fn drain(&mut self) {
        for from in [CLIENT, SERVER] {
            while let Some(datagram) = self.ends[from].poll_transmit() {
                assert!(datagram.len() <= 1_200, "{} octets", datagram.len());
                self.sent[from].push(datagram.clone());
                let copies = 1 + usize::from(self.random.percent(self.link.doubled));
                for _ in 0..copies {
                    if self.random.percent(self.link.loss) {
                        continue;
                    }
                    let jitter = self.random.next() % (self.link.jitter.as_micros() as u64 + 1);
                    let at = self.now + self.link.delay + Duration::from_micros(jitter);
                    self.flying.push((at, 1 - from, datagram.clone()));
                }
            }
            while let Some(event) = self.ends[from].poll_event() {
                self.events[from].push(event);
            }
        }
    }

    /// Lives until `done`, or for `limit`: false if that ran out.
    fn run(&mut self, limit: Duration, done: impl Fn(&Call) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            self.drain();
            if done(self) {
                return true;
            }
            let timeouts = self.ends.iter().filter_map(Session::poll_timeout);
            let Some(next) = self.flying.iter().map(|flying| flying.0).chain(timeouts).min() else {
                return false;
            };
            if next > end {
                self.now = end;
                return false;
            }
            self.now = next.max(self.now);
            let (landed, flying) = std::mem::take(&mut self.flying).into_iter().partition(|f| f.0 <= self.now);
            self.flying = flying;
            for (_, to, datagram) in landed as Vec<(Instant, usize, Vec<u8>)> {
                let _ = self.ends[to].handle_datagram(&datagram, self.now);
            }
            for end in &mut self.ends {
                if end.poll_timeout().is_some_and(|due| due <= self.now) {
                    end.handle_timeout(self.now);
                }
            }
        }
    }

    fn connect(&mut self) -> Duration {
        let connected = self.run(ms(30_000), |call| call.ends.iter().all(Session::is_connected));
        assert!(connected, "not connected within 30 s: {:?}", self.events);
        self.now - self.start
    }

    fn keys(&self, end: usize) -> &Keys {
        match &self.events[end][..] {
            [Event::Connected(keys), ..] => keys,
            events => panic!("not connected: {events:?}"),
        }
    }

    /// What application data `end` has received.
    fn data(&self, end: usize) -> Vec<&[u8]> {
        let data = self.events[end].iter().filter_map(|event| match event {
            Event::Data(data) => Some(&data[..]),
            _ => None,
        });
        data.collect()
    }
}

fn ecdsa() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn rsa() -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(2_048).unwrap()).unwrap()
}

fn custom(configure: impl Fn(&mut SslContextBuilder) -> Result<(), ErrorStack>) -> Identity {
    Identity::configured(&ecdsa(), configure).unwrap()
}

fn identities() -> [Identity; 2] {
    [Identity::generate().unwrap(), Identity::generate().unwrap()]
}

const VERSIONS: [SslVersion; 2] = [SslVersion::DTLS1_2, SslVersion::DTLS1_3];

/// Of ends that speak `version` at most.
fn limited_to(version: SslVersion) -> [Identity; 2] {
    [(), ()].map(|()| custom(|context| context.set_max_proto_version(Some(version))))
}

/// One end of each role, with these fingerprints to expect.
fn ends(identities: &[Identity; 2], fingerprints: [&[Fingerprint]; 2], start: Instant) -> [Session; 2] {
    [
        Session::new(&identities[CLIENT], DtlsRole::Client, fingerprints[CLIENT], start),
        Session::new(&identities[SERVER], DtlsRole::Server, fingerprints[SERVER], start),
    ]
}

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
                // What really flew, again; with a flipped bit; cut short.
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
