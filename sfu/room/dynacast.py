"""Decides what publishers are asked to send: the encodings that subscribers want, and the backups that they need.

Demand is what subscribers request, not what their networks carry: if a slow network stopped an encoding, it would be
missing when the network recovers. Mutes do not count either: the picture would be late after the mute ends.
"""

from collections.abc import Callable

from sfu.facts import BackupWanted, EncodingsWanted, Facts
from sfu.failures import Failures
from sfu.model import Kind
from sfu.policy.dynacast import Dynacast, EncodingRequest, Hold, certain
from sfu.room.members import Members
from sfu.room.tracks import Track
from sfu.views import WantedEncoding

FEATURE = "wanted"
"""The feature of clients that can stop and start encodings. Other clients would ignore the request."""

BACKUP_LINGERS = 5.0
"""Seconds for which a backup is still sent after nobody needs it."""


class EncodingRequests:
    """The requests to the publishers of one room."""

    def __init__(self, members: Members, facts: Facts, now: Callable[[], float], failures: Failures) -> None:
        self._members = members
        self._facts = facts
        self._now = now
        self._failures = failures
        self._tracks: dict[str, Track] = {}
        """Published video tracks by sid, including backups."""
        self._wants: dict[str, Dynacast] = {}
        """The demand for tracks whose publishers can stop encodings, by sid."""
        self._needs: dict[str, Hold] = {}
        """The demand for declared backups, by the sid of the primary."""
        self._unreported: dict[str, None] = {}
        """Sids of tracks whose publishers must receive the requests again."""
        self._is_stale = False
        """The demand may have changed since the last `flush`."""
        self._due: float | None = None

    def publish(self, track: Track) -> None:
        """Adds a published track. Its publisher sends all encodings at first."""
        if track.kind is not Kind.VIDEO:
            return
        now = self._now()
        owner = self._members.get(track.owner)
        self._tracks[track.sid] = track
        track.requested = None
        if owner is not None and FEATURE in owner.client.features:
            self._wants[track.sid] = Dynacast(len(track.simulcast.offered), now)
        if track.backup is not None:
            track.backup.is_needed = False
            self._needs[track.sid] = Hold(BACKUP_LINGERS, now, is_on=False)
        self._is_stale = True

    def withdraw(self, track: Track) -> None:
        for known in (self._tracks, self._wants, self._needs, self._unreported):
            known.pop(track.sid, None)

    def touch(self) -> None:
        """Marks the demand as changed, because a slot or a request changed."""
        self._is_stale = True

    def request_again(self, track: Track) -> None:
        """Repeats the requests for a track, because its publisher may have lost them or restarted."""
        if track.sid in self._tracks:
            self._unreported[track.sid] = None
            self._is_stale = True

    def handle_timeout(self) -> None:
        """Marks delayed changes that are due. `flush` sends them at the end of the turn."""
        if self._due is not None and self._due <= self._now():
            self._is_stale = True

    def has_work(self) -> bool:
        return self._is_stale

    def flush(self) -> None:
        if not self._is_stale:
            return
        self._is_stale = False
        now, unreported = self._now(), self._unreported
        self._unreported = {}
        for track in self._tracks.values():
            if track.owner not in self._members:
                continue
            try:
                self._ask_for_encodings(track, now, again=track.sid in unreported)
                self._ask_for_backup(track, now, again=track.sid in unreported)
            except Exception as error:
                self._failures.note("publisher", error, f"sid={track.owner}")
                self._unreported[track.sid] = None
                self._is_stale = True
        due = [*(wants.due() for wants in self._wants.values()), *(need.off_at() for need in self._needs.values())]
        self._due = min((at for at in due if at is not None), default=None)

    def _ask_for_encodings(self, track: Track, now: float, *, again: bool) -> None:
        wants = self._wants.get(track.sid)
        if wants is None:
            return
        if wants.encodings != len(track.simulcast.offered):  # Another offer changed the encodings.
            wants, track.requested = Dynacast(len(track.simulcast.offered), now), None
            self._wants[track.sid] = wants
        wanted = track.wanted()
        wants.update(wanted.spatial if wanted is not None else None, now)
        request = certain(wants.request, track.simulcast.known())
        is_whole = track.requested is None and all(request.encodings)
        if again or not (is_whole or track.requested == request):
            track.requested = request
            self._facts.append(_wanted(track, request))

    def _ask_for_backup(self, track: Track, now: float, *, again: bool) -> None:
        need, backup = self._needs.get(track.sid), track.backup
        if need is None or backup is None:
            return
        need.update(self._is_needed(track), now)
        if again or backup.is_needed != need.is_on:
            backup.is_needed = need.is_on
            self._facts.append(BackupWanted(track.owner, track.sid, need.is_on))

    def _is_needed(self, track: Track) -> bool:
        """Returns whether a slot that shows the track can decode only its backup."""
        viewers = (self._members.get(sid) for sid in track.viewers)
        slots = (viewer.viewing.showing(track) for viewer in viewers if viewer is not None)
        return any(slot is not None and slot.needs_backup(track) for slot in slots)


def _wanted(track: Track, request: EncodingRequest) -> EncodingsWanted:
    # In the order of the offer, because encodings without a RID are identified by their place.
    offered = enumerate(track.simulcast.offered)
    encodings = (WantedEncoding(rid, request.encodings[track.simulcast.rank(place)]) for place, rid in offered)
    return EncodingsWanted(track.owner, track.sid, tuple(encodings), request.paused)
