"""Commands about rooms, and about the service."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sfu import limits
from sfu.commands.base import Command, Page, R
from sfu.model import RoomChanges
from sfu.room_events import EventPage
from sfu.views import ParticipantInfo, PublishedTrack, RoomInfo


@dataclass(frozen=True, slots=True)
class Created:
    room: RoomInfo
    is_new: bool
    """False: it existed."""


@dataclass(frozen=True, slots=True)
class CreateRoom(Command[Created]):
    """Creates a room. Conflict: it exists with other options."""

    room: str
    options: RoomChanges = field(default_factory=RoomChanges)
    """Missing options have the service's default."""


@dataclass(frozen=True, slots=True)
class PutRoom(CreateRoom):
    """Creates a room, or gives it these options if it exists with others, which also needs roomAdmin for the room."""


@dataclass(frozen=True, slots=True)
class ListRooms(Command[Page[RoomInfo]]):
    """Lists rooms by name."""

    after: str = ""
    limit: int = limits.LIST_PAGE


@dataclass(frozen=True, slots=True)
class OfRoom(Command[R]):
    """A command about one room, by its name or sid. NotFound: there is no such room."""

    room: str


@dataclass(frozen=True, slots=True)
class ShowRoom(OfRoom[RoomInfo]):
    pass


@dataclass(frozen=True, slots=True)
class ChangeRoom(OfRoom[RoomInfo]):
    changes: RoomChanges


@dataclass(frozen=True, slots=True)
class DeleteRoom(OfRoom[None]):
    """Removes all participants, with a reason, and the room."""


@dataclass(frozen=True, slots=True)
class ListTracks(OfRoom[Page[PublishedTrack]]):
    """Lists published tracks in the order in which their publishers joined."""

    after: str = ""
    limit: int = limits.LIST_PAGE


@dataclass(frozen=True, slots=True)
class SendData(OfRoom[int]):
    """Sends a message of the server over data channels. Returns the number of participants with a channel for it."""

    payload: bytes
    reliable: bool = True
    to: Sequence[str] | None = None
    """Identities. None: all participants."""


@dataclass(frozen=True, slots=True)
class ListParticipants(OfRoom[Page[ParticipantInfo]]):
    """Lists participants by identity, hidden ones too."""

    after: str = ""
    limit: int = limits.LIST_PAGE


@dataclass(frozen=True, slots=True)
class ListEvents(Command[EventPage]):
    """Lists events of one room by its name, also one that has ended, or of all rooms."""

    room: str | None = None
    after: str = ""
    """The id of the last event that is known already. Empty: begins with the oldest one that is kept."""
    limit: int = limits.LIST_PAGE


@dataclass(frozen=True, slots=True)
class DeleteEvents(Command[int]):
    """Removes the events that name an identity, of one room by its name or of all rooms. Returns their number."""

    identity: str
    room: str | None = None


@dataclass(frozen=True, slots=True)
class Drain(Command[None]):
    """Starts a drain: new participants are refused, present ones are informed."""

    limit: float | None = None
    """Seconds. None: the service's setting."""
