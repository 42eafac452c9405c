"""A meeting of twelve that a backend steers with sfu-client alone. At each step the events tell what REST shows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from sfu_client import AccessToken, Client, Event, NotFound

from ..api.server import KEY, SECRET, Server, joined
from ..api.server import Client as Person
from ..sfu.scene import sdp

ROOM = "board"
PEOPLE = [f"p{number:02}" for number in range(12)]
SPEAKERS = PEOPLE[:3]


class Story:
    """What the events have told: who is in the room, and which tracks there are, muted or not."""

    def __init__(self) -> None:
        self.present: set[str] = set()
        self.tracks: dict[str, tuple[str, bool]] = {}
        self.ended = False
        self.left: dict[str, str] = {}
        self._came = asyncio.Event()

    async def follow(self, client: Client) -> None:
        async with client.follow(room=ROOM) as events:
            async for event in events:
                self._tell(event)
                self._came.set()

    def _tell(self, event: Event) -> None:
        who = event.participant.identity if event.participant else ""
        track = event.track
        match event.type:
            case "participant_joined":
                self.present.add(who)
            case "participant_left":
                self.present.remove(who)
                self.left[who] = event.reason or ""
            case "track_published" | "track_muted" | "track_unmuted" if track is not None:
                self.tracks[track.sid] = (who, event.type == "track_muted")
            case "track_unpublished" if track is not None:
                del self.tracks[track.sid]
            case "room_finished":
                self.ended = True

    async def until_it_is_what_rest_shows(self, client: Client) -> None:
        while True:
            self._came.clear()
            present = {person.identity async for person in client.all_participants(ROOM)}
            tracks = {one.track.sid: (one.participant, one.track.muted) async for one in client.all_tracks(ROOM)}
            if (self.present, self.tracks) == (present, tracks):
                return
            await self._came.wait()

    async def until_the_end(self) -> None:
        while not self.ended:
            self._came.clear()
            await self._came.wait()


@asynccontextmanager
async def told(client: Client) -> AsyncIterator[Story]:
    story = Story()
    following = asyncio.create_task(story.follow(client))
    try:
        yield story
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def publish(person: Person) -> str:
    published = await person.ask("publish", cid="mic", kind="audio", source="microphone")
    assert published["type"] == "published", published
    await person.ask("offer", sdp=sdp([("audio", "sendonly"), ("video", "recvonly")]), tracks={"0": "mic"})
    return str(published["track"]["sid"])


def door(server: Server, token: str) -> connect:
    return server.rtc(ROOM, additional_headers={"Authorization": f"Bearer {token}"})


async def test_a_backend_steers_a_meeting_of_twelve(client: Client, server: Server) -> None:
    await client.create_room(ROOM, max_participants=12, last_n=3)
    async with told(client) as story, AsyncExitStack() as stack:
        # They wait: nobody may send or receive.
        tokens = {
            name: AccessToken(identity=name, room=ROOM, room_join=True, can_publish=False, can_subscribe=False).sign(
                KEY, SECRET
            )
            for name in PEOPLE
        }
        people = {name: await stack.enter_async_context(joined(door(server, token))) for name, token in tokens.items()}
        await story.until_it_is_what_rest_shows(client)
        assert story.present == set(PEOPLE)

        # Promoted: three may speak, all may watch.
        await client.change_room(ROOM, on_stage=SPEAKERS)
        for name in PEOPLE:
            await client.change_participant(
                ROOM, name, permissions={"can_publish": name in SPEAKERS, "can_subscribe": True}
            )
        refused = await people["p11"].ask("publish", cid="mic", kind="audio", source="microphone")
        assert refused["code"] == "not_allowed"
        microphones = {name: await publish(people[name]) for name in SPEAKERS}
        await story.until_it_is_what_rest_shows(client)
        assert set(story.tracks) == set(microphones.values())

        # All are muted but one.
        for name in SPEAKERS[1:]:
            await client.mute_track(ROOM, name, microphones[name])
        await story.until_it_is_what_rest_shows(client)
        assert [name for name, muted in story.tracks.values() if not muted] == ["p00"]

        # One is pinned for another.
        await client.set_subscriptions(
            ROOM, "p05", settings=[{"track": microphones["p01"], "priority": 9, "visible": True}]
        )
        pinned = [one.wish.priority async for one in client.all_subscriptions(ROOM, "p05")]
        assert sorted(pinned) == [0, 0, 9]

        # One is removed, stays outside, and is readmitted.
        await client.remove_participant(ROOM, "p02")
        await people["p02"].hear("left")
        await story.until_it_is_what_rest_shows(client)
        assert (story.left["p02"], len(story.present), len(story.tracks)) == ("participant_removed", 11, 2)
        with pytest.raises(InvalidStatus):
            async with joined(door(server, tokens["p02"])):
                pass

        # The end.
        await client.change_room(ROOM, locked=True, metadata="over")
        await client.delete_room(ROOM)
        await story.until_the_end()
        assert (story.present, story.tracks) == (set(), {})
        assert {story.left[name] for name in PEOPLE if name != "p02"} == {"room_deleted"}
        with pytest.raises(NotFound):
            await client.show_room(ROOM)
