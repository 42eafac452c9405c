"""Events of a room, as data in the terms of the model. Readers turn them into messages, metrics and logs.

The parts of a room append facts to its `Facts` during a turn of the event loop. At the end of the turn the room
hands the list to every reader. A reader that fails loses its own facts of that turn and no other reader's.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sfu.failures import Failures
from sfu.model import Cause, DisconnectReason, EndReason, Layer, Octets, Step
from sfu.views import AdminCommand, ParticipantInfo, SlotInfo, Speaker, SubscriptionState, TrackInfo, WantedEncoding

# ------------------------------------------------------------------------------------------------- participants


@dataclass(frozen=True, slots=True)
class ParticipantJoined:
    info: ParticipantInfo


@dataclass(frozen=True, slots=True)
class ParticipantChanged:
    """The `ParticipantInfo` changed; its `version` is higher."""

    sid: str


@dataclass(frozen=True, slots=True)
class ParticipantHidden:
    """The participant stays, but the others no longer see it."""

    info: ParticipantInfo


@dataclass(frozen=True, slots=True)
class ParticipantLeft:
    info: ParticipantInfo
    reason: DisconnectReason
    was_hidden: bool
    octets: Octets = field(default_factory=Octets)
    """Of all its transports."""


# -------------------------------------------------------------------------------------------------------- rooms


@dataclass(frozen=True, slots=True)
class RoomStarted:
    """The service lists the room. Within its turn, facts about its first participant may precede it."""

    name: str
    created_at: int
    """Milliseconds since the epoch."""


@dataclass(frozen=True, slots=True)
class RoomFinished:
    """The room was closed. This is its last fact."""

    reason: EndReason


@dataclass(frozen=True, slots=True)
class RoomChanged:
    """The `RoomInfo` changed."""


@dataclass(frozen=True, slots=True)
class DrainStarted:
    """The service removes everybody at `deadline`, in ms since the epoch. A later fact may have an earlier deadline."""

    deadline: int


@dataclass(frozen=True, slots=True)
class CommandDone:
    """A command was carried out that changes something for others. Its other facts precede it, except the end of the
    room."""

    command: AdminCommand


# ------------------------------------------------------------------------------------------------------- tracks


@dataclass(frozen=True, slots=True)
class TrackPublished:
    owner: str
    """The sid of the participant that publishes it."""
    track: TrackInfo


@dataclass(frozen=True, slots=True)
class TrackUnpublished:
    owner: str
    track: str
    reason: str
    is_kept: bool = False
    """True: the declaration stays, because the media transport failed and the owner may offer the track again."""


@dataclass(frozen=True, slots=True)
class TrackMuted:
    """A track was muted or unmuted."""

    owner: str
    track: str
    is_muted: bool
    by_moderator: bool


@dataclass(frozen=True, slots=True)
class EncodingsWanted:
    """Viewers want these encodings of a track, and the publisher may stop the others."""

    owner: str
    track: str
    encodings: tuple[WantedEncoding, ...]
    """The wanted encodings, in the order of the offer."""
    paused: bool
    """True: no encoding is wanted."""


@dataclass(frozen=True, slots=True)
class BackupWanted:
    """A viewer needs the backup codec of a track, or no viewer needs it any more."""

    owner: str
    track: str
    is_wanted: bool


# ------------------------------------------------------------------------------------------------------ viewing


@dataclass(frozen=True, slots=True)
class SlotsChanged:
    """Receive sections of these subscribers show other tracks."""

    subscribers: tuple[str, ...]
    slots: Mapping[str, SlotInfo | None]
    """Contents of the changed sections, by mid. None: the section shows nothing."""


@dataclass(frozen=True, slots=True)
class SectionsMissing:
    """These subscribers want more tracks than they have receive sections for."""

    subscribers: tuple[str, ...]
    audio: int
    video: int


@dataclass(frozen=True, slots=True)
class SubscriptionsChanged:
    """These subscribers receive other layers of some tracks, or none."""

    subscribers: tuple[str, ...]
    """The subscribers whose subscriptions have these states."""
    states: tuple[SubscriptionState, ...]


# ----------------------------------------------------------------------------------------------------- decisions


class Decided(NamedTuple):
    """A decision about the subscriptions of these participants to a track."""

    at: int
    """Milliseconds since the epoch."""
    track: str
    step: Step
    """Who decided."""
    layer: Layer | None
    """The layer that was chosen. None: no layer."""
    cause: Cause
    detail: str
    subscribers: Sequence[str]


@dataclass(frozen=True, slots=True)
class DecisionsMade:
    """The decisions of a turn about subscriptions, in order for each subscription."""

    decisions: tuple[Decided, ...]


@dataclass(frozen=True, slots=True)
class PublishingChanged:
    """What a publisher does with a track, for all subscribers: it mutes it, or ignores keyframe requests."""

    owner: str
    track: str
    """The track, or the one whose backup it is about."""
    detail: str
    is_backup: bool = False


# ----------------------------------------------------------------------------------------------------- speaking


@dataclass(frozen=True, slots=True)
class SpeakersChanged:
    """These participants started or stopped speaking, or speak at another level."""

    speakers: tuple[Speaker, ...]


@dataclass(frozen=True, slots=True)
class DominantSpeakerChanged:
    """The dominant speaker changed. Both fields are empty if the previous one left or was muted."""

    participant: str = ""
    track: str = ""


Fact = (
    ParticipantJoined
    | ParticipantChanged
    | ParticipantHidden
    | ParticipantLeft
    | RoomStarted
    | RoomFinished
    | RoomChanged
    | DrainStarted
    | CommandDone
    | TrackPublished
    | TrackUnpublished
    | TrackMuted
    | EncodingsWanted
    | BackupWanted
    | SlotsChanged
    | SectionsMissing
    | SubscriptionsChanged
    | DecisionsMade
    | PublishingChanged
    | SpeakersChanged
    | DominantSpeakerChanged
)


class Entry(NamedTuple):
    """A fact and its position. `(room, epoch, seq)` identifies it forever."""

    room: str
    """The sid of the room."""
    seq: int
    """Counted per room, from 1 without gaps."""
    at: int
    """Milliseconds since the epoch."""
    fact: Fact
    node: str = ""
    epoch: int = 0


Reader = Callable[[Sequence[Entry]], None]
"""Receives the facts of one turn, oldest first. Must not change the room."""


@dataclass(slots=True)
class Facts:
    """The facts of one room that no reader has received yet."""

    room: str
    """The sid of the room."""
    failures: Failures
    milliseconds: Callable[[], int]
    """Since the epoch."""
    on_first: Callable[[], None]
    """Called with the first fact of a turn, because the room must be flushed."""
    readers: list[Reader] = field(default_factory=list)
    _seq: int = 0
    _pending: list[Entry] = field(default_factory=list)

    def append(self, fact: Fact) -> None:
        self._seq += 1
        self._pending.append(Entry(self.room, self._seq, self.milliseconds(), fact))
        if len(self._pending) == 1:
            self.on_first()

    @property
    def is_pending(self) -> bool:
        return bool(self._pending)

    def flush(self) -> None:
        """Passes the facts of this turn to every reader."""
        entries, self._pending = self._pending, []
        if not entries:
            return
        for reader in self.readers:
            try:
                reader(entries)
            except Exception as error:
                self.failures.note("reader", error, f"room={self.room}")


class Tally:
    """A reader that counts facts by type, for the metrics."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def read(self, entries: Sequence[Entry]) -> None:
        self.counts.update(type(entry.fact).__name__ for entry in entries)
