"""The client side of DTLS-SRTP (RFC 5764) over OpenSSL: datagrams in, datagrams and SRTP keys out. No socket."""

import datetime
from dataclasses import dataclass
from functools import cache

import pylibsrtp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

MTU = 1200
"""The maximum size of our datagrams in octets."""
RECORD_HEADER = 13
"""RFC 6347 s4.1: the length of the record is in its last two octets."""

CIPHERS = b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"


class HandshakeError(Exception):
    """The peer refused the handshake, or we did. The sentence says which."""


@dataclass(frozen=True, slots=True)
class Profile:
    """An SRTP protection profile (RFC 7714 s14.2, RFC 5764 s4.1.2), by OpenSSL's name."""

    name: bytes
    key: int
    salt: int
    policy: int


PROFILES = (
    Profile(b"SRTP_AEAD_AES_128_GCM", 16, 12, pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM),
    Profile(b"SRTP_AEAD_AES_256_GCM", 32, 12, pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM),
    Profile(b"SRTP_AES128_CM_SHA1_80", 16, 14, pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80),
)


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and the TLS context that its connections share."""

    context: SSL.Context
    fingerprint: str
    """SHA-256, in the format of a=fingerprint."""


@cache
def identity(profiles: tuple[Profile, ...] = PROFILES) -> Identity:
    """Returns the certificate of the whole process. It is shared, because creating one costs as much as a handshake."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loadtest")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_options(SSL.OP_NO_TICKET)
    # Certificates are self-signed. Their fingerprint is checked after the handshake.
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
    context.use_certificate(certificate)
    context.use_privatekey(key)
    context.set_cipher_list(CIPHERS)
    context.set_tlsext_use_srtp(b":".join(profile.name for profile in profiles))
    return Identity(context, colons(certificate.fingerprint(hashes.SHA256())))


def colons(digest: bytes) -> str:
    return digest.hex(":").upper()


class Handshake:
    """One DTLS association in the client role."""

    def __init__(self, identity: Identity, expected: str) -> None:
        """`expected`: the SHA-256 fingerprint of the answer."""
        self._ssl = SSL.Connection(identity.context)
        self._ssl.set_connect_state()
        self._ssl.set_ciphertext_mtu(MTU)
        self._expected = expected
        self.sessions: tuple[pylibsrtp.Session, pylibsrtp.Session] | None = None
        """The SRTP sessions to send and to receive, after the handshake."""
        self.is_closed = False
        """The peer sent close_notify, or a fatal alert."""

    def start(self) -> list[bytes]:
        return self._advance()

    def receive(self, datagram: bytes) -> list[bytes]:
        """Handles a datagram. Returns the datagrams to send. Raises HandshakeError."""
        self._ssl.bio_write(datagram)
        return self._advance()

    def timeout(self) -> float | None:
        """Returns the seconds until our last flight must be sent again."""
        return None if self.sessions else self._ssl.DTLSv1_get_timeout()

    def handle_timeout(self) -> list[bytes]:
        self._ssl.DTLSv1_handle_timeout()
        return self._flush()

    def close(self) -> list[bytes]:
        """Returns the datagrams of a close_notify."""
        try:
            self._ssl.shutdown()
        except SSL.Error:
            return []
        return self._flush()

    def _advance(self) -> list[bytes]:
        try:
            if self.sessions:
                self._ssl.recv(1)
            else:
                self._ssl.do_handshake()
                self._finish()
        except SSL.WantReadError:
            pass
        except (SSL.ZeroReturnError, SSL.Error) as error:
            self.is_closed = True
            if not self.sessions:
                raise HandshakeError(f"the DTLS handshake failed: {error}") from None
        return self._flush()

    def _finish(self) -> None:
        certificate = self._ssl.get_peer_certificate(as_cryptography=True)
        if certificate is None or colons(certificate.fingerprint(hashes.SHA256())) != self._expected:
            raise HandshakeError("the server's certificate is not the one of its answer")
        name = self._ssl.get_selected_srtp_profile()
        profile = next((one for one in PROFILES if one.name == name), None)
        if profile is None:
            raise HandshakeError("no SRTP protection profile was agreed upon")
        # RFC 5764 s4.2: client key, server key, client salt, server salt.
        keys, size = 2 * profile.key, profile.key + profile.salt
        material = self._ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * size, None)
        ours = material[: profile.key] + material[keys : keys + profile.salt]
        theirs = material[profile.key : keys] + material[keys + profile.salt :]
        self.sessions = (
            _session(profile, ours, pylibsrtp.Policy.SSRC_ANY_OUTBOUND),
            _session(profile, theirs, pylibsrtp.Policy.SSRC_ANY_INBOUND),
        )

    def _flush(self) -> list[bytes]:
        """Returns the pending records as datagrams, with as many in each as fit. The memory BIO does not separate
        datagrams."""
        datagrams: list[bytes] = []
        try:
            records = self._ssl.bio_read(65_536)
        except SSL.WantReadError:
            return datagrams
        start = end = 0
        while end + RECORD_HEADER <= len(records):
            next_end = end + RECORD_HEADER + int.from_bytes(records[end + 11 : end + RECORD_HEADER])
            if next_end - start > MTU and end > start:
                datagrams.append(records[start:end])
                start = end
            end = next_end
        return [*datagrams, records[start:end]]


def _session(profile: Profile, key: bytes, direction: int) -> pylibsrtp.Session:
    policy = pylibsrtp.Policy(key=key, ssrc_type=direction, srtp_profile=profile.policy)
    policy.window_size = 1024
    policy.allow_repeat_tx = True
    return pylibsrtp.Session(policy)
