//! SRTP and SRTCP: RFC 3711, with the AEAD profiles of RFC 7714.

mod cipher;
pub mod context;
mod counter;
pub mod kdf;
pub mod replay;
mod streams;

use std::fmt;

#[cfg(test)]
pub(crate) use context::MOST_MEMORY;
pub use context::{Inbound, Outbound};

/// A protection profile, negotiated by DTLS (RFC 5764 s4.1.2, RFC 7714 s14.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Profile {
    Aes128Gcm,
    Aes256Gcm,
    Aes128CmSha1_80,
}

impl Profile {
    /// The length of a master key in octets.
    pub const fn key_length(self) -> usize {
        match self {
            Profile::Aes128Gcm | Profile::Aes128CmSha1_80 => 16,
            Profile::Aes256Gcm => 32,
        }
    }

    /// The length of a master salt in octets.
    pub const fn salt_length(self) -> usize {
        match self {
            Profile::Aes128Gcm | Profile::Aes256Gcm => 12,
            Profile::Aes128CmSha1_80 => 14,
        }
    }

    /// The length of the authentication tag of an RTP packet in octets.
    pub const fn tag_length(self) -> usize {
        match self {
            Profile::Aes128Gcm | Profile::Aes256Gcm => 16,
            Profile::Aes128CmSha1_80 => 10,
        }
    }
}

/// A master key and its salt, with the lengths of the profile.
#[derive(Clone, PartialEq, Eq)]
pub struct Master {
    pub key: Vec<u8>,
    pub salt: Vec<u8>,
}

impl fmt::Debug for Master {
    /// Does not print the key, so that it cannot reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Master(..)")
    }
}

/// The result of a DTLS handshake: `local` encrypts what we send, `remote` decrypts what the peer sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Keys {
    pub profile: Profile,
    pub local: Master,
    pub remote: Master,
}
