"""A token bucket: what may be spent at once, and how fast it comes back. Pure: the time is an argument."""

from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """`rate` a second, at most `burst` saved up, full at first. Times in seconds."""

    rate: float
    burst: float
    at: float
    level: float = -1.0

    def __post_init__(self) -> None:
        self.level = self.burst

    def take(self, now: float, cost: float = 1.0) -> bool:
        """Spends `cost`, or nothing if there is less."""
        self._refill(now)
        if self.level < cost:
            return False
        self.level -= cost
        return True

    def spend(self, now: float, cost: float = 1.0) -> float:
        """Spends `cost` whatever there is. Returns the seconds to wait until what was overspent is back."""
        self._refill(now)
        self.level -= cost
        return max(0.0, -self.level / self.rate)

    def wait(self, now: float, cost: float = 1.0) -> float:
        """Seconds until `cost` can be taken."""
        self._refill(now)
        return max(0.0, (cost - self.level) / self.rate)

    def is_full(self, now: float) -> bool:
        """It remembers nothing: a new one would do the same."""
        self._refill(now)
        return self.level >= self.burst

    def _refill(self, now: float) -> None:
        self.level = min(self.burst, self.level + max(0.0, now - self.at) * self.rate)
        self.at = now
