"""A change of layout, prepared once for all subscribers with equal sections that show the same: the new contents of
their slots, the layers, and what is noted of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sfu.model import Cause, Layer, Step
from sfu.policy.slots import Layout
from sfu.room.decisions import Decisions
from sfu.room.layouts import Transition
from sfu.room.slot import Slot
from sfu.room.tracks import Track
from sfu.room.wishes import ANY

Note = tuple[str, Step, Layer | None, Cause, str]
"""A decision about the subscriptions to a track, by sid, as `Notes.add_all` takes it."""


@dataclass(slots=True)
class Change:
    layout: Layout
    """The layout after it."""
    slots: list[Slot] = field(default_factory=list)
    """The changed slots as they become for each subscriber, without its ids."""
    wanted: dict[str, Layer] = field(default_factory=dict)
    """The best layer that is requested in a section, by mid."""
    notes: list[Note] = field(default_factory=list)
    """The decisions, in the order in which they are made."""


def prepare(
    transition: Transition, present: Mapping[str, Slot], tracks: Mapping[str, Track], decisions: Decisions
) -> Change:
    """Returns the change for subscribers without wishes for the new tracks. `present`: the slots of any of them, by
    mid. `tracks`: those of the room, by sid."""
    change = Change(transition.layout)
    targets: list[Note] = []
    for mid, content in transition.changed.items():
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
