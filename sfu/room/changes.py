"""A change of slots, prepared once for all subscribers that show the same in these slots: the new contents, the layers,
and what is noted of it."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from sfu.model import Cause, Layer, Step
from sfu.room.decisions import Decisions
from sfu.room.layouts import Transition
from sfu.room.slot import Slot
from sfu.room.tracks import Track
from sfu.room.wishes import ANY
from sfu.views import SlotInfo

Note = tuple[str, Step, Layer | None, Cause, str]
"""A decision about the subscriptions to a track, by sid, as `Notes.add_all` takes it."""


@dataclass(slots=True)
class Change:
    slots: list[Slot] = field(default_factory=list)
    """The changed slots as they become for each subscriber, without its ids."""
    wanted: dict[str, Layer] = field(default_factory=dict)
    """The best layer that is requested in a section, by mid."""
    notes: list[Note] = field(default_factory=list)
    """The decisions, in the order in which they are made."""


def similarity(transition: Transition, present: Mapping[str, Slot]) -> Hashable:
    """Returns what `prepare` needs of a subscriber: those with equal values share a change. `present`: its slots, by
    mid."""
    slots = [(present[mid], content) for mid, content in transition.changed.items()]
    return tuple([(slot.mid, slot.codecs, slot.track and slot.track.sid, to and to.track) for slot, to in slots])


def prepare(
    changed: Mapping[str, SlotInfo | None],
    present: Mapping[str, Slot],
    tracks: Mapping[str, Track],
    decisions: Decisions,
) -> Change:
    """Returns the change for subscribers without wishes for the new tracks. `changed`: the new contents of the slots,
    by mid. `present`: the slots of any of them. `tracks`: those of the room, by sid."""
    change = Change()
    targets: list[Note] = []
    for mid, content in changed.items():
        slot = present[mid]
        to = Slot(0, mid, slot.kind, codecs=slot.codecs)
        change.slots.append(to)
        if slot.track is not None:
            change.notes.append((slot.track.sid, Step.SHOWN, None, Cause.NONE, "in no section"))
        if content is None:
            continue
        track = to.track = tracks[content.track]
        shown = to.shown = to.choose(track)
        to.source = shown.plane_id
        decision = decisions.of(shown, ANY)
        to.target, to.commanded = decision.target, decision.ladder
        if decision.wanted is not None and to.can_decode(shown):
            change.wanted[mid] = decision.wanted
        change.notes.append((track.sid, Step.SHOWN, None, Cause.NONE, f"in section {mid}"))
        best = decision.target.ladder[0] if decision.target.ladder else None
        targets.append((track.sid, Step.TARGET, best, decision.target.cause, ""))
    change.notes += targets
    return change
