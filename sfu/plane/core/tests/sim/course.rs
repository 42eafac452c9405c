//! How the network of a scene changes while it is measured.

use plane_core::time::{Duration, ms};

use super::link::rate::{Rate, Shape};
use super::{Call, Link};

/// Who else uses a shared link.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Beside {
    /// A second viewer of the same camera.
    Viewer,
    /// A bulk TCP flow.
    Cubic,
}

/// A change of one link.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Change {
    /// To the viewer.
    Down(Link),
    /// The same link, with a rate of this shape from now on.
    DownShape(Shape),
    /// From the viewer.
    Up(Link),
    /// From the publisher.
    PublisherUp(Link),
    /// Both ways of the publisher and of the viewer.
    All(Link),
}

impl Change {
    pub fn apply(&self, call: &mut Call, publisher: usize, viewer: usize) {
        match *self {
            Change::Down(link) => call.down[viewer] = link,
            Change::DownShape(shape) => call.down[viewer].rate = Rate::Varying(call.now, shape),
            Change::Up(link) => call.up[viewer] = link,
            Change::PublisherUp(link) => call.up[publisher] = link,
            Change::All(link) => {
                for peer in [publisher, viewer] {
                    (call.up[peer], call.down[peer]) = (link, link);
                }
            }
        }
    }
}

/// The changes of a measurement, and what its figures refer to.
#[derive(Clone, PartialEq, Debug)]
pub struct Course {
    pub time: Duration,
    /// In order of time.
    pub changes: Vec<(Duration, Change)>,
    /// The estimate counts from here on, and what a queue or a policer drops.
    pub settled: Duration,
    /// The queue counts from here on.
    pub queue_from: Duration,
    /// What the link carries, in bits per second.
    pub capacity: f64,
    /// The estimate that counts as risen, in bits per second.
    pub level: f64,
}

impl Default for Course {
    fn default() -> Self {
        Self {
            time: ms(0),
            changes: Vec::new(),
            settled: ms(0),
            queue_from: ms(0),
            capacity: f64::INFINITY,
            level: 0.0,
        }
    }
}

impl Course {
    /// When the last change is.
    pub fn mark(&self) -> Duration {
        self.changes.last().map_or(Duration::ZERO, |change| change.0)
    }
}
