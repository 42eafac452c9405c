"""In a large room messages about others are combined, in an order that stays consistent."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu import limits
from sfu.config import Config
from sfu.model import Kind, ParticipantState, Source
from sfu.plane import AudioLevels
from sfu.signalling import messages
from sfu.signalling.news import News, SpeechNews
from sfu.views import ParticipantInfo, Speaker

from ...live import rooms_of
from ..scene import Client, Scene, scene, turn


@pytest.fixture
def large() -> Iterator[None]:
    """Every room with two participants is a large one."""
    with patch.object(limits, "SMALL_ROOM", 1):
        yield


async def quiet(it: Scene, *clients: Client) -> None:
    """Lets everything be told, and reads it."""
    await turn()
    await it.pass_time(1)
    for client in clients:
        client.heard()


async def test_up_to_fifty_are_told_at_once_and_more_with_the_next_tick() -> None:
    async with scene() as it:
        clients = [await it.client(f"p{number}") for number in range(limits.SMALL_ROOM)]
        await turn()
        first = clients[0]
        assert first.last(messages.Participants).participants[-1].identity == f"p{limits.SMALL_ROOM - 1}"
        for name in ("x", "y", "z"):
            await viewer(it, name)
            await turn()
        assert first.heard(messages.Participants) == []
        await it.pass_time(limits.NEWS_SECONDS)
        (news,) = first.heard(messages.Participants)
        assert [info.identity for info in news.participants] == ["x", "y", "z"]
        assert Config().tick == limits.NEWS_SECONDS


async def test_what_waited_is_told_before_anything_else_when_the_room_is_small_again() -> None:
    async with scene() as it:
        with patch.object(limits, "SMALL_ROOM", 1):
            alice, bob = await it.client("alice"), await it.client("bob")
            alice.room.update(metadata="large")
            await turn()
            assert alice.heard(messages.Participants, messages.Room) == []
        bob.room.update(metadata="small")
        await turn()
        told = alice.heard(messages.Participants, messages.Room)
        assert [type(message) for message in told] == [messages.Participants, messages.Room]
        assert told[1].room.metadata == "small"


@pytest.mark.usefixtures("large")
async def test_others_hear_of_a_newcomer_once_when_it_is_connected() -> None:
    async with scene() as it:
        alice, bob = await it.client("alice"), await it.client("bob")
        await quiet(it, alice, bob)
        eve = await it.client("eve")
        await it.pass_time(limits.NEWS_SECONDS)
        await eve.change(metadata="here")
        await it.pass_time(limits.NEWS_SECONDS)
        assert alice.heard() == []
        await eve.connect("video recvonly")
        await it.pass_time(limits.NEWS_SECONDS)
        for client in (alice, bob):
            (news,) = client.heard(messages.Participants)
            (info,) = news.participants
            assert (info.identity, info.state, info.metadata) == ("eve", ParticipantState.ACTIVE, "here")
        await it.pass_time(2 * limits.NEWCOMER_SECONDS)
        assert alice.heard(messages.Participants) == []


@pytest.mark.usefixtures("large")
async def test_a_newcomer_without_media_is_told_of_after_a_second() -> None:
    async with scene() as it:
        alice, bob = await it.client("alice"), await it.client("bob")
        await quiet(it, alice, bob)
        joined = it.clock.now
        eve = await it.client("eve")
        await turn()
        while not (told := alice.heard(messages.Participants)):
            await it.pass_time(limits.NEWS_SECONDS)
            assert it.clock.now < joined + 2 * limits.NEWCOMER_SECONDS
        assert it.clock.now >= joined + limits.NEWCOMER_SECONDS
        assert [info.state for info in told[0].participants] == [ParticipantState.JOINING]
        await eve.connect("video recvonly")
        await it.pass_time(limits.NEWS_SECONDS)
        assert alice.last(messages.Participants).participants[0].state is ParticipantState.ACTIVE, "like any change"


@pytest.mark.usefixtures("large")
async def test_a_newcomer_is_told_of_when_a_message_names_it() -> None:
    async with scene() as it:
        alice, bob = await it.client("alice"), await it.client("bob")
        await bob.connect("video recvonly")
        await quiet(it, alice, bob)
        eve = await it.client("eve")
        camera = await eve.publish(Kind.VIDEO, Source.CAMERA)
        await turn()
        assert eve.participant.state is ParticipantState.JOINED
        told = bob.heard(messages.Participants, messages.Slots)
        assert [type(message) for message in told] == [messages.Participants, messages.Slots]
        assert [track.sid for track in told[0].participants[0].tracks] == [camera]
        assert alice.heard(messages.Participants) == []
        await it.pass_time(limits.NEWS_SECONDS)
        assert [info.sid for info in alice.last(messages.Participants).participants] == [eve.sid]


@pytest.mark.usefixtures("large")
async def test_a_newcomer_in_a_snapshot_is_told_of_when_it_left() -> None:
    async with scene() as it:
        alice, bob = await it.client("alice"), await it.client("bob")
        await quiet(it, alice, bob)
        eve = await it.client("eve")
        dora = Watcher(await it.client("dora"))
        await turn()
        dora.read()
        assert eve.sid in dora.infos
        await eve.session.handle(messages.Leave("leave"))
        await turn()
        await it.pass_time(limits.NEWS_SECONDS)
        dora.read()
        assert eve.sid not in dora.infos


async def test_newcomers_are_told_of_at_once_when_the_room_is_small_again() -> None:
    async with scene() as it:
        with patch.object(limits, "SMALL_ROOM", 1):
            alice, bob = await it.client("alice"), await it.client("bob")
            await turn()
            assert alice.heard(messages.Participants) == []
        bob.room.update(metadata="small")
        await turn()
        assert bob.sid in {info.sid for info in alice.last(messages.Participants).participants}


async def test_a_newcomer_is_no_change_until_it_is_connected_or_its_time_has_passed() -> None:
    async with scene() as it:
        one, other = (await it.client("one")).participant.info(), (await it.client("other")).participant.info()
    news = News()
    news.hold(one, 1.0)
    news.hold(other, 2.0)
    news.add(replace(one, state=ParticipantState.JOINED))
    assert news.is_empty and not news.take("somebody", knows_itself=True)
    news.add(replace(one, state=ParticipantState.ACTIVE))
    assert not news.is_empty and news.introduces("somebody", [one.sid])
    news.take("somebody", knows_itself=True)
    news.clear()
    news.release(1.9)
    assert news.is_empty, "the first one is connected, the second one has time left"
    news.release(2.0)
    assert not news.introduces("somebody", [one.sid]) and news.introduces("somebody", [other.sid])
    news.add(replace(other, state=ParticipantState.JOINED))
    assert len(news.take("somebody", knows_itself=True)) == 1, "it is a newcomer once"


@pytest.mark.usefixtures("large")
async def test_answers_and_what_concerns_oneself_leave_at_once() -> None:
    async with scene() as it:
        alice, bob = await it.client("alice"), await it.client("bob")
        await quiet(it, alice, bob)
        await alice.connect("video recvonly")
        own = [info for message in alice.heard(messages.Participants) for info in message.participants]
        assert [info.state for info in own] == [ParticipantState.JOINED, ParticipantState.ACTIVE]
        assert bob.heard() == []
        await it.pass_time(limits.NEWS_SECONDS)
        (news,) = bob.heard(messages.Participants)
        assert news.participants[0].state is ParticipantState.ACTIVE, "only the last state"
        assert alice.heard(messages.Participants) == [], "nobody else changed"


@pytest.mark.usefixtures("large")
async def test_a_track_is_told_before_the_slot_that_shows_it_and_not_again() -> None:
    async with scene() as it:
        alice, bob, eve = await it.client("alice"), await it.client("bob"), await it.client("eve")
        await bob.connect("video recvonly")
        await quiet(it, alice, bob, eve)
        camera = await alice.camera()
        told = bob.heard(messages.Participants, messages.Slots)
        assert [type(message) for message in told] == [messages.Participants, messages.Slots]
        assert [track.sid for track in told[0].participants[0].tracks] == [camera]
        assert eve.heard(messages.Participants) == [], "she has no section for it"
        await it.pass_time(limits.NEWS_SECONDS)
        assert len(eve.heard(messages.Participants)) == 1
        assert bob.heard(messages.Participants) == []


@pytest.mark.usefixtures("large")
async def test_a_mute_does_not_hurry_what_waits() -> None:
    async with scene() as it:
        alice, bob = await it.client("alice"), await it.client("bob")
        await bob.connect("video recvonly")
        camera = await alice.camera()
        await quiet(it, alice, bob)
        await alice.ask(messages.Mute, track=camera, muted=True)
        assert bob.heard(messages.Participants) == []
        await it.pass_time(limits.NEWS_SECONDS)
        assert bob.last(messages.Participants).participants[0].tracks[0].muted


@pytest.mark.usefixtures("large")
async def test_who_joins_while_something_waits_has_it_in_its_snapshot() -> None:
    async with scene() as it:
        await it.client("alice")
        await it.client("bob")
        await turn()
        eve = await it.client("eve")
        assert {info.identity for info in eve.last(messages.Joined).participants} == {"alice", "bob"}
        await turn()
        await it.pass_time(limits.NEWS_SECONDS)
        assert eve.heard(messages.Participants) == []


@pytest.mark.usefixtures("large")
async def test_speakers_are_told_twice_a_second() -> None:
    async with scene() as it:
        alice, bob = await it.client("alice"), await it.client("bob")
        await bob.connect("audio recvonly")
        voice = alice.plane_track(await alice.microphone())
        await quiet(it, alice, bob)
        at: list[float] = []
        for beat in range(30):
            loud = bytes([20 if beat // 3 % 2 else 127]) * 5
            await it.say(AudioLevels([(voice, loud)]))
            await it.pass_time(0.1)
            if bob.heard(messages.Speakers):
                at.append(it.clock.now)
        assert len(at) >= 3
        assert all(later - earlier > limits.SPEECH_SECONDS - 1e-6 for earlier, later in pairwise(at))


def test_of_each_speaker_and_of_the_dominant_one_the_latest_is_told() -> None:
    speech = SpeechNews()
    for level in (0.2, 0.4):
        speech.add(messages.Speakers((Speaker("PA_a", "TR_a", level, True), Speaker("PA_b", "TR_b", level, True))))
    speech.add(messages.DominantSpeaker("PA_a", "TR_a"))
    speech.add(messages.DominantSpeaker("PA_b", "TR_b"))
    spoken, dominant = speech.take(1.0)
    assert isinstance(spoken, messages.Speakers) and [one.level for one in spoken.speakers] == [0.4, 0.4]
    assert dominant == messages.DominantSpeaker("PA_b", "TR_b")
    speech.add(messages.DominantSpeaker())
    assert speech.take(1.0 + limits.SPEECH_SECONDS / 2) == []
    assert speech.take(1.0 + limits.SPEECH_SECONDS) == [messages.DominantSpeaker()]


async def test_a_message_ends_where_it_is_long_enough() -> None:
    async with scene() as it:
        infos: list[ParticipantInfo] = [
            (await it.client(f"p{number}", grant_=None)).participant.info() for number in range(9)
        ]
    news = News()
    for info in infos:
        news.add(info)
    with patch.object(limits, "NEWS_OCTETS", 1_000):
        parts = [one.message for one in news.take("somebody", knows_itself=True)]
    told = [part.participants for part in parts if isinstance(part, messages.Participants)]
    assert [len(part) for part in told] == [2, 2, 2, 2, 1]
    assert [info for part in told for info in part] == infos


async def test_a_track_that_went_and_came_back_is_introduced_again() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        camera = await alice.camera()
        info = alice.participant.info()
    news = News()
    news.add(info)
    assert news.introduces("bob", [camera]) and news.introduces("bob", [alice.sid])
    news.take("bob", knows_itself=True)
    news.clear()
    assert not news.introduces("bob", [camera])
    news.add(replace(info, tracks=()))
    news.take("bob", knows_itself=True)
    news.add(info)
    assert news.introduces("bob", [camera]) and not news.introduces("bob", [alice.sid])


# ------------------------------------------------------------------------------------------------ random acts


class Watcher:
    """A client that knows the room from messages alone, and checks that they name only what it knows."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.infos: dict[str, ParticipantInfo] = {}

    def read(self) -> None:
        for message in self.client.heard():
            match message:
                case messages.Joined(participants=participants, you=you):
                    self.infos = {info.sid: info for info in (*participants, you)}
                case messages.Participants(participants=participants):
                    self._learn(participants)
                case messages.Slots(slots=slots):
                    for slot in slots.values():
                        if slot is not None:
                            self._knows(slot.participant, slot.track)
                case messages.Subscriptions(subscriptions=states):
                    known = {sid_of(track) for info in self.infos.values() for track in info.tracks}
                    assert {state.track for state in states if state.state != "refused"} <= known

    def _learn(self, participants: tuple[ParticipantInfo, ...]) -> None:
        for info in participants:
            if info.state is ParticipantState.DISCONNECTED:
                self.infos.pop(info.sid, None)
            elif info.sid not in self.infos or self.infos[info.sid].version <= info.version:
                self.infos[info.sid] = info

    def _knows(self, participant: str, track: str) -> None:
        assert participant in self.infos, "the participant was not introduced"
        assert track in map(sid_of, self.infos[participant].tracks), "the track was not introduced"


def sid_of(track: object) -> str:
    return str(getattr(track, "sid", ""))


ACTS = ("join", "come", "connect", "leave", "publish", "unpublish", "mute", "rename", "tick", "read", "switch")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 20)), max_size=25))
def test_whatever_happens_nothing_is_named_before_it_is_introduced(script: list[tuple[str, int]]) -> None:
    async def play() -> None:
        with patch.object(limits, "SMALL_ROOM", 2):
            async with scene() as it:
                everybody = [Watcher(await viewer(it, f"viewer{number}")) for number in range(3)]
                for number, (what, which) in enumerate(script):
                    watcher = everybody[which % len(everybody)]
                    await act(it, everybody, watcher, what, number)
                    members = rooms_of(it.sfu).find("room").members
                    assert members.infos() == [p.info() for p in members.visible()]
                await it.pass_time(limits.NEWCOMER_SECONDS + limits.NEWS_SECONDS)
                there = {p.sid: p.info() for p in rooms_of(it.sfu).find("room").members}
                for watcher in everybody:
                    watcher.read()
                    assert watcher.infos == there
                assert not it.sfu.failures.counts

    asyncio.run(play())


async def viewer(it: Scene, name: str) -> Client:
    client = await it.client(name)
    await client.connect("video recvonly", "audio recvonly")
    return client


async def act(it: Scene, everybody: list[Watcher], watcher: Watcher, what: str, number: int) -> None:
    client = watcher.client
    tracks = list(client.participant.tracks.values())
    match what:
        case "join":
            everybody.append(Watcher(await viewer(it, f"late{number}")))
        case "come":
            everybody.append(Watcher(await it.client(f"late{number}")))
        case "connect":
            if not client.participant.transport.slots:
                await client.connect("video recvonly", "audio recvonly")
        case "leave" if len(everybody) > 1:
            everybody.remove(watcher)
            await client.session.handle(messages.Leave("leave"))
        case "publish" if len(tracks) < 2:
            await client.publish(Kind.VIDEO, Source.CAMERA)
        case "unpublish" if tracks:
            await client.ask(messages.Unpublish, track=tracks[0].sid)
        case "mute" if tracks:
            await client.ask(messages.Mute, track=tracks[0].sid, muted=not tracks[0].muted)
        case "rename":
            await client.change(metadata=str(number))
        case "tick":
            await it.pass_time(0.2)
        case "read":
            watcher.read()
        case "switch":
            slots = set(client.participant.transport.slots)
            await it.say(*(client.switched(mid, None, "paused") for mid in slots if shown(it, client, mid)))
    await turn()


def shown(it: Scene, client: Client, mid: str) -> bool:
    return it.plane.sources.get(client.slot(mid)) is not None
