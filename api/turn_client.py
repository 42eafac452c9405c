"""A client of TURN (RFC 8656): it allocates a relay, permits peers and sends to them. `sfu doctor --turn` uses it.

It blocks, and sends one request at a time.
"""

import hashlib
import hmac
import ipaddress
import secrets
import socket
import ssl
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from api.settings.ice import IceUrl

MAGIC_COOKIE = 0x2112_A442
HEADER = struct.Struct("!HHI12s")

ALLOCATE, REFRESH, CREATE_PERMISSION = 0x003, 0x004, 0x008
SEND_INDICATION, DATA_INDICATION = 0x016, 0x017
SUCCESS, ERROR = 0x100, 0x110
"""Bits of the class of a response (RFC 8489 s5)."""

USERNAME, MESSAGE_INTEGRITY, ERROR_CODE = 0x0006, 0x0008, 0x0009
LIFETIME, XOR_PEER_ADDRESS, DATA, REALM, NONCE = 0x000D, 0x0012, 0x0013, 0x0014, 0x0015
XOR_RELAYED_ADDRESS, REQUESTED_TRANSPORT = 0x0016, 0x0019
UDP = bytes((17, 0, 0, 0))

UNAUTHENTICATED, FORBIDDEN, STALE_NONCE, QUOTA_REACHED = 401, 403, 438, 486

FIRST_TIMEOUT = 0.5
"""Seconds until a datagram is sent again, doubled each time. RFC 8489 s6.2.1."""


_Body = Callable[[bytes], bytes]
"""The attributes of a request that depend on its transaction."""


class TurnError(Exception):
    """The server cannot be reached, or refused a request. `code`: its error code, 0 without a response."""

    def __init__(self, sentence: str, code: int = 0) -> None:
        super().__init__(sentence)
        self.code = code


class CertificateError(TurnError):
    """The certificate of a `turns:` server is not accepted."""


@dataclass(slots=True)
class _Login:
    """The long-term credentials of RFC 8489 s9.2, with what the server said of them."""

    username: str
    password: str
    realm: bytes = b""
    nonce: bytes = b""

    def attributes(self) -> bytes:
        if not self.nonce:
            return b""
        named = (USERNAME, self.username.encode()), (REALM, self.realm), (NONCE, self.nonce)
        return b"".join(_attribute(kind, value) for kind, value in named)

    def key(self) -> bytes:
        return hashlib.md5(b":".join((self.username.encode(), self.realm, self.password.encode()))).digest()


@dataclass(slots=True)
class _Message:
    kind: int
    transaction: bytes
    attributes: dict[int, bytes] = field(default_factory=dict)
    """The first one of each type."""

    def address(self, kind: int) -> tuple[str, int]:
        """Returns an XOR'd address (RFC 8489 s14.2). Raises TurnError if it is missing."""
        value = self.attributes.get(kind, b"")
        if len(value) not in (8, 20):
            raise TurnError("the response has no address")
        pad = (MAGIC_COOKIE.to_bytes(4) + self.transaction)[: len(value) - 4]
        packed = bytes(a ^ b for a, b in zip(value[4:], pad, strict=True))
        return str(ipaddress.ip_address(packed)), int.from_bytes(value[2:4]) ^ MAGIC_COOKIE >> 16

    def error(self) -> tuple[int, str]:
        value = self.attributes.get(ERROR_CODE, bytes(4))
        return value[2] % 8 * 100 + value[3] % 100, value[4:].decode(errors="replace")


class Relay:
    """An allocation on a TURN server: `with Relay.allocate(…) as relay`. Leaving the block frees it."""

    def __init__(self, transport: socket.socket, login: _Login, limit: float) -> None:
        self._socket = transport
        self._is_stream = transport.type == socket.SOCK_STREAM
        self._login = login
        self._limit = limit
        self._buffer = b""
        self._waiting: list[_Message] = []
        """Data that arrived before a response."""
        self.address: tuple[str, int] = ("", 0)
        """The address at which peers see the relay."""

    @classmethod
    def allocate(cls, url: IceUrl, username: str, password: str, *, limit: float = 5.0) -> Self:
        """Raises TurnError. `limit`: seconds for the connection and for each response."""
        relay = cls(_connect(url, limit), _Login(username, password), limit)
        try:
            relay.address = relay._ask(ALLOCATE, _attribute(REQUESTED_TRANSPORT, UDP)).address(XOR_RELAYED_ADDRESS)
        except BaseException:
            relay._socket.close()
            raise
        return relay

    def permit(self, peer: str) -> None:
        """Lets the peer at this address send to the relay and be sent to. Raises TurnError with code 403 if the server
        forbids it."""
        self._ask(CREATE_PERMISSION, lambda transaction: _xor_address(peer, 0, transaction))

    def send(self, peer: str, port: int, payload: bytes) -> None:
        transaction = secrets.token_bytes(12)
        body = _xor_address(peer, port, transaction) + _attribute(DATA, payload)
        self._write(HEADER.pack(SEND_INDICATION, len(body), MAGIC_COOKIE, transaction) + body)

    def receive(self, limit: float) -> tuple[bytes, tuple[str, int]] | None:
        """Returns what a peer sent, and its address. None: nothing arrived within `limit` seconds."""
        message = self._waiting.pop(0) if self._waiting else self._read(time.monotonic() + limit)
        while message is not None and message.kind != DATA_INDICATION:
            message = self._read(time.monotonic() + limit)
        return None if message is None else (message.attributes.get(DATA, b""), message.address(XOR_PEER_ADDRESS))

    def close(self) -> None:
        try:
            self._ask(REFRESH, _attribute(LIFETIME, bytes(4)))
        except (TurnError, OSError):
            pass  # The server frees the relay when its lifetime ends.
        finally:
            self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, method: int, body: bytes | _Body) -> _Message:
        """Sends a request until it is answered. Raises TurnError."""
        for _ in range(3):
            response = self._request(method, body)
            if response.kind == method | SUCCESS:
                return response
            code, reason = response.error()
            # The first 401 has the realm and a nonce. A later one refuses the credentials.
            expected = (STALE_NONCE,) if self._login.nonce else (UNAUTHENTICATED, STALE_NONCE)
            if code not in expected or not response.attributes.get(NONCE):
                raise TurnError(f"the server answers {code} {reason}".rstrip(), code)
            self._login.realm = response.attributes.get(REALM, self._login.realm)
            self._login.nonce = response.attributes[NONCE]
        raise TurnError("the server refuses every nonce that it gives", STALE_NONCE)

    def _request(self, method: int, body: bytes | _Body) -> _Message:
        transaction = secrets.token_bytes(12)
        body = body if isinstance(body, bytes) else body(transaction)
        body += self._login.attributes()
        request = HEADER.pack(method, len(body) + (24 if self._login.nonce else 0), MAGIC_COOKIE, transaction) + body
        if self._login.nonce:
            request += _attribute(MESSAGE_INTEGRITY, hmac.digest(self._login.key(), request, "sha1"))
        end, wait = time.monotonic() + self._limit, FIRST_TIMEOUT
        while (now := time.monotonic()) < end:
            self._write(request)
            until = end if self._is_stream else min(end, now + wait)
            wait *= 2
            while (message := self._read(until)) is not None:
                if message.transaction == transaction:
                    return message
                if message.kind == DATA_INDICATION:
                    self._waiting.append(message)
        raise TurnError(f"the server does not answer within {self._limit:g} s")

    def _write(self, message: bytes) -> None:
        try:
            self._socket.settimeout(self._limit)
            self._socket.sendall(message) if self._is_stream else self._socket.send(message)
        except OSError as error:
            raise TurnError(f"the server cannot be reached: {error.strerror or error}") from None

    def _read(self, until: float) -> _Message | None:
        """Returns the next message. None: there is none until then."""
        while True:
            try:
                self._socket.settimeout(max(until - time.monotonic(), 0.001))
                received = self._socket.recv(65_536)
            except TimeoutError:
                return None
            except OSError as error:
                raise TurnError(f"the server cannot be reached: {error.strerror or error}") from None
            if self._is_stream and not received:
                raise TurnError("the server closed the connection")
            self._buffer = self._buffer + received if self._is_stream else received
            message, self._buffer = _parse(self._buffer)
            if message is not None:
                return message


def _connect(url: IceUrl, limit: float) -> socket.socket:
    kind = socket.SOCK_DGRAM if url.transport == "udp" else socket.SOCK_STREAM
    try:
        family, _, _, _, address = socket.getaddrinfo(url.host, url.port, type=kind)[0]
        transport = socket.socket(family, kind)
    except OSError as error:
        raise TurnError(f"its name is not found: {error.strerror or error}") from None
    try:
        transport.settimeout(limit)
        transport.connect(address)
        if url.is_secure:
            return ssl.create_default_context().wrap_socket(transport, server_hostname=url.host)
    except ssl.SSLCertVerificationError as error:
        transport.close()
        raise CertificateError(f"its certificate is not accepted: {error.verify_message}") from None
    except OSError as error:
        transport.close()
        raise TurnError(f"the server cannot be reached: {error.strerror or error}") from None
    return transport


def _parse(octets: bytes) -> tuple[_Message | None, bytes]:
    """Returns the first message, and the octets behind it. None: it is not complete."""
    if len(octets) < HEADER.size:
        return None, octets
    kind, length, cookie, transaction = HEADER.unpack_from(octets)
    end = HEADER.size + length
    if cookie != MAGIC_COOKIE:
        raise TurnError("what answers is no STUN or TURN server")
    if len(octets) < end:
        return None, octets
    message, at = _Message(kind, transaction), HEADER.size
    while at + 4 <= end:
        attribute, size = struct.unpack_from("!HH", octets, at)
        message.attributes.setdefault(attribute, octets[at + 4 : min(at + 4 + size, end)])
        at += 4 + size + -size % 4
    return message, octets[end:]


def _xor_address(peer: str, port: int, transaction: bytes) -> bytes:
    remote = ipaddress.ip_address(peer)
    pad = (MAGIC_COOKIE.to_bytes(4) + transaction)[: len(remote.packed)]
    packed = bytes(a ^ b for a, b in zip(remote.packed, pad, strict=True))
    value = struct.pack("!HH", 1 if remote.version == 4 else 2, port ^ MAGIC_COOKIE >> 16) + packed
    return _attribute(XOR_PEER_ADDRESS, value)


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)
