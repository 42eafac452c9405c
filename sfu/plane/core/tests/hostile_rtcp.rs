//! Malicious RTCP, and the size of our own: reports fit a datagram, and requests cost little.

mod sim;

use std::panic::{AssertUnwindSafe, catch_unwind};

use plane_core::Discard;
use plane_core::batch::Batch;
use plane_core::command::{DtlsRole, EncodingSpec, Kind, Path};
use plane_core::limits::{ARRIVALS, DATAGRAM, REPAIR_BURST, REPAIRS_AT_ONCE, STARTS_AT_ONCE, STARTS_PER_SECOND};
use plane_core::rtcp::report::{self, ReportBlock};
use plane_core::rtcp::{feedback, twcc};
use plane_core::time::{Instant, ms};
use sim::Call;
use sim::stream::ssrc;

/// A packet of VP8 in the middle of a frame.
const DELTA: [u8; 24] = [0x10, 0x71, 3, 0, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// This many tracks of one publisher with this many encodings each. Returns their SSRCs. The test sends their packets.
fn publish_many(call: &mut Call, peer: usize, tracks: u32, encodings: u32) -> Vec<u32> {
    let mut ssrcs = Vec::new();
    for track in 0..tracks {
        let ssrc = |encoding| 100_000 + track * 10 + encoding;
        let declared: Vec<EncodingSpec> =
            (0..encodings).map(|e| EncodingSpec { ssrc: Some(ssrc(e)), ..EncodingSpec::default() }).collect();
        ssrcs.extend((0..encodings).map(ssrc));
        call.publish_with(peer, Kind::Video, &[], |spec| spec.encodings = declared);
    }
    call.peers[peer].sources.iter_mut().for_each(|source| source.active = false);
    ssrcs
}

/// A batch that other transports filled except for this many octets.
fn nearly_full(room: usize) -> Batch {
    let mut batch = Batch::default();
    let path = Path::udp(([192, 0, 2, 1], 7_882).into(), ([203, 0, 113, 9], 9).into());
    while batch.has_room(room + 1) {
        let octets = (batch.space().len() - room).min(DATAGRAM);
        batch.copy(path, &vec![0; octets]).unwrap();
    }
    batch
}

/// The octets of each datagram that is sent to a participant. The first batch has little room.
fn drain(call: &mut Call, peer: usize, room: usize, now: Instant) -> Vec<usize> {
    let path = call.path(peer);
    let (mut batch, mut lengths) = (nearly_full(room), Vec::new());
    while call.plane.poll_transmit(&mut batch, now) {
        for (message, bytes) in batch.messages().filter(|(message, _)| message.path == path) {
            for datagram in bytes.chunks(message.segment) {
                call.budget.sent(path, datagram, now);
                lengths.push(datagram.len());
            }
        }
        batch.clear();
    }
    lengths
}

fn send(call: &mut Call, peer: usize, packet: (u8, bool, u16, u32, u32), now: Instant) {
    let mut datagram = call.peers[peer].protect(packet, "", None, &DELTA).unwrap();
    let path = call.path(peer);
    let _ = call.budget.handle(&mut call.plane, &mut datagram, path, now, now);
}

#[test]
fn reports_of_many_encodings_leave_in_datagrams_behind_a_batch_with_hardly_any_room() {
    for room in [0, 100, 2_048] {
        let mut call = Call::new(2);
        let (alice, mallory) = (call.join(), call.join());
        let camera = call.publish(alice, Kind::Video, &[]);
        for _ in 0..20 {
            call.subscribe(mallory, camera, Kind::Video);
        }
        let ssrcs = publish_many(&mut call, mallory, 64, 4);
        call.run(ms(50));
        let mut now = call.now;
        let mut octets = 0;
        for round in 0..40 {
            for &ssrc in &ssrcs {
                send(&mut call, mallory, (96, true, round, 1, ssrc), now);
            }
            now += ms(33);
            call.plane.handle_timeout(now);
            let lengths = drain(&mut call, mallory, room, now);
            octets += lengths.iter().sum::<usize>();
            assert!(lengths.iter().all(|&length| length <= DATAGRAM), "{lengths:?}");
        }
        assert!(octets > 6_000, "only {octets} octets of reports with {room} octets of room");
        assert_eq!(call.discarded(Discard::Unsent), 0);
    }
}

#[test]
fn requests_for_many_losses_leave_in_datagrams() {
    for (tracks, encodings, late) in [(1, 3, 0), (2, 3, 150), (64, 4, 150)] {
        let mut call = Call::new(3);
        let mallory = call.join();
        let ssrcs = publish_many(&mut call, mallory, tracks, encodings);
        call.run(ms(50));
        let (mut now, mut asked) = (call.now, 0);
        for step in 0..58 {
            for &ssrc in &ssrcs {
                // Every 18th: no two losses share an entry of a NACK with the next.
                send(&mut call, mallory, (96, true, step * 18, 1, ssrc), now);
            }
            now += ms(1);
            if late == 0 && call.plane.poll_timeout().is_some_and(|due| due <= now) {
                call.plane.handle_timeout(now);
            }
            asked += drain(&mut call, mallory, 100, now).iter().sum::<usize>();
        }
        now += ms(late);
        call.plane.handle_timeout(now);
        let lengths = drain(&mut call, mallory, 100, now);
        asked += lengths.iter().sum::<usize>();
        assert!(lengths.iter().all(|&length| length <= DATAGRAM), "{lengths:?}");
        assert!(asked > 200, "{tracks} tracks: {asked} octets");
        assert!(call.plane.stats().nacks_sent <= 1_000 * 60, "{} requests", call.plane.stats().nacks_sent);
    }
}

/// 10,000 packets a second, each 999 numbers after the last, which a delayed worker receives in bulk.
#[test]
fn transport_wide_numbers_that_jump_cost_no_more_than_others() {
    let mut call = Call::new(1);
    let mallory = call.join();
    call.publish(mallory, Kind::Video, &[]);
    call.peers[mallory].sources[0].active = false;
    call.run(ms(50));
    let (mut now, mut datagrams) = (call.now, 0);
    for lot in 0..80_u16 {
        for packet in 0..64 {
            call.peers[mallory].skip_numbers(998);
            send(&mut call, mallory, (96, true, lot * 64 + packet, 1, 4_242), now);
        }
        let mut turns = 0;
        while call.plane.poll_timeout().is_some_and(|due| due <= now) {
            call.plane.handle_timeout(now);
            turns += 1;
            assert!(turns <= 2, "the worker does not rest");
        }
        datagrams += drain(&mut call, mallory, 2_048, now).len();
        now += ms(6);
    }
    let most = 80 * (ARRIVALS / 998 + 1);
    assert!((15..=most).contains(&datagrams), "{datagrams} datagrams of feedback, {most} are possible");
}

/// Handles a clear compound of this participant. The resulting datagrams stay in the plane.
fn send_rtcp(call: &mut Call, peer: usize, mut compound: Vec<u8>, now: Instant) -> Result<(), Discard> {
    call.peers[peer].outbound.as_mut().unwrap().protect_rtcp(&mut compound);
    let path = call.path(peer);
    let taken = call.budget.handle(&mut call.plane, &mut compound, path, now, now);
    // Handles what is due at once.
    call.plane.handle_timeout(now);
    taken
}

/// A datagram of 2,000 octets that requests the last packets of as many streams as fit.
fn ask_for_all(call: &Call, peer: usize) -> Vec<u8> {
    let newest: std::collections::BTreeMap<u32, u16> =
        call.peers[peer].received.iter().map(|packet| (packet.ssrc, packet.sequence)).collect();
    let mut compound = Vec::new();
    for (ssrc, sequence) in newest {
        let lost: Vec<u16> = (0..510).map(|n| sequence.wrapping_sub(n)).collect();
        let mut nack = Vec::new();
        feedback::write_nack(&mut nack, 1, ssrc, &lost);
        if compound.len() + nack.len() < 2_030 {
            compound.extend(nack);
        }
    }
    compound
}

#[test]
fn what_is_sent_again_is_a_share_of_what_is_sent() {
    let mut call = Call::new(18);
    let (alice, mallory) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    call.peers[alice].sources[0].packets = 20;
    call.peers[mallory].asks_for_losses = false;
    for _ in 0..15 {
        call.subscribe(mallory, camera, Kind::Video);
    }
    call.run(ms(1_500));
    let sent: usize = call.peers[mallory].received.iter().map(|packet| packet.payload.len() + 60).sum();
    let (compound, now) = (ask_for_all(&call, mallory), call.now);
    send_rtcp(&mut call, mallory, compound, now).unwrap();
    let octets: usize = drain(&mut call, mallory, 2_048, now).iter().sum();
    let most = REPAIRS_AT_ONCE.min(REPAIR_BURST + sent) + 3_000;
    assert!((REPAIR_BURST / 2..=most).contains(&octets), "{octets} octets at once, {most} are allowed");
    let before = call.plane.stats();
    for _ in 0..100 {
        call.run(ms(50));
        let (compound, now) = (ask_for_all(&call, mallory), call.now);
        send_rtcp(&mut call, mallory, compound, now).unwrap();
        call.run(ms(1));
    }
    let after = call.plane.stats();
    let again = after.packets_retransmitted - before.packets_retransmitted;
    let sent = after.packets_forwarded - before.packets_forwarded;
    // The rest of the burst, and half of the media.
    assert!(again <= sent * 7 / 10, "{again} packets sent again of {sent}");
    assert!(call.discarded(Discard::RepairLimit) > 0);
}

/// 8,500 numbers, 17 of which never arrived.
#[test]
fn numbers_of_a_datagram_are_asked_for_once_and_upstream_in_one_request() {
    let mut call = Call::new(5);
    let (alice, mallory) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    call.subscribe(mallory, camera, Kind::Video);
    call.peers[mallory].asks_for_losses = false;
    call.run(ms(1_000));
    let next = call.peers[alice].sources[0].sequence;
    let lost: Vec<u16> = (0..17).map(|n| next.wrapping_add(n)).collect();
    call.peers[alice].swallows.clone_from(&lost);
    call.peers[alice].refuses = lost;
    call.run(ms(1_500));
    let ssrc = call.peers[mallory].received.last().unwrap().ssrc;
    let stream = call.peers[mallory].stream(ssrc);
    let gap = stream.windows(2).find(|pair| pair[1].sequence.wrapping_sub(pair[0].sequence) == 18).unwrap();
    let first = gap[0].sequence.wrapping_add(1);
    let mut nack = vec![0x81, 205, 1, 246, 0, 0, 0, 1];
    nack.extend(ssrc.to_be_bytes());
    (0..500).for_each(|_| nack.extend([first.to_be_bytes(), [0xFF, 0xFF]].concat()));
    let words = (nack.len() / 4 - 1) as u16;
    nack[2..4].copy_from_slice(&words.to_be_bytes());
    let before = call.plane.stats();
    let now = call.now;
    send_rtcp(&mut call, mallory, nack, now).unwrap();
    let requests = drain(&mut call, alice, 2_048, now);
    assert!(requests.len() <= 1, "{} datagrams upstream", requests.len());
    assert!(call.plane.stats().nacks_sent - before.nacks_sent <= 17);
}

/// A camera that lost some of many packets permanently, and a viewer that misses them.
fn viewer_of_holes(call: &mut Call, holes: u16) -> (usize, Vec<u8>) {
    let (alice, mallory) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    call.peers[alice].sources[0].packets = 10;
    let slot = call.subscribe(mallory, camera, Kind::Video);
    call.peers[mallory].asks_for_losses = false;
    call.run(ms(1_000));
    let next = call.peers[alice].sources[0].sequence;
    let lost: Vec<u16> = (0..holes).map(|n| next.wrapping_add(n * 2)).collect();
    call.peers[alice].swallows.clone_from(&lost);
    call.peers[alice].refuses = lost;
    // The tenth request for each was in vain.
    call.run(ms(1_150 + 7 * u64::from(holes)));
    let stream = call.peers[mallory].stream(ssrc(slot));
    let came: std::collections::BTreeSet<u16> = stream.iter().map(|packet| packet.sequence).collect();
    let (first, last) = (stream[0].sequence, stream[stream.len() - 1].sequence);
    let missing: Vec<u16> = (first..last).filter(|number| !came.contains(number)).collect();
    assert_eq!(missing.len(), usize::from(holes));
    let mut nack = Vec::new();
    feedback::write_nack(&mut nack, 1, ssrc(slot), &missing);
    (mallory, nack)
}

#[test]
fn who_may_be_sent_nothing_again_has_nothing_asked_of_the_publisher_either() {
    for exhausted in [false, true] {
        let mut call = Call::new(6);
        let (mallory, nack) = viewer_of_holes(&mut call, 20);
        if exhausted {
            for _ in 0..3 {
                let (compound, now) = (ask_for_all(&call, mallory), call.now);
                send_rtcp(&mut call, mallory, compound, now).unwrap();
            }
            assert!(call.discarded(Discard::RepairLimit) > 0);
        }
        let before = call.plane.stats().nacks_sent;
        let now = call.now;
        send_rtcp(&mut call, mallory, nack, now).unwrap();
        let asked = call.plane.stats().nacks_sent - before;
        assert_eq!(asked, if exhausted { 0 } else { 20 }, "exhausted: {exhausted}");
    }
}

#[test]
fn asking_upstream_for_what_never_arrives_uses_the_repairs_up() {
    let mut call = Call::new(7);
    let (mallory, nack) = viewer_of_holes(&mut call, 60);
    call.peers[0].sources[0].active = false;
    let before = call.plane.stats().nacks_sent;
    for _ in 0..60 {
        let now = call.now;
        send_rtcp(&mut call, mallory, nack.clone(), now).unwrap();
        call.run(ms(50));
    }
    let asked = call.plane.stats().nacks_sent - before;
    let most = (REPAIRS_AT_ONCE / DATAGRAM) as u64 + 1;
    assert!((60..=most).contains(&asked), "{asked} requests upstream, {most} are allowed");
}

#[test]
fn a_peer_that_says_it_is_nearer_than_it_is_is_not_sent_the_same_again_any_sooner() {
    // It answers our Binding requests, or not; what it says; how often one packet is sent again within 90 ms.
    for (answers, delay, expected) in [(true, 0, 1), (false, 0, 1), (true, 80, 1)] {
        let mut call = Call::new(8);
        let (alice, mallory) = (call.join(), call.invite(DtlsRole::Server));
        call.up[mallory].delay = ms(40);
        call.down[mallory].delay = ms(40);
        call.connect(mallory);
        let camera = call.publish(alice, Kind::Video, &[]);
        let slot = call.subscribe(mallory, camera, Kind::Video);
        call.peers[mallory].asks_for_losses = false;
        call.peers[mallory].sends_reports = false;
        call.peers[mallory].answers = answers;
        call.run(ms(1_500));
        let (_, ntp, ..) = *call.peers[mallory].sender_reports.last().expect("a report came");
        let now = call.now;
        // The round trip is what is left of the time since our report.
        let compact = call.clock.ntp(now - ms(delay)).compact().wrapping_sub(ntp.compact());
        let block = ReportBlock {
            ssrc: ssrc(slot),
            last_sr: ntp.compact(),
            delay_since_last_sr: compact,
            ..ReportBlock::default()
        };
        let mut compound = Vec::new();
        report::write_receiver_report(&mut compound, 1, &[block]);
        send_rtcp(&mut call, mallory, compound, now).unwrap();
        call.run(ms(300));
        let newest = call.peers[mallory].stream(ssrc(slot)).last().unwrap().sequence;
        let before = call.plane.stats().packets_retransmitted;
        for _ in 0..7 {
            let mut nack = Vec::new();
            feedback::write_nack(&mut nack, 1, ssrc(slot), &[newest]);
            let now = call.now;
            send_rtcp(&mut call, mallory, nack, now).unwrap();
            call.run(ms(10));
        }
        let again = call.plane.stats().packets_retransmitted - before;
        assert_eq!(again, expected, "it answers: {answers}, it says {delay} ms");
    }
}

#[test]
fn feedback_on_what_has_not_left_is_not_read() {
    let mut call = Call::new(9);
    let (alice, mallory) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    call.subscribe(mallory, camera, Kind::Video);
    call.peers[mallory].sends_feedback = false;
    call.run(ms(500));
    call.peers[alice].sources[0].active = false;
    call.run(ms(50));
    let next = call.peers[mallory].received.iter().rev().find_map(|packet| packet.transport_cc).unwrap() + 1;
    // Base, how many; steps beside those of the datagram itself.
    let table = [
        (0, next, true),
        (0, next + 1, false),
        (next, 1, false),
        (next.wrapping_sub(1 << 15), 1 << 15, false),
        (65_535, 2, false),
    ];
    for (base, count, is_read) in table {
        let mut compound = Vec::new();
        twcc::write_feedback(&mut compound, 1, 1, 0, 0, base, &vec![None; usize::from(count)]);
        let before = (call.discarded(Discard::FeedbackUnsent), call.plane.steps());
        let now = call.now;
        send_rtcp(&mut call, mallory, compound, now).unwrap();
        let unsent = call.discarded(Discard::FeedbackUnsent) - before.0;
        assert_eq!(unsent, u64::from(!is_read), "{count} from {base} on, of {next}");
        let statuses = call.plane.steps() - before.1;
        assert_eq!(statuses > 2, is_read, "{statuses} steps: {count} from {base} on, of {next}");
    }
}

/// Hardware cameras that ignore keyframe requests, all shown to one viewer: each picture restarts from cached packets.
#[test]
fn keyframe_requests_for_many_deaf_cameras_begin_as_much_anew_as_is_allowed_at_once() {
    let mut call = Call::new(10);
    let (alice, mallory) = (call.join(), call.join());
    let slots: Vec<_> = (0..24)
        .map(|number| {
            let camera = call.publish_with(alice, Kind::Video, &[], |spec| (spec.pli, spec.fir) = (false, false));
            let source = &mut call.peers[alice].sources[number];
            (source.deaf, source.period, source.packets) = (true, Some(241), 4);
            call.subscribe(mallory, camera, Kind::Video)
        })
        .collect();
    // A while after their keyframes, and long after the pictures began.
    call.run(ms(7_500));
    let mut compound = Vec::new();
    slots.iter().for_each(|&slot| feedback::write_pli(&mut compound, 1, ssrc(slot)));
    for round in 0..3 {
        let now = call.now;
        send_rtcp(&mut call, mallory, compound.clone(), now).unwrap();
        let octets: usize = drain(&mut call, mallory, 2_048, now).iter().sum();
        assert!(octets <= STARTS_AT_ONCE, "{octets} octets of one datagram, in round {round}");
        assert!(round > 0 || octets > STARTS_AT_ONCE / 2, "{octets} octets: too few for the test to say anything");
        call.run(ms(100));
    }
    assert!(call.discarded(Discard::RepairLimit) > 0);
    // One datagram each 2 s, for as long as it likes.
    let (mut again, since) = (0, call.now);
    for _ in 0..10 {
        call.run(ms(2_000));
        let now = call.now;
        send_rtcp(&mut call, mallory, compound.clone(), now).unwrap();
        again += drain(&mut call, mallory, 2_048, now).iter().sum::<usize>();
    }
    let most = STARTS_AT_ONCE + (call.now - since).as_secs() as usize * STARTS_PER_SECOND;
    assert!(again <= most, "{again} octets in 20 s, {most} are allowed");
}

/// Sends media, as counted by the budget of the call.
fn pretend(call: &mut Call, path: Path, (ssrc, number): (u32, u16), after: u64) {
    let mut datagram = vec![0; 1_000];
    (datagram[0], datagram[1]) = (0x80, 96);
    datagram[2..4].copy_from_slice(&number.to_be_bytes());
    datagram[8..12].copy_from_slice(&ssrc.to_be_bytes());
    let now = call.now + ms(after);
    call.budget.sent(path, &datagram, now);
}

#[test]
fn the_budget_ends_a_call_in_which_a_bound_is_broken() {
    type Leaves = fn(&mut Call, Path, Path, u16);
    // How many packets it takes at least, and what leaves as the nth one.
    let table: [(&str, usize, Leaves); 5] = [
        ("octets again", 500, |call, path, _, n| pretend(call, path, (7, n), n.into())),
        ("octets again", 500, |call, path, _, n| pretend(call, path, (8, n % 10), n.into())),
        ("at once", 3_000, |call, path, _, n| pretend(call, path, (8, n), 0)),
        ("long been silent", 60, |call, path, _, n| pretend(call, path, (8, n), 20_000 + u64::from(n))),
        ("not proven", 20, |call, _, stranger, n| pretend(call, stranger, (8, n), n.into())),
    ];
    for (what, least, leaves) in table {
        let mut call = Call::new(11);
        let bob = call.join();
        call.budget.note_repairs(Some(7));
        let path = call.path(bob);
        let stranger = Path { remote: ([203, 0, 113, 9], 9).into(), ..path };
        let mut count = 0;
        let broken = catch_unwind(AssertUnwindSafe(|| {
            for n in 0..10_000 {
                leaves(&mut call, path, stranger, n);
                count += 1;
            }
        }));
        let why = broken.expect_err(what).downcast::<String>().expect("a sentence");
        assert!(why.contains(what), "{what}: {why}");
        assert!((least..least * 2).contains(&count), "{what}: after {count} packets");
    }
}
