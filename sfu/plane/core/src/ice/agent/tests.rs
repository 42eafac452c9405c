//! Checks of a browser and of other clients, and the agent's answers.

use proptest::prelude::*;
use stun_types::attribute::{
    AttributeStaticType, AttributeType, AttributeWriteExt, ErrorCode, Fingerprint, RawAttribute, UnknownAttributes,
    Username, XorMappedAddress,
};
use stun_types::message::{BINDING, IntegrityAlgorithm, MessageWrite, MessageWriteExt, MessageWriteVec};

use super::*;
use crate::ice::binding::{PRIORITY, USE_CANDIDATE, username};
use crate::ice::paths::{Move, Paths};

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
    Path::udp(([127, 0, 0, 1], 7882).into(), ([192, 0, 2, 1], port).into())
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
        let answer = agent.handle_request(&request, from, false, Instant::now()).unwrap();
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
    let answer = agent.handle_request(&request, path(1), false, Instant::now()).unwrap();
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
    let response = Message::builder_success(&Message::from_bytes(&request).unwrap(), MessageWriteVec::new()).finish();
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
        let answer = agent.handle_request(datagram, path(1), false, Instant::now());
        assert_eq!(answer.err(), Some(*discard), "row {index}");
    }
    assert!(!agent.is_valid(&path(1)));
}

#[test]
fn an_unknown_attribute_that_must_be_understood_is_refused_and_named() {
    let mut agent = Agent::new(credentials("ours"));
    let needed = check("ours").with(AttributeType::new(0x7123), &[0; 4]).bytes();
    let answer = agent.handle_request(&needed, path(1), false, Instant::now()).unwrap();
    assert_eq!(error_code(&answer), 420);
    let response = Message::from_bytes(&answer.response).unwrap();
    assert!(response.attribute::<UnknownAttributes>().unwrap().has_attribute(AttributeType::new(0x7123)));
    // Chromium's GOOG-NETWORK-INFO need not be understood.
    let optional = check("ours").with(AttributeType::new(0xC057), &[0; 4]).bytes();
    assert!(agent.handle_request(&optional, path(1), false, Instant::now()).unwrap().validated);
}

/// Nominates pairs in this order (milliseconds, port, priority) while the peer is heard on each, and returns where we
/// sent after each.
fn follow(agent: &mut Agent, ufrag: &'static str, start: Instant, steps: &[(u64, u16, u32)]) -> Vec<u16> {
    let mut chosen = Vec::new();
    for &(at, port, priority) in steps {
        let before = agent.selected();
        let request = check(ufrag).nominating(priority).bytes();
        let answer = agent.handle_request(&request, path(port), false, start + ms(at)).unwrap();
        agent.paths_mut().prove(&path(port), start + ms(at));
        agent.settle(start + ms(at));
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
    let steps = [(0, 1, HIGH), (1_900, 1, HIGH), (2_500, 2, LOW), (3_000, 2, LOW), (3_950, 2, LOW), (4_500, 2, LOW)];
    assert_eq!(follow(&mut agent, "ours", Instant::now(), &steps), [1, 1, 1, 1, 2, 2]);
}

#[test]
fn a_path_without_proof_is_not_tried_while_the_peer_is_heard_on_any_other() {
    let (start, mut paths) = (Instant::now(), Paths::default());
    for port in [1, 2, 3] {
        paths.checked(path(port), 0, start);
    }
    paths.want(path(1), start);
    paths.prove(&path(1), start);
    paths.want(path(3), start + ms(100));
    paths.prove(&path(2), start + ms(700));
    assert_eq!(paths.poll_timeout(), Some(start + ms(1_700)));
    assert_eq!(paths.settle(start + ms(1_699)), None);
    assert_eq!(paths.settle(start + ms(1_700)), Some(Move::Tried));
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
    let plain = agent.handle_request(&check("new").bytes(), path(2), false, start + ms(200)).unwrap();
    assert!(plain.validated && plain.nominated.is_none());
    assert_eq!(agent.selected(), Some(path(1)));

    assert_eq!(follow(&mut agent, "new", start, &[(300, 2, LOW)]), [2], "whatever its priority");
    assert_eq!(agent.local_ufrags().collect::<Vec<_>>(), ["new"]);
    let late = agent.handle_request(&check("old").nominating(HIGH).bytes(), path(1), false, start + ms(400));
    assert_eq!(late.err(), Some(Discard::StunUnknownUser));
    assert!(agent.is_valid(&path(1)), "packets under way on the old path are still believed");
}

#[test]
fn a_peer_with_many_addresses_keeps_the_one_in_use_and_the_latest() {
    let start = Instant::now();
    let mut agent = Agent::new(credentials("ours"));
    follow(&mut agent, "ours", start, &[(0, 1, HIGH)]);
    for port in 2..100 {
        agent.handle_request(&check("ours").bytes(), path(port), false, start + ms(port.into())).unwrap();
    }
    let valid = (1..100).filter(|&port| agent.is_valid(&path(port))).collect::<Vec<_>>();
    assert_eq!(valid.len(), crate::limits::VALID_PATHS);
    assert_eq!((valid[0], valid[1]), (1, 85));
}

proptest! {
    #[test]
    fn no_datagram_makes_the_agent_panic(datagram in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut agent = Agent::new(credentials("ours"));
        let _ = username(&datagram);
        prop_assert!(agent.handle_request(&datagram, path(1), false, Instant::now()).is_err());
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
        prop_assert!(agent.handle_request(&datagram, path(1), false, Instant::now()).is_err());
        prop_assert!(!agent.is_valid(&path(1)));
    }
}
