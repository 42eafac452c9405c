"""Measures how long the garbage collector stops joins into a large room: `python -m tests.benchmark.collector`.

Viewers join one after another, alternately with and without the thresholds of `api/collector.py`, in one process. It
measures the CPU time of the thread for each join, and of the collector within it. The packet plane is the fake one of
the tests, whose record is emptied after each join; there are no sockets.
"""

import argparse
import asyncio
import gc
import time
from typing import NamedTuple

from api import collector
from sfu.model import Kind

from ..sfu.scene import scene, turn
from .large_room import LargeRoom

TARGET_MS = 40.0
DEFAULT = (700, 10, 10)
"""The thresholds of CPython up to 3.13."""
OURS = (collector.YOUNG, collector.MIDDLE, collector.OLD)


class Pause(NamedTuple):
    generation: int
    ms: float


class Join(NamedTuple):
    ms: float
    members: int
    """Participants before the measurement."""
    pauses: tuple[Pause, ...]


class Watch:
    """The pauses of the collector since the last reading."""

    def __init__(self) -> None:
        self._begun = 0.0
        self._pauses: list[Pause] = []

    def note(self, phase: str, info: dict[str, int]) -> None:
        now = time.thread_time()
        if phase == "start":
            self._begun = now
        else:
            self._pauses.append(Pause(info["generation"], (now - self._begun) * 1000))

    def read(self) -> tuple[Pause, ...]:
        pauses, self._pauses = tuple(self._pauses), []
        return pauses


async def joins(members: int, publishers: int) -> list[Join]:
    watch, found = Watch(), []
    async with scene() as it:
        room = LargeRoom(it)
        gc.callbacks.append(watch.note)
        try:
            for number in range(members):
                await turn()
                begun = time.thread_time()
                client = await room.join(f"p{number}")
                await turn()
                found.append(Join((time.thread_time() - begun) * 1000, number, watch.read()))
                if number < publishers:
                    await room.publish(client, Kind.AUDIO, Kind.VIDEO)
                room.read()
                it.plane.commands.clear()
                watch.read()
        finally:
            gc.callbacks.remove(watch.note)
    return found


def measure(members: int, publishers: int, thresholds: tuple[int, int, int]) -> list[Join]:
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*thresholds)
    try:
        return asyncio.run(joins(members, publishers))
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--members", type=int, default=400)
    parser.add_argument("--publishers", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    found: dict[str, list[Join]] = {"default": [], "ours": []}
    for _ in range(given.rounds):
        for name, thresholds in (("default", DEFAULT), ("ours", OURS)):
            found[name] += measure(given.members, given.publishers, thresholds)
    for name, of in found.items():
        worst = max(of)
        pauses = [pause for join in of for pause in join.pauses]
        by_generation = ", ".join(
            f"{len(ms)} of generation {generation} (worst {max(ms, default=0.0):.1f} ms)"
            for generation in range(3)
            for ms in [[pause.ms for pause in pauses if pause.generation == generation]]
        )
        verdict = f"; target {TARGET_MS:g} ms, {'met' if worst.ms <= TARGET_MS else 'missed'}" if name == "ours" else ""
        print(
            f"worst join of {len(of)} up to {given.members} members, {name} thresholds: {worst.ms:.1f} ms of CPU with "
            f"{worst.members} members, {sum(pause.ms for pause in worst.pauses):.1f} ms of it in the collector{verdict}"
        )
        print(f"  collections: {by_generation}")


if __name__ == "__main__":
    main()
