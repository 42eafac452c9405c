"""Turns the facts of rooms into the events that backends follow.

A participant or track that ends was reported before, and each is reported as ended once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sfu import facts, limits
from sfu.facts import Entry
from sfu.history.hits import Hits
from sfu.history.quality import Quality
from sfu.history.usage import Attended
from sfu.model import Octets
from sfu.room_events import (
    EventLimit,
    EventParticipant,
    EventQuality,
    EventRoom,
    EventTrack,
    EventType,
    RoomEvent,
    Usage,
)
from sfu.views import AdminCommand, ParticipantInfo, SlotInfo, SubscriptionState

NOWHERE = EventRoom("", "")
"""Of events that are about no room."""


@dataclass(slots=True)
class _Published:
    owner: str
    track: EventTrack
    at: int


@dataclass(slots=True)
class _Room:
    """What was reported of a room."""

    room: EventRoom
    started_at: int
    seq: int = 0
    participants: dict[str, EventParticipant] = field(default_factory=dict)
    tracks: dict[str, _Published] = field(default_factory=dict)
    attended: dict[str, Attended] = field(default_factory=dict)
    """By the sid of the participants."""
    usage: Usage = field(default_factory=Usage)
    """Of the participants that have left."""
    quality: Quality = field(default_factory=Quality)
    speaker: str = ""
    """The participant's sid. Empty: nobody."""
    speaker_at: int = 0
    """When it was reported, in milliseconds since the epoch."""
    next_speaker: str | None = None
    """The one that waits to be reported."""


class Recorder:
    """A reader of the facts of all rooms."""

    def __init__(self, node: str, append: Callable[[RoomEvent], None]) -> None:
        self.epoch = 0
        self._node = node
        self._append = append
        self._uneasy: dict[str, None] = {}
        """Sids of rooms whose quality is watched."""
        self._hits = Hits(self._report_limit)
        self._rooms: dict[str, _Room] = {}
        """Rooms that have started and not finished, by sid."""
        self._waiting: dict[str, None] = {}
        """Sids of rooms whose speaker waits to be reported."""

    def read(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if isinstance(entry.fact, facts.RoomStarted):
                self._start(entry, entry.fact)
        for entry in entries:
            room = self._rooms.get(entry.room)
            # A room that was never listed had no participants.
            if room is not None:
                self._read(room, entry)

    def handle_timeout(self, at: int) -> None:
        """Reports the speakers that have waited long enough. `at`: milliseconds since the epoch."""
        self._hits.handle_timeout(at)
        for sid in list(self._uneasy):
            self._report_quality(sid, at)
        for sid in list(self._waiting):
            room = self._rooms.get(sid)
            if room is None or room.next_speaker is None:
                del self._waiting[sid]
            elif at >= room.speaker_at + limits.SPEAKER_EVENT_SECONDS * 1000:
                del self._waiting[sid]
                self._report_speaker(room, room.next_speaker, at)

    def usages(self, octets: Callable[[str], Octets], at: int) -> Iterator[tuple[str, Usage]]:
        """Yields what was used until now: of the participants present by sid, and of those that have left by the sid of
        their room. `octets`: of a participant, by sid."""
        for room in self._rooms.values():
            yield room.room.sid, room.usage
            for sid, attended in room.attended.items():
                yield sid, attended.usage(octets(sid), max(at - room.participants[sid].joined_at, 0), at)

    def note_command(self, command: AdminCommand, at: int) -> None:
        """Reports a command that is about no room."""
        event = RoomEvent("", EventType.COMMAND, at, NOWHERE, 0, self._node, self.epoch, command=command)
        self._append(event)

    def note_limit(self, room: str, name: str, identity: str, at: int) -> None:
        """Reports that a request reached a limit. `room`: its sid. Empty, or not listed: the event is about no room."""
        self._hits.note(room if room in self._rooms else "", name, identity, at)

    def _report_limit(self, sid: str, limit: EventLimit, at: int) -> None:
        room = self._rooms.get(sid)
        if room is not None:
            self._note(room, EventType.LIMIT_HIT, at, limit=limit)
        else:
            self._append(RoomEvent("", EventType.LIMIT_HIT, at, NOWHERE, 0, self._node, self.epoch, limit=limit))

    def _start(self, entry: Entry, fact: facts.RoomStarted) -> None:
        room = self._rooms[entry.room] = _Room(EventRoom(entry.room, fact.name), fact.created_at)
        self._note(room, EventType.ROOM_STARTED, entry.at)

    def _read(self, room: _Room, entry: Entry) -> None:
        at = entry.at
        match entry.fact:
            case facts.ParticipantJoined(info=info):
                self._join(room, info, at)
            case facts.ParticipantLeft(info=info, reason=reason, octets=octets):
                self._leave(room, info, reason, octets, at)
            case facts.SlotsChanged(subscribers=subscribers, slots=slots):
                _note_slots(room, subscribers, slots, at)
            case facts.TrackPublished(owner=owner, track=info):
                track = room.tracks[info.sid] = _Published(owner, EventTrack.of(info), at)
                if owner in room.attended:
                    room.attended[owner].publishing.begin(info.sid, at)
                self._note_track(room, EventType.TRACK_PUBLISHED, track, at)
            case facts.TrackUnpublished(track=sid, reason=reason):
                self._unpublish(room, sid, reason, at)
            case facts.TrackMuted(track=sid, is_muted=is_muted, by_moderator=by_moderator) if sid in room.tracks:
                track = room.tracks[sid]
                track.track = replace(track.track, muted=is_muted)
                what = EventType.TRACK_MUTED if is_muted else EventType.TRACK_UNMUTED
                self._note_track(room, what, track, at, by_moderator=by_moderator)
            case facts.SubscriptionsChanged(subscribers=subscribers, states=states):
                self._note_quality(room, subscribers, states, at)
            case facts.DominantSpeakerChanged(participant=sid):
                self._change_speaker(room, sid, at)
            case facts.CommandDone(command=command):
                self._note(room, EventType.COMMAND, at, command=command)
            case facts.RoomFinished(reason=reason):
                self._finish(room, entry, reason)

    def _join(self, room: _Room, info: ParticipantInfo, at: int) -> None:
        room.participants[info.sid] = EventParticipant.of(info)
        room.attended[info.sid] = Attended()
        participant = EventParticipant.of(info, is_new=True)
        self._note(room, EventType.PARTICIPANT_JOINED, at, participant=participant)

    def _leave(self, room: _Room, info: ParticipantInfo, reason: str, octets: Octets, at: int) -> None:
        if info.sid not in room.participants:
            # This reader failed in the turn of the join.
            self._join(room, info, at)
        for sid in [sid for sid, track in room.tracks.items() if track.owner == info.sid]:
            self._unpublish(room, sid, "its publisher left", at)
        del room.participants[info.sid]
        duration = max(at - info.joined_at, 0)
        room.quality.leave(info.sid)
        usage = room.attended.pop(info.sid).usage(octets, duration, at)
        room.usage = room.usage.plus(usage)
        more = {"participant": EventParticipant.of(info), "reason": str(reason), "duration": duration, "usage": usage}
        self._note(room, EventType.PARTICIPANT_LEFT, at, **more)

    def _unpublish(self, room: _Room, sid: str, reason: str, at: int) -> None:
        track = room.tracks.pop(sid, None)
        room.quality.end(sid)
        # A track that was only declared may end, too.
        if track is not None:
            if track.owner in room.attended:
                room.attended[track.owner].publishing.end(sid, at)
            duration = max(at - track.at, 0)
            self._note_track(room, EventType.TRACK_UNPUBLISHED, track, at, reason=reason, duration=duration)

    def _note_quality(
        self, room: _Room, subscribers: Sequence[str], states: Sequence[SubscriptionState], at: int
    ) -> None:
        for state in states:
            if state.track in room.tracks:
                room.quality.note(subscribers, state, at)
        if room.quality.due is not None:
            self._uneasy[room.room.sid] = None

    def _report_quality(self, sid: str, at: int) -> None:
        room = self._rooms.get(sid)
        if room is None or room.quality.due is None:
            del self._uneasy[sid]
            return
        if at < room.quality.due:
            return
        for track, shown, sids in room.quality.reports(at):
            there = [room.participants[one].identity for one in sids if one in room.participants]
            if there and track in room.tracks:
                named = tuple(there[: limits.QUALITY_SUBSCRIBERS])
                quality = EventQuality(shown.state, shown.cause, named, len(there), shown.width, shown.height)
                self._note_track(room, EventType.QUALITY_CHANGED, room.tracks[track], at, quality=quality)

    def _change_speaker(self, room: _Room, sid: str, at: int) -> None:
        if at >= room.speaker_at + limits.SPEAKER_EVENT_SECONDS * 1000:
            self._report_speaker(room, sid, at)
        else:
            room.next_speaker = sid
            self._waiting[room.room.sid] = None

    def _report_speaker(self, room: _Room, sid: str, at: int) -> None:
        room.next_speaker = None
        participant = room.participants.get(sid)
        sid = sid if participant is not None else ""
        if sid != room.speaker:
            room.speaker, room.speaker_at = sid, at
            self._note(room, EventType.SPEAKER_CHANGED, at, participant=participant)

    def _finish(self, room: _Room, entry: Entry, reason: str) -> None:
        duration = max(entry.at - room.started_at, 0)
        more = {"reason": str(reason), "duration": duration, "usage": room.usage}
        self._note(room, EventType.ROOM_FINISHED, entry.at, **more)
        del self._rooms[entry.room]

    def _note_track(self, room: _Room, what: EventType, published: _Published, at: int, **more: Any) -> None:
        participant = room.participants.get(published.owner)
        self._note(room, what, at, participant=participant, track=published.track, **more)

    def _note(self, room: _Room, what: EventType, at: int, **more: Any) -> None:
        room.seq += 1
        self._append(RoomEvent("", what, at, room.room, room.seq, self._node, self.epoch, **more))


def _note_slots(room: _Room, subscribers: Sequence[str], slots: Mapping[str, SlotInfo | None], at: int) -> None:
    for sid in subscribers:
        attended = room.attended.get(sid)
        if attended is not None:
            for mid, content in slots.items():
                if content is None:
                    attended.subscribing.end(mid, at)
                else:
                    attended.subscribing.begin(mid, at)
