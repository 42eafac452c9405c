"""While Python computes for a second, nothing that is the plane's waits for it: no packet thread takes the GIL.

The clients run in the process of the test, the service in its own. In the other half of each run a process of its own
computes as long, so that both halves have the same share of the machine.
"""

import asyncio
import math
import os
import signal
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urljoin

import pytest
import pytest_asyncio

from loadtest import wire
from loadtest.bot import Bot
from loadtest.wire.sdp import VP8

from .server import Server, serving, token
from .waiting import when

BURN = """
import sys, time
for _ in sys.stdin:
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        pass
    print(flush=True)
"""
MOST_WORSE = 1.2
ROUNDS = (5, 20)
"""At least and at most: a busy machine needs more of them for the same certainty."""
QUIET = 3
"""Seconds of each half that are compared: the quietest."""
AFTER = 0.1
"""Seconds in which what was held up comes."""
PRECEDENCE = 10
"""Steps of nice(2) by which we go before what else runs on the machine, where we may."""
FRAMES_A_SECOND = 30
BEHIND = 5
"""Packets behind the newest is the one that is asked for again. The service keeps a second, some 30 of them: one that
is chosen before Python computes, 20 behind, is no longer there if a busy machine takes half a second to begin."""


@pytest_asyncio.fixture(loop_scope="session", scope="module", name="service")
async def _service() -> AsyncIterator[Server]:
    with precedence():
        async with serving("-m", "tests.e2e.stalling_service", host="127.0.0.1") as running:
            yield running


@dataclass(frozen=True, slots=True)
class Stall:
    """When Python began to compute, and when it was done; CLOCK_MONOTONIC, in seconds."""

    begun: float
    done: float

    def contains(self, moment: float) -> bool:
        return self.begun < moment < self.done


class Stalling:
    """The stalls of a service, one after the other."""

    def __init__(self, service: Server, number: signal.Signals = signal.SIGUSR1) -> None:
        self._service = service
        self._number = number
        self._seen = self._count("computed: ")

    async def begin(self) -> None:
        """Returns as soon as Python computes."""
        self._service.process.send_signal(self._number)
        await when(lambda: self._count("computing: ") > self._seen, "Python computes")

    async def end(self) -> Stall:
        await when(lambda: self._count("computed: ") > self._seen, "Python is done", limit=20.0)
        self._seen += 1
        return Stall(self._moments("computing: ")[-1], self._moments("computed: ")[-1])

    def _moments(self, what: str) -> list[float]:
        return [float(line.removeprefix(what)) for line in self._service.log if line.startswith(what)]

    def _count(self, what: str) -> int:
        return len(self._moments(what))


async def publish(service: Server, room: str, stack: AsyncExitStack) -> wire.Client:
    client = wire.Client(sends=["audio", "video"])
    stack.callback(client.close)
    await wire.open_session(f"{service.url}/v1/whip", token("cam", room), client)
    client.play()
    return client


async def watch(service: Server, room: str, stack: AsyncExitStack, identity: str = "eye") -> wire.Client:
    client = wire.Client(audios=1, videos=1)
    stack.callback(client.close)
    await wire.open_session(f"{service.url}/v1/whep", token(identity, room), client)
    await asyncio.wait_for(asyncio.shield(client.receiver.first_keyframe), 10)
    return client


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2], ids=["event-loop", "other-thread"])
async def test_nothing_of_the_plane_waits_while_python_computes(service: Server, number: signal.Signals) -> None:
    room = service.new_room()
    async with AsyncExitStack() as stack:
        camera = await publish(service, room, stack)
        viewer = await watch(service, room, stack)
        bots = [
            await stack.enter_async_context(Bot(service.url, room=room, token=token(name, room), auto_subscribe=False))
            for name in ("ada", "bob")
        ]
        await bots[0].send(b"before")
        await bots[1].until(lambda: [m.payload for m in bots[1].messages] == [b"before"])
        late = wire.Client(audios=1, videos=1)
        stack.callback(late.close)
        answer = await post(service, room, late)
        (video,) = viewer.receiver.by_kind(VP8)
        await when(lambda: video.packets >= 2 * BEHIND, "there are packets to ask for again")
        ssrc = next(ssrc for ssrc, one in viewer.receiver.receptions.items() if one is video)
        plis = camera.senders[1].keyframe_requests
        misses = await cache_misses(service)

        stalling = Stalling(service, number)
        await stalling.begin()
        lost = video.highest - BEHIND & 0xFFFF
        enough = video.packets + 2 * FRAMES_A_SECOND
        expected = {
            "a NACK is served": lambda: repaired(viewer, lost),
            "a PLI is sent": lambda: camera.senders[1].keyframe_requests > plis,
            "a routed message passes": lambda: bots[1].messages[-1].payload == b"during",
            "media flows": lambda: video.packets >= enough,
        }

        viewer.nack(ssrc, [lost])
        viewer.ask_keyframe(ssrc)
        await bots[0].send(b"during")
        moments = await asyncio.gather(
            *(when(is_so, what) for what, is_so in expected.items()), connected(late, answer), return_exceptions=True
        )
        stall = await stalling.end()
        assert await cache_misses(service) == misses, "what is asked for again is kept"
        failed = [moment for moment in moments if isinstance(moment, BaseException)]
        assert not failed, failed
        for what, moment in zip([*expected, "a DTLS handshake finishes"], moments, strict=True):
            assert isinstance(moment, float) and stall.contains(moment), (
                f"{what} only {moment - stall.done:.3f} s after Python was done"
            )
        assert video.gaps == 0, "no packet is lost meanwhile"


async def test_media_is_forwarded_as_fast_while_python_computes(service: Server) -> None:
    room = service.new_room()
    async with AsyncExitStack() as stack:
        await publish(service, room, stack)
        viewer = await watch(service, room, stack)
        stalling = Stalling(service)
        burn = await stack.enter_async_context(burning())
        calm: list[list[float]] = []
        stalled: list[list[float]] = []
        ratio = math.inf

        async def stall() -> None:
            await stalling.begin()
            stalled.append(await latencies_until(viewer, stalling.end()))

        for count in range(1, ROUNDS[1] + 1):
            if count % 2:
                await stall()
            calm.append(await latencies_until(viewer, burn()))
            if not count % 2:
                await stall()
            ratio = quietest(stalled) / quietest(calm)
            if count >= ROUNDS[0] and ratio <= MOST_WORSE:
                break
        for what, seconds in (("Python", stalled), ("another process", calm)):
            print(f"p99 in ms while {what} computes: {1e3 * quietest(seconds):.2f}, each second", end=" ")
            print(*(f"{1e3 * p99(one):.1f}" for one in seconds))
        assert median_count(stalled) > 0.8 * median_count(calm), "media flows"
        assert ratio <= MOST_WORSE


@contextmanager
def precedence() -> Iterator[None]:
    """Processes started within inherit it."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, before - PRECEDENCE)
    try:
        yield
    finally:
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, before)


@asynccontextmanager
async def burning() -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """What computes for a second in a process of its own."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", BURN, stdin=pipe, stdout=pipe)
    assert process.stdin and process.stdout
    reader, writer = process.stdout, process.stdin

    async def burn() -> None:
        writer.write(b"\n")
        await reader.readline()

    await burn()
    try:
        yield burn
    finally:
        writer.close()
        await process.wait()


async def post(service: Server, room: str, client: wire.Client) -> str:
    """The answer to an offer, not used yet."""
    status, headers, body = await wire.request(
        "POST", f"{service.url}/v1/whep", token("late", room), client.offer.encode(), "application/sdp"
    )
    assert status == 201 and urljoin(service.url, headers["location"])
    return body.decode()


async def connected(client: wire.Client, answer: str) -> float:
    await client.connect(answer)
    return time.monotonic()


async def cache_misses(service: Server) -> float:
    """Packets that were asked for again and not kept any more."""
    return (await service.metrics())['sfu_discards_total{reason="cache_miss"}']


def repaired(client: wire.Client, number: int) -> bool:
    return any(number in one.repaired for one in client.receiver.receptions.values())


async def latencies_until(viewer: wire.Client, done: Awaitable[object]) -> list[float]:
    """Seconds, of the packets that came before it was done, and of those that it held up."""
    start = len(viewer.receiver.latencies)
    await done
    await asyncio.sleep(AFTER)
    return viewer.receiver.latencies[start:]


def p99(latencies: list[float]) -> float:
    return statistics.quantiles(latencies, n=100)[98]


def median_count(seconds: list[list[float]]) -> float:
    return statistics.median(len(one) for one in seconds)


def quietest(seconds: list[list[float]]) -> float:
    """The p99 of all packets of the quietest seconds. Others on the machine only ever add to a latency: the more
    seconds there are, the nearer this comes to what is our own. A thread that waits for the GIL has no quiet second."""
    return p99([latency for one in sorted(seconds, key=p99)[:QUIET] for latency in one])
