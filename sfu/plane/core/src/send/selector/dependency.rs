//! Selects layers within one stream of any codec by its dependency descriptors (AV1 RTP specification, appendix A). One
//! decode target is shown, and exactly its frames are forwarded.
//!
//! The selection can switch to a decode target at a frame with a switch indication for it, if everything that frame
//! depends on was sent; and at any time if all frames of the target were sent so far, as those of lower targets are in
//! full SVC.

use std::sync::Arc;

use super::choice::{Choice, Limit};
use crate::codec::dependency::{DependencyDescriptor, Structure};
use crate::receive::packet::Packet;

#[derive(Debug)]
pub struct Filter {
    structure: Arc<Structure>,
    /// Targets, as bits, of which all required frames were sent or lost.
    reachable: u32,
    current: u8,
    choice: Choice,
    /// Targets no higher than `current`.
    covered: u32,
    /// The picture of the last judged frame, and the limit for that whole picture: otherwise the picture would have no
    /// end.
    picture: u32,
    limit: Limit,
    frame_number: u16,
    left_out: bool,
    sent: Sent,
}

impl Filter {
    /// Starts at the first packet of a keyframe.
    pub fn new(packet: &Packet, frame: &DependencyDescriptor, limit: Limit) -> Self {
        let mut filter = Self {
            structure: frame.structure.clone(),
            reachable: 0,
            current: 0,
            choice: Choice::default(),
            covered: 0,
            picture: packet.timestamp,
            limit,
            frame_number: frame.frame_number,
            left_out: false,
            sent: Sent::at(frame.frame_number),
        };
        filter.select_frame(frame);
        filter
    }

    /// True if a packet newer than all before is forwarded. A frame is judged once, by the first of its packets that
    /// arrives.
    pub fn select(&mut self, packet: &Packet, frame: &DependencyDescriptor, limit: impl FnOnce() -> Limit) -> bool {
        if self.picture != packet.timestamp {
            (self.picture, self.limit) = (packet.timestamp, limit());
        } else if self.frame_number == frame.frame_number {
            return !self.left_out;
        } else {
            // A picture that has ended does not continue with a higher layer.
            self.limit.spatial = self.limit.spatial.min(self.choice.spatial);
        }
        self.select_frame(frame)
    }

    fn select_frame(&mut self, frame: &DependencyDescriptor) -> bool {
        if !Arc::ptr_eq(&self.structure, &frame.structure) {
            self.structure = frame.structure.clone();
            // The target numbers have another meaning now.
            (self.reachable, self.covered) = (0, 0);
        }
        self.frame_number = frame.frame_number;
        self.sent.advance(frame.frame_number);
        let has_base = frame.references().all(|number| self.sent.contains(number));
        let switches = if has_base { frame.switches } else { 0 };
        let possible = self.reachable | self.protected(frame, switches);
        let allowed = self.structure.within(self.limit.spatial, self.limit.temporal) & frame.active;
        let chosen = self.best(possible & allowed).or_else(|| self.least(possible));
        if let Some(target) = chosen.filter(|&target| target != self.current || self.covered == 0) {
            let (spatial, temporal) = self.structure.layers(target).unwrap_or_default();
            self.current = target;
            self.choice = Choice { spatial, temporal };
            self.covered = self.structure.within(spatial, temporal);
        }
        // If a stream never says where decoding can begin, everything is forwarded.
        let sent = chosen.is_none() || frame.present >> self.current & 1 != 0;
        if sent {
            self.sent.insert(frame.frame_number);
            self.reachable = possible & self.covered;
        } else {
            self.reachable &= self.covered & !frame.needed;
        }
        self.left_out = !sent;
        sent
    }

    /// Records that a frame that was missing is sent late.
    pub fn recover(&mut self, frame: &DependencyDescriptor) {
        if Arc::ptr_eq(&self.structure, &frame.structure) {
            self.sent.insert(frame.frame_number);
        }
    }

    pub fn ends_picture(&self, frame: &DependencyDescriptor) -> bool {
        frame.end && frame.spatial == self.choice.spatial
    }

    /// The decode targets that the subscriber still gets.
    pub fn targets(&self, frame: &DependencyDescriptor) -> u32 {
        self.covered & frame.active
    }

    /// True if showing `spatial` needs a keyframe.
    pub fn needs_keyframe(&self, spatial: u8) -> bool {
        let at = |target: &u8| self.structure.layers(*target).is_some_and(|layers| layers.0 == spatial);
        let reachable = bits(self.reachable).any(|target| at(&target));
        self.choice.spatial != spatial && !reachable
    }

    pub fn choice(&self) -> Choice {
        self.choice
    }

    /// The `targets` whose chain is unbroken: the previous frame of the chain was sent.
    fn protected(&self, frame: &DependencyDescriptor, targets: u32) -> u32 {
        let broken = |&target: &u8| frame.chained(target).is_some_and(|number| !self.sent.contains(number));
        bits(targets).filter(broken).fold(targets, |set, target| set & !(1 << target))
    }

    fn best(&self, targets: u32) -> Option<u8> {
        bits(targets).max_by_key(|&target| self.structure.layers(target))
    }

    /// The target while a keyframe is awaited: the lowest temporal layer.
    fn least(&self, targets: u32) -> Option<u8> {
        bits(targets).min_by_key(|&target| self.structure.layers(target).map(|(spatial, temporal)| (temporal, spatial)))
    }
}

/// True if a frame that was missing while `choice` applied can be decoded and is useful.
pub fn belongs(frame: &DependencyDescriptor, choice: Choice) -> bool {
    let target = frame.structure.target_of(choice.spatial, choice.temporal);
    target.is_none_or(|target| frame.present >> target & 1 != 0)
}

fn bits(mut set: u32) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let lowest = set.trailing_zeros();
        set &= set.wrapping_sub(1);
        (lowest < 32).then_some(lowest as u8)
    })
}

/// The recent frames that were sent, by number. With nine layers, no frame depends on one 256 before it.
#[derive(Debug)]
struct Sent {
    newest: u16,
    ring: [u64; 4],
}

impl Sent {
    fn at(newest: u16) -> Self {
        Self { newest, ring: [0; 4] }
    }

    fn advance(&mut self, number: u16) {
        let ahead = number.wrapping_sub(self.newest);
        if ahead == 0 || ahead >= 1 << 15 {
            return;
        }
        if ahead >= 256 {
            self.ring = [0; 4];
        } else {
            for step in 1..=ahead {
                let place = self.newest.wrapping_add(step) as u8;
                self.ring[usize::from(place >> 6)] &= !(1 << (place & 63));
            }
        }
        self.newest = number;
    }

    fn insert(&mut self, number: u16) {
        if self.newest.wrapping_sub(number) < 256 {
            self.ring[usize::from(number as u8 >> 6)] |= 1 << (number as u8 & 63);
        }
    }

    fn contains(&self, number: u16) -> bool {
        let known = self.newest.wrapping_sub(number) < 256;
        known && self.ring[usize::from(number as u8 >> 6)] >> (number as u8 & 63) & 1 != 0
    }
}
