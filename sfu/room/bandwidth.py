"""Divides the bandwidth of one participant among the tracks in its slots, once it is estimated."""

from collections.abc import Callable, Iterable
from functools import partial

from sfu.context import Context
from sfu.explain import Share
from sfu.model import Kind, Layer
from sfu.negotiation.transport import Transport
from sfu.policy import prices
from sfu.policy.allocation import Allocation, Offer
from sfu.policy.allocator import Allocator, Link
from sfu.room.decisions import Decisions, Standing, offer, one
from sfu.room.slot import Slot
from sfu.room.subscriptions import Subscriptions, Targets
from sfu.room.tracks import Track

MORE = 1.05
LESS = 0.5
"""The plane is told a demand that is this many times the last one, or this share of it: measured rates vary."""


class Bandwidth:
    def __init__(self, context: Context, viewing: Subscriptions, transport: Transport) -> None:
        self._context = context
        self._viewing = viewing
        self._transport = transport
        self._allocator = Allocator()
        self._demanded: tuple[int | None, int] = None, 0
        """What the plane was told last: of which transport, and bits per second."""

    @property
    def is_estimated(self) -> bool:
        """Returns whether an estimate exists. Without one every track gets what its subscriber asks for."""
        return self._allocator.link is not None

    def estimate(self, link: Link) -> bool:
        """Records an estimate. Returns whether it is to be allocated at once."""
        now = self._context.now()
        self._allocator.estimate(link, now)
        return self.due() <= now

    def touch(self) -> None:
        """Records that weights or rates of tracks changed."""
        self._allocator.touch()

    def due(self) -> float:
        """Returns when to allocate again. Infinite: nothing is estimated."""
        return self._allocator.due()

    def allocate(self, targets: Targets, decisions: Decisions, standing: Callable[[Track], Standing]) -> None:
        """Decides the layers of all slots. Appends changed targets to `targets`."""
        viewing, stale = self._viewing, set(self._viewing.stale)
        contests: list[tuple[Slot, Track, Track, Offer]] = []
        for slot in viewing.slots.values():
            track, shown = slot.track, slot.shown
            if track is None or shown is None:
                continue
            wish = viewing.wishes.of(track)
            is_flowing = not track.is_muted and slot.can_decode(shown)
            if is_flowing:
                contests.append((slot, track, shown, offer(shown, wish, standing(track), self._copies(slot, shown))))
            if slot.mid not in stale:
                continue
            decision = decisions.of(shown, wish)
            viewing.changed[slot.mid] = None
            viewing.ask(slot, shown, decision.wanted)
            if not is_flowing:
                # It needs no bandwidth, and its target is decided again before it does.
                slot.given = None
                viewing.set_target(slot, track, decision.target, decision.ladder, targets)
        viewing.stale.clear()
        present = [slot.given for slot, *_ in contests]
        offers = [of for *_, of in contests]
        self._demand(offers)
        result = self._allocator.allocate(offers, present, self._context.now())
        for (slot, track, shown, of), layer in zip(contests, result.layers, strict=True):
            slot.given, target, slot.share = layer, one(of.target(layer)), partial(self._share, of, layer)
            if target is slot.target and slot.commanded is not None and slot.mid not in stale:
                continue
            ladder = shown.simulcast.named(target.ladder)
            viewing.set_target(slot, track, target, ladder, targets, self._detail(of, layer, result))

    def _demand(self, offers: Iterable[Offer]) -> None:
        """Tells the plane what would be sent if the network carried it, so that it finds out whether it does."""
        transport, bps = self._transport.id, sum(of.bps if of.best is None else of.best.bps for of in offers)
        told, last = self._demanded
        if transport is None or (transport == told and last * LESS <= bps <= last * MORE):
            return
        self._demanded = transport, bps
        self._context.binding.plane.set_demand(transport, bps)

    def _copies(self, slot: Slot, shown: Track) -> int:
        """Returns the number of earlier packets in each packet of audio."""
        is_redundant = shown.kind is Kind.AUDIO and not shown.encrypted and "red" in slot.codecs
        loss = self._allocator.link.loss if self._allocator.link else 0.0
        return min(self._context.config.redundancy, prices.copies(loss)) if is_redundant else 0

    def _share(self, of: Offer, layer: Layer | None) -> Share | None:
        link, result, option = self._allocator.link, self._allocator.allocation, of.option(layer)
        if link is None or result is None or option is None:
            return None
        better = min([it.bps for it in of.options if it.utility > option.utility], default=0)
        return Share(link.bps, result.audio, max(result.video - option.bps, 0), option.bps, better)

    def _detail(self, of: Offer, layer: Layer | None, result: Allocation) -> str:
        """Says what a track was given, for the record. Empty: its kind is never limited."""
        link, option, best = self._allocator.link, of.option(layer), of.best
        if link is None or option is None or best is None:
            return ""
        others = result.video - option.bps
        parts = (f"{_kbps(option.bps)} of {_kbps(best.bps)}", f"others {_kbps(others)}", f"audio {_kbps(result.audio)}")
        return f"of {_kbps(link.bps)} kbit/s: {', '.join(parts)}"


def _kbps(bps: int) -> str:
    return f"{bps / 1000:.0f}"
