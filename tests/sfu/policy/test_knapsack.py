"""The choice of one option per class, against all combinations."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.policy.knapsack import Menu, Option, choose


def menu(*options: tuple[int, float]) -> Menu:
    return Menu(Option(bps, utility, None) for bps, utility in options)


def picked(budget: int, *menus: Menu) -> list[tuple[int, float]]:
    return [of.options[at][:2] for of, at in zip(menus, choose(budget, menus), strict=True)]


def test_an_option_that_is_dearer_and_not_better_is_left_out() -> None:
    it = menu((0, -4), (10, 1), (12, 1), (15, 0.5), (10, 2), (20, 3))
    assert [option[:2] for option in it.options] == [(0, -4), (10, 2), (20, 3)]


def test_the_hull_leaves_out_what_is_below_a_line_between_two_others() -> None:
    it = menu((0, 0), (10, 1), (20, 4), (30, 5))
    assert [step[3] for step in it.hull] == [2, 3]
    assert [step[1:3] for step in it.hull] == [(20, 4), (10, 1)]


@pytest.mark.parametrize(
    ("why", "budget", "menus", "after"),
    [
        ("everything fits", 60, [((0, 0), (30, 1)), ((0, 0), (30, 1))], [(30, 1), (30, 1)]),
        ("nothing fits", 5, [((0, 0), (30, 1)), ((0, 0), (30, 1))], [(0, 0), (0, 0)]),
        ("no budget", 0, [((0, 0), (30, 1))], [(0, 0)]),
        ("an option that is free", 0, [((0, 0), (0, 1), (5, 2))], [(0, 1)]),
        ("below the hull, where the hull does not fit", 25, [((0, 0), (20, 1), (30, 9))], [(20, 1)]),
        ("two that are worse per bit", 10, [((0, 0), (6, 7)), *[((0, 0), (5, 5))] * 2], [(0, 0), (5, 5), (5, 5)]),
        ("one class", 7, [((0, 0), (3, 1), (7, 2), (9, 3))], [(7, 2)]),
        ("no class", 7, [], []),
    ],
)  # fmt: skip
def test_the_best_choice_is_found(why: str, budget: int, menus: list[list[tuple[int, float]]], after: object) -> None:
    assert picked(budget, *[menu(*options) for options in menus]) == after


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32), classes=st.integers(1, 4), share=st.floats(0, 1.1))
def test_any_choice_of_few_classes_is_the_best(seed: int, classes: int, share: float) -> None:
    chance = random.Random(seed)
    menus = [
        menu((0, 0.0), *[(chance.randrange(1, 1000), chance.uniform(0, 10)) for _ in range(chance.randrange(1, 9))])
        for _ in range(classes)
    ]
    budget = int(share * sum(of.options[-1].bps for of in menus))
    combinations = itertools.product(*(of.options for of in menus))
    best = max(sum(it.utility for it in of) for of in combinations if sum(it.bps for it in of) <= budget)
    found = picked(budget, *menus)
    assert sum(bps for bps, _ in found) <= budget
    assert sum(utility for _, utility in found) == pytest.approx(best)
