//! The events of `tracing`: each decision has one, and none is emitted for each packet.

mod sim;

use std::io;
use std::sync::{Arc, Mutex};

use plane_core::command::Kind;
use plane_core::id::SlotId;
use plane_core::layer::Layer;
use plane_core::rtcp::feedback;
use plane_core::time::ms;
use plane_core::trace::PREFIX;
use plane_core::{Command, Discard};
use sim::stream::ssrc;
use sim::{Call, Link};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panicked").extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines of all events of the plane that `work` causes.
fn lines(work: impl FnOnce()) -> Vec<String> {
    let written = Written::default();
    let writer = written.clone();
    let layer = tracing_subscriber::fmt::layer().without_time().with_ansi(false).with_writer(move || writer.clone());
    let ours = Targets::new().with_target(PREFIX.trim_end_matches(':'), tracing_subscriber::filter::LevelFilter::DEBUG);
    let subscriber = tracing_subscriber::registry().with(ours).with(layer);
    tracing::subscriber::with_default(subscriber, work);
    let octets = written.0.lock().expect("nobody panicked").clone();
    String::from_utf8(octets).expect("text").lines().map(|line| line.trim().to_owned()).collect()
}

/// A publisher with a camera, and a viewer of it.
fn call() -> (Call, usize, usize, SlotId) {
    let mut call = Call::new(1);
    let alice = call.join();
    let camera = call.publish(alice, Kind::Video, &[]);
    let bob = call.join();
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(1_000));
    (call, alice, bob, slot)
}

#[test]
fn each_decision_has_an_event() {
    let lines = lines(|| {
        let (mut call, alice, bob, slot) = call();
        // More keyframes are asked for than a subscriber may have.
        for _ in 0..30 {
            let mut pli = Vec::new();
            feedback::write_pli(&mut pli, 1, ssrc(slot));
            call.peers[bob].send_rtcp(pli);
            call.run(ms(100));
        }
        // More retransmissions are asked for than a subscriber may have.
        let newest = call.peers[bob].stream(ssrc(slot)).last().expect("it sees something").sequence;
        let lost: Vec<u16> = (0..250).map(|behind| newest.wrapping_sub(behind)).collect();
        let mut nack = Vec::new();
        feedback::write_nack(&mut nack, 1, ssrc(slot), &lost);
        call.peers[bob].send_rtcp(nack);
        call.run(ms(100));
        call.apply(Command::SetTargets(vec![(slot, vec![])]));
        call.apply(Command::SetTargets(vec![(slot, vec![Layer::new(0, 3)])]));
        call.up[alice] = Link { loss: 1.0, ..Link::default() };
        call.run(ms(20_000));
        let path = call.path(bob);
        assert_eq!(call.inject(path, vec![0x80; 40]), Err(Discard::SrtpAuth));
        let transport = call.peers[bob].transport;
        call.apply(Command::Remove(transport.0));
    });
    for expected in [
        "INFO plane::ice: path nominated transport=",
        "INFO plane::transport: state changed transport=2 state=Connected reason=\"DTLS is up\"",
        "INFO plane::transport: state changed transport=2 state=Disconnected reason=\"nothing was heard for too long\"",
        "INFO plane::ice: path given up transport=2",
        "DEBUG plane::layers: switched slot=",
        "DEBUG command{name=\"set_targets\"}: plane::layers: switched slot=",
        "DEBUG plane::keyframes: requested track=",
        "DEBUG plane::keyframes: request withheld: the subscriber's limit is used up slot=",
        "DEBUG plane::resends: refused: the peer's limit is used up transport=4 media=",
        "DEBUG plane::discards: discarded transport=",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(expected)), "{expected}\n{}", lines.join("\n"));
    }
}

#[test]
fn no_event_is_emitted_for_each_packet() {
    let all = |seconds: u32| {
        lines(|| {
            let (mut call, ..) = call();
            for _ in 0..seconds {
                call.run(ms(1_000));
            }
            assert!(call.plane.stats().packets_forwarded > 30 * u64::from(seconds));
        })
    };
    // Of each subscriber, at most ten a second while they move.
    let is_estimate = |line: &String| line.contains("plane::estimates:");
    let of = |seconds| all(seconds).into_iter().filter(|line| !is_estimate(line)).collect::<Vec<_>>();
    assert_eq!(of(2), of(20), "nothing is decided in these seconds");
    assert!(all(20).iter().filter(|line| is_estimate(line)).count() <= 200);
}
