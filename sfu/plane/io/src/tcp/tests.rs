//! TCP connections on loopback, with the acceptor and real workers: hostile ones, and what they cost.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use plane_core::command::{Command, DtlsRole, IceCredentials, TransportSpec};
use plane_core::config::{DataLimits, Silence};
use plane_core::id::{TransportId, WORKER_SHIFT};
use plane_core::limits::PENDING_LINKS;
use plane_core::{Discard, limits};

use crate::{Config, Trace, Workers};

/// A check of Chromium for `server0`, whose password is that of the corpora.
const CHECK: &[u8] = include_bytes!("../../../core/tests/corpora/stun/check_of_chromium");
/// How long anything on loopback may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Two workers; the second has a transport with the user fragment of the check.
fn workers() -> Workers {
    let workers = Workers::start(&Config {
        trace: Trace::default(),
        hosts: vec!["127.0.0.1".parse().unwrap()],
        udp_port: 0,
        tcp_port: Some(0),
        workers: 2,
        seed: Some(1),
        silence: Silence::default(),
        data: DataLimits::default(),
    })
    .unwrap();
    workers.apply(Command::AddTransport(transport("server0"))).unwrap();
    workers
}

fn transport(ufrag: &str) -> TransportSpec {
    let ice = IceCredentials {
        local_ufrag: ufrag.into(),
        local_pwd: "password-of-the-server-for-0".into(),
        remote_ufrag: "peer0".into(),
        remote_pwd: "the-password-of-the-peer".into(),
    };
    let id = TransportId(1 << WORKER_SHIFT | 7);
    TransportSpec { id, ice, dtls_role: DtlsRole::Server, fingerprints: vec![], cname: String::new() }
}

fn connect(workers: &Workers) -> TcpStream {
    let stream = TcpStream::connect(SocketAddr::new([127, 0, 0, 1].into(), workers.tcp_port().unwrap())).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn framed(datagram: &[u8]) -> Vec<u8> {
    let mut octets = (datagram.len() as u16).to_be_bytes().to_vec();
    octets.extend(datagram);
    octets
}

fn read_frame(stream: &mut TcpStream) -> Vec<u8> {
    let mut header = [0; 2];
    stream.read_exact(&mut header).unwrap();
    let mut datagram = vec![0; u16::from_be_bytes(header).into()];
    stream.read_exact(&mut datagram).unwrap();
    datagram
}

/// True if the server ends the connection.
fn is_ended(stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 4_096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == ErrorKind::ConnectionReset,
        }
    }
}

fn discarded(workers: &Workers, why: Discard) -> u64 {
    workers.stats().iter().map(|stats| stats.discarded(why)).sum()
}

fn links(workers: &Workers) -> Vec<u64> {
    workers.stats().iter().take(2).map(|stats| stats.links).collect()
}

/// Counters are published four times a second.
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_check_is_answered_by_the_worker_of_its_transport_however_it_is_cut() {
    let workers = workers();
    let check = framed(CHECK);
    for cut in [1, 2, 30, check.len()] {
        let mut stream = connect(&workers);
        stream.set_nodelay(true).unwrap();
        for piece in check.chunks(cut) {
            stream.write_all(piece).unwrap();
        }
        let answer = read_frame(&mut stream);
        assert_eq!(answer[..2], [1, 1], "a response");
        assert_eq!(answer[8..20], CHECK[8..20], "of the same transaction");
        stream.write_all(&check).unwrap();
        while read_frame(&mut stream)[..2] != [1, 1] {}
        wait_until("the second worker has the connection", || links(&workers) == [0, 1]);
        drop(stream);
        wait_until("it is gone", || links(&workers) == [0, 0]);
    }
}

#[test]
fn what_is_no_check_for_a_transport_ends_the_connection() {
    let workers = workers();
    let mut damaged = framed(CHECK);
    *damaged.last_mut().unwrap() ^= 1;
    workers.apply(Command::Remove(transport("").id.0)).unwrap();
    let table = [
        (b"GET / HTTP/1.1\r\nHost: sfu\r\n\r\n".to_vec(), Discard::TcpFraming),
        (vec![22, 3, 1, 2, 0, 1], Discard::TcpFraming),
        (vec![0, 0], Discard::TcpFraming),
        (vec![255; 5_000], Discard::TcpFraming),
        (framed(&[0x80; 100]), Discard::StunMalformed),
        (damaged, Discard::StunFingerprint),
        (framed(CHECK), Discard::StunUnknownUser),
    ];
    for (octets, why) in table {
        let before = discarded(&workers, why);
        let mut stream = connect(&workers);
        // The server may end the connection meanwhile.
        let _ = stream.write_all(&octets);
        assert!(is_ended(&mut stream), "{why:?}");
        assert_eq!(discarded(&workers, why), before + 1, "{why:?}");
    }
}

#[test]
fn a_connection_that_says_nothing_or_half_a_check_is_ended_after_a_while() {
    let workers = workers();
    let mut silent = connect(&workers);
    let mut half = connect(&workers);
    half.write_all(&framed(CHECK)[..20]).unwrap();
    let began = Instant::now();
    assert!(is_ended(&mut silent) && is_ended(&mut half));
    assert!(began.elapsed() + Duration::from_millis(500) > limits::FIRST_FRAME_TIME, "it had its time");
    assert_eq!(discarded(&workers, Discard::TcpSilent), 2);
}

#[test]
fn thousands_of_silent_connections_keep_nobody_out() {
    let workers = workers();
    let mut crowd = Vec::new();
    for round in 0..8 {
        crowd.extend((0..PENDING_LINKS).map(|_| connect(&workers)));
        let mut stream = connect(&workers);
        stream.write_all(&framed(CHECK)).unwrap();
        assert_eq!(read_frame(&mut stream)[..2], [1, 1], "in round {round}");
    }
    let ended = || discarded(&workers, Discard::TcpCrowded) + discarded(&workers, Discard::TcpSilent);
    wait_until("all are ended", || ended() == crowd.len() as u64);
    assert!(discarded(&workers, Discard::TcpCrowded) > 0);
}

#[test]
fn a_frame_that_is_too_long_ends_a_connection_in_use() {
    let workers = workers();
    let mut stream = connect(&workers);
    stream.write_all(&framed(CHECK)).unwrap();
    read_frame(&mut stream);
    stream.write_all(&[8, 1]).unwrap();
    assert!(is_ended(&mut stream));
    wait_until("it is counted", || discarded(&workers, Discard::TcpFraming) == 1 && links(&workers) == [0, 0]);
}

#[test]
fn a_connection_of_no_transport_is_ended() {
    let workers = workers();
    let mut stream = connect(&workers);
    stream.write_all(&framed(CHECK)).unwrap();
    read_frame(&mut stream);
    workers.apply(Command::Remove(transport("").id.0)).unwrap();
    assert!(is_ended(&mut stream));
    wait_until("nothing is left", || links(&workers) == [0, 0]);
}

#[test]
fn a_peer_that_never_reads_costs_a_bounded_queue() {
    let workers = workers();
    let mut stream = connect(&workers);
    let check = framed(CHECK);
    stream.write_all(&check).unwrap();
    wait_until("it is in use", || links(&workers) == [0, 1]);
    // Each check is answered; nobody reads the answers. Then neither side of the kernel has room, and what the worker
    // keeps is full, too.
    let many = check.repeat(200);
    wait_until("answers are dropped", || {
        stream.write_all(&many).unwrap();
        discarded(&workers, Discard::LinkFull) > 0
    });
    assert_eq!(links(&workers), [0, 1]);
    // The worker serves others all the same.
    let mut other = connect(&workers);
    other.write_all(&check).unwrap();
    assert_eq!(read_frame(&mut other)[..2], [1, 1]);
}
