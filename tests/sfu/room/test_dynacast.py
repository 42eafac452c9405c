"""Publishers send what viewers want: the requests `wanted`, and their repetition after losses and restarts."""

from typing import Any

from sfu.model import Kind, ParticipantKind, Quality, Source
from sfu.signalling import messages
from sfu.signalling.messages import Wanted
from sfu.views import WantedEncoding

from ..scene import Client, Scene, grant, open_session, scene, sdp, tracks_of
from .test_subscriptions import arriving

RIDS = ("q", "h", "f")
THREE = ((150_000, 320, 180), (500_000, 640, 360), (1_500_000, 1280, 720))


def wanted(track: str, *on: bool, paused: bool = False) -> Wanted:
    return Wanted(track, tuple(WantedEncoding(rid, is_on) for rid, is_on in zip(RIDS, on, strict=True)), paused)


async def publisher(it: Scene, *, features: tuple[str, ...] = ("wanted",)) -> tuple[Client, str]:
    """Returns a participant whose camera has three encodings, all of which arrive."""
    alice = await it.client("alice", features=features)
    published = await alice.ask(messages.Publish, cid="c", kind=Kind.VIDEO, source=Source.CAMERA)
    alice.sections.append(("video/3", "sendonly"))
    await alice.offer(tracks={"0": "c"})
    await it.say(arriving(alice.plane_track(published.track.sid), *THREE))
    return alice, published.track.sid


async def viewer(it: Scene, identity: str = "bob", **options: Any) -> Client:
    bob = await it.client(identity, **options)
    await bob.connect("video recvonly")
    return bob


async def see(client: Client, track: str, quality: Quality) -> None:
    assert isinstance(await client.ask(messages.Settings, track=track, quality=quality), messages.Ok)


async def settle(it: Scene) -> None:
    """Ticks for five seconds."""
    for _ in range(25):
        await it.pass_time(0.2)


async def test_encodings_that_nobody_wants_are_stopped_within_five_seconds_and_asked_for_again_at_once() -> None:
    async with scene() as it:
        alice, camera = await publisher(it)
        bob = await viewer(it)
        await settle(it)
        assert alice.heard(Wanted) == [], "what is wanted whole needs no word"
        await see(bob, camera, Quality.LOW)
        assert alice.heard(Wanted) == []
        await settle(it)
        assert alice.heard(Wanted) == [wanted(camera, True, False, False)]
        assert [e.wanted for e in tracks_of(bob.room)[0].encodings] == [True, False, False]
        await see(bob, camera, Quality.HIGH)
        assert alice.heard(Wanted) == [wanted(camera, True, True, True)]


async def test_the_best_of_all_wishes_counts_also_of_hidden_viewers() -> None:
    async with scene() as it:
        alice, camera = await publisher(it)
        bob, carol = await viewer(it, "bob"), await viewer(it, "carol", hidden=True)
        await see(bob, camera, Quality.LOW)
        await see(carol, camera, Quality.MEDIUM)
        await settle(it)
        assert alice.heard(Wanted) == [wanted(camera, True, True, False)]
        await carol.session.handle(messages.Leave("leave"))
        await settle(it)
        assert alice.heard(Wanted) == [wanted(camera, True, False, False)]


async def test_a_viewer_by_whep_counts() -> None:
    async with scene() as it:
        alice, camera = await publisher(it)
        await it.pass_time(40)
        assert alice.last(Wanted).paused
        open_session(it.sfu, grant("eve"), "room", ParticipantKind.VIEWER, sdp([("video", "recvonly")]))
        await it.pass_time(0)
        assert alice.heard(Wanted) == [wanted(camera, True, True, True)]


async def test_a_track_that_nobody_watches_is_paused_after_thirty_seconds_and_nobody_else_is_told() -> None:
    async with scene() as it:
        alice, camera = await publisher(it)
        bob = await it.client("bob", auto_subscribe=False)
        await bob.connect("video recvonly")
        bob.heard()
        await it.pass_time(10)
        assert alice.heard(Wanted) == [wanted(camera, True, False, False)]
        await it.pass_time(20)
        assert alice.heard(Wanted) == [wanted(camera, False, False, False, paused=True)]
        (view,) = tracks_of(bob.room)
        assert view.paused and not view.track.muted
        assert bob.heard(messages.Participants) == []
        await bob.ask(messages.Subscribe, tracks=(camera,), on=True)
        assert alice.heard(Wanted) == [wanted(camera, True, True, True)]


async def test_sound_is_never_paused_since_who_speaks_is_found_by_it() -> None:
    async with scene() as it:
        alice = await it.client("alice", features=("wanted",))
        await alice.microphone()
        await it.pass_time(60)
        assert alice.heard(Wanted) == []


async def test_who_cannot_is_not_told() -> None:
    async with scene() as it:
        alice, _ = await publisher(it, features=())
        await it.pass_time(60)
        assert alice.heard(Wanted) == []
        assert not tracks_of(alice.room)[0].paused


async def test_a_mute_changes_nothing_at_the_source() -> None:
    async with scene() as it:
        alice, camera = await publisher(it)
        bob = await viewer(it)
        for do in (
            lambda: alice.ask(messages.Mute, track=camera, muted=True),
            lambda: alice.ask(messages.Mute, track=camera, muted=False),
        ):
            await do()
            await settle(it)
        await alice.silence(camera, True)
        await it.pass_time(60)
        assert alice.heard(Wanted) == []
        assert bob.ladder("0") == []


async def test_what_changes_during_a_mute_counts() -> None:
    async with scene() as it:
        alice, camera = await publisher(it)
        bob = await viewer(it)
        await alice.ask(messages.Mute, track=camera, muted=True)
        await see(bob, camera, Quality.LOW)
        await settle(it)
        assert alice.heard(Wanted) == [wanted(camera, True, False, False)]


async def test_who_has_it_out_of_sight_does_not_want_it() -> None:
    async with scene() as it:
        alice, camera = await publisher(it)
        bob = await viewer(it)
        await bob.ask(messages.Settings, track=camera, visible=False)
        await settle(it)
        assert alice.heard(Wanted) == [wanted(camera, True, False, False)]
        await it.pass_time(26)
        assert alice.last(Wanted).paused
        await bob.ask(messages.Settings, track=camera, visible=True, height=360)
        assert alice.heard(Wanted) == [wanted(camera, True, True, False)], "half of 720 lines will do"


async def test_a_snapshot_says_it_again() -> None:
    async with scene() as it:
        alice, camera = await publisher(it)
        bob = await viewer(it)
        await see(bob, camera, Quality.LOW)
        await settle(it)
        await alice.cut()
        for n in range(300):
            await bob.change(name=f"Bob {n}")
            await it.pass_time(0)
        again = await it.resume(alice)
        await it.pass_time(0)
        heard = again.heard()
        assert heard[0].resumed
        assert [m for m in heard if isinstance(m, Wanted)] == [wanted(camera, True, False, False)]


async def test_a_track_published_again_starts_whole() -> None:
    async with scene() as it:
        alice, camera = await publisher(it)
        await it.pass_time(40)
        assert alice.last(Wanted).paused
        await alice.media("failed")
        assert tracks_of(alice.room) == []
        await alice.offer(tracks={"0": "c"})
        assert not tracks_of(alice.room)[0].paused
        assert alice.heard(Wanted) == []
        await it.pass_time(10)
        assert alice.heard(Wanted) == [wanted(camera, True, False, False)]


async def test_a_track_on_another_transport_of_the_same_session_is_told_again() -> None:
    async with scene() as it:
        alice, camera = await publisher(it)
        await it.pass_time(40)
        alice.heard()
        text = sdp(alice.sections, "another0", ":".join(["EF"] * 32))
        assert isinstance(await alice.ask(messages.Offer, sdp=text, tracks={"0": "c"}), messages.Answer)
        assert alice.heard(Wanted) == [wanted(camera, False, False, False, paused=True)]


async def test_an_ice_restart_changes_nothing() -> None:
    async with scene() as it:
        alice, _ = await publisher(it)
        await it.pass_time(40)
        alice.heard()
        alice.ufrag = "restarted"
        await alice.offer(tracks={"0": "c"})
        assert it.plane.count("restart_ice") == 1
        assert alice.heard(Wanted) == []


async def test_other_encodings_of_the_same_track_are_wanted_anew() -> None:
    async with scene() as it:
        alice, camera = await publisher(it)
        await it.pass_time(40)
        alice.heard()
        alice.sections[0] = ("video", "sendonly")
        await alice.offer(tracks={"0": "c"})
        await it.pass_time(31)
        assert alice.heard(Wanted) == [Wanted(camera, (WantedEncoding("", False),), True)]
