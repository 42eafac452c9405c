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
use crate::time::{Duration, Instant, ms};

/// RFC 8445 s16.1.
const PRIORITY: AttributeType = AttributeType::new(0x0024);
const USE_CANDIDATE: AttributeType = AttributeType::new(0x0025);
const ICE_CONTROLLED: AttributeType = AttributeType::new(0x8029);

/// How many paths of one peer are believed. A phone with two networks and both IP versions has eight.
const MAX_VALID_PATHS: usize = 16;

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
        if self.valid.len() >= MAX_VALID_PATHS {
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
mod tests {
    use proptest::prelude::*;
    use stun_types::attribute::{AttributeWriteExt, RawAttribute};

    use super::*;

    const ICE_CONTROLLING: AttributeType = AttributeType::new(0x802A);
    const LOW: u32 = 1_000;
    const HIGH: u32 = 2_000;

    fn credentials(local: &str) -> IceCredentials {
        IceCredentials {
            local_ufrag: local.into(),
            local_pwd: format!("password-of-{local}-long-enough"),
            remote_ufrag: "peer".into(),
            remote_pwd: "the-password-of-the-peer".into(),
        }
    }

    fn path(port: u16) -> Path {
        Path { local: ([127, 0, 0, 1], 7882).into(), remote: ([192, 0, 2, 1], port).into() }
    }

    #[derive(Clone)]
    struct Check {
        ufrag: &'static str,
        password: String,
        extra: Vec<(AttributeType, Vec<u8>)>,
    }

    fn check(ufrag: &'static str) -> Check {
        let extra = vec![(ICE_CONTROLLING, vec![1; 8])];
        Check { ufrag, password: credentials(ufrag).local_pwd, extra }
    }

    impl Check {
        fn with(mut self, kind: AttributeType, value: &[u8]) -> Self {
            self.extra.push((kind, value.to_vec()));
            self
        }

        fn nominating(self, priority: u32) -> Self {
            self.with(PRIORITY, &priority.to_be_bytes()).with(USE_CANDIDATE, &[])
        }

        fn unfingerprinted(&self) -> MessageWriteVec {
            let mut request = Message::builder_request(BINDING, MessageWriteVec::new());
            request.add_attribute(&Username::new(&format!("{}:peer", self.ufrag)).unwrap()).unwrap();
            for (kind, value) in &self.extra {
                request.add_attribute(&RawAttribute::new(*kind, value)).unwrap();
            }
            let key = ShortTermCredentials::new(self.password.clone()).make_key();
            request.add_message_integrity_with_key(&key, IntegrityAlgorithm::Sha1).unwrap();
            request
        }

        fn bytes(&self) -> Vec<u8> {
            let mut request = self.unfingerprinted();
            request.add_fingerprint().unwrap();
            request.finish()
        }
    }

    fn error_code(answer: &Answer) -> u16 {
        let response = Message::from_bytes(&answer.response).unwrap();
        assert!(response.has_class(MessageClass::Error));
        response.attribute::<ErrorCode>().unwrap().code()
    }

    #[test]
    fn a_check_is_answered_with_the_address_it_came_from_and_signed_with_our_password() {
        let mut agent = Agent::new(credentials("ours"));
        for remote in ["192.0.2.1:9", "[2001:db8::1]:9", "[::ffff:192.0.2.1]:9"] {
            let request = check("ours").bytes();
            let from = Path { remote: remote.parse().unwrap(), ..path(0) };
            assert!(!agent.is_valid(&from));
            let answer = agent.handle_request(&request, from, Instant::now()).unwrap();
            assert!(answer.validated && answer.nominated.is_none() && agent.is_valid(&from));

            let response = Message::from_bytes(&answer.response).unwrap();
            let request = Message::from_bytes(&request).unwrap();
            assert!(response.has_class(MessageClass::Success) && response.has_attribute(Fingerprint::TYPE));
            assert_eq!(response.transaction_id(), request.transaction_id());
            let key = ShortTermCredentials::new(credentials("ours").local_pwd).make_key();
            assert!(response.validate_integrity_with_key(&key).is_ok());
            let seen = response.attribute::<XorMappedAddress>().unwrap().addr(request.transaction_id());
            assert_eq!(seen.ip(), from.remote.ip().to_canonical());
        }
        assert_eq!(agent.selected(), None, "nothing is sent before a nomination");
    }

    #[test]
    fn the_request_of_rfc_5769_passes_but_its_sender_must_take_the_controlling_role() {
        #[rustfmt::skip]
        let request = [
            0x00, 0x01, 0x00, 0x58, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87,
            0xdf, 0xae, 0x80, 0x22, 0x00, 0x10, 0x53, 0x54, 0x55, 0x4e, 0x20, 0x74, 0x65, 0x73, 0x74, 0x20, 0x63, 0x6c,
            0x69, 0x65, 0x6e, 0x74, 0x00, 0x24, 0x00, 0x04, 0x6e, 0x00, 0x01, 0xff, 0x80, 0x29, 0x00, 0x08, 0x93, 0x2f,
            0xf9, 0xb1, 0x51, 0x26, 0x3b, 0x36, 0x00, 0x06, 0x00, 0x09, 0x65, 0x76, 0x74, 0x6a, 0x3a, 0x68, 0x36, 0x76,
            0x59, 0x20, 0x20, 0x20, 0x00, 0x08, 0x00, 0x14, 0x9a, 0xea, 0xa7, 0x0c, 0xbf, 0xd8, 0xcb, 0x56, 0x78, 0x1e,
            0xf2, 0xb5, 0xb2, 0xd3, 0xf2, 0x49, 0xc1, 0xb5, 0x71, 0xa2, 0x80, 0x28, 0x00, 0x04, 0xe5, 0x7a, 0x3b, 0xcf,
        ];
        let mut agent = Agent::new(IceCredentials {
            local_ufrag: "evtj".into(),
            local_pwd: "VOkJxbRl1RmTxUk/WvJxBt".into(),
            remote_ufrag: "h6vY".into(),
            remote_pwd: String::new(),
        });
        assert_eq!(username(&request), Ok("evtj"));
        let answer = agent.handle_request(&request, path(1), Instant::now()).unwrap();
        assert_eq!(error_code(&answer), 487);
        assert!(!answer.validated && !agent.is_valid(&path(1)));
    }

    #[test]
    fn what_cannot_be_believed_gets_no_answer() {
        let mut agent = Agent::new(credentials("ours"));
        let wrong_password = Check { password: "guessed".into(), ..check("ours") }.bytes();
        let mut wrong_fingerprint = check("ours").bytes();
        *wrong_fingerprint.last_mut().unwrap() ^= 1;
        let mut changed = check("ours").unfingerprinted();
        changed.mut_data()[30] ^= 1;
        changed.add_fingerprint().unwrap();
        let request = check("ours").bytes();
        let response =
            Message::builder_success(&Message::from_bytes(&request).unwrap(), MessageWriteVec::new()).finish();
        let table = [
            (wrong_password, Discard::StunIntegrity),
            (check("other").bytes(), Discard::StunUnknownUser),
            (wrong_fingerprint, Discard::StunFingerprint),
            (check("ours").unfingerprinted().finish(), Discard::StunFingerprint),
            (changed.finish(), Discard::StunUnknownUser),
            (response, Discard::StunUnexpected),
            (request[..19].to_vec(), Discard::Truncated),
            (request[..request.len() - 4].to_vec(), Discard::Truncated),
            ([request.as_slice(), &[0; 4]].concat(), Discard::StunMalformed),
            (b"GET / HTTP/1.1\r\n\r\n...".to_vec(), Discard::StunMalformed),
        ];
        for (index, (datagram, discard)) in table.iter().enumerate() {
            let answer = agent.handle_request(datagram, path(1), Instant::now());
            assert_eq!(answer.err(), Some(*discard), "row {index}");
        }
        assert!(!agent.is_valid(&path(1)));
    }

    #[test]
    fn an_unknown_attribute_that_must_be_understood_is_refused_and_named() {
        let mut agent = Agent::new(credentials("ours"));
        let needed = check("ours").with(AttributeType::new(0x7123), &[0; 4]).bytes();
        let answer = agent.handle_request(&needed, path(1), Instant::now()).unwrap();
        assert_eq!(error_code(&answer), 420);
        let response = Message::from_bytes(&answer.response).unwrap();
        assert!(response.attribute::<UnknownAttributes>().unwrap().has_attribute(AttributeType::new(0x7123)));
        // Chromium's GOOG-NETWORK-INFO need not be understood.
        let optional = check("ours").with(AttributeType::new(0xC057), &[0; 4]).bytes();
        assert!(agent.handle_request(&optional, path(1), Instant::now()).unwrap().validated);
    }

    /// Nominates in this order (milliseconds, port, priority), and returns where we sent after each.
    fn follow(agent: &mut Agent, ufrag: &'static str, start: Instant, steps: &[(u64, u16, u32)]) -> Vec<u16> {
        let mut chosen = Vec::new();
        for &(at, port, priority) in steps {
            let before = agent.selected();
            let request = check(ufrag).nominating(priority).bytes();
            let answer = agent.handle_request(&request, path(port), start + ms(at)).unwrap();
            assert_eq!(answer.nominated.is_some(), agent.selected() != before, "only a change is told");
            chosen.push(agent.selected().unwrap().remote.port());
        }
        chosen
    }

    #[test]
    fn of_pairs_nominated_aggressively_the_best_is_used_and_does_not_flap() {
        let mut agent = Agent::new(credentials("ours"));
        let steps = [(0, 1, LOW), (20, 2, HIGH), (40, 1, LOW), (60, 3, LOW), (1_000, 1, LOW), (1_500, 2, HIGH)];
        assert_eq!(follow(&mut agent, "ours", Instant::now(), &steps), [1, 2, 2, 2, 2, 2]);
    }

    #[test]
    fn a_worse_pair_is_followed_once_the_better_one_is_no_longer_nominated() {
        let mut agent = Agent::new(credentials("ours"));
        let steps =
            [(0, 1, HIGH), (1_900, 1, HIGH), (2_500, 2, LOW), (3_000, 2, LOW), (3_950, 2, LOW), (4_500, 2, LOW)];
        assert_eq!(follow(&mut agent, "ours", Instant::now(), &steps), [1, 1, 1, 1, 2, 2]);
    }

    #[test]
    fn after_a_restart_the_old_pair_is_used_until_a_check_with_the_new_credentials_nominates() {
        let start = Instant::now();
        let mut agent = Agent::new(credentials("old"));
        follow(&mut agent, "old", start, &[(0, 1, HIGH)]);
        agent.restart(credentials("lost"));
        agent.restart(credentials("new"));
        agent.restart(credentials("new"));
        assert_eq!(agent.local_ufrags().collect::<Vec<_>>(), ["new", "old"], "the pair in use keeps its credentials");

        assert_eq!(follow(&mut agent, "old", start, &[(100, 1, HIGH)]), [1]);
        let plain = agent.handle_request(&check("new").bytes(), path(2), start + ms(200)).unwrap();
        assert!(plain.validated && plain.nominated.is_none());
        assert_eq!(agent.selected(), Some(path(1)));

        assert_eq!(follow(&mut agent, "new", start, &[(300, 2, LOW)]), [2], "whatever its priority");
        assert_eq!(agent.local_ufrags().collect::<Vec<_>>(), ["new"]);
        let late = agent.handle_request(&check("old").nominating(HIGH).bytes(), path(1), start + ms(400));
        assert_eq!(late.err(), Some(Discard::StunUnknownUser));
        assert!(agent.is_valid(&path(1)), "packets under way on the old path are still believed");
    }

    #[test]
    fn a_peer_with_many_addresses_keeps_the_one_in_use_and_the_latest() {
        let start = Instant::now();
        let mut agent = Agent::new(credentials("ours"));
        follow(&mut agent, "ours", start, &[(0, 1, HIGH)]);
        for port in 2..100 {
            agent.handle_request(&check("ours").bytes(), path(port), start + ms(port.into())).unwrap();
        }
        let valid = (1..100).filter(|&port| agent.is_valid(&path(port))).collect::<Vec<_>>();
        assert_eq!(valid.len(), MAX_VALID_PATHS);
        assert_eq!((valid[0], valid[1]), (1, 85));
    }

    proptest! {
        #[test]
        fn no_datagram_makes_the_agent_panic(datagram in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut agent = Agent::new(credentials("ours"));
            let _ = username(&datagram);
            prop_assert!(agent.handle_request(&datagram, path(1), Instant::now()).is_err());
        }

        #[test]
        fn no_change_to_a_check_is_believed(
            index in 0usize..96, value in 1u8.., length in 0usize..200, mend in any::<bool>()
        ) {
            let mut agent = Agent::new(credentials("ours"));
            let mut datagram = check("ours").nominating(HIGH).bytes();
            let index = index.min(datagram.len() - 9);
            datagram[index] ^= value;
            if mend {
                let end = datagram.len() - 8;
                let fingerprint = Fingerprint::compute(&[&datagram[..end]]);
                Fingerprint::new(fingerprint).write_into(&mut datagram[end..]).unwrap();
            }
            datagram.truncate(length.max(1));
            let _ = username(&datagram);
            prop_assert!(agent.handle_request(&datagram, path(1), Instant::now()).is_err());
            prop_assert!(!agent.is_valid(&path(1)));
        }
    }
}
