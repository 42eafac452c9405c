"""TLS in front of HTTP: a connection is counted, and may be closed, from its first packet on.

asyncio's servers report a TLS connection after its handshake. So a client that opens TCP and sends nothing would escape
the limits of `api/connections.py`. Therefore connections are accepted here and then passed to the event loop.
"""

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from api.connections import Connections
from sfu import limits

log = logging.getLogger(__name__)

EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
PAUSE = 1.0
"""Seconds without accepting after file descriptors or memory were exhausted. asyncio's servers wait as long."""


class Handshake:
    """A connection during its handshake. It has the methods of a transport that `Connections` uses."""

    def __init__(self, accepted: socket.socket, peer: Any) -> None:
        self.socket = accepted
        self._peer = peer

    def get_extra_info(self, name: str) -> Any:
        return self._peer if name == "peername" else None

    def abort(self) -> None:
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # The loop owns the socket; this only ends the handshake.


class TlsServer:
    """Accepts connections on listening sockets. `made` receives the `Handshake` of a connection and returns its
    protocol, before `connection_made`."""

    def __init__(
        self, context: ssl.SSLContext, connections: Connections, made: Callable[[Handshake], asyncio.Protocol]
    ) -> None:
        self._context = context
        self._connections = connections
        self._made = made
        self._listening: list[socket.socket] = []
        self._tasks: dict[asyncio.Task[None], Handshake] = {}

    def start(self, sockets: Sequence[socket.socket], backlog: int) -> None:
        self._listening = list(sockets)
        for one in self._listening:
            one.listen(backlog)
            one.setblocking(False)
            self._resume(one)
        self._backlog = backlog

    def close(self) -> None:
        """Stops accepting. Open connections continue; handshakes are aborted."""
        for one in self._listening:
            asyncio.get_running_loop().remove_reader(one)
            one.close()
        self._listening.clear()
        for handshake in self._tasks.values():
            handshake.abort()

    async def wait_closed(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _resume(self, listening: socket.socket) -> None:
        if listening in self._listening:
            asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(self._backlog):
            try:
                accepted, peer = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in EXHAUSTED:
                    raise
                log.error("connections cannot be accepted; next attempt in %g s: %s", PAUSE, error.strerror)
                loop = asyncio.get_running_loop()
                loop.remove_reader(listening)
                loop.call_later(PAUSE, self._resume, listening)
                return
            accepted.setblocking(False)
            self._begin(Handshake(accepted, peer))

    def _begin(self, handshake: Handshake) -> None:
        if self._connections.admit(handshake) is None:
            handshake.socket.close()  # No reply is possible before TLS.
            return
        task = asyncio.create_task(self._shake(handshake))
        self._tasks[task] = handshake
        task.add_done_callback(self._tasks.pop)

    async def _shake(self, handshake: Handshake) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._made(handshake),
                handshake.socket,
                ssl=self._context,
                ssl_handshake_timeout=limits.HEADER_SECONDS,
                ssl_shutdown_timeout=limits.CLOSE_SECONDS,
            )
        except OSError as error:  # includes ssl.SSLError and TimeoutError
            log.debug("a TLS handshake was not finished: %s", error)
        finally:
            # After a successful handshake the protocol has already replaced it.
            self._connections.forget(handshake)
