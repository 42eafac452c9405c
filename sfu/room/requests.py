"""The requests of subscribers: which tracks they want, and how each track is to be sent to them."""

from collections.abc import Mapping, Sequence

from sfu.errors import NotAllowed
from sfu.model import Wish, WishChanges
from sfu.room.overview import Overview
from sfu.room.participant import Participant
from sfu.room.tracks import Track
from sfu.room.turn import Turn
from sfu.room.wishes import changed


class SubscriptionRequests:
    def __init__(self, overview: Overview, turn: Turn) -> None:
        self._overview = overview
        self._turn = turn

    def subscribe(self, subscriber: Participant, tracks: Sequence[str], on: bool) -> None:
        """Subscribes to tracks by sid, or unsubscribes (`on` is False). A refused request changes nothing."""
        found = self._to_show(subscriber, tracks) if on else [self._overview.find(subscriber, sid) for sid in tracks]
        for track in found:
            subscriber.viewing.subscribe(track, on)
        self._turn.plan([subscriber.sid])

    def demand(
        self, subscriber: Participant, demands: Mapping[str, WishChanges], only: Sequence[str] | None = None
    ) -> None:
        """Changes wishes by track sid. `only`: of the present tracks, subscribes to these and unsubscribes from the
        others. A refused request changes nothing."""
        chosen = None if only is None else self._to_show(subscriber, only)
        wishes = subscriber.viewing.wishes
        found = [(self._overview.find(subscriber, sid), changes) for sid, changes in demands.items()]
        for track, wish in [(track, changed(wishes.of(track), **changes)) for track, changes in found]:
            self._show(subscriber, track, wish)
        if chosen is not None:
            for track in self._overview.visible_to(subscriber):
                if wishes.wants(track) is not (track in chosen):
                    subscriber.viewing.subscribe(track, track in chosen)
            self._turn.plan([subscriber.sid])

    def _to_show(self, subscriber: Participant, tracks: Sequence[str]) -> list[Track]:
        """Returns the tracks to subscribe to, by sid. Raises NotAllowed, NotFound."""
        if tracks and not subscriber.permissions.can_subscribe:
            raise NotAllowed("you may not subscribe in this room")
        return [self._overview.find(subscriber, sid) for sid in tracks]

    def _show(self, subscriber: Participant, track: Track, wish: Wish) -> None:
        before = subscriber.viewing.wishes.of(track)
        subscriber.viewing.demand(track, wish)
        self._turn.decide(subscriber, track)
        if wish.visible != before.visible:
            # Visible tracks take precedence if there are too few sections.
            self._turn.plan([subscriber.sid])
