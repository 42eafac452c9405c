"""Long offers, read in slices: the loop has its turn after each, and so have the other offers that are being read."""

import asyncio
from collections.abc import Callable

from sfu import limits
from sfu.negotiation.sdp import SessionDescription


class Reading:
    """All offers of one loop. `now`: seconds on a clock that only goes forward."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._turn = asyncio.Lock()
        """Of one slice between two turns of the loop, however many offers there are. First come, first served."""

    async def read(self, text: str) -> SessionDescription:
        """Raises NegotiationError. A short offer is read at once."""
        if len(text) <= limits.SDP_AT_ONCE:
            return SessionDescription.parse(text)
        steps = SessionDescription.steps(text)
        began = self._now()
        while True:
            async with self._turn:
                end = self._now() + limits.SDP_SLICE
                try:
                    while self._now() < end:
                        next(steps)
                except StopIteration as read:
                    description: SessionDescription = read.value
                    if self._now() - began > limits.SDP_SLICE / 4:
                        await asyncio.sleep(0)  # It is answered in a turn of its own: one of these in each.
                    return description
                await asyncio.sleep(0)
