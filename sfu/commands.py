"""Everything that can be asked of the service, as data. `sfu/execution.py` carries it out.

A command has who asks (`by`), its arguments, and the type of its result: `await sfu.execute(command)` returns the
result or raises an `SfuError`. Arguments and results are plain data and views of `sfu/model.py`, never a room or a
participant, so that a command can be carried out on another node. `NEEDS` has the right that a command needs; it is
checked when the command is carried out, and nowhere else.

| command | REST `/v1/rooms…` | WebSocket | others | needs |
| --- | --- | --- | --- | --- |
| `CreateRoom` | `POST` | | | roomCreate |
| `ListRooms` | `GET` | | | roomList |
| `ShowRoom` | `GET /{room}` | | | roomList, or roomAdmin for the room |
| `ChangeRoom` | `PATCH /{room}` | | | roomAdmin for the room |
| `DeleteRoom` | `DELETE /{room}` | | | roomCreate, or roomAdmin for the room |
| `ListTracks` | `GET /{room}/tracks` | | | roomAdmin for the room |
| `SendData` | `POST /{room}/data` | | | roomAdmin for the room |
| `ListParticipants` | `GET …/participants` | | | roomAdmin for the room |
| `ShowParticipant` | `GET …/{identity}` | | | roomAdmin for the room; of itself: nothing |
| `ChangeParticipant` | `PATCH …/{identity}` | `update` | | roomAdmin for the room; of itself: can_update_own_metadata |
| `RemoveParticipant` | `DELETE …/{identity}` | | | roomAdmin for the room |
| `ReadmitParticipant` | `POST …/{identity}/readmit` | | | roomAdmin for the room |
| `MuteTrack` | `POST …/{identity}/mute` | `mute` | | roomAdmin for the room; of itself: nothing |
| `ListSubscriptions` | `GET …/{identity}/subscriptions` | | | roomAdmin for the room; of itself: nothing |
| `SetSubscriptions` | `PUT …/{identity}/subscriptions` | `settings` | | roomAdmin for the room; of itself: nothing |
| `Subscribe` | | `subscribe` | | roomAdmin for the room; of itself: nothing |
| `ExplainSubscriptions` | `GET …/{identity}/explain` | | | roomAdmin for the room; of itself: nothing |
| `DeclareTrack` | | `publish` | | a participant, for itself: can_publish, can_publish_sources |
| `UnpublishTrack` | | `unpublish` | | a participant, for itself |
| `AnswerOffer` | | `offer` | | a participant, for itself |
| `NoteToken` | | (`token` was sent) | | a participant, for itself |
| `Leave` | | `leave` | | a participant, for itself |
| `OpenMediaSession` | | | `POST` of WHIP and WHEP | roomJoin; can_publish or can_subscribe |
| `FindMediaSession` | | | `PATCH` of WHIP and WHEP | the id of the session |
| `TrickleIce`, `RestartIce` | | | `PATCH` of WHIP and WHEP | the id of the session |
| `EndMediaSession` | | | `DELETE` of WHIP and WHEP | the id of the session |
| `Drain` | | | `POST /drain` | the administrator |

The CLI uses REST. A program that embeds the service asks as `ADMINISTRATOR`, who needs no grant. `Sfu.attach` joins
or resumes by WebSocket: it is a block that holds a connection, not a command.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Generic, Protocol, TypeVar

from sfu import limits
from sfu.errors import NotFound
from sfu.model import (
    Declaration,
    Explanation,
    Grant,
    ParticipantInfo,
    ParticipantKind,
    PermissionChanges,
    PublishedTrack,
    RoomChanges,
    RoomInfo,
    SubscriptionInfo,
    TrackInfo,
    WishChanges,
)
from sfu.negotiation.sdp import SessionDescription

R = TypeVar("R")
T = TypeVar("T")

# ------------------------------------------------------------------------------------------------- who asks


@dataclass(frozen=True, slots=True)
class Administrator:
    """The process itself: a program that embeds the service, or the internal listener. Nothing is refused to it."""


ADMINISTRATOR = Administrator()


@dataclass(frozen=True, slots=True)
class Member:
    """A participant, over its own connection. Its present permissions count, not those of the token it joined with."""

    room: str
    sid: str


@dataclass(frozen=True, slots=True)
class Anyone:
    """Somebody without a token: the client of a media session, which names it by its unguessable id."""


ANYONE = Anyone()

Asker = Administrator | Member | Grant | Anyone
"""A grant is that of a verified token."""


class Departed(NotFound):
    """The participant that asks has left its room."""


# -------------------------------------------------------------------------------------------------- rights


class Right(Enum):
    """What the asker of a command needs. The administrator has all of them."""

    CREATE_ROOMS = auto()
    LIST_ROOMS = auto()
    VIEW_ROOM = auto()
    """roomList, or roomAdmin for the room."""
    CLOSE_ROOM = auto()
    """roomCreate, or roomAdmin for the room."""
    MODERATE = auto()
    """roomAdmin for the room."""
    OWN_OR_MODERATE = auto()
    """A participant may ask it for itself; for another one it needs roomAdmin for the room."""
    OWN = auto()
    """A participant asks it for itself."""
    TOKEN = auto()
    """A token; the admission to the room decides what it allows."""
    SESSION = auto()
    """Nothing: the command names a session by its unguessable id, which only its client was told."""
    ADMINISTER = auto()


# ------------------------------------------------------------------------------------------------- commands


@dataclass(frozen=True, slots=True)
class Command(Generic[R]):
    """A request with a result of type `R`."""

    by: Asker


class Executor(Protocol):
    async def __call__(self, command: Command[R], /) -> R:
        """Carries out the command and returns its result. Raises an SfuError, and has then changed nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list."""

    entries: Sequence[T]
    next: str = ""
    """If there are more entries, the `after` of the next page. Empty: this is the last page."""


# Rooms


@dataclass(frozen=True, slots=True)
class Created:
    room: RoomInfo
    is_new: bool
    """False: it existed with these options."""


@dataclass(frozen=True, slots=True)
class CreateRoom(Command[Created]):
    """Creates a room. Conflict: it exists with other options."""

    room: str
    options: RoomChanges = field(default_factory=RoomChanges)
    """Missing ones have the service's default."""


@dataclass(frozen=True, slots=True)
class ListRooms(Command[Page[RoomInfo]]):
    """Lists rooms by name."""

    after: str = ""
    limit: int = limits.LIST_PAGE


@dataclass(frozen=True, slots=True)
class OfRoom(Command[R]):
    """A command that concerns one room, by its name. NotFound: there is none."""

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


# Participants


@dataclass(frozen=True, slots=True)
class OfParticipant(Command[R]):
    """A command that concerns one participant. NotFound: there is no such room or participant."""

    room: str
    identity: str | None
    """None: the participant that asks."""


@dataclass(frozen=True, slots=True)
class ShowParticipant(OfParticipant[ParticipantInfo]):
    pass


@dataclass(frozen=True, slots=True)
class ChangeParticipant(OfParticipant[ParticipantInfo]):
    """Changes a participant. What is None or missing keeps its value."""

    name: str | None = None
    metadata: str | None = None
    attributes: Mapping[str, str] | None = None
    """Attributes to change. An empty string deletes the attribute."""
    permissions: PermissionChanges | None = None
    """They need roomAdmin, also for oneself. Removing one revokes the participant's tokens."""


@dataclass(frozen=True, slots=True)
class RemoveParticipant(OfParticipant[None]):
    """Removes a participant, and the viewers that share its token. Its tokens no longer admit it."""


@dataclass(frozen=True, slots=True)
class ReadmitParticipant(Command[None]):
    """Readmits an identity that was removed, or whose grant was reduced. The room need not exist."""

    room: str
    identity: str
    jti: str | None = None
    """The token that admits it. None: every token issued from now on."""


@dataclass(frozen=True, slots=True)
class MuteTrack(OfParticipant[ParticipantInfo]):
    """Mutes or unmutes a track. A participant cannot unmute what a moderator muted."""

    track: str
    muted: bool


@dataclass(frozen=True, slots=True)
class ListSubscriptions(OfParticipant[Page[SubscriptionInfo]]):
    """Lists every track that the participant could receive, in the order in which their publishers joined."""

    after: str = ""
    limit: int = limits.LIST_PAGE


@dataclass(frozen=True, slots=True)
class SetSubscriptions(OfParticipant[None]):
    """Sets how a participant receives tracks. If one of them is refused, none is changed."""

    wishes: Sequence[tuple[str, WishChanges]]
    """By sid, at most `limits.WISHES`. The last one of a track counts."""
    only: Sequence[str] | None = None
    """Of the tracks that are published now, it is subscribed to these. None: as before."""


@dataclass(frozen=True, slots=True)
class Subscribe(OfParticipant[None]):
    """Subscribes to tracks, or no longer. If one of them is refused, none is changed."""

    tracks: Sequence[str]
    on: bool


@dataclass(frozen=True, slots=True)
class ExplainSubscriptions(OfParticipant[Page[Explanation]]):
    """Explains why the participant receives its tracks as it does."""

    after: str = ""
    limit: int = limits.LIST_PAGE


# A participant, for itself


@dataclass(frozen=True, slots=True)
class DeclareTrack(Command[TrackInfo]):
    """Announces a track that a later offer will send."""

    track: Declaration


@dataclass(frozen=True, slots=True)
class UnpublishTrack(Command[None]):
    track: str


@dataclass(frozen=True, slots=True)
class Answered:
    sdp: str
    mids: Mapping[str, str]
    """The published track of each sending section, by mid."""
    undeclared: Sequence[str]
    """Mids of sections that would send, but have no track."""


@dataclass(frozen=True, slots=True)
class AnswerOffer(Command[Answered]):
    """Answers an offer, and publishes what it sends. An offer that is refused changes nothing."""

    offer: SessionDescription
    cids: Mapping[str, str]
    """The cid of each sending section, by mid, where the client says so."""


@dataclass(frozen=True, slots=True)
class NoteToken(Command[None]):
    """Records that the participant was sent a token: a revocation has to outlast it. Seconds since the epoch."""

    issued: float
    expires: float
    jti: str = ""


@dataclass(frozen=True, slots=True)
class Leave(Command[None]):
    pass


# WHIP and WHEP


@dataclass(frozen=True, slots=True)
class MediaSessionInfo:
    """A WHIP or WHEP session."""

    id: str
    """Unguessable, and safe in URLs. Who knows it may restart and end the session."""
    etag: str
    """That of its ICE session."""
    answer: str
    undecodable: Sequence[str] = ()
    """Published media types for which the viewer has sections, but no codec."""
    inactive: Sequence[str] = ()
    """Mids of sections that would send but may not publish."""


@dataclass(frozen=True, slots=True)
class OpenMediaSession(Command[MediaSessionInfo]):
    """Opens a WHIP (`INGRESS`) or WHEP (`VIEWER`) session."""

    by: Grant
    room: str
    kind: ParticipantKind
    offer: str | SessionDescription
    participant: str | None = None
    """The only identity that a viewer sees. None: all."""
    address: str = ""
    """That of the client, for the quota of joins."""
    via: str | None = None
    """The server's address that the request reached, which is announced first."""


@dataclass(frozen=True, slots=True)
class OfMediaSession(Command[R]):
    """NotFound: there is no session of this id and kind in the room."""

    id: str
    kind: ParticipantKind
    room: str | None
    """None: any."""


@dataclass(frozen=True, slots=True)
class FindMediaSession(OfMediaSession[MediaSessionInfo]):
    pass


@dataclass(frozen=True, slots=True)
class Restarted:
    etag: str
    fragment: str | None
    """The reply. None: the credentials are the present ones, and nothing was restarted."""


@dataclass(frozen=True, slots=True)
class TrickleIce(OfMediaSession[MediaSessionInfo]):
    """Reads candidates (RFC 8840). Stale: the fragment or the ETags are of an older ICE session."""

    fragment: str
    etags: Sequence[str] | None = None
    """None: they are unknown, and the fragment's credentials say which ICE session is meant."""


@dataclass(frozen=True, slots=True)
class RestartIce(OfMediaSession[Restarted]):
    """Restarts ICE (RFC 9725 s4.3.3)."""

    fragment: str


@dataclass(frozen=True, slots=True)
class EndMediaSession(OfMediaSession[None]):
    """Ends a session. One that ended by itself within the last minute is ended without an error."""


# The service


@dataclass(frozen=True, slots=True)
class Drain(Command[None]):
    """Starts a drain: no new participants; present ones are informed."""

    limit: float | None = None
    """Seconds. None: the service's setting."""


NEEDS: Mapping[type[Command[Any]], Right] = {
    CreateRoom: Right.CREATE_ROOMS,
    ListRooms: Right.LIST_ROOMS,
    ShowRoom: Right.VIEW_ROOM,
    ChangeRoom: Right.MODERATE,
    DeleteRoom: Right.CLOSE_ROOM,
    ListTracks: Right.MODERATE,
    SendData: Right.MODERATE,
    ListParticipants: Right.MODERATE,
    ShowParticipant: Right.OWN_OR_MODERATE,
    ChangeParticipant: Right.OWN_OR_MODERATE,
    RemoveParticipant: Right.MODERATE,
    ReadmitParticipant: Right.MODERATE,
    MuteTrack: Right.OWN_OR_MODERATE,
    ListSubscriptions: Right.OWN_OR_MODERATE,
    SetSubscriptions: Right.OWN_OR_MODERATE,
    Subscribe: Right.OWN_OR_MODERATE,
    ExplainSubscriptions: Right.OWN_OR_MODERATE,
    DeclareTrack: Right.OWN,
    UnpublishTrack: Right.OWN,
    AnswerOffer: Right.OWN,
    NoteToken: Right.OWN,
    Leave: Right.OWN,
    OpenMediaSession: Right.TOKEN,
    FindMediaSession: Right.SESSION,
    TrickleIce: Right.SESSION,
    RestartIce: Right.SESSION,
    EndMediaSession: Right.SESSION,
    Drain: Right.ADMINISTER,
}
