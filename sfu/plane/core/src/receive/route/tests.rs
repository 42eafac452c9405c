use super::*;
use crate::codec::{Codec, PayloadType};
use crate::command::{EncodingSpec, Kind};
use crate::id::TransportId;
use crate::limits::{SDP_ENCODINGS, SSRCS, TRACKS};
use crate::rtp::extension::ExtensionMap;
use crate::time::ms;
use proptest::prelude::*;

const VP8: u8 = 96;
const VP8_RTX: u8 = 97;
const OPUS: u8 = 111;

fn payload_type(number: u8, codec: Codec, clock_rate: u32, rtx: Option<u8>) -> PayloadType {
    PayloadType { number, codec, format: 0, clock_rate, rtx }
}

fn track(id: u64, kind: Kind, encodings: Vec<EncodingSpec>) -> TrackSpec {
    let payload_types = match kind {
        Kind::Audio => vec![payload_type(OPUS, Codec::Opus, 48_000, None)],
        Kind::Video => vec![payload_type(VP8, Codec::Vp8, 90_000, Some(VP8_RTX))],
    };
    let (extensions, transport) = (ExtensionMap::default(), TransportId(1));
    let mid = id.to_string();
    TrackSpec {
        parameter_sets: Vec::new(),
        id: TrackId(id),
        transport,
        kind,
        mid,
        payload_types,
        encodings,
        extensions,
        nack: true,
        pli: true,
        fir: false,
        repairs: Vec::new(),
    }
}

fn simulcast(id: u64) -> TrackSpec {
    let rid = |rid: &str| EncodingSpec { rid: Some(rid.into()), ..EncodingSpec::default() };
    track(id, Kind::Video, vec![rid("q"), rid("h"), rid("f")])
}

fn single(id: u64, kind: Kind) -> TrackSpec {
    track(id, kind, vec![EncodingSpec::default()])
}

fn declared(id: u64, ssrcs: &[(u32, u32)]) -> TrackSpec {
    let spec = |&(ssrc, rtx): &(u32, u32)| EncodingSpec { rid: None, ssrc: Some(ssrc), rtx_ssrc: Some(rtx) };
    track(id, Kind::Video, ssrcs.iter().map(spec).collect())
}

fn header(ssrc: u32, payload_type: u8) -> Header {
    Header { marker: false, payload_type, sequence: 1, timestamp: 1, ssrc, padding: false, length: 12, extension: None }
}

/// Routes a packet among tracks that have received nothing.
fn routed(router: &mut Router, header: &Header, of: &Extensions, specs: &[&TrackSpec]) -> Result<Route, Discard> {
    let tracks: Vec<Track> = specs.iter().map(|&spec| Track::new(spec.clone())).collect();
    for track in tracks.iter().filter(|track| !router.names.knows(track.id())).collect::<Vec<_>>() {
        router.declare(track);
    }
    router.route(header, of, |id| tracks.iter().find(|track| track.id() == id), Instant::now())
}

fn names<'a>(mid: &'a str, rid: &'a str, repaired_rid: &'a str) -> Extensions<'a> {
    let some = |name: &'a str| (!name.is_empty()).then_some(name);
    Extensions { mid: some(mid), rid: some(rid), repaired_rid: some(repaired_rid), ..Extensions::default() }
}

fn to(track: u64, encoding: usize, rtx: bool) -> Result<Route, Discard> {
    Ok(Route { track: TrackId(track), encoding: EncodingId::first(encoding as u8), rtx })
}

#[test]
fn the_first_packet_of_an_encoding_may_be_rtx_padding_with_the_repaired_rid() {
    let (audio, video) = (single(1, Kind::Audio), simulcast(2));
    let tracks = [&audio, &video];
    let mut router = Router::new();
    assert_eq!(routed(&mut router, &header(20, VP8_RTX), &names("2", "", "f"), &tracks), to(2, 2, true));
    assert_eq!(routed(&mut router, &header(10, VP8), &names("2", "f", ""), &tracks), to(2, 2, false));
    assert_eq!(routed(&mut router, &header(21, VP8_RTX), &names("2", "q", ""), &tracks), to(2, 0, true));
    // Once a report has answered them, packets have neither.
    assert_eq!(routed(&mut router, &header(20, VP8_RTX), &names("", "", ""), &tracks), to(2, 2, true));
    assert_eq!(router.lookup(10), to(2, 2, false).ok());
}

#[test]
fn a_table_of_packets_and_where_they_lead() {
    let (audio, single, simulcast) = (single(1, Kind::Audio), single(2, Kind::Video), simulcast(3));
    let tracks = [&audio, &single, &simulcast];
    for (payload_type, (mid, rid, repaired), expected) in [
        // The only encoding of a MID, and its retransmissions.
        (VP8, ("2", "", ""), to(2, 0, false)),
        (VP8_RTX, ("2", "", ""), to(2, 0, true)),
        (VP8, ("2", "x", ""), to(2, 0, false)),
        // Only one m-section has this payload type.
        (OPUS, ("", "", ""), to(1, 0, false)),
        // Two have this one; the RID decides, or nothing does.
        (VP8, ("", "", ""), Err(Discard::UnknownSsrc)),
        (VP8, ("3", "h", ""), to(3, 1, false)),
        (VP8, ("3", "", ""), Err(Discard::UnknownSsrc)),
        (VP8, ("3", "x", ""), Err(Discard::UnknownSsrc)),
        (VP8, ("3", "", "h"), Err(Discard::UnknownSsrc)),
        (VP8_RTX, ("3", "", ""), Err(Discard::RtxUnmatched)),
        (OPUS, ("3", "h", ""), Err(Discard::UnknownPayloadType)),
        (100, ("", "", ""), Err(Discard::UnknownSsrc)),
        (VP8, ("9", "h", ""), Err(Discard::UnknownSsrc)),
    ] {
        let found = routed(&mut Router::new(), &header(5, payload_type), &names(mid, rid, repaired), &tracks);
        assert_eq!(found, expected, "{payload_type} {mid:?} {rid:?} {repaired:?}");
    }
}

#[test]
fn a_rid_that_only_one_track_has_needs_no_mid() {
    let (audio, video) = (single(1, Kind::Audio), simulcast(2));
    let found = routed(&mut Router::new(), &header(5, VP8), &names("", "h", ""), &[&audio, &video]);
    assert_eq!(found, to(2, 1, false));
}

#[test]
fn a_simulcast_of_one_need_not_say_its_rid() {
    let mut video = simulcast(2);
    video.encodings.truncate(1);
    assert_eq!(routed(&mut Router::new(), &header(5, VP8), &names("2", "", ""), &[&video]), to(2, 0, false));
    assert_eq!(routed(&mut Router::new(), &header(5, VP8), &names("2", "f", ""), &[&video]), Err(Discard::UnknownSsrc));
}

#[test]
fn declared_ssrcs_need_no_names() {
    let mut router = Router::new();
    router.declare(&Track::new(declared(4, &[(1, 2), (3, 4)])));
    let routes: Vec<_> = [1, 2, 3, 4].map(|ssrc| router.lookup(ssrc).ok_or(Discard::UnknownSsrc)).into();
    assert_eq!(routes, [to(4, 0, false), to(4, 0, true), to(4, 1, false), to(4, 1, true)]);
}

#[test]
fn an_update_keeps_what_was_learned_of_encodings_that_stay() {
    let before = simulcast(3);
    let mut router = Router::new();
    for (ssrc, rid) in [(1, "q"), (2, "h"), (3, "f")] {
        routed(&mut router, &header(ssrc, VP8), &names("3", rid, ""), &[&before]).unwrap();
    }
    let mut track = Track::new(before.clone());
    let mut after = before;
    after.encodings.remove(1);
    after.encodings.reverse();
    track.update(after, Instant::now());
    router.declare(&track);
    let kept = [1, 2, 3].map(|ssrc| router.lookup(ssrc));
    assert_eq!(kept, [to(3, 0, false).ok(), None, to(3, 2, false).ok()], "each has its place, wherever it is listed");
    router.remove(TrackId(3));
    assert_eq!(router.lookup(1), None);
    assert!(router.names.is_empty() && router.ssrcs.is_empty() && router.bindings.is_empty());
}

/// One track, whose packets have a MID, and the time in ms.
struct Receiver {
    router: Router,
    track: Track,
    start: Instant,
}

impl Receiver {
    fn new(spec: TrackSpec) -> Self {
        let (mut router, track) = (Router::new(), Track::new(spec));
        router.declare(&track);
        Self { router, track, start: Instant::now() }
    }

    fn receive(&mut self, ssrc: u32, at: u64) -> Result<Route, Discard> {
        let (mid, now) = (self.track.spec.mid.clone(), self.start + ms(at));
        let route = self.router.route(&header(ssrc, VP8), &names(&mid, "", ""), |_| Some(&self.track), now)?;
        self.track.bind(&route, ssrc, now);
        self.track.encodings[route.encoding.place()].life.handle_packet(0, at as u32, false, now);
        Ok(route)
    }
}

#[test]
fn a_route_moves_when_its_stream_was_silent_and_a_late_packet_moves_nothing() {
    let mut receiver = Receiver::new(single(2, Kind::Video));
    (0..=30).for_each(|frame| assert!(receiver.receive(7, 33 * frame).is_ok()));
    for (ssrc, after, expected) in [
        (8, 10, Err(Discard::SurplusSsrc)),
        (9, 200, Err(Discard::SurplusSsrc)),
        (8, 379, Err(Discard::SurplusSsrc)),
        (8, 380, to(2, 0, false)),
        (7, 381, Err(Discard::SurplusSsrc)),
        (8, 700, to(2, 0, false)),
        (7, 900, Err(Discard::SurplusSsrc)),
    ] {
        assert_eq!(receiver.receive(ssrc, 33 * 30 + after), expected, "{ssrc} after {after} ms");
    }
    assert_eq!((receiver.router.poll_surplus(), receiver.router.poll_surplus()), (Some(TrackId(2)), None));
}

#[test]
fn one_that_sends_slowly_is_not_gone_between_two_pictures() {
    let mut receiver = Receiver::new(single(2, Kind::Video));
    (0..5).for_each(|frame| assert!(receiver.receive(7, 1_000 * frame).is_ok()));
    assert_eq!(receiver.receive(8, 5_500), Err(Discard::SurplusSsrc));
    assert_eq!(receiver.receive(8, 6_000), to(2, 0, false));
}

#[test]
fn one_that_sdp_names_and_nobody_hears_gives_way_soon_and_one_that_says_goodbye_at_once() {
    let mut receiver = Receiver::new(declared(2, &[(1, 2)]));
    assert_eq!(receiver.receive(7, 0), Err(Discard::SurplusSsrc));
    assert_eq!(receiver.receive(7, 379), Err(Discard::SurplusSsrc));
    assert_eq!(receiver.receive(7, 380), to(2, 0, false));
    assert_eq!(receiver.router.lookup(2), None, "what repaired the other repairs nothing of this one");
    assert_eq!(receiver.router.forget(7), to(2, 0, false).ok());
    assert_eq!(receiver.receive(9, 400), to(2, 0, false));
}

#[test]
fn a_repair_that_only_sdp_names_is_of_the_stream_that_it_names() {
    let mut spec = simulcast(2);
    spec.repairs = vec![(1, 2), (3, 4), (5, 6)];
    let (mut router, specs) = (Router::new(), [&spec]);
    let mut rtx = |ssrc, rid| routed(&mut router, &header(ssrc, VP8_RTX), &names("", rid, ""), &specs);
    assert_eq!(rtx(2, ""), Err(Discard::RtxUnmatched), "nothing is known of 1");
    for (ssrc, rid) in [(1, "f"), (3, "q")] {
        routed(&mut router, &header(ssrc, VP8), &names("2", rid, ""), &specs).unwrap();
    }
    let mut rtx = |ssrc, rid| routed(&mut router, &header(ssrc, VP8_RTX), &names("", rid, ""), &specs);
    assert_eq!((rtx(2, ""), rtx(4, "")), (to(2, 2, true), to(2, 0, true)));
    assert_eq!(rtx(6, "h"), to(2, 1, true), "the packet itself knows best");
    assert_eq!(routed(&mut router, &header(6, VP8), &names("2", "q", ""), &specs), to(2, 1, true), "known by now");
}

#[test]
fn of_three_pairs_in_one_section_only_the_repairs_of_the_one_that_is_taken_count() {
    let mut spec = declared(2, &[(101, 102)]);
    spec.repairs = vec![(101, 102), (201, 202), (301, 302)];
    let mut router = Router::new();
    router.declare(&Track::new(spec.clone()));
    let found = [102, 202, 302].map(|ssrc| routed(&mut router, &header(ssrc, VP8_RTX), &names("2", "", ""), &[&spec]));
    assert_eq!(found, [to(2, 0, true), Err(Discard::RtxUnmatched), Err(Discard::RtxUnmatched)]);
}

#[test]
fn an_ssrc_may_move_to_another_m_section() {
    let (first, second) = (single(1, Kind::Video), single(2, Kind::Video));
    let (tracks, mut router) = ([&first, &second], Router::new());
    for (mid, expected) in [("1", 1), ("", 1), ("2", 2), ("", 2)] {
        assert_eq!(routed(&mut router, &header(7, VP8), &names(mid, "", ""), &tracks), to(expected, 0, false));
    }
}

#[test]
fn the_latest_mid_counts_at_most_once_a_second() {
    let specs = [single(1, Kind::Video), single(2, Kind::Video)];
    let tracks = specs.map(Track::new);
    let (mut router, start) = (Router::new(), Instant::now());
    tracks.iter().for_each(|track| router.declare(track));
    let route = |router: &mut Router, number, mid, at| {
        let ssrc = if number == VP8 { 7 } else { 8 };
        let track = |id| tracks.iter().find(|track| track.id() == id);
        router.route(&header(ssrc, number), &names(mid, "", ""), track, start + ms(at))
    };
    let refused = Err(Discard::UnknownSsrc);
    for (number, mid, at, expected, left) in [
        (VP8, "1", 0, to(1, 0, false), None),
        (VP8_RTX, "1", 1, to(1, 0, true), None),
        // It moves, and its retransmissions follow by their own MID.
        (VP8, "2", 10, to(2, 0, false), Some(1)),
        (VP8_RTX, "", 11, refused, None),
        (VP8_RTX, "2", 12, to(2, 0, true), None),
        // One from before its move is late.
        (VP8, "1", 15, refused, None),
        (VP8, "", 20, to(2, 0, false), None),
        (VP8, "1", 1_009, refused, None),
        (VP8, "9", 1_010, refused, None),
        (VP8, "2", 1_010, to(2, 0, false), None),
        (VP8, "1", 1_010, to(1, 0, false), Some(2)),
        (VP8, "2", 1_011, refused, None),
    ] {
        assert_eq!(route(&mut router, number, mid, at), expected, "{number} with {mid:?} at {at}");
        assert_eq!(router.poll_left().map(|route| route.track.0), left, "{number} with {mid:?} at {at}");
    }
}

#[test]
fn an_ssrc_does_not_move_to_a_section_whose_stream_flows() {
    let mut receiver = Receiver::new(single(2, Kind::Video));
    let other = Track::new(single(3, Kind::Video));
    receiver.router.declare(&other);
    receiver.receive(7, 0).expect("it is the first one");
    let tracks = [&receiver.track, &other];
    let track = |id| tracks.into_iter().find(|track| track.id() == id);
    let mut route = |ssrc, mid| receiver.router.route(&header(ssrc, VP8), &names(mid, "", ""), track, receiver.start);
    assert_eq!(route(8, "3"), to(3, 0, false));
    assert_eq!(route(8, "2"), Err(Discard::SurplusSsrc));
    assert_eq!(route(8, ""), to(3, 0, false), "it keeps its own");
}

#[test]
fn every_track_and_encoding_that_is_allowed_gets_a_route() {
    let rids: Vec<String> = (0..SDP_ENCODINGS).map(|rid| format!("r{rid}")).collect();
    let specs: Vec<TrackSpec> = (0..TRACKS as u64)
        .map(|id| {
            let encodings = rids.iter().map(|rid| EncodingSpec { rid: Some(rid.clone()), ..EncodingSpec::default() });
            TrackSpec { encodings: encodings.collect(), mid: format!("{id}"), ..simulcast(id) }
        })
        .collect();
    let tracks: Vec<&TrackSpec> = specs.iter().collect();
    let (mut router, mut ssrc) = (Router::new(), 0);
    let owned: Vec<Track> = tracks.iter().map(|&spec| Track::new(spec.clone())).collect();
    owned.iter().for_each(|track| router.declare(track));
    for track in &tracks {
        for rid in &rids {
            for (number, names) in [(VP8, names(&track.mid, rid, "")), (VP8_RTX, names(&track.mid, "", rid))] {
                ssrc += 1;
                let found = router.route(
                    &header(ssrc, number),
                    &names,
                    |id| owned.iter().find(|track| track.id() == id),
                    Instant::now(),
                );
                assert!(found.is_ok(), "{} {rid}", track.mid);
            }
        }
    }
    assert_eq!((ssrc as usize, router.bindings.len()), (SSRCS, SSRCS), "and SRTP keeps state for all of them");
    assert_eq!(router.poll_dropped(), None);
}

#[test]
fn ssrcs_are_dropped_with_what_they_led_to() {
    let mut track = Track::new(declared(1, &[(10, 11), (20, 21)]));
    let mut router = Router::new();
    router.declare(&track);
    let dropped = |router: &mut Router| {
        let mut all: Vec<u32> = std::iter::from_fn(|| router.poll_dropped()).collect();
        all.sort();
        all
    };
    track.update(declared(1, &[(20, 21), (30, 31)]), Instant::now());
    router.declare(&track);
    assert_eq!(dropped(&mut router), [10, 11], "an encoding that its offer no longer names");
    let mut receiver = Receiver::new(single(2, Kind::Video));
    for (ssrc, at, gone) in [(7, 0, &[][..]), (8, 1_000, &[7])] {
        receiver.receive(ssrc, at).expect("it is its only track");
        assert_eq!(dropped(&mut receiver.router), gone, "{ssrc} takes the place of the one before");
    }
    receiver.router.remove(TrackId(2));
    assert_eq!(dropped(&mut receiver.router), [8]);
    router.forget(20);
    assert_eq!(dropped(&mut router), [20, 21], "BYE, and what repaired it");
}

proptest! {
    #[test]
    fn whatever_arrives_routes_are_valid_and_kept(
        packets in prop::collection::vec((0_u32..12, 95_u8..99, 0_usize..5, 0_usize..5, 0_usize..5), 1..100),
    ) {
        let (single, simulcast, declared) = (single(1, Kind::Video), simulcast(2), declared(3, &[(1, 2), (3, 4)]));
        let tracks = [&single, &simulcast, &declared];
        let mut router = Router::new();
        router.declare(&Track::new(declared.clone()));
        for (ssrc, number, mid, rid, repaired) in packets {
            let rids = ["", "q", "h", "f", "x"];
            let extensions = names(["", "1", "2", "3", "9"][mid], rids[rid], rids[repaired]);
            let known = router.lookup(ssrc);
            match routed(&mut router, &header(ssrc, number), &extensions, &tracks) {
                Ok(route) => {
                    prop_assert_eq!(router.lookup(ssrc), Some(route));
                    let track = tracks.iter().find(|track| track.id == route.track).unwrap();
                    prop_assert!(route.encoding.place() < track.encodings.len());
                    prop_assert!(extensions.mid.is_none_or(|mid| mid == track.mid));
                }
                Err(_) => prop_assert_eq!(router.lookup(ssrc), known),
            }
        }
    }
}
