"""A backend that follows the events of one room or of all: it asks for pages, so nothing is kept for it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from sfu import limits
from sfu.room_events import EventPage

Ask = Callable[[str, int], Awaitable[EventPage]]
"""Returns up to this many events after an id. Empty: from the oldest."""


class Following:
    def __init__(self, room: str | None, after: str, ask: Ask) -> None:
        self.room = room
        """The name of the room. None: all rooms."""
        self.was_slow = False
        """Set by the reader: it was let go because its client read too slowly."""
        self.news = asyncio.Event()
        """Set when events of the room are in the database, and when there will be no more."""
        self.is_ended = False
        """True: every event that will ever be is in the database."""
        self._after = after
        self._ask = ask

    async def pages(self) -> AsyncIterator[EventPage]:
        """Yields the events after an id, then later ones when they are written, until the service has ended. After each
        `limits.EVENT_SILENCE_SECONDS` without any it yields a page without events."""
        while True:
            self.news.clear()
            is_last = self.is_ended
            page = await self._ask(self._after, limits.EVENT_READ)
            if page.kept or page.missed:
                self._after = page.kept[-1].id if page.kept else page.latest
                yield page
            elif is_last:
                return
            elif not await self._wait():
                yield page

    async def _wait(self) -> bool:
        try:
            async with asyncio.timeout(limits.EVENT_SILENCE_SECONDS):
                return await self.news.wait()
        except TimeoutError:
            return False
