//! The subscribers of a track: informs their sinks of what happens to it, and passes on what they want.

use super::Plane;
use super::sink::{Sink, Subscriber, Update, with_sink};
use crate::time::Instant;

impl Plane {
    /// From now on the subscriber receives this track. The caller has removed it from any other.
    pub(super) fn subscribe(&mut self, subscriber: Subscriber, track: usize, now: Instant) {
        self.tracks[track].subscribe(subscriber);
        let (tracks, mut sinks) = self.sinks();
        let wanted = with_sink!(sinks, subscriber, track, sink => {
            sink.set_source(&tracks[track]);
            sink.wanted()
        });
        self.expect(subscriber, track, wanted);
        self.begin(subscriber, track, now);
    }

    /// From now on the subscriber receives no track.
    pub(super) fn unsubscribe(&mut self, subscriber: Subscriber, track: usize) {
        self.tracks[track].unsubscribe(subscriber);
        self.source_removed(subscriber, track);
    }

    /// Informs the sink of a subscriber whose track, once at this key, is gone. A tap ends with its track.
    pub(super) fn source_removed(&mut self, subscriber: Subscriber, track: usize) {
        let (_, mut sinks) = self.sinks();
        with_sink!(sinks, subscriber, track, sink => sink.source_removed());
        #[cfg(test)]
        if let Subscriber::Tap(key) = subscriber {
            self.taps.remove(key);
        }
    }

    /// Informs all sinks of a track that its spec changed.
    pub(super) fn source_updated(&mut self, track: usize, update: &Update, now: Instant) {
        let (tracks, mut sinks) = self.sinks();
        let source = &tracks[track];
        for &subscriber in source.subscribers() {
            with_sink!(sinks, subscriber, track, sink => sink.source_updated(source, update));
        }
        self.update_lives(track, now);
        for index in 0..self.tracks[track].subscribers().len() {
            self.begin(self.tracks[track].subscribers()[index], track, now);
        }
    }

    /// Mutes a track for all its subscribers, or ends that.
    pub(super) fn mute(&mut self, track: usize, muted: bool, now: Instant) {
        self.tracks[track].muted = muted;
        for index in 0..self.tracks[track].subscribers().len() {
            let subscriber = self.tracks[track].subscribers()[index];
            let (tracks, mut sinks) = self.sinks();
            let wanted = with_sink!(sinks, subscriber, track, sink => {
                sink.source_muted(&tracks[track]);
                sink.wanted()
            });
            if !muted {
                self.expect(subscriber, track, wanted);
                self.begin(subscriber, track, now);
            }
        }
    }

    /// The subscriber wants encodings that it did not want before, or spatial layers of the only one. If no other one
    /// wants them, the publisher may have stopped them for that reason, so their first packet is enough to flow again.
    /// If another one does and they do not arrive, they have stopped.
    pub(super) fn expect(&mut self, subscriber: Subscriber, track: usize, added: u8) {
        let mut unwanted = added;
        let (tracks, mut sinks) = self.sinks();
        for &other in tracks[track].subscribers() {
            // In a large audience another one soon wants the same, so that this rarely looks at all of it.
            if unwanted == 0 {
                return;
            }
            if other != subscriber {
                unwanted &= !with_sink!(sinks, other, track, sink => sink.wanted());
            }
        }
        self.tracks[track].track.expect(unwanted);
    }
}
