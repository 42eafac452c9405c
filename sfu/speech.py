"""Who speaks in a room, and who has the floor: levels of the plane in, messages to everybody out."""

from collections.abc import Iterable, Mapping

from sfu.messages import DominantSpeaker, Speaker, Speakers
from sfu.participant import Participant
from sfu.policy import dominance, speakers
from sfu.tracks import Track


class Speech:
    def __init__(self, tracks: Mapping[str, Track], members: Mapping[str, Participant]) -> None:
        self.spoke: dict[str, int] = {}
        """When each publisher was last given the floor, as a rank: higher is later."""
        self._tracks = tracks
        self._members = members
        """Both by sid, and the room's own."""
        self._speakers = speakers.Speakers()
        self._floor = dominance.Dominance()

    @property
    def dominant(self) -> Track | None:
        """Of the dominant speaker; the last one, while nobody speaks."""
        return self._tracks.get(self._floor.dominant) if self._floor.dominant is not None else None

    def record(self, levels: Iterable[tuple[Track, bytes]], now: float) -> bool:
        """What was heard in the last 100 ms. True: the floor has gone to somebody else."""
        heard = [(track.sid, samples) for track, samples in levels]
        self._speakers.record(heard, now)
        self._floor.record(heard, now)
        if not self._floor.decide(now):
            return False
        dominant = self.dominant
        if dominant is not None:
            self.spoke[dominant.owner] = max(self.spoke.values(), default=0) + 1
        self._tell_floor()
        return True

    def handle_timeout(self, now: float) -> None:
        """Tells who started or stopped speaking."""
        if self._speakers.is_quiet():
            return
        changes = [change for change in self._speakers.changes(now) if change.track in self._tracks]
        self._tell_speakers(
            Speaker(self._tracks[change.track].owner, change.track, change.level, change.active) for change in changes
        )

    def quiet(self, track: Track) -> None:
        """It is muted or gone, and does not speak any more."""
        if self._speakers.remove(track.sid) is not None:
            self._tell_speakers([Speaker(track.owner, track.sid, 0.0, False)])
        had_floor = self._floor.dominant == track.sid
        self._floor.remove(track.sid)
        if had_floor:
            self._tell_floor()

    def forget(self, participant: Participant) -> None:
        self.spoke.pop(participant.sid, None)

    def _tell_speakers(self, speaking: Iterable[Speaker]) -> None:
        message = Speakers(tuple(speaking))
        if message.speakers:
            for participant in self._members.values():
                participant.tell(message)

    def _tell_floor(self) -> None:
        dominant = self.dominant
        message = DominantSpeaker(dominant.owner, dominant.sid) if dominant is not None else DominantSpeaker()
        for participant in self._members.values():
            participant.tell(message)
