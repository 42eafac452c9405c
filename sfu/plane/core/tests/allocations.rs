//! Forwarding to many subscribers allocates nothing per packet and subscriber.

mod sim;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use plane_core::Command;
use plane_core::batch::Batch;
use plane_core::codec::{Codec, PayloadType};
use plane_core::command::{AudioPolicy, Kind};
use plane_core::config::Silence;
use plane_core::id::RoomId;
use plane_core::layer::Layer;
use plane_core::time::ms;
use sim::{Call, OPUS, VP8};

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
    for kind in [Kind::Video, Kind::Audio] {
        let [one, hundred] = [1, 100].map(|subscribers| allocations(kind, subscribers));
        assert!(hundred <= one + 1.0, "{one} and {hundred} allocations per packet of the publisher");
    }
}

/// Allocations per packet of video, or of audio that is sent with the two packets before it, in a long call.
fn allocations(kind: Kind, subscribers: u64) -> f64 {
    let patient = ms(1_000_000_000);
    let silence = Silence { with_feedback: patient, shortest: patient, longest: patient, factor: 1.0 };
    let mut call = Call::with_silence(1, silence);
    let alice = call.join();
    let track = call.publish(alice, kind, &[]);
    call.peers[alice].sources[0].active = false;
    for _ in 0..subscribers {
        let viewer = call.join();
        let red = PayloadType { number: 108, codec: Codec::Red, ..OPUS };
        let slot = call.add_slot_with(viewer, kind, |spec| spec.payload_types.push(red));
        call.show(slot, Some(track), &[Layer::new(0, 3)]);
    }
    let (room, redundant) = (RoomId(call.id()), vec![track]);
    let policy = AudioPolicy { room, loudest: 0, ranked: vec![], always: vec![], redundancy: 2, redundant };
    call.apply(Command::SetAudio(policy));
    let (ssrc, path) = (call.peers[alice].sources[0].ssrc, call.path(alice));
    let mut batch = Batch::default();
    let (mut measured, mut forwarded, mut octets) = (0, 0, 0);
    for frame in 0..400u32 {
        let (payload, head) = match kind {
            Kind::Video => (sim::source::vp8(frame as u16, true, frame == 0), (VP8.number, true, frame * 3_000, ssrc)),
            Kind::Audio => (vec![7; 80], (OPUS.number, false, frame * 960, ssrc)),
        };
        let index = 100 + u64::from(frame);
        let mut packet = call.peers[alice].protect_index(head, index, "0", None, &payload).expect("it is connected");
        call.now += ms(20);
        let now = call.now;
        let before = call.plane.stats();
        let allocated = ALLOCATIONS.get();
        call.plane.handle_datagram(&mut packet, path, now, now).expect("a good packet");
        while call.plane.poll_transmit(&mut batch, now) {
            batch.clear();
        }
        // The first frames fill rings and queues, which then keep their memory.
        if frame >= 300 {
            measured += ALLOCATIONS.get() - allocated;
            forwarded += call.plane.stats().packets_forwarded - before.packets_forwarded;
            octets += call.plane.stats().bytes_sent - before.bytes_sent;
        }
    }
    assert_eq!(forwarded, 100 * subscribers);
    assert!(octets / forwarded > 160, "sound leaves twice");
    measured as f64 / 100.0
}
