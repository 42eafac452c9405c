"""A reader of facts: the records of decisions, from which `explain` says why a subscription receives its layer."""

from collections.abc import Sequence

from sfu import explain
from sfu.explain import Record
from sfu.facts import (
    Decided,
    DecisionsMade,
    Entry,
    ParticipantJoined,
    ParticipantLeft,
    PublishingChanged,
    TrackPublished,
    TrackUnpublished,
)
from sfu.model import Cause, Step
from sfu.views import Decision


class _Track:
    """The records of one track."""

    __slots__ = ("backup", "owner", "publisher", "subscribers")

    def __init__(self, owner: str) -> None:
        self.owner = owner
        """The publisher's sid."""
        self.publisher = Record()
        self.backup = Record()
        """What the publisher does with the backup."""
        self.subscribers: dict[str, Record] = {}
        """By sid."""


class Records:
    """The records of a room. One goes with its track or its subscriber."""

    def __init__(self) -> None:
        self._members: set[str] = set()
        self._tracks: dict[str, _Track] = {}
        """By sid; also tracks that are only declared, if something was noted about them."""

    def read(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            match entry.fact:
                case DecisionsMade(decisions=decisions):
                    for decided in decisions:
                        self._add(decided)
                case PublishingChanged(owner=owner, track=sid, detail=detail, is_backup=is_backup):
                    track = self._track(sid, owner)
                    record = track.backup if is_backup else track.publisher
                    record.add((entry.at, Step.PUBLISHER, None, Cause.NONE, detail))
                case ParticipantJoined(info=info):
                    self._members.add(info.sid)
                case ParticipantLeft(info=info):
                    self._leave(info.sid)
                case TrackPublished(owner=owner, track=published):
                    self._track(published.sid, owner)
                case TrackUnpublished(track=sid, is_kept=is_kept):
                    self._unpublish(sid, is_kept=is_kept)

    def recent(self, now: int, track: str, subscriber: str, *, shows_backup: bool) -> tuple[Decision, ...]:
        """Returns the decisions of the last minute about a subscription and its track, in order. `now`: ms since the
        epoch. `shows_backup`: the subscriber receives the backup."""
        of = self._tracks.get(track)
        if of is None:
            return ()
        own = of.subscribers.get(subscriber, Record())
        return explain.recent(now, own, of.publisher, *((of.backup,) if shows_backup else ()))

    def _add(self, decided: Decided) -> None:
        at, sid, step, layer, cause, detail, subscribers = decided
        track = self._tracks.get(sid)
        if track is None:
            return
        records, entry = track.subscribers, (at, step, layer, cause, detail)
        for sid in subscribers:
            record = records.get(sid)
            if record is None:
                if sid not in self._members:
                    continue
                record = records[sid] = Record()
            record.add(entry)

    def _track(self, sid: str, owner: str) -> _Track:
        track = self._tracks.get(sid)
        if track is None:
            track = self._tracks[sid] = _Track(owner)
        return track

    def _unpublish(self, sid: str, *, is_kept: bool) -> None:
        track = self._tracks.get(sid)
        if track is None:
            return
        track.subscribers.clear()
        if not is_kept:
            del self._tracks[sid]

    def _leave(self, sid: str) -> None:
        self._members.discard(sid)
        for gone in [track for track, of in self._tracks.items() if of.owner == sid]:
            del self._tracks[gone]
        for of in self._tracks.values():
            of.subscribers.pop(sid, None)
