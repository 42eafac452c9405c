//! Selects the packets of the shown encoding that are forwarded, by their layer information.

use super::choice::{Choice, Limit, Verdict};
use super::{dependency, temporal, vp9};
use crate::codec::dependency::DependencyDescriptor;
use crate::codec::shape::Shape;
use crate::receive::packet::Packet;

#[derive(Debug)]
pub enum Filter {
    Whole { picture: u32, temporal: u8 },
    Vp8(temporal::Filter),
    Vp9(vp9::Filter),
    Dependency(dependency::Filter),
}

/// Above any spatial layer.
const ALL: u8 = u8::MAX;

impl Shape<'_> {
    /// True if a frame that was missing while `choice` applied can be decoded and is useful.
    pub fn belongs(&self, packet: &Packet, choice: Choice) -> bool {
        match self {
            Shape::Whole => true,
            Shape::Vp8 => temporal::belongs(packet.description, choice),
            Shape::Vp9(numbers) => vp9::belongs(packet.description, numbers, choice),
            Shape::Dependency(frame) => dependency::belongs(frame, choice),
        }
    }

    pub fn ends_picture(&self, packet: &Packet, choice: Choice) -> bool {
        let layered = matches!(self, Shape::Vp9(_) | Shape::Dependency(_));
        layered && packet.description.end && packet.description.spatial == choice.spatial
    }

    /// The decode targets that a subscriber gets by `choice`.
    pub fn targets(&self, packet: &Packet, choice: Choice) -> u32 {
        let Some(frame) = &packet.description.dependency else {
            return 0;
        };
        match self {
            Shape::Whole => frame.active,
            Shape::Vp8 => targets_within(frame, ALL, choice.temporal),
            Shape::Vp9(_) | Shape::Dependency(_) => targets_within(frame, choice.spatial, choice.temporal),
        }
    }
}

impl Filter {
    /// Starts at the first packet of a keyframe, which is forwarded.
    pub fn new(packet: &Packet, limit: Limit) -> Self {
        match Shape::of(packet.description) {
            Shape::Whole => Filter::Whole { picture: packet.timestamp, temporal: limit.temporal },
            Shape::Vp8 => Filter::Vp8(temporal::Filter::new(packet, limit)),
            Shape::Vp9(numbers) => Filter::Vp9(vp9::Filter::new(packet, numbers, limit)),
            Shape::Dependency(frame) => Filter::Dependency(dependency::Filter::new(packet, frame, limit)),
        }
    }

    /// True if a packet newer than all before is forwarded. A packet without the layer information of the ones before
    /// it is forwarded.
    pub fn select(&mut self, packet: &Packet, limit: impl FnOnce() -> Limit) -> bool {
        match (self, Shape::of(packet.description)) {
            (Filter::Vp8(filter), Shape::Vp8) => filter.select(packet, limit),
            (Filter::Vp9(filter), Shape::Vp9(numbers)) => filter.select(packet, numbers, limit),
            (Filter::Dependency(filter), Shape::Dependency(frame)) => filter.select(packet, frame, limit),
            (Filter::Whole { picture, temporal }, _) if *picture != packet.timestamp => {
                (*picture, *temporal) = (packet.timestamp, limit().temporal);
                true
            }
            _ => true,
        }
    }

    /// The verdict on a packet that is forwarded.
    pub fn sends(&self, packet: &Packet) -> Verdict {
        let ends_picture = match (self, &packet.description.dependency) {
            (Filter::Vp9(filter), _) => filter.ends_picture(packet.description),
            (Filter::Dependency(filter), Some(frame)) => {
                return Verdict::Sends { ends_picture: filter.ends_picture(frame), targets: filter.targets(frame) };
            }
            (_, None) => return Verdict::Sends { ends_picture: false, targets: 0 },
            _ => false,
        };
        let targets = Shape::of(packet.description).targets(packet, self.choice());
        Verdict::Sends { ends_picture, targets }
    }

    pub fn choice(&self) -> Choice {
        match self {
            Filter::Whole { temporal, .. } => Choice { spatial: 0, temporal: *temporal },
            Filter::Vp8(filter) => filter.choice(),
            Filter::Vp9(filter) => filter.choice(),
            Filter::Dependency(filter) => filter.choice(),
        }
    }

    /// True if showing `spatial` needs a keyframe.
    pub fn needs_keyframe(&self, spatial: u8) -> bool {
        match self {
            Filter::Whole { .. } | Filter::Vp8(_) => false,
            Filter::Vp9(filter) => filter.needs_keyframe(spatial),
            Filter::Dependency(filter) => filter.needs_keyframe(spatial),
        }
    }
}

/// The decode targets up to these layers that the sender still produces; all that it produces if there is none.
fn targets_within(frame: &DependencyDescriptor, spatial: u8, temporal: u8) -> u32 {
    match frame.structure.within(spatial, temporal) & frame.active {
        0 => frame.active,
        targets => targets,
    }
}
