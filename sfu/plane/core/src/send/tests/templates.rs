//! Template ids are per subscriber: a receiver that misses a structure sees unknown templates, and never reads a frame
//! by those of another source.

use super::svc::Publisher;
use super::wire::Wire;
use super::*;
use crate::codec::dependency::{DependencyDescriptor, Structures};

/// A receiver: it parses descriptors by the last structure that it received.
#[derive(Default)]
pub(super) struct Reader(Structures);

impl Reader {
    /// None: it refers to an unknown template.
    pub fn read(&mut self, descriptor: &[u8]) -> Option<DependencyDescriptor> {
        self.0.parse(descriptor).ok()
    }
}

/// template_dependency_structure_present_flag.
pub(super) fn attaches_structure(descriptor: &[u8]) -> bool {
    descriptor.get(3).is_some_and(|flags| flags & 0x80 != 0)
}

/// The properties of a frame for a decoder, without its numbers.
pub(super) fn meaning(frame: &DependencyDescriptor) -> impl PartialEq + std::fmt::Debug {
    let distances = frame.references().map(|number| frame.frame_number.wrapping_sub(number));
    let layers = (frame.spatial, frame.temporal, frame.structure.target_count());
    (layers, frame.present, frame.needed, frame.switches, frame.chains, distances.collect::<Vec<_>>())
}

/// A subscriber, and the template ids of all sent packets.
struct World {
    wire: Wire,
    track: u64,
    now: Instant,
}

impl World {
    fn new() -> Self {
        let mut slot = slot(Kind::Video);
        slot.set_ladder(ladder(&[(2, 3), (1, 3), (0, 3)]));
        Self { wire: Wire::new(slot), track: 1, now: Instant::now() }
    }

    /// Switches the subscriber to another track.
    fn turn(&mut self) {
        self.track += 1;
        self.wire.slot.set_source(Some(TrackId(self.track)), FLOWS);
    }

    /// The descriptors of the sent packets of a picture, each with the sender's meaning.
    fn show(&mut self, publisher: &mut Publisher, keyframe: bool) -> Vec<(Vec<u8>, DependencyDescriptor)> {
        self.now += FRAME;
        let before = self.wire.sent.len();
        let sent: Vec<Sent> =
            publisher.picture(keyframe, 1, self.now).into_iter().flat_map(|frame| frame.packets).collect();
        sent.iter().for_each(|sent| self.wire.push(sent, false));
        let left = self.wire.packets.keys().skip(before);
        let meant = |seq: &u64| {
            let source = self.wire.sources[seq].1;
            let sent = sent.iter().find(|sent| sent.seq == source).expect("of this picture");
            sent.description.dependency.clone().expect("it has one")
        };
        left.map(|seq| (self.wire.descriptor(*seq).expect("it has one").to_vec(), meant(seq))).collect()
    }

    /// The first id of the next keyframe's structure, and the number of its ids.
    fn ids(&mut self, publisher: &mut Publisher) -> (u8, u8) {
        let shown = self.show(publisher, true);
        let key = Reader::default().read(&shown[0].0).expect("it brings its structure");
        assert_eq!(key.template, key.structure.first_id(), "a keyframe's is the first");
        (key.structure.first_id(), key.structure.id_count())
    }
}

fn publisher(mode: &str) -> Publisher {
    Publisher::new(AV1, mode)
}

#[test]
fn until_a_lost_structure_comes_again_its_frames_are_of_unknown_templates() {
    for (from, to) in [("L1T3", "L3T3"), ("L3T3", "L1T3"), ("L3T3", "L3T3_KEY"), ("L2T2", "L1T2")] {
        let (mut world, mut reader) = (World::new(), Reader::default());
        let mut first = publisher(from);
        for n in 0..4 {
            for (descriptor, meant) in world.show(&mut first, n == 0) {
                assert_eq!(meaning(&reader.read(&descriptor).expect("nothing is lost")), meaning(&meant));
            }
        }
        world.turn();
        let mut second = publisher(to);
        let mut shown: Vec<_> = (0..4).flat_map(|n| world.show(&mut second, n == 0)).collect();
        let lost = shown.remove(0);
        assert!(attaches_structure(&lost.0));
        for (descriptor, _) in &shown {
            assert_eq!(reader.read(descriptor), None, "{from} to {to}");
        }
        for (descriptor, meant) in [lost].into_iter().chain(shown) {
            assert_eq!(meaning(&reader.read(&descriptor).expect("it came again")), meaning(&meant));
        }
    }
}

#[test]
fn each_structure_takes_the_ids_after_the_last_one_and_they_go_round_at_64() {
    let mut world = World::new();
    // 12, 4 and 6 templates, whose senders all begin at 0.
    let ids = ["L3T3", "L1T3", "L2T2", "L3T3_KEY", "L1T3", "L3T3", "L3T3_KEY", "L1T3"].map(|mode| {
        let ids = world.ids(&mut publisher(mode));
        world.turn();
        ids
    });
    assert_eq!(ids, [(0, 12), (12, 4), (16, 6), (22, 12), (34, 4), (38, 12), (50, 12), (62, 4)]);
    assert_eq!(world.ids(&mut publisher("L2T2")), (2, 6));
}

#[test]
fn what_means_the_same_keeps_its_ids() {
    let mut world = World::new();
    let mut first = publisher("L1T3");
    world.ids(&mut first);
    world.turn();
    let mut second = publisher("L3T3");
    let ids = world.ids(&mut second);
    assert_eq!(world.ids(&mut second), ids, "its next keyframe");
    world.wire.slot.interrupt();
    assert_eq!(world.ids(&mut second), ids, "after a pause");
    world.turn();
    assert_eq!(world.ids(&mut publisher("L3T3")), ids, "another track of the same structure");
}

#[test]
fn a_source_moves_its_ids_on_itself_but_one_that_was_made_anew_is_moved() {
    let mut world = World::new();
    world.ids(&mut publisher("L3T3"));
    world.turn();
    let mut source = publisher("L1T3");
    assert_eq!(world.ids(&mut source), (12, 4));
    source.set_mode("L2T2", false);
    assert_eq!(world.ids(&mut source), (16, 6));
    source.set_mode("L3T3", true);
    assert_eq!(world.ids(&mut source), (22, 12));
    // A structure that was not sent takes no ids.
    source.set_mode("L1T3", false);
    source.set_mode("L3T3", false);
    assert_eq!(world.ids(&mut source), (34, 12));
    let shown = world.show(&mut source, false);
    assert!(shown.iter().all(|(descriptor, _)| (34..46).contains(&(descriptor[0] & 0x3F))));
}

#[test]
fn a_late_packet_keeps_the_ids_of_its_time_and_what_is_sent_again_every_octet() {
    let mut world = World::new();
    let mut source = publisher("L1T3");
    world.show(&mut source, true);
    let late = source.picture(false, 1, world.now).remove(0).packets.remove(0);
    world.show(&mut source, false);
    source.set_mode("L3T3", true);
    world.show(&mut source, true);
    world.wire.push(&late, true);
    let template = |world: &World, seq: u64| world.wire.descriptor(seq).expect("it has one")[0] & 0x3F;
    assert_eq!([0, 1, 2, 3].map(|n| template(&world, FIRST + n)), [0, 3, 2, 4]);

    world.turn();
    world.show(&mut publisher("L2T2"), true);
    let count = world.wire.sent.len() as u64;
    (FIRST..FIRST + count).for_each(|seq| world.wire.nack(seq, world.now));
    assert_eq!(world.wire.rtx_numbers.len() as u64, count);
}

#[test]
fn who_joins_late_is_told_the_structure_under_ids_of_its_own() {
    let mut source = publisher("L3T3");
    let mut early = World::new();
    early.ids(&mut publisher("L1T3"));
    early.turn();
    assert_eq!(early.ids(&mut source), (4, 12));

    let (mut late, mut reader) = (World::new(), Reader::default());
    late.wire.slot.set_ladder(ladder(&[]));
    (0..3).for_each(|n| drop(late.show(&mut source, n == 0)));
    late.wire.slot.set_ladder(ladder(&[(2, 3)]));
    assert!(late.wire.catch_up(0, late.now));
    let ids: Vec<u8> = late
        .wire
        .packets
        .keys()
        .map(|&seq| reader.read(late.wire.descriptor(seq).expect("it has one")).expect("known").template)
        .collect();
    assert_eq!(ids[..3], [0, 4, 8]);
    for (descriptor, meant) in late.show(&mut source, false) {
        assert_eq!(meaning(&reader.read(&descriptor).expect("known")), meaning(&meant));
    }
}
