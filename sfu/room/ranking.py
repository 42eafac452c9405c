"""Ranks the tracks of a room and selects those of each subscriber. Subscribers with equal wishes share one
selection."""

from collections.abc import Mapping

from sfu.policy import slots
from sfu.room.members import Members
from sfu.room.participant import Participant
from sfu.room.tracks import Track
from sfu.room.wishes import Wishes


class Ranking:
    def __init__(self, members: Members, tracks: Mapping[str, Track], spoke: Mapping[str, int]) -> None:
        self._members = members
        self._tracks = tracks
        """Published tracks by sid. The room owns this mapping."""
        self._spoke = spoke
        """When each publisher was last the dominant speaker, as a rank: higher is later."""
        self._last_n = 0
        self._on_stage: tuple[str, ...] = ()
        self._joined: list[Track] | None = None
        self._ranked: list[Track] | None = None
        self._wanted: dict[bool, slots.Ranked] = {}
        """The tracks that subscribers without individual wishes want, by `auto`."""
        self._shared: dict[tuple[bool, tuple[int, int]], slots.Selection] = {}
        """Selections of subscribers who publish nothing and have no individual wishes, by `auto` and numbers of
        sections."""

    def set_policy(self, last_n: int, on_stage: tuple[str, ...]) -> bool:
        """Sets which participants a large room shows, see `RoomOptions`. Returns whether this changed."""
        changed = (last_n, on_stage) != (self._last_n, self._on_stage)
        self._last_n, self._on_stage = last_n, on_stage
        if changed:
            self.reorder()
        return changed

    def reorder(self) -> None:
        """Clears the caches, because tracks, their priority or their visibility changed."""
        self._joined = self._ranked = None
        self._wanted.clear()
        self._shared.clear()

    def by_join(self) -> list[Track]:
        """Returns all tracks in the order their publishers joined."""
        if self._joined is None:
            self._joined = sorted(self._tracks.values(), key=lambda track: track.order)
        return self._joined

    def is_hidden(self, track: Track) -> bool:
        owner = self._members.get(track.owner)
        return owner is None or owner.is_hidden

    def selection(self, subscriber: Participant) -> slots.Selection:
        """Returns the tracks to show to a subscriber."""
        if not subscriber.permissions.can_subscribe:
            return slots.NOTHING
        viewing = subscriber.viewing
        wishes, own, sections = viewing.wishes, subscriber.tracks, viewing.sections
        if not wishes.is_plain:
            wanted = slots.ranked([track.claim for track in wishes.among(self._by_rank())], wishes.unseen)
            return slots.select(wanted, self._last_n, sections, own=own, unseen=wishes.unseen)
        if own:
            return slots.select(self._plain(wishes), self._last_n, sections, own=own)
        key = (wishes.auto, sections)
        shared = self._shared.get(key)
        if shared is None:
            shared = self._shared[key] = slots.select(self._plain(wishes), self._last_n, sections)
        return shared

    def _plain(self, wishes: Wishes) -> slots.Ranked:
        """Returns what all subscribers without individual wishes want that have the same `auto`."""
        wanted = self._wanted.get(wishes.auto)
        if wanted is None:
            wanted = slots.ranked([track.claim for track in wishes.among(self._by_rank())])
            self._wanted[wishes.auto] = wanted
        return wanted

    def _by_rank(self) -> list[Track]:
        """Returns the visible tracks, highest priority first."""
        if self._ranked is None:
            tracks = [track for track in self.by_join() if not self.is_hidden(track)]
            ranks = {identity: rank for rank, identity in enumerate(self._on_stage)}
            on_stage = {track.owner: ranks[track.identity] for track in tracks if track.identity in ranks}
            ordered = slots.order([track.claim for track in tracks], on_stage, self._spoke)
            self._ranked = [self._tracks[claim.track] for claim in ordered]
        return self._ranked
