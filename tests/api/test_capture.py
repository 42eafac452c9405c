"""Captures of clear packets over REST: who may make one, and its contents."""

import asyncio
import contextlib
import struct
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import NamedTuple

import pytest

from api.health import Download
from loadtest.wire import Client, open_session
from loadtest.wire.media import origin
from sfu.commands import ADMINISTRATOR, StartCapture
from sfu.errors import Conflict
from sfu.plane import _native

from .conftest import Start
from .server import Server, serving, token

CAPTURE = "/capture?room=room&identity=ada"


class Packet(NamedTuple):
    arrived: bool
    ports: tuple[int, int]
    """From and to."""
    octets: bytes

    @property
    def is_rtcp(self) -> bool:
        return 192 <= self.octets[1] <= 223

    @property
    def is_probe(self) -> bool:
        """True: it has padding only. Media has less than 16 octets of it."""
        return not self.is_rtcp and self.octets[0] & 0x20 != 0 and self.octets[-1] >= 16

    @property
    def payload(self) -> bytes:
        """Of RTP, with its header and without its padding (RFC 3550 s5.1)."""
        return self.octets[: -self.octets[-1]] if self.octets[0] & 0x20 else self.octets


def packets(file: bytes) -> Iterator[Packet]:
    """The packets of a pcapng file whose packets begin with IPv4."""
    kinds = []
    while file:
        kind, length = struct.unpack("<II", file[:8])
        body = file[8 : length - 4]
        assert struct.unpack("<I", file[length - 4 : length]) == (length,)
        kinds.append(kind)
        if kind == 6:
            (size,) = struct.unpack("<I", body[12:16])
            ip, options = body[20 : 20 + size], body[20 + (size + 3) // 4 * 4 :]
            assert ip[0] == 0x45 and ip[9] == 17, "IPv4 and UDP"
            yield Packet(options[4] == 1, struct.unpack(">HH", ip[20:24]), ip[28:])
        file = file[length:]
    assert kinds[:2] == [0x0A0D0D0A, 1] and set(kinds[2:]) <= {6}


async def test_the_file_of_a_live_viewer_has_its_clear_packets_in_both_directions() -> None:
    async with serving(real_plane=True, captures=True) as server:
        sessions = []
        for door, identity, client in (("whip", "alice", Client(sends=["video"])), ("whep", "ada", Client(videos=1))):
            url = f"http://127.0.0.1:{server.port}/v1/{door}"
            sessions.append(await open_session(url, token(identity), client))
            client.play()
        # Octets end it, however fast the machine is.
        reply = await server.internal.get(f"{CAPTURE}&seconds=300&octets=300000")
        assert reply.status_code == 200 and reply.headers["content-type"] == "application/x-pcapng"
        assert 290_000 < len(reply.content) <= 300_000
        found = list(packets(reply.content))
        _, port = server.sfu._plane.addresses()[0]
        assert all(packet.ports[packet.arrived] == port for packet in found)
        media = [packet for packet in found if not packet.is_rtcp and not packet.is_probe]
        assert len(media) > 100 and not any(packet.arrived for packet in media), "a viewer sends no media"
        assert any(packet.arrived and packet.is_rtcp for packet in found)
        assert all(origin(packet.payload) is not None for packet in media), "each ends with the mark of its source"
        for session in sessions:
            await session.end()


async def test_captures_are_off_unless_a_setting_allows_them(server: Server) -> None:
    async with server.client("ada"):
        reply = await server.internal.get(CAPTURE)
        assert reply.status_code == 403 and "SFU_CAPTURES=true" in reply.json()["detail"]
        assert (await server.http.get(CAPTURE)).status_code == 404, "the public listener has no such route"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("room=room&identity=bob", 404),
        ("room=other&identity=ada", 404),
        ("room=room&identity=ada", 404),
        ("room=room", 422),
        ("room=room&identity=ada&seconds=0", 422),
        ("room=room&identity=ada&seconds=301", 422),
        ("room=room&identity=ada&octets=67108865", 422),
    ],
)
async def test_what_cannot_be_captured_is_refused(start: Start, query: str, status: int) -> None:
    server = await start(captures=True)
    async with server.client("ada"):
        assert (await server.internal.get(f"/capture?{query}")).status_code == status
        if server.plane is not None:
            assert not server.plane.count("start_capture")


async def test_the_pieces_of_the_plane_are_the_file_and_one_capture_runs_at_a_time(start: Start) -> None:
    server = await start(captures=True)
    if server.plane is None:
        pytest.skip("the native plane does not say what the test has it say")
    async with server.client("ada") as ada:
        await ada.offer("audio sendonly")
        (transport,) = server.plane.transports
        asking = asyncio.create_task(server.internal.get(f"{CAPTURE}&seconds=20&octets=1000"))
        for _ in range(1_000):
            await asyncio.sleep(0)
            if server.plane.count("start_capture"):
                break
        assert server.plane.commands[-1] == ("start_capture", transport, 1000, 20.0)
        with pytest.raises(Conflict, match="one at a time"):
            await server.sfu.execute(StartCapture(ADMINISTRATOR, "room", "ada"))
        pieces = [
            (transport + 99, b"of another", None),
            (transport, b"one ", None),
            (transport, b"two", "its time is over"),
        ]
        server.plane.say(*(_native.Captured(*piece) for piece in pieces))
        reply = await asking
        assert reply.content == b"one two" and reply.headers["cache-control"] == "no-store"
        assert server.plane.commands[-1] == ("stop_capture", transport)
        assert await server.sfu.execute(StartCapture(ADMINISTRATOR, "room", "ada")) == transport


@pytest.mark.parametrize("has_begun", [True, False])
async def test_a_client_that_goes_stops_its_capture(start: Start, has_begun: bool) -> None:
    server = await start(captures=True)
    if server.plane is None:
        pytest.skip("the native plane does not say what the test has it say")
    async with server.client("ada") as ada:
        await ada.offer("audio sendonly")
        (transport,) = server.plane.transports
        async with AsyncExitStack() as stack:
            pieces = await stack.enter_async_context(server.sfu.capture("room", "ada", seconds=300))
            response = Download(pieces, stack.pop_all())
        if has_begun:
            server.plane.say(_native.Captured(transport, b"one", None))

        async def receive() -> dict[str, str]:
            return {"type": "http.disconnect"}

        async def send(_: object) -> None:
            raise OSError("the connection is closed")

        with contextlib.suppress(Exception):
            await response({"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send)  # type: ignore[arg-type]
        assert server.plane.commands[-1] == ("stop_capture", transport)
