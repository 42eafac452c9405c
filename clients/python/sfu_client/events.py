"""What happens in rooms: the events that `GET /v1/events` and webhooks carry."""

from collections.abc import Mapping

from .models import Model


class EventRoom(Model):
    sid: str = ""
    name: str = ""


class EventParticipant(Model):
    """The participant that an event is about, or the publisher of its track."""

    sid: str
    identity: str
    name: str = ""
    kind: str = "standard"
    joined_at: int = 0
    """Milliseconds since the epoch."""
    hidden: bool = False
    metadata: str = ""
    """Only in `participant_joined`."""
    attributes: Mapping[str, str] = {}
    """Only in `participant_joined`."""


class EventTrack(Model):
    sid: str
    kind: str = ""
    source: str = "unknown"
    name: str = ""
    muted: bool = False
    stream: str = ""


class Usage(Model):
    """What a participant used, or all participants of a room together. Times are milliseconds."""

    octets_received: int = 0
    """Octets from participants: RTP, RTCP and DTLS, without the headers of UDP and IP."""
    octets_sent: int = 0
    """Octets to participants."""
    present: int = 0
    """Time in the room."""
    publishing: int = 0
    """Time during which it published a track."""
    subscribing: int = 0
    """Time during which one of its receive sections showed a track."""


class AdminCommand(Model):
    """A command that was carried out for a token, a moderator or the administrator, and who sent it."""

    name: str
    """For example `mute_track`."""
    by: str
    """`token`, `participant` (a moderator over its WebSocket) or `administrator`."""
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


class EventLimit(Model):
    """A limit that requests reached."""

    name: str
    """For example `max_participants`."""
    count: int = 1
    """Requests that were refused since the last event about this limit in this room."""
    identity: str = ""
    """Of the last one, from its token."""


class EventQuality(Model):
    """How a track reaches some subscribers."""

    state: str
    """`active`, `paused`, `pending` or `refused`."""
    cause: str
    """What prevents a better layer, as in `explain`."""
    subscribers: tuple[str, ...]
    """Identities, at most 50."""
    count: int
    """The number of subscribers."""
    width: int = 0
    """Pixels; 0: unknown."""
    height: int = 0


class Event(Model):
    """Something that happened in a room. `id` and `(room.sid, seq)` each identify it forever.

    `type` is `room_started`, `room_finished`, `participant_joined`, `participant_left`, `track_published`,
    `track_unpublished`, `track_muted`, `track_unmuted`, `speaker_changed`, `command`,
    `limit_hit`, `quality_changed`, or one that this version does not
    know: ignore it.
    """

    id: str
    """The place in the stream of all rooms: keep it, and follow after it."""
    type: str
    at: int
    """Milliseconds since the epoch."""
    room: EventRoom
    seq: int
    """Counted per room, from 1. A gap: the service lost events of this room. 0: it is about no room."""
    node: str
    epoch: int
    participant: EventParticipant | None = None
    track: EventTrack | None = None
    reason: str | None = None
    duration: int | None = None
    """Milliseconds from the start of what ended: room, participant or track."""
    by_moderator: bool | None = None
    command: AdminCommand | None = None
    """Of `command`: what was done, and by whom."""
    limit: EventLimit | None = None
    """Of `limit_hit`."""
    quality: EventQuality | None = None
    """Of `quality_changed`."""
    usage: Usage | None = None
    """Of `participant_left` and `room_finished`."""


class EventPage(Model):
    events: tuple[Event, ...]
    next: str
    """The `after` of the next page. Empty: there are no more for now."""
    latest: str
    """The id of the newest event of all rooms: `after` for later events alone."""
    missed: bool
    """Events between `after` and these are no longer kept: read the state of the rooms."""
