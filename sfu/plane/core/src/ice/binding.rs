//! STUN Binding messages (RFC 8489, RFC 8445 s7): reads and checks those of peers, and writes ours.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use stun_types::attribute::{
    Attribute, AttributeStaticType, AttributeType, ErrorCode, Fingerprint, MessageIntegrity, MessageIntegritySha256,
    RawAttribute, UnknownAttributes, Username, XorMappedAddress,
};
use stun_types::message::{
    BINDING, IntegrityAlgorithm, IntegrityKey, Message, MessageClass, MessageType, MessageWrite, MessageWriteExt,
    MessageWriteVec, StunParseError, StunWriteError,
};

use crate::command::Path;
use crate::discard::Discard;

/// RFC 8445 s16.1.
pub(super) const PRIORITY: AttributeType = AttributeType::new(0x0024);
pub(super) const USE_CANDIDATE: AttributeType = AttributeType::new(0x0025);
const ICE_CONTROLLED: AttributeType = AttributeType::new(0x8029);

/// The priority in our requests: that of a peer-reflexive candidate (RFC 8445 s5.1.2.1). No candidate pair is formed
/// from it.
const OUR_PRIORITY: u32 = 0x6E00_01FF;

/// Octets before the attributes of a message (RFC 8489 s5).
pub const HEADER: usize = 20;

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
    let mut rest = datagram.get(HEADER..).ok_or(Discard::Truncated)?;
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

/// Returns the same of a whole check, whose structure and fingerprint are right.
pub fn check(datagram: &[u8]) -> Result<&str, Discard> {
    parse(datagram, MessageClass::Request)?;
    username(datagram)
}

/// Parses a Binding message of this class that has a right fingerprint.
pub fn parse(datagram: &[u8], class: MessageClass) -> Result<Message<'_>, Discard> {
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
    if length.saturating_add(HEADER) != datagram.len() {
        return Err(Discard::StunMalformed);
    }
    if !message.has_class(class) || !message.has_method(BINDING) {
        return Err(Discard::StunUnexpected);
    }
    Ok(message)
}

/// The username of a check, not yet authenticated: `local:remote`.
pub fn user<'a>(message: &'a Message<'_>) -> Result<RawAttribute<'a>, Discard> {
    message.raw_attribute(Username::TYPE).ok_or(Discard::StunUnknownUser)
}

/// True if a check nominates its pair (RFC 8445 s7.1.2).
pub fn nominates(message: &Message) -> bool {
    message.has_attribute(USE_CANDIDATE)
}

/// The priority of a check's pair; 0 without one.
pub fn priority(message: &Message) -> u32 {
    let value = message.raw_attribute(PRIORITY).and_then(|attribute| <[u8; 4]>::try_from(&*attribute.value).ok());
    value.map_or(0, u32::from_be_bytes)
}

/// Why a check with the right password is refused nevertheless.
pub enum Refusal {
    /// 420: a comprehension-required attribute is unknown (RFC 8489 s6.3.1).
    Unknown(AttributeType),
    /// 487: a lite agent is controlled, so the peer must not be (RFC 8445 s7.3.1.1).
    RoleConflict,
}

/// Returns why a check is refused, if it is.
pub fn refusal(message: &Message) -> Option<Refusal> {
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

/// Writes an error response.
pub fn refuse(
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

/// Writes the response to a check that came over this path.
pub fn agree(
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

/// Writes a request of ours, as the controlled agent.
pub fn request(
    transaction: u128,
    username: &str,
    tie_breaker: u64,
    key: &IntegrityKey,
) -> Result<Vec<u8>, StunWriteError> {
    let kind = MessageType::from_class_method(MessageClass::Request, BINDING);
    let mut request = Message::builder(kind, transaction.into(), MessageWriteVec::with_capacity(128));
    request.add_attribute(&Username::new(username)?)?;
    request.add_attribute(&RawAttribute::new(PRIORITY, &OUR_PRIORITY.to_be_bytes()))?;
    request.add_attribute(&RawAttribute::new(ICE_CONTROLLED, &tie_breaker.to_be_bytes()))?;
    sign(request, key, IntegrityAlgorithm::Sha1)
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
