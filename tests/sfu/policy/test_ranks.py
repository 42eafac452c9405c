"""Ranks of encodings: by picture, else by bit rate, else by the offer; in any order."""

import random
from itertools import permutations

import pytest

from sfu.policy.ranks import CLEARLY, Seen, ranked

SIZES = {"q": (320, 180), "h": (640, 360), "f": (1280, 720), "x": (0, 0)}
RATES = {"q": 150_000.0, "h": 500_000.0, "f": 1_500_000.0, "x": 0.0}
FULL = 1280 * 720


def sized(offered: str) -> list[Seen]:
    return [Seen(*SIZES[rid], RATES[rid]) for rid in offered]


def rated(offered: str) -> list[Seen]:
    return [Seen(bps=RATES[rid]) for rid in offered]


def named(offered: str, ranking: tuple[int, ...]) -> str:
    return "".join(offered[index] for index in ranking)


@pytest.mark.parametrize("offered", ["".join(order) for order in permutations("qhf")])
def test_every_order_of_three_is_ranked_by_its_pictures_and_without_them_by_its_bit_rates(offered: str) -> None:
    for seen in (sized(offered), rated(offered)):
        for present in permutations(range(3)):
            assert named(offered, ranked(seen, present)) == "qhf"


def test_what_never_arrived_is_ranked_as_offered() -> None:
    assert ranked([Seen()] * 3, range(3)) == (0, 1, 2)
    assert ranked([], ()) == ()


@pytest.mark.parametrize(
    ("arrives", "whole", "ranking"),
    [
        # Two that arrive tell in which direction the offer lists them.
        ("fhx", 0, (2, 1, 0)),
        ("xhq", 0, (2, 1, 0)),
        ("fxq", 0, (2, 1, 0)),
        ("qhx", 0, (0, 1, 2)),
        ("xhf", 0, (0, 1, 2)),
        # One that is less than its publisher declares is not the best one, one that is all of it may be.
        ("xxq", FULL, (2, 1, 0)),
        ("qxx", FULL, (0, 1, 2)),
        ("xxf", FULL, (0, 1, 2)),
        ("xhx", FULL, (0, 1, 2)),
        # Without a word of its publisher one alone tells nothing.
        ("xxq", 0, (0, 1, 2)),
    ],
)
def test_what_arrives_tells_where_the_rest_belongs(arrives: str, whole: int, ranking: tuple[int, ...]) -> None:
    assert ranked(sized(arrives), range(3), whole) == ranking


def test_of_one_size_the_bit_rate_decides_if_it_is_clearly_another() -> None:
    small, large = Seen(1280, 720, 300_000), Seen(1280, 720, 300_000 * CLEARLY + 1)
    assert ranked([large, small], (0, 1)) == (1, 0)
    nearly = Seen(1280, 720, 300_000 * CLEARLY)
    for present in ((0, 1), (1, 0)):
        assert ranked([nearly, small], present) == present, "rates that come and go change nothing"


def test_a_larger_picture_is_better_at_any_bit_rate() -> None:
    assert ranked([Seen(1280, 720, 10_000), Seen(320, 180, 900_000)], (0, 1)) == (1, 0)


STARVED = ((93_480, 104_984, 29_640), (83_440, 77_992, 22_728), (94_424, 149_880, 26_096))
"""Bit/s of 80x45, 160x90 and 320x180 in one second: Chromium 156, AV1. In 119 of 134 seconds the second has less than
`CLEARLY` times the rate of the first, in 19 the third less than the second."""


@pytest.mark.parametrize("rates", STARVED)
def test_a_resolution_goes_before_a_bit_rate_that_clearly_says_otherwise(rates: tuple[int, int, int]) -> None:
    sizes = ((80, 45), (160, 90), (320, 180))
    for offered in permutations(range(3)):
        seen = [Seen(*sizes[encoding], rates[encoding]) for encoding in offered]
        for present in permutations(range(3)):
            assert [offered[index] for index in ranked(seen, present)] == [0, 1, 2]
        # By its bit rate alone the largest would be shown to those who want the smallest.
        assert offered[ranked([Seen(bps=of.bps) for of in seen], range(3))[0]] == 2


def test_evidence_counts_in_its_order() -> None:
    offered = (0, 1)
    assert ranked([Seen(), Seen()], offered) == (0, 1), "nothing but the offer"
    assert ranked([Seen(bps=900_000), Seen(bps=150_000)], offered) == (1, 0), "bit rates, against the offer"
    assert ranked([Seen(640, 360, 150_000), Seen(320, 180, 900_000)], offered) == (1, 0), "resolutions, against both"
    # Where only one of them has a resolution the bit rates are compared: they are what both have.
    assert ranked([Seen(320, 180, 900_000), Seen(bps=150_000)], offered) == (1, 0)


def test_an_unknown_bit_rate_is_no_evidence() -> None:
    unknown, known = Seen(640, 360), Seen(640, 360, 500_000)
    assert ranked([known, unknown], (0, 1)) == (0, 1)
    assert ranked([unknown, known], (0, 1)) == (0, 1)


def test_whatever_is_known_each_encoding_has_one_rank_and_a_ranking_stands() -> None:
    chance = random.Random(9)
    for _ in range(2_000):
        count = chance.randint(1, 8)
        sizes = [(0, 0), (320, 180), (640, 360), (1280, 720)]
        seen = [Seen(*chance.choice(sizes), chance.choice([0.0, chance.uniform(1e5, 5e5)])) for _ in range(count)]
        present = chance.sample(range(count), count)
        ranking = ranked(seen, present)
        assert sorted(ranking) == list(range(count))
        known = [seen[index].pixels for index in ranking if seen[index].pixels]
        if all(of.pixels for of in seen):
            assert known == sorted(known)
            assert ranked(seen, ranking) == ranking, "nothing has changed"
