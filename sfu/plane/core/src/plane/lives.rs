//! Determines which streams of a transport's tracks flow: judges silences by whether other media of the transport flowed,
//! and informs sinks.

use super::Plane;
use super::sink::{Sink, with_sink};
use crate::time::Instant;

impl Plane {
    /// Judges the silences of a track that are due.
    pub(super) fn handle_track_silence(&mut self, key: usize, judged: usize, now: Instant) {
        self.steps += 1;
        let elsewhere = self.transports[key].flowed;
        self.tracks[judged].track.handle_silence(elsewhere, now);
        self.update_lives(judged, now);
    }

    /// Informs the sinks of a track if its flowing streams have changed; a sink may then need a keyframe of another
    /// encoding.
    pub(super) fn update_lives(&mut self, track: usize, now: Instant) {
        let Some(lives) = self.tracks[track].track.poll_lives(now) else { return };
        self.steps += self.tracks[track].subscribers().len() as u64;
        for index in 0..self.tracks[track].subscribers().len() {
            let subscriber = self.tracks[track].subscribers()[index];
            let (tracks, mut sinks) = self.sinks();
            let wishes = with_sink!(sinks, subscriber, track, sink => {
                let wishes = sink.set_lives(lives);
                sink.report(&tracks[track]);
                wishes
            });
            if wishes {
                self.begin(subscriber, track, now);
            }
        }
    }
}
