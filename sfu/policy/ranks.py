"""Ranks of simulcast encodings: which is the lowest, which the best, by what arrives of them.

Clients list encodings in any order, and RFC 8853 lets them: browsers as the application wrote them (the example in
W3C's WebRTC has the largest first), encoders often the largest first. The evidence, the best first:

1. the resolution: of the payload or the dependency descriptor; where those tell none, the one
   that the sender states with `video-layers-allocation`
2. the bit rate: measured; in an encoding's first second the one of `video-layers-allocation`
3. the order of the offer

A stated resolution goes before a measured bit rate: an encoder gives the larger picture what is left over, at times
less than the smaller one gets.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

CLEARLY = 1.5
"""Of two encodings of one size, or of unknown size, the better has so many times the bit rate of the other: browsers
give each 2 to 3 times that of the one below, and rates move by a third with what the camera sees."""

FADES = 0.9
"""What is left of a bit rate with each report of a lower one: encoders are quiet for seconds while nothing moves."""

WHOLE = 0.5
"""Of the pixels that its publisher declares: an encoding with less is not the best one."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of an encoding; also when it does not arrive at present."""

    width: int = 0
    """Pixels when it last arrived, by its payload, else by its sender's video-layers-allocation. 0: unknown."""
    height: int = 0
    bps: float = 0.0
    """When it last arrived. 0: it never did."""

    @property
    def pixels(self) -> int:
        return self.width * self.height

    @property
    def is_known(self) -> bool:
        return self.pixels > 0 or self.bps > 0


def ranked(seen: Sequence[Seen], present: Sequence[int], whole: int = 0) -> tuple[int, ...]:
    """The indices of encodings, lowest first.

    `seen` is by index, in the order of the offer. `present`: the ranks up to now, which stay where nothing clearly
    speaks against them. `whole`: pixels of the picture by its publisher's word; 0: it says nothing.
    """
    base = present if all(of.is_known for of in seen) else _offered(seen, present, whole)
    known = iter(_sorted([index for index in base if seen[index].is_known], seen))
    # Those of which nothing is known keep their places.
    return tuple(next(known) if seen[index].is_known else index for index in base)


def _sorted(order: list[int], seen: Sequence[Seen]) -> list[int]:
    """ "Clearly" is no total order: this exchanges neighbours only, and no more often than a sort needs."""
    for _ in range(len(order)):
        for at in range(len(order) - 1):
            if _is_above(seen[order[at]], seen[order[at + 1]]):
                order[at], order[at + 1] = order[at + 1], order[at]
    return order


def _is_above(one: Seen, other: Seen) -> bool:
    if one.pixels and other.pixels and one.pixels != other.pixels:
        return one.pixels > other.pixels
    return bool(one.bps and other.bps) and one.bps > other.bps * CLEARLY


def _offered(seen: Sequence[Seen], present: Sequence[int], whole: int) -> Sequence[int]:
    """The direction in which the offer seems to list them, by those that are known."""
    known = [index for index, of in enumerate(seen) if of.is_known]
    last = len(seen) - 1
    pairs = list(itertools.pairwise(known))
    rises = sum(_is_above(seen[other], seen[one]) for one, other in pairs)
    falls = sum(_is_above(seen[one], seen[other]) for one, other in pairs)
    if len(known) == 1 and 0 < seen[known[0]].pixels < whole * WHOLE:
        # The best one is at the other end.
        rises, falls = int(known[0] == 0), int(known[0] == last)
    if rises == falls:
        return present
    return range(len(seen)) if rises > falls else range(last, -1, -1)
