//! The connectivity checks of a simulated participant (RFC 8445), and its answers to those of the server.

use stun_types::attribute::{AttributeType, RawAttribute, Username, XorMappedAddress};
use stun_types::message::ShortTermCredentials;
use stun_types::message::{
    BINDING, IntegrityAlgorithm, Message, MessageClass, MessageWrite, MessageWriteExt, MessageWriteVec,
};

use super::Peer;

const ICE_CONTROLLING: AttributeType = AttributeType::new(0x802A);
const PRIORITY: AttributeType = AttributeType::new(0x0024);
const USE_CANDIDATE: AttributeType = AttributeType::new(0x0025);

impl Peer {
    /// A connectivity check, signed with the server's password.
    pub fn check(&self, nominate: bool) -> Vec<u8> {
        self.check_as(nominate, 1_000, &self.server_pwd)
    }

    pub fn check_as(&self, nominate: bool, priority: u32, password: &str) -> Vec<u8> {
        let mut request = Message::builder_request(BINDING, MessageWriteVec::new());
        let username = format!("{}:{}", self.server_ufrag, self.local_ufrag);
        request.add_attribute(&Username::new(&username).unwrap()).unwrap();
        request.add_attribute(&RawAttribute::new(ICE_CONTROLLING, &[1; 8])).unwrap();
        request.add_attribute(&RawAttribute::new(PRIORITY, &priority.to_be_bytes())).unwrap();
        if nominate {
            request.add_attribute(&RawAttribute::new(USE_CANDIDATE, &[])).unwrap();
        }
        let key = ShortTermCredentials::new(password.to_owned()).make_key();
        request.add_message_integrity_with_key(&key, IntegrityAlgorithm::Sha1).unwrap();
        request.add_fingerprint().unwrap();
        request.finish()
    }

    pub(super) fn handle_stun(&mut self, datagram: &[u8]) {
        let message = Message::from_bytes(datagram).expect("the server's STUN is well formed");
        if !message.has_class(MessageClass::Request) {
            self.checked = true;
            return;
        }
        let username = message.attribute::<Username>().expect("it names us");
        let is_ours = username.username().starts_with(&format!("{}:", self.local_ufrag));
        if let Some(misdirected) = self.misdirected.as_mut().filter(|_| !is_ours) {
            misdirected.push(datagram.to_vec());
            return;
        }
        assert!(is_ours, "it names us");
        let key = ShortTermCredentials::new(self.ice().remote_pwd).make_key();
        message.validate_integrity_with_key(&key).expect("the server knows our password");
        self.asked += 1;
        if self.answers {
            self.outgoing.push_back(answer(&message, &self.ice().remote_pwd));
        }
    }
}

/// The response to a connectivity check, signed with this password.
pub fn answer(request: &Message, password: &str) -> Vec<u8> {
    let mut response = Message::builder_success(request, MessageWriteVec::new());
    let seen = XorMappedAddress::new(([192, 0, 2, 1], 7_882).into(), request.transaction_id());
    response.add_attribute(&seen).unwrap();
    let key = ShortTermCredentials::new(password.to_owned()).make_key();
    response.add_message_integrity_with_key(&key, IntegrityAlgorithm::Sha1).unwrap();
    response.add_fingerprint().unwrap();
    response.finish()
}
