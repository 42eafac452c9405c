"""The layers that one participant is sent now: what the plane reports about its slots, until its tracks change."""

from collections.abc import Mapping

from sfu.context import Context
from sfu.model import Cause, Kind, Layer, Step
from sfu.plane import _native
from sfu.room.slot import Slot
from sfu.room.subscriptions import Subscriptions
from sfu.room.tracks import Track


class CurrentLayers:
    def __init__(self, context: Context, viewing: Subscriptions) -> None:
        self._context = context
        self._viewing = viewing

    def layer_of(self, track: Track) -> Layer | None:
        """Returns the layer of a track that is sent. None: none, or the track is muted."""
        slot = self._viewing.showing(track)
        return slot.layer if slot is not None and not track.is_muted else None

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
            self._viewing.stale[slot.mid] = None
            self._reached(slot, None, Cause.CODEC, event.reason)

    # Changes of tracks

    def handle_codec(self, track: Track) -> bool:
        """Handles a changed codec. True: the slot must switch to or from the backup."""
        slot = self._viewing.showing(track.primary or track)
        if slot is None or slot.track is None:
            return False
        slot.unreadable = None
        self._viewing.stale[slot.mid] = None
        return slot.choose(slot.track) is not slot.shown

    def handle_mute(self, track: Track, *, switched: bool) -> None:
        """Handles a track that was muted or unmuted. `switched`: its media stopped or continues."""
        slot = self._viewing.showing(track)
        if slot is None:
            return
        self._viewing.changed[slot.mid] = None
        if switched:
            slot.since = self._context.milliseconds()
            if track.kind is Kind.VIDEO:
                # It begins again with a keyframe, which the plane reports. Audio continues without a report.
                slot.layer, slot.lacks = None, Cause.NONE

    def rerank(self, track: Track, moved: Mapping[int, int]) -> None:
        """Renumbers the sent layer after the encodings of a track or backup were ranked again. `moved`: new ranks by
        old ones. The sent media stays the same."""
        slot = self._viewing.showing(track.primary or track)
        if slot is not None and slot.shown is track and slot.layer is not None:
            slot.layer = Layer(moved.get(slot.layer.spatial, slot.layer.spatial), slot.layer.temporal)
        if slot is not None and slot.shown is track and slot.given is not None:
            slot.given = Layer(moved.get(slot.given.spatial, slot.given.spatial), slot.given.temporal)

    def _reporting(self, event: _native.Switched | _native.Refused) -> Slot | None:
        """Returns the slot of an event. None: it is gone, or its source has changed since."""
        slot = self._viewing.by_id.get(event.slot)
        return slot if slot is not None and slot.source == event.track else None

    def _reached(self, slot: Slot, layer: Layer | None, lacks: Cause, refused: str = "") -> None:
        """Records the state of a slot that the plane reports."""
        is_other = not slot.since or slot.layer != layer
        if is_other:
            slot.since = self._context.milliseconds()
        is_new = is_other or slot.lacks is not lacks or slot.refused != refused
        slot.layer, slot.lacks, slot.refused = layer, lacks, refused
        self._viewing.changed[slot.mid] = None
        if slot.track is not None and is_new:
            self._viewing.note(slot.track, Step.CURRENT, layer, lacks, refused)
