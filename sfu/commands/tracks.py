"""Commands about one published track of a room."""

from dataclasses import dataclass

from sfu.commands.base import R
from sfu.commands.rooms import OfRoom
from sfu.views import TrackDetails


@dataclass(frozen=True, slots=True)
class OfTrack(OfRoom[R]):
    """A command about one track, by its sid. NotFound: there is no such room, or the track is not published."""

    track: str


@dataclass(frozen=True, slots=True)
class ShowTrack(OfTrack[TrackDetails]):
    pass


@dataclass(frozen=True, slots=True)
class RemoveTrack(OfTrack[None]):
    """Ends the publication of a track. Its publisher is informed, and may publish it again."""


@dataclass(frozen=True, slots=True)
class RequestKeyframe(OfTrack[None]):
    """Asks the publisher for a keyframe of each encoding that is shown. Conflict: audio has no keyframes."""
