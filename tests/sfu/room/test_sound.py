"""The audio policy sent to the plane: ranked microphones, the dominant speaker's, and redundancy."""

import pytest

from sfu.config import Config
from sfu.errors import InvalidRequest
from sfu.model import Kind, Source
from sfu.plane import AudioPolicy
from sfu.signalling import messages

from ...live import rooms_of
from ..scene import Client, Scene, scene
from .test_speech import converse


def told(it: Scene) -> AudioPolicy:
    """The audio policies of the only room."""
    (policy,) = it.plane.audio.values()
    return policy


def ids(*voices: tuple[Client, str]) -> list[int]:
    return [client.plane_track(sid) for client, sid in voices]


async def test_sound_is_made_redundant_as_configured() -> None:
    async with scene(Config(redundancy=2)) as it:
        alice = await it.client("alice")
        await alice.camera()
        assert not it.plane.audio, "a room without sound needs no word"
        voice = await alice.microphone()
        assert (told(it).redundancy, told(it).redundant) == (2, ids((alice, voice)))
        assert (told(it).loudest, told(it).ranked) == (0, [])


async def test_of_what_is_encrypted_end_to_end_nothing_is_made() -> None:
    async with scene() as it:
        alice, bob = await it.client("alice"), await it.client("bob")
        await alice.microphone(encrypted=True)
        assert not it.plane.audio
        voice = await bob.microphone()
        assert told(it).redundant == ids((bob, voice))


async def test_without_redundancy_and_ranking_the_plane_hears_nothing_of_it() -> None:
    async with scene(Config(redundancy=0)) as it:
        await (await it.client("alice")).microphone()
        assert not it.plane.audio


async def test_the_microphones_of_a_room_with_loudest_are_ranked_and_nothing_else_is() -> None:
    async with scene() as it:
        alice, bob = await it.client("alice"), await it.client("bob")
        voice, other = await alice.microphone(), await bob.microphone()
        await alice.publish(Kind.AUDIO, Source.SCREEN_SHARE_AUDIO)
        alice.room.update(loudest=1)
        await it.pass_time(0)
        assert (told(it).loudest, told(it).ranked) == (1, ids((alice, voice), (bob, other)))
        assert alice.last(messages.Room).room.loudest == 1
        await bob.ask(messages.Mute, track=other, muted=True)
        assert told(it).ranked == ids((alice, voice)), "a muted one takes nobody's place"
        await bob.ask(messages.Mute, track=other, muted=False)
        await alice.ask(messages.Unpublish, track=voice)
        assert told(it).ranked == ids((bob, other))
        alice.room.update(loudest=0)
        await it.pass_time(0)
        assert (told(it).loudest, told(it).ranked) == (0, [])


async def test_who_has_the_floor_is_always_heard() -> None:
    async with scene() as it:
        alice, bob = await it.client("alice"), await it.client("bob")
        voice, other = await alice.microphone(), await bob.microphone()
        alice.room.update(loudest=1)
        await converse(it, alice, voice, bob, other)
        assert told(it).always == ids((alice, voice))
        await converse(it, bob, other, alice, voice)
        assert told(it).always == ids((bob, other))
        await bob.session.handle(messages.Leave("leave"))
        await it.pass_time(0)
        assert told(it).always == []


async def test_the_same_is_not_said_twice_and_the_last_word_is_taken_back() -> None:
    async with scene() as it:
        alice, bob = await it.client("alice"), await it.client("bob")
        voice = await alice.microphone()
        said = it.plane.count("set_audio")
        await bob.connect("audio recvonly")
        await alice.ask(messages.Mute, track=voice, muted=True)
        assert it.plane.count("set_audio") == said
        rooms_of(it.sfu).delete("room")
        await it.pass_time(0)
        assert not it.plane.audio


@pytest.mark.parametrize("loudest", [-1, 1001])
async def test_a_number_that_makes_no_sense_is_refused(loudest: int) -> None:
    async with scene() as it:
        alice = await it.client("alice")
        with pytest.raises(InvalidRequest, match="loudest is 0"):
            alice.room.update(loudest=loudest)
        assert alice.room.options.loudest == 0
