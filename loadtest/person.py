"""A participant with a WebSocket and a light media client. It sends a simulcast and requests qualities."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from loadtest import wire
from loadtest.signaling import Signaling
from loadtest.wire.media import Vp8
from loadtest.wire.receiver import Reception
from loadtest.wire.sdp import VP8, Simulcast
from sfu.model import Kind, Quality, Source
from sfu.signalling import messages
from sfu.signalling.messages import ServerMessage
from sfu.views import SlotInfo

LIMIT = 10.0
"""The time limit of each wait in seconds."""
POLL = 0.002


class Person:
    """A participant made by `person`: joined, connected and, with `publishes`, sending."""

    def __init__(self, signaling: Signaling, client: wire.Client) -> None:
        self.client = client
        self.slots: dict[str, SlotInfo] = {}
        """The content of each receive section, by mid."""
        self.track = ""
        """The sid of the published track."""
        self._signaling = signaling

    async def settings(self, track: str, quality: Quality) -> None:
        await self._signaling.request(messages.Settings("settings", 0, track, quality=quality))

    def handle(self, message: ServerMessage) -> None:
        if isinstance(message, messages.Slots | messages.Joined):
            for mid, slot in message.slots.items():
                if slot is None:
                    self.slots.pop(mid, None)
                else:
                    self.slots[mid] = slot

    def encoders(self) -> list[Vp8]:
        """Returns the encoders of the published camera, lowest first."""
        sources = (sender.source for sender in self.client.senders)
        return [source for source in sources if isinstance(source, Vp8)]

    async def video(self) -> Reception:
        """Returns the reception of the only video stream, as soon as it arrives."""
        async with asyncio.timeout(LIMIT):
            while True:
                if found := self.client.receiver.by_kind(VP8):
                    return found[0]
                await asyncio.sleep(POLL)


@asynccontextmanager
async def person(
    url: str, room: str, token: str, *, publishes: Simulcast | None = None, videos: int = 0, sample: int = 1
) -> AsyncIterator[Person]:
    """Joins for the duration of the block. Raises the errors of joining and connecting."""
    client = wire.Client(sends=["video"] if publishes else [], simulcast=publishes, videos=videos, sample=sample)
    early: list[ServerMessage] = []
    signaling = Signaling(url, room, token, early.append)
    early.append(await signaling.join(auto_subscribe=True))
    reading = asyncio.create_task(signaling.run())
    try:
        one = Person(signaling, client)
        tracks = {}
        if publishes:
            published = await signaling.request(messages.Publish("publish", 0, "camera", Kind.VIDEO, Source.CAMERA))
            assert isinstance(published, messages.Published), "a publish is answered by published"
            one.track, tracks = published.track.sid, {client.sections[0].mid: "camera"}
        answer = await signaling.request(messages.Offer("offer", 0, client.offer, tracks))
        assert isinstance(answer, messages.Answer), "an offer is answered by answer"
        await client.connect(answer.sdp)
        client.play()
        for message in early:
            one.handle(message)
        signaling.listen(one.handle)
        yield one
    finally:
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading
        await signaling.leave()
        client.close()


async def shows(reception: Reception, encoding: int, since: float) -> float:
    """Returns when packets of this encoding started to arrive after `since` (CLOCK_MONOTONIC). Raises TimeoutError."""
    async with asyncio.timeout(LIMIT):
        while True:
            at, newest = reception.encodings[-1] if reception.encodings else (0.0, -1)
            if newest == encoding:
                return max(at, since)
            await asyncio.sleep(POLL)
