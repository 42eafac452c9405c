//! Captures of clear RTP and RTCP: the contents of a file, and its end.

mod sim;

use plane_core::command::Kind;
use plane_core::id::{SlotId, TransportId};
use plane_core::limits::{CAPTURE_OCTETS, CAPTURE_TIME};
use plane_core::time::{Duration, ms};
use plane_core::{Command, Event};
use sim::Call;
use sim::pcap::{self, Packet};
use sim::stream::ssrc;

/// A publisher with a camera, and a viewer of it.
fn call() -> (Call, usize, usize, SlotId) {
    let mut call = Call::new(1);
    let alice = call.join();
    let camera = call.publish(alice, Kind::Video, &[]);
    let bob = call.join();
    let slot = call.subscribe(bob, camera, Kind::Video);
    call.run(ms(1_000));
    (call, alice, bob, slot)
}

fn start(call: &mut Call, transport: TransportId, octets: usize, time: Duration) {
    call.events.clear();
    call.apply(Command::StartCapture { transport, octets, time });
}

/// The file of a capture, the number of its pieces, and why it ended.
fn file(call: &Call, of: TransportId) -> (Vec<u8>, usize, Option<&'static str>) {
    let (mut file, mut pieces, mut end) = (Vec::new(), 0, None);
    for event in &call.events {
        if let Event::Captured { transport: Some(transport), octets, ended } = event
            && *transport == of
        {
            assert_eq!(end, None, "nothing follows the end");
            file.extend(octets);
            (pieces, end) = (pieces + 1, *ended);
        }
    }
    (file, pieces, end)
}

#[test]
fn a_capture_has_the_clear_packets_of_one_transport_in_both_directions() {
    let (mut call, alice, bob, slot) = call();
    let transports = [call.peers[alice].transport, call.peers[bob].transport];
    for (transport, peer) in transports.into_iter().zip([alice, bob]) {
        let seen = call.peers[bob].stream(ssrc(slot)).len();
        start(&mut call, transport, CAPTURE_OCTETS, CAPTURE_TIME);
        call.run(ms(3_000));
        call.apply(Command::StopCapture(transport));
        call.run(ms(500));
        let (octets, pieces, end) = file(&call, transport);
        assert_eq!(end, Some("it was stopped"));
        assert!(pieces > 3, "a reader sees packets while the capture runs");
        let packets = pcap::read(&octets);
        let path = call.path(peer);
        for packet in &packets {
            let ends = if packet.arrived { (path.remote, path.local) } else { (path.local, path.remote) };
            assert_eq!((packet.from, packet.to), ends);
        }
        assert!(packets.windows(2).all(|pair| pair[0].at <= pair[1].at));
        let media: Vec<&Packet> = packets.iter().filter(|packet| !packet.is_rtcp()).collect();
        let rtcp = packets.iter().filter(|packet| packet.is_rtcp());
        assert!(rtcp.clone().any(|packet| packet.arrived) && rtcp.clone().any(|packet| !packet.arrived));
        if peer == alice {
            let source = call.peers[alice].sources[0].ssrc;
            assert!(media.len() > 200 && media.iter().all(|packet| packet.arrived && packet.ssrc() == source));
        } else {
            let received = &call.peers[bob].stream(ssrc(slot))[seen..];
            let shown: Vec<_> = media.iter().filter(|packet| packet.ssrc() == ssrc(slot)).collect();
            assert!(shown.len() > 200);
            for packet in &shown {
                let same = received.iter().find(|other| other.sequence == packet.sequence()).expect("it arrived");
                assert!(!packet.arrived && packet.octets.ends_with(&same.payload), "the payload is clear");
            }
        }
    }
}

#[test]
fn a_capture_ends_by_its_octets_its_time_a_command_or_its_transport() {
    let (mut call, alice, bob, _) = call();
    let (alice, bob) = (call.peers[alice].transport, call.peers[bob].transport);
    start(&mut call, bob, 20_000, CAPTURE_TIME);
    call.run(ms(3_000));
    let (octets, _, end) = file(&call, bob);
    assert_eq!(end, Some("its octets are used up"));
    assert!((18_000..=20_000).contains(&octets.len()) && !pcap::read(&octets).is_empty());

    start(&mut call, bob, CAPTURE_OCTETS, ms(700));
    call.run(ms(3_000));
    let (octets, _, end) = file(&call, bob);
    assert_eq!(end, Some("its time is over"));
    let packets = pcap::read(&octets);
    let lasted = packets[packets.len() - 1].at - packets[0].at;
    assert!((500_000_000..=700_000_000).contains(&lasted), "{lasted}");

    start(&mut call, bob, usize::MAX, Duration::MAX);
    call.apply(Command::StartCapture { transport: alice, octets: CAPTURE_OCTETS, time: CAPTURE_TIME });
    assert_eq!(file(&call, bob).2, Some("another capture began"));
    call.apply(Command::StopCapture(bob));
    call.run(ms(300));
    assert_eq!(file(&call, alice).2, None, "it is the other one's to stop");
    call.apply(Command::Remove(alice.0));
    let (octets, _, end) = file(&call, alice);
    assert_eq!(end, Some("its transport was removed"));
    let packets = pcap::read(&octets);
    let last = packets.last().expect("something was captured");
    assert!(last.is_rtcp() && !last.arrived, "the BYE is in it");

    start(&mut call, alice, CAPTURE_OCTETS, CAPTURE_TIME);
    assert_eq!(file(&call, alice).2, Some("there is no such transport"));
}

#[test]
fn a_forgotten_capture_ends_and_nothing_is_captured_unasked() {
    let (mut call, _, bob, _) = call();
    assert!(!call.events.iter().any(|event| matches!(event, Event::Captured { .. })));
    let transport = call.peers[bob].transport;
    start(&mut call, transport, usize::MAX, Duration::MAX);
    call.run(CAPTURE_TIME + ms(1_000));
    let (octets, _, end) = file(&call, transport);
    assert!(matches!(end, Some("its time is over" | "its octets are used up")) && octets.len() <= CAPTURE_OCTETS);
}
