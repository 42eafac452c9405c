"""How long a follower waits before it connects again, and when it gives up."""

from collections.abc import Callable

FIRST = 1.0
LAST = 30.0
"""Seconds."""


class Backoff:
    """`give_up`: seconds without an answer after which the follower fails. `now` and `chance` (0 to 1) are
    functions."""

    def __init__(self, give_up: float, now: Callable[[], float], chance: Callable[[], float]) -> None:
        self.first = FIRST
        self._give_up = give_up
        self._now = now
        self._chance = chance
        self._attempts = 0
        self._since: float | None = None

    def answered(self) -> None:
        """The service sent something: the next wait is the shortest again."""
        self._attempts, self._since = 0, None

    def wait(self, at_least: float = 0.0) -> float | None:
        """Returns the seconds to wait: doubled with each attempt, less up to a half by chance. None: give up."""
        now = self._now()
        if self._since is None:
            self._since = now
        elif now - self._since >= self._give_up:
            return None
        most = min(self.first * 2.0 ** min(self._attempts, 30), LAST)
        self._attempts += 1
        return max(most * (1 - self._chance() / 2), min(at_least, LAST))
