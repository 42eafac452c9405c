"""Explanations of a subscription, from the records of the room, the subscriptions and the plane."""

from sfu.model import Cause, Layer, Quality, Step
from sfu.plane import Layer as PlaneLayer
from sfu.plane import LayerRate, Layers
from sfu.signalling import messages
from sfu.views import Decision, Explanation, Picture

from .room.test_subscriptions import arriving, simulcast
from .scene import START, Client, Scene, scene, turn

THREE = ((150_000, 320, 180), (500_000, 640, 360), (1_500_000, 1280, 720))


async def explained(client: Client) -> Explanation:
    [found] = await client.explain()
    return found


def steps(of: Explanation) -> list[tuple[str, tuple[int, int] | None, str, str]]:
    return [
        (d.what.value, (d.layer.spatial, d.layer.temporal) if d.layer else None, d.cause.value, d.detail)
        for d in of.decisions
    ]


async def flowing(it: Scene, *rates: tuple[int, int, int]) -> tuple[Client, Client, str]:
    """Alice's camera arrives in these encodings; the best of them is on bob's wire."""
    alice, bob, camera = await simulcast(it)
    await it.say(arriving(alice.plane_track(camera), *(rates or THREE)))
    await it.say(bob.switched("0", PlaneLayer(len(rates or THREE) - 1, 1), "none"))
    return alice, bob, camera


async def test_what_is_at_its_best_is_wanted_allowed_asked_for_and_on_the_wire() -> None:
    async with scene() as it:
        _, bob, camera = await flowing(it)
        best = Picture(Layer(2, 1), 1280, 720, 30.0, 1_500_000)
        seen = await explained(bob)
        assert (seen.track, seen.participant, seen.mid, seen.cause) == (camera, "alice", "0", Cause.NONE)
        assert (seen.wanted, seen.allowed, seen.target, seen.current) == (best, best, best, best)
        assert seen.since == int(START * 1000)
        assert seen.sentence == (
            "alice's camera is shown to bob at 1280x720, 30 frames/s, 1.5 Mbit/s: that is the best there is."
        )
        assert steps(seen) == [
            ("shown", None, "none", "in section 0"),
            ("target", (2, 3), "none", ""),
            ("current", (2, 1), "none", ""),
        ]


async def test_while_nothing_arrives_the_cause_is_the_publisher_and_its_subscriber_is_told() -> None:
    async with scene() as it:
        alice, bob, camera = await flowing(it)
        assert bob.last_state().cause is Cause.NONE
        id = alice.plane_track(camera)
        no_frames = LayerRate(PlaneLayer(2, 1), 1_500_000, 1280, 720, 0.0)
        no_bits = LayerRate(PlaneLayer(2, 1), 0, 1280, 720, 30.0)
        for rates in ([], [no_frames], [no_bits]):
            await it.say(arriving(id, *THREE))
            assert (await explained(bob)).cause is Cause.NONE
            await it.say(Layers(id, "vp8", rates, False, False))
            assert (await explained(bob)).cause is Cause.PUBLISHER
            assert (
                await explained(bob)
            ).sentence == "alice's camera is not shown to bob: nothing of it arrives from alice."
            assert bob.last_state().cause is Cause.PUBLISHER


async def test_a_small_tile_is_the_demand_of_its_subscriber() -> None:
    async with scene() as it:
        _, bob, camera = await flowing(it)
        await bob.ask(messages.Settings, track=camera, width=320, height=180)
        await it.say(bob.switched("0", PlaneLayer(0, 1), "none"))
        seen = await explained(bob)
        assert seen.cause is Cause.DEMAND
        assert seen.sentence.endswith("150 kbit/s: bob asks for no more.")
        assert seen.wanted == seen.current == Picture(Layer(0, 1), 320, 180, 30.0, 150_000)
        assert steps(seen)[3:] == [
            ("wanted", None, "none", "320x180"),
            ("target", (0, 3), "demand", ""),
            ("current", (0, 1), "none", ""),
        ]
        assert bob.last_state().cause is Cause.DEMAND


async def test_what_is_switched_off_or_out_of_sight_is_paused() -> None:
    async with scene() as it:
        _, bob, camera = await flowing(it)
        for wish in ({"quality": Quality.OFF}, {"quality": Quality.HIGH, "visible": False}):
            await bob.ask(messages.Settings, track=camera, **wish)
            await it.say(bob.switched("0", None, "paused"))
            seen = await explained(bob)
            assert (seen.cause, seen.wanted, seen.target, seen.current) == (Cause.PAUSED, None, None, None)
            assert bob.last_state().cause is Cause.PAUSED


async def test_a_mute_is_told_with_who_did_it_and_what_was_wanted_stays() -> None:
    async with scene() as it:
        alice, bob, camera = await flowing(it)
        await alice.ask(messages.Mute, track=camera, muted=True)
        seen = await explained(bob)
        assert seen.cause is Cause.MUTED and seen.sentence == "alice's camera is not shown to bob: alice has muted it."
        assert seen.wanted is not None and (seen.allowed, seen.target) == (None, None)
        await alice.silence(camera, True)
        assert (await explained(bob)).sentence == "alice's camera is not shown to bob: a moderator has muted it."
        await turn()
        assert [d.detail for d in (await explained(bob)).decisions if d.what is Step.PUBLISHER] == [
            "muted by alice",
            "muted by a moderator",
        ]


async def test_the_planes_word_is_the_cause_where_it_sends_less_than_it_was_asked_for() -> None:
    async with scene() as it:
        _, bob, _ = await flowing(it)
        await it.pass_time(5)
        await it.say(bob.switched("0", PlaneLayer(1, 1), "publisher"))
        seen = await explained(bob)
        assert (seen.cause, seen.since) == (Cause.PUBLISHER, int((START + 5) * 1000))
        assert seen.target == Picture(Layer(2, 1), 1280, 720, 30.0, 1_500_000)
        assert seen.current == Picture(Layer(1, 1), 640, 360, 30.0, 500_000)


async def test_an_encoding_that_the_browser_stopped_is_a_fact_of_its_publisher() -> None:
    async with scene() as it:
        alice, bob, camera = await flowing(it)
        await it.pass_time(2)
        await it.say(arriving(alice.plane_track(camera), *THREE[:2]))
        await it.say(bob.switched("0", PlaneLayer(1, 1), "publisher"))
        seen = await explained(bob)
        assert seen.publisher == ("has stopped its top encoding",)
        assert seen.sentence.endswith(": alice's browser has stopped its top encoding.")
        assert (
            Decision(int((START + 2) * 1000), Step.PUBLISHER, detail="has stopped its top encoding") in seen.decisions
        )
        assert seen.wanted == seen.target == Picture(Layer(2, 0), 1280, 720, 0.0, 0), (
            "asked for, but it does not arrive"
        )
        assert seen.current == Picture(Layer(1, 1), 640, 360, 30.0, 500_000)


async def test_who_ignores_keyframe_requests_is_named_to_all_who_are_shown_it() -> None:
    async with scene() as it:
        alice, bob, camera = await simulcast(it)
        heard = arriving(alice.plane_track(camera), *THREE)
        await it.say(Layers(heard.track, heard.codec, heard.layers, encrypted=False, deaf=True, lacks_parameters=False))
        await it.say(bob.switched("0", PlaneLayer(0, 1), "publisher"))
        seen = await explained(bob)
        assert seen.publisher == ("ignores keyframe requests",)
        assert seen.sentence.endswith(": alice sends nothing better at present; alice ignores keyframe requests.")


async def test_who_loses_packets_on_the_way_to_the_server_is_named_with_numbers() -> None:
    async with scene() as it:
        alice, bob, camera = await simulcast(it)
        heard = arriving(alice.plane_track(camera), *THREE)
        best = PlaneLayer(2, 1)
        await it.say(bob.switched("0", best, "none"))
        for loss, cause in ((0.01, Cause.NONE), (0.1, Cause.PUBLISHER), (0.0, Cause.NONE)):
            await it.say(Layers(heard.track, heard.codec, heard.layers, False, False, loss=loss, round_trip=400.0))
            seen = await explained(bob)
            fact = "loses 10 % of its packets on the way to the server, 400 ms there and back"
            assert (seen.cause, seen.publisher) == (cause, (fact,) if cause is Cause.PUBLISHER else ()), loss
            assert seen.sentence.endswith(f"; alice {fact}.") is (cause is Cause.PUBLISHER)
        details = [decision.detail for decision in seen.decisions if decision.what is Step.PUBLISHER]
        assert details[-2:] == [fact, f"no longer: {fact}"]


async def test_what_is_encrypted_end_to_end_stays_as_it_is() -> None:
    async with scene() as it:
        alice, bob, camera = await simulcast(it)
        heard = arriving(alice.plane_track(camera), *THREE)
        await it.say(Layers(heard.track, heard.codec, heard.layers, encrypted=True, deaf=False, lacks_parameters=False))
        await it.say(bob.switched("0", PlaneLayer(1, 1), "encrypted"))
        seen = await explained(bob)
        assert (seen.cause, seen.publisher) == (Cause.ENCRYPTED, ("sends it end-to-end encrypted",))
        assert seen.sentence.endswith("because keyframes cannot be recognised in encrypted media.")


async def test_nothing_arrives_and_then_a_keyframe_is_awaited() -> None:
    async with scene() as it:
        alice, bob, camera = await simulcast(it)
        assert (
            await explained(bob)
        ).sentence == "alice's camera is not shown to bob: nothing of it arrives from alice."
        await it.say(arriving(alice.plane_track(camera), *THREE))
        assert (await explained(bob)).cause is Cause.WAITING_FOR_KEYFRAME


async def test_a_codec_that_cannot_be_shown_is_named() -> None:
    async with scene() as it:
        _, bob, _ = await simulcast(it)
        await it.say(bob.refused("0", "the subscriber has no payload type for this codec"))
        seen = await explained(bob)
        assert seen.cause is Cause.CODEC
        assert steps(seen)[-1] == ("current", None, "codec", "the subscriber has no payload type for this codec")


async def test_who_is_not_subscribed_may_not_or_has_no_section_is_told_so() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        camera = await alice.camera()
        bob = await it.client("bob")
        await bob.offer()
        assert (
            await explained(bob)
        ).sentence == "alice's camera is not shown to bob: bob has no receive section free for it."
        await bob.ask(messages.Subscribe, tracks=(camera,), on=False)
        assert (await explained(bob)).sentence == "alice's camera is not shown to bob: bob is not subscribed to it."
        assert (await explained(bob)).cause is Cause.DEMAND
        deaf = await it.client("carol", can_subscribe=False)
        assert (await explained(deaf)).sentence == "alice's camera is not shown to carol: carol may not subscribe."


async def test_a_rule_of_the_room_is_named() -> None:
    async with scene() as it:
        cameras = [await (await it.client(name)).camera() for name in ("alice", "dave")]
        bob = await it.client("bob")
        await bob.connect("video recvonly", "video recvonly")
        bob.room.update(last_n=1)
        await it.pass_time(0)
        assert bob.shows() == {"0": cameras[0], "1": None}
        _, beyond = await bob.explain()
        assert (beyond.cause, beyond.allowed) == (Cause.PAUSED, None)
        assert beyond.sentence == "dave's camera is not shown to bob: the room limits pictures to 1."


async def test_decisions_are_told_for_a_minute_and_a_record_goes_with_its_track() -> None:
    async with scene() as it:
        alice, bob, camera = await flowing(it)
        await it.pass_time(59)
        await it.say(bob.switched("0", PlaneLayer(1, 1), "publisher"))
        assert len((await explained(bob)).decisions) == 4
        await it.pass_time(2)
        assert [d.what for d in (await explained(bob)).decisions] == [Step.CURRENT]
        await alice.ask(messages.Unpublish, track=camera)
        assert await bob.explain() == []
        assert bob.room.forwarding.overview._records._tracks == {}
