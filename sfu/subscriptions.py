"""What one participant is shown: its wishes, its slots, and what really reaches it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sfu.messages import Renegotiate, SlotInfo, Subscription
from sfu.model import Cause, Kind, Layer, Quality, SubscriptionInfo
from sfu.plane import _native
from sfu.plane.binding import Binding
from sfu.policy import allocation
from sfu.policy import slots as policy
from sfu.session.transport import Transport
from sfu.tracks import MIME, Track
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
    codecs: frozenset[str] = frozenset()
    """What the client decodes in it."""
    shown: Track | None = None
    """Whose media it is: the track's own, or its backup's."""
    source: int | None = None
    """The plane's id of `shown`, as last commanded."""
    target: allocation.Target | None = None
    """As last commanded for this source."""
    layer: Layer | None = None
    """On the wire."""
    refused: str = ""
    unreadable: int | None = None
    """The plane's id of a track that it refused to show here: of a codec that the client has, in another profile."""
    told: Subscription | None = None

    def can_decode(self, track: Track) -> bool:
        """As far as is known: the codec of a track is known when its first packet has come."""
        if track.is_flowing and track.plane_id == self.unreadable:
            return False
        # RED is taken apart for those who have opus alone.
        return not track.codec or track.codec in self.codecs or (track.codec == "red" and "opus" in self.codecs)

    def choose(self, track: Track) -> Track:
        """The track, or its backup where only that can be decoded and is there."""
        backup = track.backup
        return backup if backup is not None and backup.is_flowing and self.needs_backup(track) else track

    def needs_backup(self, track: Track) -> bool:
        return track.backup is not None and not self.can_decode(track) and self.can_decode(track.backup)


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
            if kept is None or kept.id != id:
                kept = Slot(id, mid, transport.kinds[mid], codecs=transport.codecs[mid])
            self.slots[mid] = kept
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
                slot.unreadable = None
            if slot.shown is not None:
                slot.shown.asked.pop(self._owner, None)
            slot.track, slot.shown = track, slot.choose(track) if track is not None else None
            slot.layer, slot.refused, slot.told, slot.target = None, "", None, None
            slot.source = slot.shown.plane_id if slot.shown is not None else None
            self._binding.plane.set_source(slot.id, slot.source)
        for slot, track in changed:
            if track is not None:
                track.viewers[self._owner] = slot.mid
                self._stale[slot.mid] = None
        return told

    def reconsider(self, track: Track) -> bool:
        """It was muted, its layers or the wish for it are others. True: it is shown, `allocate` is due."""
        slot = self.showing(track)
        if slot is not None:
            self._stale[slot.mid] = None
        return slot is not None

    def allocate(self, targets: Targets) -> None:
        """Decides which layers the slots may show. Appends to `targets` what is different."""
        # Without a budget tracks do not compete: only those of which something has changed are judged.
        judged = [
            (slot, slot.track, slot.shown)
            for mid in self._stale
            if (slot := self.slots.get(mid)) is not None and slot.track is not None and slot.shown is not None
        ]
        self._stale.clear()
        demands = [allocation.Demand(shown.supply(), self.wishes.of(track)) for _, track, shown in judged]
        for (slot, _, shown), demand, target in zip(judged, demands, allocation.allocate(None, demands), strict=True):
            self._changed[slot.mid] = None
            if slot.target is None or slot.target.ladder != target.ladder:
                targets.append((slot.id, target.ladder))
            slot.target = target
            wanted = allocation.wanted(demand) if slot.can_decode(shown) else None
            if wanted is not None:
                shown.asked[self._owner] = wanted
            else:
                shown.asked.pop(self._owner, None)

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
        slot.refused = ""
        if slot.layer is not None and slot.shown is slot.track:
            slot.unreadable = None
        self._changed[slot.mid] = None

    def handle_refused(self, event: _native.Refused) -> None:
        slot = self._by_id.get(event.slot)
        if slot is not None:
            slot.layer, slot.refused = None, event.reason
            if slot.shown is slot.track:
                slot.unreadable = slot.source
            self._stale[slot.mid] = None
            self._changed[slot.mid] = None

    def layers_news(self, track: Track) -> Iterable[Subscription]:
        """What arrives of the track, or of a backup, has changed: told at once, it comes once a second."""
        slot = self.showing(track.primary or track)
        if slot is not None and (slot.layer is not None or not slot.can_decode(track)) and slot.shown is track:
            self._changed[slot.mid] = None
            yield from self.news()

    def handle_codec(self, track: Track) -> bool:
        """It is sent in another codec than before. True: now its backup is to be shown, or no longer."""
        slot = self.showing(track.primary or track)
        if slot is None or slot.track is None:
            return False
        slot.unreadable = None
        self._stale[slot.mid] = None
        return slot.choose(slot.track) is not slot.shown

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
            slot = self.showing(track)
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
                    cause=now.cause if now is not None else Cause.NONE,
                    mime=now.mime if now is not None else "",
                )
            )
        return result

    def showing(self, track: Track) -> Slot | None:
        """The slot that a track is shown in, by itself or by its backup."""
        slot = self.slots.get(track.viewers.get(self._owner, ""))
        return slot if slot is not None and slot.track is track else None

    def _subscription(self, slot: Slot, track: Track) -> Subscription:
        wish = self.wishes.of(track)
        shown = slot.shown or track
        if slot.refused or not slot.can_decode(shown):
            return self._undecodable(slot, track)
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
        bps, width, height, _ = shown.rate(slot.layer)
        return Subscription(
            track.sid, "active", shown.best(slot.layer), width, height, bps, mime=MIME.get(shown.codec, "")
        )

    @staticmethod
    def _undecodable(slot: Slot, track: Track) -> Subscription:
        """Until the backup is there, if there is one that helps."""
        codec = MIME.get(track.codec, "")
        profile = " of this profile" if track.codec in slot.codecs else ""
        reason = f"this client cannot decode {_name(track)}{profile}"
        if track.backup is not None and slot.shown is track and slot.needs_backup(track):
            reason += f": the publisher was asked for {_name(track.backup)} too"
            return Subscription(track.sid, "pending", reason=reason, cause=Cause.CODEC, mime=codec)
        return Subscription(track.sid, "refused", reason=reason, cause=Cause.CODEC, mime=codec)

    def _leave(self, track: Track) -> None:
        track.viewers.pop(self._owner, None)
        for source in (track, track.backup):
            if source is not None:
                source.asked.pop(self._owner, None)

    @staticmethod
    def _differs(slot: Slot, track: Track | None) -> bool:
        return slot.track is not track or slot.source != (slot.choose(track).plane_id if track is not None else None)


def _name(track: Track) -> str:
    """Of its codec, for people."""
    return MIME[track.codec].split("/")[1] if track.codec else "what is published"


def _is_news(told: Subscription, now: Subscription) -> bool:
    if (told.state, told.layer, told.width, told.height, told.reason, told.mime) != (
        now.state,
        now.layer,
        now.width,
        now.height,
        now.reason,
        now.mime,
    ):
        return True
    return abs(now.bitrate - told.bitrate) > NEWS * max(told.bitrate, 1)
