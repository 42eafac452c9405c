//! Audio of a publisher whose packets get lost: rebuilt from its redundancy (RFC 2198), and the loss that its listeners
//! report, for its forward error correction.

mod sim;

use plane_core::codec::{Codec, PayloadType};
use plane_core::command::Kind;
use plane_core::id::SlotId;
use plane_core::layer::Layer;
use plane_core::limits::LISTENERS_LOSS;
use plane_core::rtcp::compound::{self, Packet};
use plane_core::rtcp::report;
use plane_core::time::ms;
use sim::stream::ssrc;
use sim::{Call, Link, OPUS};

/// RED of the publisher.
const RED: PayloadType = PayloadType { number: 63, codec: Codec::Red, ..OPUS };
const SSRC: u32 = 77_777;

/// The payload of one packet.
fn opus(number: u16) -> Vec<u8> {
    [&number.to_be_bytes()[..], &[0xAB; 40]].concat()
}

/// A packet with copies of the two before it.
fn red(number: u16) -> Vec<u8> {
    let mut out = Vec::new();
    for back in [2, 1] {
        out.extend((0x8000_0000 | u32::from(OPUS.number) << 24 | (960 * back) << 10 | 42).to_be_bytes());
    }
    out.push(OPUS.number);
    [2, 1, 0].into_iter().for_each(|back| out.extend(opus(number - back)));
    out
}

/// A publisher of RED loses packets by this rule; a listener takes opus, and RED if `takes_red`. Returns the numbers that
/// arrive, and the call.
fn heard(takes_red: bool, nack: bool, is_lost: fn(u16) -> bool) -> (Vec<u16>, Call, usize) {
    let mut call = Call::new(31);
    let alice = call.join();
    let microphone = call.publish_with(alice, Kind::Audio, &[], |spec| {
        spec.payload_types = vec![RED, OPUS];
        spec.nack = nack;
    });
    call.peers[alice].sources[0].active = false;
    let mid = call.peers[alice].sources[0].mid.clone();
    let bob = call.join();
    let slot = call.add_slot_with(bob, Kind::Audio, |spec| {
        let known = [(Codec::Opus, 109), (Codec::Red, 108)];
        let known = known.into_iter().filter(|(codec, _)| takes_red || *codec == Codec::Opus);
        spec.payload_types = known.map(|(codec, number)| PayloadType { number, codec, ..OPUS }).collect();
    });
    call.show(slot, Some(microphone), &[Layer::new(0, 0)]);
    for number in 100..400 {
        if is_lost(number) {
            call.peers[alice].skip_numbers(1);
        } else {
            let head = (RED.number, false, number, u32::from(number) * 960, SSRC);
            call.peers[alice].send_rtp(head, &mid, None, &red(number));
        }
        call.run(ms(20));
    }
    let numbers = call.peers[bob].stream(ssrc(slot)).into_iter().map(|packet| {
        let payload = &packet.payload;
        // Its own block is the last one.
        let own = &payload[payload.len() - 42..];
        if packet.payload_type == 109 {
            assert_eq!(payload.len(), 42, "plain opus");
        }
        assert_eq!(packet.timestamp.wrapping_sub(call.peers[bob].stream(ssrc(slot))[0].timestamp) % 960, 0);
        u16::from_be_bytes([own[0], own[1]])
    });
    (numbers.collect(), call, alice)
}

#[test]
fn what_a_publisher_of_redundancy_loses_is_rebuilt_in_order_for_listeners_with_and_without_it() {
    for takes_red in [false, true] {
        for nack in [false, true] {
            // Single ones, and two in a row.
            let (numbers, call, alice) = heard(takes_red, nack, |number| number % 10 == 5 || number % 50 / 2 == 10);
            assert_eq!(numbers, (100..400).collect::<Vec<_>>(), "takes RED: {takes_red}");
            assert!(call.peers[alice].nacks.is_empty(), "nothing is missing");
        }
    }
}

#[test]
fn what_has_no_copy_stays_lost_and_the_loss_is_told_to_the_publisher() {
    let (numbers, mut call, alice) = heard(false, false, |number| (200..203).contains(&number) || number % 10 == 5);
    let expected: Vec<u16> = (100..400).filter(|&number| number != 200).collect();
    assert_eq!(numbers, expected, "the first of three");
    call.run(ms(2_000));
    let lost = call.peers[alice].compounds.iter().flat_map(|compound| {
        let mut lost = Vec::new();
        let _ = compound::parse(compound, |packet| {
            if let Packet::ReceiverReport { reports, .. } = packet {
                lost.extend(reports.iter().filter(|block| block.ssrc == SSRC).map(|block| block.cumulative_lost));
            }
        });
        lost
    });
    assert!(lost.max().is_some_and(|lost| lost > 20), "what was rebuilt was lost nevertheless");
}

/// The fraction lost, and the lost packets, of the newest report about an SSRC.
fn told(call: &Call, peer: usize, ssrc: u32) -> Option<(u8, i32)> {
    call.peers[peer].compounds.iter().rev().find_map(|compound| {
        let mut told = None;
        let _ = compound::parse(compound, |packet| {
            if let Packet::ReceiverReport { reports, .. } = packet {
                told = reports
                    .iter()
                    .find(|block| block.ssrc == ssrc)
                    .map(|block| (block.fraction_lost, block.cumulative_lost));
            }
        });
        told
    })
}

/// A listener reports this fraction lost.
fn report(call: &mut Call, listener: usize, slot: SlotId, fraction_lost: u8) {
    let mut out = Vec::new();
    let block = report::ReportBlock { ssrc: ssrc(slot), fraction_lost, ..report::ReportBlock::default() };
    report::write_receiver_report(&mut out, 1, &[block]);
    call.peers[listener].send_rtcp(out);
}

#[test]
fn the_loss_of_the_worst_listener_of_a_microphone_is_told_to_its_publisher_and_that_of_a_camera_is_not() {
    let mut call = Call::new(32);
    let alice = call.join();
    let tracks = [Kind::Audio, Kind::Video].map(|kind| (kind, call.publish(alice, kind, &[])));
    let viewers: Vec<_> = (0..3).map(|_| call.join()).collect();
    let slots: Vec<_> =
        viewers.iter().map(|&viewer| tracks.map(|(kind, track)| call.subscribe(viewer, track, kind))).collect();
    viewers.iter().for_each(|&viewer| call.peers[viewer].sends_reports = false);
    call.down[alice] = Link::default();
    let sources: Vec<u32> = call.peers[alice].sources.iter().map(|source| source.ssrc).collect();
    for (fractions, expected) in [([0, 20, 5], 20), ([0, 255, 0], LISTENERS_LOSS), ([0, 0, 0], 0)] {
        // Longer than any window.
        for _ in 0..20 {
            for ((&viewer, slots), fraction) in viewers.iter().zip(&slots).zip(fractions) {
                slots.iter().for_each(|&slot| report(&mut call, viewer, slot, fraction));
            }
            call.run(ms(1_000));
            call.peers[alice].compounds.drain(..).count();
        }
        call.run(ms(3_000));
        assert_eq!(told(&call, alice, sources[0]), Some((expected, 0)), "of {fractions:?}; nothing was lost before us");
        assert_eq!(told(&call, alice, sources[1]), Some((0, 0)), "video");
    }
}
