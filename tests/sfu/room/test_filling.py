"""Slots are filled with the selected tracks, and keep in the plane what did not change."""

from sfu.model import Quality
from sfu.signalling import messages

from ..scene import scene
from .test_subscriptions import simulcast


async def test_what_is_unsubscribed_makes_room_for_what_waits() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        camera = await alice.camera()
        carol = await it.client("carol")
        other = await carol.camera()
        bob = await it.client("bob")
        await bob.connect("video recvonly")
        assert bob.shows() == {"0": camera}
        await bob.ask(messages.Subscribe, tracks=(camera,), on=False)
        assert bob.shows() == {"0": other}


async def test_a_slot_emptied_and_filled_again_keeps_its_ladder_in_the_plane() -> None:
    async with scene() as it:
        _, bob, camera = await simulcast(it)
        ladder = bob.ladder("0")
        before = len(it.plane.commands)
        await bob.ask(messages.Subscribe, tracks=(camera,), on=False)
        await bob.ask(messages.Subscribe, tracks=(camera,), on=True)
        names = [command[0] for command in it.plane.commands[before:]]
        assert names == ["set_source", "set_source"] and ladder
        await bob.ask(messages.Subscribe, tracks=(camera,), on=False)
        await bob.ask(messages.Settings, track=camera, quality=Quality.LOW)
        await bob.ask(messages.Subscribe, tracks=(camera,), on=True)
        assert bob.ladder("0") == ladder[-1:], "another ladder is sent"


async def test_audio_and_camera_of_one_participant_share_the_index_of_their_sections() -> None:
    async with scene() as it:
        bob = await it.client("bob")
        await bob.connect("audio recvonly", "audio recvonly", "video recvonly", "video recvonly")
        alice = await it.client("alice")
        await alice.microphone()
        carol = await it.client("carol")
        camera = await carol.camera()
        assert bob.shows()["3"] == camera, "the place beside the microphone of Alice is hers"
        voice, face = await carol.microphone(), await alice.camera()
        assert (bob.shows()["1"], bob.shows()["2"]) == (voice, face)
