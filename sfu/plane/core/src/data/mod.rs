//! Data channels: SCTP (RFC 8831), the opening of channels (RFC 8832), their limits, and where messages go.

pub mod association;
pub mod channel;
pub mod channels;
pub mod dcep;
pub mod rate;
pub mod route;
#[cfg(test)]
mod tests;

pub use channels::{Data, Event, PeerIds};
pub use route::{Delivery, deliver};
