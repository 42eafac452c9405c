"""When tracks reach subscribers worse than they should, and well again: coalesced in time, and over subscribers.

A change counts when it has lasted for `limits.QUALITY_EVENT_SECONDS`; then the last state is reported. Subscribers
whose track changed alike are one report. What subscribers and publishers choose themselves (size, pause, mute) is no
report.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sfu import limits
from sfu.model import Cause
from sfu.views import SubscriptionState

WORSE = frozenset(
    (Cause.BANDWIDTH, Cause.PUBLISHER, Cause.CODEC, Cause.ENCRYPTED, Cause.WAITING_FOR_KEYFRAME, Cause.LOSS)
)


class Shown(NamedTuple):
    """How a track reaches subscribers."""

    state: str
    cause: Cause
    width: int
    height: int

    @property
    def is_worse(self) -> bool:
        return self.cause in WORSE


@dataclass(slots=True)
class _Watched:
    shown: Shown
    since: int
    """When it began to differ from what was reported, in milliseconds."""
    reported: Shown | None = None
    """None: it was well."""


class Quality:
    """Of one room. `due`: when `reports` has something to do, in milliseconds since the epoch. None: never."""

    def __init__(self) -> None:
        self.due: int | None = None
        self._watched: dict[str, dict[str, _Watched]] = {}
        """By the sids of track and subscriber: what is worse, or was reported so."""

    def note(self, subscribers: Sequence[str], state: SubscriptionState, at: int) -> None:
        shown = Shown(state.state, state.cause, state.width, state.height)
        watched = self._watched.get(state.track)
        if watched is None:
            if not shown.is_worse:
                return
            watched = self._watched[state.track] = {}
        for sid in subscribers:
            one = watched.get(sid)
            if one is None:
                if shown.is_worse:
                    watched[sid] = _Watched(shown, at)
            elif one.reported is None and not shown.is_worse:
                del watched[sid]
            else:
                if one.shown == one.reported:
                    one.since = at
                one.shown = shown
        if not watched:
            del self._watched[state.track]
        elif self.due is None:
            self.due = at + _hold()

    def reports(self, at: int) -> Iterator[tuple[str, Shown, list[str]]]:
        """Yields what has changed for long enough: the track, how it is shown, and the subscribers, by their sids."""
        self.due, waiting = None, []
        for track, watched in list(self._watched.items()):
            changed: dict[Shown, list[str]] = {}
            for sid, one in list(watched.items()):
                if one.shown == one.reported:
                    continue
                if at < one.since + _hold():
                    waiting.append(one.since + _hold())
                    continue
                changed.setdefault(one.shown, []).append(sid)
                one.reported = one.shown
                if not one.shown.is_worse:
                    del watched[sid]
            if not watched:
                del self._watched[track]
            for shown, sids in changed.items():
                yield track, shown, sids
        self.due = min(waiting, default=None)

    def end(self, track: str) -> None:
        """Forgets a track that is published no more."""
        self._watched.pop(track, None)

    def leave(self, subscriber: str) -> None:
        """Forgets a participant that has left."""
        for watched in self._watched.values():
            watched.pop(subscriber, None)


def _hold() -> int:
    return int(limits.QUALITY_EVENT_SECONDS * 1000)
