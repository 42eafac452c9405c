//! ICE (RFC 8445) and consent (RFC 7675): which peers may send to a transport, where we send, and whether a peer is
//! still present.

pub mod agent;
pub mod binding;
pub mod consent;
pub mod framing;
pub mod measuring;
pub mod paths;
pub mod sending;

pub use agent::{Agent, Answer};
pub use consent::Consent;
