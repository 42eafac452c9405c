//! Two ends of an association in virtual time, joined by a seeded link that loses, delays and reorders.

use std::collections::BTreeMap;

use super::{Data, Event, PeerIds};
use crate::command::{ChannelSpec, DtlsRole, Reliability, SctpSpec};
use crate::config::DataLimits;
use crate::discard::Discard;
use crate::id::{ChannelId, PEER_OPENED, TransportId};
use crate::time::{Duration, Instant, ms};

const PEER: usize = 0;
const SERVER: usize = 1;
const KINDS: [Reliability; 3] = [Reliability::Reliable, Reliability::Retransmits(3), Reliability::Lifetime(900)];

/// A linear congruential generator: the upper half of its state is random enough for a link.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

struct Pair {
    now: Instant,
    ends: [Data; 2],
    /// What is on its way to each end, by arrival.
    wires: [BTreeMap<(Instant, u64), Vec<u8>>; 2],
    /// Percent.
    loss: u64,
    random: Random,
    packets: u64,
    events: [Vec<Event>; 2],
    discards: [Vec<Discard>; 2],
}

impl Pair {
    /// The peer is a browser: its limits are not ours.
    fn new(loss: u64, seed: u64) -> Self {
        let start = Instant::now();
        let browser = DataLimits {
            channels: 1_000,
            message: 256 * 1024,
            messages_per_second: 1_000_000,
            message_burst: 1_000_000,
            buffered: 16 << 20,
            ..DataLimits::default()
        };
        let spec = SctpSpec { local_port: 5_000, remote_port: 5_000, max_message_size: 0 };
        let end = |role, limits, worker| Data::new(spec, role, limits, PeerIds::new(worker), start);
        let mut pair = Self {
            now: start,
            ends: [end(DtlsRole::Client, &browser, 8), end(DtlsRole::Server, &DataLimits::default(), 9)],
            wires: Default::default(),
            loss,
            random: Random(seed),
            packets: 0,
            events: Default::default(),
            discards: Default::default(),
        };
        for end in &mut pair.ends {
            end.connect(start);
        }
        pair
    }

    fn connected() -> Self {
        let mut pair = Self::new(0, 1);
        pair.run(ms(500));
        pair
    }

    fn open(&mut self, end: usize, id: u64, label: &str) -> ChannelId {
        self.open_as(end, id, label, true, Reliability::Reliable, false)
    }

    fn open_as(
        &mut self,
        end: usize,
        id: u64,
        label: &str,
        ordered: bool,
        reliability: Reliability,
        remote: bool,
    ) -> ChannelId {
        let spec = ChannelSpec {
            id: ChannelId(id),
            transport: Some(TransportId(1)),
            label: label.into(),
            protocol: "p".into(),
            ordered,
            reliability,
            remote,
        };
        self.ends[end].open(&spec, None, self.now);
        spec.id
    }

    fn send(&mut self, end: usize, channel: ChannelId, payload: &[u8]) -> Result<(), Discard> {
        self.ends[end].send(channel, payload, false, self.now)
    }

    fn run(&mut self, duration: Duration) {
        let until = self.now + duration;
        loop {
            for end in [PEER, SERVER] {
                while let Some(packet) = self.ends[end].poll_transmit() {
                    self.packets += 1;
                    let arrival = self.now + ms(20 + self.random.below(5));
                    if self.random.below(100) >= self.loss {
                        self.wires[1 - end].insert((arrival, self.packets), packet);
                    }
                }
                self.events[end].extend(std::iter::from_fn(|| self.ends[end].poll_event()));
                self.discards[end].extend(std::iter::from_fn(|| self.ends[end].poll_discard()));
            }
            let arrivals = self.wires.iter().filter_map(|wire| wire.keys().next().map(|(at, _)| *at));
            let next = arrivals.chain(self.ends.iter().filter_map(Data::poll_timeout)).min();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.now = self.now.max(next);
            for end in [PEER, SERVER] {
                while let Some(entry) = self.wires[end].first_entry().filter(|entry| entry.key().0 <= self.now) {
                    let _ = self.ends[end].handle_packet(&entry.remove(), self.now);
                }
                if self.ends[end].poll_timeout().is_some_and(|timeout| timeout <= self.now) {
                    self.ends[end].handle_timeout(self.now);
                }
            }
        }
        self.now = until;
    }

    fn events(&mut self, end: usize) -> Vec<Event> {
        std::mem::take(&mut self.events[end])
    }

    fn opened(&mut self, end: usize) -> Vec<ChannelId> {
        let opened = |event| if let Event::Opened { channel, .. } = event { Some(channel) } else { None };
        self.events(end).into_iter().filter_map(opened).collect()
    }

    fn payloads(&mut self, end: usize) -> Vec<Vec<u8>> {
        let payload = |event| if let Event::Message { payload, .. } = event { Some(payload) } else { None };
        self.events(end).into_iter().filter_map(payload).collect()
    }

    fn closed(&mut self, end: usize) -> Vec<(ChannelId, &'static str)> {
        let closed =
            |event| if let Event::Closed { channel, reason, .. } = event { Some((channel, reason)) } else { None };
        self.events(end).into_iter().filter_map(closed).collect()
    }

    /// A channel that the peer opened, as each end knows it.
    fn channel(&mut self, ordered: bool, reliability: Reliability) -> [ChannelId; 2] {
        let peer = self.open_as(PEER, 1, "chat", ordered, reliability, false);
        self.run(ms(3_000));
        let server = self.opened(SERVER);
        self.events(PEER);
        [peer, server[0]]
    }
}

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
        let mut told = pair.events(1 - opener);
        told.sort_by_key(
            |event| if let Event::Opened { label, .. } = event { label.clone() } else { panic!("{event:?}") },
        );
        let mut expected = told.clone();
        for (index, event) in expected.iter_mut().enumerate() {
            let Event::Opened { label, protocol, ordered, reliability, channel } = event else { unreachable!() };
            assert!(channel.0 & PEER_OPENED != 0 && channel.worker() == [8, 9][1 - opener]);
            *label = format!("label {}", index + 1);
            *protocol = "p".into();
            *reliability = KINDS[index / 2];
            *ordered = index % 2 == 0;
        }
        assert_eq!(told, expected);
    }
}

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
fn a_message_or_an_opening_over_its_limit_is_a_discard_and_harms_nothing_else() {
    let mut pair = Pair::connected();
    let [peer, server] = pair.channel(true, Reliability::Reliable);
    pair.send(PEER, peer, &vec![0; 64 * 1024 + 1]).unwrap();
    pair.ends[PEER].send(peer, b"\xff\xfe", true, pair.now).unwrap();
    pair.send(PEER, peer, b"in bounds").unwrap();
    pair.run(ms(1_000));
    assert_eq!(pair.discards[SERVER], [Discard::MessageTooLarge, Discard::MessageNotUtf8]);
    assert_eq!(pair.payloads(SERVER), [b"in bounds"]);
    assert_eq!(pair.send(SERVER, server, &vec![0; 65 * 1024]), Err(Discard::MessageTooLarge));

    pair.discards[SERVER].clear();
    for id in 100..170 {
        pair.open(PEER, id, "more");
    }
    pair.run(ms(2_000));
    assert_eq!(pair.ends[SERVER].len(), 64);
    assert_eq!(pair.discards[SERVER], [Discard::ChannelLimit; 7]);
    assert_eq!(pair.closed(PEER).len(), 7, "and the peer is told");
    let id = pair.open(SERVER, 5, "ours");
    pair.run(ms(100));
    assert_eq!(pair.closed(SERVER), [(id, "too many channels")]);
}

#[test]
fn what_is_not_an_opening_or_comes_on_no_channel_is_a_discard() {
    let mut pair = Pair::connected();
    let table: [(u16, u32, &[u8], Discard); 6] = [
        (40, 50, b"\x03\x00", Discard::DcepMalformed),
        (40, 50, b"\x02", Discard::DcepMalformed),
        (2_000, 50, b"\x03\x00\x01\x00\x00\x00\x00\x00\x00\x01\x00\x00x", Discard::DcepMalformed),
        (40, 51, b"text", Discard::MessageUnrouted),
        (40, 99, b"what", Discard::SctpMalformed),
        (40, 52, b"part", Discard::MessageUnrouted),
    ];
    for (stream, ppid, payload, _) in table {
        pair.ends[PEER].send_raw(stream, ppid, payload, pair.now);
        pair.run(ms(500));
    }
    assert_eq!(pair.discards[SERVER], table.map(|(_, _, _, discard)| discard));
    assert_eq!(pair.events(SERVER), []);
}

#[test]
fn an_opening_that_cannot_be_read_closes_its_stream() {
    // A type that nobody has; a label whose length counts characters, not octets.
    for unreadable in
        [&b"\x09\x00"[..], b"\x03\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\xc3\xa9\x20\xf0\x9f\x98\x80"]
    {
        let mut pair = Pair::connected();
        pair.ends[PEER].send_raw(0, 50, unreadable, pair.now);
        let id = pair.open(PEER, 1, "on stream 0");
        pair.run(ms(500));
        assert_eq!(pair.discards[SERVER][0], Discard::DcepMalformed);
        assert_eq!(pair.closed(PEER).iter().map(|(closed, _)| *closed).collect::<Vec<_>>(), [id]);
        assert_eq!(pair.events(SERVER), []);
        let again = pair.open(PEER, 2, "on stream 0 or another");
        pair.run(ms(500));
        assert_eq!(pair.events(PEER).len(), 1, "{again:?} opens");
    }
}

#[test]
fn the_last_part_of_a_message_in_parts_is_no_message() {
    let mut pair = Pair::connected();
    let id = pair.open(PEER, 1, "chat");
    pair.run(ms(500));
    let _ = pair.events(SERVER);
    for (part, last) in [(54, 51), (52, 53)] {
        for (ppid, payload) in [(part, &b"part "[..]), (part, b"and "), (last, b"end"), (51, b"whole")] {
            pair.ends[PEER].send_raw(0, ppid, payload, pair.now);
        }
        pair.run(ms(500));
        let messages = pair.events(SERVER);
        let payload = |event: &Event| matches!(event, Event::Message { payload, .. } if payload == b"whole");
        assert!(messages.len() == 1 && payload(&messages[0]), "{id:?}: {messages:?}");
    }
    assert_eq!(pair.discards[SERVER], [Discard::SctpMalformed; 6]);
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
    let told = pair.events(SERVER);
    assert!(
        matches!(
            told[..],
            [Event::Buffered { octets: 131_073..141_200, .. }, Event::Buffered { octets: ..=131_072, .. }]
        ),
        "{told:?}"
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

/// CRC32c, as SCTP ends its header with (RFC 9260 s6.8).
fn checksum(packet: &mut [u8]) {
    packet[8..12].fill(0);
    let mut crc = !0_u32;
    for &byte in packet.iter() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82F6_3B78 } else { crc >> 1 };
        }
    }
    packet[8..12].copy_from_slice(&(!crc).to_le_bytes());
}

#[test]
fn hostile_packets_end_at_most_the_association_they_are_for() {
    let mut bystander = Pair::connected();
    let channels = bystander.channel(true, Reliability::Reliable);
    let (mut ended, mut malformed) = (0, 0);
    for seed in 0..300 {
        let mut random = Random(seed);
        let mut pair = Pair::connected();
        pair.channel(seed % 2 == 0, KINDS[(seed % 3) as usize]);
        for step in 0..60 {
            // What a peer in its right mind would send, and then what became of it.
            let channel = ChannelId(1 + random.below(3));
            match random.below(6) {
                0 => drop(pair.open(PEER, channel.0, "chat")),
                1 => pair.ends[PEER].close(channel, pair.now),
                _ => drop(pair.send(PEER, channel, &vec![step; 1 + random.below(3_000) as usize])),
            }
            while let Some(mut packet) = pair.ends[PEER].poll_transmit() {
                for _ in 0..random.below(4) {
                    let index = 12 + random.below(packet.len() as u64 - 12) as usize;
                    packet[index] = match random.below(3) {
                        0 => random.below(256) as u8,
                        1 => packet[index] ^ 1 << random.below(8),
                        _ => [0, 1, 0x80, 0xff][random.below(4) as usize],
                    };
                }
                if random.below(8) == 0 {
                    packet.truncate(12 + random.below(packet.len() as u64 - 11) as usize);
                }
                checksum(&mut packet);
                if let Err(discard) = pair.ends[SERVER].handle_packet(&packet, pair.now) {
                    assert!(
                        matches!(discard, Discard::SctpMalformed | Discard::MessageRate),
                        "seed {seed}: {discard:?}"
                    );
                    malformed += 1;
                }
            }
            pair.run(ms(50));
        }
        assert!(pair.ends[SERVER].len() <= 64);
        ended += usize::from(pair.events(SERVER).iter().any(|event| matches!(event, Event::Ended(_))));
    }
    assert!(ended < 300 && malformed > 100, "{ended} ended, {malformed} malformed");
    bystander.send(PEER, channels[PEER], b"unmoved").unwrap();
    bystander.run(ms(100));
    assert_eq!(bystander.payloads(SERVER), [b"unmoved"]);
}

#[test]
fn random_bytes_are_malformed_and_change_nothing() {
    let mut pair = Pair::connected();
    let channels = pair.channel(true, Reliability::Reliable);
    let mut random = Random(99);
    for _ in 0..5_000 {
        let packet: Vec<u8> = (0..random.below(100)).map(|_| random.below(256) as u8).collect();
        assert_eq!(pair.ends[SERVER].handle_packet(&packet, pair.now), Err(Discard::SctpMalformed));
    }
    pair.send(PEER, channels[PEER], b"unmoved").unwrap();
    pair.run(ms(100));
    assert_eq!(pair.payloads(SERVER), [b"unmoved"]);
}

impl Pair {
    /// Without letting time or packets pass.
    fn closed_now(&mut self, end: usize) -> Vec<(ChannelId, &'static str)> {
        self.events[end].extend(std::iter::from_fn(|| self.ends[end].poll_event()));
        self.closed(end)
    }
}
