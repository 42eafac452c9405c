"""Divides what a subscriber's network carries among its tracks: from offers and a budget to a layer for each track.

Audio comes first, always. The video of a subscriber is chosen for the largest sum of

    weight x log2(1 + pixels x frames per second / REFERENCE)

where a paused track counts -4 x weight, and a change of a layer that flows costs 0.1 (`knapsack`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sfu.model import Cause, Kind, Layer, Source
from sfu.policy import ladders, prices
from sfu.policy.knapsack import Menu, Option, choose
from sfu.policy.ladders import Demand, Supply, Target

REFERENCE = 320 * 180 * 30
"""Pixels per second of a picture that counts log2(1 + 1) = 1: the lowest of the usual three encodings."""
PAUSED = -4.0
"""What a paused track counts: as much below the reference as 720 lines are above it. So almost every track gets its
lowest layer before another one gets its best."""
SWITCH = 0.1
"""What a change of a layer that flows costs: a keyframe, and a visible change of the picture."""
ON_STAGE = 10.0
"""The factor of the weight of a participant on stage. It gets 360 lines before others are shown, as in Jitsi
Videobridge (onstage-preferred-height-px), and 720 lines after all others have their lowest layer."""
SPEAKING = 1.5
"""The factor of the weight of the dominant speaker. It decides between equal tracks, and seldom takes a layer from
another track."""
LOWEST = Layer(0, 0)
FPS = 30.0
"""Frames per second of a layer that is not measured."""
OVERSENT = 500_000
"""Bits per second by which a shared screen that is alone on stage may exceed the budget, because text must be sharp.
Jitsi Videobridge: videobridge.cc.max-oversend-bitrate. At most the budget again, because audio must survive it."""


class Offer:
    """What one track can be sent to one subscriber, or to all with the same wish, weight and supply."""

    __slots__ = ("_menus", "_targets", "best", "bps", "is_on_stage", "kind", "options", "source", "weight", "wished")

    def __init__(
        self, demand: Demand, *, is_on_stage: bool = False, is_speaking: bool = False, copies: int = 0
    ) -> None:
        """`copies`: of earlier audio in each packet of audio (RFC 2198)."""
        supply = demand.supply
        self.kind, self.source, self.is_on_stage = supply.kind, supply.source, is_on_stage
        self.wished = ladders.desired(demand)
        """The ladder without a budget."""
        self.weight = weight(demand, is_on_stage=is_on_stage, is_speaking=is_speaking)
        self.options: tuple[Option, ...] = ()
        """The layers of video that the subscriber asks for and that arrive, and the pause."""
        self.bps = 0
        """Of audio: its price."""
        if supply.kind is Kind.AUDIO and self.wished.ladder:
            self.bps = sum(prices.audio(rate, copies) for rate in supply.rates.values())
        elif self.wished.ladder:
            self.options = (
                Option(0, PAUSED * self.weight, None),
                *(Option(bps, self.weight * worth, layer) for layer, bps, worth in _priced(supply, self.wished)),
            )
        self.best: Option | None = max(self.options, key=lambda option: option.utility, default=None)
        """The option that is chosen without a budget. None: nothing is asked for, or it is audio."""
        self._menus: dict[Layer | None, Menu] = {}
        self._targets: dict[Layer | None, Target] = {}

    def option(self, layer: Layer | None) -> Option | None:
        return next((option for option in self.options if option.layer == layer), None)

    def menu(self, present: Layer | None) -> Menu:
        """Returns the options if this layer flows: it counts more than the others by the cost of a switch."""
        menu = self._menus.get(present)
        if menu is None:
            menu = self._menus[present] = Menu(
                option._replace(utility=option.utility - SWITCH)
                if present is not None and option.layer != present
                else option
                for option in self.options
            )
        return menu

    def up_to(self, present: Layer | None) -> Menu:
        """Returns the options that are not dearer than the layer that flows; if it is gone, than the next lower one.
        None: only the pause."""
        flowing = [] if present is None else [it for it in self.options if it.layer is not None and it.layer <= present]
        most = max(flowing, key=lambda option: option.layer or LOWEST).bps if flowing else 0
        return Menu(option for option in self.menu(present).options if option.bps <= most)

    def target(self, layer: Layer | None) -> Target:
        """Returns the ladder from this layer downwards."""
        target = self._targets.get(layer)
        if target is None:
            target = self._targets[layer] = self._reduced(layer)
        return target

    def _reduced(self, layer: Layer | None) -> Target:
        best = self.best
        if best is None or layer == best.layer:
            return self.wished
        if layer is None:
            return Target((), Cause.BANDWIDTH)
        bps = {option.layer: option.bps for option in self.options if option.layer is not None}
        rungs = []
        for rung in self.wished.ladder:
            same = [at for at in bps if at.spatial == rung.spatial]
            top = max([at for at in same if at <= layer and bps[at] <= bps[layer]], default=None)
            if top is not None:
                rungs.append(rung if top == max(same) else top)
        return Target(tuple(rungs), Cause.BANDWIDTH)


def weight(demand: Demand, *, is_on_stage: bool = False, is_speaking: bool = False) -> float:
    """Returns how much a track counts: 1 for a camera, 8 for a shared screen, see `ladders.priority`."""
    of = math.log2(1 + ladders.priority(demand))
    return of * (ON_STAGE if is_on_stage else 1.0) * (SPEAKING if is_speaking else 1.0)


def _priced(supply: Supply, wished: Target) -> list[tuple[Layer, int, float]]:
    """Returns the layers of a ladder that arrive, with price and utility. Pixels beyond the best wanted layer count
    nothing."""
    ceilings = {rung.spatial: rung.temporal for rung in wished.ladder}
    width, height = supply.sizes[wished.ladder[0].spatial]
    most = width * height
    if not supply.rates:
        # It is about to arrive.
        return [
            (rung, prices.assumed(*supply.sizes[rung.spatial]), _worth(supply, rung.spatial, FPS, most))
            for rung in wished.ladder
        ]
    arriving = [
        (layer, prices.video(rate), _worth(supply, layer.spatial, rate.fps or FPS, most))
        for layer, rate in supply.rates.items()
        if layer.temporal <= ceilings.get(layer.spatial, -1)
    ]
    # A layer that does not arrive costs nothing until it does.
    lowest = wished.ladder[-1]
    return arriving or [(lowest, 0, _worth(supply, lowest.spatial, FPS, most))]


def _worth(supply: Supply, spatial: int, fps: float, most: int) -> float:
    width, height = supply.sizes[spatial]
    return math.log2(1 + min(width * height, most) * fps / REFERENCE)


@dataclass(frozen=True, slots=True)
class Allocation:
    """What each track gets."""

    layers: tuple[Layer | None, ...]
    """The chosen layer of each offer. None: paused. Of audio, and of tracks that are not asked for, None too."""
    audio: int
    """Bits per second of all audio, which is never paused."""
    video: int
    """Bits per second of the chosen layers."""
    utility: float

    @property
    def bps(self) -> int:
        return self.audio + self.video


def allocate(budget: int, offers: Sequence[Offer], present: Sequence[Layer | None]) -> Allocation:
    """Returns the best allocation within the budget.

    `budget`: bits per second. `present`: the layers that flow. None: none does.
    """
    return _allocate(budget, offers, [offer.menu(flows) for offer, flows in zip(offers, present, strict=True)])


def lower(budget: int, offers: Sequence[Offer], present: Sequence[Layer | None]) -> Allocation:
    """Returns the best allocation within the budget in which no track gets a dearer layer than the one that flows."""
    return _allocate(budget, offers, [offer.up_to(flows) for offer, flows in zip(offers, present, strict=True)])


def wished(offers: Sequence[Offer]) -> Allocation:
    """Returns the allocation that gives each track the best layer that is asked for."""
    best = [offer.best for offer in offers]
    return Allocation(
        tuple([None if option is None else option.layer for option in best]),
        sum(offer.bps for offer in offers),
        sum(option.bps for option in best if option is not None),
        sum(option.utility for option in best if option is not None),
    )


def keep(offers: Sequence[Offer], present: Sequence[Layer | None]) -> Allocation | None:
    """Returns the allocation that changes nothing. None: a layer that flows is no longer asked for, or has stopped."""
    kept = [offer.option(flows) for offer, flows in zip(offers, present, strict=True) if offer.options]
    if None in kept:
        return None
    return Allocation(
        tuple([flows if offer.options else None for offer, flows in zip(offers, present, strict=True)]),
        sum(offer.bps for offer in offers),
        sum(option.bps for option in kept if option is not None),
        sum(option.utility for option in kept if option is not None),
    )


def _allocate(budget: int, offers: Sequence[Offer], menus: Sequence[Menu]) -> Allocation:
    audio = sum([offer.bps for offer in offers])
    indexes = [index for index, menu in enumerate(menus) if menu.options]
    chosen = choose(max(budget - audio, 0), [menus[index] for index in indexes])
    layers: list[Layer | None] = [None] * len(menus)
    bps, utility = 0, 0.0
    for index, at in zip(indexes, chosen, strict=True):
        option = menus[index].options[at]
        layers[index] = option.layer
        bps += option.bps
        utility += option.utility
    more = _oversent(budget - audio - bps, budget, offers, layers)
    if more is not None:
        index, extra, gain, layer = more
        layers[index], bps, utility = layer, bps + extra, utility + gain
    return Allocation(tuple(layers), audio, bps, utility)


def may_oversend(budget: int, offers: Sequence[Offer], layers: Sequence[Layer | None]) -> int:
    """Returns by how many bits per second these layers may exceed the budget: if a shared screen is alone on stage and
    has no more than its cheapest layer of the best size."""
    alone = _alone(offers)
    if alone is None or layers[alone[0]] != alone[1].layer:
        return 0
    return min(OVERSENT, max(budget, 0))


def _oversent(
    left: int, budget: int, offers: Sequence[Offer], layers: Sequence[Layer | None]
) -> tuple[int, int, float, Layer | None] | None:
    """Returns what a shared screen gets beyond the budget: the index of its offer, further bits per second, the gain,
    and the layer. `left`: of the budget. None: nothing."""
    alone = _alone(offers)
    if alone is None:
        return None
    index, sharp = alone
    now = offers[index].option(layers[index])
    if now is None or sharp.layer is None or (now.layer is not None and now.layer.spatial >= sharp.layer.spatial):
        return None
    extra = sharp.bps - now.bps
    if extra > left + min(OVERSENT, max(budget, 0)):
        return None
    return index, extra, sharp.utility - now.utility, sharp.layer


def _alone(offers: Sequence[Offer]) -> tuple[int, Option] | None:
    """Returns the index of the shared screen that is alone on stage, and its cheapest layer of the best size."""
    staged = [index for index, offer in enumerate(offers) if offer.is_on_stage and offer.options]
    if len(staged) != 1 or offers[staged[0]].source is not Source.SCREEN_SHARE:
        return None
    (index,) = staged
    best = offers[index].best
    if best is None or best.layer is None:
        return None
    spatial = best.layer.spatial
    same = [option for option in offers[index].options if option.layer is not None and option.layer.spatial == spatial]
    return index, min(same)
