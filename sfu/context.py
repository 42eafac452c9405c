"""The context of every room and participant: the plane, the clocks, the configuration."""

from collections.abc import Callable
from dataclasses import dataclass

from sfu.config import Config
from sfu.failures import Failures
from sfu.negotiation.reading import Reading
from sfu.plane.binding import Binding


@dataclass(frozen=True, slots=True)
class Context:
    config: Config
    binding: Binding
    fingerprint: str
    """The sha-256 fingerprint of the process's certificate, as in SDP."""
    now: Callable[[], float]
    """Seconds of a monotonic clock."""
    wall: Callable[[], float]
    """Seconds since the epoch."""
    failures: Failures
    reading: Reading

    def milliseconds(self) -> int:
        return int(self.wall() * 1000)
