"""Fills the slots of one participant with the selected tracks: alone, or with a change that many subscribers share."""

from collections.abc import Mapping, Set

from sfu.context import Context
from sfu.model import Cause, Step
from sfu.room.changes import Change
from sfu.room.layouts import Layouts
from sfu.room.slot import Slot
from sfu.room.subscriptions import Subscriptions, Targets
from sfu.room.tracks import Track
from sfu.views import SlotInfo


class Filling:
    def __init__(self, context: Context, viewing: Subscriptions) -> None:
        self._context = context
        self._viewing = viewing
        self._unreported: dict[str, SlotInfo | None] = {}
        """Contents of slots, by mid, that the client does not know yet, because a command failed."""

    def refresh(self, tracks: Mapping[str, Track], layouts: Layouts) -> Mapping[str, SlotInfo | None]:
        """Assigns the selected tracks to slots. Returns the changes: one object for all subscribers with the same ones.
        `tracks`: those of the room, by sid."""
        viewing, slots = self._viewing, self._viewing.slots
        is_known, (layout, changed) = viewing.layout is not None, viewing.fit(layouts)
        viewing.layout = None
        filled = []
        try:
            for mid, content in changed.items():
                self._fill(slots[mid], tracks[content.track] if content is not None else None)
                filled.append(mid)
            if not is_known:
                for slot in slots.values():
                    if not slot.is_current:
                        self._fill(slot, slot.track)
        except Exception:
            # They are reported when the others are filled, too.
            self._unreported.update((mid, changed[mid]) for mid in filled)
            raise
        viewing.layout = layout
        if self._unreported:
            changed, self._unreported = {**self._unreported, **changed}, {}
        return changed

    def may_share(self, tracks: Set[str]) -> bool:
        """Returns whether these tracks can be put into the slots as for all others whose slots change alike: the
        participant has no wishes for them, and its client knows what its slots show."""
        return not self._unreported and self._viewing.wishes.are_default(tracks)

    def show(self, change: Change, layouts: Layouts, targets: Targets) -> None:
        """Shows what all subscribers whose slots change alike are shown from now on. The plane has the sources. Appends
        changed targets to `targets`."""
        owner, slots = self._viewing.owner, self._viewing.slots
        for to in change.slots:
            slot = slots[to.mid]
            before, track, shown = slot.track, to.track, to.shown
            if before is not None:
                before.viewers.pop(owner, None)
                before.asked.pop(owner, None)
                if before.backup is not None:
                    before.backup.asked.pop(owner, None)
            slot.track, slot.shown, slot.source, slot.target = track, shown, to.source, to.target
            slot.layer, slot.refused, slot.unreadable, slot.reported = None, "", None, to.reported
            slot.lacks, slot.since, slot.given, slot.share = Cause.NONE, 0, None, None
            if track is None or shown is None:
                continue
            track.viewers[owner] = to.mid
            if slot.commanded != to.commanded:
                targets.append((slot.id, to.commanded or ()))
                slot.commanded = to.commanded
            wanted = change.wanted.get(to.mid)
            if wanted is not None:
                shown.asked[owner] = wanted
        self._viewing.layout = self._viewing.fit(layouts).layout

    def _fill(self, slot: Slot, track: Track | None) -> None:
        """Puts a track into a slot, or clears it. The command comes first: if it fails, the slot is unchanged and the
        next `refresh` tries again."""
        viewing, owner, before = self._viewing, self._viewing.owner, slot.track
        if before is not track:
            slot.unreadable = None
        shown = track if track is None or track.backup is None else slot.choose(track)
        source = shown.plane_id if shown is not None else None
        self._context.binding.plane.set_source([slot.id], source)
        if before is not None and before is not track and before.viewers.get(owner) == slot.mid:
            viewing.leave(before)
        if slot.shown is not None:
            slot.shown.asked.pop(owner, None)
        slot.track, slot.shown, slot.source = track, shown, source
        # The ladder stays: the plane applies it to the new source, by the places of encodings in its offer.
        slot.layer, slot.refused, slot.reported, slot.target = None, "", None, None
        slot.lacks, slot.since, slot.given, slot.share = Cause.NONE, 0, None, None
        if track is not None:
            track.viewers[owner] = slot.mid
            viewing.stale[slot.mid] = None
            viewing.note(track, Step.SHOWN, detail=f"in section {slot.mid}")
