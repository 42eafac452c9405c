"""The speaking indication, as those in the room hear of it."""

from sfu import messages
from sfu.plane import AudioLevels

from .scene import Client, Scene, scene


async def speak(it: Scene, seconds: float, **levels: tuple[Client, str, int]) -> None:
    """Each publisher's track at this level (-dBov), every 100 ms."""
    heard = [(client.plane_track(sid), dbov) for client, sid, dbov in levels.values()]
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
        assert bob.last(messages.Speakers).speakers == (messages.Speaker(alice.sid, voice, 0.0, False),)
        await speak(it, 2, alice=(alice, voice, 20))
        assert bob.heard(messages.Speakers) == []


async def test_levels_of_one_room_are_told_in_that_room_only() -> None:
    async with scene() as it:
        alice, bob = await it.client("alice", "one"), await it.client("bob", "two")
        voice, other = await alice.microphone(), await bob.microphone()
        await speak(it, 1, alice=(alice, voice, 20), bob=(bob, other, 127))
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
