"""Allocates what the network of one subscriber carries: budgets from estimates, when to allocate again, hysteresis.

A layer that flows is judged by the present budget, another one by the smallest budget of the last seconds. On a link
whose estimate varies this alone would switch a layer up and down for ever. So after a layer was lowered although the
link did not change much, nothing is raised for a while, or until the budget is clearly larger.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from sfu.model import Layer
from sfu.policy.allocation import Allocation, Offer, allocate, keep, lower, may_oversend, wished

QUEUE = 500.0
"""Milliseconds of a queue that would take the whole budget, so that a queue drains."""
DRAINING = 0.9
"""The least share of the estimate that is allocated while a queue drains."""
WINDOW = 2.0
"""Seconds whose smallest budget a layer must fit into that does not flow."""
START = 5.0
"""Seconds after the first estimate in which the present budget counts instead: the estimate is still rising."""
LOWERED = 0.85
"""When layers must be lowered, the share of the budget that they may take then. An estimate of delay or loss that is
steady varies by this much (libwebrtc: AimdRateControl, kDefaultBackoffFactor)."""
CHANGED = 0.6
"""A budget below this share of what was sent means that the link has changed, and the rule of `WINDOW` suffices."""
CLEARLY = 1.3
"""A budget this many times what was sent before the layers were lowered ends the wait: more than the noise of `LOWERED`
both ways."""
WAIT = 15.0
MOST_WAIT = 240.0
"""Seconds to wait after layers were lowered: first, and at most. Each time that a raise fails the wait is four times as
long."""
AGAIN = 60.0
"""Seconds after a wait in which layers that are lowered count as a failed raise."""
SETTLED = 10.0
"""Seconds after which a lower budget is another change of the link."""

MOVING = 0.5
"""Seconds between two allocations if anything changed."""
STEADY = 2.0
"""Seconds between two allocations if nothing changed."""


@dataclass(frozen=True, slots=True)
class Link:
    """What the packet plane estimates of a subscriber's network."""

    bps: int
    """Bits per second."""
    queue_ms: float = 0.0
    """Of the packets that wait, here and on the way."""
    loss: float = 0.0
    """Share of packets, 0 to 1."""
    round_trip_ms: float = 0.0

    @property
    def budget(self) -> int:
        """Bits per second to allocate: less while a queue must drain."""
        return int(self.bps * max(DRAINING, 1 - self.queue_ms / QUEUE))


@dataclass(slots=True)
class _Wait:
    """Layers were lowered."""

    until: float
    seconds: float
    sent: int
    """Bits per second that were sent before."""
    lowered: float
    """When, for the last time."""
    limit: int
    """What may be sent until then."""
    is_over: bool = False
    """The link has changed."""


class Allocator:
    def __init__(self) -> None:
        self.link: Link | None = None
        """None: nothing is estimated, and every track gets what its subscriber asks for."""
        self.allocation: Allocation | None = None
        """The last one."""
        self._budgets: deque[tuple[float, int]] = deque()
        """Until when they held, and budgets: rising from the smallest one of the window to the newest."""
        self._first = 0.0
        self._wait: _Wait | None = None
        self._allocated = -math.inf
        """When, and for which budget."""
        self._allocated_for = 0
        self._has_changed = True

    def estimate(self, link: Link, now: float) -> None:
        """Records an estimate. Times are in seconds of any clock, and never fall."""
        if self.link is None:
            self._first = now
        elif link.budget != self.link.budget:
            self.touch()
        self.link, budget = link, link.budget
        if self._budgets:
            self._budgets[-1] = (now, self._budgets[-1][1])
        while self._budgets and self._budgets[-1][1] >= budget:
            self._budgets.pop()
        self._budgets.append((now, budget))
        self._forget(now)
        wait = self._wait
        if wait is not None and budget < wait.sent * CHANGED:
            wait.is_over = True

    def touch(self) -> None:
        """Records a change of prices, demands or weights."""
        self._has_changed = True

    def due(self) -> float:
        """Returns when to allocate again. In the past: at once, because more is sent than the network carries."""
        if self.link is None:
            return math.inf
        last, budget = self.allocation, self.link.budget
        if last is None or (budget < self._allocated_for and last.bps > budget):
            return self._allocated
        # A budget that has risen is still to be proven for the rest of the window.
        is_moving = self._has_changed or len(self._budgets) > 1
        return self._allocated + (MOVING if is_moving else STEADY)

    def allocate(self, offers: Sequence[Offer], present: Sequence[Layer | None], now: float) -> Allocation:
        """Returns what each track gets. Raises ValueError if nothing is estimated.

        `present`: the layers that flow. None: none does.
        """
        if self.link is None:
            raise ValueError("nothing is estimated of this network")
        self._allocated, self._allocated_for, self._has_changed = now, self.link.budget, False
        self.allocation = self._decided(self.link.budget, offers, present, now)
        return self.allocation

    def _decided(self, budget: int, offers: Sequence[Offer], present: Sequence[Layer | None], now: float) -> Allocation:
        kept = keep(offers, present)
        fits = kept is not None and kept.bps <= budget + may_oversend(budget, offers, present)
        if kept is not None and fits and all(map(_is_best, offers, present)):
            return kept
        if kept is not None and not fits:
            self._handle_lowered(kept.bps, int(budget * LOWERED), now)
        steady, everything = self._steady(budget, now), wished(offers)
        if everything.bps <= steady:
            # Nothing competes: a switch needs no gain that pays for it.
            return everything
        free = allocate(steady, offers, present)
        if fits and kept is not None:
            return free if free.utility > kept.utility else kept
        lowered = lower(int(budget * LOWERED), offers, present)
        return lowered if lowered.utility >= free.utility else free

    def _steady(self, budget: int, now: float) -> int:
        """Returns the budget for layers that do not flow."""
        self._forget(now)
        wait = self._wait
        is_starting = wait is None and now < self._first + START
        steady = budget if is_starting else min(budget, self._budgets[0][1])
        if wait is None or wait.is_over:
            return steady
        if now >= wait.until or steady >= wait.sent * CLEARLY:
            wait.is_over = True
            return steady
        return min(steady, wait.limit)

    def _forget(self, now: float) -> None:
        while len(self._budgets) > 1 and self._budgets[0][0] <= now - WINDOW:
            self._budgets.popleft()
            # What remains has been proven.
            self._has_changed = True

    def _handle_lowered(self, sent: int, limit: int, now: float) -> None:
        wait = self._wait
        if wait is None or (wait.is_over and now > wait.lowered + SETTLED):
            has_failed = wait is not None and now < wait.until + AGAIN
            seconds = min(wait.seconds * 4, MOST_WAIT) if wait is not None and has_failed else WAIT
            self._wait = _Wait(now + seconds, seconds, sent, now, limit)
            return
        wait.lowered, wait.limit = now, min(wait.limit, limit)
        if not wait.is_over:
            wait.until = max(wait.until, now + WAIT)


def _is_best(offer: Offer, present: Layer | None) -> bool:
    best = offer.best
    return best is None or best.layer == present
