//! ICE: who may send to a transport, where to send, and whether anybody is still there (RFC 8445, 7675).

pub mod agent;
pub mod consent;
pub mod paths;
pub mod sending;

pub use agent::{Agent, Answer, username};
pub use consent::Consent;
