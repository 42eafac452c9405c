"""Tracks with simulcast as they arrive, for tests and benchmarks of allocation."""

import random

from sfu.model import Kind, Layer, Rate, Source, Wish
from sfu.policy.allocation import Offer
from sfu.policy.ladders import Demand, Supply

BPS = (150_000, 500_000, 1_500_000)
"""Of three encodings of 180, 360 and 720 lines."""
SHARES = {1: (1.0,), 2: (0.6, 1.0), 3: (0.4, 0.6, 1.0)}
"""Of the rate of an encoding, up to each temporal layer. libwebrtc: kLayerRateAllocation of
simulcast_rate_allocator.cc."""


def camera(
    spatial: int = 3, temporal: int = 3, *, factor: float = 1.0, fps: float = 30.0, source: Source = Source.CAMERA
) -> Supply:
    """A track whose encodings all arrive. `factor`: of the rates in `BPS`."""
    sizes = tuple((320 << at, 180 << at) for at in range(spatial))
    rates = {
        Layer(at, of): Rate(int(BPS[at] * factor * share), *sizes[at], fps / 2 ** (temporal - 1 - of))
        for at in range(spatial)
        for of, share in enumerate(SHARES[temporal])
    }
    return Supply(Kind.VIDEO, source, sizes, rates)


def voice(bps: int = 32_000) -> Supply:
    return Supply(Kind.AUDIO, Source.MICROPHONE, ((1, 1),), {Layer(0, 0): Rate(bps, 0, 0, 50.0)})


def any_offer(chance: random.Random, most: int = 3) -> Offer:
    """An offer of at most `most` x `most` layers."""
    source = chance.choice((Source.CAMERA, Source.CAMERA, Source.SCREEN_SHARE))
    supply = camera(chance.randint(1, most), chance.randint(1, most), factor=chance.uniform(0.3, 2.0), source=source)
    wish = Wish(width=chance.choice((0, 0, 320, 640)), priority=chance.choice((0, 0, 1, 5, 100)))
    return Offer(Demand(supply, wish), is_speaking=chance.random() < 0.2)
