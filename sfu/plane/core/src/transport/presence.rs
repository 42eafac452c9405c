//! Whether the peer is there, and may be sent media: over which path, and since when.

use super::Transport;
use crate::command::Path;
use crate::event::{Event, TransportState};
use crate::ice::paths::Move;
use crate::time::Instant;

/// What came of hearing the peer.
#[derive(Default)]
pub struct Heard {
    pub event: Option<Event>,
    /// Media leaves from now on: what it is shown begins.
    pub begins: bool,
}

impl Transport {
    /// Media, reports and SCTP leave only towards somebody who is connected, has nominated a path, and was heard lately
    /// over the one that is used; or else on trial.
    pub fn sends_media(&self) -> bool {
        self.state == Some(TransportState::Connected)
            && self.srtp.is_some()
            && self.agent.selected().is_some()
            && self.sending.is_allowed()
    }

    /// Something authenticated came over this path. `proof`: only the peer, and only from there, can have sent it; a
    /// check can come from anybody's address.
    pub fn handle_authenticated(&mut self, path: &Path, proof: bool, now: Instant) -> Heard {
        if proof {
            self.agent.paths_mut().prove(path, now);
            self.round_trip.proven(path);
        }
        let mut heard = Heard::default();
        if self.presence.refresh(now) && self.state == Some(TransportState::Disconnected) {
            heard.event = self.enter(TransportState::Connected, "heard again");
        }
        heard.begins = self.settle(now) || self.refresh_consent(path, proof, now);
        heard
    }

    /// It returns transport-wide feedback, over this path.
    pub fn handle_feedback(&mut self, path: &Path, now: Instant) {
        self.presence.handle_feedback(now);
        if self.agent.selected() == Some(*path) {
            self.consent.handle_feedback(now);
        }
    }

    /// Whether media leaves from now on.
    fn refresh_consent(&mut self, path: &Path, proof: bool, now: Instant) -> bool {
        if self.agent.selected() != Some(*path) {
            if !proof && self.srtp.is_some() && self.agent.paths().is_in_doubt(path) {
                self.agent.ask(path, now);
            }
            return false;
        }
        if self.sending.is_consented() || self.srtp.is_none() {
            self.consent.refresh(now);
            return false;
        }
        if !proof {
            self.agent.ask(path, now);
            return false;
        }
        self.consent.refresh(now);
        let begins = !self.sending.is_allowed();
        self.sending.consent();
        begins
    }

    /// DTLS is up, over this path.
    pub fn connected(&mut self, path: &Path, now: Instant) {
        self.agent.paths_mut().prove(path, now);
        self.agent.paths_mut().connected(path, now);
        if let Some(selected) = self.agent.selected().filter(|selected| selected != path) {
            self.agent.ask(&selected, now);
        }
        self.consent.moved(now);
        self.presence.moved(now);
        self.presence.greeted(now);
        self.round_trip.connected(now);
    }

    /// Moves media to the path that the peer nominated, if it is time to. True if it moved.
    pub fn settle(&mut self, now: Instant) -> bool {
        let Some(moved) = self.agent.settle(now) else { return false };
        self.consent.moved(now);
        self.round_trip.moved();
        match moved {
            Move::Proven if self.srtp.is_some() => self.sending.consent(),
            Move::Tried if self.srtp.is_some() => self.sending.try_path(now),
            Move::Proven | Move::Tried => {}
        }
        true
    }

    /// Nothing leaves any more but STUN and DTLS. True if something could until now.
    pub fn hold(&mut self) -> bool {
        self.pacer.clear();
        self.rtcp.clear();
        self.sending.hold()
    }

    /// Something is to be shown to a peer that is there and says nothing: whether a trial may begin.
    pub fn may_try_picture(&self, now: Instant) -> bool {
        let is_there = self.state == Some(TransportState::Connected) && self.srtp.is_some();
        let selected = self.agent.selected().filter(|_| is_there && self.sending.may_try_picture(now));
        selected.is_some_and(|path| self.agent.paths().was_proven(&path))
    }

    /// Whether the peer has proven that this path is its own, and was heard over it lately: nobody else gets it.
    pub fn holds(&self, path: &Path, now: Instant) -> bool {
        self.agent.paths().holds(path, self.presence.patience(), now)
    }
}
