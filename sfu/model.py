"""What rooms are made of: ids, grants, tracks, layers. Data without behaviour; the words of ARCHITECTURE.md."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, NamedTuple, TypedDict

BASE57 = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def new_sid(prefix: str) -> str:
    """A server-made id: `RM_`, `PA_` or `TR_` and 12 base-57 characters (70 bits)."""
    return prefix + "_" + "".join(secrets.choice(BASE57) for _ in range(12))


class Kind(StrEnum):
    AUDIO = "audio"
    VIDEO = "video"


class Source(StrEnum):
    """What a track shows; the words are those of the `canPublishSources` claim."""

    CAMERA = "camera"
    MICROPHONE = "microphone"
    SCREEN_SHARE = "screen_share"
    SCREEN_SHARE_AUDIO = "screen_share_audio"
    UNKNOWN = "unknown"


class ParticipantState(StrEnum):
    JOINING = "joining"
    """Known, but no media transport yet."""
    JOINED = "joined"
    """Its offer is answered; ICE and DTLS are under way."""
    ACTIVE = "active"
    """Its transport is connected."""
    DISCONNECTED = "disconnected"
    """Gone, for the reason given."""


class ParticipantKind(StrEnum):
    STANDARD = "standard"
    INGRESS = "ingress"
    """Publishes by WHIP."""
    VIEWER = "viewer"
    """Watches by WHEP; hidden."""


class DisconnectReason(StrEnum):
    CLIENT_INITIATED = "client_initiated"
    DUPLICATE_IDENTITY = "duplicate_identity"
    SERVER_SHUTDOWN = "server_shutdown"
    PARTICIPANT_REMOVED = "participant_removed"
    ROOM_DELETED = "room_deleted"
    STATE_MISMATCH = "state_mismatch"
    """A resume that came too late or named something unknown: join anew."""
    JOIN_FAILURE = "join_failure"
    SIGNAL_CLOSE = "signal_close"
    """The WebSocket went and did not come back in time."""
    CONNECTION_TIMEOUT = "connection_timeout"
    MEDIA_FAILURE = "media_failure"


class Quality(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    OFF = "off"


class Cause(StrEnum):
    """What keeps a subscription from being better than it is."""

    NONE = "none"
    """Nothing: the best that is published is on the wire."""
    DEMAND = "demand"
    """Its subscriber asks for no more, or for nothing at all."""
    BANDWIDTH = "bandwidth"
    PUBLISHER = "publisher"
    """A better layer is not sent."""
    PAUSED = "paused"
    """Switched off or out of sight, kept out by a rule of the room, or without a receive section."""
    MUTED = "muted"
    CODEC = "codec"
    """Its subscriber cannot decode what is published."""
    ENCRYPTED = "encrypted"
    """End to end, so that keyframes cannot be recognised: the layer stays as it is."""
    WAITING_FOR_KEYFRAME = "waiting_for_keyframe"
    LOSS = "loss"
    """Packets were lost for good."""


class Step(StrEnum):
    """Whose decision it was, on the way from a wish to the wire."""

    WANTED = "wanted"
    """The subscriber's, or a backend's for it."""
    SHOWN = "shown"
    """The room's: in which receive section, if any."""
    TARGET = "target"
    """The room's: the best layer that the plane is asked for."""
    CURRENT = "current"
    """The plane's: what is on the wire."""
    PUBLISHER = "publisher"
    """What the publisher does."""


@dataclass(frozen=True, slots=True, order=True)
class Layer:
    """A point of a track: which encoding (or spatial layer, in SVC), which temporal layer. From 0, lowest first."""

    spatial: int
    temporal: int


class Rate(NamedTuple):
    """What arrives of a layer with those it needs."""

    bps: int
    width: int
    """Pixels; 0 where not known."""
    height: int
    fps: float


@dataclass(frozen=True, slots=True)
class Wish:
    """How a participant wants to see a track it is shown."""

    quality: Quality = Quality.HIGH
    """The best worth its bits, whatever the size."""
    width: int = 0
    """Of the box it is fitted into, in pixels of the screen. 0: any."""
    height: int = 0
    fps: float = 0.0
    """Frames per second that are enough. 0: any."""
    priority: int = 0
    """Who goes first where not all have room: 1 to 255. 0: what its source has, a shared screen 255, others 1."""
    visible: bool = True
    """Video that is not visible is not sent."""


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a participant may do in its room. Changeable while inside."""

    can_publish: bool = True
    can_subscribe: bool = True
    can_publish_data: bool = True
    can_publish_sources: tuple[Source, ...] = ()
    """Empty: every source."""
    can_update_own_metadata: bool = False
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """What a verified token says."""

    identity: str
    name: str = ""
    room: str = ""
    room_join: bool = False
    room_admin: bool = False
    room_create: bool = False
    room_list: bool = False
    permissions: Permissions = Permissions()
    metadata: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    key: str = ""
    """The API key that signed it."""
    issued: float = 0.0
    """Seconds since the epoch; 0 where the token does not say: then it is older than every revocation."""
    expires: int = 0
    """Seconds since the epoch; 0 for the server's own."""
    max_viewers: int = 0
    """WHEP sessions of this identity in a room at the same time, where that is more than the service allows."""
    jti: str = ""
    """The token's own id (RFC 7519 s4.1.7), by which it may be readmitted; empty where it has none."""


@dataclass(frozen=True, slots=True)
class RoomOptions:
    """What a room is created with; durations in seconds. 0 participants: no limit."""

    max_participants: int = 0
    empty_timeout: float = 300.0
    """Nobody ever joined for so long: the room goes."""
    departure_timeout: float = 20.0
    """The last participant left so long ago: the room goes."""
    metadata: str = ""
    locked: bool = False
    """Nobody new may join."""
    last_n: int = 0
    """Each participant is shown at most so many video tracks, of those who come first. 0: all."""
    on_stage: tuple[str, ...] = ()
    """Identities that come first of all, in this order."""
    loudest: int = 0
    """Only so many microphones are heard at a time, the loudest, and the dominant speaker's. 0: all."""


class RoomChanges(TypedDict, total=False):
    """Of `RoomOptions`: what is None or not named stays as it is."""

    max_participants: int | None
    empty_timeout: float | None
    departure_timeout: float | None
    metadata: str | None
    locked: bool | None
    last_n: int | None
    on_stage: tuple[str, ...] | None
    loudest: int | None


# Views: what others see of a participant, a track, a room. Sent as JSON as they are.


@dataclass(frozen=True, slots=True)
class EncodingInfo:
    """One simulcast stream of a track: live bits per second; width and height in pixels, 0 if unknown."""

    rid: str = ""
    spatial: int = 0
    active: bool = False
    bitrate: int = 0
    width: int = 0
    height: int = 0
    fps: float = 0.0
    wanted: bool = True
    """False: its publisher was asked to stop it, since nobody wants it."""
    offered: int = 0
    """Its place in the publisher's offer, from 0; `spatial` is its rank by what arrives."""


@dataclass(frozen=True, slots=True)
class BackupInfo:
    """What a track is sent as too, for those who cannot decode it."""

    mime: str
    wanted: bool
    """Somebody needs it."""
    active: bool
    """It is published."""


@dataclass(frozen=True, slots=True)
class TrackInfo:
    sid: str
    kind: Kind
    source: Source
    name: str = ""
    muted: bool = False
    width: int = 0
    height: int = 0
    mime: str = ""
    """Of what really arrives, `video/VP8`; empty before the first packet's codec is known."""
    mid: str = ""
    """Of the publisher's m-section; empty until bound."""
    simulcast: bool = False
    stream: str = ""


@dataclass(frozen=True, slots=True)
class ParticipantInfo:
    sid: str
    identity: str
    name: str
    state: ParticipantState
    kind: ParticipantKind
    metadata: str
    attributes: Mapping[str, str]
    permissions: Permissions
    joined_at: int
    """Milliseconds since the epoch."""
    version: int
    """Grows by one with every visible change."""
    tracks: tuple[TrackInfo, ...] = ()
    disconnect_reason: DisconnectReason | None = None


@dataclass(frozen=True, slots=True)
class RoomInfo:
    sid: str
    name: str
    created_at: int
    """Milliseconds since the epoch."""
    max_participants: int
    empty_timeout: float
    departure_timeout: float
    metadata: str
    locked: bool
    last_n: int
    on_stage: tuple[str, ...]
    loudest: int
    num_participants: int
    """Those that are not hidden."""
    num_publishers: int
    dominant_speaker: str
    """The sid of who has the floor; empty: nobody has spoken."""


Order = tuple[int, int]
"""Where a track stands among those of its room: when its publisher joined, and when it was declared, from 1 on."""
FIRST: Order = (0, 0)
"""Before all tracks."""


@dataclass(frozen=True, slots=True)
class PublishedTrack:
    """The publisher's view of a track: what really arrives of it, and who is shown it."""

    participant: str
    """The publisher's identity."""
    track: TrackInfo
    encodings: tuple[EncodingInfo, ...]
    """Lowest first."""
    subscribers: tuple[str, ...]
    """Identities of those that have it in a slot and are not hidden."""
    paused: bool = False
    """At its source, since nobody watches it."""
    backup: BackupInfo | None = None


@dataclass(frozen=True, slots=True)
class SlotInfo:
    """What a receive section shows now: a track of a participant."""

    track: str
    participant: str
    """Its sid."""


@dataclass(frozen=True, slots=True)
class WantedEncoding:
    rid: str
    """Empty where the track has only one, or its encodings are told apart by SSRC."""
    wanted: bool


@dataclass(frozen=True, slots=True)
class Speaker:
    participant: str
    track: str
    level: float
    """0 silent to 1 loudest, in steps of 1/8."""
    active: bool


@dataclass(frozen=True, slots=True)
class SubscriptionState:
    """What reaches a subscriber of a track: the layer on the wire, or why there is none."""

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
    """Of what reaches the subscriber, or of what it cannot decode; empty while it is not known."""


@dataclass(frozen=True, slots=True)
class SubscriptionInfo:
    """One track as one participant gets it: what is wished for, what is on the wire, and why."""

    track: str
    participant: str
    """The publisher's identity."""
    desired: bool
    wish: Wish
    mid: str
    """Of the receive section it is shown in; empty: none."""
    state: str
    """`active`, `paused`, `pending`, `refused`, or `off` where it is not desired."""
    layer: Layer | None = None
    reason: str = ""
    cause: Cause = Cause.NONE
    mime: str = ""
    """Of what reaches it, or of what it cannot decode."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A layer as its publisher sends it, with those it needs: pixels, frames per second, bits per second; 0 if
    unknown."""

    layer: Layer
    width: int = 0
    height: int = 0
    fps: float = 0.0
    bitrate: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    at: int
    """Milliseconds since the epoch."""
    what: Step
    layer: Layer | None = None
    """Where the step decides about one. None: nothing."""
    cause: Cause = Cause.NONE
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why one participant gets one track as it does. Each of the four pictures is the one before it, or less."""

    track: str
    participant: str
    """The publisher's identity."""
    source: Source
    mid: str
    """Of the receive section it is shown in; empty: none."""
    wanted: Picture | None
    """The best layer that its subscriber asks for, whether it arrives or not. None: nothing."""
    allowed: Picture | None
    """What mutes, rules of the room and bandwidth leave of it."""
    target: Picture | None
    """The best that the plane is asked for."""
    current: Picture | None
    """What is on the wire."""
    since: int
    """When `current` became what it is, in ms since the epoch; 0 if it was never anything."""
    cause: Cause
    sentence: str
    publisher: tuple[str, ...]
    """What its publisher does that limits all who are shown it: `ignores keyframe requests`."""
    decisions: tuple[Decision, ...]
    """Of the last minute, oldest first."""
