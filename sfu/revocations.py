"""Which tokens no longer count: those of someone who was removed, or whose grant was reduced, made before that."""

from dataclasses import dataclass, field

from sfu.errors import NotAllowed
from sfu.model import Grant

LEEWAY = 60.0
"""Seconds for which an expired token still passes; see `api/auth.py`."""


@dataclass(slots=True)
class Revocations:
    """By room and identity; times in seconds since the epoch."""

    memory: float
    """Seconds for which a revocation is remembered at least."""
    _revoked: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)

    def revoke(self, room: str, identity: str, expires: float, wall: float) -> None:
        """Every token of `identity` for `room` made up to now is refused, until the last of them has expired."""
        _, until = self._revoked.get((room, identity), (wall, 0.0))
        self._revoked[room, identity] = (wall, max(until, expires + LEEWAY, wall + self.memory))

    def admit(self, room: str, grant: Grant) -> None:
        revoked = self._revoked.get((room, grant.identity))
        if revoked is not None and grant.issued <= revoked[0]:
            raise NotAllowed("this token was revoked: the participant was removed, or its grant was reduced")

    def handle_timeout(self, wall: float) -> None:
        for key in [key for key, (_, until) in self._revoked.items() if until <= wall]:
            del self._revoked[key]
