"""The longest pauses of Python: their readings, and that the loop and the collector are watched."""

import asyncio
import gc
import time

from api import pauses
from api.pauses import WINDOW, Longest, Pauses


def test_a_pause_is_read_for_one_to_two_windows() -> None:
    longest = Longest()
    longest.note(0.2, 0.5 * WINDOW)
    longest.note(0.1, 0.9 * WINDOW)
    assert [longest.read(at * WINDOW) for at in (0.9, 1.0, 1.9, 2.0)] == [0.2, 0.2, 0.2, 0.0]
    longest.note(0.3, 2.5 * WINDOW)
    assert [longest.read(at * WINDOW) for at in (2.6, 9.0)] == [0.3, 0.0]


async def test_the_loop_and_the_collector_are_watched_until_the_block_ends() -> None:
    watched, callbacks = Pauses(), len(gc.callbacks)
    with watched.watching(lambda: False):
        await asyncio.sleep(0)
        stand_still()
        await asyncio.sleep(2 * pauses.INTERVAL)
        gc.collect()
    read = watched.read()
    assert read["loop"] >= pauses.INTERVAL
    assert read["collector"] > 0
    assert len(gc.callbacks) == callbacks


def stand_still() -> None:
    time.sleep(3 * pauses.INTERVAL)
