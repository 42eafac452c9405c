"""What a participant and the server say to one another, as data: one dataclass a message, `type` tells which.

The WebSocket carries them as JSON (`api/messages.py`); any other signalling protocol is another codec over the same
messages. A request with an `id` is answered by a message that echoes it: `answer`, `published`, `ok` or `error`.
Every message of the server has a `seq`, by participant, from 1: the outbox stamps it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sfu.model import (
    Cause,
    DisconnectReason,
    Kind,
    Layer,
    ParticipantInfo,
    Quality,
    RoomInfo,
    SlotInfo,
    Source,
    Speaker,
    TrackInfo,
    WantedEncoding,
)

# ------------------------------------------------------------------------------------------- client to server


@dataclass(frozen=True, slots=True)
class Resume:
    """Who comes back, with the secret of its session and the last `seq` it has seen."""

    sid: str
    secret: str
    seq: int


@dataclass(frozen=True, slots=True)
class Client:
    """Who is calling; free text, for the logs and for `explain`."""

    sdk: str = ""
    version: str = ""
    features: tuple[str, ...] = ()
    """What it can do beyond the least: `wanted`, it stops and starts encodings as that message says."""


@dataclass(frozen=True, slots=True)
class Join:
    """The first message, always. With `resume`, the participant comes back to its session."""

    type: Literal["join"]
    auto_subscribe: bool = True
    resume: Resume | None = None
    client: Client = Client()


@dataclass(frozen=True, slots=True)
class Offer:
    """An SDP offer. `tracks` names the published track (its `cid`) of each m-section that sends, by mid."""

    type: Literal["offer"]
    id: int
    sdp: str
    tracks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trickled ICE candidate; null or empty: there are no more. Accepted and not needed: the server learns addresses
    from the checks themselves."""

    type: Literal["candidate"]
    candidate: str | None = None
    mid: str | None = ""


@dataclass(frozen=True, slots=True)
class BackupCodec:
    """What a track is sent as too, in a section of its own, while the server asks for it by `backup`."""

    cid: str
    """The client's name for that section."""
    mime: str
    """`video/VP8`, …"""


@dataclass(frozen=True, slots=True)
class Publish:
    """Declares a track before its m-section is offered. `cid` is the client's name for it."""

    type: Literal["publish"]
    id: int
    cid: str
    kind: Kind
    source: Source = Source.UNKNOWN
    name: str = ""
    muted: bool = False
    width: int = 0
    height: int = 0
    stream: str = ""
    encrypted: bool = False
    """End to end: nothing can be made of what is in its packets."""
    backup: BackupCodec | None = None


@dataclass(frozen=True, slots=True)
class Unpublish:
    type: Literal["unpublish"]
    id: int
    track: str


@dataclass(frozen=True, slots=True)
class Mute:
    """Of one's own track."""

    type: Literal["mute"]
    id: int
    track: str
    muted: bool


@dataclass(frozen=True, slots=True)
class Subscribe:
    type: Literal["subscribe"]
    id: int
    tracks: tuple[str, ...]
    on: bool


@dataclass(frozen=True, slots=True)
class TrackSettings:
    """How one wants to see a track: at most this quality (`off` pauses it), in this many pixels, visible or not.

    What is None stays as it is. The fields are those of `Wish`.
    """

    track: str
    quality: Quality | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    priority: int | None = None
    visible: bool | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """`TrackSettings` of one track, or of several in `tracks`: of all of them or, if one is refused, of none."""

    type: Literal["settings"]
    id: int
    track: str = ""
    quality: Quality | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    priority: int | None = None
    visible: bool | None = None
    tracks: tuple[TrackSettings, ...] = ()


@dataclass(frozen=True, slots=True)
class Update:
    """Of oneself, where the grant allows it. An attribute set to the empty string is deleted."""

    type: Literal["update"]
    id: int
    name: str | None = None
    metadata: str | None = None
    attributes: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Leave:
    type: Literal["leave"]


ClientMessage = Join | Offer | Candidate | Publish | Unpublish | Mute | Subscribe | Settings | Update | Leave

# ------------------------------------------------------------------------------------------- server to client


@dataclass(frozen=True, slots=True)
class ServerInfo:
    version: str
    reliable_label: str = "sfu-reliable"
    lossy_label: str = "sfu-lossy"
    resume_window: float = 30.0
    """Seconds in which a cut connection may come back."""


@dataclass(frozen=True, slots=True)
class Joined:
    """The first message to someone new; also the snapshot for someone who resumes after too much was missed."""

    room: RoomInfo
    you: ParticipantInfo
    participants: tuple[ParticipantInfo, ...]
    """The others."""
    resume_secret: str
    server: ServerInfo
    slots: Mapping[str, SlotInfo | None] = field(default_factory=dict)
    resumed: bool = False
    type: Literal["joined"] = "joined"


@dataclass(frozen=True, slots=True)
class Resumed:
    """The connection is back: what was missed since the `seq` it named follows."""

    seq_from: int
    type: Literal["resumed"] = "resumed"


@dataclass(frozen=True, slots=True)
class Answer:
    """To the offer with this id. `mids`: which published track each sending section is, by mid. `undeclared`: mids of
    sections that would send and are answered inactive, since no track was declared for them."""

    id: int
    sdp: str
    mids: Mapping[str, str]
    undeclared: tuple[str, ...] = ()
    type: Literal["answer"] = "answer"


@dataclass(frozen=True, slots=True)
class Renegotiate:
    """Please offer again with so many more receive sections of each kind."""

    audio: int
    video: int
    type: Literal["renegotiate"] = "renegotiate"


@dataclass(frozen=True, slots=True)
class Slots:
    """What the named receive sections show from now on, by mid; null: nothing."""

    slots: Mapping[str, SlotInfo | None]
    type: Literal["slots"] = "slots"


@dataclass(frozen=True, slots=True)
class Participants:
    """Participants that are new, changed (`version` grew) or gone (`state` is `disconnected`), each whole."""

    participants: tuple[ParticipantInfo, ...]
    type: Literal["participants"] = "participants"


@dataclass(frozen=True, slots=True)
class Room:
    room: RoomInfo
    type: Literal["room"] = "room"


@dataclass(frozen=True, slots=True)
class Published:
    """The declaration is accepted."""

    id: int
    cid: str
    track: TrackInfo
    type: Literal["published"] = "published"


@dataclass(frozen=True, slots=True)
class Unpublished:
    """To its owner: this track is no longer published."""

    track: str
    reason: str = ""
    type: Literal["unpublished"] = "unpublished"


@dataclass(frozen=True, slots=True)
class Muted:
    """To its owner: a moderator muted (or allowed again) this track; stop sending it."""

    track: str
    muted: bool
    type: Literal["muted"] = "muted"


@dataclass(frozen=True, slots=True)
class Wanted:
    """To its owner, if it can: the encodings of a track that somebody wants; the others need not be sent. Whole, and
    until the next one. `paused`: none is, since nobody watches. That is no mute: nobody is told."""

    track: str
    encodings: tuple[WantedEncoding, ...]
    """Lowest first."""
    paused: bool
    type: Literal["wanted"] = "wanted"


@dataclass(frozen=True, slots=True)
class Backup:
    """To its owner: somebody needs the backup of this track, or nobody does any more."""

    track: str
    wanted: bool
    type: Literal["backup"] = "backup"


@dataclass(frozen=True, slots=True)
class Speakers:
    """Who started or stopped speaking, or changed level: only the differences."""

    speakers: tuple[Speaker, ...]
    type: Literal["speakers"] = "speakers"


@dataclass(frozen=True, slots=True)
class DominantSpeaker:
    """Who has the floor from now on, and keeps it until somebody else takes it. Both empty: whoever had it is gone."""

    participant: str = ""
    track: str = ""
    type: Literal["dominant_speaker"] = "dominant_speaker"


@dataclass(frozen=True, slots=True)
class Subscription:
    """What really reaches you of a track: the layer on the wire, or why there is none."""

    track: str
    state: Literal["active", "paused", "pending", "refused"]
    layer: Layer | None = None
    width: int = 0
    height: int = 0
    bitrate: int = 0
    """Bits per second of that layer as the publisher sends it."""
    reason: str = ""
    cause: Cause = Cause.NONE
    """What keeps it from being better."""
    mime: str = ""
    """Of what reaches you, or of what you cannot decode; empty while it is not known."""
    type: Literal["subscription"] = "subscription"


@dataclass(frozen=True, slots=True)
class Token:
    """A fresh token for the next connection; the old one is at half its life."""

    token: str
    type: Literal["token"] = "token"


@dataclass(frozen=True, slots=True)
class Left:
    """You are out, or not let in. `action`: `none` (it is meant), `rejoin` (join anew)."""

    reason: DisconnectReason
    message: str
    action: Literal["none", "rejoin"] = "none"
    type: Literal["left"] = "left"


@dataclass(frozen=True, slots=True)
class Draining:
    """The server stops at `deadline` (milliseconds since the epoch); `url` where to go, if another is known."""

    deadline: int
    url: str | None = None
    type: Literal["draining"] = "draining"


@dataclass(frozen=True, slots=True)
class Ok:
    id: int
    type: Literal["ok"] = "ok"


@dataclass(frozen=True, slots=True)
class Error:
    """The request with this id (0: a message that had none) changed nothing, because of `message`."""

    id: int
    code: str
    message: str
    type: Literal["error"] = "error"


ServerMessage = (
    Joined
    | Resumed
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
    | Subscription
    | Token
    | Left
    | Draining
    | Ok
    | Error
)
