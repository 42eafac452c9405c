//! Tests of packets and messages that no peer should send.

use super::*;

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
            // Valid packets of a peer, and mutations of them.
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
