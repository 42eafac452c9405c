"""A mute is one command to the plane and one fact, however many viewers the track has."""

import pytest

from sfu import facts
from sfu.model import BackupCodec, Cause, Kind, Source
from sfu.plane import Layer
from sfu.signalling import messages

from ..scene import Client, Scene, scene, turn
from ..test_facts import record

VIEWERS = 5


async def audience(it: Scene) -> tuple[Client, str, list[Client]]:
    """Ada's microphone, and viewers who hear it."""
    ada = await it.client("ada")
    await ada.connect("application")
    microphone = await ada.microphone()
    viewers = [await it.client(f"v{number}") for number in range(VIEWERS)]
    for viewer in viewers:
        await viewer.connect("audio recvonly")
        await it.say(viewer.switched("0", Layer(0, 0)))
        viewer.heard()
    return ada, microphone, viewers


async def test_a_mute_is_one_command_and_one_fact_for_all_who_hear_the_track() -> None:
    async with scene() as it:
        ada, microphone, viewers = await audience(it)
        entries, before = record(it), len(it.plane.commands)
        for muted, state, reason in [(True, "paused", "muted by its publisher"), (False, "active", "")]:
            entries.clear()
            await ada.ask(messages.Mute, track=microphone, muted=muted)
            assert it.plane.commands[before:] == [("set_muted", ada.plane_track(microphone), muted)]
            (told,) = (entry.fact for entry in entries if isinstance(entry.fact, facts.SubscriptionsChanged))
            assert told.subscribers == tuple(viewer.sid for viewer in viewers)
            for viewer in viewers:
                message = viewer.last_state()
                assert (message.state, message.reason) == (state, reason)
            before = len(it.plane.commands)


async def test_a_picture_is_pending_from_the_end_of_a_mute_until_the_plane_reports_its_keyframe() -> None:
    async with scene() as it:
        ada, bob = await it.client("ada"), await it.client("bob")
        await bob.connect("video recvonly")
        camera = await ada.camera()
        await it.say(bob.switched("0", Layer(0, 0)))
        for muted in (True, False):
            await ada.ask(messages.Mute, track=camera, muted=muted)
            (view,) = await bob.explain()
            assert view.current is None and (view.target is None) is muted
        assert bob.last_state().state == "pending"
        await it.say(bob.switched("0", Layer(0, 0)))
        assert bob.last_state().state == "active"


async def test_a_mute_that_ends_in_the_same_turn_leaves_the_plane_alone() -> None:
    async with scene() as it:
        ada, microphone, viewers = await audience(it)
        before = len(it.plane.commands)
        for muted in (True, False):
            await ada.session.handle(messages.Mute("mute", 1, microphone, muted))
        await turn()
        assert it.plane.commands[before:] == []
        assert not any(viewer.heard_states() for viewer in viewers)


async def test_a_track_that_is_published_muted_or_comes_back_muted_is_muted_in_the_plane() -> None:
    async with scene() as it:
        ada = await it.client("ada")
        await ada.connect("application")
        microphone = await ada.microphone(muted=True)
        assert it.plane.muted == {ada.plane_track(microphone)}
        await ada.media("failed")
        published = await ada.offer(tracks={"1": "microphone-1"})
        assert isinstance(published, messages.Answer)
        await turn()
        assert ada.plane_track(microphone) in it.plane.muted
        await ada.ask(messages.Mute, track=microphone, muted=False)
        assert ada.plane_track(microphone) not in it.plane.muted


async def test_a_mute_that_the_plane_refuses_is_sent_again_with_the_next_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene() as it:
        ada, microphone, viewers = await audience(it)

        def refuses(track: int, muted: bool) -> None:
            raise ValueError("the plane takes no such command")

        with monkeypatch.context() as patched:
            patched.setattr(it.plane, "set_muted", refuses)
            await ada.silence(microphone, True)
            await turn()
        assert it.sfu.failures.counts["mute"] and not it.plane.muted
        await it.pass_time(0.2)
        assert it.plane.muted == {ada.plane_track(microphone)}
        assert viewers[0].last_state().cause is Cause.MUTED


async def test_the_backup_of_a_muted_track_is_muted_too() -> None:
    async with scene() as it:
        ada = await it.client("ada")
        ada.codecs = ("AV1", "VP8")
        backup = BackupCodec("backup", "video/VP8")
        camera = await ada.publish(Kind.VIDEO, Source.CAMERA, backup=backup)
        await ada.ask(messages.Mute, track=camera, muted=True)
        answer = await ada.offer("video sendonly", tracks={str(len(ada.sections)): "backup"})
        assert isinstance(answer, messages.Answer)
        await turn()
        assert it.plane.muted == set(it.plane.tracks) and len(it.plane.muted) == 2
