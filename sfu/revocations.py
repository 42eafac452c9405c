"""Revoked tokens: those issued before their participant was removed, or before its grant was reduced.

The time of issue is from the issuer, whose clock may be ahead by the leeway of tokens. So a token issued up to the
removal plus that leeway is refused. `readmit` admits a participant earlier.
"""

import heapq
import json
import logging
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from sfu import limits
from sfu.errors import NotAllowed
from sfu.model import Grant, Permissions, Source
from sfu.policy.permissions import is_reduced

log = logging.getLogger(__name__)

LEEWAY = 60.0
"""Seconds by which clocks may differ. A token is accepted that many seconds before its time and after its expiry."""


class Revoked(NotAllowed):
    """A token is revoked. `retry_after`: seconds after which a newly issued token is accepted; 0: now."""

    def __init__(self, sentence: str, retry_after: int) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


@dataclass(slots=True)
class _Entry:
    """The revocation of one identity in one room; times are in seconds since the epoch."""

    until: float = 0.0
    """When the entry is removed."""
    removed: float = -math.inf
    """Time of the removal plus the leeway. Tokens issued up to then are refused."""
    reduced: float = -math.inf
    """Time of the reduction plus the leeway. Tokens issued up to then are refused if they grant more than `left`."""
    left: Permissions = field(default_factory=Permissions)
    """The permissions after the reduction."""
    made_from: float = math.inf
    """Tokens issued from then on are readmitted."""
    readmitted: deque[str] = field(default_factory=lambda: deque(maxlen=limits.READMISSIONS))
    """Readmitted tokens, by `jti`."""

    def json(self) -> str:
        values = {name: getattr(self, name) for name in ("until", "removed", "reduced", "made_from")}
        return json.dumps({**values, "left": asdict(self.left), "readmitted": list(self.readmitted)})

    @classmethod
    def read(cls, text: str) -> "_Entry":
        """Returns the entry that `json` wrote."""
        values = json.loads(text)
        left = values["left"]
        left["can_publish_sources"] = tuple(Source(source) for source in left["can_publish_sources"])
        readmitted = deque(values["readmitted"], maxlen=limits.READMISSIONS)
        return cls(**{**values, "left": Permissions(**left), "readmitted": readmitted})

    def admits(self, grant: Grant) -> bool:
        if (grant.jti and grant.jti in self.readmitted) or grant.issued >= self.made_from:
            return True
        if grant.issued <= self.removed:
            return False
        return grant.issued > self.reduced or not is_reduced(grant.permissions, self.left)


@dataclass(slots=True)
class Revocations:
    """Revocations by room and identity; they outlive the room. Times are in seconds since the epoch."""

    memory: float
    """The least seconds for which a revocation is stored: the life of the application's longest-lived token."""
    _entries: dict[tuple[str, str], _Entry] = field(default_factory=dict)
    _due: list[tuple[float, str, str]] = field(default_factory=list)
    """A heap of times at which to check whether an entry can be removed. It has each entry once."""
    _changed: set[tuple[str, str]] = field(default_factory=set)
    """Entries that changed since `take_changes`."""

    def __len__(self) -> int:
        return len(self._entries)

    def take_changes(self) -> list[tuple[str, str, str]]:
        """Returns the entries that changed since the last call, as room, identity and JSON for `restore`. Empty JSON:
        the entry was removed."""
        changed, self._changed = self._changed, set()
        found = []
        for room, identity in changed:
            entry = self._entries.get((room, identity))
            found.append((room, identity, entry.json() if entry is not None else ""))
        return found

    def restore(self, entries: Sequence[tuple[str, str, str]]) -> None:
        """Adds the entries of an earlier process. One of a later version, which cannot be read, is left out."""
        for room, identity, text in entries[: limits.REVOCATIONS]:
            try:
                entry = self._entries[room, identity] = _Entry.read(text)
            except (KeyError, TypeError, ValueError) as error:
                log.error("a revocation is lost: room=%s identity=%s why=%r", room, identity, error)
                continue
            heapq.heappush(self._due, (entry.until, room, identity))

    def remove(self, room: str, identity: str, expires: float, wall: float) -> None:
        """Refuses every token of `identity` for `room` issued up to now, until the last has expired. Ends earlier
        readmissions."""
        entry = self._entry(room, identity, expires, wall)
        entry.removed, entry.made_from = wall + LEEWAY, math.inf
        entry.readmitted.clear()

    def reduce(self, room: str, identity: str, left: Permissions, expires: float, wall: float) -> None:
        """Accepts, of the tokens issued up to now, only those that grant no more than `left`."""
        entry = self._entry(room, identity, expires, wall)
        entry.reduced, entry.left, entry.made_from = wall + LEEWAY, left, math.inf
        entry.readmitted.clear()

    def extend(self, room: str, identity: str, left: Permissions) -> None:
        """Extends what remains after a reduction."""
        entry = self._entries.get((room, identity))
        if entry is not None:
            entry.left = left
            self._changed.add((room, identity))

    def readmit(self, room: str, identity: str, wall: float, jti: str | None = None) -> None:
        """Readmits an identity: with the token of this `jti`, otherwise with all tokens issued from now on."""
        entry = self._entries.get((room, identity))
        if entry is None:
            return
        self._changed.add((room, identity))
        if jti is None:
            # Many backends round times down to whole seconds.
            entry.made_from = min(entry.made_from, math.floor(wall))
        elif jti not in entry.readmitted:
            entry.readmitted.append(jti)

    def renew(self, room: str, grant: Grant, jti: str) -> None:
        """Records that a participant was sent a new token `jti` that replaces the one of `grant`."""
        entry = self._entries.get((room, grant.identity))
        if entry is not None and grant.jti and grant.jti in entry.readmitted:
            entry.readmitted.append(jti)
            self._changed.add((room, grant.identity))

    def admit(self, room: str, grant: Grant, wall: float) -> None:
        """Raises Revoked if the grant's token is revoked."""
        entry = self._entries.get((room, grant.identity))
        if entry is None or entry.admits(grant):
            return
        # A token that was used is refused until it expires, even if the entry would otherwise expire earlier.
        if grant.expires + LEEWAY > entry.until:
            entry.until = grant.expires + LEEWAY
            self._changed.add((room, grant.identity))
        wait = max(entry.removed, entry.reduced) - wall
        # One second more, because many backends round times down to whole seconds.
        retry_after = math.ceil(wait) + 1 if wait > 0 else 0
        sentence = "this token was revoked: the participant was removed, or its grant was reduced"
        if retry_after:
            sentence += (
                f"; tokens issued in {retry_after} s or later are accepted, or earlier ones after a moderator's readmit"
            )
        raise Revoked(sentence, retry_after)

    def handle_timeout(self, wall: float) -> None:
        while self._due and self._due[0][0] <= wall:
            _, room, identity = heapq.heappop(self._due)
            entry = self._entries[room, identity]
            if entry.until <= wall:
                del self._entries[room, identity]
                self._changed.add((room, identity))
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
        self._changed.add((room, identity))
        return entry

    def _forget_first(self) -> None:
        """Removes the entry that would expire first, to make room for another."""
        due, room, identity = self._due[0]
        while (until := self._entries[room, identity].until) > due:
            heapq.heapreplace(self._due, (until, room, identity))
            due, room, identity = self._due[0]
        heapq.heappop(self._due)
        del self._entries[room, identity]
        self._changed.add((room, identity))
        log.warning("more than %d revocations: dropped the next to expire: room=%s", limits.REVOCATIONS, room)
