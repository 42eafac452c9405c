"""The client: one method for each operation of REST, and iterators over pages."""

import ssl
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from ..address import TokenSource, base_of, given, ice_servers, path, session_url, token_source
from ..changes import PermissionChanges, TrackWish
from ..errors import InvalidAnswer
from ..events import Event, EventPage
from ..media import MediaPatch, MediaSession
from ..models import (
    Delivery,
    Explanation,
    ExplanationPage,
    Participant,
    ParticipantPage,
    PublishedTrack,
    RemovedEvents,
    Room,
    RoomPage,
    Subscription,
    SubscriptionPage,
    TrackDetails,
    TrackPage,
)
from .connection import Connection
from .following import GIVE_UP, Following, Missed

TIMEOUT = 10.0
"""Seconds for each request, by default."""
SDP = {"Content-Type": "application/sdp"}
FRAGMENT = "application/trickle-ice-sdpfrag"

Answer = TypeVar("Answer", bound=BaseModel)


class Client:
    """A client of one service. Use it in a block, or call `close`.

    `url`: may have a path, under which the service is mounted. With `key` and `secret` it signs a token of an
    administrator for each request; `token` is a token, or a function that returns one. All methods raise ClientError;
    requests are not repeated. Names of rooms and participants may contain any characters.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str = "",
        secret: str = "",
        token: str | TokenSource = "",
        timeout: float = TIMEOUT,
        verify: ssl.SSLContext | bool = True,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._connection = Connection(base_of(url), token_source(token, key, secret), timeout, verify, transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._connection.close()

    # Rooms

    async def create_room(
        self,
        name: str,
        *,
        max_participants: int | None = None,
        empty_timeout: float | None = None,
        departure_timeout: float | None = None,
        metadata: str | None = None,
        locked: bool | None = None,
        last_n: int | None = None,
        on_stage: Sequence[str] | None = None,
        loudest: int | None = None,
    ) -> Room:
        """Creates a room, or returns the one that exists with the same options. Needs roomCreate."""
        body = given(
            name=name,
            max_participants=max_participants,
            empty_timeout=empty_timeout,
            departure_timeout=departure_timeout,
            metadata=metadata,
            locked=locked,
            last_n=last_n,
            on_stage=on_stage,
            loudest=loudest,
        )
        return await self._send(Room, "POST", path("v1", "rooms"), body)

    async def list_rooms(self, *, after: str = "", limit: int | None = None) -> RoomPage:
        """Returns a page of the rooms, by name. Needs roomList."""
        return await self._page(RoomPage, path("v1", "rooms"), after, limit)

    async def all_rooms(self) -> AsyncIterator[Room]:
        """Yields the rooms of all pages."""
        after = ""
        while True:
            page = await self.list_rooms(after=after)
            for room in page.rooms:
                yield room
            if not (after := page.next):
                return

    async def show_room(self, room: str) -> Room:
        """Needs roomList, or roomAdmin for the room."""
        return await self._send(Room, "GET", path("v1", "rooms", room))

    async def change_room(
        self,
        room: str,
        *,
        max_participants: int | None = None,
        empty_timeout: float | None = None,
        departure_timeout: float | None = None,
        metadata: str | None = None,
        locked: bool | None = None,
        last_n: int | None = None,
        on_stage: Sequence[str] | None = None,
        loudest: int | None = None,
    ) -> Room:
        """Changes a room; what is omitted keeps its value. Needs roomAdmin for the room."""
        body = given(
            max_participants=max_participants,
            empty_timeout=empty_timeout,
            departure_timeout=departure_timeout,
            metadata=metadata,
            locked=locked,
            last_n=last_n,
            on_stage=on_stage,
            loudest=loudest,
        )
        return await self._send(Room, "PATCH", path("v1", "rooms", room), body)

    async def delete_room(self, room: str) -> None:
        """Closes a room. Its participants receive the reason. Needs roomCreate, or roomAdmin for the room."""
        await self._connection.ask("DELETE", path("v1", "rooms", room))

    async def list_tracks(self, room: str, *, after: str = "", limit: int | None = None) -> TrackPage:
        """Returns a page of the published tracks, in the order in which their publishers joined. Needs roomAdmin."""
        return await self._page(TrackPage, path("v1", "rooms", room, "tracks"), after, limit)

    async def all_tracks(self, room: str) -> AsyncIterator[PublishedTrack]:
        """Yields the published tracks of all pages."""
        after = ""
        while True:
            page = await self.list_tracks(room, after=after)
            for track in page.tracks:
                yield track
            if not (after := page.next):
                return

    async def show_track(self, room: str, track: str) -> TrackDetails:
        """Returns a published track, named by its sid, with the layer that each subscriber is sent. Needs roomAdmin."""
        return await self._send(TrackDetails, "GET", path("v1", "rooms", room, "tracks", track))

    async def remove_track(self, room: str, track: str) -> None:
        """Ends the publication of a track. Needs roomAdmin."""
        await self._connection.ask("DELETE", path("v1", "rooms", room, "tracks", track))

    async def request_keyframe(self, room: str, track: str) -> None:
        """Asks the publisher of a track for a keyframe. Needs roomAdmin."""
        await self._connection.ask("POST", path("v1", "rooms", room, "tracks", track, "keyframe"))

    async def send_data(
        self,
        room: str,
        *,
        text: str | None = None,
        base64: str | None = None,
        reliable: bool | None = None,
        to: Sequence[str] | None = None,
    ) -> Delivery:
        """Sends a message of the server over data channels: exactly one of `text` and `base64`. `to`: identities;
        omitted: everybody. Needs roomAdmin."""
        body = given(text=text, base64=base64, reliable=reliable, to=to)
        return await self._send(Delivery, "POST", path("v1", "rooms", room, "data"), body)

    # Participants. All of them need roomAdmin for the room.

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

    # Events

    async def list_events(self, *, after: str = "", room: str | None = None, limit: int | None = None) -> EventPage:
        """Returns a page of events, oldest first. Needs roomAdmin for the room; for all rooms roomAdmin without a room,
        and roomList."""
        query = given(after=after or None, room=room, limit=limit)
        return read_as(EventPage, await self._connection.ask("GET", path("v1", "events"), query=query))

    async def all_events(self, *, after: str = "", room: str | None = None) -> AsyncIterator[Event]:
        """Yields the events that are kept now."""
        while True:
            page = await self.list_events(after=after, room=room)
            for event in page.events:
                yield event
            if not (after := page.next):
                return

    async def delete_events(self, identity: str, *, room: str | None = None) -> int:
        """Removes the events until now that name this identity. Returns their number. Remove the participant first,
        because later events are kept."""
        query = given(identity=identity, room=room)
        return read_as(RemovedEvents, await self._connection.ask("DELETE", path("v1", "events"), query=query)).removed

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
        are no longer kept, it awaits `on_missed` and goes on with the oldest one; without it, it raises EventsMissed.
        With `resume=False` it ends with its first connection.
        """
        return Following(self._connection, after, room, on_missed, give_up, resume=resume)

    # WHIP and WHEP, with the token of a participant

    async def publish(self, offer: str, *, token: str, room: str | None = None) -> MediaSession:
        """Publishes what the offer (SDP) sends. `room`: for a token of any room."""
        return await self._open("whip", offer, token, room, {})

    async def watch(
        self, offer: str, *, token: str, room: str | None = None, participant: str | None = None
    ) -> MediaSession:
        """Watches one participant (identity), or the room."""
        return await self._open("whep", offer, token, room, given(participant=participant))

    async def patch_session(self, session: MediaSession, fragment: str, *, restart: bool = False) -> MediaPatch:
        """Trickles candidates, or restarts ICE (RFC 8840). A restart returns the server's credentials."""
        headers = {"Content-Type": FRAGMENT, "If-Match": "*" if restart else f'"{session.etag}"'}
        url = session_url(self._connection.base, session.location)
        reply = await self._connection.ask("PATCH", url, content=fragment, headers=headers, token="")
        return MediaPatch(reply.headers.get("etag", "").strip('"'), reply.text)

    async def end_session(self, session: MediaSession) -> None:
        """Ends a session; its participant leaves the room."""
        await self._connection.ask("DELETE", session_url(self._connection.base, session.location), token="")

    # The protocol

    async def show_protocol(self) -> dict[str, Any]:
        """Returns the description of the WebSocket (AsyncAPI 3.0)."""
        reply = await self._connection.ask("GET", path("v1", "protocol.json"), token="")
        try:
            document = reply.json()
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise InvalidAnswer("The description of the protocol is no JSON object.")
        return document

    async def _send(self, kind: type[Answer], method: str, where: str, body: Any = None) -> Answer:
        return read_as(kind, await self._connection.ask(method, where, json=body))

    async def _page(self, kind: type[Answer], where: str, after: str, limit: int | None) -> Answer:
        query = given(after=after or None, limit=limit)
        return read_as(kind, await self._connection.ask("GET", where, query=query))

    async def _open(self, door: str, offer: str, token: str, room: str | None, query: dict[str, Any]) -> MediaSession:
        where = path("v1", "rooms", room, door) if room is not None else path("v1", door)
        reply = await self._connection.ask("POST", where, query=query, content=offer, headers=SDP, token=token)
        headers = reply.headers
        return MediaSession(
            location=headers.get("location", ""),
            answer=reply.text,
            etag=headers.get("etag", "").strip('"'),
            ice_servers=ice_servers(headers),
            undecodable=_listed(headers.get("sfu-undecodable", "")),
            inactive=_listed(headers.get("sfu-inactive", "")),
        )


def read_as(kind: type[Answer], reply: httpx.Response) -> Answer:
    try:
        return kind.model_validate_json(reply.content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidAnswer(f"The reply is no {kind.__name__}: {where}: {first['msg']}.") from None


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
