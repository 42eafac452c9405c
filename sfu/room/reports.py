"""Reports the subscriptions of one participant: the states that its client is told, their views and explanations."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from sfu import explain
from sfu.context import Context
from sfu.explain import Situation
from sfu.model import Cause, Kind, Quality, Rate
from sfu.policy import ladders
from sfu.room.decisions import Decisions
from sfu.room.records import Records
from sfu.room.slot import Slot
from sfu.room.subscriptions import Subscriptions
from sfu.room.tracks import MIME, Track
from sfu.room.wishes import ANY
from sfu.views import Explanation, SubscriptionInfo, SubscriptionState

NEWS = 0.25
"""A smaller relative change of a bit rate is not reported."""

NO_RATE = Rate(0, 0, 0, 0.0)
"""Of a layer that does not arrive."""

NOWHERE = Slot(0, "", Kind.VIDEO)
"""Stands for the slot of a track that is in no slot."""


class Reports:
    def __init__(self, context: Context, viewing: Subscriptions) -> None:
        self._context = context
        self._viewing = viewing

    def news(self, decisions: Decisions) -> Sequence[SubscriptionState]:
        """Returns the states that changed enough to be reported. If it raises, all of them are still to be reported."""
        news: list[tuple[Slot, SubscriptionState]] = []
        for mid in self._viewing.changed:
            slot = self._viewing.slots.get(mid)
            if slot is None or slot.track is None:
                continue
            state = self.shared_state(slot, slot.track, decisions)
            if slot.reported is None or (slot.reported is not state and _is_news(slot.reported, state)):
                news.append((slot, state))
        self._viewing.changed.clear()
        for slot, state in news:
            slot.reported = state
        return [state for _, state in news]

    def layers_news(self, track: Track, decisions: Decisions) -> Sequence[SubscriptionState]:
        """Returns the states to report after the arriving layers of a track or backup changed. This happens once a
        second."""
        slot = self._viewing.showing(track.primary or track)
        if slot is None or slot.shown is not track or (slot.layer is None and slot.can_decode(track)):
            return ()
        self._viewing.changed[slot.mid] = None
        return self.news(decisions)

    def view(self, track: Track) -> SubscriptionInfo:
        slot = self._viewing.showing(track)
        desired = self._viewing.wishes.wants(track)
        now = self.state(slot, track) if slot is not None else None
        return SubscriptionInfo(
            track=track.sid,
            participant=track.identity,
            desired=desired,
            wish=self._viewing.wishes.of(track),
            mid=slot.mid if slot is not None else "",
            state=now.state if now is not None else "pending" if desired else "off",
            layer=now.layer if now is not None else None,
            reason=now.reason if now is not None else "no receive section is free" if desired else "",
            cause=explain.cause(self._situation(slot or NOWHERE, track)),
            mime=now.mime if now is not None else "",
        )

    def explain(self, track: Track, records: Records, *, may_subscribe: bool) -> Explanation:
        slot = self._viewing.showing(track) or NOWHERE
        shown, of = slot.shown or track, self._situation(slot, track)
        of = replace(of, picture=shown.picture(of.current))
        if not may_subscribe:
            of = replace(of, kept_out=f"{self._viewing.identity} may not subscribe")
        demand = ladders.Demand(shown.supply(), self._viewing.wishes.of(track))
        wanted = ladders.wanted(demand) if of.desired else None
        allowed = of.target if of.mid else wanted
        now, shows_backup = self._context.milliseconds(), shown is not track
        return Explanation(
            track=track.sid,
            participant=track.identity,
            source=track.source,
            mid=of.mid,
            wanted=shown.picture(wanted),
            allowed=shown.picture(allowed if not (of.muted_by or of.kept_out) else None),
            target=shown.picture(of.target),
            current=of.picture,
            since=slot.since,
            cause=explain.cause(of),
            sentence=explain.sentence(of),
            publisher=of.facts,
            decisions=records.recent(now, track.sid, self._viewing.owner, shows_backup=shows_backup),
        )

    def shared_state(self, slot: Slot, track: Track, decisions: Decisions) -> SubscriptionState:
        """Returns the state of a slot. Subscribers whose slots are equal in it share one object."""
        # Equal targets are one object. It and the tracks live as long as the slot is looked at.
        key: tuple[object, ...]
        if track.silenced or track.muted:
            key = (id(track), id(slot.shown), slot.refused, slot.unreadable, slot.codecs)
        else:
            wish, is_beyond = self._viewing.wishes.of(track), track.sid in self._viewing.selection.beyond
            key = (
                *(id(track), id(slot.shown), slot.refused, slot.unreadable, slot.codecs),
                *(None if wish is ANY else wish, self._viewing.wishes.wants(track), is_beyond),
                *(slot.layer, slot.lacks, id(slot.target)),
            )
        return decisions.state(key, lambda: self.state(slot, track))

    def state(self, slot: Slot, track: Track) -> SubscriptionState:
        wish, of = self._viewing.wishes.of(track), self._situation(slot, track)
        shown = slot.shown or track
        cause, mime = explain.cause(of), MIME.get(shown.codec, "")
        if of.refused:
            state: Literal["pending", "refused"] = "pending" if slot.is_waiting_for_backup else "refused"
            reason, codec = f"this client {of.refused}", MIME.get(track.codec, "")
            return SubscriptionState(track.sid, state, reason=reason, cause=cause, mime=codec)
        if track.silenced:
            return SubscriptionState(track.sid, "paused", reason="muted by a moderator", cause=cause)
        if track.muted:
            return SubscriptionState(track.sid, "paused", reason="muted by its publisher", cause=cause)
        if wish.quality is Quality.OFF:
            return SubscriptionState(track.sid, "paused", reason="switched off by the subscriber", cause=cause)
        if not wish.visible and track.kind is Kind.VIDEO:
            return SubscriptionState(track.sid, "paused", reason="not visible at the subscriber", cause=cause)
        if slot.layer is None:
            return SubscriptionState(track.sid, "pending", reason="waiting for the publisher's media", cause=cause)
        best = shown.best(slot.layer)
        bps, width, height, _ = shown.rates.get(best, NO_RATE)
        return SubscriptionState(track.sid, "active", best, width, height, bps, cause=cause, mime=mime)

    def _situation(self, slot: Slot, track: Track) -> Situation:
        """Returns the situation without its picture, which only `explain` needs. `slot`: the one that shows the track,
        or NOWHERE."""
        shown, target, current = slot.shown or track, slot.target, slot.layer
        held_by = target.cause if target is not None else Cause.NONE
        if track.is_muted:
            target, current, held_by = None, None, Cause.MUTED
        return Situation(
            subscriber=self._viewing.identity,
            publisher=track.identity,
            source=track.source,
            kind=track.kind,
            desired=self._viewing.wishes.wants(track),
            mid=slot.mid,
            refused=slot.refusal,
            muted_by="a moderator" if track.silenced else track.identity if track.muted else "",
            kept_out=f"the room limits pictures to {self._viewing.selection.last_n}"
            if track.sid in self._viewing.selection.beyond
            else "",
            target=target.ladder[0] if target is not None and target.ladder else None,
            held_by=held_by,
            current=current,
            lacks=slot.lacks,
            share=slot.share() if slot.share is not None and held_by is Cause.BANDWIDTH else None,
            is_arriving=shown.is_arriving,
            facts=shown.publishing.facts,
        )


def _is_news(before: SubscriptionState, now: SubscriptionState) -> bool:
    if (before.state, before.layer, before.width, before.height, before.reason, before.cause, before.mime) != (
        now.state,
        now.layer,
        now.width,
        now.height,
        now.reason,
        now.cause,
        now.mime,
    ):
        return True
    return abs(now.bitrate - before.bitrate) > NEWS * max(before.bitrate, 1)
