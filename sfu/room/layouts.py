"""The layouts of the subscribers of a room. A change is computed once for all with equal sections and contents."""

from collections.abc import Hashable, Mapping
from typing import NamedTuple
from weakref import WeakValueDictionary

from sfu.policy.slots import Layout, Selection
from sfu.room.slot import Slot
from sfu.views import SlotInfo


class Transition(NamedTuple):
    """What a selection changes in a layout."""

    layout: Layout
    """The layout after it."""
    changed: Mapping[str, SlotInfo | None]
    """The contents of the changed sections, by mid."""


class Layouts:
    def __init__(self) -> None:
        self._known: WeakValueDictionary[Hashable, Layout] = WeakValueDictionary()
        """The layouts that subscribers have, by `key`."""
        self._transitions: dict[tuple[int, int], tuple[Layout, Selection, Transition]] = {}
        """Those of one pass over the subscribers, by the `id()` of layout and selection, which stay valid while both
        are stored here."""

    def of(self, slots: Mapping[str, Slot]) -> Layout:
        """Returns what the slots show now. Subscribers whose slots are equal share it."""
        sections = [(slot.mid, slot.kind) for slot in slots.values()]
        present = {slot.mid: slot.track.sid for slot in slots.values() if slot.track is not None}
        codecs = {slot.mid: slot.codecs for slot in slots.values()}
        return self._shared(Layout.of(sections, present, codecs))

    def fit(self, layout: Layout, selection: Selection, *, alone: bool = False) -> Transition:
        """Returns what changes until the selected tracks are shown. Subscribers with the same layout and selection
        share it. `alone`: no other subscriber has this selection, so nobody has the new layout yet."""
        key = (id(layout), id(selection))
        found = self._transitions.get(key)
        if found is None:
            after, changed = layout.fit(selection)
            contents = {mid: SlotInfo(to.track, to.participant) if to else None for mid, to in changed.items()}
            transition = Transition(after if alone else self._shared(after), contents)
            found = self._transitions[key] = (layout, selection, transition)
        return found[2]

    def clear(self) -> None:
        """Forgets the changes of a pass."""
        self._transitions.clear()

    def _shared(self, layout: Layout) -> Layout:
        return self._known.setdefault(layout.key, layout)
