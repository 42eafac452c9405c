"""`python -m loadtest layers`: measures how fast layers switch, the cost for publishers, and how long viewers wait.

It measures over loopback through the whole service: from a client's `settings` on its WebSocket to the packet that it
receives. The publishers' encoders are simulated: like a browser's they answer a request in the next frame, within 33
ms.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from loadtest import wire
from loadtest.figures import Figure, table
from loadtest.fleet import fleet
from loadtest.person import Person, person, shows
from loadtest.service import Service, serving
from loadtest.wire.media import KEYFRAME_FACTOR, Vp8
from sfu.model import Quality

ROOM = "bench"
SETTLE = 3.0
PAUSE = 1.0
"""Seconds between switches, so that each switch needs its own keyframe."""
PEOPLE = 12
CHANGE = 5.0
"""Seconds for which one participant speaks."""
JOINS = 50
PARTS = ("switch", "speakers", "joins")


async def run(repetitions: int = 20, parts: Sequence[str] = PARTS) -> None:
    """Prints the table, part by part."""
    await table({"switch": lambda: switches(repetitions), "speakers": speakers, "joins": joins}, parts)


async def switches(repetitions: int) -> list[Figure]:
    """Switches one viewer of a simulcast up and down. The shortest possible time is the rest of the current frame."""
    up: list[float] = []
    down: list[float] = []
    gaps: list[float] = []
    async with (
        serving() as service,
        person(service.url, ROOM, service.token("publisher", ROOM), publishes="rid") as publisher,
        person(service.url, ROOM, service.token("viewer", ROOM), videos=1) as viewer,
    ):
        video = await viewer.video()
        await shows(video, 2, time.monotonic())
        for _ in range(repetitions):
            for quality, encoding, taken in ((Quality.LOW, 0, down), (Quality.HIGH, 2, up)):
                await asyncio.sleep(PAUSE + random.uniform(0, 0.1))
                began, video.longest_gap = time.monotonic(), 0.0
                await viewer.settings(publisher.track, quality)
                taken.append(1e3 * (await shows(video, encoding, began) - began))
                if encoding == 0:
                    gaps.append(1e3 * video.longest_gap)
    return [
        Figure("switch up: settings to the first packet of the layer", "ms", tuple(up), "p95 <= 150", None, 150),
        Figure("switch down: the same", "ms", tuple(down), "p95 <= 150", None, 150),
        Figure("switch down: longest silence meanwhile", "ms", tuple(gaps)),
    ]


@asynccontextmanager
async def meeting(service: Service, people: int) -> AsyncIterator[list[Person]]:
    """Runs a meeting in which each participant receives all others in low quality."""
    async with contextlib.AsyncExitStack() as stack:
        present: list[Person] = []
        for i in range(people):
            token = service.token(f"person-{i}", ROOM)
            one = person(service.url, ROOM, token, publishes="rid", videos=people - 1, sample=32)
            present.append(await stack.enter_async_context(one))
        await asyncio.sleep(SETTLE)
        await asyncio.gather(*(see(present, one, Quality.LOW) for one in present))
        await asyncio.sleep(SETTLE)
        yield present


async def see(present: Sequence[Person], who: Person, quality: Quality) -> None:
    """All others request this quality of one participant at the same time."""
    await asyncio.gather(*(one.settings(who.track, quality) for one in present if one is not who))


async def speakers() -> list[Figure]:
    """Everybody receives the speaker in high quality and the previous speaker in low quality again."""
    changes: list[int] = []
    async with serving() as service, meeting(service, PEOPLE) as present:
        encoders = [one for person in present for one in person.encoders()]
        before = [Made.of(encoder) for encoder in encoders]
        for speaker, last in zip(present, [None, *present], strict=False):
            counted = [encoder.keyframes for encoder in encoders]
            wishes = [see(present, speaker, Quality.HIGH)]
            if last is not None:
                wishes.append(see(present, last, Quality.LOW))
            await asyncio.gather(*wishes)
            await asyncio.sleep(CHANGE)
            changes += [encoder.keyframes - count for encoder, count in zip(encoders, counted, strict=True)]
        made = [Made.of(encoder) - then for encoder, then in zip(encoders, before, strict=True)]
    minutes = PEOPLE * CHANGE / 60
    keyframes = [one.keyframes / minutes for one in made]
    extra = sum(one.keyframe_octets for one in made) * (1 - 1 / KEYFRAME_FACTOR)
    share = 100 * extra / sum(one.octets for one in made)
    concerned = tuple(float(count) for count in changes if count)
    return [
        Figure(f"{PEOPLE} people, a change each 5 s: keyframes per encoding", "", concerned, "<= 2", None, 2),
        Figure("the same: keyframes a minute, per encoding", "", tuple(keyframes), "<= 15", None, 15),
        Figure("the same: keyframes a minute, the whole room", "", (sum(keyframes),)),
        Figure("the same: octets more than without keyframes", "%", (share,), "<= 5", None, 5),
    ]


@dataclass(frozen=True, slots=True)
class Made:
    """The counters of an encoder."""

    keyframes: int
    octets: int
    keyframe_octets: int

    @classmethod
    def of(cls, encoder: Vp8) -> "Made":
        return cls(encoder.keyframes, encoder.octets, encoder.keyframe_octets)

    def __sub__(self, then: "Made") -> "Made":
        return Made(
            self.keyframes - then.keyframes,
            self.octets - then.octets,
            self.keyframe_octets - then.keyframe_octets,
        )


async def joins() -> list[Figure]:
    """`JOINS` viewers join within one second. The publisher is in another process."""
    async with serving() as service, fleet() as publishers:
        await publishers.publish(service.whip(), [service.token("publisher", ROOM)], ["video"])
        await asyncio.sleep(SETTLE)
        before = (await publishers.report()).keyframe_requests
        taken = await asyncio.gather(*(_join(service, i, i / JOINS) for i in range(JOINS)))
        await asyncio.sleep(PAUSE)
        requests = (await publishers.report()).keyframe_requests - before
    return [
        Figure(f"{JOINS} joins within a second: keyframes asked for", "", (float(requests),), "<= 3", None, 3),
        Figure("the same: TCP connect to first picture", "ms", tuple(taken), "p95 <= 100", None, 100),
    ]


async def _join(service: Service, index: int, delay: float) -> float:
    await asyncio.sleep(delay)
    client = wire.Client(videos=1, sample=64)
    session = await wire.open_session(service.whep(), service.token(f"viewer-{index}", ROOM), client)
    async with asyncio.timeout(10):
        keyframe = await client.receiver.first_keyframe
    return 1e3 * (keyframe - session.began)
