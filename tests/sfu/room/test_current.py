"""What the plane reports about slots: the layer that is sent, or why none is."""

from sfu.model import Cause, Kind, Source
from sfu.plane import Layer as PlaneLayer
from sfu.signalling import messages
from sfu.views import SubscriptionState

from ..scene import scene
from .test_subscriptions import simulcast


async def test_what_is_said_of_a_track_that_is_shown_no_longer_is_not_booked_on_the_next() -> None:
    async with scene() as it:
        alice, bob, camera = await simulcast(it)
        late = bob.switched("0", PlaneLayer(2, 3), "none"), bob.refused("0", "no payload type")
        await bob.ask(messages.Subscribe, tracks=[camera], on=False)
        screen = await alice.publish(Kind.VIDEO, Source.SCREEN_SHARE)
        await bob.ask(messages.Subscribe, tracks=[screen], on=True)
        assert bob.shows() == {"0": screen}
        await it.say(*late)
        (view,) = [view for view in await bob.subscriptions() if view.track == screen]
        assert (view.layer, view.state) == (None, "pending")


async def test_a_slot_that_cannot_show_its_track_says_why() -> None:
    async with scene() as it:
        _, bob, camera = await simulcast(it)
        await it.say(bob.refused("0", "the subscriber has no payload type for this codec"))
        assert bob.last_state() == SubscriptionState(
            camera, "refused", reason="this client cannot decode what is published", cause=Cause.CODEC
        )
        await it.say(bob.switched("0", None, "publisher"))
        (view,) = await bob.subscriptions()
        assert view.state == "refused", "nothing leaves, for the same reason"
        await it.say(bob.switched("0", PlaneLayer(0, 0), "none"))
        assert bob.last_state().state == "active"
