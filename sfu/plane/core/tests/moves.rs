//! An SSRC that shows the MID of another m-section moves there (RFC 9143 s9.2), at most once a second.

mod sim;

use plane_core::Discard;
use plane_core::command::Kind;
use plane_core::id::SlotId;
use plane_core::time::ms;
use sim::Call;
use sim::stream::{contiguous, origin, ssrc, whole};

/// A publisher of two cameras without retransmissions, of which only the first sends, and a subscriber to both.
fn two_cameras() -> (Call, usize, usize, [SlotId; 2]) {
    let mut call = Call::new(1);
    let (alice, bob) = (call.join(), call.join());
    let cameras = [(); 2].map(|()| call.publish_with(alice, Kind::Video, &[], |spec| spec.nack = false));
    call.peers[alice].sources[1].active = false;
    let slots = cameras.map(|camera| call.subscribe(bob, camera, Kind::Video));
    call.run(ms(1_000));
    (call, alice, bob, slots)
}

#[test]
fn a_stream_with_another_mid_is_shown_by_the_slots_of_its_new_section_and_no_longer_by_those_of_the_old_one() {
    let (mut call, alice, bob, slots) = two_cameras();
    let sent = call.peers[alice].sources[0].ssrc;
    for (mid, slot, other) in [("1", slots[1], slots[0]), ("0", slots[0], slots[1])] {
        call.peers[alice].sources[0].mid = mid.into();
        let before = [slot, other].map(|slot| call.peers[bob].stream(ssrc(slot)).len());
        call.run(ms(1_500));
        let [more, of_other] = [slot, other].map(|slot| call.peers[bob].stream(ssrc(slot)).len());
        assert!(more > before[0] + 100, "{} packets in section {mid}", more - before[0]);
        assert!(of_other <= before[1] + 1, "{} packets in the other one", of_other - before[1]);
        let packets = whole(&call, bob, slot);
        assert!(contiguous(&packets));
        assert!(packets.iter().all(|(_, _, payload)| origin(payload).0 == sent));
    }
    assert_eq!(call.discarded(Discard::UnknownSsrc), 0);
}

#[test]
fn a_sender_that_alternates_moves_once_a_second_and_is_asked_for_few_keyframes() {
    let (mut call, alice, bob, slots) = two_cameras();
    let before = (call.peers[alice].plis.len(), call.peers[bob].received.len());
    for frame in 0..300 {
        call.peers[alice].sources[0].mid = (frame % 2).to_string();
        call.run(ms(33));
    }
    let received = &call.peers[bob].received[before.1..];
    let shown: Vec<bool> = received.iter().map(|packet| packet.ssrc == ssrc(slots[0])).collect();
    let moves = shown.chunk_by(|one, other| one == other).count();
    assert!((5..=11).contains(&moves), "{moves} moves in 10 s");
    let asked = call.peers[alice].plis.len() - before.0;
    assert!(asked <= 20, "{asked} keyframe requests in 10 s");
    assert!(call.discarded(Discard::UnknownSsrc) > 100, "those with the other MID");
}
