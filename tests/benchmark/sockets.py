"""Measures the cost of a join and a message in Python over real WebSockets: `python -m tests.benchmark.sockets`.

The room has publishers with microphone and camera, and viewers with 8 sections of each kind and data channels. The
server is the one of the tests, over the fake packet plane. It measures the CPU time of its thread, minus that of an
idle server for the same time; the clients are another process (`tests/benchmark/clients.py`).
"""

import argparse
import asyncio
import cProfile
import json
import pstats
import statistics
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import uvloop

from api import collector, listener
from sfu.plane import Event, Layer, Switched, _native
from sfu.room.participant import Participant

from ..api.server import Server, serving
from ..live import rooms_of
from .crowd import arriving

JOIN_MS = 8.0
RECEIVER_US = 25.0
WINDOW = 0.8
"""Seconds after which all messages of a change were sent; a message waits at most 0.5 s."""


class Clients:
    """The process with all clients."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._stdin, self._stdout = process.stdin, process.stdout

    async def join(self, name: str, *, publishes: bool = False) -> str:
        """Joins, offers and returns the participant's sid."""
        self._stdin.write(json.dumps({"name": name, "publishes": publishes}).encode() + b"\n")
        return (await self._stdout.readline()).decode().strip()


class Room:
    """The room `room` of a server, with clients in another process."""

    def __init__(self, server: Server, clients: Clients) -> None:
        self.server = server
        self.clients = clients

    @property
    def members(self) -> int:
        return len(rooms_of(self.server.sfu).find("room").members)

    async def join(self, name: str, *, publishes: bool = False) -> None:
        sid = await self.clients.join(name, publishes=publishes)
        participant = rooms_of(self.server.sfu).find("room").members.get(sid)
        assert participant is not None
        await self._connect(participant)

    async def _connect(self, participant: Participant) -> None:
        """Plays the plane's event for the connected media of a participant."""
        transport = participant.transport.id
        assert transport is not None
        await self._say(_native.TransportState(transport=transport, state="connected", reason=""))
        for channel in participant.channels.own.values():
            await self._say(_native.ChannelState(transport, channel, "open", "", "", ""))
        await self._say(*(arriving(track) for track in participant.tracks.values()))
        assert self.server.plane is not None
        own = {track.plane_id for track in participant.tracks.values()}
        slots, sources = set(participant.transport.slots.values()), self.server.plane.sources
        # Finding the viewers of a publisher examines the slots of all. A viewer's join does not include that.
        shown = (
            {slot: source for slot, source in sources.items() if source in own or slot in slots}
            if own
            else {slot: sources.get(slot) for slot in slots}
        )
        switched = (Switched(slot, source, Layer(0, 0), "none") for slot, source in shown.items() if source is not None)
        await self._say(*switched)

    async def _say(self, *events: Event) -> None:
        assert self.server.plane is not None
        if events:
            self.server.plane.say(*events)
            await asyncio.sleep(0)

    async def announce(self, text: str) -> None:
        """Causes one message to everybody."""
        rooms_of(self.server.sfu).find("room").update(metadata=text)


async def spent(change: Callable[[], Awaitable[object]]) -> float:
    """Returns the CPU seconds of this thread until all messages were sent, including those of an idle server."""
    ends = time.monotonic() + WINDOW
    begun = time.thread_time()
    await change()
    await asyncio.sleep(ends - time.monotonic())
    return time.thread_time() - begun


async def measure(
    viewers: int, publishers: int, rounds: int, profile: cProfile.Profile | None
) -> tuple[list[float], list[float]]:
    """Returns the milliseconds of each join, and the microseconds of each message and receiver."""
    # The pings of 200 connections are not part of a join.
    listener.PING_INTERVAL = 3600.0
    async with serving() as server, started(server.port) as clients:
        room = Room(server, clients)
        for number in range(publishers):
            await room.join(f"publisher{number}", publishes=True)
        for number in range(viewers):
            await room.join(f"viewer{number}")
        await asyncio.sleep(2 * WINDOW)
        collector.settle()
        joins, receivers, idle = [], [], []
        for number in range(rounds):
            idle.append(await spent(lambda: asyncio.sleep(0)))
            if profile is not None:
                profile.enable()
            joins.append(await spent(lambda number=number: room.join(f"late{number}")))  # type: ignore[misc]
            if profile is not None:
                profile.disable()
            cost = await spent(lambda number=number: room.announce(str(number)))  # type: ignore[misc]
            receivers.append((cost - statistics.median(idle)) / room.members * 1e6)
        return [(cost - statistics.median(idle)) * 1e3 for cost in joins], receivers


@asynccontextmanager
async def started(port: int) -> AsyncIterator[Clients]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmark.clients", str(port), stdin=PIPE, stdout=PIPE
    )
    try:
        yield Clients(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--viewers", type=int, default=200)
    parser.add_argument("--publishers", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--profile", action="store_true", help="print where the time of the joins goes")
    given = parser.parse_args()
    profile = cProfile.Profile() if given.profile else None
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        joins, receivers = runner.run(measure(given.viewers, given.publishers, given.rounds, profile))
    where = f"over WebSockets, {given.viewers} viewers, {given.publishers} publishers"
    join, receiver = statistics.median(joins), statistics.median(receivers)
    print(
        f"join of a viewer {where}: {join:.1f} ms of CPU, at most {max(joins):.1f} ms; "
        f"target {JOIN_MS:g} ms, {'met' if join <= JOIN_MS else 'missed'}"
    )
    print(
        f"one message to all {where}: {receiver:.1f} us of CPU for each receiver; "
        f"target {RECEIVER_US:g} us, {'met' if receiver <= RECEIVER_US else 'missed'}"
    )
    if profile is not None:
        pstats.Stats(profile).sort_stats("tottime").print_stats(45)


if __name__ == "__main__":
    main()
