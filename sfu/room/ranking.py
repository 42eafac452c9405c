"""Ranks the tracks of a room and selects those of each subscriber. Subscribers with equal wishes share one
selection."""

from collections.abc import Mapping

from sfu.model import Kind, Source
from sfu.policy import slots
from sfu.room.decisions import Standing
from sfu.room.members import Members
from sfu.room.participant import Participant
from sfu.room.subscriptions import Audience
from sfu.room.tracks import Track


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
        self._standings: dict[str, Standing] = {}
        """By sid of the track."""
        self._wanted: dict[bool, slots.Ranked] = {}
        """The tracks that subscribers without individual wishes want, by `auto`."""
        self._shared: dict[Audience, slots.Selection] = {}

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
        self._standings.clear()
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

    def audience(self, subscriber: Participant) -> Audience | None:
        """Returns the audience of a subscriber. None: its selection is its own, because it publishes, has individual
        wishes, or may not subscribe."""
        viewing = subscriber.viewing
        if subscriber.tracks or not viewing.wishes.is_plain or not subscriber.permissions.can_subscribe:
            return None
        return Audience(viewing.wishes.auto, viewing.sections)

    def selection(self, subscriber: Participant) -> slots.Selection:
        """Returns the tracks to show to a subscriber."""
        audience = self.audience(subscriber)
        if audience is not None:
            return self.shared(audience)
        if not subscriber.permissions.can_subscribe:
            return slots.NOTHING
        viewing = subscriber.viewing
        wishes, own, sections = viewing.wishes, subscriber.tracks, viewing.sections
        if wishes.is_plain:
            return slots.select(self._plain(wishes.auto), self._last_n, sections, own=own)
        wanted = slots.ranked([track.claim for track in wishes.among(self._by_rank())], wishes.unseen)
        return slots.select(wanted, self._last_n, sections, own=own, unseen=wishes.unseen)

    def shared(self, audience: Audience) -> slots.Selection:
        """Returns the tracks to show to each subscriber of an audience."""
        selection = self._shared.get(audience)
        if selection is None:
            selection = slots.select(self._plain(audience.auto), self._last_n, audience.sections)
            self._shared[audience] = selection
        return selection

    def standing(self, track: Track) -> Standing:
        """Returns whether a track is on stage, and whether its publisher was the last dominant speaker. Of a publisher
        on stage that shares a screen, the screen is on stage and not the camera."""
        if not self._standings:
            sharing = {of.owner for of in self._tracks.values() if of.source is Source.SCREEN_SHARE}
            last = max(self._spoke.values(), default=0)
            for of in self._tracks.values():
                is_staged = of.identity in self._on_stage and of.kind is Kind.VIDEO
                is_behind = of.owner in sharing and of.source is not Source.SCREEN_SHARE
                is_speaking = bool(last) and self._spoke.get(of.owner) == last
                self._standings[of.sid] = Standing(is_staged and not is_behind, is_speaking)
        return self._standings.get(track.sid, NONE)

    def _plain(self, auto: bool) -> slots.Ranked:
        """Returns what all subscribers without individual wishes want that have the same `auto`."""
        wanted = self._wanted.get(auto)
        if wanted is None:
            wanted = slots.ranked([track.claim for track in self._by_rank()] if auto else [])
            self._wanted[auto] = wanted
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


NONE = Standing(is_on_stage=False, is_speaking=False)
