//! Subscribers that wait for media and send little meanwhile: GStreamer makes no consent checks, sends no RTCP before
//! it has received something, and keeps its path alive by Binding Indications (RFC 8445 s11).

mod sim;

use plane_core::Discard;
use plane_core::command::{Command, DtlsRole, Kind};
use plane_core::event::TransportState;
use plane_core::id::SlotId;
use plane_core::time::{Duration, Instant, ms};
use sim::Call;
use sim::stream::ssrc;
use stun_types::message::{BINDING, Message, MessageWrite, MessageWriteExt, MessageWriteVec};

fn indication(with_fingerprint: bool) -> Vec<u8> {
    let mut message = Message::builder_indication(BINDING, MessageWriteVec::new());
    if with_fingerprint {
        message.add_fingerprint().expect("room");
    }
    message.finish()
}

/// A subscriber of `slots` sections that shows nothing yet and sends nothing by itself once connected.
fn waiting(call: &mut Call, slots: usize) -> (usize, Vec<SlotId>) {
    let viewer = call.invite(DtlsRole::Server);
    let slots = (0..slots).map(|_| call.add_slot(viewer, Kind::Video)).collect();
    call.peers[viewer].sends_reports = false;
    call.connect(viewer);
    call.peers[viewer].checking = false;
    call.peers[viewer].asks_for_losses = false;
    (viewer, slots)
}

/// Advances the time with an indication each 25 s. Reports are answered or not.
fn wait(call: &mut Call, viewer: usize, time: Duration, answers: bool) {
    let (start, mut kept) = (call.now, call.now);
    let mut reports = call.peers[viewer].sender_reports.len();
    while call.now - start < time {
        call.run(ms(250));
        if call.now - kept >= ms(25_000) {
            kept = call.now;
            let path = call.path(viewer);
            assert_eq!(call.inject(path, indication(true)), Ok(()));
        }
        // A receiver report of nothing, as soon as there is a sender.
        if answers && call.peers[viewer].sender_reports.len() > reports {
            reports = call.peers[viewer].sender_reports.len();
            report(call, viewer);
        }
    }
}

fn report(call: &mut Call, viewer: usize) {
    let mut out = Vec::new();
    plane_core::rtcp::report::write_receiver_report(&mut out, 1, &[]);
    call.peers[viewer].send_rtcp(out);
    call.run(ms(20));
}

/// A publisher joins and is shown in the slot. Returns the time until the first picture.
fn publish(call: &mut Call, slot: SlotId) -> (usize, Instant) {
    let alice = call.join();
    let camera = call.publish(alice, Kind::Video, &[]);
    let shown = call.now;
    call.show(slot, Some(camera), &[plane_core::layer::Layer::new(0, 3)]);
    (alice, shown)
}

fn first_picture(call: &Call, viewer: usize, slot: SlotId, since: Instant) -> Option<Duration> {
    let stream = call.peers[viewer].stream(ssrc(slot));
    stream.iter().find(|packet| packet.at > since && packet.payload[5] & 1 == 0).map(|packet| packet.at - since)
}

fn octets(call: &Call, viewer: usize, since: Instant) -> usize {
    call.peers[viewer].received.iter().filter(|packet| packet.at > since).map(|packet| packet.payload.len() + 40).sum()
}

#[test]
fn who_answers_idle_reports_sees_a_picture_at_once_however_long_it_waited() {
    for seconds in [5, 14, 88] {
        let mut call = Call::new(1);
        let (viewer, slots) = waiting(&mut call, 2);
        wait(&mut call, viewer, ms(seconds * 1_000), true);
        assert_eq!(call.states(call.peers[viewer].transport), [TransportState::Connected], "{seconds} s");
        let (_, shown) = publish(&mut call, slots[0]);
        call.run(ms(500));
        let picture = first_picture(&call, viewer, slots[0], shown);
        assert!(picture.is_some_and(|after| after < ms(200)), "after {seconds} s: {picture:?}");
    }
}

#[test]
fn who_answers_nothing_and_keeps_its_path_alive_is_there_and_is_tried_with_a_picture_at_once() {
    for seconds in [5, 14, 24, 88] {
        let mut call = Call::new(2);
        let (viewer, slots) = waiting(&mut call, 2);
        wait(&mut call, viewer, ms(seconds * 1_000), false);
        let (_, shown) = publish(&mut call, slots[0]);
        call.run(ms(500));
        // Never taken for gone, before its first indication neither.
        assert_eq!(call.states(call.peers[viewer].transport), [TransportState::Connected], "{seconds} s");
        let picture = first_picture(&call, viewer, slots[0], shown);
        assert!(picture.is_some_and(|after| after < ms(200)), "after {seconds} s: {picture:?}");
        // The picture is what makes it speak.
        report(&mut call, viewer);
        call.peers[viewer].sends_reports = true;
        let start = call.now;
        call.run(ms(10_000));
        let came = call.peers[viewer].received.iter().filter(|packet| packet.at > start).count();
        assert!(came > 800, "{came} packets in ten seconds");
    }
}

#[test]
fn a_picture_that_is_not_answered_is_tried_again_after_5_10_and_20_seconds_within_64_kb_each() {
    let mut call = Call::new(3);
    let (viewer, slots) = waiting(&mut call, 1);
    wait(&mut call, viewer, ms(40_000), false);
    let (alice, shown) = publish(&mut call, slots[0]);
    call.peers[alice].sources[0].packets = 20;
    wait(&mut call, viewer, ms(120_000), false);
    let came: Vec<u64> =
        call.peers[viewer].received.iter().map(|packet| (packet.at - shown).as_millis() as u64).collect();
    let mut bursts: Vec<u64> = Vec::new();
    let mut last = None;
    for at in came {
        if last.is_none_or(|last| at - last > 1_500) {
            bursts.push(at / 1_000);
        }
        last = Some(at);
    }
    assert_eq!(bursts, [0, 7, 19, 41]);
    assert!(octets(&call, viewer, shown) <= 4 * 66_000);
    let path = call.path(viewer);
    assert_eq!(call.inject(path, indication(false)), Ok(()), "that keeps the participant");
    let before = call.now;
    call.run(ms(5_000));
    assert_eq!(octets(&call, viewer, before), 0, "and is no consent");

    // Something new to show is worth another.
    let screen = call.publish(alice, Kind::Video, &[]);
    let before = call.now;
    call.apply(Command::SetSource { slots: vec![slots[0]], track: Some(screen) });
    call.run(ms(1_000));
    assert!(octets(&call, viewer, before) > 0);
}

#[test]
fn an_indication_from_elsewhere_or_of_nobody_keeps_nobody() {
    let mut call = Call::new(4);
    let (viewer, _) = waiting(&mut call, 1);
    let path = call.path(viewer);
    let elsewhere = plane_core::command::Path { remote: ([203, 0, 113, 5], 9).into(), ..path };
    let mut broken = indication(true);
    *broken.last_mut().expect("it has octets") ^= 1;
    for (path, datagram, why) in [
        (elsewhere, indication(true), Discard::UnknownAddress),
        (path, broken, Discard::StunFingerprint),
        (path, indication(true)[..12].to_vec(), Discard::Truncated),
    ] {
        assert_eq!(call.inject(path, datagram), Err(why));
    }
    call.run(ms(32_000));
    assert_eq!(call.states(call.peers[viewer].transport).last(), Some(&TransportState::Disconnected));
}

#[test]
fn idle_reports_are_one_datagram_every_few_seconds_and_each_slot_has_its_turn() {
    let mut call = Call::new(5);
    let (viewer, slots) = waiting(&mut call, 60);
    call.peers[viewer].checking = true;
    call.run(ms(100));
    let (start, before) = (call.now, call.plane.stats().bytes_sent);
    call.run(ms(60_000));
    let sent = call.plane.stats().bytes_sent - before;
    // 20 ms of the first probes, which nobody reports on, are sent again.
    let probes = 20 * (900 + 1_800) / 8 + 2 * 300;
    assert!(sent < 60 * 400 + probes, "{sent} octets in a minute, checks answered included");
    let reported: std::collections::BTreeSet<u32> =
        call.peers[viewer].sender_reports.iter().filter(|report| report.3 > start).map(|report| report.0).collect();
    assert_eq!(reported.len(), slots.len());
}

#[test]
fn the_timeline_goes_on_from_what_idle_reports_said() {
    let mut call = Call::new(6);
    let (viewer, slots) = waiting(&mut call, 1);
    wait(&mut call, viewer, ms(20_000), true);
    let (_, ntp, rtp, _) = *call.peers[viewer].sender_reports.last().expect("it was reported");
    publish(&mut call, slots[0]);
    call.run(ms(3_000));
    let (_, later, now, _) = *call.peers[viewer].sender_reports.last().expect("it is reported");
    let (elapsed, reported) = (later.seconds_since(ntp), f64::from(now.wrapping_sub(rtp)) / 90_000.0);
    assert!((elapsed - reported).abs() < 0.1, "{reported} s on the timeline in {elapsed} s");
}
