"""The tracks that one participant wants and how it wants to receive them, requested by itself or by a backend."""

from collections.abc import Iterable, Set
from dataclasses import replace
from typing import Unpack

from sfu import limits
from sfu.errors import InvalidRequest
from sfu.model import Kind, Wish, WishChanges
from sfu.room.tracks import Track

ANY = Wish()


class Wishes:
    def __init__(self, auto: bool, only: str | None) -> None:
        self.only = only
        """The only identity whose tracks are shown. None: all."""
        self.auto = auto
        """True if all tracks are wanted by default, except those that it unsubscribed from."""
        self._on: dict[str, bool] = {}
        self._how: dict[str, Wish] = {}
        self.unseen: set[str] = set()
        """Sids of tracks that are not visible."""

    @property
    def is_plain(self) -> bool:
        """Returns whether all participants with the same `auto` and without individual wishes want the same tracks."""
        return self.only is None and not self._on and not self.unseen

    def wants(self, track: Track) -> bool:
        if self.only is not None and track.identity != self.only:
            return False
        return self._on.get(track.sid, self.auto)

    def among(self, tracks: Iterable[Track]) -> list[Track]:
        """Returns the tracks that it wants."""
        if self.only is not None:
            return [track for track in tracks if self.wants(track)]
        on, auto = self._on, self.auto
        return [track for track in tracks if on.get(track.sid, auto)]

    def subscribe(self, track: Track, on: bool) -> None:
        self._on[track.sid] = on

    def of(self, track: Track) -> Wish:
        """Returns how the participant wants to receive the track."""
        return self._how.get(track.sid, ANY)

    def are_default(self, tracks: Set[str]) -> bool:
        """Returns whether it has no wish for how to receive any of these tracks, by sid."""
        return self._how.keys().isdisjoint(tracks)

    def set(self, track: Track, wish: Wish) -> None:
        self._how[track.sid] = wish
        if wish.visible or track.kind is Kind.AUDIO:
            self.unseen.discard(track.sid)
        else:
            self.unseen.add(track.sid)

    def forget(self, track: Track) -> None:
        """Removes a track that is no longer published."""
        self._on.pop(track.sid, None)
        self._how.pop(track.sid, None)
        self.unseen.discard(track.sid)


def changed(wish: Wish, **changes: Unpack[WishChanges]) -> Wish:
    """Returns the wish after a change. Raises InvalidRequest for a number out of range."""
    given = {name: value for name, value in changes.items() if value is not None}
    after = replace(wish, **given)  # type: ignore[arg-type]  # the names are those of WishChanges
    for name, pixels in (("width", after.width), ("height", after.height)):
        if not 0 <= pixels <= limits.PIXELS:
            raise InvalidRequest(f"a {name} is 0 (any) to {limits.PIXELS} pixels, not {pixels}")
    if not 0 <= after.fps <= limits.FPS:
        raise InvalidRequest(f"a frame rate is 0 (any) to {limits.FPS:g}, not {after.fps}")
    if not 0 <= after.priority <= limits.PRIORITY:
        most = limits.PRIORITY
        raise InvalidRequest(f"a priority is 1 to {most}, or 0 for the default of its source, not {after.priority}")
    return after
