"""What participants used of the service, for billing: octets, and times of publishing and subscribing."""

from dataclasses import dataclass, field

from sfu.model import Octets
from sfu.room_events import Usage


@dataclass(slots=True)
class Span:
    """The time during which there was at least one thing."""

    _things: set[str] = field(default_factory=set)
    _since: int = 0
    _before: int = 0
    """Milliseconds until the last thing ended."""

    def begin(self, thing: str, at: int) -> None:
        if not self._things:
            self._since = at
        self._things.add(thing)

    def end(self, thing: str, at: int) -> None:
        if thing in self._things:
            self._before = self.total(at)
            self._things.discard(thing)
            self._since = at

    def total(self, at: int) -> int:
        """Returns milliseconds until now, in milliseconds since the epoch."""
        return self._before + (max(at - self._since, 0) if self._things else 0)


@dataclass(slots=True)
class Attended:
    """What one participant did, or all that have left a room together."""

    publishing: Span = field(default_factory=Span)
    """Its published tracks, by sid."""
    subscribing: Span = field(default_factory=Span)
    """Its receive sections that show a track, by mid."""

    def usage(self, octets: Octets, present: int, at: int) -> Usage:
        return Usage(octets.received, octets.sent, present, self.publishing.total(at), self.subscribing.total(at))
