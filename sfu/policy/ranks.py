"""Ranks simulcast encodings from the lowest to the best, by the media that arrives.

Clients may list encodings in any order (RFC 8853): browsers list them as the application does (the example in W3C's
WebRTC has the largest first), encoders often list the largest first. The evidence, the best first:

1. the resolution: from the payload or the dependency descriptor, otherwise as stated by the sender
   in `video-layers-allocation`
2. the bit rate: as measured, or in an encoding's first second as stated in `video-layers-allocation`
3. the order of the offer

A stated resolution takes precedence over a measured bit rate: an encoder gives the larger picture the remaining bit
rate, which may be less than that of the smaller one.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

CLEARLY = 1.5
"""Of two encodings with equal or unknown sizes, one is better if its bit rate is higher by this factor. Browsers give
each encoding 2 to 3 times the bit rate of the one below, and rates vary by a third with the scene."""

FADES = 0.9
"""The decay of a bit rate with each lower report. Encoders send little for seconds while nothing moves."""

WHOLE = 0.5
"""An encoding with less than this share of the declared pixels is not the best one."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The known size and rate of an encoding, kept while it does not arrive."""

    width: int = 0
    """Width in pixels when it last arrived: from the payload, else from `video-layers-allocation`. 0: unknown."""
    height: int = 0
    bps: float = 0.0
    """Bits per second when it last arrived. 0: it never arrived."""

    @property
    def pixels(self) -> int:
        return self.width * self.height

    @property
    def is_known(self) -> bool:
        return self.pixels > 0 or self.bps > 0


def ranked(seen: Sequence[Seen], present: Sequence[int], whole: int = 0) -> tuple[int, ...]:
    """Returns the indices of encodings, lowest first.

    `seen` is in the order of the offer. `present` is the present ranking, which stays unless the evidence clearly
    contradicts it. `whole`: pixels of the picture as declared by its publisher; 0: unknown.
    """
    base = present if all(of.is_known for of in seen) else _offered(seen, present, whole)
    known = iter(_sorted([index for index in base if seen[index].is_known], seen))
    # Unknown encodings keep their places.
    return tuple(next(known) if seen[index].is_known else index for index in base)


def _sorted(order: list[int], seen: Sequence[Seen]) -> list[int]:
    """Sorts by exchanging neighbours only, with bounded effort, because `_is_above` is not a total order."""
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
    """Returns the likely order of the offer, ascending or descending, as far as known encodings show it."""
    known = [index for index, of in enumerate(seen) if of.is_known]
    last = len(seen) - 1
    pairs = list(itertools.pairwise(known))
    rises = sum(_is_above(seen[other], seen[one]) for one, other in pairs)
    falls = sum(_is_above(seen[one], seen[other]) for one, other in pairs)
    if len(known) == 1 and 0 < seen[known[0]].pixels < whole * WHOLE:
        # The best encoding is at the other end.
        rises, falls = int(known[0] == 0), int(known[0] == last)
    if rises == falls:
        return present
    return range(len(seen)) if rises > falls else range(last, -1, -1)
