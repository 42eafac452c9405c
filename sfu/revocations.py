"""Which tokens no longer count: those made before their participant was removed, or before its grant was reduced.

When a token was made is told by whoever made it, whose clock may be ahead of ours by as much as a token may: what says
that it was made up to the removal plus that leeway is refused. Who is to come back sooner is readmitted by name.
"""

import heapq
import logging
import math
from collections import deque
from dataclasses import dataclass, field

from sfu import limits
from sfu.errors import NotAllowed
from sfu.model import Grant, Permissions
from sfu.policy.permissions import is_reduced

log = logging.getLogger(__name__)

LEEWAY = 60.0
"""Seconds by which clocks may differ: a token of the future passes by so much, and an expired one."""


class Revoked(NotAllowed):
    """`retry_after`: seconds after which a token that is made then lets in; 0: one that is made now does."""

    def __init__(self, sentence: str, retry_after: int) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


@dataclass(slots=True)
class _Entry:
    """Of one identity in one room; times in seconds since the epoch."""

    until: float = 0.0
    """When it is forgotten."""
    removed: float = -math.inf
    """Of the removal, with the leeway: what was made up to then is refused."""
    reduced: float = -math.inf
    """Of the reduction, with the leeway: what was made up to then is refused if it grants more than `left`."""
    left: Permissions = field(default_factory=Permissions)
    """What the participant may do since its grant was reduced."""
    made_from: float = math.inf
    """All that was made from then on was readmitted."""
    readmitted: deque[str] = field(default_factory=lambda: deque(maxlen=limits.READMISSIONS))
    """Single tokens, by `jti`."""

    def admits(self, grant: Grant) -> bool:
        if (grant.jti and grant.jti in self.readmitted) or grant.issued >= self.made_from:
            return True
        if grant.issued <= self.removed:
            return False
        return grant.issued > self.reduced or not is_reduced(grant.permissions, self.left)


@dataclass(slots=True)
class Revocations:
    """By room and identity; they outlive the room. Times in seconds since the epoch."""

    memory: float
    """Seconds for which a revocation is remembered at least: as long as the longest-lived token of an application."""
    _entries: dict[tuple[str, str], _Entry] = field(default_factory=dict)
    _due: list[tuple[float, str, str]] = field(default_factory=list)
    """A heap: when to look whether an entry is to be forgotten. Each entry is in it once."""

    def __len__(self) -> int:
        return len(self._entries)

    def remove(self, room: str, identity: str, expires: float, wall: float) -> None:
        """Every token of `identity` for `room` made up to now is refused, until the last of them has expired. Earlier
        readmissions are over."""
        entry = self._entry(room, identity, expires, wall)
        entry.removed, entry.made_from = wall + LEEWAY, math.inf
        entry.readmitted.clear()

    def reduce(self, room: str, identity: str, left: Permissions, expires: float, wall: float) -> None:
        """Of the tokens made up to now only those count that grant no more than what is `left`."""
        entry = self._entry(room, identity, expires, wall)
        entry.reduced, entry.left, entry.made_from = wall + LEEWAY, left, math.inf
        entry.readmitted.clear()

    def extend(self, room: str, identity: str, left: Permissions) -> None:
        """The participant may do more again than since its reduction."""
        entry = self._entries.get((room, identity))
        if entry is not None:
            entry.left = left

    def readmit(self, room: str, identity: str, wall: float, jti: str | None = None) -> None:
        """Lets an identity in at once: with the token of this `jti`, or else with all that are made from now on."""
        entry = self._entries.get((room, identity))
        if entry is None:
            return
        if jti is None:
            # Many backends tell the time in whole seconds, rounded down.
            entry.made_from = min(entry.made_from, math.floor(wall))
        elif jti not in entry.readmitted:
            entry.readmitted.append(jti)

    def renew(self, room: str, grant: Grant, jti: str) -> None:
        """A participant that is in was sent another token, `jti`, in place of the one of `grant`."""
        entry = self._entries.get((room, grant.identity))
        if entry is not None and grant.jti and grant.jti in entry.readmitted:
            entry.readmitted.append(jti)

    def admit(self, room: str, grant: Grant, wall: float) -> None:
        """Raises Revoked."""
        entry = self._entries.get((room, grant.identity))
        if entry is None or entry.admits(grant):
            return
        # One that shows itself is not to count again when what is known of its siblings has expired.
        entry.until = max(entry.until, grant.expires + LEEWAY)
        wait = max(entry.removed, entry.reduced) - wall
        # A second more, as many backends tell the time in whole seconds, rounded down.
        retry_after = math.ceil(wait) + 1 if wait > 0 else 0
        sentence = "this token was revoked: the participant was removed, or its grant was reduced"
        if retry_after:
            sentence += f"; one made in {retry_after} s lets it in, or a moderator readmits it before that"
        raise Revoked(sentence, retry_after)

    def handle_timeout(self, wall: float) -> None:
        while self._due and self._due[0][0] <= wall:
            _, room, identity = heapq.heappop(self._due)
            entry = self._entries[room, identity]
            if entry.until <= wall:
                del self._entries[room, identity]
            else:
                heapq.heappush(self._due, (entry.until, room, identity))

    def _entry(self, room: str, identity: str, expires: float, wall: float) -> _Entry:
        until = max(expires + LEEWAY, wall + self.memory)
        entry = self._entries.get((room, identity))
        if entry is None:
            if len(self._entries) >= limits.REVOCATIONS:
                self._forget_first()
            entry = self._entries[room, identity] = _Entry(until)
            heapq.heappush(self._due, (until, room, identity))
        entry.until = max(entry.until, until)
        return entry

    def _forget_first(self) -> None:
        """Room for another: the next to be forgotten goes."""
        due, room, identity = self._due[0]
        while (until := self._entries[room, identity].until) > due:
            heapq.heapreplace(self._due, (until, room, identity))
            due, room, identity = self._due[0]
        heapq.heappop(self._due)
        del self._entries[room, identity]
        log.warning("more than %d revocations: one is forgotten before its time: room=%s", limits.REVOCATIONS, room)
