"""Reads long offers in slices. After each slice the event loop and other offers get a turn."""

import asyncio
from collections.abc import Callable

from sfu import limits
from sfu.negotiation.sdp import SessionDescription


class Reading:
    """The offers of one event loop. `now`: seconds of a monotonic clock."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._turn = asyncio.Lock()
        """The lock for one slice between two turns of the loop, for any number of offers. First come, first served."""

    async def read(self, text: str) -> SessionDescription:
        """Parses an offer; a short one at once. Raises NegotiationError."""
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
