//! Measures the cost of forwarding in the core alone: frames of one track to N slots, from the publisher's SRTP
//! datagrams to those of the subscribers (AES-GCM), with the real [`Plane`]. No sockets, no feedback.
//!
//! `cargo bench -p plane-core` prints divan's table per frame, then nanoseconds per forwarded packet.

#[path = "../tests/sim/mod.rs"]
mod sim;

use std::cell::RefCell;
use std::hint::black_box;

use divan::Bencher;
use divan::counter::ItemsCount;
use plane_core::Plane;
use plane_core::batch::Batch;
use plane_core::command::{Kind, Path};
use plane_core::config::Silence;
use plane_core::time::{Duration, Instant, ms};
use sim::{Call, VP8};

/// 1.5 Mbit/s at 30 frames a second: six packets of nearly 1,200 octets.
const PACKETS: usize = 6;
const OCTETS: usize = 1_150;
const SUBSCRIBERS: [usize; 3] = [1, 10, 100];

fn main() {
    divan::main();
    if std::env::args().any(|argument| argument == "--bench") {
        print_table();
    }
}

#[divan::bench(args = SUBSCRIBERS)]
fn frame(bencher: Bencher, subscribers: usize) {
    let room = RefCell::new(Room::new(subscribers));
    bencher
        .counter(ItemsCount::new(PACKETS * subscribers))
        .with_inputs(|| room.borrow_mut().next_frame())
        .bench_local_values(|frame| room.borrow_mut().forward(frame));
}

/// The fastest of many short runs, because other work on the machine only adds time.
fn print_table() {
    println!("\n{:>11} {:>26} {:>20}", "subscribers", "ns per forwarded packet", "packets per message");
    for subscribers in SUBSCRIBERS {
        let mut room = Room::new(subscribers);
        let mut fastest = Duration::MAX;
        let frames = 200 / subscribers + 20;
        for _ in 0..40 {
            let run: Vec<_> = (0..frames).map(|_| room.next_frame()).collect();
            let began = Instant::now();
            for frame in run {
                room.forward(frame);
            }
            fastest = fastest.min(began.elapsed());
        }
        let stats = room.call.plane.stats();
        let each = fastest.as_nanos() as f64 / (frames * PACKETS * subscribers) as f64;
        let segments = stats.packets_sent as f64 / stats.messages_sent as f64;
        println!("{subscribers:>11} {each:>26.0} {segments:>20.1}");
    }
}

/// One publisher and its subscribers. Its frames are made and encrypted outside of the measurement.
struct Room {
    call: Call,
    publisher: usize,
    path: Path,
    batch: Batch,
    frames: u32,
    sequence: u64,
}

impl Room {
    fn new(subscribers: usize) -> Self {
        let patient = ms(1_000_000_000);
        let silence = Silence { with_feedback: patient, shortest: patient, longest: patient, factor: 1.0 };
        let mut call = Call::with_silence(1, silence);
        let publisher = call.join();
        let track = call.publish(publisher, Kind::Video, &[]);
        call.peers[publisher].sources[0].active = false;
        for _ in 0..subscribers {
            let peer = call.join();
            // Feedback that is never sent is not missed: only the first frames would be answered.
            call.peers[peer].sends_feedback = false;
            call.subscribe(peer, track, Kind::Video);
        }
        let path = call.path(publisher);
        let mut room = Self { call, publisher, path, batch: Batch::default(), frames: 0, sequence: 100 };
        // The first ones fill rings and caches, which then keep their memory.
        for _ in 0..300 {
            let frame = room.next_frame();
            room.forward(frame);
        }
        let before = room.call.plane.stats().packets_forwarded;
        let frame = room.next_frame();
        room.forward(frame);
        let forwarded = room.call.plane.stats().packets_forwarded - before;
        assert_eq!(forwarded, (PACKETS * subscribers) as u64, "what is measured is not what was meant");
        room
    }

    /// Packetized like libwebrtc: the last packets of a frame are one octet larger.
    fn next_frame(&mut self) -> Vec<Vec<u8>> {
        self.frames += 1;
        let timestamp = self.frames * 3_000;
        let mut frame = Vec::new();
        for index in 0..PACKETS {
            let mut payload = sim::source::vp8(self.frames as u16 & 0x7FFF, index == 0, self.frames == 1);
            payload.resize(OCTETS + usize::from(index + 2 >= PACKETS), 0xAB);
            let marker = index + 1 == PACKETS;
            let head = (VP8.number, marker, timestamp, self.call.peers[self.publisher].sources[0].ssrc);
            let publisher = &mut self.call.peers[self.publisher];
            frame.extend(publisher.protect_index(head, self.sequence, "0", None, &payload));
            self.sequence += 1;
        }
        frame
    }

    fn forward(&mut self, frame: Vec<Vec<u8>>) {
        let plane: &mut Plane = &mut self.call.plane;
        self.call.now += ms(33);
        let now = self.call.now;
        for mut datagram in frame {
            let _ = plane.handle_datagram(&mut datagram, self.path, now, now);
        }
        if plane.poll_timeout().is_some_and(|due| due <= now) {
            plane.handle_timeout(now);
        }
        while plane.poll_transmit(&mut self.batch, now) {
            black_box(&self.batch);
            self.batch.clear();
        }
        while let Some(event) = plane.poll_event() {
            black_box(event);
        }
    }
}
