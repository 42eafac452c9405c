"""The controlling half of ICE (RFC 8445): binding requests (RFC 8489) and answers to those of the server."""

import hmac
import ipaddress
import secrets
import struct
import zlib

MAGIC_COOKIE = 0x2112_A442
BINDING_REQUEST = 0x0001
BINDING_SUCCESS = 0x0101
BINDING_ERROR = 0x0111

USERNAME = 0x0006
MESSAGE_INTEGRITY = 0x0008
XOR_MAPPED_ADDRESS = 0x0020
PRIORITY = 0x0024
USE_CANDIDATE = 0x0025
FINGERPRINT = 0x8028
ICE_CONTROLLING = 0x802A

FINGERPRINT_XOR = 0x5354_554E
INTEGRITY_SIZE = 24
FINGERPRINT_SIZE = 8
HEADER = struct.Struct("!HHI12s")

PEER_REFLEXIVE_PRIORITY = 110 << 24 | 65_535 << 8 | 255
"""RFC 8445 s5.1.2.1."""


def new_transaction() -> bytes:
    return secrets.token_bytes(12)


def binding_request(
    transaction: bytes, username: str, password: str, tie_breaker: int, *, nominate: bool = True
) -> bytes:
    """Returns a connectivity check (RFC 8445 s7.2.2). `username` is "theirs:ours", `password` is theirs."""
    body = _attribute(USERNAME, username.encode())
    body += _attribute(PRIORITY, PEER_REFLEXIVE_PRIORITY.to_bytes(4))
    body += _attribute(ICE_CONTROLLING, tie_breaker.to_bytes(8))
    if nominate:
        body += _attribute(USE_CANDIDATE, b"")
    return _signed(BINDING_REQUEST, transaction, body, password)


def binding_success(transaction: bytes, address: str, port: int, password: str) -> bytes:
    """Returns the response to a request from this address (RFC 8489 s14.2), signed with our password."""
    remote = ipaddress.ip_address(address)
    pad = (MAGIC_COOKIE.to_bytes(4) + transaction)[: len(remote.packed)]
    seen = bytes(a ^ b for a, b in zip(remote.packed, pad, strict=True))
    value = struct.pack("!HH", 1 if remote.version == 4 else 2, port ^ MAGIC_COOKIE >> 16) + seen
    return _signed(BINDING_SUCCESS, transaction, _attribute(XOR_MAPPED_ADDRESS, value), password)


def verify(datagram: bytes, password: str) -> tuple[int, bytes]:
    """Verifies the integrity of a message. Returns its type and transaction. Raises ValueError with a sentence."""
    if len(datagram) < HEADER.size:
        raise ValueError("a STUN message is shorter than its header")
    type_, length, cookie, transaction = HEADER.unpack_from(datagram)
    if cookie != MAGIC_COOKIE or HEADER.size + length != len(datagram):
        raise ValueError("a STUN message has a wrong cookie or length")
    at = HEADER.size
    while at + 4 <= len(datagram):
        attribute, size = struct.unpack_from("!HH", datagram, at)
        if attribute == MESSAGE_INTEGRITY:
            signed = _header(type_, at - HEADER.size + INTEGRITY_SIZE, transaction) + datagram[HEADER.size : at]
            if not hmac.compare_digest(hmac.digest(password.encode(), signed, "sha1"), datagram[at + 4 : at + 24]):
                raise ValueError("a STUN message has a wrong MESSAGE-INTEGRITY")
            return type_, transaction
        at += 4 + size + -size % 4
    raise ValueError("a STUN message has no MESSAGE-INTEGRITY")


def _signed(type_: int, transaction: bytes, body: bytes, password: str) -> bytes:
    signed = _header(type_, len(body) + INTEGRITY_SIZE, transaction) + body
    body += _attribute(MESSAGE_INTEGRITY, hmac.digest(password.encode(), signed, "sha1"))
    summed = _header(type_, len(body) + FINGERPRINT_SIZE, transaction) + body
    return summed + _attribute(FINGERPRINT, (zlib.crc32(summed) ^ FINGERPRINT_XOR).to_bytes(4))


def _header(type_: int, length: int, transaction: bytes) -> bytes:
    return HEADER.pack(type_, length, MAGIC_COOKIE, transaction)


def _attribute(type_: int, value: bytes) -> bytes:
    return struct.pack("!HH", type_, len(value)) + value + bytes(-len(value) % 4)
