//! Checks of a finished handshake: the peer's certificate against its fingerprints (RFC 8122), and the export of the
//! shared media keys (RFC 5764).

use boring::hash::MessageDigest;
use boring::srtp::SrtpProfileId;
use boring::ssl::SslRef;

use crate::command::{DtlsRole, Fingerprint, Hash};
use crate::srtp::{Keys, Master, Profile};

/// The label of the exporter (RFC 5764 s4.2).
const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";

/// True if the peer's certificate matches all fingerprints and there is at least one fingerprint (RFC 8122 s5).
pub(super) fn is_expected(ssl: &SslRef, fingerprints: &[Fingerprint]) -> bool {
    let Some(certificate) = ssl.peer_certificate() else {
        return false;
    };
    let matches = |expected: &Fingerprint| {
        let hash = match expected.hash {
            Hash::Sha256 => MessageDigest::sha256(),
            Hash::Sha384 => MessageDigest::sha384(),
            Hash::Sha512 => MessageDigest::sha512(),
        };
        certificate.digest(hash).is_ok_and(|digest| *digest == *expected.digest)
    };
    !fingerprints.is_empty() && fingerprints.iter().all(matches)
}

/// Exports the SRTP keys in the order of RFC 5764 s4.2: client key, server key, client salt, server salt. Returns
/// `None` if no supported SRTP profile was selected.
pub(super) fn export_keys(ssl: &SslRef, role: DtlsRole) -> Option<Keys> {
    let profile = match ssl.selected_srtp_profile()?.id() {
        SrtpProfileId::SRTP_AEAD_AES_128_GCM => Profile::Aes128Gcm,
        SrtpProfileId::SRTP_AEAD_AES_256_GCM => Profile::Aes256Gcm,
        SrtpProfileId::SRTP_AES128_CM_SHA1_80 => Profile::Aes128CmSha1_80,
        _ => return None,
    };
    let mut material = vec![0; 2 * (profile.key_length() + profile.salt_length())];
    ssl.export_keying_material(&mut material, EXPORTER_LABEL, None).ok()?;
    let (keys, salts) = material.split_at(2 * profile.key_length());
    let (client_key, server_key) = keys.split_at(profile.key_length());
    let (client_salt, server_salt) = salts.split_at(profile.salt_length());
    let client = Master { key: client_key.to_vec(), salt: client_salt.to_vec() };
    let server = Master { key: server_key.to_vec(), salt: server_salt.to_vec() };
    let (local, remote) = match role {
        DtlsRole::Client => (client, server),
        DtlsRole::Server => (server, client),
    };
    Some(Keys { profile, local, remote })
}
