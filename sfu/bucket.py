"""A token bucket: a burst and a refill rate. Pure: the time is an argument."""

from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """Refills `rate` per second up to `burst`; full at first. Times are in seconds."""

    rate: float
    burst: float
    at: float
    level: float = -1.0

    def __post_init__(self) -> None:
        self.level = self.burst

    def take(self, now: float, cost: float = 1.0) -> bool:
        """Spends `cost` if it is available. Returns whether it was."""
        self._refill(now)
        if self.level < cost:
            return False
        self.level -= cost
        return True

    def spend(self, now: float, cost: float = 1.0) -> float:
        """Spends `cost` even if it overdraws. Returns the seconds until the overdraft is refilled."""
        self._refill(now)
        self.level -= cost
        return max(0.0, -self.level / self.rate)

    def wait(self, now: float, cost: float = 1.0) -> float:
        """Returns the seconds until `cost` is available."""
        self._refill(now)
        return max(0.0, (cost - self.level) / self.rate)

    def is_full(self, now: float) -> bool:
        """Whether it is full, so that a new bucket would behave the same."""
        self._refill(now)
        return self.level >= self.burst

    def _refill(self, now: float) -> None:
        self.level = min(self.burst, self.level + max(0.0, now - self.at) * self.rate)
        self.at = now
