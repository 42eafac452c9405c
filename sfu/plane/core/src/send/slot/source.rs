//! What happens to the source of a slot: another track, a mute, removed and restarted encodings, an interruption.

use super::Slot;
use crate::command::Kind;
use crate::id::TrackId;
use crate::layer::Lives;
use crate::receive::rung::{EncodingId, Rung};
use crate::send::outage::Reported;

impl Slot {
    /// Sets the track that the slot shows, and which of its layers arrive. The slot's numbers continue. `muted` is set
    /// before.
    pub fn set_source(&mut self, source: Option<TrackId>, lives: Lives) {
        if self.source == source {
            return;
        }
        self.source = source;
        self.selector.forget_source();
        self.rewriter.forget_source();
        self.reports.forget_source();
        self.news.forget_source();
        self.mapping = None;
        self.replay = None;
        self.held = false;
        (self.cold.compression, self.cold.caught_up) = (None, None);
        self.selector.set_lives(lives);
        self.update_news();
    }

    pub fn set_ladder(&mut self, ladder: impl IntoIterator<Item: Into<Rung>>) {
        self.selector.set_ladder(ladder.into_iter().map(Into::into).collect());
        self.update_news();
    }

    /// Called when the source is muted, or no longer. `ladder`: the layers to show from now on.
    pub fn set_muted(&mut self, muted: bool, ladder: Vec<Rung>) {
        self.muted = muted;
        self.selector.set_ladder(ladder);
        // Audio that flows continues with the next packet, as it was reported before the mute.
        if self.kind == Kind::Video || !self.selector.has_alternative() {
            self.update_news();
        }
    }

    /// Updates which encodings of the source arrive, or which spatial layers of its only one.
    pub fn set_lives(&mut self, lives: Lives) {
        self.selector.set_lives(lives);
        self.update_news();
    }

    /// Called when an encoding of the source is removed. If another encoding is shown, it continues.
    pub fn encoding_removed(&mut self, encoding: EncodingId) {
        self.selector.remove_encoding(encoding);
        self.source_restarted(encoding);
    }

    /// Called when an encoding of the source becomes another stream (its SSRC changed): its numbers restart. If another
    /// encoding is shown, it continues.
    pub fn source_restarted(&mut self, encoding: EncodingId) {
        self.selector.forget_encoding(encoding);
        self.rewriter.forget_encoding(encoding);
        self.cold.compression = self.cold.compression.filter(|compression| compression.encoding() != encoding);
        self.replay = self.replay.take().filter(|replay| replay.encoding != encoding);
        self.update_news();
    }

    /// Called when layers are renumbered. Reports the current layer again.
    pub fn report_layer_again(&mut self) {
        self.news.forget_layer();
        self.update_news();
    }

    /// Called when the source continues after it was held back for all subscribers. The packets in between are not
    /// sent, and the next packet begins a talkspurt.
    pub fn source_resumed(&mut self) {
        self.selector.interrupt();
    }

    /// Called when the peer went silent. When it is back, the slot begins at a keyframe.
    pub fn interrupt(&mut self) {
        self.selector.interrupt();
        self.replay = None;
        self.cold.reported = Reported::default();
        self.update_news();
    }
}
