"""The data model of rooms: ids, grants, tracks, layers, and the views that REST and WebSocket send.

Data without behaviour; the terms are those of ARCHITECTURE.md. Docstrings of views are published in
`/v1/protocol.json`.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, NamedTuple, TypedDict

BASE57 = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def new_sid(prefix: str) -> str:
    """Returns a new random id: `prefix` (`RM`, `PA` or `TR`), `_`, and 12 base-57 characters (70 bits)."""
    return prefix + "_" + "".join(secrets.choice(BASE57) for _ in range(12))


class Kind(StrEnum):
    """The media type of a track."""

    AUDIO = "audio"
    VIDEO = "video"


class Source(StrEnum):
    """What a track captures. Values are those of the token claim `canPublishSources`."""

    CAMERA = "camera"
    MICROPHONE = "microphone"
    SCREEN_SHARE = "screen_share"
    SCREEN_SHARE_AUDIO = "screen_share_audio"
    UNKNOWN = "unknown"


class ParticipantState(StrEnum):
    """`joining`: no transport yet; `joined`: connecting (ICE, DTLS); `active`: connected; `disconnected`: left."""

    JOINING = "joining"
    """No media transport yet."""
    JOINED = "joined"
    """Its offer is answered; ICE and DTLS are connecting."""
    ACTIVE = "active"
    """Its transport is connected."""
    DISCONNECTED = "disconnected"
    """It left; `disconnect_reason` says why."""


class ParticipantKind(StrEnum):
    """`standard`: WebSocket; `ingress`: a WHIP publisher; `viewer`: a WHEP viewer, hidden from others."""

    STANDARD = "standard"
    INGRESS = "ingress"
    """Publishes by WHIP."""
    VIEWER = "viewer"
    """Watches by WHEP; hidden from others."""


class DisconnectReason(StrEnum):
    """Why a participant left or was not admitted."""

    CLIENT_INITIATED = "client_initiated"
    DUPLICATE_IDENTITY = "duplicate_identity"
    SERVER_SHUTDOWN = "server_shutdown"
    PARTICIPANT_REMOVED = "participant_removed"
    ROOM_DELETED = "room_deleted"
    STATE_MISMATCH = "state_mismatch"
    """A resume came too late or named an unknown session: join with a new session."""
    JOIN_FAILURE = "join_failure"
    SIGNAL_CLOSE = "signal_close"
    """The WebSocket closed and was not resumed in time."""
    CONNECTION_TIMEOUT = "connection_timeout"
    MEDIA_FAILURE = "media_failure"


class Quality(StrEnum):
    """The best encoding that a subscriber wants; `off` pauses the track."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    OFF = "off"


class Cause(StrEnum):
    """What prevents a subscription from receiving a better layer."""

    NONE = "none"
    """Nothing: the best published layer is sent."""
    DEMAND = "demand"
    """The subscriber asks for no more, or for nothing."""
    BANDWIDTH = "bandwidth"
    PUBLISHER = "publisher"
    """The publisher sends no better layer."""
    PAUSED = "paused"
    """Paused or not visible, excluded by a rule of the room, or without a receive section."""
    MUTED = "muted"
    CODEC = "codec"
    """The subscriber cannot decode the published codec."""
    ENCRYPTED = "encrypted"
    """End-to-end encryption hides keyframes, so the layer cannot be switched."""
    WAITING_FOR_KEYFRAME = "waiting_for_keyframe"
    LOSS = "loss"
    """Packets were lost and not recovered."""


class Step(StrEnum):
    """Who decided, in the order in which decisions limit one another."""

    WANTED = "wanted"
    """The subscriber, or a backend on its behalf."""
    SHOWN = "shown"
    """The room: in which receive section, if any."""
    TARGET = "target"
    """The room: the best layer that it requests of the packet plane."""
    CURRENT = "current"
    """The packet plane: the layer that is sent."""
    PUBLISHER = "publisher"
    """The publisher: what it sends."""


@dataclass(frozen=True, slots=True, order=True)
class Layer:
    """A layer of a track: encoding (in SVC: spatial layer) and temporal layer. Both count from 0, lowest first."""

    spatial: int
    """Rank of the encoding, or of the spatial layer in SVC."""
    temporal: int
    """Temporal layer within it."""


class Rate(NamedTuple):
    """The measured rate of a layer, including the layers it depends on."""

    bps: int
    """Bits per second."""
    width: int
    """Pixels; 0: unknown."""
    height: int
    """Pixels; 0: unknown."""
    fps: float
    """Frames per second."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How a participant wants to receive a track."""

    quality: Quality = Quality.HIGH
    """The best encoding to send, whatever the size."""
    width: int = 0
    """Screen pixels of the box that the picture is fitted into. 0: any."""
    height: int = 0
    """Screen pixels of the box that the picture is fitted into. 0: any."""
    fps: float = 0.0
    """Frames per second that are enough. 0: any."""
    priority: int = 0
    """1 to 255; higher is served first. 0: 255 for a shared screen, 1 for other sources."""
    visible: bool = True
    """False: video is not sent; audio is."""


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a participant may do in its room. A backend can change it while the participant is in the room."""

    can_publish: bool = True
    can_subscribe: bool = True
    can_publish_data: bool = True
    can_publish_sources: tuple[Source, ...] = ()
    """The sources it may publish. Empty: all."""
    can_update_own_metadata: bool = False
    """It may change its own name, metadata and attributes."""
    hidden: bool = False
    """Other participants do not see it."""


@dataclass(frozen=True, slots=True)
class Grant:
    """The contents of a verified token."""

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
    """Seconds since the epoch. 0: the token does not say, and every revocation covers it."""
    expires: int = 0
    """Seconds since the epoch. 0: a grant of the server's own."""
    max_viewers: int = 0
    """WHEP sessions that this identity may have in a room at a time, if more than the service's setting."""
    jti: str = ""
    """The token's id (RFC 7519 s4.1.7), which `readmit` names. Empty: it has none."""


@dataclass(frozen=True, slots=True)
class RoomOptions:
    """The options of a room. Durations are in seconds."""

    max_participants: int = 0
    """0: no limit."""
    empty_timeout: float = 300.0
    """The room is deleted if nobody joins within this time."""
    departure_timeout: float = 20.0
    """The room is deleted this long after the last participant left."""
    metadata: str = ""
    locked: bool = False
    """No new participant may join."""
    last_n: int = 0
    """The most video tracks that a participant is shown, in order of priority. 0: all."""
    on_stage: tuple[str, ...] = ()
    """Identities with the highest priority, in this order."""
    loudest: int = 0
    """The most microphones that are forwarded at a time: the loudest, and the dominant speaker's. 0: all."""


class RoomChanges(TypedDict, total=False):
    """Changes of `RoomOptions`. A field that is None or missing keeps its value."""

    max_participants: int | None
    empty_timeout: float | None
    departure_timeout: float | None
    metadata: str | None
    locked: bool | None
    last_n: int | None
    on_stage: tuple[str, ...] | None
    loudest: int | None


class PermissionChanges(TypedDict, total=False):
    """Changes of `Permissions`. A field that is missing keeps its value."""

    can_publish: bool
    can_subscribe: bool
    can_publish_data: bool
    can_publish_sources: tuple[Source, ...]
    can_update_own_metadata: bool
    hidden: bool


class WishChanges(TypedDict, total=False):
    """Changes of a `Wish`. A field that is None or missing keeps its value. The names are those of
    `messages.TrackSettings`."""

    quality: Quality | None
    width: int | None
    height: int | None
    fps: float | None
    priority: int | None
    visible: bool | None


# Views: what REST and WebSocket send of a participant, a track, a room. Their fields are those of the JSON.


@dataclass(frozen=True, slots=True)
class EncodingInfo:
    """One encoding (simulcast stream) of a track, as measured."""

    rid: str = ""
    spatial: int = 0
    """Its rank among the encodings that arrive, from 0, lowest first."""
    active: bool = False
    """It arrives."""
    bitrate: int = 0
    """Bits per second."""
    width: int = 0
    """Pixels; 0: unknown."""
    height: int = 0
    """Pixels; 0: unknown."""
    fps: float = 0.0
    """Frames per second."""
    wanted: bool = True
    """False: the publisher was asked to stop it, since no subscriber wants it."""
    offered: int = 0
    """Its place in the publisher's offer, from 0."""


@dataclass(frozen=True, slots=True)
class BackupInfo:
    """The backup codec of a track, for subscribers that cannot decode the first."""

    mime: str
    wanted: bool
    """A subscriber needs it."""
    active: bool
    """It is published."""


@dataclass(frozen=True, slots=True)
class TrackInfo:
    """A published track."""

    sid: str
    """The server's id."""
    kind: Kind
    source: Source
    name: str = ""
    muted: bool = False
    width: int = 0
    """Pixels, as declared; 0: unknown."""
    height: int = 0
    """Pixels, as declared; 0: unknown."""
    mime: str = ""
    """The codec that arrives, for example `video/VP8`. Empty until the first packet."""
    mid: str = ""
    """The mid of the publisher's section. Empty until an offer has the section."""
    simulcast: bool = False
    """It has several encodings."""
    stream: str = ""
    """As declared: tracks with the same value belong together."""


@dataclass(frozen=True, slots=True)
class ParticipantInfo:
    """A participant of a room."""

    sid: str
    """The server's id, one per session."""
    identity: str
    """The application's id, from the token."""
    name: str
    """Free text."""
    state: ParticipantState
    kind: ParticipantKind
    metadata: str
    attributes: Mapping[str, str]
    permissions: Permissions
    joined_at: int
    """Milliseconds since the epoch."""
    version: int
    """Increases by one with every visible change."""
    tracks: tuple[TrackInfo, ...] = ()
    """The tracks it publishes."""
    disconnect_reason: DisconnectReason | None = None
    """Why it left. Null: it is in the room."""


@dataclass(frozen=True, slots=True)
class RoomInfo:
    """A room: its options and its state."""

    sid: str
    """The server's id."""
    name: str
    """The application's id, from the token or path."""
    created_at: int
    """Milliseconds since the epoch."""
    max_participants: int
    """0: no limit."""
    empty_timeout: float
    """Seconds after which the room is deleted if nobody joins."""
    departure_timeout: float
    """Seconds after which the room is deleted once the last participant left."""
    metadata: str
    locked: bool
    """No new participant may join."""
    last_n: int
    """The most video tracks that a participant is shown. 0: all."""
    on_stage: tuple[str, ...]
    """Identities whose video is shown first, in this order."""
    loudest: int
    """The most microphones that are forwarded at a time. 0: all."""
    num_participants: int
    """Hidden participants are not counted."""
    num_publishers: int
    """Participants that publish at least one track."""
    dominant_speaker: str
    """The sid of the dominant speaker. Empty: there is none."""


@dataclass(frozen=True, slots=True)
class Census:
    """The numbers of a service."""

    rooms: int
    participants: Mapping[ParticipantKind, int]
    """Hidden ones too."""
    tracks: int
    """Published tracks, without backups."""


Order = tuple[int, int]
"""Where a track stands among those of its room: when its publisher joined, and when it was declared, from 1 on."""
FIRST: Order = (0, 0)
"""Before all tracks."""


@dataclass(frozen=True, slots=True)
class PublishedTrack:
    """A published track: the encodings that arrive, and who is shown it."""

    participant: str
    """The publisher's identity."""
    track: TrackInfo
    encodings: tuple[EncodingInfo, ...]
    """Lowest first."""
    subscribers: tuple[str, ...]
    """Identities of participants that have it in a slot. Hidden ones are left out."""
    paused: bool = False
    """The publisher was asked to stop it, since nobody watches it."""
    backup: BackupInfo | None = None


@dataclass(frozen=True, slots=True)
class Client:
    """Name, version and features of the client software."""

    sdk: str = ""
    """Free text, for logs."""
    version: str = ""
    """Free text, for logs."""
    features: tuple[str, ...] = ()
    """Optional features that the client implements. `wanted`: it stops and starts encodings by the message `wanted`.
    Unknown features are ignored."""


@dataclass(frozen=True, slots=True)
class BackupCodec:
    """A second codec of a track. The client sends it in another section while the server requests it by `backup`."""

    cid: str
    """The client's name of that section."""
    mime: str
    """The codec, for example `video/VP8`."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """A track that a client will offer. `cid` is the client's name for it."""

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
class SlotInfo:
    """The track that a receive section shows."""

    track: str
    """The track's sid."""
    participant: str
    """The publisher's sid."""


@dataclass(frozen=True, slots=True)
class WantedEncoding:
    """Whether the publisher is to send an encoding."""

    rid: str
    """Empty if the track has one encoding, or if its encodings differ by SSRC alone."""
    wanted: bool
    """False: stop sending the encoding."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """The audio level of one participant."""

    participant: str
    """The participant's sid."""
    track: str
    """The sid of the microphone's track."""
    level: float
    """0 (silent) to 1 (loudest), in steps of 1/8."""
    active: bool
    """False: the participant stopped speaking."""


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
    """One track as one participant receives it: what it wants, what is sent, and why."""

    track: str
    participant: str
    """The publisher's identity."""
    desired: bool
    """It is subscribed."""
    wish: Wish
    mid: str
    """The mid of the receive section that shows it. Empty: none."""
    state: str
    """`active`, `paused`, `pending`, `refused`, or `off` if it is not subscribed."""
    layer: Layer | None = None
    """The layer that is sent. Null: none."""
    reason: str = ""
    """A sentence: why no layer is sent."""
    cause: Cause = Cause.NONE
    """What prevents a better layer."""
    mime: str = ""
    """The codec that it receives, or that it cannot decode."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A layer as its publisher sends it, including the layers it depends on: pixels, frames per second, bits per
    second. 0: unknown."""

    layer: Layer
    width: int = 0
    height: int = 0
    fps: float = 0.0
    bitrate: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """One entry of the record of a subscription."""

    at: int
    """Milliseconds since the epoch."""
    what: Step
    layer: Layer | None = None
    """The layer that was chosen. None: no layer."""
    cause: Cause = Cause.NONE
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why one participant receives one track as it does.

    `wanted`, `allowed`, `target` and `current` are ordered: each is the one before it, or less.
    """

    track: str
    participant: str
    """The publisher's identity."""
    source: Source
    mid: str
    """The mid of the receive section that shows it. Empty: none."""
    wanted: Picture | None
    """The best layer that the subscriber asks for, whether it arrives or not. None: nothing."""
    allowed: Picture | None
    """The best layer that mutes, rules of the room and bandwidth allow."""
    target: Picture | None
    """The best layer that the room requests of the packet plane."""
    current: Picture | None
    """The layer that is sent."""
    since: int
    """When `current` last changed, in milliseconds since the epoch. 0: never."""
    cause: Cause
    sentence: str
    publisher: tuple[str, ...]
    """What the publisher does that limits all its subscribers, for example `ignores keyframe requests`."""
    decisions: tuple[Decision, ...]
    """The decisions of the last minute, oldest first."""
