"""Python computes for a second and lets nobody have the GIL: packets do not notice (ARCHITECTURE: the seam).

Seconds in which Python holds the GIL and seconds in which it does not take turns in one run. In both a thread of the
service keeps a core busy, and in both the same is asked for: what differs is the GIL alone. A packet thread that took
it would stand still as the watching thread does, and its latency would be that second.
"""

import asyncio
import json
import os
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from urllib.parse import urljoin

import pytest

from loadtest import wire
from loadtest.bot import Bot
from loadtest.wire.sdp import VP8, VP8_RTX

from .probe import Computed
from .server import Server, serving, token

SECOND = 1.0
VIEWERS = 4
ROUNDS, MOST_ROUNDS = 5, 20
"""Of two seconds each; more than the first five only while others on the machine spoil the comparison."""
QUIET = 3
"""Seconds of each kind that are compared."""
AHEAD = 0.1
"""Seconds: an order to compute comes so long before; and so long after it what was late has come, and counts."""
WITHIN = 1.20
"""The p99 with the GIL held, against the one without."""
MARGIN = 0.1
"""Seconds into it at which we begin to ask: threads are late on a busy machine."""
POLL = 0.002
LIMIT = 10.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Half:
    computed: Computed
    latencies: Sequence[float]
    """Of every packet that came to a viewer; seconds."""
    done: dict[str, float]
    """When what was asked for in it was served."""

    def served(self, deed: str) -> bool:
        """While Python was still computing."""
        return self.computed.began < self.done[deed] < self.computed.ended


class Call:
    """A room with a publisher, viewers, and two who exchange messages; all in this process, the service in its own."""

    def __init__(
        self, server: Server, room: str, publisher: wire.Client, viewers: list[wire.Client], ada: Bot, bob: Bot
    ) -> None:
        self._server = server
        self._room = room
        self._publisher = publisher
        self._viewers = viewers
        self._ada, self._bob = ada, bob
        self._count = 0

    async def half(self, *, holding: bool) -> Half:
        """A second in which Python computes, and what is asked of the packet plane meanwhile."""
        self._count += 1
        guest = wire.Client(audios=1, videos=1)
        door, bearer = f"{self._server.url}/v1/whep", token(f"guest-{self._count}", self._room)
        status, headers, answer = await wire.request("POST", door, bearer, guest.offer.encode(), "application/sdp")
        assert status == 201
        begins = time.monotonic() + AHEAD
        order = f"begins={begins}&seconds={SECOND}&holding={holding}"
        computing = asyncio.create_task(wire.request("GET", f"{self._server.url}/probe/compute?{order}"))
        await asyncio.sleep(begins + MARGIN - time.monotonic())
        for viewer in self._viewers:
            viewer.receiver.latencies.clear()
        done: dict[str, float] = {}

        async def note(deed: str, doing: Awaitable[None]) -> None:
            await doing
            done[deed] = time.monotonic()

        async with asyncio.timeout(LIMIT), asyncio.TaskGroup() as tasks:
            tasks.create_task(note("a NACK is served", self._nack()))
            tasks.create_task(note("a message passes", self._message()))
            # A guest who connects is a reason for a keyframe, too: it comes after the PLI.
            await note("a PLI is sent", self._pli())
            tasks.create_task(note("a DTLS handshake finishes", guest.connect(answer.decode())))
        _, _, computed = await computing
        await asyncio.sleep(AHEAD)
        latencies = [latency for viewer in self._viewers for latency in viewer.receiver.latencies]
        await wire.request("DELETE", urljoin(door, headers["location"]), bearer)
        guest.close()
        return Half(Computed(**json.loads(computed)), latencies, done)

    async def _nack(self) -> None:
        viewer = self._viewers[0]
        ssrc, video = next((ssrc, one) for ssrc, one in viewer.receiver.receptions.items() if one.payload_type == VP8)
        lost = video.highest - 1 & 0xFFFF
        viewer.nack(ssrc, [lost])
        await until(lambda: any(lost in one.repaired for one in viewer.receiver.by_kind(VP8_RTX)))

    async def _pli(self) -> None:
        viewer = self._viewers[1]
        ssrc = next(ssrc for ssrc, one in viewer.receiver.receptions.items() if one.payload_type == VP8)
        (sender,) = (sender for sender in self._publisher.senders if sender.section.kind == "video")
        before = sender.keyframe_requests
        viewer.ask_keyframe(ssrc)
        await until(lambda: sender.keyframe_requests > before)

    async def _message(self) -> None:
        for sender, receiver in ((self._ada, self._bob), (self._bob, self._ada)):
            text = f"{sender.sid} {self._count}".encode()
            await sender.send(text, to=receiver.sid)
            await until(partial(has_message, receiver, text))


@asynccontextmanager
async def calling(server: Server) -> AsyncIterator[Call]:
    room = server.new_room()
    async with AsyncExitStack() as stack:
        publisher = wire.Client(sends=["audio", "video"])
        stack.callback(publisher.close)
        await wire.open_session(f"{server.url}/v1/whip", token("publisher", room), publisher)
        publisher.play()
        viewers = [wire.Client(audios=1, videos=1) for _ in range(VIEWERS)]
        for number, viewer in enumerate(viewers):
            stack.callback(viewer.close)
            await wire.open_session(f"{server.url}/v1/whep", token(f"viewer-{number}", room), viewer)
        ada, bob = [
            await stack.enter_async_context(Bot(server.url, room=room, token=token(name, room), auto_subscribe=False))
            for name in ("ada", "bob")
        ]
        call = Call(server, room, publisher, viewers, ada, bob)
        for viewer in viewers:
            await asyncio.wait_for(viewer.receiver.first_keyframe, LIMIT)
            await until(partial(is_served, viewer))
        yield call


def is_served(viewer: wire.Client) -> bool:
    return len(viewer.receiver.latencies) > 200


def has_message(bot: Bot, text: bytes) -> bool:
    return any(message.payload == text for message in bot.messages)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(POLL)


def p99(half: Half) -> float:
    return statistics.quantiles(half.latencies, n=100)[-1]


def quietest(halves: Sequence[Half]) -> float:
    """The p99 of all packets of the quietest seconds. Others on the machine only ever add to a latency: the more
    seconds there are, the nearer this comes to what is our own; and who waits for the GIL has no quiet second."""
    best = sorted(halves, key=p99)[:QUIET]
    return statistics.quantiles([latency for half in best for latency in half.latencies], n=100)[-1]


@contextmanager
def precedence() -> Iterator[None]:
    """Over what else runs on the machine, where we may have it; the service inherits it."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, before - 10)
    try:
        yield
    finally:
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, before)


@pytest.mark.slow
async def test_packets_do_not_wait_while_python_computes() -> None:
    held: list[Half] = []
    free: list[Half] = []
    ratio = float("inf")
    command = ("-m", "tests.e2e.probe", "serve")
    with precedence():
        async with serving(*command, host="127.0.0.1", log_level="info") as server, calling(server) as call:
            await call.half(holding=False)
            for round in range(MOST_ROUNDS):
                for holding in (True, False) if round % 2 else (False, True):
                    (held if holding else free).append(await call.half(holding=holding))
                ratio = quietest(held) / quietest(free)
                if round + 1 >= ROUNDS and ratio <= WITHIN:
                    break

    print(f"\n{len(held)} seconds each way: p99 {1e3 * quietest(held):.2f} ms with the GIL held,", end=" ")
    print(f"{1e3 * quietest(free):.2f} ms without, ratio {ratio:.2f}")
    for name, halves in (("held", held), ("free", free)):
        print(f"{name}: p99 in ms", *(f"{1e3 * p99(half):.1f}" for half in halves))
    for deed in held[0].done:
        after = statistics.median(half.done[deed] - half.computed.began for half in held)
        print(
            f"{deed} {1e3 * (after - MARGIN):.1f} ms after it was asked for, {sum(h.served(deed) for h in held)} times"
        )

    assert all(half.computed.frozen > 0.9 * SECOND for half in held), "whoever wants the GIL stands still"
    assert statistics.median(half.computed.frozen for half in free) < 0.5 * SECOND, "and otherwise it does not"
    for deed in held[0].done:
        served = [half.served(deed) for half in held]
        assert sum(served) > len(held) / 2, f"{deed} while Python computes: {served}"
    flowed, without = (sum(len(half.latencies) for half in halves) for halves in (held, free))
    assert flowed > 0.9 * without, f"media flows: {flowed} packets with the GIL held, {without} without"
    assert ratio <= WITHIN, f"p99 is {ratio:.2f} times the one of the seconds without the GIL held"
