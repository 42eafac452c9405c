//! Samples the level of each track every 20 ms, by the audio levels that its packets carry unencrypted (RFC 6464).

use crate::id::TrackId;
use crate::time::{Duration, Instant, ms};

/// The length of a sample. Volfin, Cohen: Dominant speaker identification for multipoint videoconferencing, s2.
const SAMPLE: Duration = ms(20);
/// The number of samples in a report.
pub const SAMPLES: usize = 5;
/// The interval of the reports: speaker detection in Python runs on each, ten times a second.
const INTERVAL: Duration = ms(20 * SAMPLES as u64);
/// A level also applies to this many following samples without one: a packet may hold 60 ms of sound, or arrive late.
/// Longer gaps are silence that is not sent (DTX), or loss.
const STANDS_FOR: usize = 2;
/// The lowest level.
const SILENT: u8 = 127;
/// No level: no packet arrived.
pub const NOTHING: u8 = u8::MAX;

/// The levels of a track in -dBov, oldest first; [`NOTHING`] where no packet arrived.
pub type Window = [u8; SAMPLES];

#[derive(Clone, Debug)]
struct Heard {
    track: TrackId,
    window: Window,
    /// The last level before the window, and how many samples ago it was.
    last: u8,
    age: usize,
}

/// The levels of each track since the last report, sorted by track.
#[derive(Clone, Debug, Default)]
pub struct Levels {
    heard: Vec<Heard>,
    /// When the current window began, or when the next one begins if a level is recorded in it.
    began: Option<Instant>,
    /// A level was recorded in it.
    any: bool,
}

impl Levels {
    pub fn new() -> Self {
        Self::default()
    }

    /// Records a level in -dBov: 0 is the loudest, 127 silence. The voice bit beside it is not used: senders without a
    /// voice detector never set it.
    pub fn record(&mut self, track: TrackId, level: u8, now: Instant) {
        let level = level.min(SILENT);
        let began = match self.began.filter(|&began| self.any || now < began + INTERVAL) {
            Some(began) => began,
            None => {
                self.heard.clear();
                *self.began.insert(now)
            }
        };
        self.any = true;
        let place = self.heard.binary_search_by_key(&track, |heard| heard.track).unwrap_or_else(|place| {
            self.heard.insert(place, Heard { track, window: [NOTHING; SAMPLES], last: NOTHING, age: 0 });
            place
        });
        let sample = now.saturating_duration_since(began).as_nanos() / SAMPLE.as_nanos();
        let sample = &mut self.heard[place].window[(sample as usize).min(SAMPLES - 1)];
        // [`NOTHING`] is greater than any level.
        *sample = level.min(*sample);
    }

    /// Returns the levels of the tracks that were heard in a window, once the window has ended.
    pub fn poll(&mut self, now: Instant) -> Option<Vec<(TrackId, Window)>> {
        let ended = self.poll_timeout().filter(|&ended| ended <= now)?;
        self.heard.retain(|heard| heard.window != [NOTHING; SAMPLES]);
        // The next window begins where this one ends, so that each sample is in one.
        (self.began, self.any) = (Some(ended), false);
        let windows: Vec<_> = self.heard.iter_mut().map(|heard| (heard.track, heard.take())).collect();
        (!windows.is_empty()).then_some(windows)
    }

    pub fn remove(&mut self, track: TrackId) {
        self.heard.retain(|heard| heard.track != track);
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.began.filter(|_| self.any).map(|began| began + INTERVAL)
    }
}

impl Heard {
    fn take(&mut self) -> Window {
        let mut window = std::mem::replace(&mut self.window, [NOTHING; SAMPLES]);
        for sample in &mut window {
            if *sample == NOTHING {
                self.age += 1;
                *sample = if self.age <= STANDS_FOR { self.last } else { NOTHING };
            } else {
                (self.last, self.age) = (*sample, 0);
            }
        }
        window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: TrackId = TrackId(1);
    const BERT: TrackId = TrackId(2);

    #[test]
    fn the_levels_of_each_track_are_told_ten_times_a_second_one_for_each_20_ms() {
        let (mut levels, now) = (Levels::new(), Instant::now());
        for (at, level) in [(0, 30), (20, 31), (40, 32), (60, 127), (80, 34)] {
            levels.record(BERT, level + 1, now + ms(at));
            levels.record(ANNA, level, now + ms(at + 1));
        }
        assert_eq!(levels.poll(now + ms(99)), None);
        assert_eq!(levels.poll_timeout(), Some(now + ms(100)));
        let windows = levels.poll(now + ms(100));
        assert_eq!(windows, Some(vec![(ANNA, [30, 31, 32, 127, 34]), (BERT, [31, 32, 33, 127, 35])]));
        levels.record(BERT, 20, now + ms(110));
        assert_eq!(
            levels.poll(now + ms(200)),
            Some(vec![(BERT, [20, 20, 20, NOTHING, NOTHING])]),
            "what was reported is not reported again"
        );
    }

    #[test]
    fn a_packet_of_60_ms_stands_for_three_samples_also_into_the_next_window() {
        let (mut levels, now) = (Levels::new(), Instant::now());
        let mut windows = Vec::new();
        for packet in 0..7 {
            let now = now + ms(60) * u32::from(packet);
            windows.extend(levels.poll(now).into_iter().flatten());
            levels.record(ANNA, 30 + packet, now);
        }
        windows.extend(levels.poll(now + ms(400)).into_iter().flatten());
        let windows: Vec<u8> = windows.into_iter().flat_map(|(_, window)| window).collect();
        assert_eq!(windows, [30, 30, 30, 31, 31, 31, 32, 32, 32, 33, 33, 33, 34, 34, 34, 35, 35, 35, 36, 36]);
    }

    #[test]
    fn of_two_packets_in_one_sample_the_louder_counts_and_a_late_one_fills_no_hole() {
        let (mut levels, now) = (Levels::new(), Instant::now());
        for (at, level) in [(0, 60), (1, 50), (39, 70), (45, 80), (150, 90)] {
            levels.record(ANNA, level, now + ms(at));
        }
        assert_eq!(levels.poll(now + ms(150)), Some(vec![(ANNA, [50, 70, 80, 80, 90])]));
    }

    #[test]
    fn windows_follow_on_one_another_while_somebody_is_heard() {
        let (mut levels, now) = (Levels::new(), Instant::now());
        let ends: Vec<_> = [0, 130, 215, 390, 600]
            .map(|at| {
                levels.record(ANNA, 30, now + ms(at));
                let end = levels.poll_timeout().expect("somebody was heard");
                levels.poll(end).expect("it is time");
                end - now
            })
            .into();
        assert_eq!(ends, [100, 200, 300, 400, 700].map(ms));
    }

    #[test]
    fn nothing_is_told_where_nothing_is_heard() {
        let (mut levels, now) = (Levels::new(), Instant::now());
        assert_eq!((levels.poll(now), levels.poll_timeout()), (None, None));
        levels.record(ANNA, 30, now);
        levels.remove(ANNA);
        assert_eq!(levels.poll(now + ms(100)), None);
        assert_eq!(levels.poll_timeout(), None);
    }
}
