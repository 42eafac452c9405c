"""Five hundred join and end in six ways, most of them rude: what each brought along is gone with it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urljoin

import pytest
from websockets.asyncio.client import ClientConnection, connect

from loadtest import wire
from loadtest.bot import Bot
from loadtest.fleet import fleet

from .server import Server, serving, token

BUNDLES, WARM = 10, 2
"""What is held after the first hundred joins is what there is after five hundred."""
OF_EACH, KILLED, TALKING = 8, 9, 1
"""Joins of a bundle that end in the same way. Those that are killed share a process; those that talk are aiortc's."""
JOINS_OF_A_BUNDLE = 5 * OF_EACH + KILLED + TALKING
AT_ONCE = 8
STAY = 0.3
"""Seconds of media before the end."""
MOST_GROWTH = 2048
"""Octets of memory for each join."""
SETTLE = 40.0
LIMIT = 10.0
"""Seconds."""
ROOM = "those-who-stay"
RESIDENTS = {"transports": 2, "tracks": 2, "slots": 2, "channels": 0}
"""What those who stay have in the plane, whose counts are a second old at most."""


class Guest:
    """Somebody who publishes and watches, by WebSocket or by WHIP: all of it can end at any time."""

    def __init__(self, server: Server, identity: str, room: str, client: wire.Client) -> None:
        self.client = client
        self.socket: ClientConnection | None = None
        self._server = server
        self._token = token(identity, room)
        self._room = room
        self._location = ""

    async def enter(self, *, by_websocket: bool) -> str:
        """Returns the answer to the offer: nothing is connected yet."""
        if by_websocket:
            return await self._signal()
        door = f"{self._server.url}/v1/{'whip' if self.client.senders else 'whep'}"
        offer = self.client.offer.encode()
        status, headers, answer = await wire.request("POST", door, self._token, offer, "application/sdp")
        assert status == 201, answer
        self._location = urljoin(door, headers["location"])
        return answer.decode()

    async def leave(self) -> None:
        if self.socket is None:
            await wire.request("DELETE", self._location, self._token)
        else:
            await self._say(type="leave")
            async with asyncio.timeout(LIMIT):
                async for _ in self.socket:  # what was unread stands before the farewell
                    pass
        self.client.close()

    def cut_websocket(self) -> None:
        if self.socket is not None:
            self.socket.transport.abort()

    async def _signal(self) -> str:
        url = f"{self._server.url.replace('http', 'ws', 1)}/v1/rooms/{self._room}/rtc"
        self.socket = await connect(url, additional_headers={"Authorization": f"Bearer {self._token}"})
        await self._say(type="join")
        await self._hear("joined")
        for sender in self.client.senders:
            cid, kind = f"wire-{sender.section.mid}", sender.section.kind
            await self._say(type="publish", id=1, cid=cid, kind=kind)
            await self._hear("published")
        await self._say(type="offer", id=2, sdp=with_data(self.client.offer))
        return str((await self._hear("answer"))["sdp"])

    async def _say(self, **message: Any) -> None:
        assert self.socket is not None
        await self.socket.send(json.dumps(message))

    async def _hear(self, type: str) -> dict[str, Any]:
        assert self.socket is not None
        async with asyncio.timeout(LIMIT):
            while True:
                message: dict[str, Any] = json.loads(await self.socket.recv())
                assert message["type"] not in ("error", "left"), message
                if message["type"] == type:
                    return message


def with_data(offer: str) -> str:
    """Data channels are agreed upon, and wait for ever."""
    bundle, ufrag, pwd, fingerprint = (
        next(line for line in offer.splitlines() if line.startswith(start))
        for start in ("a=group:BUNDLE", "a=ice-ufrag", "a=ice-pwd", "a=fingerprint")
    )
    section = [
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 0.0.0.0",
        "a=mid:data",
        ufrag,
        pwd,
        fingerprint,
        "a=setup:actpass",
        "a=sctp-port:5000",
    ]
    return offer.replace(bundle, f"{bundle} data") + "\r\n".join(section) + "\r\n"


class Churn:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._joins = 0

    async def bundle(self, number: int) -> None:
        """Fifty joins, ends of all six ways among one another. Every second guest comes to those who stay."""
        ways = (self._leave, self._cut_websocket, self._cut_udp, self._wrong_fingerprint, self._half_a_check)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._kill(f"room-{number}"))
            tasks.create_task(self._pass(self._talk_and_leave, ROOM, by_websocket=True))
            for turn in range(OF_EACH):
                for way in ways:
                    room = ROOM if turn % 2 else f"room-{number}"
                    tasks.create_task(self._pass(way, room, by_websocket=turn % 4 < 2))

    async def _pass(self, way: Callable[..., Awaitable[None]], room: str, *, by_websocket: bool) -> None:
        async with self._gate:
            await way(room, by_websocket=by_websocket)

    async def _leave(self, room: str, *, by_websocket: bool) -> None:
        async with self._present(room, by_websocket=by_websocket) as guest:
            await guest.leave()

    async def _talk_and_leave(self, room: str, *, by_websocket: bool) -> None:
        """aiortc, whose data channels open; the light client speaks no SCTP."""
        name = self._name()
        async with Bot(self._server.url, room=room, token=token(name, room), auto_subscribe=False) as bot:
            await bot.send(b"goodbye")

    async def _cut_websocket(self, room: str, *, by_websocket: bool) -> None:
        """Its media goes on for a while: so long it is present, and after that it is not."""
        async with self._present(room, by_websocket=True) as guest:
            guest.cut_websocket()
            await asyncio.sleep(STAY)
            guest.client.close()

    async def _cut_udp(self, room: str, *, by_websocket: bool) -> None:
        async with self._present(room, by_websocket=by_websocket) as guest:
            guest.client.vanish()
            await asyncio.sleep(STAY)
            guest.cut_websocket()

    async def _wrong_fingerprint(self, room: str, *, by_websocket: bool) -> None:
        client = wire.Client(sends=["audio", "video"], fingerprint=wire.WRONG_FINGERPRINT)
        async with self._guest(room, client) as guest:
            answer = await guest.enter(by_websocket=by_websocket)
            with pytest.raises((wire.HandshakeError, wire.ConnectError)):
                await client.connect(answer, 3.0)

    async def _half_a_check(self, room: str, *, by_websocket: bool) -> None:
        async with self._guest(room, wire.Client(audios=2, videos=2)) as guest:
            guest.client.half_an_ice_check(await guest.enter(by_websocket=by_websocket))

    async def _kill(self, room: str) -> None:
        """SIGKILL, to a process of several."""
        async with fleet() as crew:
            tokens = [token(self._name(), room) for _ in range(KILLED)]
            await crew.publish(f"{self._server.url}/v1/whip", tokens)

    @asynccontextmanager
    async def _present(self, room: str, *, by_websocket: bool) -> AsyncIterator[Guest]:
        """Connected, and its media flows."""
        receives = int(by_websocket)  # by WHIP one publishes, and no more
        client = wire.Client(sends=["audio", "video"], audios=receives, videos=receives)
        async with self._guest(room, client) as guest:
            await client.connect(await guest.enter(by_websocket=by_websocket), LIMIT)
            client.play()
            await asyncio.sleep(STAY)
            yield guest

    @asynccontextmanager
    async def _guest(self, room: str, client: wire.Client) -> AsyncIterator[Guest]:
        """Cut off at the end of the block, unless it has said goodbye."""
        guest = Guest(self._server, self._name(), room, client)
        try:
            yield guest
        finally:
            client.vanish()
            guest.cut_websocket()

    def _name(self) -> str:
        self._joins += 1
        return f"guest-{self._joins}"


@asynccontextmanager
async def staying(server: Server) -> AsyncIterator[wire.Client]:
    """A publisher and a viewer who are there all the time. Yields the viewer."""
    publisher, viewer = wire.Client(sends=["audio", "video"]), wire.Client(audios=1, videos=1, sample=100)
    try:
        await wire.open_session(f"{server.url}/v1/whip", token("publisher", ROOM), publisher)
        publisher.play()
        await wire.open_session(f"{server.url}/v1/whep", token("viewer", ROOM), viewer)
        yield viewer
    finally:
        viewer.close()
        publisher.close()


async def held(server: Server) -> dict[str, int]:
    _, _, body = await wire.request("GET", f"{server.url}/probe/held")
    found: dict[str, int] = json.loads(body)
    return found


async def settled(server: Server, before: dict[str, int]) -> dict[str, int]:
    """What is held once no more is held than before; fails if it does not come to that."""
    until = time.monotonic() + SETTLE
    while True:
        now = await held(server)
        more = {name: (before[name], now[name]) for name in now if now[name] != before[name]}
        for name in ("rss", "joins"):
            more.pop(name, None)
        if not more:
            return now
        assert time.monotonic() < until, f"not as before, name: (before, now): {more}"
        await asyncio.sleep(0.5)


@pytest.mark.slow
async def test_what_five_hundred_guests_brought_along_is_gone_with_them() -> None:
    command = ("-m", "tests.e2e.probe", "serve")
    short = {"resume_window": 1, "departure_timeout": 1, "log_level": "info", "host": "127.0.0.1"}
    async with serving(*command, **short) as server, staying(server) as viewer:
        churn = Churn(server)
        await asyncio.wait_for(viewer.receiver.first_keyframe, LIMIT)
        began = await settled(server, await held(server) | RESIDENTS)
        print("\nat first", began)
        for number in range(WARM):
            await churn.bundle(number)
        warm = await settled(server, began)
        print("after the first", warm)
        for number in range(WARM, BUNDLES):
            await churn.bundle(number)
            print(await held(server))
        over = await settled(server, warm)
        print("at last", over)
        packets = viewer.receiver.packets
        await asyncio.sleep(0.5)
        assert viewer.receiver.packets > packets, "those who stay are served as ever"

    joins = over["joins"] - warm["joins"]
    assert over["joins"] - began["joins"] == BUNDLES * JOINS_OF_A_BUNDLE == 500
    growth = (over["rss"] - warm["rss"]) / joins
    print(f"{growth:.0f} octets a join, of {joins}")
    assert growth < MOST_GROWTH
