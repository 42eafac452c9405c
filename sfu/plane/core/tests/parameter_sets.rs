//! Late viewers can decode H.264, however its parameter sets arrived: with each keyframe, once, in another order, in
//! SDP alone.

mod sim;

use plane_core::Event;
use plane_core::command::Kind;
use plane_core::id::TrackId;
use plane_core::time::ms;
use sim::source::{ParameterSets, h264};
use sim::stream::{contiguous, ssrc, whole};
use sim::{Call, H264};

const SEQUENCE: u8 = 7;
const PICTURE: u8 = 8;
const IDR: u8 = 5;

/// Types of the NAL units in a packet.
fn units(payload: &[u8]) -> Vec<u8> {
    if payload[0] & 0x1F != 24 {
        return vec![payload[0] & 0x1F];
    }
    let (mut rest, mut units) = (&payload[1..], Vec::new());
    while let Some((&length, behind)) = rest.split_first_chunk() {
        let (unit, behind) = behind.split_at(u16::from_be_bytes(length).into());
        units.push(unit[0] & 0x1F);
        rest = behind;
    }
    units
}

fn publish(call: &mut Call, of: ParameterSets, sdp: &[&[u8]]) -> (usize, TrackId) {
    let peer = call.join();
    let camera = call.publish_with(peer, Kind::Video, &[], |spec| {
        spec.payload_types = vec![H264];
        spec.parameter_sets = sdp.iter().map(|unit| (H264.number, unit.to_vec())).collect();
    });
    let source = &mut call.peers[peer].sources[0];
    (source.codec, source.parameter_sets, source.packets) = (H264.codec, of, 5);
    (peer, camera)
}

fn lacks_parameters(call: &Call, of: TrackId) -> Option<bool> {
    call.events.iter().rev().find_map(|event| match event {
        Event::Layers { track, lacks_parameters, .. } if *track == of => Some(*lacks_parameters),
        _ => None,
    })
}

#[test]
fn who_joins_late_has_parameter_sets_before_its_first_picture_however_they_came() {
    let [sequence, picture] = [&h264(0, true)[..], &h264(1, true)[..]];
    let ways = [
        (ParameterSets::First, &[][..]),
        (ParameterSets::PictureFirst, &[]),
        (ParameterSets::Once, &[]),
        (ParameterSets::Never, &[sequence, picture]),
        (ParameterSets::Once, &[sequence, picture]),
    ];
    for (of, sdp) in ways {
        let mut call = Call::new(1);
        let (alice, camera) = publish(&mut call, of, sdp);
        call.run(ms(3_000));
        let bob = call.join();
        let slot = call.subscribe(bob, camera, Kind::Video);
        call.run(ms(3_000));
        let packets = whole(&call, bob, slot);
        let kinds: Vec<u8> = packets.iter().flat_map(|packet| units(&packet.2)).collect();
        let first = kinds.iter().position(|&kind| kind == IDR).expect("it sees a picture");
        assert!(kinds[..first].contains(&SEQUENCE) && kinds[..first].contains(&PICTURE), "{of:?}: {kinds:?}");
        assert!(contiguous(&packets), "{of:?}");
        assert_eq!(lacks_parameters(&call, camera), Some(false), "{of:?}");
        // And only then: nobody needs them again.
        let own = call.peers[bob].stream(ssrc(slot)).iter().filter(|packet| packet.payload[0] == 0x78).count();
        assert!(own <= 1, "{of:?}: {own} packets of parameter sets");
        assert!(call.peers[alice].sources[0].keyframes <= 3);
    }
}

#[test]
fn that_nobody_knows_them_is_told() {
    let mut call = Call::new(2);
    let (_, camera) = publish(&mut call, ParameterSets::Never, &[]);
    let bob = call.join();
    call.subscribe(bob, camera, Kind::Video);
    call.run(ms(3_000));
    assert_eq!(lacks_parameters(&call, camera), Some(true));
}
