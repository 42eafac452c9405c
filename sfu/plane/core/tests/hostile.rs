//! Malicious datagrams: each is counted under a reason, and other participants lose nothing.

mod sim;

use plane_core::command::{DtlsRole, Kind, Path};
use plane_core::event::TransportState;
use plane_core::id::SlotId;
use plane_core::rtcp::feedback;
use plane_core::time::ms;
use plane_core::{Discard, Event};
use sim::Call;
use sim::stream::{contiguous, whole};

/// Bob watches Alice. Mallory is in the room, too, publishes and watches.
struct Room {
    call: Call,
    mallory: usize,
    bob: usize,
    slot: SlotId,
}

impl Room {
    fn new(seed: u64) -> Self {
        let mut call = Call::new(seed);
        let (alice, bob, mallory) = (call.join(), call.join(), call.join());
        let camera = call.publish(alice, Kind::Video, &[]);
        let slot = call.subscribe(bob, camera, Kind::Video);
        call.subscribe(mallory, camera, Kind::Video);
        let own = call.publish(mallory, Kind::Video, &["q", "h", "f"]);
        call.subscribe(bob, own, Kind::Video);
        call.open_sctp(mallory);
        call.run(ms(1_000));
        Self { call, mallory, bob, slot }
    }

    fn path(&self) -> Path {
        self.call.path(self.mallory)
    }

    /// Checks that the others lost nothing, everything refused has a reason, and Mallory is still served.
    fn assert_unharmed(mut self, refused: u64) {
        self.call.run(ms(1_000));
        let packets = whole(&self.call, self.bob, self.slot);
        assert!(contiguous(&packets));
        let expected = self.call.peers[0].sources[0].sent as usize;
        assert!(packets.len() + 10 > expected, "{} of {expected} packets", packets.len());
        let counted: u64 = self.call.plane.stats().discards().map(|(_, count)| count).sum();
        assert!(counted >= refused, "{counted} counted of {refused} refused");
        for peer in 0..3 {
            assert_eq!(self.call.states(self.call.peers[peer].transport), [TransportState::Connected], "{peer}");
        }
        let failed = |event: &Event| matches!(event, Event::TransportState { state: TransportState::Failed, .. });
        assert!(!self.call.events.iter().any(failed));
    }
}

/// Octets of a seeded generator.
fn random(call: &mut Call, length: usize) -> Vec<u8> {
    (0..length).map(|_| (call.chance() * 256.0) as u8).collect()
}

#[test]
fn random_datagrams_of_every_protocol_and_length() {
    let mut room = Room::new(1);
    let paths = [room.path(), Path { remote: ([203, 0, 113, 66], 6).into(), ..room.path() }];
    let mut refused = 0;
    for round in 0..6_000u32 {
        let length = if round % 3 == 0 { round as usize % 64 } else { (room.call.chance() * 1_500.0) as usize };
        let mut datagram = random(&mut room.call, length);
        // First octets that get further than any: STUN, DTLS, RTP and RTCP.
        if let (Some(first), Some(kind)) = (datagram.first_mut(), [0, 22, 23, 0x80, 0x90, 0xB0].get(round as usize % 8))
        {
            *first = *kind;
        }
        refused += u64::from(room.call.inject(paths[round as usize % 2], datagram).is_err());
        if round % 50 == 0 {
            room.call.run(ms(5));
        }
    }
    assert!(refused > 5_000, "{refused} refused");
    room.assert_unharmed(refused);
}

#[test]
fn what_was_right_cut_short_or_with_a_flipped_bit() {
    let mut room = Room::new(2);
    room.call.peers[room.mallory].tapped = true;
    room.call.run(ms(400));
    room.call.peers[room.mallory].tapped = false;
    let tapped = std::mem::take(&mut room.call.peers[room.mallory].tap);
    assert!(tapped.len() > 100);
    let path = room.path();
    let mut refused = 0;
    for (index, datagram) in tapped.iter().enumerate() {
        let cut = (room.call.chance() * datagram.len() as f64) as usize;
        refused += u64::from(room.call.inject(path, datagram[..cut].to_vec()).is_err());
        let mut flipped = datagram.clone();
        let at = index * 7 % flipped.len();
        flipped[at] ^= 1 << (index % 8);
        refused += u64::from(room.call.inject(path, flipped).is_err());
    }
    assert!(refused > 2 * tapped.len() as u64 * 9 / 10, "{refused} of {}", 2 * tapped.len());
    room.assert_unharmed(refused);
}

#[test]
fn replayed_media_and_reports_are_replays() {
    let mut room = Room::new(3);
    room.call.peers[room.mallory].tapped = true;
    room.call.run(ms(400));
    let tapped = std::mem::take(&mut room.call.peers[room.mallory].tap);
    let (path, stolen) = (room.path(), room.call.path(room.bob));
    let (mut replays, mut count) = (0, 0);
    for datagram in tapped.iter().filter(|datagram| datagram[0] & 0xC0 == 0x80) {
        count += 1;
        replays += u64::from(room.call.inject(path, datagram.clone()) == Err(Discard::SrtpReplay));
        // From another participant's address they are not even that.
        assert_eq!(room.call.inject(stolen, datagram.clone()), Err(Discard::SrtpAuth));
    }
    // The last of them may still be on their way.
    assert!(replays + 10 > count, "{replays} of {count}");
    room.assert_unharmed(2 * count - 10);
}

#[test]
fn garbage_in_authentic_reports() {
    let mut room = Room::new(4);
    for round in 0..1_000usize {
        let mut compound = random(&mut room.call, 8 + round % 400);
        (compound[0], compound[1]) = (0x80 | (round % 32) as u8, 192 + (round % 32) as u8);
        if round % 2 == 0 {
            let words = (compound.len() / 4 - 1) as u16;
            compound[2..4].copy_from_slice(&words.to_be_bytes());
        }
        // Of one sender, because SRTCP limits their number.
        compound[4..8].copy_from_slice(&1u32.to_be_bytes());
        // Sometimes about a stream that exists.
        if compound.len() >= 12 && round % 3 == 0 {
            compound[8..12].copy_from_slice(&sim::stream::ssrc(room.slot).to_be_bytes());
        }
        room.call.peers[room.mallory].send_rtcp(compound);
        if round % 20 == 0 {
            room.call.run(ms(5));
        }
    }
    room.call.run(ms(100));
    let malformed = room.call.discarded(Discard::RtcpMalformed);
    assert!(malformed > 400, "{malformed}");
    room.assert_unharmed(malformed);
}

#[test]
fn garbage_in_authentic_media() {
    let mut room = Room::new(5);
    let (path, mut refused) = (room.path(), 0);
    let ssrcs: Vec<u32> = room.call.peers[room.mallory].sources.iter().flat_map(|s| [s.ssrc, s.rtx_ssrc]).collect();
    for round in 0..3_000usize {
        let payload = random(&mut room.call, round % 60);
        let ssrc = ssrcs[round % ssrcs.len()];
        let payload_type = [96, 97, 111, 100][round / 7 % 4];
        // Numbers that jump about, far ahead of what its source uses.
        let sequence = 20_000 + (round * 37 % 9_000) as u16;
        let head = (payload_type, round % 5 == 0, sequence, round as u32, ssrc);
        let Some(packet) = room.call.peers[room.mallory].protect(head, "0", None, &payload) else { continue };
        if packet.is_empty() {
            continue;
        }
        refused += u64::from(room.call.inject(path, packet).is_err());
        if round % 100 == 0 {
            room.call.run(ms(5));
        }
    }
    assert!(refused > 300, "{refused} refused");
    // Its own sources cannot continue with used-up numbers.
    for source in &mut room.call.peers[room.mallory].sources {
        source.active = false;
    }
    room.assert_unharmed(refused);
}

#[test]
fn a_storm_of_wrong_checks_and_of_hellos() {
    let mut room = Room::new(6);
    let path = Path { remote: ([203, 0, 113, 5], 5).into(), ..room.path() };
    let wrong = room.call.peers[room.bob].check_as(true, u32::MAX, "a-guess-at-the-password");
    let hello = room.call.invite(DtlsRole::Server);
    let hello = room.call.peers[hello].dtls.poll_transmit().expect("a client speaks first");
    let sent = room.call.plane.stats().packets_sent;
    for _ in 0..2_000 {
        assert_eq!(room.call.inject(path, wrong.clone()), Err(Discard::StunIntegrity));
        assert_eq!(room.call.inject(path, hello.clone()), Err(Discard::UnknownAddress));
    }
    assert_eq!(room.call.plane.stats().packets_sent, sent, "nobody is answered who knows no password");
    assert_eq!(room.call.discarded(Discard::StunIntegrity), 2_000);
    room.assert_unharmed(4_000);
}

#[test]
fn a_peer_that_checks_from_a_thousand_addresses_holds_no_more_than_a_few() {
    let mut room = Room::new(7);
    let check = room.call.peers[room.mallory].check(false);
    let from = |index: u16| Path { remote: ([203, 0, 113, 9], 1_000 + index).into(), ..room.path() };
    let paths: Vec<Path> = (0..1_000).map(from).collect();
    for &path in &paths {
        assert_eq!(room.call.inject(path, check.clone()), Ok(()));
    }
    let mut believed = 0;
    for &path in &paths {
        let datagram = vec![0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        believed += u32::from(room.call.inject(path, datagram) != Err(Discard::UnknownAddress));
    }
    assert!((1..=16).contains(&believed), "{believed} are believed");
    room.assert_unharmed(0);
}

#[test]
fn a_storm_of_wishes_costs_the_publisher_little_and_the_others_nothing() {
    let mut room = Room::new(8);
    let transport = room.call.peers[room.mallory].transport;
    assert!(room.call.has_connected(room.mallory), "{transport:?}");
    let ssrcs: Vec<u32> = room.call.peers[room.mallory].received.iter().map(|packet| packet.ssrc).collect();
    let slot = ssrcs.into_iter().find(|ssrc| ssrc % 2 == 0).expect("it is shown something");
    let (plis, nacks) = (room.call.peers[0].plis.len(), room.call.peers[0].nacks.len());
    let again = room.call.plane.stats().packets_retransmitted;
    for round in 0..1_000u16 {
        let mut wishes = Vec::new();
        feedback::write_pli(&mut wishes, 1, slot);
        let lost: Vec<u16> = (0..200).map(|offset| offset * 300 + round).collect();
        feedback::write_nack(&mut wishes, 1, slot, &lost);
        room.call.peers[room.mallory].send_rtcp(wishes);
        room.call.run(ms(2));
    }
    assert!(room.call.peers[0].plis.len() - plis <= 8, "two seconds, each 300 ms");
    assert_eq!(room.call.peers[0].nacks.len(), nacks);
    let again = room.call.plane.stats().packets_retransmitted - again;
    assert!(again < 3 * 700, "{again}: each packet three times at most");
    room.assert_unharmed(0);
}
