"""`python -m loadtest join`: measures the time of a join, the memory of a viewer, and when a silent viewer is dropped.

Times are wall time on loopback, on a machine that may be busy. They are printed next to their targets; no test should
depend on them.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from loadtest import wire
from loadtest.click import clicks
from loadtest.figures import Figure, table
from loadtest.fleet import Fleet, fleet
from loadtest.service import Service, serving
from loadtest.wire.sdp import VP8

ROOM = "bench"
PUBLISHERS = 10
WARM_UP = 2
"""The number of first joins that are not counted, because they load code."""
PAUSE = 0.5
"""Seconds between two joins. Each join needs a new keyframe, and a publisher is asked for one at most every 0.3 s."""
MEMORY_BASE, MEMORY_VIEWERS = 50, 200
"""Memory is measured as the growth of the process between these numbers of viewers."""
SETTLE = 3.0
"""Seconds."""
SILENCES = 5
POLL = 0.1
FROZEN = 20.0
"""Seconds for which a participant is frozen before it returns. The service keeps it for 30."""
PARTS = ("join", "click", "silence", "memory")


async def run(repetitions: int = 20, parts: Sequence[str] = PARTS) -> None:
    """Prints the table, part by part."""
    measures = {
        "join": lambda: join(repetitions),
        "click": lambda: click(repetitions),
        "silence": silence,
        "memory": memory,
    }
    await table(measures, parts)


@asynccontextmanager
async def published(count: int) -> AsyncIterator[tuple[Service, Fleet]]:
    """Runs a new service with a room in which `count` publishers send audio and video from another process."""
    async with serving() as service, fleet() as publishers:
        await publishers.publish(service.whip(), [service.token(f"publisher-{i}", ROOM) for i in range(count)])
        await asyncio.sleep(SETTLE)
        yield service, publishers


async def join(repetitions: int) -> list[Figure]:
    """Measures a WHEP client that offers sections for the whole room."""
    answers, transports, packets, keyframes, everybody = [], [], [], [], []
    async with published(PUBLISHERS) as (service, _):
        for i in range(WARM_UP + repetitions):
            client = wire.Client(audios=PUBLISHERS, videos=PUBLISHERS)
            session = await wire.open_session(service.whep(), service.token(f"viewer-{i}", ROOM), client)
            async with asyncio.timeout(10):
                packet = await client.receiver.first_packet
                keyframe = await client.receiver.first_keyframe
                complete = await _all_keyframes(client)
            await session.end()
            await asyncio.sleep(PAUSE + 0.033 * i / repetitions)  # another phase of the publishers' frames each time
            if i >= WARM_UP:
                answers.append(1e3 * (session.answered - session.began))
                transports.append(1e3 * (session.connected - session.answered))
                packets.append(1e3 * (packet - session.began))
                keyframes.append(1e3 * (keyframe - session.began))
                everybody.append(1e3 * (complete - session.began))
    return [
        Figure("WHEP: TCP connect to the answer", "ms", tuple(answers)),
        Figure("WHEP: answer to DTLS connected", "ms", tuple(transports)),
        Figure("WHEP: TCP connect to first RTP packet, room of 10", "ms", tuple(packets), "<= 15 / <= 25", 15, 25),
        Figure("WHEP: TCP connect to first keyframe, room of 10", "ms", tuple(keyframes), "p95 <= 45", None, 45),
        Figure("WHEP: TCP connect to a keyframe of all 10", "ms", tuple(everybody)),
    ]


async def _all_keyframes(client: wire.Client) -> float:
    """Returns when the last of the first keyframes began."""
    while True:
        began = [one.keyframe_at for one in client.receiver.by_kind(VP8) if one.keyframe_at is not None]
        if len(began) == PUBLISHERS:
            return max(began)
        await asyncio.sleep(0.005)


async def click(repetitions: int) -> list[Figure]:
    taken = await clicks(repetitions)
    return [Figure("Chromium: click to first decoded frame, own protocol", "ms", tuple(taken), "p95 <= 400", None, 400)]


async def memory() -> list[Figure]:
    """Measures the service's RSS per additional viewer of one video track, while media flows to all."""
    async with published(1) as (service, _), fleet() as first, fleet() as second:
        tokens = [service.token(f"viewer-{i}", ROOM) for i in range(MEMORY_VIEWERS)]
        await first.watch(service.whep(), tokens[:MEMORY_BASE], audios=0, videos=1, sample=64)
        await asyncio.sleep(SETTLE)
        before = service.rss()
        await second.watch(service.whep(), tokens[MEMORY_BASE:], audios=0, videos=1, sample=64)
        await asyncio.sleep(SETTLE)
        grown = (service.rss() - before) / 1000 / (MEMORY_VIEWERS - MEMORY_BASE)
    return [Figure(f"memory per WHEP video viewer ({MEMORY_BASE} to {MEMORY_VIEWERS})", "KB", (grown,), "<= 100", 100)]


async def silence() -> list[Figure]:
    """Measures the time from SIGSTOP to the last packet sent to the viewer, by the service's count, and its
    recovery."""
    quiet, back = [], []
    async with published(1) as (service, _):
        for i in range(SILENCES):
            async with fleet() as viewer:
                token = service.token(f"viewer-{i}", ROOM)
                await viewer.watch(service.whep(), [token], audios=1, videos=1)
                await asyncio.sleep(SETTLE)
                viewer.freeze()
                frozen = time.monotonic()
                quiet.append(await _last_sent(service) - frozen)
                if i:
                    continue
                await asyncio.sleep(max(0.0, frozen + FROZEN - time.monotonic()))
                viewer.thaw()
                await viewer.report()
                back.append(await _comes_back(viewer))
    return [
        Figure("SIGSTOP to the last packet sent", "s", tuple(quiet), "<= 5", None, 5),
        Figure(f"SIGCONT after {FROZEN:g} s to media again", "s", tuple(back), "resumes within 30 s", None, 30),
    ]


async def _last_sent(service: Service, patience: float = 2.0) -> float:
    """Returns when the count of forwarded packets last grew. It must be constant for `patience` seconds."""
    count, since = -1.0, time.monotonic()
    while time.monotonic() - since < patience:
        forwarded = (await service.metrics())["sfu_packets_forwarded"]
        if forwarded != count:
            count, since = forwarded, time.monotonic()
        await asyncio.sleep(POLL)
    return since


async def _comes_back(viewer: Fleet) -> float:
    """Returns the seconds until packets arrive that were not queued in the socket."""
    began = time.monotonic()
    while time.monotonic() - began < 60:
        report = await viewer.report()
        if any(latency < 1 for latency in report.latencies):
            return time.monotonic() - began
        await asyncio.sleep(POLL)
    return float("inf")
