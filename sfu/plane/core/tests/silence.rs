//! How long a silent peer counts as present, when it is disconnected, and what it receives when it returns.

mod sim;

use plane_core::command::{DtlsRole, Kind};
use plane_core::event::TransportState;
use plane_core::rtcp::feedback;
use plane_core::time::{Duration, Instant, ms};
use plane_core::{Command, Event};
use sim::stream::{ssrc, whole};
use sim::{Call, Link};

fn disconnected(call: &Call, peer: usize) -> bool {
    call.states(call.peers[peer].transport).contains(&TransportState::Disconnected)
}

/// Runs until the peer is disconnected. Returns the time.
fn until_disconnected(call: &mut Call, peer: usize, at_most: Duration) -> Option<Duration> {
    let began: Instant = call.now;
    while call.now - began < at_most {
        call.run(ms(50));
        if call.states(call.peers[peer].transport).last() == Some(&TransportState::Disconnected) {
            return Some(call.now - began);
        }
    }
    None
}

/// A participant that sends only checks.
fn checks_only(call: &mut Call, interval: Duration, jitter: f64) -> usize {
    let peer = call.invite(DtlsRole::Server);
    call.peers[peer].sends_reports = false;
    call.peers[peer].check_interval = interval;
    call.peers[peer].check_jitter = jitter;
    call.connect(peer);
    peer
}

#[test]
fn ten_minutes_of_sparse_checks_disconnect_nobody() {
    let browsers = [("Firefox", ms(5_000), 0.0), ("aiortc", ms(5_000), 0.2), ("Chromium", ms(2_500), 0.0)];
    for (name, interval, jitter) in browsers {
        let mut call = Call::new(1);
        let speaker = call.join();
        let microphone = call.publish(speaker, Kind::Audio, &[]);
        // One listens, one has a microphone that is muted, and neither says anything of what it receives.
        let listener = checks_only(&mut call, interval, jitter);
        call.subscribe(listener, microphone, Kind::Audio);
        let muted = checks_only(&mut call, interval, jitter);
        call.publish(muted, Kind::Audio, &[]);
        call.peers[muted].sources[0].active = false;
        call.run(ms(600_000));
        assert!(!disconnected(&call, listener) && !disconnected(&call, muted), "{name}");
        let heard = call.peers[listener].received.len();
        assert!((29_900..30_100).contains(&heard), "{name}: {heard} packets of ten minutes");
    }
}

#[test]
fn sparse_checks_and_a_lossy_network_disconnect_nobody_for_long() {
    let mut call = Call::new(2);
    let listener = checks_only(&mut call, ms(5_000), 0.2);
    call.up[listener] = Link::lossy(ms(30), 0.05);
    call.run(ms(600_000));
    let states = call.states(call.peers[listener].transport);
    // Two or three checks in a row can get lost; the next brings it back.
    assert!(states.len() <= 5, "{states:?}");
    assert_eq!(states.last(), Some(&TransportState::Connected));
}

#[test]
fn who_returns_feedback_is_missed_after_four_seconds_of_media() {
    let mut call = Call::new(3);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    call.subscribe(bob, camera, Kind::Video);
    call.run(ms(3_000));
    call.peers[bob].alive = false;
    let after = until_disconnected(&mut call, bob, ms(60_000)).expect("it is gone");
    assert!((ms(3_800)..ms(4_200)).contains(&after), "{after:?}");
}

#[test]
fn who_returns_none_is_missed_after_eight_seconds_or_more_where_it_spoke_seldom() {
    for (interval, from, to) in [(ms(2_500), ms(5_400), ms(8_100)), (ms(5_000), ms(7_500), ms(12_600))] {
        let mut call = Call::new(4);
        let peer = checks_only(&mut call, interval, 0.0);
        call.run(ms(30_000));
        call.peers[peer].alive = false;
        let after = until_disconnected(&mut call, peer, ms(60_000)).expect("it is gone");
        assert!((from..to).contains(&after), "checks each {interval:?}: {after:?}");
    }
}

#[test]
fn a_microphone_unmuted_between_two_checks_disconnects_no_listener() {
    let mut call = Call::new(5);
    let speaker = call.join();
    let microphone = call.publish(speaker, Kind::Audio, &[]);
    let listener = call.invite(DtlsRole::Server);
    call.peers[listener].check_interval = ms(5_000);
    call.connect(listener);
    call.subscribe(listener, microphone, Kind::Audio);
    call.run(ms(2_000));
    // It has returned feedback; now there is nothing to return any for.
    for _ in 0..20 {
        call.peers[speaker].sources[0].active = false;
        call.run(ms(4_700));
        let now = call.now;
        call.peers[speaker].sources[0].active = true;
        call.peers[speaker].sources[0].next_frame = now;
        call.run(ms(1_000));
    }
    assert!(!disconnected(&call, listener));
}

#[test]
fn nothing_is_freed_while_somebody_may_come_back() {
    let mut call = Call::new(6);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    let screen = call.publish(bob, Kind::Video, &[]);
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.subscribe(alice, screen, Kind::Video);
    call.open_sctp(bob);
    call.run(ms(2_000));
    let arenas = |call: &Call| {
        let stats = call.plane.stats();
        (stats.transports, stats.tracks, stats.slots)
    };
    let before = arenas(&call);
    let last = call.peers[bob].stream(ssrc(slot)).last().map(|packet| packet.sequence).expect("media flowed");
    call.peers[bob].alive = false;
    call.run(ms(30_000));
    assert_eq!(arenas(&call), before);
    let (keyframes, connects) = (call.peers[alice].sources[0].keyframes, call.states(call.peers[bob].transport).len());

    let now = call.now;
    call.peers[bob].alive = true;
    call.peers[bob].sources[0].next_frame = now;
    call.run(ms(1_000));
    assert_eq!(call.states(call.peers[bob].transport).len(), connects + 1, "no handshake: it is simply heard");
    let next = call.peers[bob].stream(ssrc(slot)).iter().map(|packet| packet.sequence).find(|&next| next > last);
    let gap = next.expect("media flows again") - last;
    // Packets in flight when it became silent are lost. Packets that were not sent took no numbers.
    assert!(gap < 500, "a gap of {gap}");
    assert_eq!(call.peers[alice].sources[0].keyframes - keyframes, 1, "it begins with a keyframe, and costs one");
    assert!(whole(&call, bob, slot).len() > 200);
}

#[test]
fn a_long_silence_costs_no_numbers() {
    let mut call = Call::new(7);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    call.peers[alice].sources[0].packets = 10;
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(1_000));
    let last = call.peers[bob].stream(ssrc(slot)).last().map(|packet| packet.sequence).expect("media flowed");
    call.peers[bob].alive = false;
    // 36,000 packets: more than a receiver's guess of the rollover counter survives (RFC 3711 s3.3.1).
    call.run(ms(120_000));
    call.peers[bob].alive = true;
    call.run(ms(1_000));
    let after = call.peers[bob].stream(ssrc(slot)).last().map(|packet| packet.sequence).expect("media flowed");
    assert!((200..3_000).contains(&(after - last)), "{last}, then {after}");
}

#[test]
fn requests_to_a_silent_publisher_do_not_pile_up() {
    let mut call = Call::new(9);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(500));
    call.peers[alice].alive = false;
    for _ in 0..120 {
        let mut pli = Vec::new();
        feedback::write_pli(&mut pli, 1, ssrc(slot));
        call.peers[bob].send_rtcp(pli);
        call.run(ms(500));
    }
    assert!(disconnected(&call, alice));
    let before = call.peers[alice].plis.len();
    call.peers[alice].alive = true;
    call.run(ms(1_000));
    let asked = call.peers[alice].plis.len() - before;
    assert!((1..=3).contains(&asked), "asked {asked} times");
}

#[test]
fn messages_for_a_silent_participant_wait_and_do_not_turn_the_timers_in_place() {
    let mut call = Call::new(8);
    let bob = call.join();
    call.open_sctp(bob);
    call.run(ms(500));
    let transport = call.peers[bob].transport;
    let id = plane_core::id::ChannelId(call.id());
    call.apply(Command::OpenChannel(plane_core::command::ChannelSpec {
        id,
        transport: Some(transport),
        label: "chat".into(),
        protocol: String::new(),
        ordered: true,
        reliability: plane_core::command::Reliability::Reliable,
        remote: false,
    }));
    call.run(ms(5_000));
    call.peers[bob].alive = false;
    call.run(ms(16_000));
    assert!(disconnected(&call, bob));
    for number in 0..20u8 {
        call.apply(Command::Send { channels: vec![id], payload: vec![number], text: false });
        call.run(ms(500));
    }
    call.peers[bob].alive = true;
    call.run(ms(20_000));
    let messages: Vec<u8> = call.peers[bob]
        .data_events
        .iter()
        .filter_map(|event| match event {
            plane_core::data::Event::Message { payload, .. } => Some(payload[0]),
            _ => None,
        })
        .collect();
    assert_eq!(messages, (0..20).collect::<Vec<_>>());
    assert!(
        !call.events.iter().any(|event| matches!(event, Event::TransportState { state: TransportState::Failed, .. }))
    );
}
