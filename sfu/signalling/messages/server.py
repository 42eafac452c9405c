"""The messages of the server to clients."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sfu.model import DisconnectReason, IceServer
from sfu.views import ParticipantInfo, RoomInfo, SlotInfo, Speaker, SubscriptionState, TrackInfo, WantedEncoding


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """Properties of the server that a client needs."""

    version: str
    reliable_label: str = "sfu-reliable"
    """Label of the room's reliable data channel."""
    lossy_label: str = "sfu-lossy"
    """Label of the room's lossy data channel."""
    resume_window: float = 30.0
    """Seconds after a disconnect in which the session can be resumed."""


@dataclass(frozen=True, slots=True)
class Joined:
    """The complete state of the room: the reply to `join`, and to a resume that missed too many messages."""

    room: RoomInfo
    you: ParticipantInfo
    """The receiver of this message."""
    participants: tuple[ParticipantInfo, ...]
    """The other participants."""
    resume_secret: str
    """For `join.resume`. Keep it."""
    server: ServerInfo
    slots: Mapping[str, SlotInfo | None] = field(default_factory=dict)
    """What each receive section shows, by mid. Null: nothing."""
    ice_servers: tuple[IceServer, ...] = ()
    """For the peer connection, with credentials that expire. `ice_servers` renews them."""
    resumed: bool = False
    """True: a snapshot after a disconnect. Discard what was known of the room, keep the peer connection."""
    type: Literal["joined"] = "joined"


@dataclass(frozen=True, slots=True)
class Resumed:
    """The session is resumed. The missed messages follow. Its own `seq` is the one that the client named."""

    seq_from: int
    """The `seq` of the first message that follows."""
    ice_servers: tuple[IceServer, ...] = ()
    """As in `joined`, with new credentials, because an ICE restart may follow."""
    type: Literal["resumed"] = "resumed"


@dataclass(frozen=True, slots=True)
class IceServers:
    """New credentials of the ICE servers, at half the life of the previous ones. Use them for the next ICE restart or
    peer connection. Present connections do not need them."""

    ice_servers: tuple[IceServer, ...]
    """Replaces the previous list."""
    type: Literal["ice_servers"] = "ice_servers"


@dataclass(frozen=True, slots=True)
class Answer:
    """The SDP answer to the offer with this id."""

    id: int
    sdp: str
    """RFC 8866."""
    mids: Mapping[str, str]
    """The sid of the published track of each section that sends, by mid."""
    undeclared: tuple[str, ...] = ()
    """Mids of sections that would send and are answered `inactive`, since `publish` declared no track for them."""
    type: Literal["answer"] = "answer"


@dataclass(frozen=True, slots=True)
class Renegotiate:
    """Asks the client to add receive sections and to offer again."""

    audio: int
    """Sections to add."""
    video: int
    """Sections to add."""
    type: Literal["renegotiate"] = "renegotiate"


@dataclass(frozen=True, slots=True)
class Slots:
    """Receive sections show other tracks. Sections that are not named are unchanged."""

    slots: Mapping[str, SlotInfo | None]
    """By mid. Null: nothing."""
    type: Literal["slots"] = "slots"


@dataclass(frozen=True, slots=True)
class Participants:
    """Participants that joined, changed or left. In a room of more than 50 participants, those that did so within
    0.2 s come together."""

    participants: tuple[ParticipantInfo, ...]
    """Each is complete. `state` is `disconnected` for one that left. Ignore one whose `version` is lower than the known
    one."""
    type: Literal["participants"] = "participants"


@dataclass(frozen=True, slots=True)
class Room:
    """The room changed."""

    room: RoomInfo
    type: Literal["room"] = "room"


@dataclass(frozen=True, slots=True)
class Published:
    """The declaration of a track is accepted. Offer its section now."""

    id: int
    cid: str
    """As in the request."""
    track: TrackInfo
    type: Literal["published"] = "published"


@dataclass(frozen=True, slots=True)
class Unpublished:
    """Sent to the publisher: the track is no longer published."""

    track: str
    """The track's sid."""
    reason: str = ""
    """A sentence."""
    type: Literal["unpublished"] = "unpublished"


@dataclass(frozen=True, slots=True)
class Muted:
    """Sent to the publisher: a moderator muted or unmuted the track."""

    track: str
    """The track's sid."""
    muted: bool
    """True: stop sending."""
    type: Literal["muted"] = "muted"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Sent to the publisher if its `join` has the feature `wanted`: which encodings of the track to send. Replaces the
    previous list. Before the first message every encoding is wanted."""

    track: str
    """The track's sid."""
    encodings: tuple[WantedEncoding, ...]
    """In the order of the publisher's offer."""
    paused: bool
    """True: nobody watches, so none is wanted. This is not a mute; other participants are not informed."""
    type: Literal["wanted"] = "wanted"


@dataclass(frozen=True, slots=True)
class Backup:
    """Sent to the publisher: a subscriber needs the track's backup codec, or none does any more."""

    track: str
    """The sid of the primary track."""
    wanted: bool
    type: Literal["backup"] = "backup"


@dataclass(frozen=True, slots=True)
class Speakers:
    """Participants who started or stopped speaking, or whose level changed. In a room of more than 50 participants,
    at most every 0.5 s."""

    speakers: tuple[Speaker, ...]
    """Only those that changed."""
    type: Literal["speakers"] = "speakers"


@dataclass(frozen=True, slots=True)
class DominantSpeaker:
    """The dominant speaker changed. Both fields are empty if the previous one left or was muted. In a room of more than
    50 participants, at most every 0.5 s."""

    participant: str = ""
    """The participant's sid."""
    track: str = ""
    """The sid of the microphone's track."""
    type: Literal["dominant_speaker"] = "dominant_speaker"


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """What this participant receives of some tracks: the layer that is sent of each, or why none is."""

    subscriptions: tuple[SubscriptionState, ...]
    """Only those that changed."""
    type: Literal["subscriptions"] = "subscriptions"


@dataclass(frozen=True, slots=True)
class Token:
    """A new token for the next connection. Sent at half the life of the previous one, and when permissions change."""

    token: str
    """A JWT."""
    type: Literal["token"] = "token"


@dataclass(frozen=True, slots=True)
class Left:
    """The participant left, was removed, or was not admitted. The connection closes."""

    reason: DisconnectReason
    message: str
    """A sentence."""
    action: Literal["none", "rejoin"] = "none"
    """`rejoin`: join again with a new session. `none`: do not."""
    type: Literal["left"] = "left"


@dataclass(frozen=True, slots=True)
class Draining:
    """The server shuts down at the deadline."""

    deadline: int
    """Milliseconds since the epoch."""
    url: str | None = None
    """The server to connect to instead. Null: none is known; stay until the connection closes."""
    type: Literal["draining"] = "draining"


@dataclass(frozen=True, slots=True)
class Ok:
    """The request with this id is done."""

    id: int
    type: Literal["ok"] = "ok"


@dataclass(frozen=True, slots=True)
class Error:
    """The request with this id failed and changed nothing."""

    id: int
    """0: a message without a readable id."""
    code: str
    """One of the codes of errors in PROTOCOL.md."""
    message: str
    """A sentence."""
    type: Literal["error"] = "error"


ServerMessage = (
    Joined
    | Resumed
    | IceServers
    | Answer
    | Renegotiate
    | Slots
    | Participants
    | Room
    | Published
    | Unpublished
    | Muted
    | Wanted
    | Backup
    | Speakers
    | DominantSpeaker
    | Subscriptions
    | Token
    | Left
    | Draining
    | Ok
    | Error
)
