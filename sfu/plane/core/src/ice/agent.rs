//! The lite agent of RFC 8445: it answers connectivity checks, and follows the pair that the peer nominates.
//!
//! A lite agent is always controlled. It learns which paths to trust (a path is valid once a check with the right
//! password came over it) and where to send (the nominated path, once [`super::paths`] has it proven). It sends Binding
//! requests only to obtain that proof.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use stun_types::message::{IntegrityKey, Message, MessageClass, ShortTermCredentials};

use super::binding;
use super::measuring::{Measuring, Request};
use super::paths::{Due, Move, Paths};
use crate::command::{IceCredentials, Path};
use crate::discard::Discard;
use crate::time::{Duration, Instant, ms};

/// A pair that was not nominated again for this long is replaced by one of lower priority. Firefox nominates every pair
/// it checks, in any order, and uses the best one. Chromium nominates only the pair it uses, at least every 2.5 s once
/// it is stable and several times a second before; so it changes to a worse network without any other signal.
const NOMINATION_STALE: Duration = ms(2_000);

/// The credentials of a check (RFC 8445 s7.2.2). The check and our answer are signed with our password.
struct Login {
    /// `local:remote`.
    username: String,
    local_ufrag_length: usize,
    key: IntegrityKey,
    /// The key of the peer's password, which signs our requests.
    remote_key: IntegrityKey,
    /// The number of restarts before these credentials.
    generation: u32,
}

impl Login {
    fn new(ice: IceCredentials, generation: u32) -> Self {
        Self {
            local_ufrag_length: ice.local_ufrag.len(),
            username: format!("{}:{}", ice.local_ufrag, ice.remote_ufrag),
            key: ShortTermCredentials::new(ice.local_pwd).make_key(),
            remote_key: ShortTermCredentials::new(ice.remote_pwd).make_key(),
            generation,
        }
    }

    fn local_ufrag(&self) -> &str {
        self.username.get(..self.local_ufrag_length).unwrap_or_default()
    }

    fn remote_ufrag(&self) -> &str {
        self.username.get(self.local_ufrag_length.saturating_add(1)..).unwrap_or_default()
    }
}

/// The pair that the peer nominated for us to send over.
struct Nominated {
    path: Path,
    priority: u32,
    at: Instant,
    generation: u32,
}

/// The ICE agent of one transport.
pub struct Agent {
    current: Login,
    /// The credentials before a restart, until a check with the new ones nominates a pair (RFC 8445 s9).
    previous: Option<Login>,
    nominated: Option<Nominated>,
    paths: Paths,
    measuring: Measuring,
    tie_breaker: u64,
}

/// The result of a check with the right password.
#[derive(Debug)]
pub struct Answer {
    /// The response, to be sent over the path of the check. It is never longer than the check.
    pub response: Vec<u8>,
    /// The newly nominated path, if the nomination changed.
    pub nominated: Option<Path>,
    /// DTLS and SRTP from this path may be trusted. False after an error response.
    pub validated: bool,
}

impl Agent {
    pub fn new(ice: IceCredentials) -> Self {
        Self {
            current: Login::new(ice, 0),
            previous: None,
            nominated: None,
            paths: Paths::default(),
            measuring: Measuring::default(),
            tie_breaker: unguessable() as u64,
        }
    }

    /// Sets new credentials. The old ones and the pair in use stay until a check with the new ones nominates a pair.
    pub fn restart(&mut self, ice: IceCredentials) {
        if ice.local_ufrag == self.current.local_ufrag() {
            return;
        }
        let next = Login::new(ice, self.current.generation.saturating_add(1));
        let replaced = std::mem::replace(&mut self.current, next);
        // After several restarts in a row, the previous credentials worth keeping are those of the pair in use.
        let in_use = self.nominated.as_ref().is_none_or(|nominated| nominated.generation == replaced.generation);
        if in_use || self.previous.is_none() {
            self.previous = Some(replaced);
        }
    }

    /// The local ufrags, which identify the checks for this agent: the current one first.
    pub fn local_ufrags(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.current).chain(&self.previous).map(Login::local_ufrag)
    }

    /// The path to send over.
    pub fn selected(&self) -> Option<Path> {
        self.paths.selected()
    }

    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    pub fn paths_mut(&mut self) -> &mut Paths {
        &mut self.paths
    }

    /// True if a check with the right password came over this path.
    pub fn is_valid(&self, path: &Path) -> bool {
        self.paths.is_valid(path)
    }

    /// Handles a check. A check with the wrong password gets no answer, so that guessing reveals nothing, but is
    /// counted. A check over a path of another peer (`taken`) gets no answer either: we ask for a proof, and the peer
    /// checks again.
    pub fn handle_request(
        &mut self,
        datagram: &[u8],
        path: Path,
        taken: bool,
        now: Instant,
    ) -> Result<Answer, Discard> {
        let message = binding::parse(datagram, MessageClass::Request)?;
        let login = self.login(&message)?;
        let algorithm = message.validate_integrity_with_key(&login.key).map_err(|_| Discard::StunIntegrity)?;

        let generation = login.generation;
        let refusal = binding::refusal(&message);
        if taken && refusal.is_none() {
            self.paths.claim(path, generation, now, unguessable);
            self.paths.pay(&path, datagram.len());
            return Err(Discard::AddressTaken);
        }
        let response = match &refusal {
            Some(refusal) => binding::refuse(&message, refusal, &login.key, algorithm),
            None => binding::agree(&message, path, &login.key, algorithm),
        };
        let response = response.map_err(|_| Discard::StunMalformed)?;
        if response.len() > datagram.len() {
            return Err(Discard::StunTooShort);
        }
        if refusal.is_some() {
            return Ok(Answer { response, nominated: None, validated: false });
        }
        self.paths.checked(path, generation, now);
        self.paths.pay(&path, datagram.len());
        let nominates = binding::nominates(&message);
        let changed = nominates && self.nominate(path, binding::priority(&message), generation, now);
        if let Some(nominated) = self.nominated.as_ref().filter(|_| nominates) {
            let (means, is_late) = (nominated.path, generation < nominated.generation);
            self.paths.want(means, now);
            if means != path && !is_late && self.paths.doubt(path, true, now) {
                self.ask_both(path, now);
            }
        } else if self.paths.doubt(path, false, now) {
            self.ask_both(path, now);
        }
        Ok(Answer { response, nominated: changed.then_some(path), validated: true })
    }

    /// Handles an authenticated packet of `octets` octets from a path without a check. The path becomes valid; if the
    /// peer may have moved there, this path and the selected one are asked for a proof.
    pub fn handle_moved(&mut self, path: Path, octets: usize, now: Instant) {
        self.paths.checked(path, self.current.generation, now);
        self.paths.pay(&path, octets);
        if self.paths.doubt(path, false, now) {
            self.ask_both(path, now);
        }
    }

    /// Handles the answer to our request, which proves that the path is the peer's. The answer must be signed by the
    /// peer: a STUN server answers everybody, and so proves nothing. Returns when the request was sent, if it was one to
    /// measure the round trip.
    pub fn handle_response(&mut self, datagram: &[u8], path: Path, now: Instant) -> Result<Option<Instant>, Discard> {
        let message = binding::parse(datagram, MessageClass::Success)?;
        let transaction = u128::from(message.transaction_id());
        let measured = self.measuring.find(&path, transaction);
        let asked = measured.map(|request| request.generation).or_else(|| self.paths.asked(&path, transaction));
        let login = self.login_of(asked.ok_or(Discard::StunUnexpected)?);
        message.validate_integrity_with_key(&login.remote_key).map_err(|_| Discard::StunIntegrity)?;
        self.paths.prove(&path, now);
        Ok(measured.map(|request| {
            self.measuring.answered();
            request.sent
        }))
    }

    /// Measures the round trip of the selected path by a request, unless one was sent lately.
    pub fn measure(&mut self, now: Instant) {
        self.measuring.want(now);
    }

    /// The next request that measures the round trip, and the path to send it over. Nothing is measured over a path
    /// without a proof: its requests may be repeated.
    pub fn poll_measurement(&mut self, now: Instant) -> Option<(Path, Vec<u8>)> {
        if !self.measuring.poll_wanted() {
            return None;
        }
        let path = self.selected().filter(|path| self.paths.is_proven(path, now))?;
        let (transaction, generation) = (unguessable(), self.current.generation);
        let request = self.request(&Due { path, transaction, generation })?;
        self.measuring.sent(Request { path, transaction, generation, sent: now });
        Some((path, request))
    }

    /// Asks for a proof of a path (again). Only an agent with the peer's password can give it.
    pub fn ask(&mut self, path: &Path, now: Instant) {
        self.paths.ask(path, now, unguessable);
    }

    /// Asks this path and the selected one for a proof; the peer answers over the one that it uses.
    fn ask_both(&mut self, path: Path, now: Instant) {
        self.ask(&path, now);
        if let Some(selected) = self.selected() {
            self.ask(&selected, now);
        }
    }

    /// The next Binding request, and the path to send it over.
    pub fn poll_request(&mut self, now: Instant) -> Option<(Path, Vec<u8>)> {
        let due = self.paths.poll_request(now)?;
        Some((due.path, self.request(&due)?))
    }

    fn request(&self, due: &Due) -> Option<Vec<u8>> {
        let login = self.login_of(due.generation);
        let username = format!("{}:{}", login.remote_ufrag(), login.local_ufrag());
        binding::request(due.transaction, &username, self.tie_breaker, &login.remote_key).ok()
    }

    /// Moves media to another path if one is due. Returns why it moved.
    pub fn settle(&mut self, now: Instant) -> Option<Move> {
        if let (Some(path), Some(nominated)) = (self.paths.poll_rival(now), &mut self.nominated) {
            (nominated.path, nominated.at) = (path, now);
        }
        self.paths.settle(now)
    }

    /// Removes a path that belongs to another transport from now on.
    pub fn forget(&mut self, path: &Path) {
        self.paths.forget(path);
        self.nominated = self.nominated.take().filter(|nominated| nominated.path != *path);
    }

    fn login_of(&self, generation: u32) -> &Login {
        self.previous.as_ref().filter(|login| login.generation == generation).unwrap_or(&self.current)
    }

    fn login(&self, message: &Message) -> Result<&Login, Discard> {
        let username = binding::user(message)?;
        std::iter::once(&self.current)
            .chain(&self.previous)
            .find(|login| *login.username.as_bytes() == *username.value)
            .ok_or(Discard::StunUnknownUser)
    }

    /// Handles a nomination, aggressive or regular. Returns true if the nominated path changed.
    fn nominate(&mut self, path: Path, priority: u32, generation: u32, now: Instant) -> bool {
        let changed = match &self.nominated {
            None => true,
            Some(nominated) if generation < nominated.generation => return false,
            Some(nominated) if generation > nominated.generation => nominated.path != path,
            Some(nominated) if nominated.path == path => false,
            Some(nominated) => {
                let stale = now.saturating_duration_since(nominated.at) >= NOMINATION_STALE;
                if priority <= nominated.priority && !stale {
                    return false;
                }
                true
            }
        };
        self.nominated = Some(Nominated { path, priority, at: now, generation });
        if generation == self.current.generation {
            self.previous = None;
        }
        changed
    }
}

/// A random 96-bit transaction id. Only somebody who sees the request can know it.
fn unguessable() -> u128 {
    let mut octets = [0; 16];
    // BoringSSL's random generator cannot fail.
    let _ = boring::rand::rand_bytes(&mut octets);
    u128::from_be_bytes(octets) >> 32
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]
mod tests;
