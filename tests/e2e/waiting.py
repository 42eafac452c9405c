"""Waits for a counter, a state or an event. Elapsed time alone proves nothing."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(
    read: Callable[[], Awaitable[T]],
    holds: Callable[[T], object],
    what: str,
    *,
    limit: float = 20.0,
    every: float = 0.1,
) -> T:
    """Reads until the condition holds, and returns the reading. After `limit` seconds the test fails with the last
    reading."""
    deadline = time.monotonic() + limit
    while True:
        reading = await read()
        if holds(reading):
            return reading
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {limit:g} s: {what}; the last reading was {reading!r}")
        await asyncio.sleep(every)


async def when(is_so: Callable[[], object], what: str, *, limit: float = 5.0) -> float:
    """Returns the CLOCK_MONOTONIC time at which the condition became true. Polls often."""

    async def look() -> bool:
        return bool(is_so())

    await until(look, bool, what, limit=limit, every=0.002)
    return time.monotonic()
