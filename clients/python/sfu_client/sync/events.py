# Made from aio/events.py by scripts/make-sync-client.
"""Operations on events."""

from collections.abc import Iterator

from ..address import given, path
from ..events import Event, EventPage
from ..models import RemovedEvents
from .following import GIVE_UP, Following, Missed
from .requests import Requests, read_as


class EventOperations(Requests):
    def list_events(self, *, after: str = "", room: str | None = None, limit: int | None = None) -> EventPage:
        """Returns a page of events, oldest first. Needs roomAdmin for the room; for all rooms roomAdmin without a room,
        and roomList."""
        query = given(after=after or None, room=room, limit=limit)
        return read_as(EventPage, self._connection.ask("GET", path("v1", "events"), query=query))

    def all_events(self, *, after: str = "", room: str | None = None) -> Iterator[Event]:
        """Yields the events that are kept now."""
        while True:
            page = self.list_events(after=after, room=room)
            for event in page.events:
                yield event
            if not (after := page.next):
                return

    def delete_events(self, identity: str, *, room: str | None = None) -> int:
        """Removes the events until now that name this identity. Returns their number. Remove the participant first,
        because later events are kept."""
        query = given(identity=identity, room=room)
        return read_as(RemovedEvents, self._connection.ask("DELETE", path("v1", "events"), query=query)).removed

    def follow(
        self,
        *,
        after: str = "",
        room: str | None = None,
        on_missed: Missed | None = None,
        give_up: float = GIVE_UP,
        resume: bool = True,
    ) -> Following:
        """Returns the events after one (its id; empty: all that are kept), and then those that come.

        It connects again by itself, for at most `give_up` seconds without an answer (`math.inf`: for ever). If events
        are no longer kept, it calls `on_missed` and goes on with the oldest one; without it, it raises EventsMissed.
        With `resume=False` it ends with its first connection.
        """
        return Following(self._connection, after, room, on_missed, give_up, resume=resume)
