"""Collects the decisions of a turn of the event loop for one fact. Equal ones for many subscribers become one."""

from collections.abc import Callable, Sequence

from sfu.facts import Decided, DecisionsMade, Facts
from sfu.model import Cause, Layer, Step


class Notes:
    """The decisions of this turn. Those about one subscription stay in the order in which they were made."""

    def __init__(self, milliseconds: Callable[[], int]) -> None:
        self._milliseconds = milliseconds
        """Since the epoch."""
        self._decisions: list[Decided] = []
        self._open: dict[tuple[object, ...], tuple[int, list[str]]] = {}
        """Decisions that take further subscribers, by their fields: the index, and the subscribers."""
        self._last: dict[tuple[str, str], int] = {}
        """The index of the last decision about each subscription, by the sids of subscriber and track."""

    def add(
        self,
        subscriber: str,
        track: str,
        step: Step,
        layer: Layer | None = None,
        cause: Cause = Cause.NONE,
        detail: str = "",
    ) -> None:
        """Notes a decision about the subscription of a participant to a track, both by sid."""
        # A layer is hashed in Python, its numbers are not.
        at, numbers = self._milliseconds(), None if layer is None else (layer.spatial, layer.temporal)
        fields, subscription = (at, track, step, numbers, cause, detail), (subscriber, track)
        index, subscribers = self._open.get(fields, NONE)
        if index < self._last.get(subscription, 0):
            index, subscribers = self._open[fields] = len(self._decisions), []
            self._decisions.append(Decided(at, track, step, layer, cause, detail, subscribers))
        subscribers.append(subscriber)
        self._last[subscription] = index

    def add_all(
        self, subscribers: Sequence[str], track: str, step: Step, layer: Layer | None, cause: Cause, detail: str
    ) -> None:
        """Notes a decision about the subscriptions of many participants."""
        index = len(self._decisions)
        self._decisions.append(Decided(self._milliseconds(), track, step, layer, cause, detail, list(subscribers)))
        self._last.update(dict.fromkeys([(subscriber, track) for subscriber in subscribers], index))

    def append_to(self, facts: Facts) -> None:
        """Appends the decisions as a fact, and forgets them."""
        if self._decisions:
            facts.append(DecisionsMade(tuple(self._decisions)))
            self._decisions, self._open, self._last = [], {}, {}


NONE: tuple[int, list[str]] = (-1, [])
