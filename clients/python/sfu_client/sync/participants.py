# Made from aio/participants.py by scripts/make-sync-client.
"""Operations on participants and their subscriptions. All of them need roomAdmin for the room."""

from collections.abc import Iterator, Sequence

from ..address import given, path
from ..changes import PermissionChanges, TrackWish
from ..models import Explanation, ExplanationPage, Participant, ParticipantPage, Subscription, SubscriptionPage
from .requests import Requests


class ParticipantOperations(Requests):
    def list_participants(self, room: str, *, after: str = "", limit: int | None = None) -> ParticipantPage:
        """Returns a page of the participants, by identity, hidden ones too."""
        return self._page(ParticipantPage, path("v1", "rooms", room, "participants"), after, limit)

    def all_participants(self, room: str) -> Iterator[Participant]:
        """Yields the participants of all pages."""
        after = ""
        while True:
            page = self.list_participants(room, after=after)
            for participant in page.participants:
                yield participant
            if not (after := page.next):
                return

    def show_participant(self, room: str, identity: str) -> Participant:
        return self._send(Participant, "GET", path("v1", "rooms", room, "participants", identity))

    def change_participant(
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
        return self._send(Participant, "PATCH", path("v1", "rooms", room, "participants", identity), body)

    def remove_participant(self, room: str, identity: str) -> None:
        """Removes a participant. Its tokens no longer admit it."""
        self._connection.ask("DELETE", path("v1", "rooms", room, "participants", identity))

    def readmit_participant(self, room: str, identity: str, *, jti: str | None = None) -> None:
        """Readmits a participant that was removed, or whose grant was reduced: with one token, named by its `jti`, or
        with every token issued from now on."""
        where = path("v1", "rooms", room, "participants", identity, "readmit")
        self._connection.ask("POST", where, json=given(jti=jti))

    def mute_track(self, room: str, identity: str, track: str, muted: bool = True) -> Participant:
        """Mutes or unmutes a track, named by its sid, as a moderator."""
        where = path("v1", "rooms", room, "participants", identity, "mute")
        return self._send(Participant, "POST", where, {"track": track, "muted": muted})

    def mute_source(self, room: str, identity: str, source: str, muted: bool = True) -> Participant:
        """Mutes or unmutes all tracks of a source as a moderator, for example `microphone`: present ones, and those
        that the participant publishes later in this session."""
        where = path("v1", "rooms", room, "participants", identity, "mute")
        return self._send(Participant, "POST", where, {"source": source, "muted": muted})

    def list_subscriptions(
        self, room: str, identity: str, *, after: str = "", limit: int | None = None
    ) -> SubscriptionPage:
        """Returns a page of the tracks that the participant could receive, and what it receives."""
        where = path("v1", "rooms", room, "participants", identity, "subscriptions")
        return self._page(SubscriptionPage, where, after, limit)

    def all_subscriptions(self, room: str, identity: str) -> Iterator[Subscription]:
        """Yields the subscriptions of all pages."""
        after = ""
        while True:
            page = self.list_subscriptions(room, identity, after=after)
            for subscription in page.subscriptions:
                yield subscription
            if not (after := page.next):
                return

    def set_subscriptions(
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
        return self._send(SubscriptionPage, "PUT", where, given(tracks=tracks, settings=settings))

    def explain_participant(
        self, room: str, identity: str, *, after: str = "", limit: int | None = None
    ) -> ExplanationPage:
        """Returns a page of explanations: why the participant receives each track as it does."""
        where = path("v1", "rooms", room, "participants", identity, "explain")
        return self._page(ExplanationPage, where, after, limit)

    def all_explanations(self, room: str, identity: str) -> Iterator[Explanation]:
        """Yields the explanations of all pages."""
        after = ""
        while True:
            page = self.explain_participant(room, identity, after=after)
            for explanation in page.subscriptions:
                yield explanation
            if not (after := page.next):
                return
