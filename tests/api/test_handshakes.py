"""Unfinished TLS handshakes: they count as connections, have a time limit, and delay nobody."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress

import pytest
import uvloop
from starlette.types import Receive, Scope, Send

from api import lan, tls
from api.connections import Connections
from api.listener import bind, listening
from sfu import limits

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
Run = Callable[[Callable[[], Awaitable[None]]], None]


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Runs a scene in a loop of that kind: what the service uses, and what the other tests do."""
    with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
        yield lambda scene: runner.run(_bounded(scene))


async def _bounded(scene: Callable[[], Awaitable[None]]) -> None:
    async with asyncio.timeout(60):
        await scene()
        await asyncio.sleep(0)


HEADERS = [(b"content-length", b"4")]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["scheme"] == "https"
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": b"here"})


@asynccontextmanager
async def server(connections: Connections) -> AsyncIterator[int]:
    sockets = bind(["127.0.0.1"], 0)
    port = sockets[0].getsockname()[1]
    certificate = tls.context_of_text(*lan.certificate("127.0.0.1"))
    async with listening(app, sockets, tls=certificate, connections=connections):
        yield port


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def opened(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """TCP, and nothing more."""
    return await asyncio.open_connection("127.0.0.1", port)


async def asked(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting())
    writer.write(REQUEST)
    answer = await reader.read()
    writer.transport.abort()
    return answer


async def until(what: Callable[[], bool]) -> None:
    while not what():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def hello() -> bytes:
    """The first flight of a client."""
    outgoing = ssl.MemoryBIO()
    client = trusting().wrap_bio(ssl.MemoryBIO(), outgoing)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def test_a_request_over_tls_is_answered_and_its_connection_forgotten(run: Run) -> None:
    connections = Connections(10, 10)

    async def scene() -> None:
        async with server(connections) as port:
            for _ in range(3):
                answer = await asked(port)
                assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"here")
            await until(lambda: len(connections) == 0)

    run(scene)


def test_a_request_that_comes_with_the_end_of_the_handshake_is_read(run: Run) -> None:
    """Finished and request in one segment, as TLS 1.3 lets a client."""

    async def scene() -> None:
        async with server(Connections(10, 10)) as port:
            reader, writer = await opened(port)
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            client = trusting().wrap_bio(incoming, outgoing)
            while True:
                try:
                    client.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    writer.write(outgoing.read())
                    incoming.write(await reader.read(65536))
            client.write(REQUEST)
            writer.write(outgoing.read())
            heard = b""
            while not heard.endswith(b"here"):
                incoming.write(await reader.read(65536))
                try:
                    heard += client.read(65536)
                except ssl.SSLWantReadError:
                    continue
            writer.transport.abort()

    run(scene)


@pytest.mark.parametrize("begin", [b"", hello()[:40], hello()], ids=["nothing", "half a hello", "a hello"])
def test_a_handshake_that_is_not_finished_counts_and_ends_in_its_time(
    run: Run, begin: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = Connections(10, 10)
    monkeypatch.setattr(limits, "HEADER_SECONDS", 0.3)

    async def scene() -> None:
        async with server(connections) as port:
            reader, writer = await opened(port)
            writer.write(begin)
            await until(lambda: connections.unknown("127.0.0.1") == 1)
            with suppress(ConnectionResetError):
                await reader.read()
            await until(lambda: len(connections) == 0)
            writer.close()

    run(scene)


def test_what_is_no_handshake_is_closed_and_forgotten(run: Run) -> None:
    connections = Connections(10, 10)

    async def scene() -> None:
        async with server(connections) as port:
            reader, writer = await opened(port)
            writer.write(REQUEST)
            with suppress(ConnectionResetError):
                await reader.read()
            await until(lambda: len(connections) == 0)
            writer.close()
            assert (await asked(port)).endswith(b"here")

    run(scene)


def test_silent_connections_of_an_address_are_closed_oldest_first_and_those_who_ask_are_answered(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SETTLE_SECONDS", 0.05)
    connections = Connections(1_000, 4)

    async def scene() -> None:
        async with server(connections) as port:
            silent = [await opened(port) for _ in range(10)]
            await until(lambda: connections.refused == 6 and connections.unknown("127.0.0.1") == 4)
            assert [reader.at_eof() or reader.exception() is not None for reader, _ in silent[6:]] == [False] * 4
            assert (await asked(port)).endswith(b"here")
            for _, writer in silent:
                writer.transport.abort()
            await until(lambda: len(connections) == 0)

    run(scene)


def test_a_full_service_closes_a_silent_one_for_whoever_comes(run: Run) -> None:
    connections = Connections(3, 100)

    async def scene() -> None:
        async with server(connections) as port:
            silent = [await opened(port) for _ in range(3)]
            await until(lambda: len(connections) == 3)
            assert (await asked(port)).endswith(b"here")
            assert connections.refused == 1
            for _, writer in silent:
                writer.transport.abort()

    run(scene)


def test_a_listener_that_ends_does_not_wait_for_handshakes(run: Run) -> None:
    async def scene() -> None:
        connections = Connections(10, 10)
        async with server(connections) as port:
            _, writer = await opened(port)
            await until(lambda: len(connections) == 1)
        assert len(connections) == 0
        writer.transport.abort()

    run(scene)
