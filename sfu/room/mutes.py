"""The mutes of published tracks. The plane stops the media of a muted track for all subscribers at once."""

from sfu import explain
from sfu.context import Context
from sfu.facts import Facts, PublishingChanged
from sfu.room.members import Members
from sfu.room.tracks import Track
from sfu.room.turn import Turn


class Mutes:
    def __init__(self, context: Context, members: Members, facts: Facts, turn: Turn) -> None:
        self._context = context
        self._members = members
        self._facts = facts
        self._turn = turn
        self._changed: dict[str, Track] = {}
        """Tracks that were muted or unmuted since the last `flush`, by sid."""

    def add(self, track: Track) -> None:
        """Handles a track that was added to the plane, where no track is muted at first."""
        track.is_stopped = False
        if track.is_muted:
            self._changed[track.sid] = track

    def change(self, track: Track) -> None:
        """Handles a track that was muted or unmuted."""
        by = "a moderator" if track.silenced else track.identity if track.muted else ""
        self._facts.append(PublishingChanged(track.owner, track.sid, explain.muted(by)))
        self._changed[track.sid] = track

    def withdraw(self, track: Track) -> None:
        self._changed.pop(track.sid, None)

    def has_work(self) -> bool:
        return bool(self._changed)

    def flush(self) -> None:
        """Sends the mutes to the plane. One that fails is sent again in a later turn."""
        changed, self._changed = self._changed, {}
        for track in changed.values():
            try:
                self._send(track)
            except Exception as error:
                self._context.failures.note("mute", error, f"sid={track.owner}")
                self._changed[track.sid] = track

    def _send(self, track: Track) -> None:
        switched = track.is_stopped != track.is_muted
        if switched and track.plane_id is not None:
            self._context.binding.plane.set_muted(track.plane_id, track.is_muted)
        track.is_stopped = track.is_muted
        if track.backup is not None:
            self._send(track.backup)
        for sid in track.viewers:
            viewer = self._members.get(sid)
            if viewer is not None:
                viewer.current.handle_mute(track, switched=switched)
                self._turn.report(sid)
                if viewer.bandwidth.is_estimated:
                    # A muted track needs no bandwidth.
                    self._turn.decide(viewer, track.primary or track)
