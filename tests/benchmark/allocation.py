"""Measures the cost of one allocation of a subscriber's bandwidth: `python -m tests.benchmark.allocation`.

CPU time of this process, for random rooms of cameras and shared screens with three encodings of three temporal layers,
and random budgets. `offers`: the layers with prices and utilities, which all subscribers with the same wish share, and
which change with the measured rates. `allocation`: the choice for one subscriber, with layers that flow.
"""

import argparse
import random
import statistics
import time

from sfu.model import Layer, Source, Wish
from sfu.policy.allocation import Offer, allocate
from sfu.policy.ladders import Demand, Supply

from ..sfu.policy.supplies import camera

TARGETS = {5: 100.0, 50: 2_000.0}
"""Microseconds of one allocation, by visible tracks."""


def supplies(chance: random.Random, tracks: int) -> list[Supply]:
    sources = (Source.CAMERA, Source.CAMERA, Source.CAMERA, Source.SCREEN_SHARE)
    return [camera(factor=chance.uniform(0.3, 2.0), source=chance.choice(sources)) for _ in range(tracks)]


def offered(chance: random.Random, of: list[Supply]) -> list[Offer]:
    return [Offer(Demand(supply, Wish(priority=chance.choice((0, 0, 0, 1, 5, 100))))) for supply in of]


def measure(tracks: int, rooms: int) -> tuple[list[float], list[float]]:
    """Returns microseconds of the offers of each room, and of its allocation."""
    chance = random.Random(tracks)
    making, allocating = [], []
    for _ in range(rooms):
        of = supplies(chance, tracks)
        begun = time.process_time_ns()
        offers = offered(chance, of)
        for offer in offers:
            offer.menu(None)
        making.append((time.process_time_ns() - begun) / 1000)
        present: list[Layer | None] = [chance.choice(offer.options).layer for offer in offers]
        most = sum(offer.options[-1].bps for offer in offers)
        # The menus of the present layers are made once, too.
        allocate(0, offers, present)
        budget = int(chance.uniform(0.1, 1.0) * most)
        begun = time.process_time_ns()
        allocate(budget, offers, present)
        allocating.append((time.process_time_ns() - begun) / 1000)
    return making, allocating


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rooms", type=int, default=500)
    arguments = parser.parse_args()
    for tracks, target in TARGETS.items():
        making, allocating = measure(tracks, arguments.rooms)
        median, p95 = statistics.median(allocating), statistics.quantiles(allocating, n=20)[-1]
        print(
            f"{tracks} visible tracks: allocation {median:.0f} us of CPU, p95 {p95:.0f} us; "
            f"offers {statistics.median(making):.0f} us"
        )
        print(f"target: {target:.0f} us, {'met' if median <= target else 'missed'}")


if __name__ == "__main__":
    main()
