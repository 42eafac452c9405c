//! Freezes of a picture, as libwebrtc counts them (video_quality_observer2.cc): a frame that is shown later after the one
//! before than both three times the average and the average + 150 ms. The whole interval is frozen.

use std::collections::VecDeque;

use plane_core::time::{Duration, Instant, ms};

/// kMinIncreaseForFreezeMs, kAvgInterframeDelaysWindowSizeFrames, kMinFrameSamplesToDetectFreeze.
const MIN_INCREASE: Duration = ms(150);
const WINDOW: usize = 30;
const MIN_SAMPLES: usize = 5;

#[derive(Default, Debug)]
pub struct Freezes {
    last: Option<Instant>,
    intervals: VecDeque<Duration>,
    pub frozen: Vec<(Instant, Duration)>,
    pub shown: u64,
}

impl Freezes {
    /// A frame is shown.
    pub fn handle_frame(&mut self, at: Instant) {
        self.shown += 1;
        let Some(interval) = self.last.replace(at).map(|last| at - last) else { return };
        self.intervals.push_back(interval);
        if self.intervals.len() > WINDOW {
            self.intervals.pop_front();
        }
        let average = self.intervals.iter().sum::<Duration>() / self.intervals.len() as u32;
        if self.intervals.len() >= MIN_SAMPLES && interval >= (average * 3).max(average + MIN_INCREASE) {
            self.frozen.push((at, interval));
        }
    }

    /// The frozen time since `from` until `now`. A picture that has not come back is frozen, too.
    pub fn since(&self, from: Instant, now: Instant) -> (Duration, Duration) {
        let standing = self.last.map(|last| now - last.max(from)).filter(|&time| time > MIN_INCREASE + ms(50));
        let ended = self.frozen.iter().filter(|freeze| freeze.0 > from).map(|freeze| freeze.1);
        let all: Vec<Duration> = ended.chain(standing).collect();
        (all.iter().sum(), all.into_iter().max().unwrap_or_default())
    }
}
