"""The events of rooms that backends follow: data, and its form in JSON.

An event is made of facts (`sfu/facts.py`), kept by `sfu/history`, and sent by `GET /v1/events`. Fields are those of the
JSON. A field that is None, or an empty text of `participant` and `track`, is left out there.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from sfu.model import Cause, EndReason, Kind, ParticipantKind, Source
from sfu.views import AdminCommand, ParticipantInfo, TrackInfo

LOST = EndReason.SERVER_LOST.value
"""The reason of a participant that was in a room when the process ended without removing it."""


class EventType(StrEnum):
    """What happened."""

    ROOM_STARTED = "room_started"
    ROOM_FINISHED = "room_finished"
    """`reason`: `room_deleted`, `empty`, `server_shutdown` or `server_lost`."""
    PARTICIPANT_JOINED = "participant_joined"
    PARTICIPANT_LEFT = "participant_left"
    """Follows each `participant_joined` once. `reason`: a `disconnect_reason`, or `server_lost`."""
    TRACK_PUBLISHED = "track_published"
    TRACK_UNPUBLISHED = "track_unpublished"
    """Follows each `track_published` once, unless the process was lost. `reason`: a sentence."""
    TRACK_MUTED = "track_muted"
    TRACK_UNMUTED = "track_unmuted"
    COMMAND = "command"
    """A request or a moderator changed something for others. It follows what it changed; `delete_room` precedes it."""
    LIMIT_HIT = "limit_hit"
    """Requests were refused by a limit; at most one event in 10 s for each limit of a room."""
    QUALITY_CHANGED = "quality_changed"
    """A track reaches subscribers worse than it should for 10 s, or well again. `participant`: its publisher."""
    SPEAKER_CHANGED = "speaker_changed"
    """The dominant speaker; at most one event per second. Without `participant`: there is none."""


@dataclass(frozen=True, slots=True)
class EventRoom:
    sid: str
    name: str


@dataclass(frozen=True, slots=True)
class EventParticipant:
    """The participant that an event is about, or the publisher of its track."""

    sid: str
    identity: str
    name: str = ""
    kind: ParticipantKind = ParticipantKind.STANDARD
    joined_at: int = 0
    """Milliseconds since the epoch."""
    hidden: bool = False
    """Other participants do not see it."""
    metadata: str = ""
    """Only in `participant_joined`."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Only in `participant_joined`."""

    @classmethod
    def of(cls, info: ParticipantInfo, *, is_new: bool = False) -> "EventParticipant":
        return cls(
            info.sid,
            info.identity,
            info.name,
            info.kind,
            info.joined_at,
            info.permissions.hidden,
            info.metadata if is_new else "",
            info.attributes if is_new else {},
        )


@dataclass(frozen=True, slots=True)
class EventTrack:
    """The track that an event is about."""

    sid: str
    kind: Kind
    source: Source
    name: str = ""
    muted: bool = False
    stream: str = ""

    @classmethod
    def of(cls, info: TrackInfo) -> "EventTrack":
        return cls(info.sid, info.kind, info.source, info.name, info.muted, info.stream)


@dataclass(frozen=True, slots=True)
class EventLimit:
    """A limit that requests reached."""

    name: str
    """`max_participants` and `max_tracks`, or as in the answer 429: `rooms`, `rooms_per_key`, `participants_per_key`,
    `joins_per_key`, `joins_per_address`, `viewers_per_token`, `followers`."""
    count: int = 1
    """Requests that were refused since the last event about this limit in this room."""
    identity: str = ""
    """Of the last one, from its token."""


@dataclass(frozen=True, slots=True)
class EventQuality:
    """How a track reaches some subscribers."""

    state: str
    """`active`, `paused`, `pending` or `refused`."""
    cause: Cause
    """What prevents a better layer, as in `explain`."""
    subscribers: tuple[str, ...]
    """Identities, at most 50."""
    count: int
    """The number of subscribers."""
    width: int = 0
    """Pixels; left out: unknown."""
    height: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
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

    def plus(self, other: "Usage") -> "Usage":
        return Usage(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


@dataclass(frozen=True, slots=True)
class RoomEvent:
    """Something that happened in a room. `(room.sid, seq)` and `id` each identify it forever."""

    id: str
    """The place in the stream of all rooms: `after` of a request for what follows."""
    type: EventType
    at: int
    """Milliseconds since the epoch."""
    room: EventRoom
    seq: int
    """Counted per room, from 1. A gap: the service lost events of this room. 0: the event is about no room."""
    node: str
    """The process that wrote it: SFU_NODE."""
    epoch: int
    """The start of that process; a later start has a higher number."""
    participant: EventParticipant | None = None
    track: EventTrack | None = None
    reason: str | None = None
    duration: int | None = None
    """Milliseconds from the start of what ended: room, participant or track."""
    by_moderator: bool | None = None
    """Of a mute: whether the moderator or the publisher did it."""
    command: AdminCommand | None = None
    """What was done, and by whom."""
    limit: EventLimit | None = None
    """Which limit was hit, and how often."""
    quality: EventQuality | None = None
    """How the track reaches which subscribers."""
    usage: Usage | None = None
    """Of `participant_left`, and of `room_finished` the sum of its participants."""


class KeptEvent(NamedTuple):
    """An event as it is kept: it is sent without being read again."""

    id: str
    body: str
    """Its JSON without the id: see `encode`."""

    @property
    def json(self) -> str:
        """Its JSON, in one line of ASCII."""
        return f'{{"id":"{self.id}",{self.body[1:]}'


@dataclass(frozen=True, slots=True)
class EventPage:
    """A part of the stream."""

    kept: tuple[KeptEvent, ...]
    next: str
    """If there are more events, the `after` of the next page. Empty: this is the last page for now."""
    latest: str
    """The id of the last event of all rooms: `after` of a request for later events alone."""
    missed: bool
    """True: events between `after` and the first of these are no longer kept."""

    @property
    def events(self) -> tuple[RoomEvent, ...]:
        """The events, which are decoded each time."""
        return tuple(decode(id, json.loads(body)) for id, body in self.kept)


def encode(event: RoomEvent) -> str:
    """Returns the JSON of an event without its id. All characters are ASCII."""
    body: dict[str, Any] = {
        "type": event.type,
        "at": event.at,
        "room": {"sid": event.room.sid, "name": event.room.name},
        "seq": event.seq,
        "node": event.node,
        "epoch": event.epoch,
    }
    if event.participant is not None:
        body["participant"] = encode_participant(event.participant)
    if event.track is not None:
        body["track"] = _present(event.track)
    if event.command is not None:
        body["command"] = _present(event.command)
    if event.limit is not None:
        body["limit"] = _present(event.limit)
    if event.quality is not None:
        body["quality"] = _present(event.quality)
    for name in ("reason", "duration", "by_moderator"):
        if (value := getattr(event, name)) is not None:
            body[name] = value
    if event.usage is not None:
        body["usage"] = encode_usage(event.usage)
    return _json(body)


def encode_participant(participant: EventParticipant) -> dict[str, Any]:
    return _present(participant)


def encode_usage(usage: Usage) -> dict[str, int]:
    return {name: getattr(usage, name) for name in usage.__dataclass_fields__}


def decode(id: str, body: Mapping[str, Any]) -> RoomEvent:
    """Returns the event of a body that `encode` wrote."""
    participant, track = body.get("participant"), body.get("track")
    return RoomEvent(
        id,
        EventType(body["type"]),
        body["at"],
        EventRoom(**body["room"]),
        body["seq"],
        body["node"],
        body["epoch"],
        decode_participant(participant) if participant is not None else None,
        EventTrack(**{**track, "kind": Kind(track["kind"]), "source": Source(track["source"])}) if track else None,
        body.get("reason"),
        body.get("duration"),
        body.get("by_moderator"),
        AdminCommand(**body["command"]) if "command" in body else None,
        EventLimit(**body["limit"]) if "limit" in body else None,
        _quality(body["quality"]) if "quality" in body else None,
        Usage(**body["usage"]) if "usage" in body else None,
    )


def _quality(body: Mapping[str, Any]) -> EventQuality:
    return EventQuality(**{**body, "cause": Cause(body["cause"]), "subscribers": tuple(body["subscribers"])})


def decode_participant(body: Mapping[str, Any]) -> EventParticipant:
    return EventParticipant(**{**body, "kind": ParticipantKind(body["kind"])})


_json = json.JSONEncoder(separators=(",", ":")).encode


def _present(part: EventParticipant | EventTrack | AdminCommand | EventLimit | EventQuality) -> dict[str, Any]:
    """Returns the fields of a part that say something, and the kind always."""
    values = {name: getattr(part, name) for name in part.__dataclass_fields__}
    return {name: value for name, value in values.items() if value or name == "kind"}
