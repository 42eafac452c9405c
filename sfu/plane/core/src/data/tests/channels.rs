//! Tests of how channels open and close.

use super::*;

#[test]
fn channels_of_every_kind_open_from_either_side_as_they_were_asked_for() {
    for (opener, loss) in [(PEER, 0), (SERVER, 0), (PEER, 20), (SERVER, 20)] {
        let mut pair = Pair::new(loss, 5);
        let mut id = 0;
        for reliability in KINDS {
            for ordered in [true, false] {
                id += 1;
                pair.open_as(opener, id, &format!("label {id}"), ordered, reliability, false);
            }
        }
        pair.run(ms(20_000));
        let mut opened = pair.opened(opener);
        opened.sort();
        assert_eq!(opened, (1..=6).map(ChannelId).collect::<Vec<_>>());
        let mut events = pair.events(1 - opener);
        events.sort_by_key(
            |event| if let Event::Opened { label, .. } = event { label.clone() } else { panic!("{event:?}") },
        );
        let mut expected = events.clone();
        for (index, event) in expected.iter_mut().enumerate() {
            let Event::Opened { label, protocol, ordered, reliability, channel } = event else { unreachable!() };
            assert!(channel.0 & PEER_OPENED != 0 && channel.worker() == [8, 9][1 - opener]);
            *label = format!("label {}", index + 1);
            *protocol = "p".into();
            *reliability = KINDS[index / 2];
            *ordered = index % 2 == 0;
        }
        assert_eq!(events, expected);
    }
}

#[test]
fn the_first_channel_that_the_peer_opens_by_an_awaited_label_has_our_id_and_gets_what_waited() {
    let mut pair = Pair::connected();
    let id = pair.open_as(SERVER, 77, "chat", true, Reliability::Reliable, true);
    let lossy = pair.open_as(SERVER, 78, "lossy", false, Reliability::Retransmits(0), true);
    pair.send(SERVER, id, b"too old").unwrap();
    pair.run(ms(1_500));
    pair.send(SERVER, id, b"kept").unwrap();
    assert_eq!(pair.send(SERVER, lossy, b"x"), Err(Discard::MessageDropped), "a lossy one does not wait");
    pair.run(ms(1_000));
    assert_eq!(pair.discards[SERVER], [Discard::MessageDropped], "too old");

    for (index, label) in ["other", "chat", "chat"].into_iter().enumerate() {
        pair.open(PEER, index as u64, label);
    }
    pair.run(ms(500));
    let opened = pair.opened(SERVER);
    assert_eq!((opened.len(), opened[1]), (3, id));
    assert!(opened[0].0 & opened[2].0 & PEER_OPENED != 0 && opened[0] != opened[2]);
    assert_eq!(pair.ends[SERVER].label(opened[0]), Some("other"));
    assert_eq!(pair.payloads(PEER), [b"kept"]);
}

#[test]
fn a_channel_closed_by_either_side_closes_at_both_and_its_stream_opens_again() {
    for (closer, loss) in [(PEER, 0), (SERVER, 0), (PEER, 15), (SERVER, 15)] {
        let mut pair = Pair::new(loss, 11);
        for round in 0..10 {
            let peer = pair.open(PEER, round, "chat");
            pair.run(ms(10_000));
            let server = pair.opened(SERVER)[0];
            pair.events(PEER);
            let channels = [peer, server];
            pair.send(1 - closer, channels[1 - closer], b"from the other side").unwrap();
            pair.send(closer, channels[closer], b"last words").unwrap();
            pair.run(ms(10_000));
            pair.ends[closer].close(channels[closer], pair.now);
            pair.run(ms(10_000));
            let events = pair.events(1 - closer);
            assert!(matches!(&events[0], Event::Message { payload, .. } if payload == b"last words"), "{events:?}");
            let reason = "closed by the peer";
            assert_eq!(events[1], Event::Closed { channel: channels[1 - closer], label: "chat".into(), reason });
            assert_eq!(pair.payloads(closer), [b"from the other side"], "and nothing of its own closing");
            assert_eq!((pair.ends[PEER].len(), pair.ends[SERVER].len()), (0, 0));
            assert_eq!(pair.ends[SERVER].closing_streams(), 0, "both directions are reset: the id is free");
        }
    }
}

#[test]
fn a_close_takes_effect_behind_the_messages_that_came_before_it() {
    let mut pair = Pair::connected();
    let [peer, server] = pair.channel(true, Reliability::Reliable);
    pair.ends[SERVER].hold(true);
    pair.send(PEER, peer, b"last words").unwrap();
    pair.run(ms(100));
    pair.ends[PEER].close(peer, pair.now);
    pair.run(ms(1_000));
    assert_eq!(pair.events(SERVER), []);
    pair.ends[SERVER].hold(false);
    pair.run(ms(1_000));
    let events = pair.events(SERVER);
    assert!(
        matches!(events[..], [Event::Message { channel, .. }, Event::Closed { .. }] if channel == server),
        "{events:?}"
    );
}

#[test]
fn no_message_overtakes_the_opening_of_its_channel() {
    for seed in 0..50 {
        let mut pair = Pair::new(0, seed);
        pair.run(ms(500));
        pair.loss = 40;
        let id = pair.open_as(SERVER, 1, "unordered", false, Reliability::Reliable, false);
        for _ in 0..5 {
            pair.send(SERVER, id, b"behind it").unwrap();
            pair.run(ms(5));
        }
        pair.run(ms(60_000));
        assert_eq!((pair.payloads(PEER).len(), &pair.discards[PEER]), (5, &vec![]), "seed {seed}");
    }
}

#[test]
fn a_goodbye_ends_all_channels_but_what_was_said_before_it_arrives() {
    let mut pair = Pair::connected();
    let [peer, server] = pair.channel(true, Reliability::Reliable);
    pair.send(PEER, peer, b"bye").unwrap();
    pair.ends[PEER].abort(pair.now);
    pair.run(ms(100));
    let reason = "closed by the peer";
    let expected = [
        Event::Message { channel: server, payload: b"bye".to_vec(), text: false },
        Event::Closed { channel: server, label: "chat".into(), reason },
        Event::Ended(reason),
    ];
    assert_eq!(pair.events(SERVER), expected);
    assert_eq!(pair.send(SERVER, server, b"x"), Err(Discard::MessageUnrouted));
    assert_eq!(pair.ends[SERVER].handle_packet(&[0; 40], pair.now), Err(Discard::SctpMalformed));
    let late = pair.open(SERVER, 9, "late");
    assert_eq!(pair.closed_now(SERVER), [(late, "the association has ended")]);
}
