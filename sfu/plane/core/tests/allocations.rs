//! Forwarding to many asks the allocator for nothing per packet and subscriber.

mod sim;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use plane_core::batch::Batch;
use plane_core::command::Kind;
use plane_core::config::Silence;
use plane_core::time::ms;
use sim::{Call, VP8};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: it only counts, and hands every call on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_packet_to_a_hundred_subscribers_allocates_as_little_as_to_one() {
    let per_packet = [1, 100].map(|subscribers| {
        let patient = ms(1_000_000_000);
        let silence = Silence { with_feedback: patient, shortest: patient, longest: patient, factor: 1.0 };
        let mut call = Call::with_silence(1, silence);
        let alice = call.join();
        let camera = call.publish(alice, Kind::Video, &[]);
        call.peers[alice].sources[0].active = false;
        for _ in 0..subscribers {
            let viewer = call.join();
            call.subscribe(viewer, camera, Kind::Video);
        }
        let (ssrc, path) = (call.peers[alice].sources[0].ssrc, call.path(alice));
        let mut batch = Batch::default();
        let (mut measured, mut forwarded) = (0, 0);
        for frame in 0..400u32 {
            let payload = sim::source::vp8(frame as u16, true, frame == 0);
            let head = (VP8.number, true, frame * 3_000, ssrc);
            let index = 100 + u64::from(frame);
            let mut packet =
                call.peers[alice].protect_index(head, index, "0", None, &payload).expect("it is connected");
            call.now += ms(33);
            let now = call.now;
            let (allocated, sent) = (ALLOCATIONS.get(), call.plane.stats().packets_forwarded);
            call.plane.handle_datagram(&mut packet, path, now, now).expect("a good packet");
            while call.plane.poll_transmit(&mut batch, now) {
                batch.clear();
            }
            // The first frames fill rings and queues, which then keep their memory.
            if frame >= 300 {
                measured += ALLOCATIONS.get() - allocated;
                forwarded += call.plane.stats().packets_forwarded - sent;
            }
        }
        assert_eq!(forwarded, 100 * subscribers);
        measured as f64 / 100.0
    });
    assert!(per_packet[1] <= per_packet[0] + 1.0, "{per_packet:?} allocations per packet of the publisher");
}
