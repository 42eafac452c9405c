"""What an input costs, as the tests of bounds see it: a multiple of the CPU time that reading JSON of its length takes.

Both are measured in the same rounds, so that a slow or a busy machine proves the same: no bound is in seconds.
"""

import contextlib
import gc
import json
import time
from collections.abc import Callable

Grow = Callable[[int], str]
"""A text of about so many characters."""

CEILING = 50
"""Times the reading of JSON of the same length, 1 to 1.2 ms for 100 kB: the 50 ms that 100 kB may cost."""
GROWTH = 8
"""Times the cost of a quarter of the input: four where the cost grows with the octets, sixteen with their square."""
ROUNDS = 16
SHORT = 50_000
"""Octets: what is shorter may cost as much as that."""


def costs_in_proportion(act: Callable[[str], object], small: str, large: str, *refusals: type[Exception]) -> None:
    """Asserts both bounds of `large`, about four times as long as `small`, accepted or refused.

    What disturbs a measurement only adds to it, so the least of all rounds counts, and rounds go on until the bounds
    are shown, at most `ROUNDS`. The garbage collector is off: a collection costs by what the process holds.
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
    """Seconds of CPU time of this process."""
    began = time.process_time()
    with contextlib.suppress(*refusals):
        act(text)
    return time.process_time() - began
