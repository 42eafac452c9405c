"""A cache of recent results within a budget of weight: of sections of offers, and of encoded participants."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Recent results of a pure function, by argument. `budget`: the maximum sum of weights."""

    def __init__(self, budget: int) -> None:
        self.weight = 0
        self._budget = budget
        self._kept: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def clear(self) -> None:
        self._kept.clear()
        self.weight = 0

    def forget(self, key: K) -> None:
        _, weight = self._kept.pop(key, (None, 0))
        self.weight -= weight

    def peek(self, key: K) -> V | None:
        """Returns a stored result. That does not count as a use, by which the oldest result is chosen."""
        found = self._kept.get(key)
        return found[0] if found is not None else None

    def recall(self, key: K, compute: Callable[[], tuple[V, int]]) -> V:
        """Returns the result of `compute`, which also yields its weight. It is stored if the weight is at most a
        sixteenth of the budget."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found[0]
        value, weight = compute()
        if weight <= self._budget // 16:
            self._kept[key] = value, weight
            self.weight += weight
        while self.weight > self._budget:
            _, (_, gone) = self._kept.popitem(last=False)
            self.weight -= gone
        return value
