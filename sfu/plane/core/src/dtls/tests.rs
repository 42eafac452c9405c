//! Two sessions over a seeded link in virtual time.

mod handshake;
mod session;

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
    /// The maximum random extra delay of each datagram, which reorders them.
    jitter: Duration,
    /// In percent.
    loss: u64,
    doubled: u64,
}

const CLEAN: Link = Link { delay: ms(10), jitter: ms(0), loss: 0, doubled: 0 };

/// The fingerprint of one end in the offer or the answer.
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
    /// Arrival, receiving end, datagram.
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

    /// Two ends that expect each other's certificates.
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

    /// Runs until `done` or for `limit`. False: the limit was reached.
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

    /// The application data that `end` has received.
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

/// Two identities whose contexts allow at most this version.
fn limited_to(version: SslVersion) -> [Identity; 2] {
    [(), ()].map(|()| custom(|context| context.set_max_proto_version(Some(version))))
}

/// One end of each role, with the fingerprints that it expects.
fn ends(identities: &[Identity; 2], fingerprints: [&[Fingerprint]; 2], start: Instant) -> [Session; 2] {
    [
        Session::new(&identities[CLIENT], DtlsRole::Client, fingerprints[CLIENT], start),
        Session::new(&identities[SERVER], DtlsRole::Server, fingerprints[SERVER], start),
    ]
}
