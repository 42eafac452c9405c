"""An HTTP server: uvicorn without its signal handlers, its exits and its silent WebSockets."""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.connections import Connections
from api.handshakes import Handshake, TlsServer
from api.http_protocols import HttpProtocol, protocols
from sfu import limits

PING_INTERVAL = 5.0
PING_TIMEOUT = 10.0
"""Seconds. Their sum is the silence after which a WebSocket is dropped."""
USER_TIMEOUT = 20_000
"""Milliseconds for which sent data may stay unacknowledged (RFC 5482). Otherwise a vanished peer with data in flight
holds its connection for a quarter of an hour."""
CLOSE_SECONDS = 2.0
"""Seconds for requests and WebSockets to end when the listener stops."""


TICK = 1.0
"""Seconds between two updates of the Date header."""


class Listener(uvicorn.Server):
    """Runs `before_close` after it has stopped accepting, and before it closes connections."""

    def __init__(
        self, config: uvicorn.Config, connections: Connections, before_close: Callable[[], None] | None = None
    ) -> None:
        super().__init__(config)
        self._connections = connections
        self._tls: TlsServer | None = None
        self.accepting = asyncio.Event()
        self._ending = asyncio.Event()
        self._before_close = before_close

    def end(self) -> None:
        self.should_exit = True
        self._ending.set()

    async def main_loop(self) -> None:
        # uvicorn's loop wakes the process ten times a second to check whether to stop, which is most of its idle cost.
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), TICK)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.servers = []
        if self.config.ssl is not None:
            self._tls = TlsServer(self.config.ssl, self._connections, self._protocol)
            self._tls.start(sockets or (), self.config.backlog)
        else:
            loop = asyncio.get_running_loop()
            self.servers = [
                await loop.create_server(self._protocol, sock=one, backlog=self.config.backlog) for one in sockets or ()
            ]
        self.started = True
        self.accepting.set()

    def _protocol(self, handshake: Handshake | None = None) -> asyncio.Protocol:
        assert issubclass(self.config.http_protocol_class, HttpProtocol)
        protocol = self.config.http_protocol_class(self.config, self.server_state, {})
        protocol.handshake = handshake
        return protocol

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # uvicorn would close the sockets first and raise the signal again at the end. main.py handles signals.
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        if self._tls is not None:
            self._tls.close()
        if self._before_close is not None:
            self._before_close()
        if self._tls is not None:
            await self._tls.wait_closed()
        for connection in list(self.server_state.connections):
            if isinstance(connection, HttpProtocol) and connection.is_receiving:
                # An incomplete request has had no effect.
                connection.transport.abort()
        if self.server_state.tasks:
            # Each WebSocket closes with its own code. uvicorn would close all with 1012.
            await asyncio.wait(self.server_state.tasks, timeout=CLOSE_SECONDS)
        for connection in list(self.server_state.connections):
            # Without this, a request whose body never ends would delay the stop again.
            if (
                isinstance(connection, HttpToolsProtocol)
                and connection.cycle
                and not connection.cycle.response_complete
            ):
                connection.transport.abort()
        await super().shutdown(sockets)


@asynccontextmanager
async def listening(
    app: ASGIApp,
    sockets: Sequence[socket.socket],
    *,
    tls: ssl.SSLContext | None = None,
    before_close: Callable[[], None] | None = None,
    connections: Connections | None = None,
    proxies: Sequence[str] = (),
) -> AsyncIterator[None]:
    """Serves `app` for the duration of the block. The caller runs its lifespan. `proxies`: addresses and networks whose
    X-Forwarded-For and X-Forwarded-Proto are believed."""
    if connections is None:
        connections = Connections(limits.CONNECTIONS, limits.CONNECTIONS_PER_ADDRESS)
    http, websocket = protocols(connections)
    config = uvicorn.Config(
        app,
        lifespan="off",
        http=http,
        ws=websocket,
        ws_per_message_deflate=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        ws_max_size=limits.MESSAGE_OCTETS,
        ws_ping_interval=PING_INTERVAL,
        ws_ping_timeout=PING_TIMEOUT,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(CLOSE_SECONDS),
        ssl_context_factory=(lambda *_: tls) if tls is not None else None,
    )
    server = Listener(config, connections, before_close)
    # A task group is not used, because it would wrap exceptions of the block.
    serving = asyncio.create_task(server.serve(sockets=list(sockets)))
    try:
        await server.accepting.wait()
        yield
    finally:
        server.end()
        await serving


def bind(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """Returns one socket per address, all with the same port. Raises OSError whose `filename` is the `address:port`."""
    sockets: list[socket.socket] = []
    try:
        for host in hosts:
            sockets.append(_bind(host, sockets[0].getsockname()[1] if sockets and not port else port))
    except OSError:
        for bound in sockets:
            bound.close()
        raise
    return sockets


def _bind(host: str, port: int) -> socket.socket:
    version = ipaddress.ip_address(host).version
    bound = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT)
        if version == 6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((host, port))
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        address = f"[{host}]:{port}" if version == 6 else f"{host}:{port}"
        raise OSError(error.errno, error.strerror, address) from None
    return bound
