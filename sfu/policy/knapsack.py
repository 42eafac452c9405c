"""Chooses one option per class within a budget, for the largest sum: the multiple-choice knapsack problem.

Kellerer, Pferschy, Pisinger, "Knapsack Problems" (2004), ch. 11. A greedy climb along the convex hull of each class is
within one step of one class of the optimum. A search improves it, bounded by the linear relaxation. It is exact for a
few classes, and ends after `NODES` steps for many.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from sfu.model import Layer

NODES = 400
"""The most steps of the search. Four tracks of nine layers need at most about 60, half of them at most 4."""

ALIKE = 1e-9
"""Sums that differ by less than this differ by rounding."""


class Option(NamedTuple):
    """A layer that a track can be sent, or None: paused."""

    bps: int
    """On the wire, including the layers that it needs."""
    utility: float
    layer: Layer | None


class Menu:
    """The options of a track, cheapest first, without those that are dearer and not better than another one."""

    __slots__ = ("hull", "options")

    def __init__(self, options: Iterable[Option]) -> None:
        found: list[Option] = []
        for option in sorted(options):
            if found and option.utility <= found[-1].utility:
                continue
            if found and option.bps == found[-1].bps:
                found.pop()
            found.append(option)
        self.options = tuple(found)
        hull = [0]
        for at in range(1, len(found)):
            while len(hull) > 1 and _slope(found, hull[-1], at) >= _slope(found, hull[-2], hull[-1]):
                hull.pop()
            hull.append(at)
        self.hull = tuple([_step(found, low, high) for low, high in pairwise(hull)])
        """The steps up along the convex hull: the negative gain per bit per second, bits per second, gain, and the
        index of the option after it."""


def _step(options: Sequence[Option], low: int, high: int) -> tuple[float, int, float, int]:
    gain, bps = options[high].utility - options[low].utility, options[high].bps - options[low].bps
    return -gain / bps, bps, gain, high


def _slope(options: Sequence[Option], low: int, high: int) -> float:
    return (options[high].utility - options[low].utility) / (options[high].bps - options[low].bps)


def choose(budget: int, menus: Sequence[Menu]) -> list[int]:
    """Returns the index of the chosen option of each menu."""
    best = [len(menu.options) - 1 for menu in menus]
    if sum([menu.options[-1].bps for menu in menus]) <= budget:
        return best
    chosen = [0] * len(menus)
    left, gap, price = budget, 0.0, 0.0
    # The best steps first. Those of one menu are in this order anyway.
    steps = sorted([(step[0], index, *step[1:]) for index, menu in enumerate(menus) for step in menu.hull])
    blocked: set[int] = set()
    for loss, index, bps, gain, option in steps:
        if index in blocked:
            continue
        if bps <= left:
            left -= bps
            chosen[index] = option
            gap -= gain if price else 0.0
            continue
        if not price:
            # The linear relaxation takes a part of this step. No allocation is better.
            price = -loss
            gap = price * left
        blocked.add(index)
    return _improve(budget, menus, chosen, price, gap) if gap > ALIKE else chosen


def _improve(budget: int, menus: Sequence[Menu], chosen: list[int], price: float, gap: float) -> list[int]:
    """Searches for a better choice. `price`: utility per bit per second where the greedy climb stopped. `gap`: by how
    much the linear relaxation is better than `chosen`.

    With this price, an option loses what it is worth less than the best option of its menu, and bits that are left are
    worth their price. A choice is better if these losses together are less than the gap.
    """
    found = list(chosen)
    fixed, wide = 0, []
    for index, menu in enumerate(menus):
        worths = [option.utility - price * option.bps for option in menu.options]
        top = max(worths)
        near = [(top - worth, menu.options[at].bps, at) for at, worth in enumerate(worths) if top - worth < gap]
        if len(near) == 1:
            fixed += near[0][1]
            found[index] = near[0][2]
        else:
            near.sort()
            wide.append((index, near))
    # Coarse choices come first, fine ones fill what is left.
    wide.sort(key=lambda of: -max([bps for _, bps, _ in of[1]]))
    least, most = [0], [0]
    for _, near in reversed(wide):
        costs = [bps for _, bps, _ in near]
        least.append(least[-1] + min(costs))
        most.append(most[-1] + max(costs))
    if fixed + least[-1] > budget or price * (budget - fixed - most[-1]) >= gap:
        return chosen
    search = _Search(budget, price, gap, wide, least[::-1], most[::-1])
    search.descend(0, fixed, 0.0)
    if search.best is None:
        return chosen
    for (index, _), at in zip(wide, search.best, strict=True):
        found[index] = at
    return found


class _Search:
    """A depth-first search among the options that are near the best one of their track."""

    __slots__ = ("best", "budget", "gap", "least", "most", "nodes", "price", "taken", "wide")

    def __init__(
        self,
        budget: int,
        price: float,
        gap: float,
        wide: Sequence[tuple[int, list[tuple[float, int, int]]]],
        least: Sequence[int],
        most: Sequence[int],
    ) -> None:
        self.budget, self.price, self.gap = budget, price, gap
        self.wide = wide
        """Loss, bits per second and index of the options of each track."""
        self.least, self.most = least, most
        """Bits per second of the options of this track and those after it, at least and at most."""
        self.best: list[int] | None = None
        self.taken = [0] * len(wide)
        self.nodes = 0

    def descend(self, depth: int, spent: int, lost: float) -> None:
        if depth == len(self.wide):
            # The bounds of the last track hold: it fits, and it is better than the best one so far.
            self.gap = lost + self.price * (self.budget - spent)
            self.best = list(self.taken)
            return
        least, most = self.least[depth + 1], self.most[depth + 1]
        for loss, bps, at in self.wide[depth][1]:
            if lost + loss >= self.gap or self.nodes >= NODES:
                return
            self.nodes += 1
            after = spent + bps
            left = self.budget - after
            if left < least or lost + loss + self.price * (left - most) >= self.gap:
                continue
            self.taken[depth] = at
            self.descend(depth + 1, after, lost + loss)
