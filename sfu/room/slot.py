"""A receive section of one participant: the track it shows, the layer that is sent, and the codecs it can decode."""

from dataclasses import dataclass

from sfu.model import Cause, Kind, Layer, SubscriptionState
from sfu.policy import allocation
from sfu.room.tracks import MIME, Track


@dataclass(eq=False, slots=True)
class Slot:
    """A receive section and what it shows."""

    id: int
    mid: str
    kind: Kind
    track: Track | None = None
    codecs: frozenset[str] = frozenset()
    """The codecs that the client decodes in it."""
    shown: Track | None = None
    """The track whose media is sent: the shown track, or its backup."""
    source: int | None = None
    """The plane's id of `shown`, as last commanded."""
    target: allocation.Target | None = None
    """The last decision for this source."""
    commanded: tuple[Layer, ...] | None = None
    """The ladder that the plane has. None: it has none for this source."""
    layer: Layer | None = None
    """The layer that is sent."""
    lacks: Cause = Cause.NONE
    """Why the plane sends less than the best of the target."""
    since: int = 0
    """When `layer` last changed, in ms since the epoch."""
    refused: str = ""
    unreadable: int | None = None
    """The plane's id of a track that it refused to show here: the client has its codec in another profile."""
    told: SubscriptionState | None = None

    def can_decode(self, track: Track) -> bool:
        """Whether the client can decode the track, as far as known: the first packet tells the codec."""
        if track.is_flowing and track.plane_id == self.unreadable:
            return False
        # RED is taken apart for those who have opus alone.
        return not track.codec or track.codec in self.codecs or (track.codec == "red" and "opus" in self.codecs)

    def can_show(self, track: Track) -> bool:
        """Returns whether it can show the track, or the backup that its publisher would be asked for."""
        return self.can_decode(track) or self.needs_backup(track)

    def choose(self, track: Track) -> Track:
        """Returns the track, or its backup if only that can be decoded and is available."""
        backup = track.backup
        return backup if backup is not None and backup.is_flowing and self.needs_backup(track) else track

    @property
    def is_current(self) -> bool:
        """Whether the plane has its present source."""
        track = self.track
        if track is None:
            return self.source is None
        return self.source == (track if track.backup is None else self.choose(track)).plane_id

    @property
    def is_waiting_for_backup(self) -> bool:
        """Whether the publisher was asked for the codec that can be decoded here."""
        track = self.track
        return track is not None and track.backup is not None and self.shown is track and self.needs_backup(track)

    @property
    def refusal(self) -> str:
        """What the client cannot do, for example `cannot decode H265`. Empty: it can show its track, or has none."""
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
    """Of its codec, for people."""
    return MIME[track.codec].split("/")[1] if track.codec else "what is published"
