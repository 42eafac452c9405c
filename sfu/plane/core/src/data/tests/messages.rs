//! Tests of how messages are delivered: order, loss, rates and slow receivers.

use super::*;

#[test]
fn messages_go_both_ways_with_their_kind_and_empty_ones_stay_empty() {
    let mut pair = Pair::connected();
    let [peer, server] = pair.channel(true, Reliability::Reliable);
    for (from, to) in [((PEER, peer), (SERVER, server)), ((SERVER, server), (PEER, peer))] {
        let messages = [(&b"text"[..], true), (b"\xff\xfe", false), (b"", true), (b"", false)];
        for (payload, text) in messages {
            pair.ends[from.0].send(from.1, payload, text, pair.now).unwrap();
        }
        pair.run(ms(200));
        let expected =
            messages.map(|(payload, text)| Event::Message { channel: to.1, payload: payload.to_vec(), text });
        assert_eq!(pair.events(to.0), expected);
    }
}

#[test]
fn reliable_messages_arrive_once_and_in_order_over_a_link_that_loses_a_fifth() {
    for (seed, from) in [(1, PEER), (2, SERVER), (3, PEER)] {
        let mut pair = Pair::new(20, seed);
        let channels = pair.channel(true, Reliability::Reliable);
        for number in 0..200_u32 {
            pair.send(from, channels[from], &number.to_be_bytes()).unwrap();
            pair.run(ms(10));
        }
        pair.send(from, channels[from], &vec![7; 64 * 1024]).unwrap();
        pair.run(ms(120_000));
        let arrived = pair.payloads(1 - from);
        assert_eq!(arrived.len(), 201, "seed {seed}");
        assert!(arrived.iter().zip(0..200_u32).all(|(payload, number)| *payload == number.to_be_bytes()));
        assert_eq!(arrived[200], vec![7; 64 * 1024]);
    }
}

#[test]
fn lossy_messages_that_are_lost_stay_lost_and_delay_none_behind_them() {
    let mut pair = Pair::connected();
    let channels = pair.channel(false, Reliability::Retransmits(0));
    pair.loss = 10;
    for number in 0..500_u32 {
        pair.send(SERVER, channels[SERVER], &number.to_be_bytes()).unwrap();
        pair.run(ms(20));
    }
    pair.run(ms(5_000));
    let mut arrived = pair.payloads(PEER);
    arrived.sort();
    arrived.dedup();
    assert!((400..490).contains(&arrived.len()), "{}", arrived.len());
}

#[test]
fn over_the_rate_lossy_messages_are_dropped_and_reliable_ones_wait() {
    let mut pair = Pair::connected();
    let [lossy, _] = pair.channel(false, Reliability::Lifetime(5_000));
    for _ in 0..1_000 {
        pair.send(PEER, lossy, b"x").unwrap();
    }
    pair.run(ms(1_000));
    let arrived = pair.payloads(SERVER).len();
    assert!((400..700).contains(&arrived), "{arrived}");
    assert_eq!(pair.discards[SERVER], vec![Discard::MessageRate; 1_000 - arrived]);

    let mut pair = Pair::connected();
    let [reliable, _] = pair.channel(true, Reliability::Reliable);
    for _ in 0..5_000 {
        pair.send(PEER, reliable, b"x").unwrap();
    }
    pair.run(ms(1_000));
    let arrived = pair.payloads(SERVER).len();
    assert!((400..650).contains(&arrived), "{arrived}");
    pair.run(ms(60_000));
    assert_eq!(arrived + pair.payloads(SERVER).len(), 5_000);
    assert_eq!(pair.closed(PEER), []);
}

#[test]
fn a_server_that_holds_slows_the_sender_and_loses_nothing() {
    let mut pair = Pair::connected();
    let [peer, _] = pair.channel(true, Reliability::Reliable);
    pair.ends[SERVER].hold(true);
    let message = vec![3; 10_000];
    for _ in 0..200 {
        pair.send(PEER, peer, &message).unwrap();
    }
    pair.run(ms(10_000));
    assert_eq!(pair.events(SERVER), []);
    let queued = pair.ends[PEER].queued();
    assert!(queued > 2_000_000 - 512 * 1024, "all but the receive window stays with the sender: {queued}");
    pair.ends[PEER].close(peer, pair.now);
    pair.run(ms(1_000));
    assert_eq!(pair.events(SERVER), [], "the close waits behind the messages");

    pair.ends[SERVER].hold(false);
    pair.run(ms(30_000));
    let events = pair.events(SERVER);
    assert!(events.len() > 20 && matches!(events.last(), Some(Event::Closed { .. })), "{}", events.len());
}

#[test]
fn to_a_slow_receiver_lossy_messages_are_dropped_and_reliable_ones_close_their_channel() {
    let mut pair = Pair::connected();
    let lossy = pair.open_as(SERVER, 1, "lossy", false, Reliability::Retransmits(0), false);
    let reliable = pair.open(SERVER, 2, "reliable");
    let bystander = pair.open(SERVER, 3, "bystander");
    pair.run(ms(500));
    pair.events(SERVER);
    pair.loss = 100;
    let message = vec![1; 10_000];
    let sent = (0..50).filter(|_| pair.send(SERVER, lossy, &message).is_ok()).count();
    assert_eq!(sent, 128 * 1024 / 10_064);
    let sent = (0..50).filter(|_| pair.send(SERVER, reliable, &message).is_ok()).count();
    assert_eq!(sent, 256 * 1024 / 10_064 - 128 * 1024 / 10_064);
    assert_eq!(pair.closed_now(SERVER), [(reliable, "too slow")]);
    assert_eq!(pair.send(SERVER, reliable, &message), Err(Discard::MessageUnrouted));

    pair.loss = 0;
    pair.run(ms(10_000));
    pair.send(SERVER, bystander, b"still here").unwrap();
    pair.run(ms(1_000));
    assert!(pair.payloads(PEER).contains(&b"still here".to_vec()));
    assert_eq!(pair.ends[SERVER].queued(), 0);
}

#[test]
fn half_full_is_told_when_it_comes_and_when_it_goes() {
    let mut pair = Pair::connected();
    let [_, server] = pair.channel(true, Reliability::Reliable);
    for _ in 0..20 {
        pair.send(SERVER, server, &vec![1; 10_000]).unwrap();
    }
    pair.run(ms(10_000));
    let events = pair.events(SERVER);
    assert!(
        matches!(
            events[..],
            [Event::Buffered { octets: 131_073..141_200, .. }, Event::Buffered { octets: ..=131_072, .. }]
        ),
        "{events:?}"
    );
}

#[test]
fn after_thirty_seconds_without_a_link_data_is_back_within_the_longest_back_off() {
    let mut pair = Pair::connected();
    let channels = pair.channel(true, Reliability::Reliable);
    pair.loss = 100;
    for end in [PEER, SERVER] {
        pair.send(end, channels[end], b"kept").unwrap();
    }
    pair.run(ms(30_000));
    pair.loss = 0;
    pair.run(ms(3_500));
    for end in [PEER, SERVER] {
        assert_eq!(pair.payloads(end), [b"kept"]);
    }
}
