//! Connects a participant and checks that it is present: STUN, DTLS and silences.

use super::Plane;
use crate::command::Path;
use crate::discard::Discard;
use crate::dtls;
use crate::event::TransportState;
use crate::ice::binding;
use crate::srtp::context::{Inbound, Outbound};
use crate::time::Instant;
use crate::trace;
use crate::transport::{Srtp, Transport};

impl Plane {
    pub(super) fn handle_stun(&mut self, datagram: &[u8], path: Path, now: Instant) -> Result<(), Discard> {
        if binding::is_indication(datagram) {
            return self.handle_indication(datagram, path, now);
        }
        let key = self.by_ufrag.get(binding::username(datagram)?).ok_or(Discard::StunUnknownUser)?;
        let owner = self.by_path.get(&path).filter(|&owner| owner != key);
        let taken = owner.is_some_and(|owner| self.transports[owner].holds(&path, now));
        self.steps += stun_steps(datagram, &self.transports[key]);
        let answer = self.transports[key].agent.handle_request(datagram, path, taken, now);
        if let (Err(Discard::AddressTaken), Some(owner)) = (&answer, owner) {
            self.transports[owner].claimant = Some(key);
        }
        let answer = answer?;
        let transport = &mut self.transports[key];
        transport.control.push_back((path, answer.response));
        if answer.validated {
            self.give(path, key);
            self.handle_authenticated(key, &path, false, now);
            let transport = &mut self.transports[key];
            if answer.nominated.is_some() || transport.state.is_none() {
                transport.flush_dtls(path);
            }
            if answer.nominated.is_some() {
                tracing::info!(target: trace::ICE, transport = transport.id.0, remote = %path.remote, "path nominated");
                self.begin_slots(key, now);
            }
        }
        if self.transports[key].has_restarted() {
            self.forget_stale_ufrags(key);
        }
        Ok(())
    }

    /// Handles the answer to our Binding request, which measures the round trip.
    pub(super) fn handle_answer(
        &mut self,
        datagram: &[u8],
        path: Path,
        received: Instant,
        now: Instant,
    ) -> Result<(), Discard> {
        let key = self.by_path.get(&path).ok_or(Discard::UnknownAddress)?;
        let request = self.transports[key].round_trip.request(&path);
        let measured = self.handle_stun_response(datagram, path, now)?;
        let round_trip = &mut self.transports[key].round_trip;
        match (measured, request) {
            (Some(sent), _) => round_trip.handle_check(received.saturating_duration_since(sent), received),
            (None, Some(request)) => round_trip.answered(request, received),
            (None, None) => {}
        }
        Ok(())
    }

    /// Assigns the path to this transport, and removes it from any other.
    pub(super) fn give(&mut self, path: Path, key: usize) {
        let former = self.by_path.insert(path, key);
        if former == Some(key) {
            return;
        }
        self.forget_stale_paths(key);
        if let Some(owner) = former {
            let (former, transport) = (self.transports[owner].id.0, self.transports[key].id.0);
            tracing::info!(target: trace::ICE, transport, former, remote = %path.remote, "path taken over");
            self.transports[owner].agent.forget(&path);
            self.hold(owner);
        }
    }

    /// Returns when the request was sent, if it was one to measure the round trip.
    fn handle_stun_response(&mut self, datagram: &[u8], path: Path, now: Instant) -> Result<Option<Instant>, Discard> {
        let owner = self.by_path.get(&path).ok_or(Discard::UnknownAddress)?;
        self.steps += stun_steps(datagram, &self.transports[owner]);
        let (key, measured) = match self.transports[owner].agent.handle_response(datagram, path, now) {
            Err(Discard::StunUnexpected) => (self.handle_proof_of_claim(owner, datagram, path, now)?, None),
            heard => (owner, heard?),
        };
        self.handle_authenticated(key, &path, true, now);
        Ok(measured)
    }

    /// A NAT may assign the port of a participant who left to another one. A claimant gets a path if it answers there,
    /// and the path's owner, not yet known to be gone, was not heard since the claim. Returns the transport that owns
    /// the path.
    fn handle_proof_of_claim(
        &mut self,
        owner: usize,
        datagram: &[u8],
        path: Path,
        now: Instant,
    ) -> Result<usize, Discard> {
        let claimant = self.transports[owner].claimant.filter(|&key| key != owner && self.transports.contains(key));
        let key = claimant.ok_or(Discard::StunUnexpected)?;
        let agent = &mut self.transports[key].agent;
        let claimed = agent.paths().claimed_at(&path).ok_or(Discard::StunUnexpected)?;
        agent.handle_response(datagram, path, now)?;
        if self.transports[owner].agent.paths().heard_after(&path, claimed) {
            self.transports[key].agent.paths_mut().give_up_claim();
            let transport = self.transports[key].id.0;
            tracing::info!(target: trace::ICE, transport, remote = %path.remote, "claim of a path given up");
            return Err(Discard::AddressTaken);
        }
        self.transports[key].agent.paths_mut().win(&path, now);
        self.give(path, key);
        Ok(key)
    }

    /// Handles a Binding Indication. Over the selected path it keeps the participant present, but is no consent to
    /// send.
    fn handle_indication(&mut self, datagram: &[u8], path: Path, now: Instant) -> Result<(), Discard> {
        binding::check_indication(datagram)?;
        let key = self.by_path.get(&path).ok_or(Discard::UnknownAddress)?;
        let transport = &mut self.transports[key];
        if transport.agent.selected() != Some(path) {
            return Err(Discard::StunUnexpected);
        }
        if transport.presence.kept_alive(now) && transport.state == Some(TransportState::Disconnected) {
            self.events.extend(transport.enter(TransportState::Connected, "its path is kept alive"));
        }
        Ok(())
    }

    pub(super) fn handle_dtls(&mut self, key: usize, datagram: &[u8], path: Path, now: Instant) -> Result<(), Discard> {
        let result = self.transports[key].handle_dtls(datagram, path, now);
        self.poll_dtls(key, Some(&path), now);
        result
    }

    /// Handles the events of the DTLS association: keys, SCTP packets, its end. `path` is that of the datagram before.
    pub(super) fn poll_dtls(&mut self, key: usize, path: Option<&Path>, now: Instant) {
        while let Some(event) = self.transports[key].dtls.poll_event() {
            let transport = &mut self.transports[key];
            match event {
                dtls::Event::Connected(keys) => {
                    transport.srtp = Some(Srtp { inbound: Inbound::new(&keys), outbound: Outbound::new(&keys) });
                    self.events.extend(transport.enter(TransportState::Connected, "DTLS is up"));
                    if let Some(data) = &mut transport.data {
                        data.connect(now);
                    }
                    if let Some(path) = path {
                        transport.connected(path, now);
                        self.handle_authenticated(key, path, true, now);
                    }
                    self.poll_data(key, now);
                    self.begin_slots(key, now);
                }
                dtls::Event::Data(packet) => {
                    if let Some(path) = path {
                        self.handle_authenticated(key, path, true, now);
                    }
                    if let Err(why) = self.handle_sctp(key, &packet, now) {
                        self.discard(key, why, 1);
                    }
                }
                dtls::Event::Failed(reason) => self.events.extend(transport.enter(TransportState::Failed, reason)),
                dtls::Event::Closed => self.events.extend(transport.enter(TransportState::Closed, "close_notify")),
            }
        }
    }

    /// Handles the arrival of an authenticated packet. If nothing could be sent to the peer before, its slots start.
    pub(super) fn handle_authenticated(&mut self, key: usize, path: &Path, proof: bool, now: Instant) {
        let heard = self.transports.receiving(key).handle_authenticated(path, proof, now);
        let is_news = heard.begins || heard.event.is_some();
        self.events.extend(heard.event);
        if heard.begins {
            self.begin_slots(key, now);
        }
        if is_news {
            self.transports.sending(key);
        }
    }

    /// Handles silence timeouts: of the participant, of the selected path, or of a trial.
    pub(super) fn handle_silence(&mut self, key: usize, now: Instant) {
        let transport = &mut self.transports[key];
        let trial_is_over = transport.sending.handle_timeout(now);
        let is_silent = transport.consent.handle_timeout(now) && transport.sending.is_consented();
        let is_gone = transport.presence.handle_timeout(now) && transport.state == Some(TransportState::Connected);
        if is_gone {
            self.events.extend(transport.enter(TransportState::Disconnected, "nothing was heard for too long"));
        }
        if trial_is_over || is_silent || is_gone {
            tracing::info!(
                target: trace::ICE, transport = transport.id.0, trial_is_over, is_silent, is_gone, "path given up"
            );
            self.hold(key);
        }
    }

    /// Stops sending to a transport: what it is shown later starts with a keyframe.
    pub(super) fn hold(&mut self, key: usize) {
        self.transports[key].hold();
        for &slot in &self.transports[key].slots {
            self.slots[slot].slot.interrupt();
        }
    }

    /// Removes the ufrags that the agent no longer accepts.
    pub(super) fn forget_stale_ufrags(&mut self, key: usize) {
        let agent = &self.transports[key].agent;
        self.by_ufrag.retain(key, |ufrag| agent.local_ufrags().any(|known| known == ufrag));
    }

    /// Removes the paths that the agent no longer considers valid.
    pub(super) fn forget_stale_paths(&mut self, key: usize) {
        let agent = &self.transports[key].agent;
        self.by_path.retain(key, |path| agent.is_valid(path));
    }
}

/// The steps of a check or of an answer to ours: an attribute for each 4 octets (RFC 8489 s14), and the paths of the
/// peer.
fn stun_steps(datagram: &[u8], transport: &Transport) -> u64 {
    (datagram.len() / 4 + transport.agent.paths().count()) as u64
}
