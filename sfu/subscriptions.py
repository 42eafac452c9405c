"""What one participant is shown: its wishes, its slots, and what really reaches it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sfu.messages import Renegotiate, SlotInfo, Subscription
from sfu.model import Kind, Layer, Quality, SubscriptionInfo
from sfu.plane import _native
from sfu.plane.binding import Binding
from sfu.policy import allocation
from sfu.policy import slots as policy
from sfu.session.transport import Transport
from sfu.tracks import Track
from sfu.wishes import Wishes

NEWS = 0.25
"""A bitrate that moved by less than this share is not told again."""

Targets = list[tuple[int, Sequence[Layer]]]


@dataclass(eq=False, slots=True)
class Slot:
    """A receive section and what is in it."""

    id: int
    mid: str
    kind: Kind
    track: Track | None = None
    source: int | None = None
    """The plane's id of the track, as last commanded."""
    target: allocation.Target | None = None
    """As last commanded for this source."""
    layer: Layer | None = None
    """On the wire."""
    cause: str = "paused"
    """Why nothing better is: the words of `Switched.cause`."""
    refused: str = ""
    told: Subscription | None = None


class Subscriptions:
    def __init__(self, binding: Binding, owner: str, auto: bool, only: str | None = None) -> None:
        self.slots: dict[str, Slot] = {}
        """By mid, in the order of the sections."""
        self.wishes = Wishes(auto, only)
        self._binding = binding
        self._owner = owner
        self._by_id: dict[int, Slot] = {}
        self._stale: dict[str, None] = {}
        """Mids whose target may be another."""
        self._changed: dict[str, None] = {}
        """Mids whose `Subscription` may be news."""
        self._asked: tuple[int, ...] = ()
        self._missing: Mapping[Kind, int] = {}

    # Slots

    def adopt(self, transport: Transport) -> None:
        """The sections may be others after an offer; those that stay keep what they show."""
        before = self.slots
        self.slots = {}
        for mid, id in transport.slots.items():
            kept = before.get(mid)
            self.slots[mid] = kept if kept is not None and kept.id == id else Slot(id, mid, transport.kinds[mid])
        for mid, slot in before.items():
            if slot.track is not None and self.slots.get(mid) is not slot:
                self._leave(slot.track)
        self._by_id = {slot.id: slot for slot in self.slots.values()}

    def refresh(self, wanted: Sequence[Track], last_n: int) -> dict[str, SlotInfo | None]:
        """Puts the wanted tracks, most wanted first, into the slots. Returns what changed."""
        tracks = {track.sid: track for track in wanted}
        plan = policy.plan(
            policy.choose([track.claim for track in wanted], self.wishes.unseen, last_n),
            [(slot.mid, slot.kind) for slot in self.slots.values()],
            {slot.mid: slot.track.sid for slot in self.slots.values() if slot.track is not None},
            self.wishes.unseen,
        )
        self._missing = plan.missing
        changed = [
            (self.slots[mid], tracks[sid] if sid is not None else None)
            for mid, sid in plan.shown.items()
            if self._differs(self.slots[mid], tracks[sid] if sid is not None else None)
        ]
        told: dict[str, SlotInfo | None] = {}
        for slot, track in changed:
            if slot.track is not None and slot.track is not track and slot.track.viewers.get(self._owner) == slot.mid:
                self._leave(slot.track)
            if slot.track is not track:
                told[slot.mid] = SlotInfo(track.sid, track.owner) if track is not None else None
            slot.layer, slot.cause, slot.refused, slot.told, slot.target = None, "paused", "", None, None
            slot.track, slot.source = track, track.plane_id if track is not None else None
            self._binding.plane.set_source(slot.id, slot.source)
        for slot, track in changed:
            if track is not None:
                track.viewers[self._owner] = slot.mid
                self._stale[slot.mid] = None
        return told

    def reconsider(self, track: Track) -> bool:
        """It was muted, its layers or the wish for it are others. True: it is shown, `allocate` is due."""
        slot = self._showing(track)
        if slot is not None:
            self._stale[slot.mid] = None
        return slot is not None

    def allocate(self, targets: Targets) -> None:
        """Decides which layers the slots may show. Appends to `targets` what is different."""
        # Without a budget tracks do not compete: only those of which something has changed are judged.
        judged = [
            (slot, slot.track)
            for mid in self._stale
            if (slot := self.slots.get(mid)) is not None and slot.track is not None
        ]
        self._stale.clear()
        demands = [allocation.Demand(track.supply(), self.wishes.of(track)) for _, track in judged]
        for (slot, track), target in zip(judged, allocation.allocate(None, demands), strict=True):
            self._changed[slot.mid] = None
            if slot.target is None or slot.target.ladder != target.ladder:
                targets.append((slot.id, target.ladder))
            slot.target = target
            if target.ladder:
                track.asked[self._owner] = max(target.ladder)
            else:
                track.asked.pop(self._owner, None)

    def is_short(self) -> bool:
        """Something is wanted for which there is no section: who comes first matters."""
        return any(self._missing.values())

    def clear(self) -> None:
        """Nothing is shown any more; the transport is gone."""
        for slot in self.slots.values():
            if slot.track is not None:
                self._leave(slot.track)
        self.slots.clear()
        self._by_id.clear()

    def renegotiate(self, limit: int) -> Renegotiate | None:
        """More sections to ask for; None: enough, or asked already and nothing has come of it."""
        count = {kind: sum(1 for slot in self.slots.values() if slot.kind is kind) for kind in Kind}
        more = {kind: policy.growth(self._missing.get(kind, 0), count[kind], limit) for kind in Kind}
        state = (*self._missing.values(), *count.values())
        if not any(more.values()) or state == self._asked:
            return None
        self._asked = state
        return Renegotiate(audio=more[Kind.AUDIO], video=more[Kind.VIDEO])

    def shown(self) -> Mapping[str, SlotInfo | None]:
        return {
            mid: SlotInfo(slot.track.sid, slot.track.owner) if slot.track is not None else None
            for mid, slot in self.slots.items()
        }

    # What reaches the participant

    def handle_switched(self, event: _native.Switched) -> None:
        slot = self._by_id.get(event.slot)
        if slot is None:
            return
        slot.layer = Layer(event.layer.spatial, event.layer.temporal) if event.layer is not None else None
        slot.cause = event.cause
        if slot.layer is not None:
            slot.refused = ""
        self._changed[slot.mid] = None

    def handle_refused(self, event: _native.Refused) -> None:
        slot = self._by_id.get(event.slot)
        if slot is not None:
            slot.layer, slot.refused = None, event.reason
            self._changed[slot.mid] = None

    def layers_news(self, track: Track) -> Iterable[Subscription]:
        """What arrives of the track has changed: told at once, it comes once a second."""
        slot = self._showing(track)
        if slot is not None and slot.layer is not None:
            self._changed[slot.mid] = None
            yield from self.news()

    def news(self) -> Iterable[Subscription]:
        """What is different enough to be told."""
        for mid in self._changed:
            slot = self.slots.get(mid)
            if slot is None or slot.track is None:
                continue
            message = self._subscription(slot, slot.track)
            if slot.told is None or _is_news(slot.told, message):
                slot.told = message
                yield message
        self._changed.clear()

    def retell(self) -> None:
        """The client starts from a snapshot: what it was told before is lost."""
        self._asked = ()
        for slot in self.slots.values():
            slot.told = None
            self._changed[slot.mid] = None

    def views(self, tracks: Iterable[Track]) -> list[SubscriptionInfo]:
        result = []
        for track in tracks:
            slot = self._showing(track)
            desired = self.wishes.wants(track)
            now = self._subscription(slot, track) if slot is not None else None
            result.append(
                SubscriptionInfo(
                    track=track.sid,
                    participant=track.identity,
                    desired=desired,
                    wish=self.wishes.of(track),
                    mid=slot.mid if slot is not None else "",
                    state=now.state if now is not None else "pending" if desired else "off",
                    layer=now.layer if now is not None else None,
                    reason=now.reason if now is not None else "no receive section is free" if desired else "",
                )
            )
        return result

    def _showing(self, track: Track) -> Slot | None:
        slot = self.slots.get(track.viewers.get(self._owner, ""))
        return slot if slot is not None and slot.track is track else None

    def _subscription(self, slot: Slot, track: Track) -> Subscription:
        wish = self.wishes.of(track)
        if slot.refused:
            return Subscription(track.sid, "refused", reason=slot.refused)
        if track.silenced:
            return Subscription(track.sid, "paused", reason="muted by a moderator")
        if track.muted:
            return Subscription(track.sid, "paused", reason="muted by its publisher")
        if wish.quality is Quality.OFF:
            return Subscription(track.sid, "paused", reason="switched off by the subscriber")
        if not wish.visible and track.kind is Kind.VIDEO:
            return Subscription(track.sid, "paused", reason="not visible at the subscriber")
        if slot.layer is None:
            return Subscription(track.sid, "pending", reason="waiting for the publisher's media")
        bps, width, height, _ = track.rate(slot.layer)
        return Subscription(track.sid, "active", track.best(slot.layer), width, height, bps)

    def _leave(self, track: Track) -> None:
        track.viewers.pop(self._owner, None)
        track.asked.pop(self._owner, None)

    @staticmethod
    def _differs(slot: Slot, track: Track | None) -> bool:
        return slot.track is not track or slot.source != (track.plane_id if track is not None else None)


def _is_news(told: Subscription, now: Subscription) -> bool:
    if (told.state, told.layer, told.width, told.height, told.reason) != (
        now.state,
        now.layer,
        now.width,
        now.height,
        now.reason,
    ):
        return True
    return abs(now.bitrate - told.bitrate) > NEWS * max(told.bitrate, 1)
