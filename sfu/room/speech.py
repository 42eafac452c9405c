"""The active speakers and the dominant speaker of a room: turns audio levels of the plane into facts."""

from collections.abc import Iterable, Mapping

from sfu.facts import DominantSpeakerChanged, Facts, SpeakersChanged
from sfu.policy import dominance, speakers
from sfu.room.participant import Participant
from sfu.room.tracks import Track
from sfu.views import Speaker


class Speech:
    def __init__(self, tracks: Mapping[str, Track], facts: Facts) -> None:
        self.spoke: dict[str, int] = {}
        """When each publisher was last the dominant speaker, as a rank: higher is later."""
        self._tracks = tracks
        """Published tracks by sid. The room owns this mapping."""
        self._facts = facts
        self._speakers = speakers.Speakers()
        self._dominance = dominance.Dominance()

    @property
    def dominant(self) -> Track | None:
        """The track of the dominant speaker. During silence, that of the last one."""
        return self._tracks.get(self._dominance.dominant) if self._dominance.dominant is not None else None

    def record(self, levels: Iterable[tuple[Track, bytes]], now: float) -> bool:
        """Records the levels of the last 100 ms. True: the dominant speaker changed."""
        heard = [(track.sid, samples) for track, samples in levels]
        self._speakers.record(heard, now)
        self._dominance.record(heard, now)
        if not self._dominance.decide(now):
            return False
        dominant = self.dominant
        if dominant is not None:
            self.spoke[dominant.owner] = max(self.spoke.values(), default=0) + 1
        self._note_dominant()
        return True

    def handle_timeout(self, now: float) -> None:
        """Appends a fact for participants who started or stopped speaking."""
        if self._speakers.is_quiet():
            return
        changes = [change for change in self._speakers.changes(now) if change.track in self._tracks]
        self._note_speakers(
            Speaker(self._tracks[change.track].owner, change.track, change.level, change.active) for change in changes
        )

    def quiet(self, track: Track) -> None:
        """Ends the speech of a track that is muted, hidden or unpublished."""
        if self._speakers.remove(track.sid) is not None:
            self._note_speakers([Speaker(track.owner, track.sid, 0.0, False)])
        was_dominant = self._dominance.dominant == track.sid
        self._dominance.remove(track.sid)
        if was_dominant:
            self._note_dominant()

    def forget(self, participant: Participant) -> None:
        self.spoke.pop(participant.sid, None)

    def _note_speakers(self, speaking: Iterable[Speaker]) -> None:
        speakers = tuple(speaking)
        if speakers:
            self._facts.append(SpeakersChanged(speakers))

    def _note_dominant(self) -> None:
        of = self.dominant
        self._facts.append(DominantSpeakerChanged(of.owner, of.sid) if of is not None else DominantSpeakerChanged())
