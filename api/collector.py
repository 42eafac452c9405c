"""Keeps the pauses of Python's garbage collector short while calls go on: sets which generations it examines when."""

import gc

YOUNG = 700
"""Containers made, less those freed, before the youngest generation is examined.
Source: CPython's default."""
MIDDLE = 10
"""Examinations of the youngest generation before the middle one is examined: 7,000 objects at most, which takes 2 ms.
Source: CPython's default."""
OLD = 1_000
"""Examinations of the middle generation before the oldest one is examined, which stops the loop for 60 to 140 ms at 200
to 400 participants. CPython's default (10) does so whenever the number of objects has grown by a quarter. There is
nothing to find: what rooms and connections leave behind has no cycles. A participant is 900 objects, so this many are
8,000 joins that nobody leaves.
Source: measured, `python -m tests.benchmark.collector`."""


def settle() -> None:
    """Called once, when the process has started: the objects of now are permanent, and are never examined again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
