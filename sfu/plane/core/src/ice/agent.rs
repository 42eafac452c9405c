//! The lite agent of RFC 8445: it answers connectivity checks, and follows the pair that the peer nominates.
//!
//! A lite agent is always controlled. It learns which paths to trust (a path is valid once a check with the right
//! password came over it) and where to send (the nominated path, once [`super::paths`] has it proven). It sends Binding
//! requests only to obtain that proof.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use stun_types::attribute::{
    Attribute, AttributeStaticType, AttributeType, ErrorCode, Fingerprint, MessageIntegrity, MessageIntegritySha256,
    RawAttribute, UnknownAttributes, Username, XorMappedAddress,
};
use stun_types::message::{
    BINDING, IntegrityAlgorithm, IntegrityKey, Message, MessageClass, MessageType, MessageWrite, MessageWriteExt,
    MessageWriteVec, ShortTermCredentials, StunParseError, StunWriteError,
};

use super::paths::{Due, Move, Paths};
use crate::command::{IceCredentials, Path};
use crate::discard::Discard;
use crate::time::{Duration, Instant, ms};

/// RFC 8445 s16.1.
const PRIORITY: AttributeType = AttributeType::new(0x0024);
const USE_CANDIDATE: AttributeType = AttributeType::new(0x0025);
const ICE_CONTROLLED: AttributeType = AttributeType::new(0x8029);

/// The priority in our requests: that of a peer-reflexive candidate (RFC 8445 s5.1.2.1). No candidate pair is formed
/// from it.
const OUR_PRIORITY: u32 = 0x6E00_01FF;

/// A pair that was not nominated again for this long gives way to one of lower priority. Firefox nominates every pair
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
        let message = parse(datagram, MessageClass::Request)?;
        let login = self.login(&message)?;
        let algorithm = message.validate_integrity_with_key(&login.key).map_err(|_| Discard::StunIntegrity)?;

        let generation = login.generation;
        let refusal = refusal(&message);
        if taken && refusal.is_none() {
            self.paths.claim(path, generation, now, unguessable);
            self.paths.pay(&path, datagram.len());
            return Err(Discard::AddressTaken);
        }
        let response = match &refusal {
            Some(refusal) => refuse(&message, refusal, &login.key, algorithm),
            None => agree(&message, path, &login.key, algorithm),
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
        let nominates = message.has_attribute(USE_CANDIDATE);
        let changed = nominates && self.nominate(path, priority(&message), generation, now);
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
    /// peer: a STUN server answers everybody, and so proves nothing.
    pub fn handle_response(&mut self, datagram: &[u8], path: Path, now: Instant) -> Result<(), Discard> {
        let message = parse(datagram, MessageClass::Success)?;
        let generation =
            self.paths.asked(&path, u128::from(message.transaction_id())).ok_or(Discard::StunUnexpected)?;
        let login = self.login_of(generation);
        message.validate_integrity_with_key(&login.remote_key).map_err(|_| Discard::StunIntegrity)?;
        self.paths.prove(&path, now);
        Ok(())
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
        Some((due.path, self.request(&due).ok()?))
    }

    fn request(&self, due: &Due) -> Result<Vec<u8>, StunWriteError> {
        let login = self.login_of(due.generation);
        let kind = MessageType::from_class_method(MessageClass::Request, BINDING);
        let mut request = Message::builder(kind, due.transaction.into(), MessageWriteVec::with_capacity(128));
        request.add_attribute(&Username::new(&format!("{}:{}", login.remote_ufrag(), login.local_ufrag()))?)?;
        request.add_attribute(&RawAttribute::new(PRIORITY, &OUR_PRIORITY.to_be_bytes()))?;
        request.add_attribute(&RawAttribute::new(ICE_CONTROLLED, &self.tie_breaker.to_be_bytes()))?;
        sign(request, &login.remote_key, IntegrityAlgorithm::Sha1)
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
        let username = message.raw_attribute(Username::TYPE).ok_or(Discard::StunUnknownUser)?;
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

/// True if the datagram is a response to our request, by its class (RFC 8489 s5).
pub fn is_response(datagram: &[u8]) -> bool {
    matches!(datagram, [0x01, 0x01 | 0x11, ..])
}

/// True if the datagram is a Binding Indication, by its class. An indication is not authenticated.
pub fn is_indication(datagram: &[u8]) -> bool {
    matches!(datagram, [0x00, 0x11, ..])
}

/// Checks a Binding Indication.
///
/// # Errors
/// If it is not a well-formed Binding Indication. It may lack a fingerprint (RFC 8445 s11), but a fingerprint must be
/// right.
pub fn check_indication(datagram: &[u8]) -> Result<(), Discard> {
    well_formed(datagram, MessageClass::Indication).map(|_| ())
}

/// The local ufrag in a check, not yet authenticated. It identifies the transport that the check is for.
pub fn username(datagram: &[u8]) -> Result<&str, Discard> {
    let mut rest = datagram.get(20..).ok_or(Discard::Truncated)?;
    while let Some((header, tail)) = rest.split_at_checked(4) {
        let [high, low, length_high, length_low] = *header else { return Err(Discard::StunMalformed) };
        let length = usize::from(u16::from_be_bytes([length_high, length_low]));
        if u16::from_be_bytes([high, low]) == Username::TYPE.value() {
            let value = tail.get(..length).ok_or(Discard::StunMalformed)?;
            let value = std::str::from_utf8(value).map_err(|_| Discard::StunMalformed)?;
            return Ok(value.split_once(':').map_or(value, |(local, _)| local));
        }
        rest = tail.get(length.next_multiple_of(4)..).ok_or(Discard::StunMalformed)?;
    }
    Err(Discard::StunUnknownUser)
}

/// Parses a Binding message of this class that has a right fingerprint.
fn parse(datagram: &[u8], class: MessageClass) -> Result<Message<'_>, Discard> {
    let message = well_formed(datagram, class)?;
    if message.has_attribute(Fingerprint::TYPE) { Ok(message) } else { Err(Discard::StunFingerprint) }
}

/// Parses a Binding message of this class. It may lack a fingerprint, but a fingerprint must be right.
fn well_formed(datagram: &[u8], class: MessageClass) -> Result<Message<'_>, Discard> {
    let message = Message::from_bytes(datagram).map_err(|error| match error {
        StunParseError::FingerprintMismatch => Discard::StunFingerprint,
        StunParseError::Truncated { .. } => Discard::Truncated,
        _ => Discard::StunMalformed,
    })?;
    // The library reads attributes to the end of the datagram, but the length in the header must match it (RFC 8489
    // s5).
    let length = datagram.get(2..4).map_or(0, |bytes| bytes.iter().fold(0, |n, &byte| n << 8 | usize::from(byte)));
    if length.saturating_add(20) != datagram.len() {
        return Err(Discard::StunMalformed);
    }
    if !message.has_class(class) || !message.has_method(BINDING) {
        return Err(Discard::StunUnexpected);
    }
    Ok(message)
}

fn priority(message: &Message) -> u32 {
    let value = message.raw_attribute(PRIORITY).and_then(|attribute| <[u8; 4]>::try_from(&*attribute.value).ok());
    value.map_or(0, u32::from_be_bytes)
}

/// Why a check with the right password is refused nevertheless.
enum Refusal {
    /// 420: a comprehension-required attribute is unknown (RFC 8489 s6.3.1).
    Unknown(AttributeType),
    /// 487: a lite agent is controlled, so the peer must not be (RFC 8445 s7.3.1.1).
    RoleConflict,
}

fn refusal(message: &Message) -> Option<Refusal> {
    const UNDERSTOOD: [AttributeType; 5] =
        [Username::TYPE, MessageIntegrity::TYPE, MessageIntegritySha256::TYPE, PRIORITY, USE_CANDIDATE];
    let unknown = message
        .iter_attributes()
        .map(|(_, attribute)| attribute.get_type())
        .find(|kind| kind.comprehension_required() && !UNDERSTOOD.contains(kind));
    match unknown {
        Some(kind) => Some(Refusal::Unknown(kind)),
        None => message.has_attribute(ICE_CONTROLLED).then_some(Refusal::RoleConflict),
    }
}

fn refuse(
    message: &Message,
    refusal: &Refusal,
    key: &IntegrityKey,
    algorithm: IntegrityAlgorithm,
) -> Result<Vec<u8>, StunWriteError> {
    let mut response = Message::builder_error(message, MessageWriteVec::with_capacity(96));
    match refusal {
        Refusal::Unknown(kind) => {
            response.add_attribute(&ErrorCode::new(420, "Unknown Attribute")?)?;
            response.add_attribute(&UnknownAttributes::new(&[*kind]))?;
        }
        Refusal::RoleConflict => response.add_attribute(&ErrorCode::new(487, "Role Conflict")?)?,
    }
    sign(response, key, algorithm)
}

fn agree(
    message: &Message,
    path: Path,
    key: &IntegrityKey,
    algorithm: IntegrityAlgorithm,
) -> Result<Vec<u8>, StunWriteError> {
    let mut response = Message::builder_success(message, MessageWriteVec::with_capacity(96));
    // A dual-stack socket reports IPv4 peers as ::ffff:a.b.c.d, but peers know their address in the IPv4 form.
    let seen = std::net::SocketAddr::new(path.remote.ip().to_canonical(), path.remote.port());
    response.add_attribute(&XorMappedAddress::new(seen, message.transaction_id()))?;
    sign(response, key, algorithm)
}

fn sign(
    mut response: MessageWriteVec,
    key: &IntegrityKey,
    algorithm: IntegrityAlgorithm,
) -> Result<Vec<u8>, StunWriteError> {
    response.add_message_integrity_with_key(key, algorithm)?;
    response.add_fingerprint()?;
    Ok(response.finish())
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]
mod tests;
