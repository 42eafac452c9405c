//! How loud each track was lately, from the levels that its packets carry in clear (RFC 6464).

use crate::id::TrackId;
use crate::time::{Duration, Instant, ms};

/// How often levels are told: speaker choice in Python runs on them, ten times a second.
const INTERVAL: Duration = ms(100);

/// The loudest level of each track since the last report, sorted by track.
#[derive(Clone, Debug, Default)]
pub struct Levels {
    loudest: Vec<(TrackId, u8)>,
    due: Option<Instant>,
}

impl Levels {
    pub fn new() -> Self {
        Self::default()
    }

    /// `level` is in -dBov: 0 is the loudest, 127 silence. The voice bit beside it is not used:
    /// senders without a voice detector always clear it.
    pub fn record(&mut self, track: TrackId, level: u8, now: Instant) {
        match self.loudest.binary_search_by_key(&track, |&(track, _)| track) {
            Ok(place) => {
                let known = &mut self.loudest[place].1;
                *known = level.min(*known);
            }
            Err(place) => self.loudest.insert(place, (track, level)),
        }
        self.due.get_or_insert(now + INTERVAL);
    }

    /// The tracks heard since the last report, when it is time for one.
    pub fn poll(&mut self, now: Instant) -> Option<Vec<(TrackId, u8)>> {
        if self.due? > now {
            return None;
        }
        self.due = None;
        let levels = self.loudest.clone();
        self.loudest.clear();
        (!levels.is_empty()).then_some(levels)
    }

    pub fn remove(&mut self, track: TrackId) {
        self.loudest.retain(|&(known, _)| known != track);
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: TrackId = TrackId(1);
    const BERT: TrackId = TrackId(2);

    #[test]
    fn the_loudest_packet_of_each_track_is_told_ten_times_a_second() {
        let (mut levels, now) = (Levels::new(), Instant::now());
        for (at, track, level) in [(0, BERT, 60), (20, ANNA, 30), (40, BERT, 50), (60, ANNA, 127), (80, BERT, 90)] {
            levels.record(track, level, now + ms(at));
        }
        assert_eq!(levels.poll(now + ms(99)), None);
        assert_eq!(levels.poll_timeout(), Some(now + ms(100)));
        assert_eq!(levels.poll(now + ms(100)), Some(vec![(ANNA, 30), (BERT, 50)]));
        levels.record(BERT, 20, now + ms(110));
        assert_eq!(levels.poll(now + ms(210)), Some(vec![(BERT, 20)]), "what was told is not told again");
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
