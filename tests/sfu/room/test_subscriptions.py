"""What a participant is shown: its wishes, the quality, and the layer that really arrives."""

from sfu.commands import ADMINISTRATOR, Subscribe
from sfu.model import Kind, Layer, Quality, Source, Wish
from sfu.plane import Layer as PlaneLayer
from sfu.plane import LayerRate, Layers
from sfu.signalling import messages
from sfu.views import SubscriptionState

from ..scene import Client, Scene, scene, sdp, tracks_of, turn


async def simulcast(it: Scene) -> tuple[Client, Client, str]:
    """Alice publishes three encodings, Bob is shown them in section 0."""
    alice = await it.client("alice")
    bob = await it.client("bob")
    await bob.connect("video recvonly")
    published = await alice.ask(messages.Publish, cid="c", kind=Kind.VIDEO, source=Source.CAMERA)
    alice.sections.append(("video/3", "sendonly"))
    await alice.offer(tracks={"0": "c"})
    bob.heard()
    return alice, bob, published.track.sid


def arriving(track: int, *rates: tuple[int, int, int]) -> Layers:
    """Bits per second, width and height of each encoding, two temporal layers each."""
    layers = []
    for spatial, (bps, width, height) in enumerate(rates):
        layers += [
            LayerRate(PlaneLayer(spatial, 0), bps // 2, width, height, 15.0),
            LayerRate(PlaneLayer(spatial, 1), bps, width, height, 30.0),
        ]
    return Layers(track, "vp8", layers, False, False, lacks_parameters=False)


async def test_the_best_encoding_is_asked_for_with_all_below_it_to_step_down() -> None:
    async with scene() as it:
        _, bob, _ = await simulcast(it)
        assert bob.ladder("0") == [(2, 3), (1, 3), (0, 3)]


async def test_a_wished_quality_bounds_the_ladder_and_off_pauses() -> None:
    async with scene() as it:
        _, bob, camera = await simulcast(it)
        for quality, ladder in [
            (Quality.LOW, [(0, 3)]),
            (Quality.MEDIUM, [(1, 3), (0, 3)]),
            (Quality.OFF, []),
            (Quality.HIGH, [(2, 3), (1, 3), (0, 3)]),
        ]:
            assert isinstance(await bob.ask(messages.Settings, track=camera, quality=quality), messages.Ok)
            assert bob.ladder("0") == ladder
        assert bob.shows() == {"0": camera}, "a paused track keeps its slot"


async def test_by_wish_only_what_was_wished_for_is_shown() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        camera = await alice.camera()
        bob = await it.client("bob", auto_subscribe=False)
        await bob.connect("video recvonly")
        assert bob.shows() == {"0": None} and bob.heard(messages.Renegotiate) == []
        await bob.ask(messages.Subscribe, tracks=(camera,), on=True)
        assert bob.shows() == {"0": camera}
        await bob.ask(messages.Subscribe, tracks=(camera,), on=False)
        assert bob.shows() == {"0": None}


async def test_a_wish_for_an_unknown_track_or_ones_own_is_refused_and_changes_nothing() -> None:
    async with scene() as it:
        alice, bob, camera = await simulcast(it)
        own = await bob.camera()
        for sids in ((camera, "TR_unknown"), (own,)):
            assert (await bob.ask(messages.Subscribe, tracks=sids, on=False)).code == "not_found"
        assert bob.shows() == {"0": camera}
        assert alice.shows() == {}


async def test_a_backend_subscribes_for_a_participant_and_sees_what_it_gets() -> None:
    async with scene() as it:
        _, bob, camera = await simulcast(it)
        await it.say(bob.switched("0", PlaneLayer(1, 3), "none"))
        (view,) = await bob.subscriptions()
        assert (view.participant, view.desired, view.mid, view.state) == ("alice", True, "0", "active")
        # Of the temporal layers the slot would take, none but the lowest is known to arrive.
        assert (view.layer, view.wish) == (Layer(1, 0), Wish())
        await it.sfu.execute(Subscribe(ADMINISTRATOR, "room", "bob", [camera], False))
        await turn()
        (view,) = await bob.subscriptions()
        assert (view.desired, view.mid, view.state) == (False, "", "off")


async def test_a_subscription_is_pending_then_active_with_layer_size_and_bitrate() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        bob = await it.client("bob")
        await bob.connect("video recvonly")
        camera = await alice.camera()
        assert bob.last_state().state == "pending"
        await it.say(arriving(alice.plane_track(camera), (800_000, 640, 360)))
        await it.say(bob.switched("0", PlaneLayer(0, 1), "none"))
        assert bob.last_state() == SubscriptionState(camera, "active", Layer(0, 1), 640, 360, 800_000, mime="video/VP8")


async def test_a_bitrate_is_told_when_it_has_moved_and_not_every_second() -> None:
    async with scene() as it:
        alice, bob, camera = await simulcast(it)
        track = alice.plane_track(camera)
        await it.say(bob.switched("0", PlaneLayer(0, 3), "none"))
        bob.heard()
        told = []
        for bps in (800_000, 850_000, 900_000, 1_100_000, 1_000_000):
            await it.say(arriving(track, (bps, 640, 360)))
            told += [m.bitrate for m in bob.heard_states()]
        assert told == [800_000, 1_100_000]


async def test_all_states_that_change_in_a_turn_are_one_message() -> None:
    async with scene() as it:
        alice, bob, camera = await simulcast(it)
        await bob.offer("audio recvonly")
        microphone = await alice.microphone()
        assert bob.last_state().track == microphone
        await it.say(bob.switched("0", PlaneLayer(0, 0), "none"), bob.switched("1", PlaneLayer(0, 0), "none"))
        (message,) = bob.heard(messages.Subscriptions)
        assert {state.track: state.state for state in message.subscriptions} == {camera: "active", microphone: "active"}


async def test_what_really_arrives_is_in_the_publishers_view_and_the_codec_is_told_to_all() -> None:
    async with scene() as it:
        alice, bob, camera = await simulcast(it)
        await it.say(arriving(alice.plane_track(camera), (150_000, 320, 180), (500_000, 640, 360)))
        (view,) = tracks_of(bob.room)
        assert (view.participant, view.subscribers, view.track.mime) == ("alice", ("bob",), "video/VP8")
        assert [(e.rid, e.active, e.bitrate, e.width) for e in view.encodings] == [
            ("q", True, 150_000, 320),
            ("h", True, 500_000, 640),
            ("f", False, 0, 0),
        ]
        (track,) = bob.last(messages.Participants).participants[0].tracks
        assert (track.mime, track.width, track.height) == ("video/VP8", 640, 360)
        await it.say(arriving(alice.plane_track(camera), (160_000, 320, 180)))
        assert bob.heard(messages.Participants) == [], "a rate is not news for everybody"


async def test_sections_taken_back_lose_their_track_and_others_keep_theirs() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        camera = await alice.camera()
        screen = await alice.publish(Kind.VIDEO, Source.SCREEN_SHARE)
        bob = await it.client("bob")
        await bob.connect("video recvonly", "video recvonly")
        assert bob.shows() == {"0": screen, "1": camera}
        bob.sections[0] = ("video", "inactive")
        await bob.offer()
        assert bob.shows() == {"1": screen}, "the screen goes before the camera"
        assert len(it.plane.slots) == 1


async def test_a_section_that_agrees_on_other_payload_types_shows_what_it_showed() -> None:
    async with scene() as it:
        _, bob, camera = await simulcast(it)
        before = bob.slot("0")
        text = sdp(bob.sections, bob.ufrag).replace("96", "106")
        assert isinstance(await bob.ask(messages.Offer, sdp=text), messages.Answer)
        assert bob.slot("0") != before and list(it.plane.slots) == [bob.slot("0")]
        assert bob.shows() == {"0": camera} and bob.ladder("0") == [(2, 3), (1, 3), (0, 3)]
