//! Consent to send, per path (RFC 7675): peers with forged addresses, and peers whose address changed.

mod sim;

use plane_core::Discard;
use plane_core::command::{DtlsRole, Kind, Path};
use plane_core::event::TransportState;
use plane_core::id::SlotId;
use plane_core::time::{Duration, Instant, ms};
use sim::stream::ssrc;
use sim::{Call, Link, peer};
use stun_types::message::{Message, MessageWrite, MessageWriteExt, MessageWriteVec};

/// A host that requested nothing.
fn stranger(call: &Call, peer: usize) -> Path {
    Path { remote: ([203, 0, 113, 77], 53).into(), ..call.path(peer) }
}

/// A call with a publisher and a viewer.
fn watched(seed: u64) -> (Call, usize, usize, SlotId) {
    let mut call = Call::new(seed);
    let (alice, bob) = (call.join(), call.join());
    let camera = call.publish(alice, Kind::Video, &[]);
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(1_000));
    (call, alice, bob, slot)
}

/// A nominating check with a forged source address.
fn forge(call: &mut Call, peer: usize, path: Path) -> usize {
    let check = call.peers[peer].check_as(true, 4_000_000_000, &call.peers[peer].server_pwd);
    let octets = check.len();
    let _ = call.inject(path, check);
    octets
}

fn received_since(call: &Call, peer: usize, slot: SlotId, since: Instant) -> usize {
    call.peers[peer].stream(ssrc(slot)).iter().filter(|packet| packet.at > since).count()
}

#[test]
fn a_forged_check_sends_a_stranger_no_media_and_costs_its_sender_none() {
    let (mut call, _, mallory, slot) = watched(7);
    let victim = stranger(&call, mallory);
    // As before from where it is, without nominating there.
    call.peers[mallory].nominates = false;
    let forged = forge(&mut call, mallory, victim);
    let start = call.now;
    call.run(ms(60_000));
    let (octets, not_stun) = call.strayed(victim);
    assert_eq!(not_stun, 0);
    assert!(octets <= 3 * forged, "{octets} octets for a check of {forged}");
    assert!(received_since(&call, mallory, slot, start) > 5_000);
}

#[test]
fn whatever_checks_are_forged_the_stranger_gets_little() {
    let (mut call, _, mallory, _) = watched(8);
    let victim = stranger(&call, mallory);
    call.peers[mallory].nominates = false;
    let mut paid = 0;
    for _ in 0..600 {
        paid += forge(&mut call, mallory, victim);
        call.run(ms(100));
    }
    let (octets, not_stun) = call.strayed(victim);
    assert_eq!(not_stun, 0, "the attacker is heard where it is: no trial");
    assert!(octets <= 3 * paid);

    // Silent at its own address, with a new forged address each time: one trial in ten seconds.
    call.peers[mallory].alive = false;
    let before = call.strays.len();
    for n in 0..600u16 {
        forge(&mut call, mallory, Path { remote: ([203, 0, 113, 78], 1_000 + n).into(), ..victim });
        call.run(ms(100));
    }
    let media = call.strays[before..]
        .iter()
        .filter(|(_, path, datagram)| datagram[0] > 3 && path.remote.ip() == std::net::IpAddr::from([203, 0, 113, 78]));
    let media: usize = media.map(|(_, _, datagram)| datagram.len()).sum();
    assert!(media <= 6 * 21_500, "{media} octets of media in a minute");
}

#[test]
fn an_answer_that_is_not_the_peers_proves_nothing() {
    let (mut call, _, mallory, slot) = watched(9);
    let victim = stranger(&call, mallory);
    forge(&mut call, mallory, victim);
    let asked = call.strays.iter().map(|(_, _, datagram)| datagram.clone()).find(|datagram| datagram[..2] == [0, 1]);
    let asked = asked.expect("the nominated path is asked");
    let request = Message::from_bytes(&asked).expect("a request");
    // A STUN server answers everybody.
    let mut server = Message::builder_success(&request, MessageWriteVec::new());
    server.add_fingerprint().expect("room");
    let wrong_password = peer::ice::answer(&request, "guessed");
    let right = peer::ice::answer(&request, &call.peers[mallory].ice().remote_pwd);
    let (own, elsewhere) = (call.path(mallory), Path { remote: ([203, 0, 113, 79], 53).into(), ..victim });
    for (path, answer, why) in [
        (victim, server.finish(), Discard::StunIntegrity),
        (victim, wrong_password, Discard::StunIntegrity),
        (own, right.clone(), Discard::StunUnexpected),
        (elsewhere, right.clone(), Discard::UnknownAddress),
    ] {
        assert_eq!(call.inject(path, answer), Err(why));
    }
    let start = call.now;
    call.run(ms(900));
    assert!(received_since(&call, mallory, slot, start) > 60 && call.strayed(victim).1 == 0);
    // The peer's own answer, from there, proves the path; only once.
    assert_eq!(call.inject(victim, right.clone()), Ok(()));
    assert_eq!(call.inject(victim, right), Err(Discard::StunUnexpected));
    call.run(ms(300));
    assert!(call.strayed(victim).1 > 1_000);
}

#[test]
fn checks_forged_under_the_address_of_another_cost_it_nothing() {
    // Bob publishes, or is heard by nothing but checks and an answer to ours.
    for publishes in [true, false] {
        let mut call = Call::new(6);
        let (alice, mallory) = (call.join(), call.join());
        let bob = call.invite(DtlsRole::Server);
        call.peers[bob].sends_reports = publishes;
        call.peers[bob].check_interval = ms(5_000);
        call.connect(bob);
        call.peers[bob].misdirected = Some(Vec::new());
        let (from, to) = if publishes { (bob, alice) } else { (alice, bob) };
        let camera = call.publish(from, Kind::Video, &[]);
        let slot = call.subscribe(to, camera, Kind::Video);
        call.run(ms(1_000));
        let (start, sent) = (call.now, call.peers[from].sources[0].sent);
        for _ in 0..300 {
            let check = call.peers[mallory].check(true);
            let path = call.path(bob);
            assert_eq!(call.inject(path, check), Err(Discard::AddressTaken));
            call.run(ms(200));
        }
        call.peers[from].sources[0].active = false;
        call.run(ms(200));
        let got = received_since(&call, to, slot, start);
        assert!(got + 5 >= (call.peers[from].sources[0].sent - sent) as usize, "{got} packets");
        assert_eq!(call.discarded(Discard::SrtpAuth), 0);
        assert_eq!(call.states(call.peers[bob].transport), [TransportState::Connected]);
        assert_eq!(call.states(call.peers[mallory].transport), [TransportState::Connected]);
    }
}

/// The last request that the server sent to somebody else at this peer's address.
fn answer_misdirected(call: &mut Call, at: usize, by: usize) -> Option<Result<(), Discard>> {
    let request = call.peers[at].misdirected.as_mut()?.pop()?;
    let answer = peer::ice::answer(&Message::from_bytes(&request).unwrap(), &call.peers[by].ice().remote_pwd);
    let path = call.path(at);
    Some(call.inject(path, answer))
}

#[test]
fn an_address_whose_owner_went_silent_goes_to_the_next_who_answers_there() {
    for silence in [0, 40, 5_000, 10_000] {
        let (mut call, alice, bob, _) = watched(10);
        let shared = call.path(bob);
        // The owner vanished, and a NAT assigns its port to another client.
        call.peers[bob].alive = false;
        call.peers[bob].path = stranger(&call, bob);
        call.run(ms(silence));
        let carol = call.invite(DtlsRole::Server);
        call.peers[carol].path = shared;
        let start = call.now;
        call.connect(carol);
        assert!(call.now - start < ms(500), "{:?}, {silence} ms after the owner went", call.now - start);
        assert!(call.peers[carol].asked > 0 || silence > 8_000);
        let camera = call.publish(carol, Kind::Video, &[]);
        let slot = call.subscribe(alice, camera, Kind::Video);
        let start = call.now;
        call.run(ms(1_000));
        assert!(received_since(&call, alice, slot, start) > 60);
        // Packets from the old address are refused; from another one they are accepted as before.
        call.peers[carol].misdirected = Some(Vec::new());
        let check = call.peers[bob].check(true);
        assert_eq!(call.inject(shared, check), Err(Discard::AddressTaken));
        call.peers[bob].alive = true;
        call.run(ms(3_000));
        assert!(call.has_connected(bob));
    }
}

#[test]
fn an_address_whose_owner_is_heard_is_not_given_to_one_who_answers_there() {
    // Two connections of one client over one socket: what comes from there cannot be told apart, so the first has it.
    let (mut call, alice, bob, _) = watched(11);
    let mallory = call.join();
    let camera = call.publish(bob, Kind::Video, &[]);
    let slot = call.subscribe(alice, camera, Kind::Video);
    call.peers[bob].misdirected = Some(Vec::new());
    call.run(ms(1_000));
    let (start, mut answers) = (call.now, Vec::new());
    for _ in 0..50 {
        let (check, path) = (call.peers[mallory].check(true), call.path(bob));
        assert_eq!(call.inject(path, check), Err(Discard::AddressTaken));
        call.run(ms(200));
        answers.extend(answer_misdirected(&mut call, bob, mallory));
    }
    assert!(answers.len() > 10 && answers.iter().all(|answer| *answer == Err(Discard::AddressTaken)), "{answers:?}");
    assert!(received_since(&call, alice, slot, start) > 800);
}

#[test]
fn what_was_answered_to_an_earlier_claim_proves_no_later_one() {
    let (mut call, _, bob, _) = watched(12);
    let mallory = call.join();
    (call.peers[bob].answers, call.peers[bob].misdirected) = (false, Some(Vec::new()));
    let (check, path) = (call.peers[mallory].check(true), call.path(bob));
    assert_eq!(call.inject(path, check.clone()), Err(Discard::AddressTaken));
    call.run(ms(200));
    let old = call.peers[bob].misdirected.clone();
    assert_eq!(answer_misdirected(&mut call, bob, mallory), Some(Err(Discard::AddressTaken)), "Bob reports");
    call.peers[bob].alive = false;
    call.run(ms(200));
    assert_eq!(call.inject(path, check), Err(Discard::AddressTaken));
    call.peers[bob].misdirected = old;
    assert_eq!(answer_misdirected(&mut call, bob, mallory), Some(Err(Discard::StunUnexpected)));
}

#[test]
fn a_client_that_checks_nothing_is_followed_by_its_reports_once_it_answers_there() {
    let (mut call, _, bob, slot) = watched(15);
    call.run(ms(1_000));
    call.peers[bob].checking = false;
    let old = call.path(bob);
    call.peers[bob].path = Path { remote: ([203, 0, 113, 9], 61_000).into(), ..old };
    let start = call.now;
    call.run(ms(1_000));
    let first = call.peers[bob].stream(ssrc(slot)).iter().map(|packet| packet.at).find(|&at| at > start + ms(100));
    // It reports each 100 ms; the old path has 200 ms to say something.
    assert!(first.expect("media follows") - start < ms(600), "{:?}", first.map(|at| at - start));
    assert!(received_since(&call, bob, slot, start) > 30);
}

#[test]
fn a_report_that_a_stranger_sends_on_moves_nothing() {
    // Replayed, forged, and the first copy of a genuine one: nobody answers at the stranger's address.
    let (mut call, _, bob, slot) = watched(16);
    let victim = stranger(&call, bob);
    call.peers[bob].tapped = true;
    call.run(ms(1_000));
    let report = |call: &Call| {
        let is_report = |datagram: &&Vec<u8>| datagram[0] >> 6 == 2 && (192..224).contains(&datagram[1]);
        call.peers[bob].tap.iter().rev().find(is_report).expect("a report").clone()
    };
    let old = report(&call);
    let mut forged = old.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(call.inject(victim, old), Err(Discard::UnknownAddress));
    assert_eq!(call.inject(victim, forged), Err(Discard::UnknownAddress));
    let (start, mut believed) = (call.now, 0);
    for _ in 0..20 {
        // As the peer sends it, and before that arrives.
        let before = call.peers[bob].tap.len();
        while call.peers[bob].tap.len() == before || report(&call)[1] < 192 {
            call.run(ms(1));
        }
        let copy = report(&call);
        believed += usize::from(call.inject(victim, copy).is_ok());
        call.run(ms(100));
    }
    assert!(believed > 5, "copies that came first");
    let (octets, not_stun) = call.strayed(victim);
    assert_eq!(not_stun, 0, "of {octets} octets");
    assert!(received_since(&call, bob, slot, start) > 150);
    assert_eq!(call.path(bob), call.peers[bob].path);
}

/// The observed behaviour of a client.
struct Client {
    name: &'static str,
    /// The interval of its checks, and the largest fraction by which it varies.
    checks: Duration,
    jitter: f64,
    reports: bool,
    feedback: bool,
    answers: bool,
}

const CHROMIUM: Client =
    Client { name: "Chromium", checks: ms(2_500), jitter: 0.0, reports: true, feedback: true, answers: true };
const CLIENTS: [Client; 5] = [
    CHROMIUM,
    Client { name: "muted Firefox", checks: ms(5_000), reports: false, ..CHROMIUM },
    Client { name: "aiortc", checks: ms(5_000), jitter: 0.2, feedback: false, ..CHROMIUM },
    Client { name: "GStreamer", checks: ms(25_000), feedback: false, ..CHROMIUM },
    Client { name: "none that answers", checks: ms(5_000), reports: false, answers: false, ..CHROMIUM },
];

/// Changes its network after this time. Returns how long it receives nothing.
fn gap_of_a_move(client: &Client, one_way: Duration, after: Duration, priority: u32) -> Duration {
    let mut call = Call::new(11);
    let (alice, bob) = (call.join(), call.invite(DtlsRole::Server));
    let camera = call.publish(alice, Kind::Video, &[]);
    let watching = &mut call.peers[bob];
    (watching.sends_reports, watching.sends_feedback) = (true, client.feedback);
    watching.answers = client.answers;
    (call.up[bob], call.down[bob]) = (Link::lossy(one_way, 0.0), Link::lossy(one_way, 0.0));
    call.connect(bob);
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.peers[bob].sends_reports = client.reports;
    (call.peers[bob].check_interval, call.peers[bob].check_jitter) = (client.checks, client.jitter);
    call.run(after);
    let old = call.path(bob);
    call.peers[bob].path = Path { remote: ([203, 0, 113, 9], 61_000).into(), ..old };
    // A packet that was under way to the old network is lost, whatever the simulation says.
    let moved = call.now;
    let check = call.peers[bob].check_as(true, priority, &call.peers[bob].server_pwd);
    call.peers[bob].send_raw(check);
    call.run(ms(4_000));
    let first = call.peers[bob].stream(ssrc(slot)).iter().map(|packet| packet.at).find(|&at| at > moved + one_way * 2);
    first.expect("media follows") - moved
}

#[test]
fn media_follows_a_client_that_moves_within_a_round_trip_and_300_ms() {
    for client in &CLIENTS {
        for one_way in [ms(10), ms(50), ms(85)] {
            for after in [ms(3_000), ms(6_300)] {
                // A worse network, as good a one, and a better one.
                for priority in [500, 1_000, 2_000] {
                    let gap = gap_of_a_move(client, one_way, after, priority);
                    let most = if client.answers { one_way * 2 + ms(300) } else { ms(2_000) };
                    let about = (client.name, one_way, after, priority);
                    assert!(gap <= most, "{about:?}: {gap:?}");
                }
            }
        }
    }
}

#[test]
fn a_client_that_answers_nothing_gets_twenty_kilobytes_on_its_new_path_until_it_says_something() {
    let (mut call, alice, bob, _) = watched(12);
    call.peers[alice].sources[0].packets = 20;
    (call.peers[bob].sends_reports, call.peers[bob].answers) = (false, false);
    call.peers[bob].alive = false;
    let new = stranger(&call, bob);
    forge(&mut call, bob, new);
    let forged = call.now;
    call.run(ms(950));
    assert_eq!(call.strayed(new).1, 0, "the old path is not silent for a second");
    call.run(ms(2_500));
    let (_, media) = call.strayed(new);
    assert!((15_000..21_500).contains(&media), "{media} octets");
    let first = call.strays.iter().find(|(_, path, datagram)| *path == new && datagram[0] > 3).expect("media").0;
    assert!(first - forged <= ms(1_100));
    // One report from there proves it.
    call.peers[bob].path = new;
    call.peers[bob].alive = true;
    call.peers[bob].sends_reports = true;
    let start = call.now;
    call.run(ms(1_000));
    assert!(call.peers[bob].received.iter().filter(|packet| packet.at > start).count() > 300);
}

#[test]
fn an_old_path_that_is_heard_again_while_the_new_one_is_tried_is_used_again() {
    let (mut call, _, bob, slot) = watched(13);
    call.peers[bob].alive = false;
    let (old, new) = (call.path(bob), stranger(&call, bob));
    forge(&mut call, bob, new);
    call.run(ms(1_500));
    assert!(call.strayed(new).1 > 0);
    assert_eq!(call.path(bob), old);
    call.peers[bob].alive = true;
    let start = call.now;
    call.run(ms(1_000));
    assert!(received_since(&call, bob, slot, start) > 60);
}

#[test]
fn a_handshake_to_an_address_that_proved_nothing_is_at_most_three_times_what_came_from_it() {
    for role in [DtlsRole::Server, DtlsRole::Client] {
        let mut call = Call::new(14);
        let mallory = call.invite(role);
        let victim = stranger(&call, mallory);
        let mut paid = forge(&mut call, mallory, victim);
        if let Some(hello) = call.peers[mallory].dtls.poll_transmit() {
            paid += hello.len();
            let _ = call.inject(victim, hello);
        }
        call.run(ms(40_000));
        let (octets, _) = call.strayed(victim);
        assert!(octets <= 3 * paid, "{role:?}: {octets} octets for {paid}");
    }
}

#[test]
fn who_goes_on_from_another_address_without_a_nomination_is_followed_once_that_is_proven() {
    // By its reports, or by its answer alone.
    for reports in [true, false] {
        let (mut call, _, bob, slot) = watched(17);
        call.peers[bob].sends_reports = reports;
        call.peers[bob].path = stranger(&call, bob);
        call.peers[bob].nominates = false;
        let check = call.peers[bob].check(false);
        call.peers[bob].send_raw(check);
        let start = call.now;
        call.run(ms(2_000));
        let first = call.peers[bob].stream(ssrc(slot)).iter().map(|packet| packet.at).find(|&at| at > start + ms(10));
        let gap = first.expect("media follows") - start;
        assert!(gap <= ms(310), "{gap:?}");
    }
}

#[test]
fn a_second_path_that_is_checked_all_the_time_moves_nothing_while_the_first_is_heard() {
    for answers in [true, false] {
        let (mut call, _, bob, slot) = watched(18);
        call.peers[bob].answers = answers;
        let second = stranger(&call, bob);
        let start = call.now;
        for _ in 0..100 {
            let check = call.peers[bob].check(false);
            assert_eq!(call.inject(second, check), Ok(()));
            call.run(ms(200));
        }
        assert_eq!(call.strayed(second).1, 0);
        assert!(received_since(&call, bob, slot, start) > 1_500);
    }
}

#[test]
fn the_silence_of_the_path_that_is_used_ends_media_though_checks_come_from_elsewhere() {
    let (mut call, _, bob, _) = watched(15);
    let used = call.path(bob);
    // Anybody can have sent these: nothing proves that it is there.
    call.peers[bob].path = stranger(&call, bob);
    (call.peers[bob].nominates, call.peers[bob].answers, call.peers[bob].sends_reports) = (false, false, false);
    call.run(ms(20_000));
    let last = call.strays.iter().rev().find(|(_, path, datagram)| *path == used && datagram[0] > 3).expect("media").0;
    assert!(call.now - last > ms(4_000), "media to nobody for {:?}", last);
    call.peers[bob].answers = true;
    let start = call.now;
    call.run(ms(4_000));
    assert!(call.peers[bob].received.iter().filter(|packet| packet.at > start).count() > 60);
}

#[test]
fn an_answer_is_never_longer_than_its_check() {
    let mut call = Call::new(16);
    let alice = call.invite(DtlsRole::Server);
    let path = Path::udp(
        "[2001:db8::1]:7882".parse().expect("an address"),
        "[2001:db8::2:1]:50000".parse().expect("an address"),
    );
    let check = call.peers[alice].check(true);
    let paid = check.len();
    assert_eq!(call.inject(path, check), Ok(()));
    let sent = call.strays.iter().map(|(_, _, datagram)| datagram.len()).next().expect("an answer");
    assert!(sent <= paid);
}
