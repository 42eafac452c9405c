"""The process: the public and the internal listener, signals, and the order of the shutdown."""

import asyncio
import contextlib
import logging
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import uvloop
from fastapi import FastAPI

from api import collector, descriptors, dev, devfile, lan, logs, tls
from api.app import create_app
from api.health import Health, create_internal_app
from api.listener import bind, listening
from api.ports import PortError, Ports
from api.settings import Settings, SettingsError
from sfu.errors import StateError
from sfu.plane.binding import PlaneApi
from sfu.service import Sfu

log = logging.getLogger(__name__)

OK = 0
FAILED = 1
"""A packet thread ended, or the service could not start."""


def run(settings: Settings, *, plane: PlaneApi | None = None) -> int:
    """Serves until a signal, a drain or a failure. Returns the exit code. `plane` is for tests."""
    logs.configure(settings.log_level, trace=bool(settings.trace))
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(serve(settings, plane=plane))
    except (SettingsError, PortError) as error:
        print(f"sfu: {error}", file=sys.stderr)
    except StateError as error:
        print(f"sfu: {error}.", file=sys.stderr)
    except OSError as error:
        print(f"sfu: the service cannot run: {error}.", file=sys.stderr)
    return FAILED


async def serve(settings: Settings, *, plane: PlaneApi | None = None) -> int:
    development = devfile.open_or_make() if settings.mode.dev else None
    if development is not None:
        settings = devfile.with_key(settings, development)
    certificate, development = _certificate(settings, development)

    with contextlib.ExitStack() as sockets:
        public = _bind(sockets, Ports.public(settings))
        internal: Sequence[socket.socket] = ()
        if (ports := Ports.internal(settings)) is not None:
            internal = _bind(sockets, ports)
        url = _url(settings, public[0], certificate is not None)
        if development is not None:
            devfile.keep(replace(development, url=url))

        app, health, stop = create_app(settings, plane=plane), Health(), Stop(settings)
        async with AsyncExitStack() as stack:
            # The first context entered is the last to exit: probes are answered until everything else has stopped.
            stack.enter_context(stop.on_signals(health, certificate))
            if internal:
                await stack.enter_async_context(listening(create_internal_app(health), internal))
            with contextlib.ExitStack() as explained:
                for ports in (Ports.media(settings), Ports.media_tcp(settings)):
                    if ports is not None:
                        explained.enter_context(ports.explained())
                sfu = await stack.enter_async_context(_opened(app, health))
            await stack.enter_async_context(
                listening(
                    app,
                    public,
                    tls=certificate,
                    before_close=sfu.close,
                    connections=descriptors.connections(settings),
                    proxies=settings.trusted_proxies,
                )
            )
            if settings.reaches_only_here:
                log.warning(
                    "media is reachable from this machine only, because it has only loopback addresses: "
                    "set SFU_ANNOUNCED_ADDRESSES"
                )
            _announce(app, settings, url)
            collector.settle()
            stack.enter_context(health.pauses.watching(lambda: not sfu.has_rooms))
            await stop.wait(sfu)
        return FAILED if sfu.failure is not None else OK


class Stop:
    """The first SIGTERM or SIGINT starts a drain, the second stops the service. In development mode SIGINT stops it at
    once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._now = asyncio.Event()
        self._signals = 0

    @contextlib.contextmanager
    def on_signals(self, health: Health, certificate: ssl.SSLContext | None) -> Iterator[None]:
        """Handles signals from before the service opens until after it has closed, so no signal interrupts the
        shutdown."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._handle_signal, number, health)
        loop.add_signal_handler(signal.SIGHUP, self._reload, certificate)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)

    def _handle_signal(self, number: signal.Signals, health: Health) -> None:
        self._signals += 1
        at_once = self._settings.mode.dev and number is signal.SIGINT
        if self._signals > 1 or at_once or health.sfu is None:
            self._now.set()
            return
        log.info(
            "%s: draining for at most %g s; repeat the signal to stop immediately",
            number.name,
            self._settings.drain_limit,
        )
        health.sfu.drain()

    def _reload(self, certificate: ssl.SSLContext | None) -> None:
        if certificate is not None and self._settings.tls_cert and self._settings.tls_key:
            tls.reload(certificate, self._settings.tls_cert, self._settings.tls_key)

    async def wait(self, sfu: Sfu) -> None:
        """Waits until the service must stop: by a signal, after a drain, or after a failure."""
        async with asyncio.TaskGroup() as tasks:
            reasons = [tasks.create_task(one) for one in (self._stopped_at_once(), sfu.wait_empty(), sfu.wait_failed())]
            await asyncio.wait(reasons, return_when=asyncio.FIRST_COMPLETED)
            for reason in reasons:
                reason.cancel()

    async def _stopped_at_once(self) -> None:
        await self._now.wait()


@asynccontextmanager
async def _opened(app: FastAPI, health: Health) -> AsyncIterator[Sfu]:
    async with app.router.lifespan_context(app):
        sfu = app.state.sfu
        assert isinstance(sfu, Sfu)
        health.sfu, health.webhooks = sfu, app.state.webhooks
        yield sfu


def _bind(sockets: contextlib.ExitStack, ports: Ports) -> list[socket.socket]:
    with ports.explained():
        bound = bind(ports.hosts, ports.numbers[0])
    for one in bound:
        sockets.callback(one.close)
    return bound


def _certificate(
    settings: Settings, development: devfile.Development | None
) -> tuple[ssl.SSLContext | None, devfile.Development | None]:
    """Returns the TLS context, and the development file with its certificate."""
    if settings.tls_cert and settings.tls_key:
        return tls.context(settings.tls_cert, settings.tls_key), development
    if not settings.mode.lan:
        return None, replace(development, certificate="", private_key="") if development else None
    address = settings.config().announced_addresses[0]
    if development is None or not lan.is_good(development.certificate, address):
        certificate, key = lan.certificate(address)
        if development is None:
            return tls.context_of_text(certificate, key), None
        development = replace(development, certificate=certificate, private_key=key)
    return tls.context_of_text(development.certificate, development.private_key), development


def _url(settings: Settings, bound: socket.socket, is_tls: bool) -> str:
    host, port = bound.getsockname()[:2]
    if settings.mode.lan or host in ("0.0.0.0", "::"):
        host = settings.config().announced_addresses[0]
    return f"{'https' if is_tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def _announce(app: FastAPI, settings: Settings, url: str) -> None:
    if not settings.mode.dev:
        log.info("listening: %s workers=%d", url, settings.workers)
        return
    page = url + dev.invitation_path(app)
    print(f"Open {page}", flush=True)
    if settings.mode.lan:
        print(lan.qr_code(page), flush=True)
