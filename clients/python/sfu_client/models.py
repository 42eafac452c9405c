"""What the service answers, as types.

Fields are those of the JSON. Fields that this version does not know are kept in `model_extra`, and texts with a closed
set of values are plain `str`, so that a newer service does not break an older client.
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

Source = Literal["camera", "microphone", "screen_share", "screen_share_audio", "unknown"]
Quality = Literal["low", "medium", "high", "off"]


class Model(BaseModel):
    # A validator is built when it is first used: the import takes 0.06 s of 0.40 less.
    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)


class Layer(Model):
    """A point of a track: which encoding, which temporal layer."""

    spatial: int
    temporal: int


class Encoding(Model):
    """One encoding (simulcast stream) of a track, as measured. `bitrate` in bits per second; sizes in pixels."""

    rid: str = ""
    spatial: int = 0
    active: bool = False
    bitrate: int = 0
    width: int = 0
    height: int = 0
    fps: float = 0.0
    wanted: bool = True
    """False: the publisher was asked to stop it, since no subscriber wants it."""
    offered: int = 0
    """Its place in the publisher's offer, from 0."""


class Backup(Model):
    """The backup codec of a track."""

    mime: str
    wanted: bool
    active: bool


class Track(Model):
    """A published track."""

    sid: str
    kind: str
    """`audio` or `video`."""
    source: str
    name: str = ""
    muted: bool = False
    width: int = 0
    height: int = 0
    mime: str = ""
    """The codec that arrives. Before the first packet the first one that the publisher offers."""
    mid: str = ""
    simulcast: bool = False
    stream: str = ""
    muted_by_moderator: bool = False
    """Its publisher cannot unmute it."""


class Permissions(Model):
    can_publish: bool = True
    can_subscribe: bool = True
    can_publish_data: bool = True
    can_publish_sources: tuple[str, ...] = ()
    """Empty: all sources."""
    can_update_own_metadata: bool = False
    hidden: bool = False


class Participant(Model):
    sid: str
    """The server's id, one per session."""
    identity: str
    """The application's id, from the token."""
    name: str
    state: str
    """`joining`, `joined` (connecting), `active` or `disconnected`."""
    kind: str
    """`standard`, `ingress` (publishes by WHIP) or `viewer` (watches by WHEP)."""
    metadata: str
    attributes: Mapping[str, str]
    permissions: Permissions
    joined_at: int
    """Milliseconds since the epoch."""
    version: int
    """Increases by one with every visible change."""
    tracks: tuple[Track, ...] = ()
    disconnect_reason: str | None = None
    muted_sources: tuple[Source, ...] = ()
    """A moderator muted these: tracks of them that it publishes later are muted, too."""


class Room(Model):
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
    dominant_speaker: str
    """The sid of the dominant speaker. Empty: there is none."""


class PublishedTrack(Model):
    """A published track: the encodings that arrive, and who is shown it."""

    participant: str
    """The publisher's identity."""
    track: Track
    encodings: tuple[Encoding, ...]
    subscribers: tuple[str, ...]
    """Identities. Hidden participants are left out."""
    paused: bool = False
    backup: Backup | None = None


class TrackViewer(Model):
    """A subscriber that has a track in a slot. `layer`: None: none is sent, or the track is muted."""

    participant: str
    """Its identity."""
    layer: Layer | None = None


class TrackDetails(PublishedTrack):
    """A published track, with what its subscribers receive and how it reaches the server."""

    viewers: tuple[TrackViewer, ...] = ()
    """The `subscribers`, with their layers."""
    loss: float = 0.0
    """0 to 1: the share of its packets that did not arrive in the last five seconds, before retransmissions."""
    round_trip: float = 0.0
    """Milliseconds to its publisher and back, smoothed. 0: not measured."""


class Wish(Model):
    """How a participant receives one track."""

    quality: str = "high"
    width: int = 0
    height: int = 0
    fps: float = 0.0
    priority: int = 0
    visible: bool = True


class Subscription(Model):
    """One track as one participant receives it: what it wants, what is sent, and why."""

    track: str
    participant: str
    """The publisher's identity."""
    desired: bool
    wish: Wish
    mid: str
    state: str
    """`active`, `paused`, `pending`, `refused`, or `off` if it is not subscribed."""
    layer: Layer | None = None
    reason: str = ""
    cause: str = "none"
    mime: str = ""


class Picture(Model):
    """A layer as its publisher sends it: pixels, frames per second, bits per second. 0: unknown."""

    layer: Layer
    width: int = 0
    height: int = 0
    fps: float = 0.0
    bitrate: int = 0


class Decision(Model):
    at: int
    """Milliseconds since the epoch."""
    what: str
    layer: Layer | None = None
    cause: str = "none"
    detail: str = ""


class Explanation(Model):
    """Why one participant receives one track as it does. `wanted`, `allowed`, `target` and `current` are ordered."""

    track: str
    participant: str
    """The publisher's identity."""
    source: str
    mid: str
    wanted: Picture | None = None
    allowed: Picture | None = None
    target: Picture | None = None
    current: Picture | None = None
    since: int
    cause: str
    sentence: str
    publisher: tuple[str, ...]
    decisions: tuple[Decision, ...]


class RoomPage(Model):
    rooms: tuple[Room, ...]
    next: str = ""
    """The `after` of the next page. Empty: this is the last one."""


class ParticipantPage(Model):
    participants: tuple[Participant, ...]
    next: str = ""


class TrackPage(Model):
    tracks: tuple[PublishedTrack, ...]
    next: str = ""


class SubscriptionPage(Model):
    subscriptions: tuple[Subscription, ...]
    next: str = ""


class ExplanationPage(Model):
    subscriptions: tuple[Explanation, ...]
    next: str = ""


class IssuedToken(Model):
    """A token that the service made."""

    token: str
    jti: str
    """The id of the token, by which its identity can be readmitted."""
    expires_at: int
    """Milliseconds since the epoch."""


class Delivery(Model):
    receivers: int
    """Participants with a channel for the message, open or opening."""


class RemovedEvents(Model):
    removed: int
    """The number of events."""


class DrainState(Model):
    state: str
    rooms: int
    participants: int


class Webhook(Model):
    """A receiver of events: how many wait, how many were given up, and the last error."""

    name: str
    url: str
    pending: int
    dead: int
    oldest: int = 0
    """When the oldest event that waits was written, in milliseconds since the epoch. 0: there is none."""
    error: str = ""


class Retried(Model):
    events: int


class Tested(Model):
    error: str


class WebhookList(Model):
    webhooks: tuple[Webhook, ...]
