"""What subscribers are sent once their bandwidth is estimated."""

import asyncio
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sfu.model import Cause, Kind, Layer, Step
from sfu.plane import Estimate, LayerRate, Layers
from sfu.plane import Layer as PlaneLayer
from sfu.policy.allocator import Link
from sfu.room.decisions import Decisions
from sfu.signalling import messages

from ...live import rooms_of
from ..scene import Client, Scene, scene, turn
from .test_crowd import Crowd
from .test_subscriptions import arriving, simulcast

THREE = ((150_000, 320, 180), (500_000, 640, 360), (1_500_000, 1280, 720))
WHOLE = [(2, 3), (1, 3), (0, 3)]


async def estimate(client: Client, kbps: float) -> None:
    """Reports an estimate, as the plane does, and ends the turn."""
    forwarding = client.room.forwarding
    forwarding.estimate(client.participant, Link(int(kbps * 1000)))
    if forwarding.has_work():
        client.room.flush_soon()
    await turn()


def reported(transport: int, kbps: int, *, silent: bool = False, has_feedback: bool = True) -> Estimate:
    """An estimate, as the plane reports it. `has_feedback`: transport-wide."""
    return Estimate(
        transport=transport,
        estimate=kbps * 1000,
        budget=kbps * 1000,
        throughput=kbps * 1000 if has_feedback else None,
        queue=0.0,
        loss=0.0,
        loss_limited=False,
        round_trip=0.05,
        silent=silent,
    )


async def steady(it: Scene, client: Client, kbps: float, seconds: float) -> None:
    """Reports the same estimate for a while."""
    for _ in range(round(seconds / 0.5)):
        await estimate(client, kbps)
        await it.pass_time(0.5)


async def watching(it: Scene) -> tuple[Client, Client, str]:
    """Alice's camera arrives in three encodings, and bob shows it."""
    alice, bob, camera = await simulcast(it)
    await it.say(arriving(alice.plane_track(camera), *THREE))
    return alice, bob, camera


@pytest.mark.parametrize(
    ("kbps", "ladder"),
    [(5_000, WHOLE), (1_300, [(2, 0), (1, 3), (0, 3)]), (600, [(1, 3), (0, 3)]), (100, [(0, 0)]), (50, [])],
)
async def test_the_first_estimate_reduces_the_ladder_at_once(kbps: int, ladder: list[tuple[int, int]]) -> None:
    async with scene() as it:
        _, bob, _ = await watching(it)
        assert bob.ladder("0") == WHOLE, "without an estimate everything that is asked for is sent"
        await estimate(bob, kbps)
        assert bob.ladder("0") == ladder


async def test_an_estimate_of_the_plane_limits_its_subscriber_and_nobody_else() -> None:
    async with scene() as it:
        alice, bob, _ = await watching(it)
        own, other = bob.participant.transport.id, alice.participant.transport.id
        assert own is not None and other is not None
        await it.say(reported(other, 100))
        assert bob.ladder("0") == WHOLE
        await it.say(reported(own, 600))
        assert bob.ladder("0") == [(1, 3), (0, 3)]
        network = bob.participant.network
        assert network is not None and (network.estimate, network.round_trip) == (600_000, 50)


async def test_a_silent_network_is_not_allocated() -> None:
    """The plane has stopped its video, and the estimate falls for want of feedback."""
    async with scene() as it:
        _, bob, _ = await watching(it)
        own = bob.participant.transport.id
        assert own is not None
        await it.say(reported(own, 5_000))
        await it.say(reported(own, 5, silent=True))
        await it.pass_time(3.0)
        assert bob.ladder("0") == WHOLE


async def test_an_estimate_from_reports_alone_does_not_pause_video_which_would_have_no_reports() -> None:
    async with scene() as it:
        _, bob, _ = await watching(it)
        own = bob.participant.transport.id
        assert own is not None
        await it.say(reported(own, 50, has_feedback=False))
        await it.pass_time(3.0)
        assert bob.ladder("0") == WHOLE
        await it.say(reported(own, 600))
        assert bob.ladder("0") == [(1, 3), (0, 3)]
        await it.say(reported(own, 100, has_feedback=False))
        assert bob.ladder("0") != [(1, 3), (0, 3)], "a client with feedback, to which little is sent at present"


async def test_the_plane_is_told_what_would_be_sent() -> None:
    async with scene() as it:
        alice, bob, camera = await watching(it)
        own = bob.participant.transport.id
        assert own is not None and own not in it.plane.demands, "nothing is estimated"
        await steady(it, bob, 600, 3.0)
        assert it.plane.demands == {own: 1_554_545}, "the best layer with its headers"
        before = it.plane.count("set_demand")
        await it.say(arriving(alice.plane_track(camera), *THREE[:2], (1_530_000, 1280, 720)))
        await steady(it, bob, 600, 3.0)
        assert it.plane.count("set_demand") == before, "rates vary"
        await bob.ask(messages.Settings, track=camera, width=320, height=180)
        await steady(it, bob, 600, 3.0)
        assert it.plane.demands[own] < 200_000


async def test_what_fits_is_given_although_a_switch_gains_little() -> None:
    """The second temporal layer of a tiny picture is worth less than the price of a switch."""
    async with scene() as it:
        alice, bob, camera = await simulcast(it)
        layers = [
            LayerRate(PlaneLayer(0, 0), 20_000, 80, 44, 7.5),
            LayerRate(PlaneLayer(0, 1), 30_000, 80, 44, 15.0),
        ]
        track = alice.plane_track(camera)
        await it.say(Layers(track, "vp8", layers, False, False, lacks_parameters=False))
        await steady(it, bob, 25, 10.0)
        assert bob.ladder("0") == [(0, 0)]
        await steady(it, bob, 3_000, 20.0)
        assert bob.ladder("0")[-1] == (0, 3)


async def test_a_subscriber_is_told_that_its_bandwidth_limits_it_and_explain_has_the_numbers() -> None:
    async with scene() as it:
        _, bob, _ = await watching(it)
        await it.say(bob.switched("0", PlaneLayer(2, 1)))
        await estimate(bob, 600)
        await it.say(bob.switched("0", PlaneLayer(1, 1)))
        assert bob.last_state().cause is Cause.BANDWIDTH
        (seen,) = await bob.explain()
        assert (seen.cause, seen.target and seen.target.layer) == (Cause.BANDWIDTH, Layer(1, 1))
        assert seen.sentence == (
            "alice's camera is shown to bob at 640x360, 30 frames/s, 500 kbit/s: the network of bob carries no more "
            "(of 600 kbit/s, 0 are for audio, 0 for other video and 518 for this; the next layer needs 777)."
        )
        (decision,) = [of for of in seen.decisions if of.cause is Cause.BANDWIDTH]
        assert (decision.what, decision.layer) == (Step.TARGET, Layer(1, 3))
        assert decision.detail == "of 600 kbit/s: 518 of 1555, others 0, audio 0"


async def test_a_drop_is_answered_in_the_same_turn_and_a_rise_after_it_has_lasted() -> None:
    async with scene() as it:
        _, bob, _ = await watching(it)
        await steady(it, bob, 3_000, 10.0)
        assert bob.ladder("0") == WHOLE
        await estimate(bob, 700)
        assert bob.ladder("0") == [(1, 3), (0, 3)]
        await steady(it, bob, 3_000, 1.5)
        assert bob.ladder("0") == [(1, 3), (0, 3)]
        await steady(it, bob, 3_000, 1.5)
        assert bob.ladder("0") == WHOLE


async def test_an_estimate_that_changes_nothing_commands_nothing() -> None:
    async with scene() as it:
        _, bob, _ = await watching(it)
        await estimate(bob, 600)
        before = it.plane.count("set_targets")
        await steady(it, bob, 600, 20.0)
        await steady(it, bob, 620, 20.0)
        assert it.plane.count("set_targets") == before


async def test_little_bandwidth_does_not_stop_an_encoding_at_its_publisher() -> None:
    async with scene() as it:
        _, bob, camera = await watching(it)
        track = bob.room.forwarding.tracks[camera]
        await estimate(bob, 100)
        assert (bob.ladder("0"), track.wanted()) == ([(0, 0)], Layer(2, 3))


async def two_cameras(it: Scene) -> tuple[Client, Client, Client, list[str]]:
    """Alice's and bob's cameras arrive in three encodings, and carol shows both."""
    alice, bob, carol = [await it.client(name) for name in ("alice", "bob", "carol")]
    carol.codecs = ("VP8", "VP9")
    await carol.connect("video recvonly", "video recvonly")
    cameras = [await one.camera() for one in (alice, bob)]
    for one, camera in zip((alice, bob), cameras, strict=True):
        await it.say(svc(one.plane_track(camera)))
    return alice, bob, carol, cameras


def svc(track: int) -> Layers:
    """Three spatial layers of VP9 in one stream."""
    layers = [
        LayerRate(PlaneLayer(spatial, 0), bps, width, height, 30.0)
        for spatial, (bps, width, height) in enumerate(THREE)
    ]
    return Layers(track, "vp9", layers, False, False, lacks_parameters=False)


def best(client: Client) -> list[int]:
    """Returns the spatial layer that is requested in each section. -1: none."""
    return [max((spatial for spatial, _ in client.ladder(mid)), default=-1) for mid in ("0", "1")]


async def test_two_tracks_share_and_the_one_on_stage_gets_more() -> None:
    async with scene() as it:
        _, _, carol, _ = await two_cameras(it)
        await estimate(carol, 320)
        assert best(carol) == [0, 0]
        await steady(it, carol, 700, 20.0)
        assert sorted(best(carol)) == [0, 1]
        for name, layers in (("alice", [1, 0]), ("bob", [0, 1])):
            rooms_of(it.sfu).find("room").update(on_stage=(name,))
            await steady(it, carol, 700, 3.0)
            assert best(carol) == layers


async def test_a_priority_decides_who_gets_the_only_layer() -> None:
    async with scene() as it:
        _, _, carol, cameras = await two_cameras(it)
        await carol.ask(messages.Settings, track=cameras[1], priority=9)
        await estimate(carol, 200)
        assert best(carol) == [-1, 0]
        await carol.ask(messages.Settings, track=cameras[0], priority=200)
        assert best(carol) == [0, -1]


async def test_a_muted_track_leaves_its_bandwidth_to_the_others() -> None:
    async with scene() as it:
        alice, _, carol, cameras = await two_cameras(it)
        await steady(it, carol, 600, 10.0)
        assert sorted(best(carol)) == [0, 0]
        await alice.ask(messages.Mute, track=cameras[0], muted=True)
        assert best(carol)[1] == 1
        await alice.ask(messages.Mute, track=cameras[0], muted=False)
        assert best(carol) == [0, 0]


async def test_a_new_track_starts_within_the_bandwidth_at_once() -> None:
    async with scene() as it:
        alice, bob, carol, _ = await two_cameras(it)
        await steady(it, carol, 700, 10.0)
        await bob.session.handle(messages.Leave("leave"))
        await steady(it, carol, 700, 20.0)
        dave = await it.client("dave")
        camera = await dave.camera()
        await it.say(svc(dave.plane_track(camera)))
        assert sorted(best(carol)) == [0, 1]
        assert alice.shows() == {}


async def test_audio_goes_on_where_there_is_no_bandwidth_for_it() -> None:
    async with scene() as it:
        alice, bob, _ = await watching(it)
        voice = await alice.microphone()
        await bob.offer("audio recvonly")
        await it.say(
            Layers(
                alice.plane_track(voice),
                "opus",
                [LayerRate(PlaneLayer(0, 0), 40_000, 0, 0, 50.0)],
                False,
                False,
                lacks_parameters=False,
            )
        )
        await estimate(bob, 20)
        assert (bob.ladder("0"), bob.ladder("1")) == ([], [(0, 0)])


async def test_viewers_whose_change_is_shared_are_each_sent_what_their_bandwidth_allows() -> None:
    async with scene() as it:
        viewers = [await it.client(f"v{number}") for number in range(10)]
        for number, viewer in enumerate(viewers):
            await viewer.connect("video recvonly")
            if number < 5:
                await estimate(viewer, 600)
        alice, _, camera = await simulcast(it)
        await it.say(arriving(alice.plane_track(camera), *THREE))
        ladders = [viewer.ladder("0") for viewer in viewers]
        assert ladders == [[(1, 3), (0, 3)]] * 5 + [WHOLE] * 5


async def test_targets_that_the_plane_refused_are_sent_again() -> None:
    async with scene() as it:
        _, bob, _ = await watching(it)
        slot = bob.slot("0")
        await estimate(bob, 600)
        bob.participant.viewing.retarget()
        del it.plane.ladders[slot]
        await it.pass_time(3.0)
        assert bob.ladder("0") == [(1, 3), (0, 3)]


async def test_a_new_ranking_of_encodings_keeps_what_is_given() -> None:
    """The offer lists the best encoding first."""
    async with scene() as it:
        alice, bob, camera = await simulcast(it)
        await estimate(bob, 600)
        await it.say(arriving(alice.plane_track(camera), *reversed(THREE)))
        assert bob.ladder("0") == [(1, 3), (2, 3)]


def check(it: Scene, client: Client) -> None:
    """Asserts that the plane has the targets, and that they fit into the bandwidth."""
    viewing, allocator = client.participant.viewing, client.participant.bandwidth._allocator
    decisions, spent = Decisions(), 0
    for slot in viewing.slots.values():
        if slot.track is None or slot.shown is None:
            continue
        decision = decisions.of(slot.shown, viewing.wishes.of(slot.track))
        assert slot.target is not None
        assert slot.commanded == slot.shown.simulcast.named(slot.target.ladder)
        assert it.plane.ladders[slot.id] == [(layer.spatial, layer.temporal) for layer in slot.commanded]
        assert slot.target == decision.target or slot.target.cause is Cause.BANDWIDTH
        can_decode = slot.can_decode(slot.shown)
        assert slot.shown.asked.get(client.sid) == (decision.wanted if can_decode else None)
        assert slot.kind is Kind.VIDEO or slot.target == decision.target, "audio is not limited"
        if slot.given is not None:
            spent += slot.shown.rates[slot.given].bps if slot.given in slot.shown.rates else 0
    link, result = allocator.link, allocator.allocation
    assert link is not None and result is not None
    assert spent <= result.video <= max(link.budget - result.audio, 0)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False))
def test_after_any_acts_what_is_sent_is_what_was_allocated_and_fits(chance: random.Random) -> None:
    async def run() -> None:
        async with scene() as it:
            crowd = Crowd(it, chance)
            for _ in range(25):
                await crowd.step()
                one = crowd.somebody()
                if one is not None and chance.random() < 0.7:
                    await estimate(one, chance.choice((50, 300, 900, 3_000, 9_000)))
                if chance.random() < 0.3:
                    await it.pass_time(chance.choice((0.2, 1.0, 3.0)))
            for one in crowd.people:
                await estimate(one, chance.choice((50, 300, 900, 3_000)))
            await it.pass_time(3.0)
            for one in crowd.people:
                check(it, one)

    asyncio.run(run())
