"""A receive section of one participant: the track it shows, the layer that is sent, and the codecs it can decode."""

from collections.abc import Callable
from dataclasses import dataclass

from sfu.explain import Share
from sfu.model import Cause, Kind, Layer
from sfu.policy import ladders
from sfu.room.tracks import MIME, Track
from sfu.views import SubscriptionState


@dataclass(eq=False, slots=True)
class Slot:
    """A receive section and the track that it shows."""

    id: int
    mid: str
    kind: Kind
    track: Track | None = None
    codecs: frozenset[str] = frozenset()
    """The codecs that the client can decode in this section."""
    shown: Track | None = None
    """The track whose media is sent: the shown track, or its backup."""
    source: int | None = None
    """The plane's id of `shown`, as last commanded."""
    target: ladders.Target | None = None
    """The last decision for this source."""
    given: Layer | None = None
    """The layer that the subscriber's bandwidth allows. None: none, or nothing is estimated."""
    commanded: tuple[Layer, ...] | None = None
    """The ladder last sent to the plane, which keeps it when the source changes. None: none was sent, or it failed."""
    layer: Layer | None = None
    """The layer that is sent."""
    share: Callable[[], Share | None] | None = None
    """What `given` is of the subscriber's bandwidth. None: nothing was allocated for this source."""
    lacks: Cause = Cause.NONE
    """Why the plane sends less than the best layer of the target."""
    since: int = 0
    """When `layer` last changed, in ms since the epoch."""
    refused: str = ""
    unreadable: int | None = None
    """The plane's id of a track that it refused to send here, because the client negotiated another profile of the
    codec."""
    reported: SubscriptionState | None = None

    def can_decode(self, track: Track) -> bool:
        """Returns whether the client can decode the track. True while the codec is unknown, until the first packet
        arrives."""
        if track.is_flowing and track.plane_id == self.unreadable:
            return False
        # The plane unpacks RED for clients that support only opus.
        return not track.codec or track.codec in self.codecs or (track.codec == "red" and "opus" in self.codecs)

    def can_show(self, track: Track) -> bool:
        """Returns whether the slot can show the track or its declared backup."""
        return self.can_decode(track) or self.needs_backup(track)

    def choose(self, track: Track) -> Track:
        """Returns the track, or its backup if only that can be decoded and is available."""
        backup = track.backup
        return backup if backup is not None and backup.is_flowing and self.needs_backup(track) else track

    @property
    def is_current(self) -> bool:
        """Returns whether the plane has the present source."""
        track = self.track
        if track is None:
            return self.source is None
        return self.source == (track if track.backup is None else self.choose(track)).plane_id

    @property
    def is_waiting_for_backup(self) -> bool:
        """Returns whether the slot needs the backup, and the backup is not sent yet."""
        track = self.track
        return track is not None and track.backup is not None and self.shown is track and self.needs_backup(track)

    @property
    def refusal(self) -> str:
        """Why the client cannot show its track, for example `cannot decode H265`. Empty: it can, or the slot has no
        track."""
        track = self.track
        if track is None or (not self.refused and self.can_decode(self.shown or track)):
            return ""
        profile = " of this profile" if track.codec in self.codecs else ""
        reason = f"cannot decode {_name(track)}{profile}"
        if self.is_waiting_for_backup and track.backup is not None:
            reason += f": the publisher was asked for {_name(track.backup)} too"
        return reason

    def needs_backup(self, track: Track) -> bool:
        return track.backup is not None and not self.can_decode(track) and self.can_decode(track.backup)


def _name(track: Track) -> str:
    """Returns a readable name of the track's codec."""
    return MIME[track.codec].split("/")[1] if track.codec else "what is published"
