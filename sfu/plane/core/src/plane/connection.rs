//! How a participant connects and is known to be there: STUN, DTLS, and the silence after them.

use super::Plane;
use crate::command::Path;
use crate::discard::Discard;
use crate::dtls;
use crate::dtls::allowance::Allowance;
use crate::event::TransportState;
use crate::ice::agent;
use crate::srtp::context::{Inbound, Outbound};
use crate::time::Instant;
use crate::transport::Srtp;

impl Plane {
    pub(super) fn handle_stun(&mut self, datagram: &[u8], path: Path, now: Instant) -> Result<(), Discard> {
        let key = *self.by_ufrag.get(agent::username(datagram)?).ok_or(Discard::StunUnknownUser)?;
        let transport = &mut self.transports[key];
        let answer = transport.agent.handle_request(datagram, path, now)?;
        transport.control.push_back((path, answer.response));
        if answer.validated {
            self.heard(key, now);
            if self.by_path.insert(path, key) != Some(key) {
                self.forget_stale_paths(key);
            }
            let transport = &mut self.transports[key];
            if !transport.dtls.is_connected() {
                transport.allowance.heard(path, datagram.len());
            }
            if answer.nominated.is_some() || transport.state.is_none() {
                transport.flush_dtls(path);
            }
            if answer.nominated.is_some() {
                self.begin_slots(key, now);
            }
        }
        if self.transports[key].has_restarted() {
            self.forget_stale_ufrags(key);
        }
        self.touch(key);
        Ok(())
    }

    pub(super) fn handle_dtls(&mut self, key: usize, datagram: &[u8], path: Path, now: Instant) -> Result<(), Discard> {
        let result = self.transports[key].handle_dtls(datagram, path, now);
        self.poll_dtls(key, now);
        self.touch(key);
        result
    }

    /// What the association has to say: keys, SCTP packets, its end.
    pub(super) fn poll_dtls(&mut self, key: usize, now: Instant) {
        while let Some(event) = self.transports[key].dtls.poll_event() {
            let transport = &mut self.transports[key];
            match event {
                dtls::Event::Connected(keys) => {
                    transport.allowance = Allowance::default();
                    transport.srtp = Some(Srtp { inbound: Inbound::new(&keys), outbound: Outbound::new(&keys) });
                    transport.consent.heard(now);
                    self.events.extend(transport.enter(TransportState::Connected, "DTLS is up"));
                    if let Some(data) = &mut transport.data {
                        data.connect(now);
                    }
                    self.poll_data(key, now);
                    self.begin_slots(key, now);
                }
                dtls::Event::Data(packet) => {
                    self.heard(key, now);
                    if let Err(why) = self.handle_sctp(key, &packet, now) {
                        self.stats.discard(why);
                    }
                }
                dtls::Event::Failed(reason) => self.events.extend(transport.enter(TransportState::Failed, reason)),
                dtls::Event::Closed => self.events.extend(transport.enter(TransportState::Closed, "close_notify")),
            }
        }
    }

    /// Something authenticated came of the peer: if it was silent, what it is shown begins anew.
    pub(super) fn heard(&mut self, key: usize, now: Instant) {
        if let Some(resumed) = self.transports[key].heard(now) {
            self.events.push_back(resumed);
            self.begin_slots(key, now);
            self.touch(key);
        }
    }

    /// Credentials that the agent no longer takes lead nowhere.
    pub(super) fn forget_stale_ufrags(&mut self, key: usize) {
        let agent = &self.transports[key].agent;
        self.by_ufrag.retain(|ufrag, &mut owner| owner != key || agent.local_ufrags().any(|known| known == ufrag));
    }

    /// Addresses that the agent no longer holds valid lead nowhere.
    pub(super) fn forget_stale_paths(&mut self, key: usize) {
        let agent = &self.transports[key].agent;
        self.by_path.retain(|path, &mut owner| owner != key || agent.is_valid(path));
    }
}
