//! Decides when the library is called next, and what time its clock shows then. Where the library would wait too long,
//! we call it earlier and advance its clock instead.

use std::time::{Duration, Instant};

use crate::time::ms;

/// libwebrtc: dtls_transport.cc, kMinHandshakeTimeout. The library doubles it with each retransmission.
pub(super) const FIRST_TIMEOUT: Duration = ms(50);
/// The library doubles the wait up to a minute, and gives up after a dozen retransmissions. We wait at most a second
/// four times, then longer, so that the dozen lasts about [`HANDSHAKE_LIMIT`].
const LONGEST_TIMEOUT: Duration = ms(1_000);
const LAST_TIMEOUTS: Duration = ms(6_000);
/// The longest wait of the library for which we wait at most [`LONGEST_TIMEOUT`]: 50 ms * 2^8.
const STILL_EARLY: Duration = ms(12_800);
/// The handshake fails if it has not finished this long after the peer's first datagram.
pub(super) const HANDSHAKE_LIMIT: Duration = ms(30_000);

#[derive(Debug)]
pub(super) struct Clock {
    /// The origin of the library's clock.
    origin: Instant,
    /// How far the library's clock is ahead of ours.
    ahead: Duration,
    /// When the library's timer expires, in our time.
    due: Option<Instant>,
}

impl Clock {
    pub(super) fn new(now: Instant) -> Clock {
        Clock { origin: now, ahead: Duration::ZERO, due: None }
    }

    /// The time on the library's clock at `now`.
    pub(super) fn time(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.origin) + self.ahead
    }

    /// Sets the deadline to the library's timer, which expires after `remaining`; with `None` there is no deadline.
    pub(super) fn wait(&mut self, remaining: Option<Duration>, now: Instant) {
        self.due = remaining.map(|remaining| now + remaining);
    }

    /// Shortens the wait that begins now, and advances the library's clock by the difference.
    pub(super) fn shorten_wait(&mut self, now: Instant) {
        let Some(due) = self.due else {
            return;
        };
        let asked = due - now;
        let wait = if asked <= STILL_EARLY { asked.min(LONGEST_TIMEOUT) } else { LAST_TIMEOUTS };
        self.ahead += asked - wait;
        self.due = Some(now + wait);
    }

    pub(super) fn stop(&mut self) {
        self.due = None;
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_waits_are_cut_short_and_the_library_takes_them_for_whole() {
        let start = Instant::now();
        let (mut clock, mut now, mut total) = (Clock::new(start), start, Duration::ZERO);
        let asked = (0..12).map(|doubled| (FIRST_TIMEOUT * (1 << doubled)).min(ms(60_000)));
        let waited: Vec<_> = asked
            .map(|asked| {
                clock.wait(Some(asked), now);
                clock.shorten_wait(now);
                let before = now;
                now = clock.poll_timeout().expect("it waits");
                total += asked;
                assert!(clock.is_due(now) && clock.time(now) == total);
                (now - before).as_millis()
            })
            .collect();
        assert_eq!(waited, [50, 100, 200, 400, 800, 1_000, 1_000, 1_000, 1_000, 6_000, 6_000, 6_000]);
    }
}
