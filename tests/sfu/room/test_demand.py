"""A participant's settings of size and visibility, and the layers that it is sent."""

from typing import Any

import pytest

from sfu.model import Layer, Quality, Wish
from sfu.plane import AudioLevels, LayerRate, Layers
from sfu.plane import Layer as PlaneLayer
from sfu.signalling import messages

from ..scene import Client, Scene, scene
from .test_subscriptions import simulcast

SIZES = ((320, 180), (640, 360), (1280, 720))


def arriving(track: int, spatials: int = 3, temporals: int = 3, codec: Any = "vp8") -> Layers:
    """Returns the lowest `spatials` encodings of 180, 360 and 720 lines, at 30 frames per second."""
    layers = [
        LayerRate(
            PlaneLayer(spatial, temporal), 200_000 << spatial, *SIZES[spatial], 30.0 / 2 ** (temporals - 1 - temporal)
        )
        for spatial in range(spatials)
        for temporal in range(temporals)
    ]
    return Layers(track, codec, layers, False, False, lacks_parameters=False)


async def demand(client: Client, track: str, **settings: Any) -> Any:
    return await client.ask(messages.Settings, track=track, **settings)


async def test_a_small_tile_gets_the_low_layer_and_enlarged_the_high_one() -> None:
    async with scene() as it:
        alice, bob, camera = await simulcast(it)
        await it.say(arriving(alice.plane_track(camera)))
        for width, height, ladder in [
            (320, 180, [(0, 3)]),
            (640, 360, [(1, 3), (0, 3)]),
            (1920, 1080, [(2, 3), (1, 3), (0, 3)]),
            (0, 0, [(2, 3), (1, 3), (0, 3)]),
        ]:
            assert isinstance(await demand(bob, camera, width=width, height=height), messages.Ok)
            assert bob.ladder("0") == ladder


async def test_what_a_client_does_not_name_stays_as_it_was() -> None:
    async with scene() as it:
        alice, bob, camera = await simulcast(it)
        await it.say(arriving(alice.plane_track(camera)))
        await demand(bob, camera, width=320, height=180)
        await demand(bob, camera, fps=15)
        assert bob.ladder("0") == [(0, 1)]
        await demand(bob, camera, width=0, height=0)
        assert bob.ladder("0") == [(2, 1), (1, 1), (0, 1)]
        (view,) = await bob.subscriptions()
        assert view.wish == Wish(fps=15)


async def test_what_is_not_visible_is_paused_with_its_reason_and_comes_back() -> None:
    async with scene() as it:
        alice, bob, camera = await simulcast(it)
        voice = await alice.microphone()
        await bob.offer("audio recvonly")
        bob.heard()
        await demand(bob, camera, visible=False)
        await demand(bob, voice, visible=False)
        told = {message.track: message for message in bob.heard_states()}
        assert (told[camera].state, told[camera].reason) == ("paused", "not visible at the subscriber")
        assert bob.ladder("0") == [] and bob.ladder("1") == [(0, 0)], "who is not seen is heard"
        assert bob.shows() == {"0": camera, "1": voice}, "the place is kept"
        await demand(bob, camera, visible=True)
        assert bob.ladder("0") == [(2, 3), (1, 3), (0, 3)]
        assert bob.last_state().state == "pending"


async def test_only_ladders_that_differ_are_commanded() -> None:
    async with scene() as it:
        alice, bob, camera = await simulcast(it)
        await it.say(arriving(alice.plane_track(camera)))
        await demand(bob, camera, width=320, height=180)
        before = it.plane.count("set_targets")
        await demand(bob, camera, width=300, height=160)
        await demand(bob, camera, priority=200)
        for _ in range(5):
            await it.say(arriving(alice.plane_track(camera)))
        assert it.plane.count("set_targets") == before


async def test_layers_within_one_stream_are_listed_where_its_codec_has_them() -> None:
    async with scene() as it:
        alice, bob = await it.client("alice"), await it.client("bob")
        await bob.connect("video recvonly")
        camera = await alice.camera(width=1280, height=720)
        track = alice.plane_track(camera)
        assert bob.ladder("0") == [(2, 3), (1, 3), (0, 3)], "it may be any codec"
        await it.say(arriving(track, 1))
        assert bob.ladder("0") == [(0, 3)], "a stream of VP8 is one picture"
        await it.say(arriving(track, 3, codec="vp9"))
        assert bob.ladder("0") == [(2, 3), (1, 3), (0, 3)]
        await it.say(arriving(track, 2, codec="vp9"))
        assert bob.ladder("0") == [(2, 3), (1, 3), (0, 3)], "what its sender has dropped may come back"
        await demand(bob, camera, height=180)
        assert bob.ladder("0") == [(0, 3)]


async def test_a_camera_that_is_turned_is_measured_anew() -> None:
    async with scene() as it:
        alice, bob, camera = await simulcast(it)
        track = alice.plane_track(camera)
        await it.say(arriving(track))
        await demand(bob, camera, width=640, height=360)
        assert bob.ladder("0") == [(1, 3), (0, 3)]
        upright = [LayerRate(at.layer, at.bps, at.height, at.width, at.fps) for at in arriving(track).layers]
        await it.say(Layers(track, "vp8", upright, False, False, lacks_parameters=False))
        assert bob.ladder("0") == [(0, 3)], "320 lines fill a tile of 360"


async def test_the_best_layer_that_anybody_wants_is_known_for_each_track() -> None:
    async with scene() as it:
        alice, bob, camera = await simulcast(it)
        carol = await it.client("carol")
        await carol.connect("video recvonly")
        track = alice.room.forwarding.tracks[camera]
        assert track.wanted() == Layer(2, 3)
        await it.say(arriving(alice.plane_track(camera)))
        await demand(bob, camera, height=180)
        await demand(carol, camera, height=360, fps=7)
        assert track.wanted() == Layer(1, 3)
        await demand(bob, camera, visible=False)
        assert track.wanted() == Layer(1, 0)
        await demand(carol, camera, quality=Quality.OFF)
        assert track.wanted() is None
        await demand(bob, camera, visible=True)
        assert track.wanted() == Layer(0, 3)
        await bob.session.handle(messages.Leave("leave"))
        assert track.wanted() is None


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"width": -1}, "a width is 0 (any) to 65535 pixels, not -1"),
        ({"height": 65_536}, "a height is 0 (any) to 65535 pixels, not 65536"),
        ({"fps": float("nan")}, "a frame rate is 0 (any) to 1000, not nan"),
        ({"fps": -5.0}, "a frame rate is 0 (any) to 1000, not -5.0"),
        ({"priority": 256}, "a priority is 1 to 255, or 0 for the default of its source, not 256"),
    ],
)
async def test_a_number_that_cannot_be_is_refused_and_changes_nothing(settings: dict[str, Any], sentence: str) -> None:
    async with scene() as it:
        _, bob, camera = await simulcast(it)
        assert (await demand(bob, camera, visible=False, **settings)).message == sentence
        assert bob.ladder("0") == [(2, 3), (1, 3), (0, 3)]


async def test_a_wish_is_kept_while_the_connection_is_cut() -> None:
    async with scene() as it:
        alice, bob, camera = await simulcast(it)
        await it.say(arriving(alice.plane_track(camera)))
        await demand(bob, camera, height=180)
        await bob.cut()
        again = await it.resume(bob)
        assert again.ladder("0") == [(0, 3)]


async def cameras(it: Scene, count: int) -> tuple[list[Client], list[str]]:
    people = [await it.client(f"p{number}", auto_subscribe=False) for number in range(count)]
    return people, [await one.camera() for one in people]


async def test_pages_move_through_few_sections_without_a_new_offer() -> None:
    async with scene() as it:
        _, faces = await cameras(it, 6)
        bob = await it.client("bob")
        await bob.connect("video recvonly", "video recvonly")
        assert bob.heard(messages.Renegotiate)
        for sid in faces:
            await demand(bob, sid, visible=sid in faces[:2])
        for first in (2, 4, 0):
            bob.heard()
            page = faces[first : first + 2]
            # What goes out of sight first: never are more visible than there are sections.
            for sid in sorted(faces, key=lambda sid: sid in page):
                await demand(bob, sid, visible=sid in page)
            assert sorted(filter(None, bob.shows().values())) == sorted(page)
            assert bob.heard(messages.Slots) and not bob.heard(messages.Renegotiate)


async def test_a_room_shows_the_last_n_and_a_speaker_takes_the_place_of_who_spoke_longest_ago() -> None:
    async with scene() as it:
        people, faces = await cameras(it, 5)
        voices = [await one.microphone() for one in people]
        bob = await it.client("bob")
        await bob.connect(*["video recvonly"] * 3, *["audio recvonly"] * 5)
        people[0].room.update(last_n=3)
        await it.pass_time(0)
        pictures = ("0", "1", "2")
        assert {bob.shows()[mid] for mid in pictures} == set(faces[:3])
        await it.say(bob.switched("0", PlaneLayer(0, 0), "none"))
        for speaker, shown in ((4, {4, 0, 1}), (3, {3, 4, 0}), (0, {3, 4, 0}), (2, {2, 0, 3})):
            bob.heard()
            await speak(it, people[speaker], voices[speaker])
            assert {bob.shows()[mid] for mid in pictures} == {faces[number] for number in shown}
            assert not bob.heard(messages.Renegotiate)
        assert sum(1 for sid in bob.shows().values() if sid in voices) == 5, "everybody is heard"


async def test_who_is_on_stage_is_shown_first_and_can_be_changed_at_any_time() -> None:
    async with scene() as it:
        _, faces = await cameras(it, 4)
        bob = await it.client("bob")
        await bob.connect("video recvonly", "video recvonly")
        bob.room.update(last_n=2, on_stage=("p3",))
        await it.pass_time(0)
        assert set(bob.shows().values()) == {faces[3], faces[0]}
        assert bob.last(messages.Room).room.on_stage == ("p3",)
        bob.room.update(on_stage=("p2", "p1"))
        await it.pass_time(0)
        assert set(bob.shows().values()) == {faces[2], faces[1]}
        bob.room.update(last_n=0, on_stage=())
        await it.pass_time(0)
        assert set(bob.shows().values()) == {faces[0], faces[1]}


async def test_with_last_n_no_more_sections_are_asked_for_than_it_needs() -> None:
    async with scene() as it:
        await cameras(it, 8)
        bob = await it.client("bob")
        bob.room.update(last_n=3)
        await bob.connect("video recvonly")
        assert bob.last(messages.Renegotiate) == messages.Renegotiate(audio=0, video=2)


async def speak(it: Scene, who: Client, voice: str) -> None:
    await it.say(AudioLevels([(who.plane_track(voice), bytes([90] * 5))]))
    for _ in range(30):
        await it.say(AudioLevels([(who.plane_track(voice), bytes([20, 25, 22, 30, 25]))]))
        await it.pass_time(0.1)
    await it.pass_time(2)
