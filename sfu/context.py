"""What every room and participant is given: the plane, the clocks, the configuration."""

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
    """sha-256 of the process's certificate, as SDP writes it."""
    now: Callable[[], float]
    """Seconds on a clock that only goes forward."""
    wall: Callable[[], float]
    """Seconds since the epoch."""
    failures: Failures
    reading: Reading

    def milliseconds(self) -> int:
        return int(self.wall() * 1000)
