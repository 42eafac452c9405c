"""The subscriptions of one participant: wishes, slots, and the layers that are sent."""

from collections.abc import Mapping, Sequence, Set

from sfu import explain
from sfu.context import Context
from sfu.model import Cause, Kind, Layer, Step, Wish
from sfu.negotiation.transport import Transport
from sfu.plane import _native
from sfu.policy import slots as policy
from sfu.room.changes import Change
from sfu.room.decisions import Decisions
from sfu.room.layouts import Layouts
from sfu.room.notes import Notes
from sfu.room.slot import Slot
from sfu.room.tracks import Track
from sfu.room.wishes import Wishes
from sfu.views import SlotInfo

Targets = list[tuple[int, Sequence[Layer]]]


class Subscriptions:
    def __init__(
        self, context: Context, notes: Notes, owner: str, identity: str, auto: bool, only: str | None = None
    ) -> None:
        self.slots: dict[str, Slot] = {}
        """Slots by mid, in the order of the sections."""
        self.wishes = Wishes(auto, only)
        self._context = context
        self._notes = notes
        self.owner = owner
        self.identity = identity
        self.sections = (0, 0)
        """The numbers of audio and of video slots."""
        self.selection = policy.NOTHING
        self.layout: policy.Layout | None = None
        """What its slots show. None: not known, so that `refresh` looks at every slot."""
        self._by_id: dict[int, Slot] = {}
        self._stale: dict[str, None] = {}
        """Mids whose target may have changed."""
        self.changed: dict[str, None] = {}
        """Mids whose `SubscriptionState` may have changed."""
        self._unreported: dict[str, SlotInfo | None] = {}
        """Contents of slots, by mid, that the client does not know yet, because a command failed."""
        self._asked: tuple[int, ...] = ()
        """The missing and the present sections when more were last requested."""
        self._is_asked = False
        """No offer came since then."""

    # Wishes

    def subscribe(self, track: Track, on: bool) -> None:
        self.wishes.subscribe(track, on)
        self._note(track, Step.WANTED, detail="subscribed" if on else "not subscribed")

    def demand(self, track: Track, wish: Wish) -> None:
        self.wishes.set(track, wish)
        self._note(track, Step.WANTED, detail=explain.wish(wish))

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
                self._leave(slot.track)
        self._by_id = {slot.id: slot for slot in self.slots.values()}
        audio = sum(1 for slot in self.slots.values() if slot.kind is Kind.AUDIO)
        self.sections, self.layout = (audio, len(self.slots) - audio), None
        self._is_asked = False

    def select(self, selection: policy.Selection) -> bool:
        """Sets the tracks to show. Returns whether `refresh` is due."""
        self.selection = selection
        layout = self.layout
        return layout is None or (layout.tracks is not selection.tracks and layout.tracks != selection.tracks)

    def check(self) -> None:
        """Lets `refresh` look at every slot, because tracks in them may have moved in the plane."""
        self.layout = None

    def refresh(self, tracks: Mapping[str, Track], layouts: Layouts) -> Mapping[str, SlotInfo | None]:
        """Assigns the selected tracks to slots. Returns the changes: one object for all subscribers with the same ones.
        `tracks`: those of the room, by sid."""
        before, self.layout = self.layout, None
        layout, changed = layouts.fit(before or layouts.of(self.slots), self.selection)
        filled = []
        try:
            for mid, content in changed.items():
                self._fill(self.slots[mid], tracks[content.track] if content is not None else None)
                filled.append(mid)
            if before is None:
                for slot in self.slots.values():
                    if not slot.is_current:
                        self._fill(slot, slot.track)
        except Exception:
            # They are reported when the others are filled, too.
            self._unreported.update((mid, changed[mid]) for mid in filled)
            raise
        self.layout = layout
        if self._unreported:
            changed, self._unreported = {**self._unreported, **changed}, {}
        return changed

    def _fill(self, slot: Slot, track: Track | None) -> None:
        """Puts a track into a slot, or clears it. The command comes first: if it fails, the slot is unchanged and the
        next `refresh` tries again."""
        before = slot.track
        if before is not track:
            slot.unreadable = None
        shown = track if track is None or track.backup is None else slot.choose(track)
        source = shown.plane_id if shown is not None else None
        self._context.binding.plane.set_source([slot.id], source)
        if before is not None and before is not track and before.viewers.get(self.owner) == slot.mid:
            self._leave(before)
        if slot.shown is not None:
            slot.shown.asked.pop(self.owner, None)
        slot.track, slot.shown, slot.source = track, shown, source
        # The ladder stays: the plane applies it to the new source, by the places of encodings in its offer.
        slot.layer, slot.refused, slot.reported, slot.target = None, "", None, None
        slot.lacks, slot.since = Cause.NONE, 0
        if track is not None:
            track.viewers[self.owner] = slot.mid
            self._stale[slot.mid] = None
            self._note(track, Step.SHOWN, detail=f"in section {slot.mid}")

    def may_share(self, tracks: Set[str]) -> bool:
        """Returns whether these tracks can be put into its slots as for all others with the same layout: it has no
        wishes for them, and its client knows what its slots show."""
        return not self._unreported and self.wishes.are_default(tracks)

    def show(self, change: Change, targets: Targets) -> None:
        """Shows what all subscribers with the same layout are shown from now on. The plane has the sources. Appends
        changed targets to `targets`."""
        owner = self.owner
        for to in change.slots:
            slot = self.slots[to.mid]
            before, track, shown = slot.track, to.track, to.shown
            if before is not None:
                before.viewers.pop(owner, None)
                before.asked.pop(owner, None)
                if before.backup is not None:
                    before.backup.asked.pop(owner, None)
            slot.track, slot.shown, slot.source, slot.target = track, shown, to.source, to.target
            slot.layer, slot.refused, slot.unreadable, slot.reported = None, "", None, to.reported
            slot.lacks, slot.since = Cause.NONE, 0
            if track is None or shown is None:
                continue
            track.viewers[owner] = to.mid
            if slot.commanded != to.commanded:
                targets.append((slot.id, to.commanded or ()))
                slot.commanded = to.commanded
            wanted = change.wanted.get(to.mid)
            if wanted is not None:
                shown.asked[owner] = wanted
        self.layout = change.layout

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
            self._stale[slot.mid] = None
        return slot is not None

    def handle_mute(self, track: Track, *, switched: bool) -> None:
        """Handles a track that was muted or unmuted. `switched`: its media stopped or continues."""
        slot = self.showing(track)
        if slot is None:
            return
        self.changed[slot.mid] = None
        if switched:
            slot.since = self._context.milliseconds()
            if track.kind is Kind.VIDEO:
                # It begins again with a keyframe, which the plane reports. Audio continues without a report.
                slot.layer, slot.lacks = None, Cause.NONE

    def allocate(self, targets: Targets, decisions: Decisions) -> None:
        """Decides the layers of the marked slots. Appends changed targets to `targets`."""
        for mid in self._stale:
            slot = self.slots.get(mid)
            if slot is None or slot.track is None or slot.shown is None:
                continue
            track, shown = slot.track, slot.shown
            decision = decisions.of(shown, self.wishes.of(track))
            target, ladder = decision.target, decision.ladder
            self.changed[slot.mid] = None
            if slot.commanded != ladder:
                targets.append((slot.id, ladder))
            if slot.target is not target:
                self._note(track, Step.TARGET, target.ladder[0] if target.ladder else None, target.cause)
            slot.target, slot.commanded = target, ladder
            if decision.wanted is not None and slot.can_decode(shown):
                shown.asked[self.owner] = decision.wanted
            else:
                shown.asked.pop(self.owner, None)
        self._stale.clear()

    def rename(self, track: Track) -> None:
        """Forgets the ladder that was sent for a track or backup, because its encodings have other numbers now."""
        slot = self.showing(track.primary or track)
        if slot is not None and slot.shown is track:
            slot.commanded = None

    def retarget(self) -> None:
        """Marks all targets to be decided and sent again, because the plane did not get the last ones."""
        for slot in self.slots.values():
            slot.target, slot.commanded = None, None
            self._stale[slot.mid] = None

    def clear(self) -> None:
        """Clears all slots of a removed transport."""
        for slot in self.slots.values():
            if slot.track is not None:
                self._leave(slot.track)
        self.slots.clear()
        self._by_id.clear()
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

    def shown(self) -> Mapping[str, SlotInfo | None]:
        return {
            mid: SlotInfo(slot.track.sid, slot.track.owner) if slot.track is not None else None
            for mid, slot in self.slots.items()
        }

    # Events of the plane

    def handle_switched(self, event: _native.Switched) -> None:
        slot = self._reporting(event)
        if slot is None:
            return
        layer, sent = None, event.layer  # Each access to a field of the event creates an object.
        if sent is not None:
            spatial = sent.spatial if slot.shown is None else slot.shown.simulcast.rank(sent.spatial)
            layer = Layer(spatial, sent.temporal)
        if layer is None and slot.refused:
            return
        if layer is not None and slot.shown is slot.track:
            slot.unreadable = None
        self._reached(slot, layer, Cause(event.cause))

    def handle_refused(self, event: _native.Refused) -> None:
        slot = self._reporting(event)
        if slot is not None:
            if slot.shown is slot.track:
                slot.unreadable = slot.source
            self._stale[slot.mid] = None
            self._reached(slot, None, Cause.CODEC, event.reason)

    def rerank(self, track: Track, moved: Mapping[int, int]) -> None:
        """Renumbers the sent layer after the encodings of a track or backup were ranked again. `moved`: new ranks by
        old ones. The sent media stays the same."""
        slot = self.showing(track.primary or track)
        if slot is not None and slot.shown is track and slot.layer is not None:
            slot.layer = Layer(moved.get(slot.layer.spatial, slot.layer.spatial), slot.layer.temporal)

    def handle_codec(self, track: Track) -> bool:
        """Handles a changed codec. True: the slot must switch to or from the backup."""
        slot = self.showing(track.primary or track)
        if slot is None or slot.track is None:
            return False
        slot.unreadable = None
        self._stale[slot.mid] = None
        return slot.choose(slot.track) is not slot.shown

    def report_again(self) -> None:
        """Reports everything again after a snapshot, because the client has lost the earlier reports."""
        self._asked, self._is_asked = (), False
        for slot in self.slots.values():
            slot.reported = None
            self.changed[slot.mid] = None

    def _reporting(self, event: _native.Switched | _native.Refused) -> Slot | None:
        """Returns the slot of an event. None: it is gone, or its source has changed since."""
        slot = self._by_id.get(event.slot)
        return slot if slot is not None and slot.source == event.track else None

    def _reached(self, slot: Slot, layer: Layer | None, lacks: Cause, refused: str = "") -> None:
        """Records the state of a slot that the plane reports."""
        is_first = not slot.since
        if slot.layer != layer or is_first:
            slot.since = self._context.milliseconds()
        is_new = is_first or (slot.layer, slot.lacks, slot.refused) != (layer, lacks, refused)
        slot.layer, slot.lacks, slot.refused = layer, lacks, refused
        self.changed[slot.mid] = None
        if slot.track is not None and is_new:
            self._note(slot.track, Step.CURRENT, layer, lacks, refused)

    def _note(
        self, track: Track, what: Step, layer: Layer | None = None, cause: Cause = Cause.NONE, detail: str = ""
    ) -> None:
        self._notes.add(self.owner, track.sid, what, layer, cause, detail)

    # Internal

    def showing(self, track: Track) -> Slot | None:
        """Returns the slot that shows a track or its backup."""
        slot = self.slots.get(track.viewers.get(self.owner, ""))
        return slot if slot is not None and slot.track is track else None

    def _leave(self, track: Track) -> None:
        self._note(track, Step.SHOWN, detail="in no section")
        track.viewers.pop(self.owner, None)
        for source in (track, track.backup):
            if source is not None:
                source.asked.pop(self.owner, None)
