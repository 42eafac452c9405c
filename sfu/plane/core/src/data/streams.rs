//! The streams of channels: one each, in use until it is reset in both directions (RFC 8831 s6.7, RFC 8832 s6).

use std::collections::BTreeMap;

use crate::command::DtlsRole;
use crate::id::ChannelId;
use crate::limits::SCTP_STREAMS;

/// The number of attempts to reset a stream.
const MAX_RESETS: u8 = 3;

enum Use {
    Channel(ChannelId),
    /// The channel is gone. `ours` and `theirs`: the direction is reset.
    Closing {
        ours: bool,
        theirs: bool,
        attempts: u8,
    },
}

pub struct Streams {
    /// The lowest id that we may choose: the DTLS client chooses even ids, the server odd ones.
    first: u16,
    used: BTreeMap<u16, Use>,
}

impl Streams {
    pub fn new(role: DtlsRole) -> Self {
        Self { first: if role == DtlsRole::Client { 0 } else { 1 }, used: BTreeMap::new() }
    }

    /// Returns the lowest free stream for a channel that we open.
    pub fn free(&self) -> Option<u16> {
        (self.first..SCTP_STREAMS).step_by(2).find(|stream| !self.used.contains_key(stream))
    }

    /// Returns whether the peer may open a channel on the stream. It may do so before its response to our reset
    /// arrives: it must have received that reset, otherwise it could not use the stream again.
    pub fn may_open(&self, stream: u16) -> bool {
        stream < SCTP_STREAMS && matches!(self.used.get(&stream), None | Some(Use::Closing { theirs: true, .. }))
    }

    pub fn bind(&mut self, stream: u16, channel: ChannelId) {
        self.used.insert(stream, Use::Channel(channel));
    }

    pub fn channel(&self, stream: u16) -> Option<ChannelId> {
        match self.used.get(&stream) {
            Some(Use::Channel(channel)) => Some(*channel),
            _ => None,
        }
    }

    /// Returns the number of streams whose channel is gone, but which are not free.
    pub fn closing(&self) -> usize {
        self.used.values().filter(|used| matches!(used, Use::Closing { .. })).count()
    }

    pub fn all(&self) -> Vec<u16> {
        self.used.keys().copied().collect()
    }

    pub fn clear(&mut self) {
        self.used.clear();
    }

    /// Marks a stream as closing: its channel is gone, and we sent our reset.
    pub fn close(&mut self, stream: u16, theirs: bool) {
        self.used.insert(stream, Use::Closing { ours: false, theirs, attempts: 0 });
    }

    /// Frees a stream at once, because the peer does not support resets.
    pub fn release(&mut self, stream: u16) {
        self.used.remove(&stream);
    }

    pub fn ours_reset(&mut self, stream: u16) {
        if let Some(Use::Closing { ours, theirs, .. }) = self.used.get_mut(&stream) {
            *ours = true;
            if *theirs {
                self.used.remove(&stream);
            }
        }
    }

    pub fn theirs_reset(&mut self, stream: u16) {
        if let Some(Use::Closing { ours, theirs, .. }) = self.used.get_mut(&stream) {
            *theirs = true;
            if *ours {
                self.used.remove(&stream);
            }
        }
    }

    /// Returns whether to try again after the peer refused. A stream that is never reset is not used again.
    pub fn reset_refused(&mut self, stream: u16) -> bool {
        match self.used.get_mut(&stream) {
            Some(Use::Closing { attempts, .. }) => {
                *attempts = attempts.saturating_add(1);
                *attempts < MAX_RESETS
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dtls_role_counts_its_own_ids_and_takes_the_lowest_that_is_free() {
        for (role, first) in [(DtlsRole::Client, 0), (DtlsRole::Server, 1)] {
            let mut streams = Streams::new(role);
            for stream in [first, first + 2, first + 4] {
                assert_eq!(streams.free(), Some(stream));
                streams.bind(stream, ChannelId(stream.into()));
            }
            streams.release(first + 2);
            assert_eq!(streams.free(), Some(first + 2));
        }
    }

    #[test]
    fn a_stream_is_free_once_both_directions_are_reset_in_either_order() {
        for ours_first in [true, false] {
            let mut streams = Streams::new(DtlsRole::Server);
            streams.bind(1, ChannelId(1));
            streams.close(1, false);
            assert!(!streams.may_open(1) && streams.channel(1).is_none());
            if ours_first {
                streams.ours_reset(1);
                assert!(!streams.may_open(1));
                streams.theirs_reset(1);
            } else {
                streams.theirs_reset(1);
                assert!(streams.may_open(1), "for the peer, whose reset came after it saw ours");
                assert_eq!(streams.free(), Some(3), "but not for us");
                streams.ours_reset(1);
            }
            assert_eq!((streams.free(), streams.closing()), (Some(1), 0));
        }
    }

    #[test]
    fn a_refused_reset_is_tried_three_times_and_the_stream_then_left_alone() {
        let mut streams = Streams::new(DtlsRole::Server);
        streams.close(1, true);
        assert_eq!([(); 4].map(|()| streams.reset_refused(1)), [true, true, false, false]);
        assert_eq!(streams.free(), Some(3));
    }
}
