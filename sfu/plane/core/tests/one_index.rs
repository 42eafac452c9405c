//! One (key, SSRC, index) encrypts one plaintext, ever: random calls in which every sent packet is checked.
//!
//! [`Outbound::protect_rtp`](plane_core::srtp::Outbound::protect_rtp) panics on a repeat, the audit of the simulated
//! network counts packets, and the receivers' replay windows refuse duplicates. Half of the viewers have no RTX: they
//! are sent the identical datagram again, or nothing.

mod sim;

use plane_core::command::{AudioPolicy, DtlsRole, Kind};
use plane_core::id::{RoomId, SlotId};
use plane_core::layer::Layer;
use plane_core::rtcp::feedback;
use plane_core::time::ms;
use plane_core::{Command, Discard};
use proptest::prelude::*;
use sim::stream::ssrc;
use sim::{Call, Link};

#[derive(Clone, Debug)]
enum Step {
    Show {
        slot: usize,
        track: usize,
        ladder: u8,
    },
    Hide {
        slot: usize,
    },
    Mute {
        track: usize,
        on: bool,
    },
    Restart {
        track: usize,
    },
    Jump {
        track: usize,
        by: u16,
    },
    Network {
        peer: usize,
        up: bool,
        loss: f64,
        jitter: u64,
    },
    Complain {
        slot: usize,
        from: u16,
        count: u16,
    },
    Silence {
        peer: usize,
        time: u64,
    },
    Leave {
        slot: usize,
    },
    /// The publisher's encodings change, or their order.
    Respecify {
        track: usize,
        order: u8,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..6usize, 0..4usize, 0..8u8).prop_map(|(slot, track, ladder)| Step::Show { slot, track, ladder }),
        1 => (0..6usize).prop_map(|slot| Step::Hide { slot }),
        2 => (0..4usize, any::<bool>()).prop_map(|(track, on)| Step::Mute { track, on }),
        1 => (0..4usize).prop_map(|track| Step::Restart { track }),
        1 => (0..4usize, 1..40_000u16).prop_map(|(track, by)| Step::Jump { track, by }),
        4 => (0..4usize, any::<bool>(), 0.0..0.4, 0..60u64)
            .prop_map(|(peer, up, loss, jitter)| Step::Network { peer, up, loss, jitter }),
        4 => (0..9usize, any::<u16>(), 1..600u16)
            .prop_map(|(slot, from, count)| Step::Complain { slot, from, count }),
        1 => (0..4usize, 100..12_000u64).prop_map(|(peer, time)| Step::Silence { peer, time }),
        1 => (0..6usize).prop_map(|slot| Step::Leave { slot }),
        2 => (0..4usize, 0..6u8).prop_map(|(track, order)| Step::Respecify { track, order }),
    ];
    proptest::collection::vec((step, 10..400u64), 5..30)
        .prop_map(|steps| steps.into_iter().map(|(step, _)| step).collect())
}

const LADDERS: [&[Layer]; 8] = [
    &[],
    &[Layer::new(0, 3)],
    &[Layer::new(1, 3)],
    &[Layer::new(2, 3), Layer::new(1, 3), Layer::new(0, 3)],
    &[Layer::new(2, 0), Layer::new(0, 0)],
    &[Layer::new(1, 1), Layer::new(0, 3)],
    &[Layer::new(0, 0)],
    &[Layer::new(2, 3)],
];

/// A receive section; every other one has no RTX.
fn add_slot(call: &mut Call, peer: usize, index: usize) -> SlotId {
    call.add_slot_with(peer, Kind::Video, |spec| {
        if index.is_multiple_of(2) {
            spec.rtx_ssrc = None;
            spec.payload_types.iter_mut().for_each(|payload_type| payload_type.rtx = None);
        }
    })
}

/// Plays a whole call. Returns the number of sent packets, each with its own index.
fn play(seed: u64, steps: Vec<Step>) -> usize {
    let mut call = Call::new(seed);
    call.audit.watches = true;
    let peers: Vec<_> = (0..4).map(|_| call.join()).collect();
    let mut specs = Vec::new();
    let published: [(usize, Kind, &[&str]); 4] = [
        (0, Kind::Video, &["q", "h", "f"]),
        (1, Kind::Video, &[]),
        (0, Kind::Audio, &[]),
        (2, Kind::Video, &["q", "h"]),
    ];
    let tracks = published.map(|(peer, kind, rids)| {
        call.publish_with(peers[peer], kind, rids, |spec| {
            specs.push(spec.clone());
        })
    });
    // By track: whose sources, and which.
    let sources = [(0, 0..3), (1, 0..1), (0, 3..4), (2, 0..2)];
    let mut slots: Vec<_> =
        (0..6).map(|index| (peers[1 + index % 3], add_slot(&mut call, peers[1 + index % 3], index))).collect();
    for (index, &(_, slot)) in slots.iter().enumerate() {
        call.show(slot, Some(tracks[[0, 1, 3][index % 3]]), LADDERS[3]);
    }
    let voices: Vec<_> = (1..4).map(|peer| call.subscribe(peers[peer], tracks[2], Kind::Audio)).collect();
    let (room, redundant) = (RoomId(call.id()), vec![tracks[2]]);
    let policy = AudioPolicy { room, loudest: 0, ranked: vec![], always: vec![], redundancy: 2, redundant };
    call.apply(Command::SetAudio(policy));
    for step in steps {
        match step {
            Step::Show { slot, track, ladder } => {
                call.show(slots[slot].1, Some(tracks[track]), LADDERS[usize::from(ladder)])
            }
            Step::Hide { slot } => call.show(slots[slot].1, None, LADDERS[3]),
            Step::Mute { track, on } => {
                let (peer, range) = sources[track].clone();
                let now = call.now;
                for source in &mut call.peers[peer].sources[range] {
                    (source.active, source.next_frame) = (!on, now);
                }
            }
            Step::Restart { track } => {
                let (peer, range) = sources[track].clone();
                let now = call.now;
                for source in &mut call.peers[peer].sources[range] {
                    let rid = source.rid.clone();
                    *source =
                        sim::source::Source::new(source.kind, &source.mid, rid.as_deref(), source.ssrc + 7_000, now);
                }
            }
            Step::Jump { track, by } => {
                let (peer, range) = sources[track].clone();
                for source in &mut call.peers[peer].sources[range] {
                    // As far as SRTP lets it without losing count.
                    source.sequence = source.sequence.wrapping_add(by % 30_000);
                }
            }
            Step::Network { peer, up, loss, jitter } => {
                let link = Link { delay: ms(10), loss, jitter: ms(jitter), ..Link::default() };
                if up { call.up[peers[peer]] = link } else { call.down[peers[peer]] = link }
            }
            Step::Complain { slot, from, count } => {
                let (peer, slot) = match slot {
                    voice @ 6..9 => (peers[voice - 5], voices[voice - 6]),
                    slot => slots[slot],
                };
                let newest = call.peers[peer].stream(ssrc(slot)).last().map_or(from, |packet| packet.sequence);
                let lost: Vec<u16> = (0..count).map(|behind| newest.wrapping_sub(behind)).collect();
                let mut nack = Vec::new();
                feedback::write_nack(&mut nack, 1, ssrc(slot), &lost);
                nack.truncate(1_200 / 4 * 4);
                let words = (nack.len() / 4 - 1) as u16;
                nack[2..4].copy_from_slice(&words.to_be_bytes());
                call.peers[peer].send_rtcp(nack);
            }
            Step::Silence { peer, time } => {
                call.peers[peers[peer]].alive = false;
                call.run(ms(time));
                call.peers[peers[peer]].alive = true;
                let now = call.now;
                for source in &mut call.peers[peers[peer]].sources {
                    source.next_frame = now;
                }
            }
            Step::Leave { slot } => {
                let (peer, gone) = slots[slot];
                call.apply(Command::Remove(gone.0));
                slots[slot].1 = add_slot(&mut call, peer, slot);
            }
            Step::Respecify { track, order } => {
                let mut spec = specs[track].clone();
                let count = spec.encodings.len();
                spec.encodings.rotate_left(usize::from(order) % count);
                spec.encodings.truncate((count - usize::from(order) / 3).max(1));
                call.apply(Command::UpdateTrack(spec));
            }
        }
        call.run(ms(150));
    }
    call.audit.count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_in_a_call_no_index_is_used_twice(seed: u64, steps in steps()) {
        prop_assert!(play(seed, steps) > 0);
    }
}

#[test]
fn an_hour_of_sound_goes_over_the_wrap_of_its_numbers() {
    let mut call = Call::new(1);
    call.audit.watches = true;
    let (alice, bob) = (call.join(), call.join());
    let microphone = call.publish(alice, Kind::Audio, &[]);
    let slot = call.subscribe(bob, microphone, Kind::Audio);
    call.up[alice] = Link { delay: ms(20), loss: 0.02, jitter: ms(30), ..Link::default() };
    call.run(ms(3_600_000));
    let heard = call.peers[bob].stream(ssrc(slot)).len();
    // 180,000 packets: two wraps.
    assert!((174_000..=180_000).contains(&heard), "{heard} packets");
    assert_eq!(call.audit.count(), heard);
}

#[test]
fn a_connection_made_anew_has_keys_of_its_own() {
    let mut call = Call::new(2);
    call.audit.watches = true;
    let alice = call.join();
    let camera = call.publish(alice, Kind::Video, &[]);
    for _ in 0..5 {
        let bob = call.invite(DtlsRole::Server);
        call.connect(bob);
        call.subscribe(bob, camera, Kind::Video);
        call.run(ms(300));
        let id = call.peers[bob].transport.0;
        call.apply(Command::Remove(id));
    }
    assert!(call.audit.count() > 100);
    assert_eq!(call.discarded(Discard::SrtpAuth), 0);
}
