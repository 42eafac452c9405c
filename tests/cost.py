"""The cost of an input, for tests of bounds: a multiple of the CPU time for reading JSON of the same length.

Both are measured in the same rounds, so a slow or busy machine gives the same result. No bound is in seconds.
"""

import contextlib
import gc
import json
import time
from collections.abc import Callable

Grow = Callable[[int], str]
"""Returns a text of about this many characters."""

CEILING = 50
"""The bound as a multiple of reading JSON of the same length (1 to 1.2 ms for 100 kB): 100 kB may cost 50 ms."""
GROWTH = 8
"""The bound as a multiple of the cost of a quarter of the input: linear cost gives four, quadratic cost sixteen."""
ROUNDS = 16
SHORT = 50_000
"""Octets. A shorter input may cost as much as this many."""


def costs_in_proportion(act: Callable[[str], object], small: str, large: str, *refusals: type[Exception]) -> None:
    """Asserts both bounds of `large`, about four times as long as `small`, accepted or refused.

    Disturbances only add to a measurement, so the minimum of all rounds counts. Rounds continue until the bounds hold,
    at most `ROUNDS`. The garbage collector is off, because the cost of a collection depends on the whole process.
    """
    reading = before = after = float("inf")
    document = json.dumps([1] * (max(len(large), SHORT) // 3))
    gc.disable()
    try:
        for _ in range(ROUNDS):
            reading = min(reading, _spent(json.loads, document))
            before = min(before, _spent(act, small, *refusals))
            after = min(after, _spent(act, large, *refusals))
            if after <= min(GROWTH * max(before, reading), CEILING * reading):
                return
    finally:
        gc.enable()
    raise AssertionError(
        f"{len(small)} octets cost {before / reading:.1f}, {len(large)} octets {after / reading:.1f} readings of JSON"
    )


def _spent(act: Callable[[str], object], text: str, *refusals: type[Exception]) -> float:
    """Returns the seconds of CPU time of this process."""
    began = time.process_time()
    with contextlib.suppress(*refusals):
        act(text)
    return time.process_time() - began
