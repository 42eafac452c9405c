# Made from aio/rooms.py by scripts/make-sync-client.
"""Operations on rooms and their tracks."""

from collections.abc import Iterator, Sequence
from typing import Unpack

from ..address import given, path
from ..changes import RoomOptions
from ..models import Delivery, PublishedTrack, Room, RoomPage, TrackDetails, TrackPage
from .requests import Requests


class RoomOperations(Requests):
    def create_room(self, name: str, **options: Unpack[RoomOptions]) -> Room:
        """Creates a room, or returns the one that exists with the same options. Needs roomCreate."""
        return self._send(Room, "POST", path("v1", "rooms"), given(name=name, **options))

    def put_room(self, room: str, **options: Unpack[RoomOptions]) -> Room:
        """Creates a room, or gives the room with this name these options; omitted ones become the server's default.
        Needs roomCreate, and roomAdmin for the room if its options change."""
        return self._send(Room, "PUT", path("v1", "rooms", room), given(**options))

    def list_rooms(self, *, after: str = "", limit: int | None = None) -> RoomPage:
        """Returns a page of the rooms, by name. Needs roomList."""
        return self._page(RoomPage, path("v1", "rooms"), after, limit)

    def all_rooms(self) -> Iterator[Room]:
        """Yields the rooms of all pages."""
        after = ""
        while True:
            page = self.list_rooms(after=after)
            for room in page.rooms:
                yield room
            if not (after := page.next):
                return

    def show_room(self, room: str) -> Room:
        """Needs roomList, or roomAdmin for the room."""
        return self._send(Room, "GET", path("v1", "rooms", room))

    def change_room(self, room: str, **options: Unpack[RoomOptions]) -> Room:
        """Changes a room; what is omitted keeps its value. Needs roomAdmin for the room."""
        return self._send(Room, "PATCH", path("v1", "rooms", room), given(**options))

    def delete_room(self, room: str) -> None:
        """Closes a room. Its participants receive the reason. Needs roomCreate, or roomAdmin for the room."""
        self._connection.ask("DELETE", path("v1", "rooms", room))

    def list_tracks(self, room: str, *, after: str = "", limit: int | None = None) -> TrackPage:
        """Returns a page of the published tracks, in the order in which their publishers joined. Needs roomAdmin."""
        return self._page(TrackPage, path("v1", "rooms", room, "tracks"), after, limit)

    def all_tracks(self, room: str) -> Iterator[PublishedTrack]:
        """Yields the published tracks of all pages."""
        after = ""
        while True:
            page = self.list_tracks(room, after=after)
            for track in page.tracks:
                yield track
            if not (after := page.next):
                return

    def show_track(self, room: str, track: str) -> TrackDetails:
        """Returns a published track, named by its sid, with the layer that each subscriber is sent. Needs roomAdmin."""
        return self._send(TrackDetails, "GET", path("v1", "rooms", room, "tracks", track))

    def remove_track(self, room: str, track: str) -> None:
        """Ends the publication of a track. Needs roomAdmin."""
        self._connection.ask("DELETE", path("v1", "rooms", room, "tracks", track))

    def request_keyframe(self, room: str, track: str) -> None:
        """Asks the publisher of a track for a keyframe. Needs roomAdmin."""
        self._connection.ask("POST", path("v1", "rooms", room, "tracks", track, "keyframe"))

    def send_data(
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
        return self._send(Delivery, "POST", path("v1", "rooms", room, "data"), body)
