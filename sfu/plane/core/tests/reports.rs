//! RTCP of both sides: consistent clocks, SDES and BYE (RFC 3550 s6).

mod sim;

use plane_core::Command;
use plane_core::command::Kind;
use plane_core::id::SlotId;
use plane_core::rtcp::{feedback, report};
use plane_core::time::{Ntp, ms};
use sim::source::Falsify;
use sim::stream::{origin, ssrc, whole};
use sim::{Call, Link};

/// The difference between the capture times of a slot's newest packets by its reports and by the publisher's clock, in
/// ms.
fn skew(call: &Call, publisher: usize, source: usize, subscriber: usize, slot: SlotId, rate: f64) -> f64 {
    let (ntp, rtp) = call.peers[publisher].sources[source].clock(call.clock);
    let &(_, reported_ntp, reported_rtp, _) = call.peers[subscriber]
        .sender_reports
        .iter()
        .rev()
        .find(|report| report.0 == ssrc(slot))
        .expect("a report came");
    // The offset that the slot adds to this source's timestamps, from a packet identified by its content.
    let packets = whole(call, subscriber, slot);
    let (_, timestamp, payload) = packets.last().expect("media came");
    let source = &call.peers[publisher].sources[source];
    let (_, sequence) = origin(payload);
    let sent = source.history.get(&sequence).expect("sent a moment ago").0;
    let offset = timestamp.wrapping_sub(sent);
    let by_publisher = f64::from(rtp.wrapping_add(offset).wrapping_sub(reported_rtp) as i32) / rate;
    let by_wall_clock = ntp.seconds_since(reported_ntp);
    (by_publisher - by_wall_clock) * 1_000.0
}

#[test]
fn sender_reports_carry_the_clock_of_the_publisher_through_whatever_delay() {
    let mut call = Call::new(1);
    let (alice, bob) = (call.join(), call.join());
    call.up[alice] = Link { delay: ms(120), loss: 0.0, jitter: ms(30), ..Link::default() };
    let camera = call.publish(alice, Kind::Video, &[]);
    let microphone = call.publish(alice, Kind::Audio, &[]);
    let video = call.subscribe(bob, camera, Kind::Video);
    let audio = call.subscribe(bob, microphone, Kind::Audio);
    // Of many reports the quickest tell best.
    call.run(ms(50_000));
    let skews = [skew(&call, alice, 0, bob, video, 90_000.0), skew(&call, alice, 1, bob, audio, 48_000.0)];
    // Sound and picture that were made together are played together.
    assert!((skews[0] - skews[1]).abs() < 5.0, "{skews:?} ms");
}

#[test]
fn the_clock_is_right_for_what_is_shown_now_when_a_slot_has_moved() {
    let mut call = Call::new(2);
    let (alice, bob, carol) = (call.join(), call.join(), call.join());
    let first = call.publish(alice, Kind::Video, &[]);
    let second = call.publish(carol, Kind::Video, &["q", "h"]);
    let slot = call.subscribe(bob, first, Kind::Video);
    call.run(ms(3_000));
    assert!(skew(&call, alice, 0, bob, slot, 90_000.0).abs() < 50.0);
    call.subscribe_to(slot, second);
    call.run(ms(5_000));
    let skew = skew(&call, carol, 1, bob, slot, 90_000.0);
    assert!(skew.abs() < 50.0, "{skew} ms");
}

/// The largest difference between a slot's reports and its media at the same time, in seconds.
fn farthest(call: &Call, subscriber: usize, slot: SlotId, rate: f64) -> f64 {
    let peer = &call.peers[subscriber];
    let reports = peer.sender_reports.iter().filter(|report| report.0 == ssrc(slot));
    let distances = reports.filter_map(|&(ssrc, _, rtp, at)| {
        let newest = peer.received.iter().rev().find(|packet| packet.ssrc == ssrc && packet.at <= at)?;
        let ahead = f64::from(rtp.wrapping_sub(newest.timestamp) as i32) / rate;
        Some((ahead - (at - newest.at).as_secs_f64()).abs())
    });
    distances.fold(0.0, f64::max)
}

#[test]
fn impossible_reports_of_a_publisher_never_put_those_of_its_viewers_off_what_flows() {
    const HOUR: u64 = 3_600 << 32;
    let table: [(&str, Falsify); 8] = [
        ("the first is all ones", |n, ntp, rtp| (ntp, if n == 0 { u32::MAX } else { rtp })),
        ("each third is all ones", |n, ntp, rtp| (ntp, if n % 3 == 0 { u32::MAX } else { rtp })),
        ("ten seconds behind", |_, ntp, rtp| (ntp, rtp.wrapping_sub(900_000))),
        ("ten seconds ahead", |_, ntp, rtp| (ntp, rtp.wrapping_add(900_000))),
        ("wall time stands still", |_, _, rtp| (Ntp(HOUR), rtp)),
        ("timestamps stand still", |_, ntp, _| (ntp, 7)),
        ("the clock is set back", |n, ntp, rtp| (Ntp(ntp.0 - if n < 5 { 0 } else { HOUR }), rtp)),
        ("wall time counts from boot", |_, ntp, rtp| (Ntp(ntp.0 - 900_000 * HOUR), rtp)),
    ];
    for (what, falsify) in table {
        let mut call = Call::new(1);
        let (alice, bob) = (call.join(), call.join());
        let camera = call.publish(alice, Kind::Video, &[]);
        let microphone = call.publish(alice, Kind::Audio, &[]);
        for source in &mut call.peers[alice].sources {
            source.falsify = Some(falsify);
        }
        let video = call.subscribe(bob, camera, Kind::Video);
        let audio = call.subscribe(bob, microphone, Kind::Audio);
        call.run(ms(15_000));
        let farthest = [farthest(&call, bob, video, 90_000.0), farthest(&call, bob, audio, 48_000.0)];
        assert!(farthest.iter().all(|seconds| *seconds < 0.25), "{what}: {farthest:?} s");
        let skews = [skew(&call, alice, 0, bob, video, 90_000.0), skew(&call, alice, 1, bob, audio, 48_000.0)];
        assert!((skews[0] - skews[1]).abs() < 60.0, "{what}: {skews:?} ms");
    }
}

#[test]
fn sender_reports_count_what_was_sent_and_name_their_participant() {
    let mut call = Call::new(3);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(5_000));
    let reports = call.peers[bob].sender_reports.iter().filter(|report| report.0 == ssrc(slot)).count();
    assert!((4..=8).contains(&reports), "{reports} in five seconds");
    let named = |compound: &Vec<u8>| compound.windows(6).any(|window| window == b"cname1");
    assert!(call.peers[bob].compounds.iter().any(named), "RFC 3550 s6.1: every report names its source");
}

#[test]
fn the_publisher_is_told_how_its_streams_arrive() {
    let mut call = Call::new(4);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    call.subscribe(bob, camera, Kind::Video);
    call.up[alice] = Link::lossy(ms(10), 0.1);
    call.run(ms(5_000));
    let mut blocks = Vec::new();
    for compound in &call.peers[alice].compounds {
        let _ = plane_core::rtcp::compound::parse(compound, |packet| {
            if let plane_core::rtcp::compound::Packet::ReceiverReport { reports, .. } = packet {
                blocks.extend(reports);
            }
        });
    }
    let ssrc = call.peers[alice].sources[0].ssrc;
    let last = blocks.iter().rev().find(|block| block.ssrc == ssrc).expect("it was reported");
    assert!(last.cumulative_lost > 5, "{last:?}");
    assert!(last.last_sr != 0, "it names the sender report it has seen");
}

#[test]
fn what_a_report_waits_in_our_socket_is_not_taken_for_the_way() {
    let mut call = Call::new(7);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.up[bob] = Link { delay: ms(205), ..Link::default() };
    call.in_socket = ms(200);
    call.run(ms(5_000));
    let lost = whole(&call, bob, slot).last().expect("media came").0;
    // A packet requested again within a round trip is not sent again: the round trip is 10 ms, not 210.
    for _ in 0..2 {
        let mut nack = Vec::new();
        feedback::write_nack(&mut nack, 1, ssrc(slot), &[lost]);
        call.peers[bob].send_rtcp(nack);
        call.run(ms(30));
    }
    call.run(ms(250));
    assert_eq!(call.plane.stats().packets_retransmitted, 2);
}

#[test]
fn an_ssrc_that_said_bye_may_come_again() {
    let mut call = Call::new(5);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(500));
    let mut bye = Vec::new();
    report::write_receiver_report(&mut bye, 1, &[]);
    report::write_bye(&mut bye, &[call.peers[alice].sources[0].ssrc]);
    call.peers[alice].send_rtcp(bye);
    call.run(ms(1_000));
    assert!(whole(&call, bob, slot).len() > 120);
}

#[test]
fn who_is_removed_is_told_of_every_slot_and_closed() {
    let mut call = Call::new(6);
    let (alice, bob) = (call.join(), call.join());
    let tracks = [call.publish(alice, Kind::Video, &[]), call.publish(alice, Kind::Audio, &[])];
    let slots = [call.subscribe(bob, tracks[0], Kind::Video), call.subscribe(bob, tracks[1], Kind::Audio)];
    call.run(ms(500));
    let now = call.now;
    call.plane.close(now);
    call.run(ms(100));
    assert!(call.peers[alice].closed && call.peers[bob].closed);
    assert_eq!(call.peers[bob].byes, slots.map(ssrc));
    let stats = call.plane.stats();
    assert_eq!((stats.transports, stats.tracks, stats.slots, stats.channels), (0, 0, 0, 0));
    call.apply(Command::Remove(slots[0].0));
}
