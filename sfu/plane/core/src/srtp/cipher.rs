//! The ciphers of one direction, for RTP or RTCP: how a profile encrypts one packet (RFC 3711 s4, RFC 7714 s8 and s9).
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use boring::aead::{AeadCtx, Algorithm};
use boring::memcmp;

use super::counter::{Counter, Mac};
use super::kdf::{Label, derive, derive_key};
use super::{Master, Profile};
use crate::discard::Discard;

/// The length of the unencrypted part of RTCP: the fixed header and the sender's SSRC.
pub const RTCP_HEADER: usize = 8;
/// The length of the word after (CM: before) an SRTCP tag: the E flag and the index (RFC 3711 s3.4).
pub const RTCP_INDEX: usize = 4;
/// Set if the payload is encrypted.
const E_FLAG: u32 = 1 << 31;

const GCM_TAG: usize = Profile::Aes128Gcm.tag_length();
const CM_TAG: usize = Profile::Aes128CmSha1_80.tag_length();

/// Encrypts or decrypts with the keys of one direction, for RTP or for RTCP. It keeps no history: the contexts ensure
/// that an index encrypts only once and is accepted only once.
pub enum Cipher {
    Gcm { aead: AeadCtx, salt: [u8; 12] },
    Cm { counter: Box<Counter>, mac: Mac, salt: [u8; 14] },
}

impl Cipher {
    pub fn rtp(profile: Profile, master: &Master) -> Cipher {
        Self::new(profile, master, Label::RtpEncryption, Label::RtpAuthentication, Label::RtpSalt)
    }

    pub fn rtcp(profile: Profile, master: &Master) -> Cipher {
        Self::new(profile, master, Label::RtcpEncryption, Label::RtcpAuthentication, Label::RtcpSalt)
    }

    fn new(profile: Profile, master: &Master, encryption: Label, authentication: Label, salt: Label) -> Cipher {
        let key = derive_key(master, encryption);
        match profile {
            Profile::Aes128Gcm | Profile::Aes256Gcm => Self::gcm(profile, &key, derive(master, salt)),
            Profile::Aes128CmSha1_80 => Self::cm(&key, &derive(master, authentication), derive(master, salt)),
        }
    }

    /// Creates a GCM cipher from session keys.
    pub(super) fn gcm(profile: Profile, key: &[u8], salt: [u8; 12]) -> Cipher {
        let algorithm = match profile {
            Profile::Aes256Gcm => Algorithm::aes_256_gcm(),
            Profile::Aes128Gcm | Profile::Aes128CmSha1_80 => Algorithm::aes_128_gcm(),
        };
        let aead = AeadCtx::new_default_tag(&algorithm, key).expect("a key of the algorithm's length");
        Cipher::Gcm { aead, salt }
    }

    pub(super) fn cm(key: &[u8], authentication: &[u8; 20], salt: [u8; 14]) -> Cipher {
        Cipher::Cm { counter: Box::new(Counter::new(key)), mac: Mac::new(authentication), salt }
    }

    pub fn tag_length(&self) -> usize {
        match self {
            Cipher::Gcm { .. } => GCM_TAG,
            Cipher::Cm { .. } => CM_TAG,
        }
    }

    /// Encrypts `packet[header_length..length]` in place and writes the tag behind it. Returns the length of packet and
    /// tag, or `None` if there is no room for the tag or the library failed; the contents of the packet must not be
    /// sent then.
    pub fn seal_rtp(
        &mut self,
        packet: &mut [u8],
        header_length: usize,
        length: usize,
        ssrc: u32,
        index: u64,
    ) -> Option<usize> {
        let (clear, tag) = packet.split_at_mut_checked(length)?;
        let tag = tag.get_mut(..self.tag_length())?;
        match self {
            Cipher::Gcm { aead, salt } => {
                let (header, payload) = clear.split_at_mut_checked(header_length)?;
                aead.seal_in_place_mut(&gcm_rtp_iv(salt, ssrc, index), payload, tag, header).ok()?;
            }
            Cipher::Cm { counter, mac, salt } => {
                let (_, payload) = clear.split_at_mut_checked(header_length)?;
                counter.apply(&cm_iv(salt, ssrc, index), payload);
                copy_start(tag, &mac.tag(clear, &rollover(index)));
            }
        }
        Some(length.saturating_add(self.tag_length()))
    }

    /// Verifies and decrypts in place. Returns the length of the decrypted packet. After an error the payload is
    /// unusable.
    pub fn open_rtp(
        &mut self,
        packet: &mut [u8],
        header_length: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, Discard> {
        let length = packet.len().checked_sub(self.tag_length()).ok_or(Discard::Truncated)?;
        let (sealed, tag) = packet.split_at_mut_checked(length).ok_or(Discard::Truncated)?;
        if sealed.len() < header_length {
            return Err(Discard::Truncated);
        }
        match self {
            Cipher::Gcm { aead, salt } => {
                let (header, payload) = sealed.split_at_mut(header_length);
                aead.open_in_place_mut(&gcm_rtp_iv(salt, ssrc, index), payload, tag, header)
                    .map_err(|_| Discard::SrtpAuth)?;
            }
            Cipher::Cm { counter, mac, salt } => {
                verify(tag, &mac.tag(sealed, &rollover(index)))?;
                let (_, payload) = sealed.split_at_mut(header_length);
                counter.apply(&cm_iv(salt, ssrc, index), payload);
            }
        }
        Ok(length)
    }

    /// Encrypts an RTCP compound (at least 8 octets) and appends tag and index. Returns false if the library failed;
    /// the compound must not be sent then.
    #[must_use]
    pub fn seal_rtcp(&mut self, compound: &mut Vec<u8>, ssrc: u32, index: u32) -> bool {
        let word = (index | E_FLAG).to_be_bytes();
        let length = compound.len();
        match self {
            Cipher::Gcm { aead, salt } => {
                compound.resize(length.saturating_add(GCM_TAG), 0);
                let (clear, tag) = compound.split_at_mut(length);
                let (header, payload) = clear.split_at_mut(RTCP_HEADER);
                let associated = gcm_rtcp_associated(header, word);
                let sealed = aead.seal_in_place_mut(&gcm_rtcp_iv(salt, ssrc, index), payload, tag, &associated);
                if sealed.is_err() {
                    return false;
                }
                compound.extend_from_slice(&word);
            }
            Cipher::Cm { counter, mac, salt } => {
                let (_, payload) = compound.split_at_mut(RTCP_HEADER);
                counter.apply(&cm_iv(salt, ssrc, u64::from(index)), payload);
                compound.extend_from_slice(&word);
                let tag = mac.tag(compound, &[]);
                compound.extend(tag.into_iter().take(CM_TAG));
            }
        }
        true
    }

    /// The index of an SRTCP packet, which is not yet verified. An unencrypted packet is rejected, because both ends
    /// negotiated encryption.
    pub fn rtcp_index(&self, packet: &[u8]) -> Result<u32, Discard> {
        let behind = match self {
            Cipher::Gcm { .. } => 0,
            Cipher::Cm { .. } => CM_TAG,
        };
        let end = packet.len().checked_sub(behind).ok_or(Discard::Truncated)?;
        let (_, word) = packet.get(..end).and_then(<[u8]>::split_last_chunk).ok_or(Discard::Truncated)?;
        let word = u32::from_be_bytes(*word);
        if word & E_FLAG == 0 { Err(Discard::SrtpAuth) } else { Ok(word & !E_FLAG) }
    }

    /// Verifies and decrypts in place. Returns the length of the decrypted compound.
    pub fn open_rtcp(&mut self, packet: &mut [u8], ssrc: u32, index: u32) -> Result<usize, Discard> {
        let trailer = self.tag_length().saturating_add(RTCP_INDEX);
        let length = packet.len().checked_sub(trailer).filter(|&length| length >= RTCP_HEADER);
        let length = length.ok_or(Discard::Truncated)?;
        let word = (index | E_FLAG).to_be_bytes();
        match self {
            Cipher::Gcm { aead, salt } => {
                let (sealed, trailer) = packet.split_at_mut(length);
                let tag = trailer.get(..GCM_TAG).ok_or(Discard::Truncated)?;
                let (header, payload) = sealed.split_at_mut(RTCP_HEADER);
                let associated = gcm_rtcp_associated(header, word);
                aead.open_in_place_mut(&gcm_rtcp_iv(salt, ssrc, index), payload, tag, &associated)
                    .map_err(|_| Discard::SrtpAuth)?;
            }
            Cipher::Cm { counter, mac, salt } => {
                let (authenticated, tag) = packet.split_at_mut(length.saturating_add(RTCP_INDEX));
                verify(tag, &mac.tag(authenticated, &[]))?;
                let payload = authenticated.get_mut(RTCP_HEADER..length).ok_or(Discard::Truncated)?;
                counter.apply(&cm_iv(salt, ssrc, u64::from(index)), payload);
            }
        }
        Ok(length)
    }
}

/// RFC 7714 s8.1: two zero octets, SSRC, rollover counter, sequence number; xor the salt.
fn gcm_rtp_iv(salt: &[u8; 12], ssrc: u32, index: u64) -> [u8; 12] {
    ((u128::from(ssrc) << 48 | u128::from(index)) ^ wide(salt)).to_be_bytes().last_chunk().copied().unwrap_or_default()
}

/// RFC 7714 s9.1: two zero octets, SSRC, two zero octets, the index; xor the salt.
fn gcm_rtcp_iv(salt: &[u8; 12], ssrc: u32, index: u32) -> [u8; 12] {
    gcm_rtp_iv(salt, ssrc, u64::from(index))
}

/// RFC 7714 s9.2: the unencrypted header, and the word with the index.
fn gcm_rtcp_associated(header: &[u8], word: [u8; RTCP_INDEX]) -> [u8; RTCP_HEADER + RTCP_INDEX] {
    let mut associated = [0; RTCP_HEADER + RTCP_INDEX];
    for (octet, from) in associated.iter_mut().zip(header.iter().chain(&word)) {
        *octet = *from;
    }
    associated
}

/// RFC 3711 s4.1.1: (salt * 2^16) xor (SSRC * 2^64) xor (index * 2^16).
fn cm_iv(salt: &[u8; 14], ssrc: u32, index: u64) -> [u8; 16] {
    ((wide(salt) << 16) ^ (u128::from(ssrc) << 64) ^ (u128::from(index) << 16)).to_be_bytes()
}

fn wide(octets: &[u8]) -> u128 {
    octets.iter().fold(0, |number, &octet| number << 8 | u128::from(octet))
}

/// The upper 32 of the index's 48 bits, which are appended to the authenticated portion (RFC 3711 s4.2).
fn rollover(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

fn verify(tag: &[u8], expected: &[u8; 20]) -> Result<(), Discard> {
    let expected = expected.get(..tag.len()).ok_or(Discard::SrtpAuth)?;
    if memcmp::eq(tag, expected) { Ok(()) } else { Err(Discard::SrtpAuth) }
}

fn copy_start(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::srtp::context::tests::unhex;

    const SALT: &str = "517569642070726f2071756f";
    const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn cipher(profile: Profile) -> Cipher {
        Cipher::gcm(profile, &unhex(KEY)[..profile.key_length()], unhex(SALT).try_into().unwrap())
    }

    /// RFC 7714 s16.1 and s16.2.
    #[test]
    fn srtp_packets_are_those_of_rfc_7714() {
        let header = "8040f17b8041f8d35501a0b2";
        let clear =
            unhex(&format!("{header}47616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573"));
        for (profile, sealed) in [
            (
                Profile::Aes128Gcm,
                concat!(
                    "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833",
                    "899d7f27beb16a9152cf765ee4390cce"
                ),
            ),
            (
                Profile::Aes256Gcm,
                concat!(
                    "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b",
                    "7aa3db36dfffd6b0f9bb7878d7a76c13"
                ),
            ),
        ] {
            let sealed = unhex(&format!("{header}{sealed}"));
            let mut packet = clear.clone();
            packet.resize(clear.len() + GCM_TAG, 0);
            let mut cipher = cipher(profile);
            assert_eq!(cipher.seal_rtp(&mut packet, 12, clear.len(), 0x5501_a0b2, 0xf17b), Some(sealed.len()));
            assert_eq!(packet, sealed, "{profile:?}");
            assert_eq!(cipher.open_rtp(&mut packet, 12, 0x5501_a0b2, 0xf17b), Ok(clear.len()));
            assert_eq!(packet[..clear.len()], clear, "{profile:?}");
        }
    }

    /// RFC 7714 s17.1 and s17.2.
    #[test]
    fn srtcp_packets_are_those_of_rfc_7714() {
        let clear = unhex(concat!(
            "81c8000d4d6172734e5450314e545032525450200000042a0000e930",
            "4c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef"
        ));
        for (profile, sealed) in [
            (
                Profile::Aes128Gcm,
                concat!(
                    "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda",
                    "4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4"
                ),
            ),
            (
                Profile::Aes256Gcm,
                concat!(
                    "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be",
                    "8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4"
                ),
            ),
        ] {
            let mut packet = clear.clone();
            let mut cipher = cipher(profile);
            assert!(cipher.seal_rtcp(&mut packet, 0x4d61_7273, 0x5d4));
            assert_eq!(packet, unhex(sealed), "{profile:?}");
            assert_eq!(cipher.rtcp_index(&packet), Ok(0x5d4));
            assert_eq!(cipher.open_rtcp(&mut packet, 0x4d61_7273, 0x5d4), Ok(clear.len()));
            assert_eq!(packet[..clear.len()], clear, "{profile:?}");
        }
    }

    /// RFC 7714 s17.3: tagged, not encrypted.
    #[test]
    fn srtcp_in_clear_is_refused() {
        let packet = unhex(concat!(
            "81c8000d4d6172734e5450314e545032525450200000042a0000e930",
            "4c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
            "841dd9683dd78ec92ae58790125f62b3000005d4"
        ));
        assert_eq!(cipher(Profile::Aes128Gcm).rtcp_index(&packet), Err(Discard::SrtpAuth));
    }
}
