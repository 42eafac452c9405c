"""Reads long offers in slices. After each slice the event loop and other offers get a turn."""

import asyncio
from collections.abc import Callable

from sfu import limits
from sfu.negotiation.previous import Previous
from sfu.negotiation.sdp import SessionDescription


class Reading:
    """The offers of one event loop. `now`: seconds of a monotonic clock."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._previous = Previous(limits.SDP_PREVIOUS)
        self._turn = asyncio.Lock()
        """Held for one slice, so that the loop gets a turn after each slice, however many offers there are. It is
        fair."""

    async def read(self, text: str, owner: str = "") -> SessionDescription:
        """Parses an offer; a short one at once. Raises NegotiationError. `owner`: the sid of the participant, whose
        last offer may have the same sections."""
        if len(text) <= limits.SDP_AT_ONCE:
            return SessionDescription.parse(text)
        offer = await self._read_in_slices(text, self._previous.find(owner))
        if owner:
            self._previous.keep(owner, offer)
        return offer

    def forget(self, owner: str) -> None:
        """Drops the last offer of a participant that left."""
        self._previous.drop(owner)

    async def _read_in_slices(self, text: str, previous: SessionDescription | None) -> SessionDescription:
        steps = SessionDescription.steps(text, previous)
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
                        await asyncio.sleep(0)  # Each offer is answered in its own turn of the loop.
                    return description
                await asyncio.sleep(0)
