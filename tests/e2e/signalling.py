"""Our WebSocket protocol spoken by the test itself, for offers that our clients do not make."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from loadtest.signaling import Signaling
from sfu.model import Kind, Source
from sfu.signalling import messages
from sfu.signalling.messages import ServerMessage

from .server import Server, token


class Voice:
    """A participant with signalling only; its media is elsewhere."""

    def __init__(self, signaling: Signaling, heard: list[ServerMessage]) -> None:
        self._signaling = signaling
        self.heard = heard
        self._declared: set[str] = set()

    async def offer(self, sdp: str) -> messages.Answer:
        """Publishes every sending m-section of the offer under its own name."""
        tracks: dict[str, str] = {}
        for mid, kind in sending(sdp):
            cid = tracks[mid] = f"track-{mid}"
            source = Source.MICROPHONE if kind is Kind.AUDIO else Source.CAMERA
            if cid not in self._declared:
                await self._signaling.request(messages.Publish("publish", 0, cid, kind, source))
                self._declared.add(cid)
        answer = await self._signaling.request(messages.Offer("offer", 0, sdp, tracks))
        assert isinstance(answer, messages.Answer)
        assert set(answer.mids) == set(tracks), "every section that sends is accepted"
        return answer


@asynccontextmanager
async def voice(server: Server, room: str, identity: str) -> AsyncIterator[Voice]:
    heard: list[ServerMessage] = []
    signaling = Signaling(server.url, room, token(identity, room), heard.append)
    await signaling.join(auto_subscribe=True)
    running = asyncio.create_task(signaling.run())
    try:
        yield Voice(signaling, heard)
    finally:
        await signaling.leave()
        running.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await running
        await signaling.close()


def sections(sdp: str) -> list[str]:
    """Returns the m-sections of a description."""
    return re.split(r"\r\n(?=m=)", sdp.removesuffix("\r\n"))[1:]


def sending(sdp: str) -> list[tuple[str, Kind]]:
    """Returns MID and kind of the sending sections of an offer."""
    found = []
    for section in sections(sdp):
        mid = re.search(r"a=mid:(\S+)", section)
        if mid and re.search(r"a=send(only|recv)", section) and not section.startswith("m=application"):
            found.append((mid[1], Kind(section[2:7])))
    return found
