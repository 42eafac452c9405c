"""The messages of clients to the server."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sfu.model import BackupCodec, Client, Kind, Quality, Source


@dataclass(frozen=True, slots=True)
class Resume:
    """The session to resume. Values are from its `joined` message and the last message that was received."""

    sid: str
    """`joined.you.sid`."""
    secret: str
    """`joined.resume_secret`."""
    seq: int
    """The last `seq` that the client received."""


@dataclass(frozen=True, slots=True)
class Join:
    """Joins the room, or resumes a session. Must be the first message, and only the first."""

    type: Literal["join"]
    auto_subscribe: bool = True
    """False: no track is subscribed until `subscribe` names it."""
    resume: Resume | None = None
    """The session to resume. Null: a new session."""
    client: Client = field(default_factory=Client)
    """The software that connects."""


@dataclass(frozen=True, slots=True)
class Offer:
    """Offers SDP. The client always offers, the server always answers."""

    type: Literal["offer"]
    id: int
    sdp: str
    """RFC 8866."""
    tracks: Mapping[str, str] = field(default_factory=dict)
    """The `cid` of the published track, for each section that sends, by mid. A section that is not named is matched by
    the track id of its `msid`, else by order."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trickled ICE candidate. The server ignores it: it learns addresses from connectivity checks."""

    type: Literal["candidate"]
    candidate: str | None = None
    """Null or empty: the end of candidates."""
    mid: str | None = ""
    """The section of the candidate."""


@dataclass(frozen=True, slots=True)
class Publish:
    """Declares a track. Send it before the offer that has the track's section."""

    type: Literal["publish"]
    id: int
    cid: str
    """The client's name of the track, used in `offer.tracks`."""
    kind: Kind
    source: Source = Source.UNKNOWN
    """Sources that the permissions leave out are refused."""
    name: str = ""
    """Free text, shown to other participants."""
    muted: bool = False
    """The track is published muted."""
    width: int = 0
    """Pixels of the largest encoding; 0: unknown."""
    height: int = 0
    """Pixels of the largest encoding; 0: unknown."""
    stream: str = ""
    """Free text: tracks with the same value belong together."""
    encrypted: bool = False
    """True: packets are encrypted end to end, so the server does not read payloads."""
    backup: BackupCodec | None = None
    """A second codec, for subscribers that cannot decode the first."""


@dataclass(frozen=True, slots=True)
class Unpublish:
    """Ends the publication of a track. Offer with its section inactive afterwards."""

    type: Literal["unpublish"]
    id: int
    track: str
    """The sid of a track of this participant."""


@dataclass(frozen=True, slots=True)
class Mute:
    """Mutes or unmutes a track of this participant."""

    type: Literal["mute"]
    id: int
    track: str
    """The sid of a track of this participant."""
    muted: bool
    """True: mute. False: unmute."""


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Subscribes to tracks of others, or unsubscribes. An empty list changes nothing and is answered with `ok`."""

    type: Literal["subscribe"]
    id: int
    tracks: tuple[str, ...]
    """Sids."""
    on: bool
    """True: subscribe. False: unsubscribe."""


@dataclass(frozen=True, slots=True)
class TrackSettings:
    """How this participant wants to receive a track. A field that is null or omitted keeps its value."""

    track: str
    """The sid of a track of another participant."""
    quality: Quality | None = None
    """The best encoding to send; `off` pauses the track. Initially `high`."""
    width: int | None = None
    """Pixels of the box that the picture is fitted into. Initially 0: any."""
    height: int | None = None
    """Pixels of the box that the picture is fitted into. Initially 0: any."""
    fps: float | None = None
    """Frames per second that are enough. Initially 0: any."""
    priority: int | None = None
    """1 to 255; higher is served first. Initially 0: 255 for a shared screen, 1 for other sources."""
    visible: bool | None = None
    """False: video is not sent; audio is. Initially true."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Sets how this participant wants to receive one track, or several in `tracks`. If one of them is refused, none is
    changed. A field that is null or omitted keeps its value."""

    type: Literal["settings"]
    id: int
    track: str = ""
    """The sid of a track of another participant. Empty: only `tracks` counts."""
    quality: Quality | None = None
    """The best encoding to send; `off` pauses the track. Initially `high`."""
    width: int | None = None
    """Pixels of the box that the picture is fitted into. Initially 0: any."""
    height: int | None = None
    """Pixels of the box that the picture is fitted into. Initially 0: any."""
    fps: float | None = None
    """Frames per second that are enough. Initially 0: any."""
    priority: int | None = None
    """1 to 255; higher is served first. Initially 0: 255 for a shared screen, 1 for other sources."""
    visible: bool | None = None
    """False: video is not sent; audio is. Initially true."""
    tracks: tuple[TrackSettings, ...] = ()
    """Settings of more tracks. One message sets at most 256."""


@dataclass(frozen=True, slots=True)
class Update:
    """Changes this participant's name, metadata or attributes. Needs `can_update_own_metadata`. A field that is null
    or omitted keeps its value."""

    type: Literal["update"]
    id: int
    name: str | None = None
    metadata: str | None = None
    attributes: Mapping[str, str] | None = None
    """Attributes to change. An empty string deletes the attribute."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Leaves the room. The server answers with `left` and closes the connection."""

    type: Literal["leave"]


ClientMessage = Join | Offer | Candidate | Publish | Unpublish | Mute | Subscribe | Settings | Update | Leave
