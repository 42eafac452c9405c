"""CPU time that an input costs, as the tests of bounds count it."""

import contextlib
import gc
import time
from collections.abc import Callable

CEILING = 0.05 / 100_000
"""Seconds of CPU time for each octet: 50 ms for 100 kB."""
FLOOR = 0.004
"""Seconds: what is as quick as that says nothing about growth."""
SLACK = 4
"""How many times slower than the machine that the ceiling is meant for one may be."""


def spent(act: Callable[[str], object], text: str, *refusals: type[Exception]) -> float:
    """Seconds of CPU time of this process, the least of three, whether `act` accepts the text or refuses it.

    Without the garbage collector: what a collection costs depends on all that the process holds, not on the text.
    """
    best = float("inf")
    gc.disable()
    try:
        for _ in range(3):
            began = time.process_time()
            with contextlib.suppress(*refusals):
                act(text)
            best = min(best, time.process_time() - began)
            if best < FLOOR:
                break
    finally:
        gc.enable()
    return best
