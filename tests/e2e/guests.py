"""Guests who join by the WebSocket or by WHIP, connect, publish and watch, and then go in one of six ways.

As a script it forks a guest for each line of JSON on its input and prints its process id once the guest has joined, so
that it can be killed.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import urljoin

from loadtest import wire
from loadtest.bot import Bot
from loadtest.signaling import Signaling
from loadtest.wire import ConnectError, HandshakeError
from sfu.model import Kind, Source
from sfu.signalling import messages

from .waiting import when

FEW = 3
"""Minimum number of packets that a guest sends of each track."""


class Guest:
    """A guest that joins by the WebSocket."""

    def __init__(self, url: str, room: str, token: str) -> None:
        self._signaling = Signaling(url, room, token, lambda _: None)
        self._reading: asyncio.Task[None] | None = None
        self.client: wire.Client | None = None

    async def come(self, *, fingerprint: str | None = None) -> str:
        """Joins and offers. Returns the answer."""
        await self._signaling.join(auto_subscribe=True)
        self._reading = asyncio.create_task(self._signaling.run())
        tracks = {}
        for mid, (kind, source) in enumerate(((Kind.AUDIO, Source.MICROPHONE), (Kind.VIDEO, Source.CAMERA))):
            tracks[str(mid)] = kind.value
            await self._signaling.request(messages.Publish("publish", 0, kind.value, kind, source))
        self.client = wire.Client(sends=["audio", "video"], audios=1, videos=1, fingerprint=fingerprint)
        answer = await self._signaling.request(messages.Offer("offer", 0, with_data(self.client.offer), tracks))
        assert isinstance(answer, messages.Answer)
        return answer.sdp

    async def connect(self, answer: str) -> None:
        """Connects. Returns when media has flowed in both directions."""
        client = self.client
        assert client is not None
        try:
            await client.connect(answer)
        except wire.ConnectError:
            client.close()
            raise
        client.play()
        await when(lambda: min(sender.packets for sender in client.senders) >= FEW, "both tracks are sent")
        if any(section.ssrc is None for section in client.sections):
            await asyncio.wait_for(asyncio.shield(client.receiver.first_packet), 10)

    async def leave(self) -> None:
        await self._signaling.leave()
        await self._end()

    async def cut(self) -> None:
        """Aborts the WebSocket."""
        self._signaling.cut()
        await self._end()

    async def _end(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await self._reading


class Ingress(Guest):
    """A WHIP publisher, which has no WebSocket."""

    def __init__(self, url: str, room: str, token: str) -> None:
        super().__init__(url, room, token)
        self._door, self._token = f"{url}/v1/whip", token
        self._location = ""

    async def come(self, *, fingerprint: str | None = None) -> str:
        self.client = wire.Client(sends=["audio", "video"], fingerprint=fingerprint)
        status, headers, answer = await wire.request(
            "POST", self._door, self._token, self.client.offer.encode(), "application/sdp"
        )
        assert status == 201, answer
        self._location = urljoin(self._door, headers["location"])
        return answer.decode()

    async def leave(self) -> None:
        await wire.request("DELETE", self._location, self._token)

    async def cut(self) -> None:
        pass


def with_data(offer: str) -> str:
    """Negotiates data channels. The light client has no SCTP, so they never open."""
    lines = offer.splitlines()
    first = {line.partition(":")[0]: line for line in reversed(lines)}
    bundle = first["a=group"]
    section = [
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 0.0.0.0",
        "a=mid:data",
        *(first[name] for name in ("a=ice-ufrag", "a=ice-pwd", "a=fingerprint", "a=setup")),
        "a=sctp-port:5000",
    ]
    return "\r\n".join([*(f"{line} data" if line is bundle else line for line in lines), *section, ""])


async def talk_and_leave(url: str, room: str, token: str) -> None:
    """Joins with aiortc, whose data channels open."""
    async with Bot(url, room=room, token=token, auto_subscribe=False) as bot:
        await bot.send(b"hello")


async def leave(guest: Guest) -> None:
    await guest.connect(await guest.come())
    await guest.leave()
    assert guest.client is not None
    guest.client.close()


async def cut_websocket(guest: Guest) -> None:
    """Aborts the WebSocket, and closes the media some time later."""
    await guest.connect(await guest.come())
    await guest.cut()
    await asyncio.sleep(0.2)
    assert guest.client is not None
    guest.client.close()


async def cut_udp(guest: Guest) -> None:
    """Aborts the media, and closes the WebSocket some time later."""
    await guest.connect(await guest.come())
    assert guest.client is not None
    guest.client.vanish()
    await asyncio.sleep(1.2)
    await guest.leave()


async def wrong_fingerprint(guest: Guest) -> None:
    answer = await guest.come(fingerprint=wire.WRONG_FINGERPRINT)
    assert guest.client is not None
    try:
        await guest.client.connect(answer, limit=1.0)
        # Our side of the handshake may finish before the service refuses our certificate.
        await asyncio.wait_for(guest.client.transport.closed.wait(), 20.0)
    except (ConnectError, HandshakeError):
        pass
    guest.client.vanish()
    await guest.cut()


async def half_an_ice_check(guest: Guest) -> None:
    answer = await guest.come()
    assert guest.client is not None
    guest.client.half_an_ice_check(answer)
    await guest.cut()


ENDINGS: dict[str, Callable[[Guest], Awaitable[None]]] = {
    "leave": leave,
    "cut WebSocket": cut_websocket,
    "cut UDP": cut_udp,
    "wrong fingerprint": wrong_fingerprint,
    "half an ICE check": half_an_ice_check,
}


async def _stay(url: str, room: str, token: str) -> None:
    guest = Guest(url, room, token)
    await guest.connect(await guest.come())
    os.write(1, f"{os.getpid()}\n".encode())
    await asyncio.sleep(30)


def _fork_guests() -> None:
    for line in sys.stdin:
        if os.fork() == 0:
            asyncio.run(_stay(**json.loads(line)))
            os._exit(1)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


if __name__ == "__main__":
    _fork_guests()
