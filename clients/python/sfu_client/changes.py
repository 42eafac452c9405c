"""What requests change, as dictionaries: omitted keys keep their value."""

from collections.abc import Sequence
from typing import Required, TypedDict

from .models import Quality, Source


class PermissionChanges(TypedDict, total=False):
    can_publish: bool
    can_subscribe: bool
    can_publish_data: bool
    can_publish_sources: list[Source]
    """Empty: all sources."""
    can_update_own_metadata: bool
    hidden: bool


class RoomOptions(TypedDict, total=False):
    """Options of a room. None is as if omitted."""

    max_participants: int | None
    """0: no limit."""
    empty_timeout: float | None
    """Seconds until it is deleted if nobody joins."""
    departure_timeout: float | None
    """Seconds until it is deleted once the last participant left."""
    metadata: str | None
    locked: bool | None
    """No new participant may join."""
    last_n: int | None
    """The most video tracks that a participant is shown. 0: all."""
    on_stage: Sequence[str] | None
    """Identities whose video is shown first, in this order."""
    loudest: int | None
    """The most microphones that are forwarded at a time. 0: all."""


class TrackWish(TypedDict, total=False):
    """How a participant receives one track."""

    track: Required[str]
    quality: Quality
    """The best encoding to send, or `off` to pause the track."""
    width: int
    """Pixels of the box that the picture is fitted into. 0: any."""
    height: int
    fps: float
    """Frames per second that are enough. 0: any."""
    priority: int
    """1 to 255; higher is served first. 0: 255 for a shared screen, 1 for other sources."""
    visible: bool
    """False: video is not sent; audio is."""
