use super::*;
use crate::codec::{Codec, Description};
use crate::command::Kind;
use crate::id::{TrackId, TransportId};
use crate::limits::SURPLUS_SSRCS;
use crate::rtp::extension::ExtensionMap;

fn spec(encodings: &[(Option<&str>, Option<u32>)]) -> TrackSpec {
    let vp8 = PayloadType { number: 96, codec: Codec::Vp8, format: 0, clock_rate: 90_000, rtx: Some(97) };
    let encoding = |&(rid, ssrc): &(Option<&str>, _)| EncodingSpec { rid: rid.map(String::from), ssrc, rtx_ssrc: None };
    TrackSpec {
        parameter_sets: Vec::new(),
        id: TrackId(1),
        transport: TransportId(1),
        kind: Kind::Video,
        mid: "0".into(),
        payload_types: vec![vp8],
        encodings: encodings.iter().map(encoding).collect(),
        extensions: ExtensionMap::default(),
        nack: true,
        pli: true,
        fir: false,
        repairs: Vec::new(),
    }
}

fn receive(track: &mut Track, encoding: usize, sequence: u16, now: Instant) {
    let description = Description { size: Some((320, 180)), ..Description::default() };
    let payload_type = track.spec.payload_types[0];
    let arrival = Arrival { sequence, ..Arrival::of(&payload_type, &[0; 500], now) };
    let state = &mut track.encodings[encoding];
    state.stream.handle_packet(&arrival, &description, now).unwrap();
    state.life.handle_packet(0, u32::from(sequence), false, now);
}

fn id(place: u8) -> EncodingId {
    EncodingId::first(place)
}

fn media(encoding: usize) -> Route {
    Route { track: TrackId(1), encoding: EncodingId::first(encoding as u8), rtx: false }
}

#[test]
fn an_update_keeps_the_state_of_encodings_with_the_same_rid() {
    let (mut track, now) =
        (Track::new(spec(&[(Some("q"), None), (Some("h"), None), (Some("f"), None)])), Instant::now());
    track.bind(&media(2), 77, now);
    receive(&mut track, 2, 9, now);
    track.update(spec(&[(Some("f"), None), (Some("x"), None)]), now);
    let seen = |track: &Track| track.encodings.iter().map(|state| state.stream.highest().is_some()).collect::<Vec<_>>();
    let ids = [id(2), id(0).successor()];
    assert_eq!((seen(&track), track.ids()), (vec![false, false, true], &ids[..]), "each has its place");
    assert_eq!(track.encodings.iter().map(|state| state.ssrc).collect::<Vec<_>>(), [None, None, Some(77)]);
    let top = Layer::new(0, 1);
    assert_eq!((track.ladder(&[top]), track.listed(Layer::new(2, 1))), (vec![Rung::from(Layer::new(2, 1))], top));
}

#[test]
fn what_takes_the_place_of_another_encoding_has_higher_numbers() {
    let (mut track, now) = (Track::new(spec(&[(Some("q"), None), (Some("h"), None)])), Instant::now());
    receive(&mut track, 1, 60_000, now);
    let before = track.encodings[1].stream.highest();
    assert_eq!(track.update(spec(&[(Some("q"), None)]), now), [id(1)]);
    assert!(track.update(spec(&[(Some("x"), None), (Some("q"), None)]), now).is_empty());
    assert_eq!(track.ids(), [id(1).successor(), id(0)]);
    assert!(track.encoding(id(1)).is_none(), "who refers to it finds nothing");
    receive(&mut track, 1, 5, now);
    assert!(track.encodings[1].stream.highest() > before);
}

#[test]
fn streams_that_are_not_taken_are_told_for_a_while_and_bounded() {
    let (mut track, now) = (Track::new(spec(&[(None, None)])), Instant::now());
    let mut tells = |ssrc, at| {
        track.next_layers = None;
        track.handle_surplus(ssrc, at);
        track.next_layers.is_some()
    };
    assert_eq!([tells(9, now), tells(9, now + ms(10)), tells(8, now)], [true, false, true]);
    assert_eq!(track.surplus(now), [8, 9]);
    assert_eq!(track.surplus(now + ms(5_005)), [9]);
    for ssrc in 0..1_000 {
        track.handle_surplus(ssrc, now);
    }
    assert_eq!(track.surplus(now).len(), SURPLUS_SSRCS);
}

#[test]
fn another_ssrc_is_another_stream() {
    let (mut track, now) = (Track::new(spec(&[(None, None)])), Instant::now());
    track.bind(&media(0), 5, now);
    receive(&mut track, 0, 9, now);
    track.bind(&media(0), 5, now);
    track.bind(&Route { rtx: true, ..media(0) }, 6, now);
    assert!(track.encodings[0].stream.highest().is_some());
    track.bind(&media(0), 7, now);
    assert_eq!(track.encodings[0].stream.highest(), None);
}

#[test]
fn a_wish_for_an_encoding_that_was_never_seen_waits_for_its_ssrc() {
    let (mut track, now) = (Track::new(spec(&[(Some("q"), None)])), Instant::now());
    track.encodings[0].keyframes.request(now);
    assert_eq!(track.deadlines()[1], (Timer::Keyframe, None));
    track.bind(&media(0), 5, now);
    assert_eq!(track.deadlines()[1], (Timer::Keyframe, Some(now)));
}

/// Its retransmissions arrive first, with gaps between their numbers: few gaps, or too many to request.
#[test]
fn packets_of_an_encoding_whose_ssrc_is_unknown_are_not_asked_for_yet() {
    for gap in [3, 3_000] {
        let (mut track, now) = (Track::new(spec(&[(Some("q"), None)])), Instant::now());
        track.bind(&Route { rtx: true, ..media(0) }, 6, now);
        receive(&mut track, 0, 9, now);
        receive(&mut track, 0, 9 + gap, now);
        assert_eq!(track.deadlines()[0], (Timer::Nack, None));
        track.bind(&media(0), 5, now);
        assert!(matches!(track.deadlines()[0], (Timer::Nack, Some(_))), "a gap of {gap}");
    }
}

#[test]
fn payload_types_of_retransmission_lead_to_the_one_they_repeat() {
    let track = Track::new(spec(&[(None, None)]));
    let found = [96, 97, 98].map(|number| payload_type(&track.spec, number).map(|(known, rtx)| (known.number, rtx)));
    assert_eq!(found, [Some((96, false)), Some((96, true)), None]);
}

#[test]
fn each_encoding_that_flows_is_a_layer() {
    let (mut track, now) =
        (Track::new(spec(&[(Some("q"), None), (Some("h"), None), (Some("f"), None)])), Instant::now());
    receive(&mut track, 0, 1, now);
    receive(&mut track, 2, 1, now);
    let layers: Vec<Layer> = track.layers(now).iter().map(|rate| rate.layer).collect();
    assert_eq!(layers, [Layer::new(0, 0), Layer::new(2, 0)]);
    assert_eq!(track.layers(now)[0].width, 320);
}

/// The first packet of a replacing stream cannot be parsed: the next one of the same encoding reports the change, but
/// none of another encoding.
#[test]
fn that_a_stream_was_replaced_is_told_by_a_packet_of_its_own_encoding() {
    let (mut track, now) = (Track::new(spec(&[(Some("q"), None), (Some("h"), None)])), Instant::now());
    let mut take = |encoding, ssrc, sequence, payload: &[u8]| {
        let packet = [&[0; 12][..], payload].concat();
        let header = Header {
            marker: false,
            payload_type: 96,
            sequence,
            timestamp: 0,
            ssrc,
            padding: false,
            length: 12,
            extension: None,
        };
        let taken = track.receive(&media(encoding), &header, &Extensions::default(), &packet, now, now);
        taken.map(|taken| taken.replaced).ok()
    };
    let (readable, broken) = ([0x10, 0, 0, 0], [0x80]);
    assert_eq!([take(0, 1, 1, &readable), take(1, 2, 1, &readable)], [Some(false); 2]);
    assert_eq!(take(1, 3, 500, &broken), None);
    assert_eq!(take(0, 1, 2, &readable), Some(false));
    assert_eq!([take(1, 3, 501, &readable), take(1, 3, 502, &readable)], [Some(true), Some(false)]);
}
