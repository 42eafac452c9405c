"""The cost of a connection before a token: headers, silence, numbers, first messages, endless bodies."""

import asyncio
import ipaddress
import json
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any, cast

import pytest
import websockets
from websockets.frames import Frame, Opcode

from api.connections import Connections, subscriber
from sfu import limits

from ..live import rooms_of
from .conftest import Start
from .server import Client, Server, admin, token


async def dial(server: Server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", server.port)


async def ends(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the connection is closed."""
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


HEAD = b"POST /v1/rooms HTTP/1.1\r\nHost: x\r\n"
ENDLESS: list[tuple[str, bytes, bytes]] = [
    ("header lines", HEAD, b"X-A: " + b"a" * 4000 + b"\r\n"),
    ("one value", HEAD + b"X-A: ", b"a" * 4000),
    ("one name", HEAD, b"a" * 4000),
    ("the request line", b"GET /", b"a" * 4000),
    ("trailers", HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-A: " + b"a" * 4000 + b"\r\n"),
    ("one trailer", HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-A: ", b"a" * 4000),
    ("a chunk's extension", HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"a" * 4000),
    ("a body", HEAD + b"Content-Length: 100000000\r\n\r\n", b"a" * 4000),
]


@pytest.mark.parametrize(("begin", "more"), [case[1:] for case in ENDLESS], ids=[case[0] for case in ENDLESS])
async def test_what_never_ends_is_cut(server: Server, begin: bytes, more: bytes) -> None:
    _, writer = await dial(server)
    writer.write(begin)
    sent = 0
    try:
        while sent < 3 * limits.REQUEST_OCTETS:
            writer.write(more)
            sent += len(more)
            await writer.drain()
    except ConnectionError:
        pass
    assert sent < 3 * limits.REQUEST_OCTETS, "it was read for ever"
    writer.close()


@pytest.mark.parametrize("more", [b"X-A: " + b"a" * 1000 + b"\r\n", b"X: a\r\n"])
async def test_headers_of_more_than_64_kb_are_431(server: Server, more: bytes) -> None:
    reader, writer = await dial(server)
    writer.write(HEAD + more * (limits.HEADER_OCTETS // len(more) + 1) + b"\r\n")
    reply = await ends(reader)
    assert reply.startswith(b"HTTP/1.1 431 ") and b"application/problem+json" in reply
    writer.close()


async def test_headers_of_nearly_64_kb_are_read(server: Server) -> None:
    reply = await server.http.get("/v1/rooms", headers={"X-A": "a" * 60_000, "Authorization": f"Bearer {admin()}"})
    assert reply.status_code == 200


@pytest.mark.parametrize(("begin", "status"), [(b"", b""), (HEAD, b"HTTP/1.1 408 "), (b"GET ", b"HTTP/1.1 408 ")])
async def test_headers_have_their_time(
    server: Server, monkeypatch: pytest.MonkeyPatch, begin: bytes, status: bytes
) -> None:
    monkeypatch.setattr(limits, "HEADER_SECONDS", 0.05)
    reader, writer = await dial(server)
    writer.write(begin)
    assert (await ends(reader)).startswith(status)
    writer.close()


async def test_a_second_request_on_a_connection_has_its_time_too(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = await dial(server)
    writer.write(b"GET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 404 ")
    monkeypatch.setattr(limits, "HEADER_SECONDS", 0.05)
    writer.write(HEAD)
    assert (await ends(reader)).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_a_body_that_never_ends_is_cut_and_logs_no_error(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.05)
    reader, writer = await dial(server)
    bearer = f"Authorization: Bearer {token()}\r\nContent-Type: application/sdp\r\nContent-Length: 1000\r\n\r\nv=0"
    writer.write(b"POST /v1/whip HTTP/1.1\r\nHost: x\r\n" + bearer.encode())
    assert await ends(reader) == b""
    await asyncio.sleep(0.05)
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []
    writer.close()


async def test_idle_connections_beyond_the_bound_of_an_address_are_closed_oldest_first(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SETTLE_SECONDS", 0.05)
    server = await start(max_unauthenticated=4)
    dialled = [await dial(server) for _ in range(10)]
    ended = [asyncio.ensure_future(ends(reader)) for reader, _ in dialled]
    await asyncio.wait(ended[:6])
    await asyncio.sleep(0.1)
    assert [one.done() for one in ended] == [True] * 6 + [False] * 4
    for one in ended:
        one.cancel()
    for _, writer in dialled:
        writer.close()


async def test_those_who_said_who_they_are_are_not_counted(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SETTLE_SECONDS", 0.02)
    server = await start(max_unauthenticated=2)
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(server.client(f"p{number}")) for number in range(8)]
        await asyncio.sleep(0.1)
        for client in clients:
            assert (await client.ask("subscribe", tracks=[], on=True))["type"] == "ok"


async def test_websockets_without_a_token_go_when_their_first_message_does_not_come(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FIRST_MESSAGE_SECONDS", 0.05)
    async with server.rtc(additional_headers={"Origin": "http://page.example"}) as socket:
        assert "first message" in (await Client(socket).hear("left"))["message"]
        assert (await Client(socket).closed())[0] == 1008


@pytest.mark.parametrize("bearer", [{}, {"Authorization": f"Bearer {token()}"}], ids=["no token", "a token"])
@pytest.mark.parametrize("unit", ["x", "\u00e9"])
async def test_a_first_message_has_at_most_64_kb(server: Server, bearer: dict[str, str], unit: str) -> None:
    sdk = unit * (limits.FIRST_MESSAGE_OCTETS // len(unit.encode()))
    async with server.rtc(additional_headers={"Origin": "http://page.example", **bearer}) as socket:
        await socket.send(json.dumps({"type": "join", "client": {"sdk": sdk}}, ensure_ascii=False))
        assert (await Client(socket).closed())[0] in (1008, 1009)
    assert "room" not in rooms_of(server.sfu)


async def raw(server: Server, *frames: Frame) -> int:
    """The close code after these frames, on a socket that has joined."""
    async with server.client("ada") as ada:
        # In one write: a frame after the server has closed resets the connection, and the close frame is lost.
        ada.socket.transport.write(b"".join(frame.serialize(mask=True) for frame in frames))
        return (await ada.closed())[0]


async def test_a_message_in_endless_fragments_and_endless_pings_end_the_connection(server: Server) -> None:
    fragments = [Frame(Opcode.TEXT, b"{", fin=False), *[Frame(Opcode.CONT, b"", fin=False)] * limits.FRAGMENTS]
    assert await raw(server, *fragments) == 1009
    assert await raw(server, *[Frame(Opcode.PING, b"")] * 200) == 1008


class Pipe:
    """A transport of which only the address matters."""

    def __init__(self, address: str) -> None:
        self.address, self.aborted = address, False

    def get_extra_info(self, name: str) -> Any:
        return (self.address, 1) if name == "peername" else None

    def abort(self) -> None:
        self.aborted = True


def opened(connections: Connections, *addresses: str) -> list[Pipe]:
    pipes = [Pipe(address) for address in addresses]
    for pipe in pipes:
        connections.admit(cast(asyncio.Transport, pipe))
    return pipes


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Runs what a connection that is not settled waits for, without the waiting."""
    later: list[tuple[Any, ...]] = []
    monkeypatch.setattr(limits, "SETTLE_SECONDS", 0.0)

    class Loop:
        def time(self) -> float:
            return 5.0

        def call_later(self, delay: float, call: Any, *arguments: Any) -> None:
            later.append((call, *arguments))

    monkeypatch.setattr(asyncio, "get_running_loop", Loop)

    def run() -> None:
        for call, *arguments in later:
            call(*arguments)

    return run


def test_each_address_has_its_own_bound_and_a_trusted_proxy_none(settled: Callable[[], None]) -> None:
    connections = Connections(100, 2, [ipaddress.ip_network("10.0.0.0/8")])
    pipes = opened(
        connections, *["192.0.2.1"] * 4, "192.0.2.2", *["10.1.2.3"] * 9, "2001:db8::1", "2001:db8::2", "2001:db8::3"
    )
    settled()
    assert [pipe.address for pipe in pipes if pipe.aborted] == ["192.0.2.1", "192.0.2.1", "2001:db8::1"]
    assert len(connections) == 14


def test_a_full_service_closes_the_oldest_idle_one_and_refuses_where_none_is(settled: Callable[[], None]) -> None:
    connections = Connections(3, 10)
    pipes = opened(connections, "192.0.2.1", "192.0.2.2", "192.0.2.3")
    for pipe in pipes[:2]:
        found = connections.of(cast(asyncio.Transport, pipe))
        assert found is not None
        found.know()
    (fourth,) = opened(connections, "192.0.2.4")
    assert [pipe.aborted for pipe in pipes] == [False, False, True] and len(connections) == 3
    last = connections.of(cast(asyncio.Transport, fourth))
    assert last is not None
    last.is_busy = True
    assert connections.admit(cast(asyncio.Transport, Pipe("192.0.2.5"))) is None
    assert connections.unknown("192.0.2.5") == 0 and len(connections) == 3


def test_a_crowd_that_settles_is_bounded_too(settled: Callable[[], None]) -> None:
    connections = Connections(10_000, 2)
    opened(connections, *["192.0.2.1"] * 100)
    assert len(connections) == 2 * limits.UNSETTLED
    settled()
    assert len(connections) == 2


@pytest.mark.parametrize(
    ("address", "whom"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
    ],
)
def test_an_ipv6_host_is_its_network(address: str, whom: str) -> None:
    assert subscriber(address) == whom


async def test_a_handshake_without_a_token_is_refused_at_once(server: Server) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        await server.rtc()
    assert refused.value.response.status_code == 401
