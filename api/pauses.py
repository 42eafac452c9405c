"""Measures how long Python paused: the event loop, and the garbage collector, which is one cause."""

import asyncio
import contextlib
import gc
import time
from collections.abc import Callable, Iterator

WINDOW = 60.0
"""Seconds. A reading covers the last one to two windows, so that a scrape every minute misses nothing."""
INTERVAL = 0.1
"""Seconds between two checks of the loop. A pause shows as the delay of the next check."""
IDLE_INTERVAL = 1.0
"""Seconds between two checks while no room exists, so that an idle process sleeps."""


class Longest:
    """The longest of the recent durations, in seconds."""

    def __init__(self) -> None:
        self._begun = 0.0
        self._current = self._last = 0.0

    def note(self, seconds: float, now: float) -> None:
        self._turn(now)
        self._current = max(self._current, seconds)

    def read(self, now: float) -> float:
        """Returns the longest duration in the last one to two windows; 0 if there was none."""
        self._turn(now)
        return max(self._current, self._last)

    def _turn(self, now: float) -> None:
        windows = (now - self._begun) // WINDOW
        if windows >= 1:
            self._last = self._current if windows < 2 else 0.0
            self._current = 0.0
            self._begun += windows * WINDOW


class Pauses:
    """The longest pauses of this process."""

    def __init__(self) -> None:
        self._loop = Longest()
        self._collector = Longest()
        self._collecting = 0.0

    @contextlib.contextmanager
    def watching(self, is_idle: Callable[[], bool]) -> Iterator[None]:
        """Watches the running loop and the collector of the process until the block ends."""
        looking = asyncio.create_task(self._look(is_idle))
        gc.callbacks.append(self._collect)
        try:
            yield
        finally:
            gc.callbacks.remove(self._collect)
            looking.cancel()

    def read(self) -> dict[str, float]:
        """Returns the longest recent pause in seconds, of the loop and of the collector."""
        now = time.monotonic()
        return {"loop": self._loop.read(now), "collector": self._collector.read(now)}

    async def _look(self, is_idle: Callable[[], bool]) -> None:
        while True:
            interval = IDLE_INTERVAL if is_idle() else INTERVAL
            due = time.monotonic() + interval
            await asyncio.sleep(interval)
            now = time.monotonic()
            self._loop.note(now - due, now)

    def _collect(self, phase: str, info: dict[str, int]) -> None:
        now = time.monotonic()
        if phase == "start":
            self._collecting = now
        else:
            self._collector.note(now - self._collecting, now)
