"""The audio policy of a room: the microphones that the plane ranks. It is sent whenever it changes."""

from collections.abc import Iterable

from sfu.context import Context
from sfu.model import Kind, Source
from sfu.plane import _native
from sfu.room.tracks import Track


class Sound:
    def __init__(self, context: Context, worker: int, owner: str) -> None:
        self._context = context
        self._worker = worker
        self._owner = owner
        self._loudest = 0
        self._is_stale = False
        """The policy may have to be sent again."""
        self._sent: _native.AudioPolicy | None = None

    def set_loudest(self, loudest: int) -> None:
        """Sets how many microphones are forwarded at a time. 0: all."""
        self._is_stale |= loudest != self._loudest
        self._loudest = loudest

    def touch(self, track: Track) -> None:
        """Marks the policy as stale if the track is audio: it was published, withdrawn, moved or muted."""
        self._is_stale |= track.kind is Kind.AUDIO

    def handle_dominant(self) -> None:
        """Handles a new dominant speaker."""
        self._is_stale |= self._loudest > 0

    def has_work(self) -> bool:
        return self._is_stale

    def flush(self, tracks: Iterable[Track], dominant: Track | None) -> None:
        """Sends the audio policy if it changed. If the plane refuses it, a later turn tries again. `dominant`: the
        track of the dominant speaker, which is always forwarded."""
        try:
            self._send(tracks, dominant)
        except Exception as error:
            self._context.failures.note("sound", error)
        else:
            self._is_stale = False

    def close(self) -> None:
        if self._sent is not None:
            self._context.binding.remove(self._sent.id)
            self._sent = None

    def _send(self, tracks: Iterable[Track], dominant: Track | None) -> None:
        # A muted track is not ranked, because a client that still sends would take a seat. Neither is the audio of a
        # shared screen, which is not speech.
        distance = self._context.config.redundancy
        sounds = [t for t in tracks if t.kind is Kind.AUDIO and t.plane_id is not None]
        ranked = [t for t in sounds if self._loudest and not t.is_muted and t.source is not Source.SCREEN_SHARE_AUDIO]
        redundant = [t for t in sounds if distance and not t.encrypted]
        if self._sent is None and not ranked and not redundant:
            return
        policy = _native.AudioPolicy(
            id=self._id(),
            loudest=self._loudest,
            ranked=_ids(ranked),
            always=_ids([dominant] if dominant in ranked and dominant is not None else []),
            redundancy=distance,
            redundant=_ids(redundant),
        )
        if policy != self._sent:
            self._sent = policy
            self._context.binding.plane.set_audio(policy)

    def _id(self) -> int:
        return self._sent.id if self._sent is not None else self._context.binding.new_id(self._worker, self._owner)


def _ids(tracks: Iterable[Track]) -> list[int]:
    return [track.plane_id for track in tracks if track.plane_id is not None]
