"""Keeps the pauses of Python's garbage collector short during calls: sets how often it examines each generation."""

import gc

YOUNG = 700
"""The youngest generation is examined after this many containers were made, minus those that were freed.
Source: CPython's default."""
MIDDLE = 10
"""The middle generation is examined after this many examinations of the youngest: 7,000 objects at most, which takes 2
ms. Source: CPython's default."""
OLD = 1_000
"""Examinations of the middle generation before the oldest one is examined, which stops the loop for 60 to 140 ms at 200
to 400 participants. CPython's default (10) does so whenever the number of objects has grown by a quarter. It would find
nothing: rooms and connections leave no cycles. A participant is 900 objects, so this many are 8,000 joins that nobody
leaves. Source: measured, `python -m tests.benchmark.collector`."""


def settle() -> None:
    """Called once, when the process has started: the present objects are permanent and never examined again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
