//! Messages across the plane, from channel to channel, as rooms use them (RFC 8831, 8832), without Python.

mod sim;

use plane_core::command::{self, ChannelSpec, Kind, Reliability};
use plane_core::data;
use plane_core::event::ChannelState;
use plane_core::id::{ChannelId, GroupId};
use plane_core::time::ms;
use plane_core::{Command, Discard, Event};
use sim::stream::{contiguous, whole};
use sim::{Call, Link};

/// A participant with its end of a channel, and the plane's.
#[derive(Clone, Copy)]
struct Member {
    peer: usize,
    /// The channel's id in the plane.
    channel: ChannelId,
    /// The channel's id at the peer.
    own: ChannelId,
}

const OWN: ChannelId = ChannelId(7);

fn open_from_peer(call: &mut Call, peer: usize, label: &str, reliability: Reliability) {
    let transport = call.peers[peer].transport;
    let spec = ChannelSpec {
        id: OWN,
        transport: Some(transport),
        label: label.into(),
        protocol: String::new(),
        ordered: true,
        reliability,
        remote: false,
    };
    let now = call.now;
    call.peers[peer].data.as_mut().expect("SCTP is open").open(&spec, None, now);
    call.peers[peer].pump(now);
}

fn opened(call: &Call, peer: usize, label: &str) -> Option<ChannelId> {
    call.events.iter().find_map(|event| match event {
        Event::ChannelState { transport, channel, state: ChannelState::Open, label: opened, .. }
            if *transport == call.peers[peer].transport && opened == label =>
        {
            Some(*channel)
        }
        _ => None,
    })
}

/// This many participants, each with an open channel of this label.
fn room(seed: u64, count: usize, label: &str, reliability: Reliability) -> (Call, Vec<Member>) {
    let mut call = Call::new(seed);
    let peers: Vec<_> = (0..count).map(|_| call.join()).collect();
    for &peer in &peers {
        call.open_sctp(peer);
        open_from_peer(&mut call, peer, label, reliability);
    }
    call.run(ms(500));
    let member = |&peer| Member { peer, channel: opened(&call, peer, label).expect("it is open"), own: OWN };
    let members = peers.iter().map(member).collect();
    (call, members)
}

fn name(member: &Member) -> String {
    format!("PA_{}", member.peer)
}

/// Everybody may send to everybody.
fn connect(call: &mut Call, members: &[Member], enveloped: bool) {
    let id = GroupId(call.id());
    call.apply(Command::AddGroup { id, enveloped });
    for member in members {
        join(call, id, member.channel, name(member));
    }
}

fn join(call: &mut Call, group: GroupId, channel: ChannelId, name: String) {
    call.apply(Command::JoinGroup { group, channel, member: command::Member { name, may_send: true } });
}

/// The first member of a room, and a channel for another participant.
fn connect_with(call: &mut Call, members: &[Member], other: ChannelId) {
    let id = GroupId(call.id());
    call.apply(Command::AddGroup { id, enveloped: true });
    for (channel, name) in [(members[0].channel, "PA_0"), (other, "PA_1")] {
        join(call, id, channel, name.into());
    }
}

fn say(call: &mut Call, member: &Member, payload: &[u8], text: bool) -> Result<(), Discard> {
    let now = call.now;
    let result = call.peers[member.peer].data.as_mut().expect("SCTP is open").send(member.own, payload, text, now);
    call.peers[member.peer].pump(now);
    result
}

fn envelope(to: &str, body: &[u8]) -> Vec<u8> {
    [&[to.len() as u8], to.as_bytes(), body].concat()
}

/// The messages that a participant received.
fn heard(call: &Call, member: &Member) -> Vec<Vec<u8>> {
    let message = |event: &data::Event| match event {
        data::Event::Message { payload, .. } => Some(payload.clone()),
        _ => None,
    };
    call.peers[member.peer].data_events.iter().filter_map(message).collect()
}

#[test]
fn a_message_reaches_everybody_or_one_or_the_server_and_names_its_sender() {
    let (mut call, members) = room(1, 3, "sfu-reliable", Reliability::Reliable);
    connect(&mut call, &members, true);
    for (to, body) in [("", "all"), ("PA_2", "one"), ("server", "you"), ("PA_9", "nobody")] {
        say(&mut call, &members[0], &envelope(to, body.as_bytes()), false).expect("it is open");
    }
    call.run(ms(200));
    assert_eq!(heard(&call, &members[0]), Vec::<Vec<u8>>::new());
    assert_eq!(heard(&call, &members[1]), [envelope("PA_0", b"all")]);
    assert_eq!(heard(&call, &members[2]), [envelope("PA_0", b"all"), envelope("PA_0", b"one")]);
    let for_server: Vec<_> =
        call.events.iter().filter(|event| matches!(event, Event::Message { .. })).cloned().collect();
    let (transport, channel) = (call.peers[0].transport, members[0].channel);
    let expected = Event::Message { transport, channel, payload: envelope("PA_0", b"you"), text: false };
    assert_eq!(for_server, [expected]);
    assert_eq!(call.discarded(Discard::MessageUnrouted), 1);
}

#[test]
fn other_labels_are_passed_on_as_they_are() {
    let (mut call, members) = room(2, 3, "game", Reliability::Retransmits(0));
    connect(&mut call, &members, false);
    say(&mut call, &members[1], b"\x04move", true).expect("it is open");
    call.run(ms(200));
    for member in [members[0], members[2]] {
        assert_eq!(heard(&call, &member), [b"\x04move"]);
    }
    assert!(!call.events.iter().any(|event| matches!(event, Event::Message { .. })), "nothing is for the server");
}

#[test]
fn without_a_group_a_message_ends_here() {
    let (mut call, members) = room(3, 2, "game", Reliability::Reliable);
    say(&mut call, &members[0], b"hello?", true).expect("it is open");
    call.run(ms(200));
    assert_eq!(heard(&call, &members[1]), Vec::<Vec<u8>>::new());
    assert_eq!(call.discarded(Discard::MessageUnrouted), 1);
}

#[test]
fn a_group_that_is_gone_or_left_reaches_nobody() {
    let (mut call, members) = room(3, 3, "game", Reliability::Reliable);
    connect(&mut call, &members[..2], false);
    let (first, second) = (GroupId(call.id()), GroupId(call.id()));
    for id in [first, second] {
        call.apply(Command::AddGroup { id, enveloped: false });
    }
    for member in &members {
        join(&mut call, first, member.channel, name(member));
    }
    join(&mut call, second, members[2].channel, name(&members[2]));
    say(&mut call, &members[0], b"hello", true).expect("it is open");
    call.run(ms(200));
    assert_eq!((heard(&call, &members[1]).len(), heard(&call, &members[2]).len()), (1, 0), "one group at a time");
    call.apply(Command::Remove(first.0));
    say(&mut call, &members[0], b"hello?", true).expect("it is open");
    call.run(ms(200));
    assert_eq!(heard(&call, &members[1]).len(), 1);
    assert_eq!(call.discarded(Discard::MessageUnrouted), 1);
}

#[test]
fn messages_of_every_size_arrive_whole_and_in_order_over_a_lossy_network() {
    let (mut call, members) = room(4, 2, "sfu-reliable", Reliability::Reliable);
    connect(&mut call, &members, true);
    for member in &members {
        call.up[member.peer] = Link { delay: ms(20), loss: 0.05, jitter: ms(10), ..Link::default() };
        call.down[member.peer] = Link { delay: ms(20), loss: 0.05, jitter: ms(10), ..Link::default() };
    }
    let sizes = [0, 1, 100, 1_171, 1_200, 5_000, 20_000, 65_000];
    for &size in &sizes {
        let body = vec![size as u8; size];
        say(&mut call, &members[0], &envelope("", &body), false).expect("it is open");
        call.run(ms(1_500));
    }
    call.run(ms(20_000));
    let lengths: Vec<_> = heard(&call, &members[1]).iter().map(|message| message.len() - 5).collect();
    assert_eq!(lengths, sizes);
}

#[test]
fn reliable_messages_wait_for_a_channel_that_is_still_opening() {
    let (mut call, members) = room(5, 1, "sfu-reliable", Reliability::Reliable);
    let late = call.join();
    call.open_sctp(late);
    let transport = call.peers[late].transport;
    let id = ChannelId(call.id());
    call.apply(Command::OpenChannel(ChannelSpec {
        id,
        transport: Some(transport),
        label: "sfu-reliable".into(),
        protocol: String::new(),
        ordered: true,
        reliability: Reliability::Reliable,
        remote: true,
    }));
    connect_with(&mut call, &members, id);
    for body in [b"1", b"2", b"3"] {
        say(&mut call, &members[0], &envelope("", body), false).expect("it is open");
        call.run(ms(100));
    }
    open_from_peer(&mut call, late, "sfu-reliable", Reliability::Reliable);
    call.run(ms(500));
    let late = Member { peer: late, channel: id, own: OWN };
    assert_eq!(heard(&call, &late), [b"1", b"2", b"3"].map(|body| envelope("PA_0", body)));
    assert_eq!(opened(&call, late.peer, "sfu-reliable"), Some(id));
}

/// The channel of a participant that has joined but not offered yet. The room's first member may send to it.
fn newcomer(call: &mut Call, members: &[Member], reliability: Reliability) -> ChannelSpec {
    let spec = ChannelSpec {
        id: ChannelId(call.id()),
        transport: None,
        label: "sfu-reliable".into(),
        protocol: String::new(),
        ordered: true,
        reliability,
        remote: true,
    };
    call.apply(Command::OpenChannel(spec.clone()));
    connect_with(call, members, spec.id);
    spec
}

/// The participant has offered, and opens its end of the channel.
fn arrives(call: &mut Call, spec: ChannelSpec) -> Member {
    let (peer, channel) = (call.join(), spec.id);
    call.open_sctp(peer);
    let transport = Some(call.peers[peer].transport);
    call.apply(Command::OpenChannel(ChannelSpec { transport, ..spec }));
    open_from_peer(call, peer, "sfu-reliable", Reliability::Reliable);
    call.run(ms(500));
    Member { peer, channel, own: OWN }
}

#[test]
fn reliable_messages_wait_for_a_participant_that_has_no_transport_yet() {
    let (mut call, members) = room(5, 1, "sfu-reliable", Reliability::Reliable);
    let spec = newcomer(&mut call, &members, Reliability::Reliable);
    for body in [b"1", b"2"] {
        say(&mut call, &members[0], &envelope("", body), false).expect("it is open");
        call.run(ms(100));
    }
    call.apply(Command::Send { channels: vec![spec.id], payload: b"\x06server3".to_vec(), text: false });
    let late = arrives(&mut call, spec);
    say(&mut call, &members[0], &envelope("PA_1", b"4"), false).expect("it is open");
    call.run(ms(100));
    let expected = [envelope("PA_0", b"1"), envelope("PA_0", b"2"), envelope("server", b"3"), envelope("PA_0", b"4")];
    assert_eq!(heard(&call, &late), expected);
    assert_eq!(opened(&call, late.peer, "sfu-reliable"), Some(late.channel));
    assert_eq!((call.discarded(Discard::MessageDropped), call.plane.stats().channels), (0, 2));
}

#[test]
fn what_waited_too_long_for_a_transport_or_is_lossy_is_dropped() {
    for (reliability, waited) in [(Reliability::Reliable, 2_500), (Reliability::Retransmits(0), 100)] {
        let (mut call, members) = room(5, 1, "sfu-reliable", Reliability::Reliable);
        let spec = newcomer(&mut call, &members, reliability);
        say(&mut call, &members[0], &envelope("", b"old"), false).expect("it is open");
        call.run(ms(waited));
        let late = arrives(&mut call, spec);
        assert_eq!(heard(&call, &late), Vec::<Vec<u8>>::new());
        assert_eq!(call.discarded(Discard::MessageDropped), 1);
    }
}

#[test]
fn a_participant_that_goes_before_it_has_offered_leaves_nothing_behind() {
    let (mut call, members) = room(5, 1, "sfu-reliable", Reliability::Reliable);
    let spec = newcomer(&mut call, &members, Reliability::Reliable);
    say(&mut call, &members[0], &envelope("", b"unheard"), false).expect("it is open");
    call.run(ms(100));
    assert_eq!(call.plane.stats().channels, 2);
    call.apply(Command::Remove(spec.id.0));
    assert_eq!(call.plane.stats().channels, 1);
}

#[test]
fn a_message_for_a_channel_that_opens_too_late_is_dropped() {
    let (mut call, members) = room(6, 1, "sfu-reliable", Reliability::Reliable);
    let late = call.join();
    call.open_sctp(late);
    let transport = call.peers[late].transport;
    let id = ChannelId(call.id());
    call.apply(Command::OpenChannel(ChannelSpec {
        id,
        transport: Some(transport),
        label: "sfu-reliable".into(),
        protocol: String::new(),
        ordered: true,
        reliability: Reliability::Reliable,
        remote: true,
    }));
    call.apply(Command::Send { channels: vec![id, members[0].channel], payload: b"old".to_vec(), text: true });
    call.run(ms(2_500));
    open_from_peer(&mut call, late, "sfu-reliable", Reliability::Reliable);
    call.run(ms(500));
    assert_eq!(heard(&call, &Member { peer: late, channel: id, own: OWN }), Vec::<Vec<u8>>::new());
    assert_eq!(call.discarded(Discard::MessageDropped), 1);
    assert_eq!(heard(&call, &members[0]), [b"old"]);
}

#[test]
fn a_slow_receiver_loses_lossy_messages_and_nobody_else_does() {
    let (mut call, members) = room(7, 3, "sfu-lossy", Reliability::Retransmits(0));
    connect(&mut call, &members, true);
    let (slow, quick) = (members[1], members[2]);
    call.down[slow.peer] = Link::lossy(ms(2_000), 0.3);
    for number in 0..300u32 {
        let body = [number.to_be_bytes().to_vec(), vec![0; 4_000]].concat();
        let _ = say(&mut call, &members[0], &envelope("", &body), false);
        call.run(ms(20));
    }
    call.run(ms(2_000));
    assert_eq!(heard(&call, &quick).len(), 300);
    assert!(heard(&call, &slow).len() < 200, "{}", heard(&call, &slow).len());
    assert!(call.discarded(Discard::MessageDropped) > 0);
    let closed = |event: &Event| matches!(event, Event::ChannelState { state: ChannelState::Closed, .. });
    assert!(!call.events.iter().any(closed));
}

#[test]
fn a_receiver_too_slow_for_reliable_messages_has_its_channel_closed_with_a_reason() {
    let (mut call, members) = room(8, 3, "sfu-reliable", Reliability::Reliable);
    connect(&mut call, &members, true);
    let (slow, quick) = (members[1], members[2]);
    call.down[slow.peer] = Link::lossy(ms(5), 1.0);
    for _ in 0..100 {
        let _ = say(&mut call, &members[0], &envelope("", &[0; 8_000]), false);
        call.run(ms(20));
    }
    let reason = call.events.iter().find_map(|event| match event {
        Event::ChannelState { channel, state: ChannelState::Closed, reason, .. } if *channel == slow.channel => {
            Some(*reason)
        }
        _ => None,
    });
    assert_eq!(reason, Some("too slow"));
    assert!(call.events.iter().any(|event| matches!(event, Event::Buffered { .. })));
    assert_eq!(heard(&call, &quick).len(), 100);
}

#[test]
fn a_flood_of_messages_is_slowed_or_dropped_and_media_does_not_notice() {
    for (label, reliability) in [("sfu-lossy", Reliability::Retransmits(0)), ("sfu-reliable", Reliability::Reliable)] {
        let (mut call, members) = room(9, 3, label, reliability);
        connect(&mut call, &members, true);
        let camera = call.publish(members[1].peer, Kind::Video, &[]);
        let slot = call.subscribe(members[2].peer, camera, Kind::Video);
        call.run(ms(500));
        for _ in 0..100 {
            for _ in 0..20 {
                let _ = say(&mut call, &members[0], &envelope("", b"spam"), false);
            }
            call.run(ms(10));
        }
        call.run(ms(500));
        let (dropped, came) = (call.discarded(Discard::MessageRate), heard(&call, &members[2]).len());
        // 400 at once, then 200 a second.
        assert!((500..=800).contains(&came), "{label}: {came} of 2,000 passed");
        assert_eq!(dropped > 1_000, reliability != Reliability::Reliable, "{label}: {dropped} dropped");
        let packets = whole(&call, members[2].peer, slot);
        assert!(contiguous(&packets) && packets.len() > 180, "{label}: {} packets", packets.len());
        if reliability == Reliability::Reliable {
            call.run(ms(10_000));
            assert_eq!(heard(&call, &members[2]).len(), 2_000, "late, but whole");
        }
    }
}

#[test]
fn a_message_that_is_too_large_is_counted() {
    let (mut call, members) = room(10, 2, "game", Reliability::Reliable);
    connect(&mut call, &members, false);
    let too_large = vec![0; 64 * 1_024 + 1];
    assert_eq!(say(&mut call, &members[0], &too_large, false), Ok(()), "the peer's end allows an envelope more");
    call.run(ms(2_000));
    assert_eq!(heard(&call, &members[1]), Vec::<Vec<u8>>::new());
    assert_eq!(call.discarded(Discard::MessageTooLarge), 1);
}

#[test]
fn a_held_server_slows_the_sender_and_loses_nothing() {
    let (mut call, members) = room(11, 1, "sfu-reliable", Reliability::Reliable);
    connect(&mut call, &members, true);
    let (transport, now) = (call.peers[0].transport, call.now);
    call.plane.hold_messages(transport, true, now);
    for number in 0..100u8 {
        say(&mut call, &members[0], &envelope("server", &[number]), false).expect("it is open");
    }
    call.run(ms(3_000));
    let messages = |call: &Call| call.events.iter().filter(|event| matches!(event, Event::Message { .. })).count();
    assert_eq!(messages(&call), 0);
    let now = call.now;
    call.plane.hold_messages(transport, false, now);
    call.run(ms(3_000));
    assert_eq!(messages(&call), 100);
}

#[test]
fn a_channel_closed_by_either_end_is_gone_from_the_indexes() {
    let (mut call, members) = room(12, 2, "game", Reliability::Reliable);
    assert_eq!(call.plane.stats().channels, 2);
    call.apply(Command::Remove(members[0].channel.0));
    call.run(ms(500));
    assert_eq!(call.plane.stats().channels, 1);
    let now = call.now;
    call.peers[members[1].peer].data.as_mut().expect("SCTP is open").close(members[1].own, now);
    call.peers[members[1].peer].pump(now);
    call.run(ms(500));
    assert_eq!(call.plane.stats().channels, 0);
    let closed = |event: &data::Event| matches!(event, data::Event::Closed { .. });
    assert!(call.peers[members[0].peer].data_events.iter().any(closed));
}
