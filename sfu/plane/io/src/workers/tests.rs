//! Workers on the loopback interface: their ports, their ids, their end.

use std::net::UdpSocket;

use plane_core::Discard;
use plane_core::id::{ChannelId, SlotId};

use super::*;

fn config(workers: usize) -> Config {
    Config {
        trace: Trace::default(),
        hosts: vec!["127.0.0.1".parse().unwrap()],
        udp_port: 0,
        tcp_port: None,
        workers,
        seed: Some(1),
        silence: Silence::default(),
        data: DataLimits::default(),
    }
}

#[test]
fn each_worker_has_its_port_and_counts_what_comes_to_it() {
    let workers = Workers::start(&config(2)).unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    // 70 is the first byte of no protocol (RFC 7983).
    peer.send_to(&[70; 30], workers.addresses()[1]).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    let counted = || workers.stats().iter().map(|stats| stats.discarded(Discard::UnknownProtocol)).collect::<Vec<_>>();
    while counted() != [0, 1] && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(counted(), [0, 1]);
    assert_eq!(workers.stats()[1].packets_received, 1);
    let transports = [TransportId(7), TransportId(1 << WORKER_SHIFT | 7), TransportId(2 << WORKER_SHIFT | 7)];
    assert_eq!(transports.map(|transport| workers.counters(transport)), [None, None, None]);
}

#[test]
fn ports_count_up_from_the_first() {
    assert_eq!((number(7_882, 0).unwrap(), number(7_882, 3).unwrap(), number(0, 3).unwrap()), (7_882, 7_885, 0));
    assert_eq!(number(65_535, 1).unwrap_err().to_string(), "worker 1 would have port 65536");
}

#[test]
fn closing_frees_the_ports_and_a_second_time_does_nothing() {
    let workers = Workers::start(&config(2)).unwrap();
    let addresses = workers.addresses();
    assert!(UdpSocket::bind(addresses[0]).is_err());
    workers.close().unwrap();
    workers.close().unwrap();
    for address in addresses {
        UdpSocket::bind(address).unwrap();
    }
    workers.apply(Command::Remove(7)).unwrap();
    assert_eq!(workers.poll(), []);
}

#[test]
fn an_id_of_a_worker_that_is_not_there_is_refused() {
    let workers = Workers::start(&config(2)).unwrap();
    let id = 2 << WORKER_SHIFT;
    let no_such = NoSuchWorker { id, workers: 2 };
    let refused = Err(no_such);
    assert_eq!(workers.apply(Command::Remove(id)), refused);
    assert_eq!(workers.apply(Command::SetTargets(vec![(SlotId(1), vec![]), (SlotId(id), vec![])])), refused);
    let channels = vec![ChannelId(id)];
    assert_eq!(workers.apply(Command::Send { channels, payload: vec![], text: true }), refused);
    assert_eq!(workers.apply(Command::Remove(1 << WORKER_SHIFT)), Ok(()));
    let sentence = format!("id {id} names worker 2, and there are 2, counted from 0");
    assert_eq!(no_such.to_string(), sentence);
}

#[test]
fn threads_of_workers_take_no_signals() {
    let workers = Workers::start(&config(1)).unwrap();
    let read = |task: &std::path::Path, file: &str| std::fs::read_to_string(task.join(file)).ok();
    let blocked = |task: std::path::PathBuf| {
        let is_worker = read(&task, "comm")?.starts_with("sfu-worker");
        let status = read(&task, "status").filter(|_| is_worker)?;
        let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:"))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    };
    // A thread gives itself its name when it first runs.
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut masks: Vec<u64> = Vec::new();
    while masks.is_empty() && Instant::now() < deadline {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        masks = tasks.filter_map(|task| blocked(task.ok()?.path())).collect();
    }
    assert!(!masks.is_empty());
    let term = 1 << (libc::SIGTERM - 1) | 1 << (libc::SIGINT - 1) | 1 << (libc::SIGCHLD - 1);
    assert!(masks.iter().all(|mask| mask & term == term), "{masks:x?}");
    drop(workers);
}

#[test]
fn in_a_forked_child_closing_and_dropping_do_nothing() {
    let workers = Workers::start(&config(1)).unwrap();
    // SAFETY: the child allocates nothing and leaves by _exit, so no lock another thread held matters.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let closed = workers.close().is_ok() && workers.is_foreign() && workers.poll().is_empty();
        drop(workers);
        unsafe { libc::_exit(if closed { 0 } else { 1 }) };
    }
    let mut status = 0;
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0);
    // The parent's worker still runs, and ends when the parent says so.
    assert!(UdpSocket::bind(workers.addresses()[0]).is_err());
    workers.close().unwrap();
}
