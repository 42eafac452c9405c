"""Decides which layers of a track a participant asks for: from its wish and the available layers to a ladder.

The requested size is a box that the picture is fitted into, whatever its orientation. The best layer sent is the
smallest one that fills the box when enlarged by at most a fifth. Lower layers stay in the ladder, and the plane steps
down to them. `allocation` reduces ladders to what the participant's network carries.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sfu.model import Cause, Kind, Layer, Quality, Rate, Source, Wish

ENLARGED = 1.2
"""A picture may be enlarged by a fifth before it looks soft: 180 lines fill a tile of 216, 360 lines one of 432."""
FPS_SHORT = 0.8
"""A temporal layer satisfies a requested frame rate if it reaches this share of it. Rates are measured, and cameras
slow down in the dark."""
TOP_TEMPORAL = 3
"""VP8 and libwebrtc have at most four temporal layers. A limit above the arriving layers lets all of them pass."""
TOP_SPATIAL = 2
"""One stream may hold three spatial layers (VP9 and AV1 SVC)."""
ASSUMED = (1280, 720)
"""The assumed size of a picture without a declared size, until it arrives."""
PRIORITIES = {Source.SCREEN_SHARE: 255}
"""The default priority of a shared screen; other sources have 1."""
HIGHEST = {Quality.LOW: 0, Quality.MEDIUM: 1}
"""The best encoding of each quality. HIGH has no limit."""


@dataclass(frozen=True, slots=True)
class Supply:
    """The available layers of a track."""

    kind: Kind
    source: Source
    sizes: tuple[tuple[int, int], ...]
    """Width and height of each spatial layer in pixels, lowest first: measured, else estimated."""
    rates: Mapping[Layer, Rate]
    """The arriving layers. Empty: nothing is known yet, or nothing is sent."""


@dataclass(frozen=True, slots=True)
class Demand:
    supply: Supply
    wish: Wish


@dataclass(frozen=True, slots=True)
class Target:
    ladder: tuple[Layer, ...]
    """The ladder, best layer first. Empty: nothing is sent."""
    cause: Cause
    """What limits the target: none, demand, bandwidth, or paused (off, or not visible)."""


def desired(demand: Demand) -> Target:
    """Returns what a subscriber asks for, regardless of its network.

    Mutes do not count: the plane stops a muted track for all subscribers.
    """
    supply, wish = demand.supply, demand.wish
    if wish.quality is Quality.OFF:
        return Target((), Cause.PAUSED)
    if supply.kind is Kind.AUDIO:
        # Audio continues when the video is not visible.
        return Target((Layer(0, 0),), Cause.NONE)
    if not wish.visible:
        return Target((), Cause.PAUSED)
    highest = len(supply.sizes) - 1
    bound = min(HIGHEST.get(wish.quality, highest), highest)
    best = min(_covering(supply.sizes, wish), bound)
    ladder = [Layer(spatial, _temporal(supply.rates, spatial, wish.fps)) for spatial in range(best, -1, -1)]
    arriving = {layer.spatial for layer in supply.rates}
    if arriving and min(arriving) > best:
        # A picture that is too large is better than none.
        ladder += [Layer(spatial, TOP_TEMPORAL) for spatial in sorted(arriving) if best < spatial <= bound]
    is_best = best == highest and ladder[0].temporal == TOP_TEMPORAL
    return Target(tuple(ladder), Cause.NONE if is_best else Cause.DEMAND)


def wanted(demand: Demand) -> Layer | None:
    """Returns the best layer that a subscriber asks for, regardless of its network. None: it asks for nothing."""
    return max(desired(demand).ladder, default=None)


def priority(demand: Demand) -> int:
    """Returns the priority of a demand, 1 to 255."""
    return demand.wish.priority or PRIORITIES.get(demand.supply.source, 1)


def sizes(
    count: int, declared: tuple[int, int], measured: Mapping[int, tuple[int, int]]
) -> tuple[tuple[int, int], ...]:
    """Returns width and height of each of `count` spatial layers: as measured, otherwise as if each had twice the size
    of the one below.

    `declared` is the size that the publisher declares; (0, 0): unknown.
    """
    known = {spatial: size for spatial, size in measured.items() if spatial < count}
    if count - 1 not in known and (not known or declared > max(known.values())):
        known[count - 1] = declared if all(declared) else ASSUMED
    return tuple(_estimated(spatial, known) for spatial in range(count))


def _estimated(spatial: int, known: Mapping[int, tuple[int, int]]) -> tuple[int, int]:
    """Estimates a size from the next known layer above, else from the next below."""
    at = min((of for of in known if of >= spatial), default=None)
    at = max(known) if at is None else at
    width, height = known[at]
    factor = 2.0 ** (spatial - at)
    return max(int(width * factor), 1), max(int(height * factor), 1)


def _covering(sizes: Sequence[tuple[int, int]], wish: Wish) -> int:
    """Returns the smallest spatial layer that is large enough; the highest, if none is or the wish has no size."""
    for spatial, (width, height) in enumerate(sizes):
        # The tighter side of the box decides. A side without a size is ignored.
        enlarged = [of / size for of, size in ((wish.width, width), (wish.height, height)) if of]
        if enlarged and min(enlarged) <= ENLARGED:
            return spatial
    return len(sizes) - 1


def _temporal(rates: Mapping[Layer, Rate], spatial: int, fps: float) -> int:
    """Returns the lowest temporal layer that is fast enough; no limit, if none is or it is the highest that arrives."""
    if not fps:
        return TOP_TEMPORAL
    present = sorted((layer.temporal, rate.fps) for layer, rate in rates.items() if layer.spatial == spatial)
    return next((temporal for temporal, of in present[:-1] if of >= fps * FPS_SHORT), TOP_TEMPORAL)
