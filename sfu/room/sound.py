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
        self._sent: _native.AudioPolicy | None = None

    def update(self, tracks: Iterable[Track], dominant: Track | None, loudest: int) -> None:
        """Sends the audio policy of the room if it changed. `dominant`: the track of the dominant speaker, which is
        always forwarded. `loudest`: how many microphones are forwarded at a time (0: all).

        A muted track is not ranked, because a client that still sends would take a seat. Neither is the audio of a
        shared screen, which is not speech.
        """
        distance = self._context.config.redundancy
        sounds = [t for t in tracks if t.kind is Kind.AUDIO and t.plane_id is not None]
        ranked = [t for t in sounds if loudest and not t.is_muted and t.source is not Source.SCREEN_SHARE_AUDIO]
        redundant = [t for t in sounds if distance and not t.encrypted]
        if self._sent is None and not ranked and not redundant:
            return
        policy = _native.AudioPolicy(
            id=self._id(),
            loudest=loudest,
            ranked=_ids(ranked),
            always=_ids([dominant] if dominant in ranked and dominant is not None else []),
            redundancy=distance,
            redundant=_ids(redundant),
        )
        if policy != self._sent:
            self._sent = policy
            self._context.binding.plane.set_audio(policy)

    def close(self) -> None:
        if self._sent is not None:
            self._context.binding.remove(self._sent.id)
            self._sent = None

    def _id(self) -> int:
        return self._sent.id if self._sent is not None else self._context.binding.new_id(self._worker, self._owner)


def _ids(tracks: Iterable[Track]) -> list[int]:
    return [track.plane_id for track in tracks if track.plane_id is not None]
