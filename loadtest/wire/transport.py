"""One ICE + DTLS + SRTP transport of a client on an asyncio loop: cheap enough for hundreds in a process."""

import asyncio
import contextlib
import ipaddress
import random
import secrets
import socket
from collections.abc import Callable

import pylibsrtp

from loadtest.wire import stun
from loadtest.wire.dtls import Handshake, HandshakeError, Identity
from loadtest.wire.sdp import Remote

TICK = 0.05
"""Seconds between checks for due work before the transport is connected."""
CHECK_TIMEOUT = 0.1
"""Seconds until an unanswered first check is sent again, doubling (RFC 8489 s6.2.1 has 0.5: we are on loopback)."""
CONSENT_INTERVAL = 2.5
"""Seconds, +-20 %, as Chromium has it; RFC 7675 s5.1 says 5."""
RECEIVE_BATCH = 64
"""The number of datagrams read before other tasks run."""
RECEIVE_BUFFER = 1 << 20


class ConnectError(Exception):
    """The transport did not connect. The sentence says what was missing."""


class Transport:
    """`on_rtp` and `on_rtcp` receive encrypted datagrams. Headers are in clear, which is enough for counting.
    `unprotect_rtp` and `unprotect_rtcp` decrypt."""

    def __init__(self, identity: Identity, on_rtp: Callable[[bytes], None], on_rtcp: Callable[[bytes], None]) -> None:
        self.ufrag = secrets.token_hex(4)
        self.password = secrets.token_hex(12)
        self.checks_answered = 0
        self.closed = asyncio.Event()
        """Set when either side has closed the transport."""
        self._identity = identity
        self._on_rtp, self._on_rtcp = on_rtp, on_rtcp
        self._loop = asyncio.get_running_loop()
        self._connected: asyncio.Future[None] = self._loop.create_future()
        self._socket: socket.socket | None = None
        self._remote: Remote | None = None
        self._handshake: Handshake | None = None
        self._outbound: pylibsrtp.Session | None = None
        self._inbound: pylibsrtp.Session | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tie_breaker = secrets.randbits(64)
        self._transaction = b""
        self._check_due = 0.0
        self._check_timeout = CHECK_TIMEOUT

    @property
    def is_connected(self) -> bool:
        return self._outbound is not None and not self.closed.is_set()

    async def connect(self, remote: Remote, limit: float = 10.0) -> None:
        """Returns when media can flow. Raises ConnectError or HandshakeError."""
        self.open(remote)
        self._check()
        self._tick()
        try:
            async with asyncio.timeout(limit):
                await self._connected
        except TimeoutError:
            reason = "no DTLS handshake" if self._handshake else "no answer to our checks"
            raise ConnectError(f"not connected within {limit:g} s: {reason}") from None

    def open(self, remote: Remote) -> None:
        """Opens the socket. Sends nothing."""
        self._remote = remote
        family = socket.AF_INET6 if ipaddress.ip_address(remote.address).version == 6 else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._socket.connect((remote.address, remote.port))
        self._loop.add_reader(self._socket.fileno(), self._readable)

    def send_rtp(self, packet: bytes) -> None:
        if self._outbound:
            self.send(self._outbound.protect(packet))

    def send_rtcp(self, compound: bytes) -> None:
        if self._outbound:
            self.send(self._outbound.protect_rtcp(compound))

    def unprotect_rtp(self, datagram: bytes) -> bytes | None:
        """Returns the decrypted packet. None: it is not authentic, or a replay."""
        if self._inbound is None:
            return None
        try:
            return self._inbound.unprotect(datagram)
        except pylibsrtp.Error:
            return None

    def unprotect_rtcp(self, datagram: bytes) -> bytes | None:
        if self._inbound is None:
            return None
        try:
            return self._inbound.unprotect_rtcp(datagram)
        except pylibsrtp.Error:
            return None

    def send(self, datagram: bytes) -> None:
        """Sends a datagram unchanged. It is lost if the kernel cannot take it."""
        if self._socket:
            with contextlib.suppress(OSError):
                self._socket.send(datagram)

    def check(self, *, nominate: bool = True) -> bytes:
        """Returns a connectivity check without sending it."""
        assert self._remote, "open() comes first"
        self._transaction = stun.new_transaction()
        username = f"{self._remote.ufrag}:{self.ufrag}"
        return stun.binding_request(
            self._transaction, username, self._remote.password, self._tie_breaker, nominate=nominate
        )

    def close(self, *, politely: bool = True) -> None:
        """Closes with a close_notify, or silently if not `politely`. A second call does nothing."""
        if self._socket is None:
            return
        if politely and self._handshake:
            self._send_all(self._handshake.close())
        if self._timer:
            self._timer.cancel()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        self._socket = None
        self.closed.set()
        if not self._connected.done():
            self._connected.cancel()

    def _readable(self) -> None:
        for _ in range(RECEIVE_BATCH):
            if self._socket is None:
                return
            try:
                datagram = self._socket.recv(2048)
            except BlockingIOError:
                return
            except OSError:  # an ICMP error of an earlier send: the server is gone, or not yet there
                return
            first = datagram[0] if datagram else 0xFF
            if 128 <= first < 192:  # RFC 7983
                if 192 <= datagram[1] < 224:  # RFC 5761 s4
                    self._on_rtcp(datagram)
                else:
                    self._on_rtp(datagram)
            elif first < 4:
                self._on_stun(datagram)
            elif 20 <= first < 64:
                self._on_dtls(datagram)

    def _on_stun(self, datagram: bytes) -> None:
        assert self._remote
        is_request = datagram[:2] == stun.BINDING_REQUEST.to_bytes(2)
        try:
            type_, transaction = stun.verify(datagram, self.password if is_request else self._remote.password)
        except ValueError:
            return
        if is_request:
            self.send(stun.binding_success(transaction, self._remote.address, self._remote.port, self.password))
            return
        if type_ != stun.BINDING_SUCCESS or transaction != self._transaction:
            return
        self.checks_answered += 1
        self._check_timeout = CHECK_TIMEOUT
        self._check_due = self._loop.time() + CONSENT_INTERVAL * random.uniform(0.8, 1.2)
        if self._handshake is None:
            self._handshake = Handshake(self._identity, self._remote.fingerprint)
            self._send_all(self._handshake.start())

    def _on_dtls(self, datagram: bytes) -> None:
        if self._handshake is None:
            return
        try:
            self._send_all(self._handshake.receive(datagram))
        except HandshakeError as error:
            if not self._connected.done():
                self._connected.set_exception(error)
            return
        if self._handshake.is_closed:
            self.closed.set()
        if self._handshake.sessions and self._outbound is None:
            self._outbound, self._inbound = self._handshake.sessions
            if not self._connected.done():
                self._connected.set_result(None)

    def _tick(self) -> None:
        now = self._loop.time()
        if now >= self._check_due:
            self._check()
        if self._handshake and self._handshake.timeout() == 0:
            self._send_all(self._handshake.handle_timeout())
        wait = max(TICK, self._check_due - now) if self._connected.done() else TICK
        self._timer = self._loop.call_later(wait, self._tick)

    def _check(self) -> None:
        self.send(self.check())
        self._check_due = self._loop.time() + self._check_timeout
        self._check_timeout = min(2 * self._check_timeout, CONSENT_INTERVAL)

    def _send_all(self, datagrams: list[bytes]) -> None:
        for datagram in datagrams:
            self.send(datagram)
