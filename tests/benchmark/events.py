"""What events cost: written to the disk and followed, at a constant rate, in one process.

Rooms with joins and leaves make RATE events a second for SECONDS, kept in memory, on disk, and followed by one backend.
Reported are the CPU time of the process per event, the lag of the event loop, and the wait for a commit:

    python -m tests.benchmark.events --rate 10000 --seconds 60
"""

import argparse
import asyncio
import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import uvloop

from sfu.commands import ADMINISTRATOR
from sfu.config import Config
from sfu.facts import Entry, Fact, ParticipantJoined, ParticipantLeft, RoomStarted
from sfu.model import DisconnectReason, ParticipantKind, ParticipantState, Permissions
from sfu.service import Sfu
from sfu.views import ParticipantInfo

from ..live import history_of
from ..sfu.fake_plane import FakePlane

ROOMS = 500
TICK = 0.005
"""Seconds between two batches of events, and between two looks at the clock of the loop."""
BURST = 200
"""Events in one turn of the loop, at most."""
ADA = ParticipantInfo(
    "PA", "identity", "Name", ParticipantState.ACTIVE, ParticipantKind.STANDARD, "m" * 100, {}, Permissions(), 0, 1
)


class Source:
    """Makes a join and a leave after another in all rooms."""

    def __init__(self) -> None:
        self._count = 0
        self._seqs = [0] * ROOMS

    def start(self) -> list[list[Entry]]:
        return [self._turn(room, RoomStarted(f"room {room}", 0)) for room in range(ROOMS)]

    def turns(self, events: int) -> list[list[Entry]]:
        """Returns the facts of this many events: two of each room, as in a turn of the loop."""
        found = []
        for _ in range(events // 2):
            self._count += 1
            info = replace(ADA, sid=f"PA_{self._count:012}", joined_at=int(time.time() * 1000))
            left = ParticipantLeft(info, DisconnectReason.CLIENT_INITIATED, was_hidden=False)
            found.append(self._turn(self._count % ROOMS, ParticipantJoined(info), left))
        return found

    def _turn(self, room: int, *facts: Fact) -> list[Entry]:
        at = int(time.time() * 1000)
        return [Entry(f"RM_{room:012}", 0, at, fact) for fact in facts]


async def run(rate: int, seconds: float, *, folder: str | None, follows: bool) -> None:
    config = Config(state_dir=folder or "", event_octets=1 << 30)
    async with Sfu(config, plane=FakePlane(1)) as sfu:
        history, source = history_of(sfu), Source()
        for turn in source.start():
            history.read(turn)
        await history.settle()
        lags: list[float] = []
        waits: list[float] = []
        read = 0

        async def watch() -> None:
            while True:
                due = time.perf_counter() + TICK
                await asyncio.sleep(TICK)
                lags.append(time.perf_counter() - due)

        async def follow() -> None:
            nonlocal read
            async with sfu.follow(ADMINISTRATOR) as following:
                async for page in following.pages():
                    read += len(page.kept)

        async def probe() -> None:
            while True:
                begun = time.perf_counter()
                await history.settle()
                waits.append(time.perf_counter() - begun)
                await asyncio.sleep(TICK)

        tasks = [asyncio.create_task(watch()), asyncio.create_task(probe())]
        if follows:
            tasks.append(asyncio.create_task(follow()))
        cpu, begun, sent = time.process_time(), time.perf_counter(), 0
        while (passed := time.perf_counter() - begun) < seconds:
            # What a stall of the machine has delayed comes in turns of a few milliseconds, too.
            due = min(int(passed * rate) - sent, BURST)
            for turn in source.turns(due):
                history.read(turn)
            sent += due // 2 * 2
            await asyncio.sleep(TICK)
        spent = time.process_time() - cpu
        await history.settle()
        stats = sfu.history_stats()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        where = ("disk" if folder else "memory") + (", followed" if follows else "")
        print(
            f"{where:>16}: {sent / passed:7,.0f} events/s, {spent / sent * 1e6:5.1f} us of CPU per event, "
            f"lag p50 {rank(lags, 0.5):5.1f} ms, p99 {rank(lags, 0.99):5.1f} ms, most {max(lags) * 1e3:6.1f} ms; "
            f"commit p50 {rank(waits, 0.5):5.1f} ms, p99 {rank(waits, 0.99):5.1f} ms; "
            f"lost {stats.dropped['backlog']}, read {read:,}"
        )


def rank(values: Sequence[float], share: float) -> float:
    """Returns a quantile, in milliseconds."""
    return sorted(values)[min(math.ceil(len(values) * share), len(values)) - 1] * 1e3


def main(rate: int, seconds: float) -> None:
    # The first row is the lag of this machine without events.
    for rate_, is_kept, follows in ((2, False, False), (rate, False, False), (rate, True, False), (rate, True, True)):
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            uvloop.run(run(rate_, seconds, folder=folder if is_kept else None, follows=follows))


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rate", type=int, default=10_000)
    arguments.add_argument("--seconds", type=float, default=60.0)
    main(**vars(arguments.parse_args()))
