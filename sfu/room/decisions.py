"""Caches decisions that many subscribers share: the layers of a track, and the reported subscription state."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from sfu.facts import Facts, SectionsMissing, SlotsChanged, SubscriptionsChanged
from sfu.model import Layer, Wish
from sfu.policy import ladders
from sfu.policy.allocation import Offer
from sfu.room.tracks import Track
from sfu.room.wishes import ANY
from sfu.views import SlotInfo, SubscriptionState


class LayerDecision(NamedTuple):
    """The layers of a track that are sent to all subscribers with the same wish."""

    target: ladders.Target
    ladder: tuple[Layer, ...]
    """The target's ladder with the plane's names of encodings."""
    wanted: Layer | None
    """The best requested layer, regardless of mutes. None: nothing is requested."""


class Standing(NamedTuple):
    """What a track is in its room: who has more gets more of a subscriber's bandwidth."""

    is_on_stage: bool
    is_speaking: bool


class Decisions:
    """A cache for one pass over the subscribers. It does not notice changes of a track or its layers."""

    def __init__(self) -> None:
        self._decided: dict[tuple[Track, Wish], LayerDecision] = {}
        self._found: dict[tuple[int, int], tuple[Track, Wish, LayerDecision]] = {}
        """The same by the `id()` of both, which stay valid while they are stored here: hashing a wish takes longer."""
        self._states: dict[tuple[object, ...], SubscriptionState] = {}

    def of(self, track: Track, wish: Wish) -> LayerDecision:
        found = self._found.get((id(track), id(wish)))
        if found is not None:
            return found[2]
        decision = self._decided.get((track, wish))
        if decision is None:
            decision = self._decided[track, wish] = _remembered(track) if wish is ANY else _decide(track, wish)
        self._found[id(track), id(wish)] = track, wish, decision
        return decision

    def state(self, key: tuple[object, ...], make: Callable[[], SubscriptionState]) -> SubscriptionState:
        """Returns the state of all subscriptions with this key. The key holds everything that the state depends on."""
        found = self._states.get(key)
        if found is None:
            found = self._states[key] = make()
        return found


def _decide(track: Track, wish: Wish) -> LayerDecision:
    demand = ladders.Demand(track.supply(), wish)
    target = ladders.desired(demand)
    return LayerDecision(one(target), track.simulcast.named(target.ladder), ladders.wanted(demand))


def _remembered(track: Track) -> LayerDecision:
    """Returns the decision for subscribers without a wish. It is made again only when the track's layers change."""
    shape, last = track.shape(), track.decided
    if last is None or last[0] != shape:
        last = track.decided = (shape, _decide(track, ANY))
    decision: LayerDecision = last[1]
    return decision


OFFERS = 64
"""The number of offers of a track that are remembered. Tiles have a few sizes, so that far fewer occur."""


def offer(track: Track, wish: Wish, standing: Standing, copies: int) -> Offer:
    """Returns the layers that a track offers to all subscribers with the same wish. `copies`: of earlier audio."""
    key = (wish, standing, copies)
    found = track.offers.get(key)
    if found is None:
        if len(track.offers) >= OFFERS:
            track.offers.clear()
        demand = ladders.Demand(track.supply(), wish)
        is_on_stage, is_speaking = standing
        found = track.offers[key] = Offer(demand, is_on_stage=is_on_stage, is_speaking=is_speaking, copies=copies)
    return found


TARGETS = 1024
"""The number of targets that are remembered. Ladders have a few rungs, so that far fewer occur."""
_targets: dict[ladders.Target, ladders.Target] = {}


def one(target: ladders.Target) -> ladders.Target:
    """Returns one object for equal targets."""
    if len(_targets) >= TARGETS:
        _targets.clear()
    return _targets.setdefault(target, target)


class Plans:
    """Collects what plans change, each change with its subscribers."""

    def __init__(self) -> None:
        self._slots: dict[int, tuple[Mapping[str, SlotInfo | None], list[str]]] = {}
        """By the `id()` of the contents, which stays valid while they are stored here."""
        self._missing: dict[tuple[int, int], list[str]] = {}

    def changed(self, subscriber: str, slots: Mapping[str, SlotInfo | None]) -> None:
        self.all_changed([subscriber], slots)

    def all_changed(self, subscribers: Sequence[str], slots: Mapping[str, SlotInfo | None]) -> None:
        self._slots.setdefault(id(slots), (slots, []))[1].extend(subscribers)

    def missing(self, subscriber: str, sections: tuple[int, int]) -> None:
        self._missing.setdefault(sections, []).append(subscriber)

    def append_to(self, facts: Facts) -> None:
        for slots, subscribers in self._slots.values():
            facts.append(SlotsChanged(tuple(subscribers), slots))
        for (audio, video), subscribers in self._missing.items():
            facts.append(SectionsMissing(tuple(subscribers), audio, video))


class States:
    """Collects the states to report. Subscribers with the same ones share one fact."""

    def __init__(self) -> None:
        self._subscribers: dict[tuple[int, ...], tuple[tuple[SubscriptionState, ...], list[str]]] = {}
        """By the `id()` of each state, which stays valid while the state is stored here."""

    def add(self, subscriber: str, states: Sequence[SubscriptionState]) -> None:
        self.add_all([subscriber], states)

    def add_all(self, subscribers: Sequence[str], states: Sequence[SubscriptionState]) -> None:
        if states:
            self._subscribers.setdefault(tuple(map(id, states)), (tuple(states), []))[1].extend(subscribers)

    def append_to(self, facts: Facts) -> None:
        for states, subscribers in self._subscribers.values():
            facts.append(SubscriptionsChanged(tuple(subscribers), states))
