"""Quotas: joins a second per API key and per address, and rooms and participants per key."""

import math
from collections import Counter

from sfu import limits
from sfu.bucket import Bucket
from sfu.config import Config
from sfu.errors import TooManyRequests
from sfu.quoting import quote

SAVED = 2.0
"""Seconds of a rate that can be spent at once."""


class Quotas:
    """Times are in seconds on the service's clock. An empty key or address is not counted."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._keys: dict[str, Bucket] = {}
        self._addresses: dict[str, Bucket] = {}
        self.rooms: Counter[str] = Counter()
        """Rooms by the key that created them."""
        self.participants: Counter[str] = Counter()
        """Participants by the key of their token."""

    def require(self, key: str, address: str, now: float) -> None:
        """Raises TooManyRequests if a join would exceed a quota now. Spends nothing."""
        self._spend(key, address, now, 0.0)

    def join(self, key: str, address: str, now: float) -> None:
        """Counts a join, or a resume (without a key). Raises TooManyRequests."""
        self._spend(key, address, now, 1.0)

    def enter(self, key: str) -> None:
        _add(self.participants, key, 1)

    def leave(self, key: str) -> None:
        _add(self.participants, key, -1)

    def require_participant(self, key: str) -> None:
        most = self._config.max_participants_per_key
        if key and self.participants[key] >= most:
            sentence = f"the API key {quote(key)} has {most} participants, its maximum: try again later"
            raise TooManyRequests(sentence, "participants_per_key", limits.RETRY_SECONDS)

    def require_room(self, key: str) -> None:
        most = self._config.max_rooms_per_key
        if key and self.rooms[key] >= most:
            sentence = f"the API key {quote(key)} has {most} rooms, its maximum: try again later"
            raise TooManyRequests(sentence, "rooms_per_key", limits.RETRY_SECONDS)

    def make(self, key: str) -> None:
        _add(self.rooms, key, 1)

    def close(self, key: str) -> None:
        _add(self.rooms, key, -1)

    def handle_timeout(self, now: float) -> None:
        """Removes keys and addresses that were idle for long enough."""
        for buckets in (self._keys, self._addresses):
            for name in [name for name, bucket in buckets.items() if bucket.is_full(now)]:
                del buckets[name]

    def _spend(self, key: str, address: str, now: float, cost: float) -> None:
        of_address = self._bucket(self._addresses, address, self._config.joins_per_address, now)
        of_key = self._bucket(self._keys, key, self._config.joins_per_key, now)
        if (wait := of_address.wait(now) if address else 0.0) > 0:
            sentence = f"more than {self._config.joins_per_address} joins a second come from your address"
            raise TooManyRequests(sentence, "joins_per_address", math.ceil(wait))
        if (wait := of_key.wait(now) if key else 0.0) > 0:
            sentence = f"more than {self._config.joins_per_key} joins a second come with the API key {quote(key)}"
            raise TooManyRequests(sentence, "joins_per_key", math.ceil(wait))
        of_address.take(now, cost)
        of_key.take(now, cost)

    def _bucket(self, buckets: dict[str, Bucket], name: str, rate: float, now: float) -> Bucket:
        found = buckets.get(name)
        if found is None:
            if len(buckets) >= limits.ADDRESSES:
                # The oldest one has most of its budget back.
                del buckets[next(iter(buckets))]
            found = buckets[name] = Bucket(rate, SAVED * rate, now)
        return found


def _add(counter: Counter[str], key: str, change: int) -> None:
    if not key:
        return
    counter[key] += change
    if counter[key] <= 0:
        del counter[key]
