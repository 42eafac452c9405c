"""The speaking indication, as participants receive it."""

import pytest

from sfu.model import Permissions
from sfu.plane import AudioLevels
from sfu.signalling import messages
from sfu.views import Speaker

from ..scene import Client, Scene, scene


async def speak(it: Scene, seconds: float, **levels: tuple[Client, str, int]) -> None:
    """Each publisher's track at this level (-dBov), every 100 ms."""
    heard = [
        (client.plane_track(sid), bytes([dbov, dbov + 3, dbov + 6, dbov, dbov + 9]))
        for client, sid, dbov in levels.values()
    ]
    for _ in range(round(seconds * 10)):
        await it.say(AudioLevels(heard))
        await it.pass_time(0.1)


async def test_everybody_is_told_who_speaks_and_who_stopped() -> None:
    async with scene() as it:
        alice, bob = await it.client("alice"), await it.client("bob")
        voice = await alice.microphone()
        await speak(it, 1, alice=(alice, voice, 20))
        for client in (alice, bob):
            (speaker,) = client.last(messages.Speakers).speakers
            assert (speaker.participant, speaker.track, speaker.active) == (alice.sid, voice, True)
        await it.pass_time(1)
        (speaker,) = bob.last(messages.Speakers).speakers
        assert (speaker.level, speaker.active) == (0.0, False)


async def test_a_muted_track_does_not_speak() -> None:
    async with scene() as it:
        alice, bob = await it.client("alice"), await it.client("bob")
        voice = await alice.microphone()
        await speak(it, 1, alice=(alice, voice, 20))
        bob.heard()
        await alice.ask(messages.Mute, track=voice, muted=True)
        assert bob.last(messages.Speakers).speakers == (Speaker(alice.sid, voice, 0.0, False),)
        await speak(it, 2, alice=(alice, voice, 20))
        assert bob.heard(messages.Speakers) == []


async def test_levels_of_one_room_are_told_in_that_room_only() -> None:
    async with scene() as it:
        alice, bob = await it.client("alice", "one"), await it.client("bob", "two")
        voice, other = await alice.microphone(), await bob.microphone()
        await speak(it, 1, alice=(alice, voice, 20), bob=(bob, other, 90))
        assert alice.heard(messages.Speakers) and bob.heard(messages.Speakers) == []


async def test_a_speaker_who_leaves_is_told_of_once_as_silent() -> None:
    async with scene() as it:
        alice, bob = await it.client("alice"), await it.client("bob")
        voice = await alice.microphone()
        await speak(it, 1, alice=(alice, voice, 20))
        bob.heard()
        await alice.session.handle(messages.Leave("leave"))
        await it.pass_time(2)
        (told,) = bob.heard(messages.Speakers)
        assert told.speakers[0].active is False


async def test_everybody_is_told_who_has_the_floor_and_who_joins_finds_it_in_the_room() -> None:
    async with scene() as it:
        alice, bob = await it.client("alice"), await it.client("bob")
        voice, other = await alice.microphone(), await bob.microphone()
        await converse(it, alice, voice, bob, other)
        for client in (alice, bob):
            assert client.heard(messages.DominantSpeaker) == [messages.DominantSpeaker(alice.sid, voice)]
        assert alice.room.info().dominant_speaker == alice.sid
        await converse(it, bob, other, alice, voice)
        assert alice.heard(messages.DominantSpeaker) == [messages.DominantSpeaker(bob.sid, other)]
        carol = await it.client("carol")
        assert carol.last(messages.Joined).room.dominant_speaker == bob.sid


@pytest.mark.parametrize("how", ["mutes", "unpublishes", "leaves", "hides"])
async def test_who_is_no_longer_heard_has_the_floor_no_longer(how: str) -> None:
    async with scene() as it:
        alice, bob = await it.client("alice"), await it.client("bob")
        voice, other = await alice.microphone(), await bob.microphone()
        await converse(it, alice, voice, bob, other)
        bob.heard()
        match how:
            case "mutes":
                await alice.ask(messages.Mute, track=voice, muted=True)
            case "unpublishes":
                await alice.ask(messages.Unpublish, track=voice)
            case "leaves":
                await alice.session.handle(messages.Leave("leave"))
            case "hides":
                await alice.change(permissions=Permissions(hidden=True))
        await it.pass_time(0)
        assert bob.heard(messages.DominantSpeaker) == [messages.DominantSpeaker()]
        assert bob.room.info().dominant_speaker == ""


async def converse(it: Scene, speaker: Client, voice: str, listener: Client, other: str) -> None:
    """One speaks for two seconds, with a moment of the room before, while the other listens."""
    for step in range(20):
        samples = bytes([80] * 5) if step == 0 else bytes([20, 25, 30, 22, 28])
        silent = bytes([80, 82, 81, 80, 83])
        await it.say(AudioLevels([(speaker.plane_track(voice), samples), (listener.plane_track(other), silent)]))
        await it.pass_time(0.1)
