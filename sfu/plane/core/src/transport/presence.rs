//! Tracks whether the peer is present and may be sent media, and over which path.

use super::Transport;
use crate::command::{Kind, Path};
use crate::event::{Event, TransportState};
use crate::ice::paths::Move;
use crate::time::Instant;
use crate::trace;

/// The result of an authenticated packet.
#[derive(Default)]
pub struct Heard {
    pub event: Option<Event>,
    /// Media may be sent from now on: the slots start.
    pub begins: bool,
}

impl Transport {
    /// True if media, reports and SCTP may be sent: the peer is connected, has nominated a path and was heard lately
    /// over it, or a trial is running.
    pub fn sends_media(&self) -> bool {
        self.state == Some(TransportState::Connected)
            && self.srtp.is_some()
            && self.agent.selected().is_some()
            && self.sending.is_allowed()
    }

    /// True if media of this kind may be sent. A TCP connection that is too slow takes no video for a while, nor does a
    /// peer whose feedback stopped, if something else can make it return.
    pub fn sends(&self, kind: Kind) -> bool {
        let is_stopped = || self.link.is_shut() || self.unacknowledged.is_silent() && self.probing_slot.is_some();
        self.sends_media() && !(kind == Kind::Video && is_stopped())
    }

    /// True if packets may be sent that only measure the path: with consent, never on trial, and while its connection has
    /// room.
    pub fn probes(&self) -> bool {
        let has_room = |path: Path| self.link.has_room(path.link);
        let may_send = self.sends_media() && self.sending.is_consented() && self.probing_slot.is_some();
        may_send && self.agent.selected().is_some_and(has_room)
    }

    /// Handles the arrival of an authenticated packet over this path. `proof` is true if only the peer can have sent
    /// it, and only from there; a check can come from anybody's address.
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

    /// Handles transport-wide feedback over this path.
    pub fn handle_feedback(&mut self, path: &Path, now: Instant) {
        self.presence.handle_feedback(now);
        if self.agent.selected() == Some(*path) {
            self.consent.handle_feedback(now);
        }
    }

    /// Refreshes consent. Returns true if media may be sent from now on.
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

    /// Handles the completion of DTLS over this path.
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
        if !self.tracks.is_empty() && self.round_trip.is_stale(now) {
            self.agent.measure(now);
        }
    }

    /// Moves media to the path that the peer nominated, if that is due. Returns true if it moved.
    pub fn settle(&mut self, now: Instant) -> bool {
        let Some(moved) = self.agent.settle(now) else { return false };
        self.consent.moved(now);
        self.unacknowledged.begin_anew();
        self.round_trip.moved();
        let remote = self.agent.selected().map(|path| path.remote);
        tracing::info!(target: trace::ICE, transport = self.id.0, ?remote, because = ?moved, "media moved");
        match moved {
            Move::Proven if self.srtp.is_some() => self.sending.consent(),
            Move::Tried if self.srtp.is_some() => self.sending.try_path(now),
            Move::Proven | Move::Tried => {}
        }
        true
    }

    /// Stops all sending except STUN and DTLS. Returns true if media could be sent until now.
    pub fn hold(&mut self) -> bool {
        self.pacer.clear();
        self.prober.clear();
        self.rtcp.clear();
        self.sending.hold()
    }

    /// True if a trial may begin: there is media for a peer that is connected and silent.
    pub fn may_try_picture(&self, now: Instant) -> bool {
        let is_there = self.state == Some(TransportState::Connected) && self.srtp.is_some();
        let selected = self.agent.selected().filter(|_| is_there && self.sending.may_try_picture(now));
        selected.is_some_and(|path| self.agent.paths().was_proven(&path))
    }

    /// True if the peer has proven that this path is its own and was heard over it lately. The path is then given to no
    /// other transport.
    pub fn holds(&self, path: &Path, now: Instant) -> bool {
        self.agent.paths().holds(path, self.presence.patience(), now)
    }
}
