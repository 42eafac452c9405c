//! Layers within one stream of any codec by its dependency descriptors (AV1 RTP specification, appendix A): one decode
//! target is shown, and exactly the frames that are part of it leave.
//!
//! A decode target can be changed to where its frames say so (a switch indication) and everything that frame leans on
//! has left; and at any time if all its frames have left so far, as those of lower targets do in full SVC.

use std::sync::Arc;

use super::choice::{Choice, Limit};
use crate::codec::dependency::{DependencyDescriptor, Structure};
use crate::send::passing::Packet;

#[derive(Debug)]
pub struct Filter {
    structure: Arc<Structure>,
    /// Targets, as bits: what they need has all left, or was lost.
    reachable: u32,
    current: u8,
    choice: Choice,
    /// Targets no higher than `current`.
    covered: u32,
    /// The picture of the frame that was judged last, and what holds for all of it: else it would have no end.
    picture: u32,
    limit: Limit,
    frame_number: u16,
    left_out: bool,
    sent: Sent,
}

impl Filter {
    /// At a keyframe's first packet.
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

    /// Whether a packet newer than all before is let through. A frame is judged once, by the first of its packets that
    /// comes.
    pub fn select(&mut self, packet: &Packet, frame: &DependencyDescriptor, limit: impl FnOnce() -> Limit) -> bool {
        if self.picture != packet.timestamp {
            (self.picture, self.limit) = (packet.timestamp, limit());
        } else if self.frame_number == frame.frame_number {
            return !self.left_out;
        } else {
            // What has had its end already does not go on with a higher layer.
            self.limit.spatial = self.limit.spatial.min(self.choice.spatial);
        }
        self.select_frame(frame)
    }

    fn select_frame(&mut self, frame: &DependencyDescriptor) -> bool {
        if !Arc::ptr_eq(&self.structure, &frame.structure) {
            self.structure = frame.structure.clone();
            // The same number is another target now.
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
        // Of a stream that never says where decoding can begin, all is let through.
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

    /// A frame that was missing leaves after all.
    pub fn recover(&mut self, frame: &DependencyDescriptor) {
        if Arc::ptr_eq(&self.structure, &frame.structure) {
            self.sent.insert(frame.frame_number);
        }
    }

    pub fn ends_picture(&self, frame: &DependencyDescriptor) -> bool {
        frame.end && frame.spatial == self.choice.spatial
    }

    /// Decode targets that are left for the subscriber.
    pub fn targets(&self, frame: &DependencyDescriptor) -> u32 {
        self.covered & frame.active
    }

    /// Whether showing `spatial` takes a keyframe.
    pub fn needs_keyframe(&self, spatial: u8) -> bool {
        let at = |target: &u8| self.structure.layers(*target).is_some_and(|layers| layers.0 == spatial);
        let reachable = bits(self.reachable).any(|target| at(&target));
        self.choice.spatial != spatial && !reachable
    }

    pub fn choice(&self) -> Choice {
        self.choice
    }

    /// Those of `targets` whose chain is whole: the frame before this one in it has left.
    fn protected(&self, frame: &DependencyDescriptor, targets: u32) -> u32 {
        let broken = |&target: &u8| frame.chained(target).is_some_and(|number| !self.sent.contains(number));
        bits(targets).filter(broken).fold(targets, |set, target| set & !(1 << target))
    }

    fn best(&self, targets: u32) -> Option<u8> {
        bits(targets).max_by_key(|&target| self.structure.layers(target))
    }

    /// While a keyframe is waited for: the lowest temporal layer.
    fn least(&self, targets: u32) -> Option<u8> {
        bits(targets).min_by_key(|&target| self.structure.layers(target).map(|(spatial, temporal)| (temporal, spatial)))
    }
}

/// Whether a frame that was missing when `choice` was in force can be decoded, and is of use.
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

/// Which of the last frames left, by number. No frame of nine layers leans on one 256 before it.
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
