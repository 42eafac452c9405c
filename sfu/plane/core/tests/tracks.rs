//! The cost of a datagram or a timer does not depend on the number of tracks of its transport: counted in steps.

mod sim;

use plane_core::Discard;
use plane_core::command::Kind;
use plane_core::limits::TRACKS;
use plane_core::rtp::extension::Extension;
use plane_core::time::ms;
use sim::source::vp8;
use sim::{Call, VP8};

/// A call in which the first participant publishes this many cameras of three encodings and sends nothing yet.
fn publisher(tracks: usize) -> (Call, usize) {
    let mut call = Call::new(1);
    let peer = call.join();
    for _ in 0..tracks {
        call.publish(peer, Kind::Video, &["q", "h", "f"]);
    }
    call.peers[peer].sources.iter_mut().for_each(|source| source.active = false);
    (call, peer)
}

#[test]
fn a_datagram_costs_the_same_in_a_transport_of_one_track_and_of_many() {
    let rtx = VP8.rtx.expect("it has one");
    // Payload type, SSRC, MID, and RID.
    let datagrams = [
        ("a new encoding", (VP8.number, 7_001, "0", Some((Extension::Rid, "q"))), Ok(())),
        ("its next packet", (VP8.number, 7_001, "0", Some((Extension::Rid, "q"))), Ok(())),
        ("its next packet without names", (VP8.number, 7_001, "", None), Ok(())),
        ("another stream of it", (VP8.number, 7_002, "0", Some((Extension::Rid, "q"))), Err(Discard::SurplusSsrc)),
        ("retransmissions of nothing", (rtx, 7_003, "0", Some((Extension::RepairedRid, "f"))), Err(Discard::Padding)),
        ("an unknown section", (VP8.number, 7_004, "999", Some((Extension::Rid, "q"))), Err(Discard::UnknownSsrc)),
        ("an unknown RID", (VP8.number, 7_005, "0", Some((Extension::Rid, "x"))), Err(Discard::UnknownSsrc)),
        ("an unknown payload type", (100, 7_006, "0", None), Err(Discard::UnknownPayloadType)),
        ("a payload type alone that nobody has", (100, 7_007, "", None), Err(Discard::UnknownSsrc)),
        (
            "a RID alone that nobody has",
            (VP8.number, 7_008, "", Some((Extension::Rid, "x"))),
            Err(Discard::UnknownSsrc),
        ),
    ];
    let steps = [1, 2, TRACKS, 4 * TRACKS].map(|tracks| {
        let (mut call, peer) = publisher(tracks);
        let path = call.path(peer);
        datagrams.map(|(what, (number, ssrc, mid, rid), expected)| {
            let sequence = 100 + (call.plane.stats().packets_received as u16);
            let payload = if number == rtx { vec![] } else { vp8(1, true, true) };
            let head = (number, true, sequence, 3_000, ssrc);
            let packet = call.peers[peer].protect(head, mid, rid, &payload).expect("it is connected");
            let before = call.plane.steps();
            assert_eq!(call.inject(path, packet), expected, "{what}, {tracks} tracks");
            call.plane.steps() - before
        })
    });
    assert!(steps[0].iter().all(|&steps| (1..=3).contains(&steps)), "{steps:?}");
    assert_eq!(steps, [steps[0]; 4]);
}

#[test]
fn tracks_that_fall_silent_together_cost_the_same_each() {
    let each = [2, 16, TRACKS].map(|tracks| {
        let (mut call, peer) = publisher(tracks);
        call.peers[peer].sources.iter_mut().step_by(3).for_each(|source| source.active = true);
        call.run(ms(1_000));
        call.peers[peer].sources.iter_mut().for_each(|source| source.active = false);
        // Their last packets and their requests.
        call.run(ms(300));
        let before = call.plane.steps();
        call.run(ms(3_500));
        (call.plane.steps() - before) as usize / tracks
    });
    assert!(each[0] > 10, "a silent track is judged each 40 ms: {each:?}");
    assert!(each[2] <= each[0], "{each:?}");
}
