"""Collects what others did in a large room, so that each client receives one message about it at a time.

The order stays consistent: before a message that names a participant or a track, its receiver gets the message that
introduces it. Receivers are named by the sid of their participant.

A newcomer joins, is answered and is connected within a few round trips. That is one change: it is held back until the
newcomer is connected, but not for longer than `limits.NEWCOMER_SECONDS`.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from sfu import limits
from sfu.model import ParticipantState
from sfu.signalling.messages import DominantSpeaker, Participants, ServerMessage, Speakers
from sfu.signalling.outbox import Outgoing, weigh_participant
from sfu.views import ParticipantInfo, Speaker

CONNECTING = (ParticipantState.JOINING, ParticipantState.JOINED)


class Change(NamedTuple):
    number: int
    """Counted from 1 since the last `clear`."""
    info: ParticipantInfo


class Newcomer(NamedTuple):
    """A participant that has joined and that the others are not told of yet."""

    until: float
    """When they are told of it at the latest."""
    info: ParticipantInfo


class Batch(NamedTuple):
    sids: frozenset[str]
    """Of the participants that it is about."""
    messages: tuple[Outgoing, ...]


class News:
    """Changes of participants that not all receivers have got yet: the latest of each participant."""

    def __init__(self) -> None:
        self._changes: dict[str, Change] = {}
        """By the participant's sid, oldest first."""
        self._count = 0
        self._read: dict[str, int] = {}
        """The number of the last change that a receiver got; 0 for the others."""
        self._introduced: dict[str, int] = {}
        """The number of the change that introduces a participant or a track, by sid."""
        self._known: dict[str, frozenset[str]] = {}
        """Sids of a participant and its tracks that every receiver knows, by the participant's sid."""
        self._batches: dict[int, Batch] = {}
        """What follows the change of a number."""
        self._newcomers: dict[str, Newcomer] = {}
        """By sid, in the order in which they joined."""
        self._newcomer_of: dict[str, str] = {}
        """The newcomer that a message names by a sid: its own, or that of one of its tracks."""

    @property
    def is_empty(self) -> bool:
        return not self._changes

    def add(self, info: ParticipantInfo) -> None:
        """Adds a participant that joined, changed or left. A newcomer remains one while it connects."""
        newcomer = self._forget_newcomer(info.sid)
        if newcomer is not None and info.state in CONNECTING:
            self.hold(info, newcomer.until)
        else:
            self._change(info)

    def hold(self, info: ParticipantInfo, until: float) -> None:
        """Adds a newcomer. It becomes a change when it is connected, is named, or has left, and after `until`."""
        self._newcomers[info.sid] = Newcomer(until, info)
        self._newcomer_of.update(dict.fromkeys(_sids(info), info.sid))

    def release(self, now: float) -> None:
        """Turns the newcomers whose time has passed into changes."""
        for sid in [sid for sid, newcomer in self._newcomers.items() if newcomer.until <= now]:
            self._release(sid)

    def _release(self, sid: str) -> None:
        newcomer = self._forget_newcomer(sid)
        if newcomer is not None:
            self._change(newcomer.info)

    def _forget_newcomer(self, sid: str) -> Newcomer | None:
        newcomer = self._newcomers.pop(sid, None)
        if newcomer is not None:
            for named in _sids(newcomer.info):
                self._newcomer_of.pop(named, None)
        return newcomer

    def _change(self, info: ParticipantInfo) -> None:
        self._count += 1
        before = self._changes.pop(info.sid, None)
        known = _sids(before.info) if before is not None else self._known.get(info.sid, frozenset())
        self._introduced.update(dict.fromkeys(_sids(info) - known, self._count))
        self._changes[info.sid] = Change(self._count, info)
        self._batches.clear()

    def skip(self, receiver: str) -> None:
        """Marks everything as read by a receiver that gets a snapshot."""
        self._read[receiver] = self._count

    def introduced(self, sids: Collection[str]) -> list[str]:
        """Returns which of these participants and tracks some receivers may not know yet. Newcomers among them become
        changes."""
        if self._newcomer_of:
            for sid in {self._newcomer_of[sid] for sid in sids if sid in self._newcomer_of}:
                self._release(sid)
        return [sid for sid in sids if sid in self._introduced]

    def introduces(self, receiver: str, sids: Iterable[str]) -> bool:
        """Returns whether what the receiver has not got introduces one of these participants or tracks."""
        read = self._read.get(receiver, 0)
        return any(self._introduced.get(sid, 0) > read for sid in sids)

    def take(self, receiver: str, *, knows_itself: bool) -> Sequence[Outgoing]:
        """Returns the messages with what the receiver has not got, which receivers share. There are none if only the
        receiver itself changed, and it `knows_itself`."""
        read = self._read.get(receiver, 0)
        self._read[receiver] = self._count
        batch = self._batches.get(read)
        if batch is None:
            batch = _batch(change.info for change in self._changes.values() if change.number > read)
            self._batches[read] = batch
        is_about_itself = len(batch.sids) == 1 and receiver in batch.sids
        return () if knows_itself and is_about_itself else batch.messages

    def clear(self) -> None:
        """Forgets the changes, after every receiver took them."""
        for sid, change in self._changes.items():
            known = _sids(change.info)
            if known:
                self._known[sid] = known
            else:
                self._known.pop(sid, None)
        self._changes.clear()
        self._batches.clear()
        self._read.clear()
        self._introduced.clear()
        self._count = 0

    def forget(self) -> None:
        """Forgets what receivers know, because the room is small and nothing waits in it."""
        self._known.clear()


class SpeechNews:
    """Changes of speakers that wait: the latest of each track, and the latest dominant speaker."""

    def __init__(self) -> None:
        self._speakers: dict[str, Speaker] = {}
        self._dominant: DominantSpeaker | None = None
        self._taken = float("-inf")

    def add(self, change: Speakers | DominantSpeaker) -> None:
        if isinstance(change, DominantSpeaker):
            self._dominant = change
        else:
            self._speakers.update((speaker.track, speaker) for speaker in change.speakers)

    def take(self, now: float, interval: float = limits.SPEECH_SECONDS) -> list[ServerMessage]:
        """Returns what waits, if it was not taken for `interval` seconds."""
        if now - self._taken < interval:
            return []
        due: list[ServerMessage] = []
        if self._speakers:
            due.append(Speakers(tuple(self._speakers.values())))
        if self._dominant is not None:
            due.append(self._dominant)
        if due:
            self._taken = now
            self._speakers, self._dominant = {}, None
        return due


def _sids(info: ParticipantInfo) -> frozenset[str]:
    """Returns the sids that others may name. A participant that left has none."""
    if info.state is ParticipantState.DISCONNECTED:
        return frozenset()
    return frozenset((info.sid, *(track.sid for track in info.tracks)))


def _batch(infos: Iterable[ParticipantInfo]) -> Batch:
    """Participants that left come first. A message ends with the participant that reaches `limits.NEWS_OCTETS`."""
    ordered = sorted(infos, key=lambda info: info.state is not ParticipantState.DISCONNECTED)
    parts: list[list[ParticipantInfo]] = []
    octets = limits.NEWS_OCTETS
    for info in ordered:
        if octets >= limits.NEWS_OCTETS:
            parts.append([])
            octets = 0
        parts[-1].append(info)
        octets += weigh_participant(info)
    shared = (Outgoing.of(Participants(tuple(part)), is_shared=True) for part in parts)
    return Batch(frozenset(info.sid for info in ordered), tuple(shared))
