"""The data model of rooms: ids, grants, options, layers, and wishes.

Data without behaviour; the terms are those of ARCHITECTURE.md. `sfu/views.py` has the data that clients receive.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, NamedTuple, TypedDict

BASE57 = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def new_sid(prefix: str) -> str:
    """Returns a new random id: `prefix` (`RM`, `PA` or `TR`), `_`, and 12 base-57 characters (70 bits)."""
    return prefix + "_" + random_text(12)


def random_text(length: int) -> str:
    """Returns random base-57 characters, 5.8 bits each."""
    # The operating system is asked once, not for each character.
    number, text = secrets.randbelow(57**length), ""
    for _ in range(length):
        number, digit = divmod(number, 57)
        text += BASE57[digit]
    return text


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


class Octets(NamedTuple):
    """Octets of the datagrams of a participant's media: RTP, RTCP and DTLS."""

    received: int = 0
    """From the participant."""
    sent: int = 0
    """To the participant."""

    def plus(self, received: int, sent: int) -> "Octets":
        return Octets(self.received + received, self.sent + sent)


class EndReason(StrEnum):
    """Why a room was closed."""

    ROOM_DELETED = "room_deleted"
    EMPTY = "empty"
    """It was empty for longer than its time-outs."""
    SERVER_SHUTDOWN = "server_shutdown"
    SERVER_LOST = "server_lost"
    """The process ended without closing it."""


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
    """The publisher sends no better layer, or loses packets on the way to the server."""
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
    """The origin of a decision, in the order in which decisions limit one another."""

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


class Candidate(NamedTuple):
    """A host candidate of the server (RFC 8445): an address at which clients reach it."""

    address: str
    port: int
    protocol: Literal["udp", "tcp"] = "udp"
    """TCP is passive (RFC 6544): the client connects."""


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
    token_create: bool = False
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
class IceServer:
    """A STUN or TURN server for clients, as in the W3C's RTCIceServer."""

    urls: tuple[str, ...]
    """`stun:`, `turn:` and `turns:` addresses (RFC 7064, 7065)."""
    username: str = ""
    """Empty for STUN."""
    credential: str = field(default="", repr=False)
    """Empty for STUN."""


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


Order = tuple[int, int]
"""The position of a track in its room: the number of its publisher's join, and of its declaration; both from 1."""
FIRST: Order = (0, 0)
"""The position before all tracks."""


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
    """Encrypted end to end: the server cannot read its payloads."""
    backup: BackupCodec | None = None
