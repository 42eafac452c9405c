"""What publishers are asked to send: encodings that somebody wants, and backups that somebody needs. Tells the changes.

What is wanted is what viewers ask for, not what their networks carry: an encoding that stops when a network is slow
would not be there to go back to. A mute counts for nothing either: it would make the picture late when it ends.
"""

from collections.abc import Callable, Mapping

from sfu import messages
from sfu.model import Kind
from sfu.participant import Participant
from sfu.policy.dynacast import Dynacast, Hold
from sfu.subscriptions import Slot
from sfu.tracks import Track

FEATURE = "wanted"
"""Of clients that stop and start encodings. What others are told would change nothing."""

BACKUP_LINGERS = 5.0
"""Seconds for which a backup is sent after nobody needs it any more."""


class Publishers:
    """Of one room."""

    def __init__(self, members: Mapping[str, Participant], now: Callable[[], float]) -> None:
        self._members = members
        """By sid; the room's own map."""
        self._now = now
        self._tracks: dict[str, Track] = {}
        """Video in the stage, by sid, backups too."""
        self._wants: dict[str, Dynacast] = {}
        """Of those whose publishers can stop encodings."""
        self._needs: dict[str, Hold] = {}
        """Of the backups that are offered, by the sid of the primary."""
        self._untold: dict[str, None] = {}
        """Sids of tracks whose publishers are told again how things are."""
        self._is_stale = False
        """Somebody may be shown something else than when it was last looked at."""
        self._due: float | None = None

    def publish(self, track: Track) -> None:
        """Its publisher sends all of it, as every publisher begins."""
        if track.kind is not Kind.VIDEO:
            return
        now = self._now()
        owner = self._members.get(track.owner)
        self._tracks[track.sid] = track
        track.asked = None
        if owner is not None and FEATURE in owner.client.features:
            self._wants[track.sid] = Dynacast(len(track.rids), now)
        if track.backup is not None:
            track.backup.is_needed = False
            self._needs[track.sid] = Hold(BACKUP_LINGERS, now, is_on=False)
        self._is_stale = True

    def withdraw(self, track: Track) -> None:
        for known in (self._tracks, self._wants, self._needs, self._untold):
            known.pop(track.sid, None)

    def touch(self) -> None:
        """Somebody is shown something else, or wants to see it otherwise."""
        self._is_stale = True

    def retell(self, track: Track) -> None:
        """Its publisher may have lost what it was told, or begun anew to send."""
        if track.sid in self._tracks:
            self._untold[track.sid] = None
            self._is_stale = True

    def handle_timeout(self) -> None:
        """What is due is told at the end of the turn."""
        if self._due is not None and self._due <= self._now():
            self._is_stale = True

    def has_work(self) -> bool:
        return self._is_stale

    def flush(self) -> None:
        if not self._is_stale:
            return
        self._is_stale = False
        now, untold = self._now(), self._untold
        self._untold = {}
        for track in self._tracks.values():
            self._flush(track, now, retell=track.sid in untold)
        due = [*(wants.due() for wants in self._wants.values()), *(need.off_at() for need in self._needs.values())]
        self._due = min((at for at in due if at is not None), default=None)

    def _flush(self, track: Track, now: float, *, retell: bool) -> None:
        owner = self._members.get(track.owner)
        wants, need = self._wants.get(track.sid), self._needs.get(track.sid)
        if owner is None or (wants is None and need is None):
            return
        slots = self._slots(track.primary or track)
        if wants is not None:
            if wants.encodings != len(track.rids):  # Another offer gave it others.
                wants, track.asked = Dynacast(len(track.rids), now), None
                self._wants[track.sid] = wants
            wants.update(_highest(track, slots), now)
            whole = track.asked is None and all(wants.wish.encodings)
            if retell or not (whole or track.asked == wants.wish):
                track.asked = wants.wish
                owner.tell(_wanted(track))
        if need is not None and track.backup is not None:
            need.update(any(slot.needs_backup(track) for slot, _ in slots), now)
            if retell or track.backup.is_needed != need.is_on:
                track.backup.is_needed = need.is_on
                owner.tell(messages.Backup(track.sid, need.is_on))

    def _slots(self, track: Track) -> list[tuple[Slot, Participant]]:
        """Where it is shown, by itself or by its backup, and to whom."""
        viewers = [viewer for sid in track.viewers if (viewer := self._members.get(sid)) is not None]
        return [(slot, viewer) for viewer in viewers if (slot := viewer.viewing.showing(track)) is not None]


def _highest(track: Track, slots: list[tuple[Slot, Participant]]) -> int | None:
    """The best encoding of it that is shown to somebody, if networks allow."""
    highest, best = None, len(track.rids) - 1
    for slot, viewer in slots:
        if slot.shown is not track or not slot.can_decode(track):
            continue
        rungs = track.rungs(viewer.viewing.quality(track.primary or track))
        if rungs:
            highest = max(highest or 0, min(rungs[0].spatial, best))
            if highest == best:
                break
    return highest


def _wanted(track: Track) -> messages.Wanted:
    assert track.asked is not None, "it is told what was just asked"
    encodings = tuple(
        messages.WantedEncoding(rid, wanted) for rid, wanted in zip(track.rids, track.asked.encodings, strict=True)
    )
    return messages.Wanted(track.sid, encodings, track.asked.paused)
