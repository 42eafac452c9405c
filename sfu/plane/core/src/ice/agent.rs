//! The lite agent of RFC 8445: it answers connectivity checks, and follows the pair that the peer nominates.
//!
//! A lite agent never sends a check and is always controlled. What it learns is whom it may believe (a path is valid
//! once a check with the right password came over it) and where to send (the nominated path).

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use stun_types::attribute::{
    Attribute, AttributeStaticType, AttributeType, ErrorCode, Fingerprint, MessageIntegrity, MessageIntegritySha256,
    UnknownAttributes, Username, XorMappedAddress,
};
use stun_types::message::{
    BINDING, IntegrityAlgorithm, IntegrityKey, Message, MessageClass, MessageWrite, MessageWriteExt, MessageWriteVec,
    ShortTermCredentials, StunParseError, StunWriteError,
};

use crate::command::{IceCredentials, Path};
use crate::discard::Discard;
use crate::limits::VALID_PATHS;
use crate::time::{Duration, Instant, ms};

/// RFC 8445 s16.1.
const PRIORITY: AttributeType = AttributeType::new(0x0024);
const USE_CANDIDATE: AttributeType = AttributeType::new(0x0025);
const ICE_CONTROLLED: AttributeType = AttributeType::new(0x8029);

/// A pair that has not been nominated anew for so long gives way to one of lower priority. Firefox nominates every
/// pair it checks, in any order, and means the best one; Chromium nominates only the pair it uses, at least every
/// 2.5 s once it is stable and several times a second before, and so changes to a worse network without a word.
const NOMINATION_STALE: Duration = ms(2_000);

/// What a check must know: RFC 8445 s7.2.2, signed with our password, as is our answer.
struct Login {
    /// `local:remote`.
    username: String,
    local_ufrag_length: usize,
    key: IntegrityKey,
    /// Grows with every restart.
    generation: u32,
}

impl Login {
    fn new(ice: IceCredentials, generation: u32) -> Self {
        Self {
            local_ufrag_length: ice.local_ufrag.len(),
            username: format!("{}:{}", ice.local_ufrag, ice.remote_ufrag),
            key: ShortTermCredentials::new(ice.local_pwd).make_key(),
            generation,
        }
    }

    fn local_ufrag(&self) -> &str {
        self.username.get(..self.local_ufrag_length).unwrap_or_default()
    }
}

struct Valid {
    path: Path,
    checked: Instant,
}

struct Selected {
    path: Path,
    priority: u32,
    nominated: Instant,
    generation: u32,
}

/// One per transport.
pub struct Agent {
    current: Login,
    /// From before a restart, until a check with the new credentials nominates a pair (RFC 8445 s9).
    previous: Option<Login>,
    valid: Vec<Valid>,
    selected: Option<Selected>,
}

/// What came of a check that knew the password.
#[derive(Debug)]
pub struct Answer {
    /// Goes back over the path that the check came from.
    pub response: Vec<u8>,
    /// The path to send to from now on, if it changed.
    pub nominated: Option<Path>,
    /// DTLS and SRTP from this path may be believed. Not so after an error response.
    pub validated: bool,
}

impl Agent {
    pub fn new(ice: IceCredentials) -> Self {
        Self { current: Login::new(ice, 0), previous: None, valid: Vec::new(), selected: None }
    }

    /// New credentials. The old ones and the pair in use stay until a check with the new ones nominates a pair.
    pub fn restart(&mut self, ice: IceCredentials) {
        if ice.local_ufrag == self.current.local_ufrag() {
            return;
        }
        let next = Login::new(ice, self.current.generation.saturating_add(1));
        let replaced = std::mem::replace(&mut self.current, next);
        // Of several restarts in a row, the credentials of the pair in use are the ones worth keeping.
        let in_use = self.selected.as_ref().is_none_or(|selected| selected.generation == replaced.generation);
        if in_use || self.previous.is_none() {
            self.previous = Some(replaced);
        }
    }

    /// The names by which checks for this agent can be told from those for others: the current one first.
    pub fn local_ufrags(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.current).chain(&self.previous).map(Login::local_ufrag)
    }

    /// Where to send.
    pub fn selected(&self) -> Option<Path> {
        self.selected.as_ref().map(|selected| selected.path)
    }

    /// Whether a check with the right password came over this path.
    pub fn is_valid(&self, path: &Path) -> bool {
        self.valid.iter().any(|valid| valid.path == *path)
    }

    /// A check that does not know the password gets no answer, but is counted: whoever guesses learns nothing.
    pub fn handle_request(&mut self, datagram: &[u8], path: Path, now: Instant) -> Result<Answer, Discard> {
        let message = parse(datagram)?;
        let login = self.login(&message)?;
        let algorithm = message.validate_integrity_with_key(&login.key).map_err(|_| Discard::StunIntegrity)?;

        if let Some(refusal) = refusal(&message) {
            let response = refuse(&message, &refusal, &login.key, algorithm).map_err(|_| Discard::StunMalformed)?;
            return Ok(Answer { response, nominated: None, validated: false });
        }
        let response = agree(&message, path, &login.key, algorithm).map_err(|_| Discard::StunMalformed)?;
        let generation = login.generation;
        self.validate(path, now);
        let nominates = message.has_attribute(USE_CANDIDATE);
        let nominated = (nominates && self.nominate(path, priority(&message), generation, now)).then_some(path);
        Ok(Answer { response, nominated, validated: true })
    }

    fn login(&self, message: &Message) -> Result<&Login, Discard> {
        let username = message.raw_attribute(Username::TYPE).ok_or(Discard::StunUnknownUser)?;
        std::iter::once(&self.current)
            .chain(&self.previous)
            .find(|login| *login.username.as_bytes() == *username.value)
            .ok_or(Discard::StunUnknownUser)
    }

    fn validate(&mut self, path: Path, now: Instant) {
        if let Some(valid) = self.valid.iter_mut().find(|valid| valid.path == path) {
            valid.checked = now;
            return;
        }
        if self.valid.len() >= VALID_PATHS {
            let selected = self.selected();
            let mut idle = self.valid.iter().enumerate().filter(|(_, valid)| Some(valid.path) != selected);
            if let Some(oldest) = idle.by_ref().min_by_key(|(_, valid)| valid.checked).map(|(index, _)| index) {
                self.valid.swap_remove(oldest);
            }
        }
        self.valid.push(Valid { path, checked: now });
    }

    /// Aggressive and regular nomination alike: whether the path to send to changed.
    fn nominate(&mut self, path: Path, priority: u32, generation: u32, now: Instant) -> bool {
        let changed = match &self.selected {
            None => true,
            Some(selected) if generation < selected.generation => return false,
            Some(selected) if generation > selected.generation => selected.path != path,
            Some(selected) if selected.path == path => false,
            Some(selected) => {
                let stale = now.saturating_duration_since(selected.nominated) >= NOMINATION_STALE;
                if priority <= selected.priority && !stale {
                    return false;
                }
                true
            }
        };
        self.selected = Some(Selected { path, priority, nominated: now, generation });
        if generation == self.current.generation {
            self.previous = None;
        }
        changed
    }
}

/// The local ufrag that a check names, without believing it yet: for finding the transport it is meant for.
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

/// A binding request with a right fingerprint, and nothing else.
fn parse(datagram: &[u8]) -> Result<Message<'_>, Discard> {
    let message = Message::from_bytes(datagram).map_err(|error| match error {
        StunParseError::FingerprintMismatch => Discard::StunFingerprint,
        StunParseError::Truncated { .. } => Discard::Truncated,
        _ => Discard::StunMalformed,
    })?;
    // The library reads attributes to the end of the datagram; RFC 8489 s5 says that the header names that end.
    let length = datagram.get(2..4).map_or(0, |bytes| bytes.iter().fold(0, |n, &byte| n << 8 | usize::from(byte)));
    if length.saturating_add(20) != datagram.len() {
        return Err(Discard::StunMalformed);
    }
    if !message.has_class(MessageClass::Request) || !message.has_method(BINDING) {
        return Err(Discard::StunUnexpected);
    }
    if !message.has_attribute(Fingerprint::TYPE) {
        return Err(Discard::StunFingerprint);
    }
    Ok(message)
}

fn priority(message: &Message) -> u32 {
    let value = message.raw_attribute(PRIORITY).and_then(|attribute| <[u8; 4]>::try_from(&*attribute.value).ok());
    value.map_or(0, u32::from_be_bytes)
}

/// Why a check with the right password is refused all the same.
enum Refusal {
    /// 420: it needs to be understood, and is not (RFC 8489 s6.3.1).
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
    // A socket of both IP versions shows IPv4 peers as ::ffff:a.b.c.d, which is not how they know themselves.
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
