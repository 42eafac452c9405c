//! Published media reaches subscribers: numbers are contiguous, time advances steadily, losses are repaired.

mod sim;

use plane_core::Event;
use plane_core::command::Kind;
use plane_core::event::TransportState;
use plane_core::layer::Layer;
use plane_core::time::ms;
use sim::stream::{contiguous, whole};
use sim::{Call, Link};

#[test]
fn video_and_audio_reach_a_subscriber_with_contiguous_numbers_and_their_mid() {
    let mut call = Call::new(1);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    let microphone = call.publish(alice, Kind::Audio, &[]);
    let video = call.subscribe(bob, camera, Kind::Video);
    let audio = call.subscribe(bob, microphone, Kind::Audio);
    call.run(ms(2_000));

    let pictures = whole(&call, bob, video);
    assert!(pictures.len() > 150, "{} packets", pictures.len());
    assert!(contiguous(&pictures));
    assert!(pictures[0].0 < 0x8000);
    assert!(whole(&call, bob, audio).len() > 90);
    let first = call.peers[bob].stream(0x5000_0000 + video.0 as u32 * 2)[0];
    assert_eq!(first.mid.as_deref(), Some(format!("r{}", video.0).as_str()));
    assert_eq!(first.payload_type, 120);
    assert!(call.peers[bob].sender_reports.len() >= 2);
    assert!(
        call.events
            .iter()
            .any(|event| matches!(event, Event::AudioLevels(levels) if levels == &[(microphone, [30; 5])]))
    );
}

#[test]
fn what_the_publisher_lost_on_the_way_up_is_asked_for_and_forwarded() {
    let mut call = Call::new(2);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.up[alice] = Link::lossy(ms(20), 0.05);
    call.run(ms(5_000));
    call.up[alice] = Link::lossy(ms(20), 0.0);
    call.run(ms(2_000));

    assert!(!call.peers[alice].nacks.is_empty());
    let packets = whole(&call, bob, slot);
    assert!(contiguous(&packets), "{} packets", packets.len());
    let sent = call.peers[alice].sources[0].sent as usize;
    assert!(packets.len() + 10 > sent, "{} of {sent} packets came", packets.len());
}

#[test]
fn what_a_subscriber_lost_is_sent_again_as_rtx() {
    let mut call = Call::new(3);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(500));
    call.down[bob] = Link::lossy(ms(20), 0.1);
    call.run(ms(5_000));
    call.down[bob] = Link::lossy(ms(20), 0.0);
    call.run(ms(2_000));

    let packets = whole(&call, bob, slot);
    let missing: u16 = packets.windows(2).map(|pair| pair[1].0.wrapping_sub(pair[0].0) - 1).sum();
    // The simulated receiver asks once: what was lost twice stays lost.
    assert!(missing * 50 < packets.len() as u16, "{missing} missing of {}", packets.len());
    assert!(call.plane.stats().packets_retransmitted > 20);
    assert!(call.peers[alice].nacks.is_empty(), "the cache had them");
}

#[test]
fn many_who_join_at_once_cost_one_keyframe_at_most() {
    let mut call = Call::new(4);
    let alice = call.join();
    let camera = call.publish(alice, Kind::Video, &[]);
    call.run(ms(2_000));
    let before = call.peers[alice].sources[0].keyframes;
    let viewers: Vec<_> = (0..10).map(|_| call.invite(plane_core::command::DtlsRole::Server)).collect();
    for &viewer in &viewers {
        call.peers[viewer].checking = true;
        call.subscribe(viewer, camera, Kind::Video);
    }
    call.run(ms(1_000));
    for &viewer in &viewers {
        assert!(call.has_connected(viewer));
        assert!(!call.peers[viewer].received.is_empty());
    }
    assert!(call.peers[alice].sources[0].keyframes - before <= 1);
}

#[test]
fn simulcast_switches_at_a_keyframe_and_keeps_its_numbers() {
    let mut call = Call::new(5);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &["q", "h", "f"]);
    let slot = call.add_slot(bob, Kind::Video);
    for (step, spatial) in [0u8, 2, 1, 0, 2].into_iter().enumerate() {
        call.show(slot, Some(camera), &[Layer::new(spatial, 3)]);
        call.run(ms(700));
        let last = call.events.iter().rev().find_map(|event| match event {
            Event::Switched { layer, .. } => *layer,
            _ => None,
        });
        assert_eq!(last.map(|layer| layer.spatial), Some(spatial), "step {step}");
    }
    let packets = whole(&call, bob, slot);
    assert!(contiguous(&packets));
    let steps = packets.windows(2).map(|pair| pair[1].1.wrapping_sub(pair[0].1) as i32);
    for step in steps {
        assert!((0..=6_750 + 2_970).contains(&step), "the timestamp moved by {step}");
    }
    let ids: Vec<u16> =
        packets.iter().map(|(_, _, payload)| u16::from_be_bytes([payload[2], payload[3]]) & 0x7FFF).collect();
    assert!(ids.windows(2).all(|pair| matches!(pair[1].wrapping_sub(pair[0]) & 0x7FFF, 0 | 1)), "picture ids {ids:?}");
}

#[test]
fn a_silent_participant_is_sent_nothing_and_resumes_with_its_first_packet() {
    let mut call = Call::new(6);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    call.subscribe(bob, camera, Kind::Video);
    call.run(ms(3_000));
    call.peers[bob].alive = false;
    call.run(ms(5_000));
    let transport = call.peers[bob].transport;
    assert_eq!(call.states(transport), [TransportState::Connected, TransportState::Disconnected]);
    let quiet = call.plane.stats().packets_forwarded;
    call.run(ms(20_000));
    assert_eq!(call.plane.stats().packets_forwarded, quiet);
    call.peers[bob].alive = true;
    call.run(ms(3_000));
    assert_eq!(call.states(transport).last(), Some(&TransportState::Connected));
    assert!(call.plane.stats().packets_forwarded > quiet + 50);
}

#[test]
fn the_publisher_hears_when_its_packets_came() {
    let mut call = Call::new(7);
    let alice = call.join();
    call.publish(alice, Kind::Video, &[]);
    call.run(ms(1_000));
    let reported: usize = call.peers[alice].feedback.iter().map(|feedback| feedback.packets.len()).sum();
    assert!(reported > 80, "feedback on {reported} packets");
}

#[test]
fn who_is_removed_hears_a_goodbye() {
    let mut call = Call::new(8);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(500));
    let transport = call.peers[bob].transport;
    call.apply(plane_core::Command::Remove(transport.0));
    call.run(ms(100));
    assert!(call.peers[bob].closed);
    assert_eq!(call.peers[bob].byes, [0x5000_0000 + slot.0 as u32 * 2]);
    assert_eq!((call.plane.stats().transports, call.plane.stats().slots), (1, 0));
}
