"""The subscriptions of one participant: its wishes, its slots, and the layers that are requested for them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sfu import explain
from sfu.model import Cause, Kind, Layer, Step, Wish
from sfu.negotiation.transport import Transport
from sfu.policy import slots as policy
from sfu.policy.ladders import Target
from sfu.room.decisions import Decisions
from sfu.room.layouts import Layouts, Transition
from sfu.room.notes import Notes
from sfu.room.slot import Slot
from sfu.room.tracks import Track
from sfu.room.wishes import Wishes
from sfu.views import SlotInfo

Targets = list[tuple[int, Sequence[Layer]]]


class Audience(NamedTuple):
    """Subscribers who publish nothing and have no individual wishes. All of them are shown the same tracks."""

    auto: bool
    """All tracks are wanted, otherwise none."""
    sections: tuple[int, int]
    """The numbers of audio and of video slots."""


class Subscriptions:
    def __init__(self, notes: Notes, owner: str, identity: str, auto: bool, only: str | None = None) -> None:
        self.slots: dict[str, Slot] = {}
        """Slots by mid, in the order of the sections."""
        self.wishes = Wishes(auto, only)
        self._notes = notes
        self.owner = owner
        self.identity = identity
        self.sections = (0, 0)
        """The numbers of audio and of video slots."""
        self.selection = policy.NOTHING
        self.audience: Audience | None = None
        """Its audience at the last selection. Whatever changes it marks the participant to be planned again."""
        self.layout: policy.Layout | None = None
        """What its slots show. None: not known, so that `Filling.refresh` looks at every slot."""
        self.by_id: dict[int, Slot] = {}
        """Slots by the plane's id."""
        self.stale: dict[str, None] = {}
        """Mids whose target may have changed."""
        self.changed: dict[str, None] = {}
        """Mids whose `SubscriptionState` may have changed."""
        self._asked: tuple[int, ...] = ()
        """The missing and the present sections when more were last requested."""
        self._is_asked = False
        """No offer came since then."""

    # Wishes

    def subscribe(self, track: Track, on: bool) -> None:
        self.wishes.subscribe(track, on)
        self.note(track, Step.WANTED, detail="subscribed" if on else "not subscribed")

    def demand(self, track: Track, wish: Wish) -> None:
        self.wishes.set(track, wish)
        self.note(track, Step.WANTED, detail=explain.wish(wish))

    def forget(self, track: Track) -> None:
        """Removes a track that is no longer published."""
        self.wishes.forget(track)

    # Slots

    def adopt(self, transport: Transport) -> None:
        """Adopts the sections of an offer. Sections that stay keep their track."""
        before = self.slots
        self.slots = {}
        for mid, id in transport.slots.items():
            kept = before.get(mid)
            if kept is None or kept.id != id:
                kept = Slot(id, mid, transport.kinds[mid], codecs=transport.codecs[mid])
            self.slots[mid] = kept
        for mid, slot in before.items():
            if slot.track is not None and self.slots.get(mid) is not slot:
                self.leave(slot.track)
        self.by_id = {slot.id: slot for slot in self.slots.values()}
        audio = sum(1 for slot in self.slots.values() if slot.kind is Kind.AUDIO)
        self.sections, self.layout = (audio, len(self.slots) - audio), None
        self._is_asked = False

    def select(self, selection: policy.Selection) -> bool:
        """Sets the tracks to show. Returns whether `Filling.refresh` is due."""
        self.selection = selection
        layout = self.layout
        return layout is None or (layout.tracks is not selection.tracks and layout.tracks != selection.tracks)

    def fit(self, layouts: Layouts) -> Transition:
        """Returns what the selected tracks change in its slots."""
        layout = self.layout or layouts.of(self.slots)
        return layouts.fit(layout, self.selection, alone=self.audience is None)

    def check(self) -> None:
        """Lets `Filling.refresh` look at every slot, because tracks in them may have moved in the plane."""
        self.layout = None

    def undecodable(self, tracks: Sequence[Track]) -> tuple[list[Track], list[Track]]:
        """Returns, of the wanted tracks with sections of their kind, those that no section can decode, and all."""
        sections = {(slot.kind, slot.codecs): slot for slot in self.slots.values()}.values()
        wanted = [track for track in self.wishes.among(tracks) if any(slot.kind is track.kind for slot in sections)]
        shown = {track for track in wanted for slot in sections if slot.kind is track.kind and slot.can_show(track)}
        return [track for track in wanted if track not in shown], wanted

    def reconsider(self, track: Track) -> bool:
        """Marks a track whose mute, layers or settings changed. True: it is in a slot, and `allocate` is due."""
        slot = self.showing(track)
        if slot is not None:
            self.stale[slot.mid] = None
        return slot is not None

    def allocate(self, targets: Targets, decisions: Decisions) -> None:
        """Decides the layers of the marked slots. Appends changed targets to `targets`."""
        for mid in self.stale:
            slot = self.slots.get(mid)
            if slot is None or slot.track is None or slot.shown is None:
                continue
            track, shown = slot.track, slot.shown
            decision = decisions.of(shown, self.wishes.of(track))
            self.set_target(slot, track, decision.target, decision.ladder, targets)
            self.ask(slot, shown, decision.wanted)
        self.stale.clear()

    def set_target(
        self,
        slot: Slot,
        track: Track,
        target: Target,
        ladder: tuple[Layer, ...],
        targets: Targets,
        detail: str = "",
    ) -> None:
        """Sets the target of the track that a slot shows. Appends it to `targets` if the plane has another ladder."""
        self.changed[slot.mid] = None
        if slot.commanded != ladder:
            targets.append((slot.id, ladder))
        if slot.target is not target:
            self.note(track, Step.TARGET, target.ladder[0] if target.ladder else None, target.cause, detail)
        slot.target, slot.commanded = target, ladder

    def ask(self, slot: Slot, shown: Track, wanted: Layer | None) -> None:
        """Sets the best layer that is wanted of the track whose media a slot shows."""
        if wanted is not None and slot.can_decode(shown):
            shown.asked[self.owner] = wanted
        else:
            shown.asked.pop(self.owner, None)

    def rename(self, track: Track) -> None:
        """Forgets the ladder that was sent for a track or backup, because its encodings have other numbers now."""
        slot = self.showing(track.primary or track)
        if slot is not None and slot.shown is track:
            slot.commanded = None

    def retarget(self) -> None:
        """Marks all targets to be decided and sent again, because the plane did not get the last ones."""
        for slot in self.slots.values():
            slot.target, slot.commanded = None, None
            self.stale[slot.mid] = None

    def clear(self) -> None:
        """Clears all slots of a removed transport."""
        for slot in self.slots.values():
            if slot.track is not None:
                self.leave(slot.track)
        self.slots.clear()
        self.by_id.clear()
        self.sections, self.layout, self.selection = (0, 0), None, policy.NOTHING

    def renegotiate(self, limit: int) -> tuple[int, int] | None:
        """Returns the numbers of audio and video sections to request. None: there are enough, or a request has not
        been followed by an offer yet, or the same request had no effect."""
        missing, sections = self.selection.missing, self.sections
        if self._is_asked or missing == (0, 0) or (*missing, *sections) == self._asked:
            return None
        audio, video = (policy.growth(*of, limit) for of in zip(missing, sections, strict=True))
        if not audio and not video:
            return None
        self._asked, self._is_asked = (*missing, *sections), True
        return audio, video

    def showing(self, track: Track) -> Slot | None:
        """Returns the slot that shows a track or its backup."""
        slot = self.slots.get(track.viewers.get(self.owner, ""))
        return slot if slot is not None and slot.track is track else None

    def shown(self) -> Mapping[str, SlotInfo | None]:
        return {
            mid: SlotInfo(slot.track.sid, slot.track.owner) if slot.track is not None else None
            for mid, slot in self.slots.items()
        }

    def report_again(self) -> None:
        """Reports everything again after a snapshot, because the client has lost the earlier reports."""
        self._asked, self._is_asked = (), False
        for slot in self.slots.values():
            slot.reported = None
            self.changed[slot.mid] = None

    def leave(self, track: Track) -> None:
        """Removes the participant from the viewers of a track."""
        self.note(track, Step.SHOWN, detail="in no section")
        track.viewers.pop(self.owner, None)
        for source in (track, track.backup):
            if source is not None:
                source.asked.pop(self.owner, None)

    def note(
        self, track: Track, what: Step, layer: Layer | None = None, cause: Cause = Cause.NONE, detail: str = ""
    ) -> None:
        self._notes.add(self.owner, track.sid, what, layer, cause, detail)
