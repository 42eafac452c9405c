"""Operations on participants and their subscriptions. All of them need roomAdmin for the room."""

from collections.abc import AsyncIterator, Sequence

from ..address import given, path
from ..changes import PermissionChanges, TrackWish
from ..models import Explanation, ExplanationPage, Participant, ParticipantPage, Subscription, SubscriptionPage
from .requests import Requests


class ParticipantOperations(Requests):
    async def list_participants(self, room: str, *, after: str = "", limit: int | None = None) -> ParticipantPage:
        """Returns a page of the participants, by identity, hidden ones too."""
        return await self._page(ParticipantPage, path("v1", "rooms", room, "participants"), after, limit)

    async def all_participants(self, room: str) -> AsyncIterator[Participant]:
        """Yields the participants of all pages."""
        after = ""
        while True:
            page = await self.list_participants(room, after=after)
            for participant in page.participants:
                yield participant
            if not (after := page.next):
                return

    async def show_participant(self, room: str, identity: str) -> Participant:
        return await self._send(Participant, "GET", path("v1", "rooms", room, "participants", identity))

    async def change_participant(
        self,
        room: str,
        identity: str,
        *,
        name: str | None = None,
        metadata: str | None = None,
        attributes: dict[str, str] | None = None,
        permissions: PermissionChanges | None = None,
    ) -> Participant:
        """Changes a participant; what is omitted keeps its value. An attribute set to the empty string is deleted.
        Removing a permission also revokes the participant's tokens."""
        body = given(name=name, metadata=metadata, attributes=attributes, permissions=permissions)
        return await self._send(Participant, "PATCH", path("v1", "rooms", room, "participants", identity), body)

    async def remove_participant(self, room: str, identity: str) -> None:
        """Removes a participant. Its tokens no longer admit it."""
        await self._connection.ask("DELETE", path("v1", "rooms", room, "participants", identity))

    async def readmit_participant(self, room: str, identity: str, *, jti: str | None = None) -> None:
        """Readmits a participant that was removed, or whose grant was reduced: with one token, named by its `jti`, or
        with every token issued from now on."""
        where = path("v1", "rooms", room, "participants", identity, "readmit")
        await self._connection.ask("POST", where, json=given(jti=jti))

    async def mute_track(self, room: str, identity: str, track: str, muted: bool = True) -> Participant:
        """Mutes or unmutes a track, named by its sid, as a moderator."""
        where = path("v1", "rooms", room, "participants", identity, "mute")
        return await self._send(Participant, "POST", where, {"track": track, "muted": muted})

    async def mute_source(self, room: str, identity: str, source: str, muted: bool = True) -> Participant:
        """Mutes or unmutes all tracks of a source as a moderator, for example `microphone`: present ones, and those
        that the participant publishes later in this session."""
        where = path("v1", "rooms", room, "participants", identity, "mute")
        return await self._send(Participant, "POST", where, {"source": source, "muted": muted})

    async def list_subscriptions(
        self, room: str, identity: str, *, after: str = "", limit: int | None = None
    ) -> SubscriptionPage:
        """Returns a page of the tracks that the participant could receive, and what it receives."""
        where = path("v1", "rooms", room, "participants", identity, "subscriptions")
        return await self._page(SubscriptionPage, where, after, limit)

    async def all_subscriptions(self, room: str, identity: str) -> AsyncIterator[Subscription]:
        """Yields the subscriptions of all pages."""
        after = ""
        while True:
            page = await self.list_subscriptions(room, identity, after=after)
            for subscription in page.subscriptions:
                yield subscription
            if not (after := page.next):
                return

    async def set_subscriptions(
        self,
        room: str,
        identity: str,
        *,
        tracks: Sequence[str] | None = None,
        settings: Sequence[TrackWish] | None = None,
    ) -> SubscriptionPage:
        """Subscribes the participant to exactly these tracks (sids), if given, and states how it receives single ones.
        Returns the first page of its subscriptions."""
        where = path("v1", "rooms", room, "participants", identity, "subscriptions")
        return await self._send(SubscriptionPage, "PUT", where, given(tracks=tracks, settings=settings))

    async def explain_participant(
        self, room: str, identity: str, *, after: str = "", limit: int | None = None
    ) -> ExplanationPage:
        """Returns a page of explanations: why the participant receives each track as it does."""
        where = path("v1", "rooms", room, "participants", identity, "explain")
        return await self._page(ExplanationPage, where, after, limit)

    async def all_explanations(self, room: str, identity: str) -> AsyncIterator[Explanation]:
        """Yields the explanations of all pages."""
        after = ""
        while True:
            page = await self.explain_participant(room, identity, after=after)
            for explanation in page.subscriptions:
                yield explanation
            if not (after := page.next):
                return
