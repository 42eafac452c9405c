"""Limits that requests reached, coalesced: the first hit of a limit at once, further ones as a number."""

from collections.abc import Callable
from dataclasses import dataclass

from sfu import limits
from sfu.room_events import EventLimit

Report = Callable[[str, EventLimit, int], None]
"""Receives the sid of the room, or the empty text, what to report, and the time in milliseconds."""


@dataclass(slots=True)
class _Hit:
    reported_at: int
    count: int = 0
    """Hits that are not reported."""
    identity: str = ""


class Hits:
    def __init__(self, report: Report) -> None:
        self._report = report
        self._hits: dict[tuple[str, str], _Hit] = {}
        """By the room's sid and the name of the limit: those of the last seconds."""

    def note(self, room: str, name: str, identity: str, at: int) -> None:
        hit = self._hits.get((room, name))
        if hit is None:
            self._hits[room, name] = _Hit(at)
            self._report(room, EventLimit(name, 1, identity), at)
        else:
            hit.count += 1
            hit.identity = identity

    def handle_timeout(self, at: int) -> None:
        """Reports what was counted since the last report of each limit, and forgets those that are reached no more."""
        for (room, name), hit in list(self._hits.items()):
            if at < hit.reported_at + limits.LIMIT_EVENT_SECONDS * 1000:
                continue
            if hit.count:
                self._report(room, EventLimit(name, hit.count, hit.identity), at)
                self._hits[room, name] = _Hit(at)
            else:
                del self._hits[room, name]
