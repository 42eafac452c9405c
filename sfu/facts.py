"""What happened in a room, as data in the words of the model. Readers make messages, metrics and logs of it.

The parts of a room append facts to its `Facts` while a turn of the event loop goes on. At the end of the turn the room
hands the list to every reader. A reader that fails loses its own facts of that turn and no other reader's.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sfu.failures import Failures
from sfu.model import Cause, DisconnectReason, Layer, ParticipantKind, Step
from sfu.views import ParticipantInfo, SlotInfo, Speaker, SubscriptionState, TrackInfo, WantedEncoding

# ------------------------------------------------------------------------------------------------- participants


@dataclass(frozen=True, slots=True)
class ParticipantJoined:
    sid: str
    identity: str
    kind: ParticipantKind


@dataclass(frozen=True, slots=True)
class ParticipantChanged:
    """Its `ParticipantInfo` is another one, with a higher `version`."""

    sid: str


@dataclass(frozen=True, slots=True)
class ParticipantHidden:
    """It stays, and the others no longer see it."""

    info: ParticipantInfo


@dataclass(frozen=True, slots=True)
class ParticipantLeft:
    info: ParticipantInfo
    reason: DisconnectReason
    was_hidden: bool


# -------------------------------------------------------------------------------------------------------- rooms


@dataclass(frozen=True, slots=True)
class RoomChanged:
    """Its `RoomInfo` is another one."""


@dataclass(frozen=True, slots=True)
class DrainStarted:
    """The service lets everybody go at `deadline`, or at an earlier one than before; ms since the epoch."""

    deadline: int


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
    """Its declaration stays: the owner may offer it again, after its media transport has failed."""


@dataclass(frozen=True, slots=True)
class TrackMuted:
    """Muted, or unmuted."""

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
    """In the order of the offer."""
    paused: bool
    """None is wanted."""


@dataclass(frozen=True, slots=True)
class BackupWanted:
    """A viewer needs the backup codec of a track, or no viewer needs it any more."""

    owner: str
    track: str
    is_wanted: bool


# ------------------------------------------------------------------------------------------------------ viewing


@dataclass(frozen=True, slots=True)
class SlotsChanged:
    """Receive sections of these subscribers show other tracks from now on."""

    subscribers: tuple[str, ...]
    slots: Mapping[str, SlotInfo | None]
    """By mid; None: the section shows nothing."""


@dataclass(frozen=True, slots=True)
class SectionsMissing:
    """These subscribers want more tracks than they have receive sections for."""

    subscribers: tuple[str, ...]
    audio: int
    video: int


@dataclass(frozen=True, slots=True)
class SubscriptionChanged:
    """Another layer of a track reaches these subscribers, or none does."""

    subscribers: tuple[str, ...]
    """Those whose subscription has this state now."""
    state: SubscriptionState


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
    """What was decided in a turn about subscriptions; about each of them in order."""

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
    """Both empty: the dominant speaker left or was muted, and nobody has followed."""

    participant: str = ""
    track: str = ""


Fact = (
    ParticipantJoined
    | ParticipantChanged
    | ParticipantHidden
    | ParticipantLeft
    | RoomChanged
    | DrainStarted
    | TrackPublished
    | TrackUnpublished
    | TrackMuted
    | EncodingsWanted
    | BackupWanted
    | SlotsChanged
    | SectionsMissing
    | SubscriptionChanged
    | DecisionsMade
    | PublishingChanged
    | SpeakersChanged
    | DominantSpeakerChanged
)


class Entry(NamedTuple):
    """A fact and where it stands. `(room, epoch, seq)` names it for good."""

    room: str
    """The sid of the room."""
    seq: int
    """By room, from 1 without gaps."""
    at: int
    """Milliseconds since the epoch."""
    fact: Fact
    node: str = ""
    epoch: int = 0


Reader = Callable[[Sequence[Entry]], None]
"""Gets the facts of one turn, oldest first, and must not change the room."""


@dataclass(slots=True)
class Facts:
    """The facts of one room that no reader has got yet."""

    room: str
    """The sid of the room."""
    failures: Failures
    milliseconds: Callable[[], int]
    """Since the epoch."""
    on_first: Callable[[], None]
    """Called with the first fact of a turn: the room has to be flushed."""
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
        """Hands the facts of this turn to every reader."""
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
