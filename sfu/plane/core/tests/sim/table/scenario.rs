//! The scenario of a row: what is sent, over which network, and how that changes.

use plane_core::time::{Duration, ms};

use super::super::Link;
use super::super::course::{Beside, Course};
use super::super::record::Figures;
use super::super::scene::Scene;

/// What the publisher sends to the viewer, besides its microphone.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Media {
    /// Nothing is shown, not even the microphone.
    None,
    /// A camera of this rate.
    Camera(u64),
    /// A camera in three encodings, 2.5 Mbit/s together.
    Simulcast,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Scenario {
    pub media: Media,
    /// Earlier packets in each audio packet (RED).
    pub redundancy: u8,
    /// The viewer's links, from before it connects.
    pub up: Link,
    pub down: Link,
    /// A link before the viewer's own one, and who else uses it.
    pub shared: Option<(Link, Beside)>,
    /// For how long it runs before it is measured.
    pub before: Duration,
    pub course: Course,
}

impl Scenario {
    /// 50 ms of round trip and enough rate, measured after 5 s.
    pub fn new(media: Media, time: Duration) -> Self {
        let far = Link::lossy(ms(25), 0.0);
        Self {
            media,
            redundancy: 1,
            up: far,
            down: far,
            shared: None,
            before: ms(5_000),
            course: Course { time, ..Course::default() },
        }
    }

    /// The scene of this seed, before it is measured.
    pub fn scene(&self, seed: u64) -> Scene {
        let mut scene = Scene::before_join(seed, self.redundancy);
        match self.media {
            Media::None => {}
            Media::Camera(rate) => scene.publish_camera(seed, rate),
            Media::Simulcast => {
                scene.publish_simulcast(seed);
                // The publisher has found its rate, whoever joins.
                scene.call.run(ms(5_000));
            }
        }
        scene.join(seed, (self.up, self.down), self.shared);
        scene.call.run(self.before);
        scene
    }

    pub fn run(&self, seed: u64) -> Figures {
        self.scene(seed).follow(&self.course)
    }
}
