"""Encodings have the ranks of their pictures, whatever the order of the offer: in ladders, wishes, REST, explain."""

from itertools import permutations

import pytest

from sfu.model import Kind, Layer, Quality, Source
from sfu.plane import Layer as PlaneLayer
from sfu.plane import LayerRate, Layers
from sfu.signalling import messages
from sfu.signalling.messages import Wanted
from sfu.views import WantedEncoding

from ..scene import Client, Scene, scene, tracks_of
from ..test_explaining import explained

SIZES = {"q": (150_000, 320, 180), "h": (500_000, 640, 360), "f": (1_500_000, 1280, 720)}
ORDERS = ["".join(order) for order in permutations("qhf")]


async def published(it: Scene, offered: str) -> tuple[Client, Client, str]:
    """Alice's camera has these encodings, in this order; bob is shown it in section 0."""
    alice, bob = await it.client("alice", features=("wanted",)), await it.client("bob")
    await bob.connect("video recvonly")
    answer = await alice.ask(messages.Publish, cid="c", kind=Kind.VIDEO, source=Source.CAMERA)
    alice.sections.append((f"video/{offered}", "sendonly"))
    await alice.offer(tracks={"0": "c"})
    bob.heard()
    return alice, bob, answer.track.sid


def arriving(track: int, offered: str, arrive: str = "qhf") -> Layers:
    """By the place in the offer, as the plane says it."""
    layers = []
    for place, rid in enumerate(offered):
        if rid in arrive:
            bps, width, height = SIZES[rid]
            layers.append(LayerRate(PlaneLayer(place, 0), bps, width, height, 30.0))
    return Layers(track, "vp8", layers, False, False, lacks_parameters=False)


def ladder(bob: Client, offered: str) -> str:
    """The RIDs that the plane may show bob, best first."""
    return "".join(offered[spatial] for spatial, _ in bob.ladder("0"))


async def test_before_anything_arrives_the_order_of_the_offer_counts() -> None:
    async with scene() as it:
        _, bob, _ = await published(it, "fhq")
        assert ladder(bob, "fhq") == "qhf"


@pytest.mark.parametrize("offered", ORDERS)
async def test_a_viewer_without_a_wish_is_shown_the_largest_whatever_the_order(offered: str) -> None:
    async with scene() as it:
        alice, bob, camera = await published(it, offered)
        await it.say(arriving(alice.plane_track(camera), offered))
        assert ladder(bob, offered) == "fhq"
        assert it.plane.count("update_track") == 0, "nothing is negotiated for it"
        for quality, rungs in ((Quality.LOW, "q"), (Quality.MEDIUM, "hq"), (Quality.HIGH, "fhq")):
            await bob.ask(messages.Settings, track=camera, quality=quality)
            assert ladder(bob, offered) == rungs
        await bob.ask(messages.Settings, track=camera, width=640, height=360)
        assert ladder(bob, offered) == "hq"


@pytest.mark.parametrize("offered", ORDERS)
async def test_rest_and_explain_tell_ranks_and_the_place_in_the_offer(offered: str) -> None:
    async with scene() as it:
        alice, bob, camera = await published(it, offered)
        await it.say(arriving(alice.plane_track(camera), offered))
        await it.say(bob.switched("0", PlaneLayer(offered.index("f"), 0)))
        [track] = tracks_of(bob.room)
        assert [(e.rid, e.spatial, e.width, e.offered) for e in track.encodings] == [
            (rid, rank, SIZES[rid][1], offered.index(rid)) for rank, rid in enumerate("qhf")
        ]
        seen = await explained(bob)
        assert seen.current is not None and (seen.current.layer, seen.current.width) == (Layer(2, 0), 1280)
        assert seen.sentence.endswith("that is the best there is.")
        told = [decision.detail for decision in seen.decisions if decision.what.value == "publisher"]
        names = ", ".join(offered)
        expected = [f"its encodings are q, h, f, lowest first; its offer lists {names}"]
        assert told == (expected if offered != "qhf" else [])


@pytest.mark.parametrize("offered", ORDERS)
async def test_the_publisher_is_asked_to_stop_the_large_ones(offered: str) -> None:
    async with scene() as it:
        alice, bob, camera = await published(it, offered)
        await it.say(arriving(alice.plane_track(camera), offered))
        await bob.ask(messages.Settings, track=camera, quality=Quality.LOW)
        for _ in range(25):
            await it.pass_time(0.2)
        encodings = tuple(WantedEncoding(rid, rid == "q") for rid in offered)
        assert alice.last(Wanted) == Wanted(camera, encodings, False)
        assert [(e.rid, e.wanted) for e in tracks_of(bob.room)[0].encodings] == [
            ("q", True),
            ("h", False),
            ("f", False),
        ]
        assert (await explained(bob)).publisher == ()
        await it.say(arriving(alice.plane_track(camera), offered, "q"))
        assert ladder(bob, offered) == "q", "those that stopped keep their ranks"
        await bob.ask(messages.Settings, track=camera, quality=Quality.HIGH)
        assert all(encoding.wanted for encoding in alice.last(Wanted).encodings)
        assert ladder(bob, offered) == "fhq"


async def test_what_never_arrived_is_not_stopped_and_what_alone_arrives_is_not_either() -> None:
    async with scene() as it:
        alice, bob, camera = await published(it, "fhq")
        await bob.ask(messages.Settings, track=camera, quality=Quality.LOW)
        for arrive in ("", "q"):
            await it.say(arriving(alice.plane_track(camera), "fhq", arrive))
            for _ in range(75):
                await it.pass_time(0.2)
            assert alice.heard(Wanted) == [], "which of them is the lowest nobody knows"
        await it.say(arriving(alice.plane_track(camera), "fhq", "qh"))
        for _ in range(25):
            await it.pass_time(0.2)
        assert [e.rid for e in alice.last(Wanted).encodings if e.wanted] == ["f", "q"]
        await it.say(arriving(alice.plane_track(camera), "fhq"))
        assert [e.rid for e in alice.last(Wanted).encodings if e.wanted] == ["q"]


async def test_a_picture_on_the_wire_keeps_its_size_when_ranks_change() -> None:
    async with scene() as it:
        alice, bob, camera = await published(it, "fhq")
        track = alice.plane_track(camera)
        await it.say(arriving(track, "fhq", "q"))
        await it.say(bob.switched("0", PlaneLayer(2, 0), "publisher"))
        assert bob.last_state().width == 320
        await it.say(arriving(track, "fhq", "qh"))
        assert ladder(bob, "fhq") == "fhq", "two of them tell how the offer lists them"
        now = (await explained(bob)).current
        assert now is not None and (now.layer, now.width) == (Layer(0, 0), 320)


async def test_ranks_of_what_is_known_change_only_if_they_are_seen_twice() -> None:
    async with scene() as it:
        alice, bob, camera = await published(it, "qhf")
        track = alice.plane_track(camera)
        await it.say(arriving(track, "qhf"))
        exchanged = arriving(track, "fhq")
        await it.say(exchanged)
        assert ladder(bob, "qhf") == "fhq"
        await it.say(arriving(track, "qhf"), exchanged)
        assert ladder(bob, "qhf") == "fhq"
        await it.say(exchanged)
        assert ladder(bob, "qhf") == "qhf"


async def test_another_offer_in_another_order_keeps_the_ranks_and_tells_the_plane_its_names() -> None:
    async with scene() as it:
        alice, bob, camera = await published(it, "fhq")
        await it.say(arriving(alice.plane_track(camera), "fhq"))
        alice.sections[0] = ("video/hqf", "sendonly")
        await alice.offer(tracks={"0": "c"})
        assert ladder(bob, "hqf") == "fhq"
        assert [e.rid for e in tracks_of(bob.room)[0].encodings] == ["q", "h", "f"]
        alice.sections[0] = ("video/qf", "sendonly")
        await alice.offer(tracks={"0": "c"})
        assert ladder(bob, "qf") == "fq"
        assert [(e.rid, e.width) for e in tracks_of(bob.room)[0].encodings] == [("q", 0), ("f", 0)], (
            "to be measured again"
        )


async def test_a_ladder_with_the_same_numbers_is_sent_again_after_another_offer() -> None:
    async with scene() as it:
        alice, bob, camera = await published(it, "qhf")
        await it.say(arriving(alice.plane_track(camera), "qhf"))
        await bob.ask(messages.Settings, track=camera, quality=Quality.LOW)
        before = it.plane.count("set_targets")
        # The plane keeps what its slots show, so that numbers of the list before do not count for it.
        alice.sections[0] = ("video/qfh", "sendonly")
        await alice.offer(tracks={"0": "c"})
        assert (ladder(bob, "qfh"), it.plane.count("set_targets")) == ("q", before + 1)
