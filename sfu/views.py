"""What REST and WebSocket send of participants, tracks, rooms and subscriptions: data without behaviour.

Fields are those of the JSON; docstrings are published in `/v1/protocol.json`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sfu.model import (
    Cause,
    DisconnectReason,
    Kind,
    Layer,
    ParticipantKind,
    ParticipantState,
    Permissions,
    Source,
    Step,
    Wish,
)


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
    """By its publisher or a moderator."""
    width: int = 0
    """Pixels, as declared; 0: unknown."""
    height: int = 0
    """Pixels, as declared; 0: unknown."""
    mime: str = ""
    """The codec that arrives, for example `video/VP8`. Before the first packet the first one that the publisher offers;
    empty until an offer has the section."""
    mid: str = ""
    """The mid of the publisher's section. Empty until an offer has the section."""
    simulcast: bool = False
    """It has several encodings."""
    stream: str = ""
    """As declared: tracks with the same value belong together."""
    muted_by_moderator: bool = False
    """A moderator muted it: its publisher cannot unmute it. `muted` is true, too."""


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
    muted_sources: tuple[Source, ...] = ()
    """The sources that a moderator muted: tracks of these that it publishes later are muted, too."""


@dataclass(frozen=True, slots=True)
class AdminCommand:
    """A command that was carried out for a token, a moderator or the administrator, and who sent it."""

    name: str
    """For example `mute_track`: the commands of the table in `docs/events.md`."""
    by: Literal["administrator", "token", "participant"]
    """`token`: a request with a token. `participant`: a moderator, over its WebSocket. `administrator`: the internal
    listener, or the program that embeds the service."""
    key: str = ""
    """The API key that signed the token of its author."""
    author: str = ""
    """The author's identity, from its token."""
    sid: str = ""
    """Of a participant: its sid."""
    jti: str = ""
    """The id of the author's token, if it has one."""
    identity: str = ""
    """The participant that the command is about."""
    track: str = ""
    """The sid of the track that it is about."""
    detail: str = ""
    """What it changed: names, numbers and switches, no texts."""


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
class TrackViewer:
    """A subscriber that has a track in a slot."""

    participant: str
    """Its identity."""
    layer: Layer | None
    """The layer that is sent to it. None: none, or the track is muted."""


@dataclass(frozen=True, slots=True)
class TrackDetails(PublishedTrack):
    """A published track, with what its subscribers receive and how it reaches the server."""

    viewers: tuple[TrackViewer, ...] = ()
    """The `subscribers`, with their layers."""
    loss: float = 0.0
    """0 to 1: the share of its packets that did not arrive in the last five seconds, before retransmissions."""
    round_trip: float = 0.0
    """Milliseconds to its publisher and back, smoothed. 0: not measured."""


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
    """What a participant receives of a track: the layer that is sent, or why none is."""

    track: str
    """The track's sid."""
    state: Literal["active", "paused", "pending", "refused"]
    layer: Layer | None = None
    """The layer that is sent. Null: none."""
    width: int = 0
    """Pixels of the layer; 0: unknown."""
    height: int = 0
    """Pixels of the layer; 0: unknown."""
    bitrate: int = 0
    """Bits per second of the layer as the publisher sends it."""
    reason: str = ""
    """A sentence: why no layer is sent."""
    cause: Cause = Cause.NONE
    """What prevents a better layer."""
    mime: str = ""
    """The codec that is received, or that the client cannot decode; empty: unknown."""


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
class Network:
    """What the network to a participant carries, estimated from its transport-wide feedback, without which from its
    reports."""

    estimate: int
    """Bits per second."""
    budget: int
    """What may be sent for now, in bits per second: less than the estimate while the queue drains."""
    throughput: int | None
    """What arrives, in bits per second. None: too little was sent to tell, or there is no transport-wide feedback."""
    queue: float
    """Milliseconds for which packets stand in its queue."""
    loss: float
    """The share of octets that is lost, 0 to 1."""
    loss_limited: bool
    """True: the loss limits the estimate, and not the delay."""
    round_trip: float
    """Milliseconds."""
    silent: bool
    """True: packets were sent for three seconds without any feedback."""


@dataclass(frozen=True, slots=True)
class TransportCounters:
    """What the plane counted of a participant's transport since it was added. It may lag by a quarter of a second."""

    packets_received: int
    """Datagrams of RTP, RTCP and DTLS from the participant."""
    bytes_received: int
    """Octets of these datagrams."""
    packets_sent: int
    """Datagrams."""
    bytes_sent: int
    """Octets of datagrams."""
    packets_forwarded: int
    """Media packets sent, without retransmissions."""
    packets_retransmitted: int
    """Media packets that were retransmitted."""
    packets_probing: int
    """Packets that were sent only to measure what the network carries."""
    keyframe_requests: int
    """Keyframes that were requested of the participant (PLI, FIR)."""
    nacks_sent: int
    """Packets that were requested of the participant (NACK)."""
    keyframe_requests_received: int
    """Keyframes that the participant requested."""
    nacks_received: int
    """Packets that the participant requested."""
    discards: Mapping[str, int]
    """Dropped datagrams, or parts of them, by reason. Reasons without any are omitted."""
    network: Network | None
    """The last estimate. None: the participant has sent no transport-wide feedback."""


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
