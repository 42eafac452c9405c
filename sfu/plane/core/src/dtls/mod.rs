//! DTLS-SRTP (RFC 5764) over BoringSSL: datagrams in, datagrams and keys out.

mod clock;
mod ffi;
pub mod identity;
mod proof;
mod resend;
pub mod session;
#[cfg(test)]
mod tests;

pub use identity::{Error, Identity};
pub use session::{Event, Session};
