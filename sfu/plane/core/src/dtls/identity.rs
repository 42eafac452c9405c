//! The self-signed certificate of the process, and the library contexts that DTLS sessions are created from.

use std::fmt;

use boring::asn1::{Asn1Integer, Asn1Time};
use boring::bn::{BigNum, MsbOption};
use boring::ec::{EcGroup, EcKey};
use boring::error::ErrorStack;
use boring::hash::MessageDigest;
use boring::nid::Nid;
use boring::pkey::{PKey, PKeyRef, Private};
use boring::ssl::{SslContext, SslContextBuilder, SslMethod, SslOptions, SslSessionCacheMode, SslVersion};
use boring::x509::{X509, X509Name};

use super::ffi;
use crate::command::DtlsRole;

/// In our order of preference, which decides when we are the DTLS server. GStreamer 1.22 offers only the last profile.
const SRTP_PROFILES: &str = "SRTP_AEAD_AES_128_GCM:SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_SHA1_80";

/// Post-quantum key exchange first, in the order that browsers offer.
pub(super) const SERVER_CURVES: &str = "X25519MLKEM768:X25519:P-256:P-384";

/// Without the post-quantum key share (1.2 KB) our ClientHello fits one datagram. Browsers let us be the server; a peer
/// that makes us the client runs an older library, and several of those do not reassemble a ClientHello.
const CLIENT_CURVES: &str = "X25519:P-256:P-384";

/// The library failed to create a key or a certificate.
#[derive(Debug)]
pub struct Error(ErrorStack);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the DTLS certificate could not be made: {}", self.0)
    }
}

impl std::error::Error for Error {}

impl From<ErrorStack> for Error {
    fn from(error: ErrorStack) -> Error {
        Error(error)
    }
}

/// The certificate and contexts of the process, shared by all sessions of all workers.
pub struct Identity {
    client: SslContext,
    server: SslContext,
    fingerprint: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

impl Identity {
    /// Generates a key and its certificate. The key is ECDSA P-256, because RSA costs half a millisecond per handshake.
    pub fn generate() -> Result<Identity, Error> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
        Self::configured(&key, |_| Ok(()))
    }

    /// Creates the identity of this key. `configure` is applied to each context last, so it can override the defaults.
    pub(super) fn configured(
        key: &PKeyRef<Private>,
        configure: impl Fn(&mut SslContextBuilder) -> Result<(), ErrorStack>,
    ) -> Result<Identity, Error> {
        let certificate = self_signed(key)?;
        let digest = certificate.digest(MessageDigest::sha256())?;
        let fingerprint: Vec<String> = digest.iter().map(|octet| format!("{octet:02X}")).collect();
        let context = |curves| {
            let mut context = SslContext::builder(SslMethod::dtls())?;
            context.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
            context.set_max_proto_version(Some(SslVersion::DTLS1_3))?;
            context.set_certificate(&certificate)?;
            context.set_private_key(key)?;
            context.set_tlsext_use_srtp(SRTP_PROFILES)?;
            context.set_curves_list(curves)?;
            // A resumed session would skip the certificate check.
            context.set_session_cache_mode(SslSessionCacheMode::OFF);
            context.set_options(SslOptions::NO_TICKET | SslOptions::NO_QUERY_MTU);
            ffi::inject_clock(&mut context);
            configure(&mut context)?;
            Ok::<_, ErrorStack>(context.build())
        };
        Ok(Identity {
            client: context(CLIENT_CURVES)?,
            server: context(SERVER_CURVES)?,
            fingerprint: fingerprint.join(":"),
        })
    }

    pub(super) fn context(&self, role: DtlsRole) -> &SslContext {
        match role {
            DtlsRole::Client => &self.client,
            DtlsRole::Server => &self.server,
        }
    }

    /// The SHA-256 fingerprint of the certificate in the form of `a=fingerprint` (RFC 8122 s5): `AB:CD:…`.
    pub fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }
}

fn self_signed(key: &PKeyRef<Private>) -> Result<X509, ErrorStack> {
    let mut name = X509Name::builder()?;
    name.append_entry_by_nid(Nid::COMMONNAME, "WebRTC")?;
    let name = name.build();
    let mut serial = BigNum::new()?;
    serial.rand(64, MsbOption::MAYBE_ZERO, false)?;

    let mut certificate = X509::builder()?;
    certificate.set_version(2)?;
    certificate.set_serial_number(&*Asn1Integer::from_bn(&serial)?)?;
    certificate.set_subject_name(&name)?;
    certificate.set_issuer_name(&name)?;
    // Trust comes from the fingerprint and the key lives as long as the process, so fixed dates do: the system clock is
    // not read and may be wrong.
    certificate.set_not_before(&*Asn1Time::from_str("20200101000000Z")?)?;
    certificate.set_not_after(&*Asn1Time::from_str("20491231235959Z")?)?;
    certificate.set_pubkey(key)?;
    certificate.sign(key, MessageDigest::sha256())?;
    Ok(certificate.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_is_written_as_sdp_wants_it() {
        let fingerprint = Identity::generate().unwrap().fingerprint();
        let octets: Vec<&str> = fingerprint.split(':').collect();
        assert_eq!(octets.len(), 32);
        assert!(octets.iter().all(|octet| octet.len() == 2 && u8::from_str_radix(octet, 16).is_ok()));
        assert_eq!(fingerprint, fingerprint.to_uppercase());
    }

    #[test]
    fn every_process_has_its_own() {
        assert_ne!(Identity::generate().unwrap().fingerprint(), Identity::generate().unwrap().fingerprint());
    }

    #[test]
    fn workers_can_share_it() {
        fn shared<T: Send + Sync>() {}
        shared::<Identity>();
    }
}
