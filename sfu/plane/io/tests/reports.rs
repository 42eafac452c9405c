//! Reports of peers beside media, through running workers: all are received, whichever socket they come to.

use std::net::{IpAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use plane_core::config::{DataLimits, Silence};
use plane_io::{Config, Trace, Workers};

const RECEIVER_REPORT: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 1];
const MEDIA: [u8; 12] = [0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1];

fn start(hosts: &[&str], workers: usize) -> Workers {
    let config = Config {
        trace: Trace::default(),
        hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
        udp_port: 0,
        tcp_port: None,
        workers,
        seed: Some(1),
        silence: Silence::default(),
        data: DataLimits::default(),
    };
    Workers::start(&config).unwrap()
}

/// What each worker has received, once it is `expected` or after a time limit.
fn received(workers: &Workers, expected: &[u64]) -> Vec<u64> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let counts: Vec<u64> = workers.stats().iter().map(|stats| stats.packets_received).collect();
        if counts == expected || Instant::now() >= deadline {
            return counts;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn two_workers_take_in_what_comes_to_their_ports_reports_and_media() {
    let workers = start(&["127.0.0.1"], 2);
    assert!(workers.sets_reports_apart());
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    for (address, count) in workers.addresses().into_iter().zip([150, 40]) {
        for _ in 0..count {
            peer.send_to(&RECEIVER_REPORT, address).unwrap();
            peer.send_to(&MEDIA, address).unwrap();
        }
    }
    assert_eq!(received(&workers, &[300, 80]), [300, 80]);
}

#[test]
fn a_report_after_a_quiet_time_needs_nothing_else_to_be_seen() {
    let workers = start(&["127.0.0.1"], 1);
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    for count in 1..=3 {
        peer.send_to(&RECEIVER_REPORT, workers.addresses()[0]).unwrap();
        assert_eq!(received(&workers, &[count]), [count]);
    }
}

#[test]
fn hosts_of_both_families_have_reports_of_their_own() {
    // A machine without IPv6 has nothing to show here.
    if UdpSocket::bind("[::1]:0").is_err() {
        return;
    }
    let workers = start(&["127.0.0.1", "::1"], 1);
    assert!(workers.sets_reports_apart());
    let port = workers.addresses()[0].port();
    for (ours, asked) in [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1")] {
        let peer = UdpSocket::bind(ours).unwrap();
        peer.send_to(&RECEIVER_REPORT, (asked.parse::<IpAddr>().unwrap(), port)).unwrap();
        peer.send_to(&MEDIA, (asked.parse::<IpAddr>().unwrap(), port)).unwrap();
    }
    assert_eq!(received(&workers, &[4]), [4]);
}
