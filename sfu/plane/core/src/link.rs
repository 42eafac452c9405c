//! What a transport may send over a TCP connection. What the kernel has not sent yet delays everything behind it, so it
//! stays short: media waits in the pacer instead, where audio passes video. If video waits too long, it is dropped, and
//! begins again with a keyframe.

use crate::id::LinkId;
use crate::limits::{LINK_REST, LINK_WAIT};
use crate::time::{Duration, Instant, ms};

/// The assumed rate of a TCP connection in bit/s, until its transport's estimate is known here: the highest encoding of
/// a camera. A higher rate would delay audio by as much on slower connections.
const RATE: u64 = 2_500_000;
/// The time at this rate that unsent octets may take.
const UNSENT: Duration = ms(100);

/// The most octets that a connection may have accepted, but not sent.
pub fn most_unsent() -> usize {
    (RATE / 8 * UNSENT.as_millis() as u64 / 1_000) as usize
}

/// The link that a transport sends media over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    id: LinkId,
    /// Octets that may be sent now.
    room: usize,
    /// Media waits for room.
    waits: bool,
    /// Video is not sent until then, and until there is room.
    shut_until: Option<Instant>,
}

impl Default for Link {
    fn default() -> Self {
        Self::new(LinkId::UDP)
    }
}

impl Link {
    fn new(id: LinkId) -> Self {
        let room = if id.is_tcp() { most_unsent() } else { usize::MAX };
        Self { id, room, waits: false, shut_until: None }
    }

    pub fn is_tcp(&self) -> bool {
        self.id.is_tcp()
    }

    /// The octets that may be sent now over the link of the selected path. On another link everything begins anew.
    pub fn room_of(&mut self, id: LinkId) -> usize {
        if self.id != id {
            *self = Self::new(id);
        }
        self.room
    }

    /// True if media may be sent over it now. Another one than that in use has room.
    pub fn has_room(&self, id: LinkId) -> bool {
        self.id != id || self.room > 0
    }

    /// Handles the octets that the connection may still accept. Returns true if waiting media may be sent.
    pub fn handle_room(&mut self, id: LinkId, room: usize) -> bool {
        if self.id != id || !id.is_tcp() {
            return false;
        }
        self.room = room;
        room > 0 && (self.waits || self.shut_until.is_some())
    }

    /// Records what is left of the room after sending, and since when media waits, if any does. Returns true if video
    /// has waited too long: it must be dropped, and is shut out for a while.
    pub fn sent(&mut self, room: usize, waiting_since: Option<Instant>, now: Instant) -> bool {
        if !self.is_tcp() {
            return false;
        }
        self.room = room;
        self.waits = waiting_since.is_some();
        let is_late = waiting_since.is_some_and(|since| now.saturating_duration_since(since) >= LINK_WAIT);
        if is_late {
            self.waits = false;
            self.shut_until = Some(now + LINK_REST);
        }
        is_late
    }

    /// True while no video may be sent.
    pub fn is_shut(&self) -> bool {
        self.shut_until.is_some()
    }

    /// Returns true once, when video may be sent again.
    pub fn poll_open(&mut self, now: Instant) -> bool {
        let opens = self.room > 0 && self.shut_until.is_some_and(|until| until <= now);
        if opens {
            self.shut_until = None;
        }
        opens
    }

    /// When the transport has its turn to send again, if media waits since `waiting`.
    pub fn poll_timeout(&self, waiting: Option<Instant>) -> Option<Instant> {
        let opens = self.shut_until.filter(|_| self.room > 0);
        waiting.filter(|_| !self.waits).into_iter().chain(opens).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: LinkId = LinkId(7);

    #[test]
    fn udp_always_has_room_and_is_never_shut() {
        let (mut link, now) = (Link::default(), Instant::now());
        assert_eq!(link.room_of(LinkId::UDP), usize::MAX);
        assert!(!link.sent(0, Some(now), now + LINK_WAIT) && !link.is_shut());
        assert!(!link.handle_room(LinkId::UDP, 0));
        assert_eq!((link.room_of(LinkId::UDP), link.poll_timeout(Some(now))), (usize::MAX, Some(now)));
    }

    #[test]
    fn what_waits_for_room_is_no_deadline_and_leaves_when_there_is_room() {
        let (mut link, now) = (Link::default(), Instant::now());
        assert_eq!(link.room_of(TCP), most_unsent());
        assert!(!link.sent(0, Some(now), now));
        assert_eq!(link.poll_timeout(Some(now)), None);
        assert!(!link.handle_room(TCP, 0) && !link.handle_room(LinkId(8), 5));
        assert!(link.handle_room(TCP, 5));
        assert_eq!(link.room_of(TCP), 5);
        assert!(!link.sent(3, None, now));
        assert!(!link.handle_room(TCP, 9), "nothing waits");
    }

    #[test]
    fn video_that_waits_too_long_is_shut_out_until_there_is_room_and_the_rest_is_over() {
        let (mut link, now) = (Link::default(), Instant::now());
        link.room_of(TCP);
        assert!(!link.sent(0, Some(now), now + LINK_WAIT - ms(1)));
        let late = now + LINK_WAIT;
        assert!(link.sent(0, Some(now), late) && link.is_shut());
        assert_eq!(link.poll_timeout(None), None);
        assert!(!link.poll_open(late + LINK_REST), "there is no room");
        assert!(link.handle_room(TCP, 1));
        assert_eq!(link.poll_timeout(None), Some(late + LINK_REST));
        assert!(!link.poll_open(late + LINK_REST - ms(1)));
        assert!(link.poll_open(late + LINK_REST) && !link.is_shut());
        assert!(!link.poll_open(late + LINK_REST), "once");
    }

    #[test]
    fn another_link_begins_anew() {
        let (mut link, now) = (Link::default(), Instant::now());
        link.room_of(TCP);
        link.sent(0, Some(now), now + LINK_WAIT);
        assert_eq!(link.room_of(LinkId(8)), most_unsent());
        assert!(!link.is_shut());
        link.room_of(TCP);
        assert_eq!(link.room_of(LinkId::UDP), usize::MAX);
    }
}
