"""The examples that use sfu-client, each a process of its own, with participants over WebSockets."""

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from sfu_client import AccessToken, Client

from ..api.server import Client as Person
from ..api.server import joined
from ..sfu.scene import sdp
from .test_examples import KEYS, running, said, school, until

__all__ = ["school"]

KEY, _, SECRET = KEYS.partition(": ")
AUDIENCE = 100


@asynccontextmanager
async def person(school: httpx.AsyncClient, room: str, token: str) -> AsyncIterator[Person]:
    url = f"ws://{school.base_url.netloc.decode()}/v1/rooms/{room}/rtc?access_token={token}"
    async with joined(connect(url, max_queue=None)) as client:
        yield client


def token(identity: str, room: str) -> str:
    return AccessToken(identity=identity, room=room, room_join=True).sign(KEY, SECRET)


def backend(school: httpx.AsyncClient) -> Client:
    return Client(str(school.base_url), key=KEY, secret=SECRET)


async def publish(one: Person, kind: str, source: str) -> str:
    published = await one.ask("publish", cid=source, kind=kind, source=source)
    await one.ask("offer", sdp=sdp([(kind, "sendonly")]), tracks={"0": source})
    return str(published["track"]["sid"])


async def test_a_guest_waits_without_media_and_is_admitted(root: Path, school: httpx.AsyncClient) -> None:
    url = str(school.base_url).rstrip("/")
    code, invited = await said(root, "waiting_room.py", url, "office", "--invite", "eve")
    assert code == 0
    async with (
        person(school, "office", token("host", "office")) as host,
        person(school, "office", invited.strip()) as eve,
    ):
        track = await publish(host, "video", "camera")
        assert (await eve.ask("publish", cid="c", kind="audio"))["code"] == "not_allowed"
        await eve.ask("offer", sdp=sdp([("video", "recvonly")]))
        async with backend(school) as sfu:
            assert (await sfu.list_tracks("office")).tracks[0].subscribers == ()
            code, text = await said(root, "waiting_room.py", url, "office")
            assert (code, text) == (0, "eve waits\nhost is in\n")
            code, text = await said(root, "waiting_room.py", url, "office", "--admit", "eve")
            assert (code, text) == (0, "eve is in\nhost is in\n")
            await eve.ask("offer", sdp=sdp([("video", "recvonly")]))

            async def watches() -> bool:
                return (await sfu.show_track("office", track)).subscribers == ("eve",)

            await until(watches)
        code, text = await said(root, "waiting_room.py", url, "office", "--refuse", "eve")
        assert (code, text) == (0, "host is in\n")
        await eve.hear("left")
    assert await said(root, "waiting_room.py", url, "none", "--admit", "x") == (1, "There is no room 'none'.\n")


@pytest.mark.slow
async def test_three_are_on_stage_and_a_hundred_watch(root: Path, school: httpx.AsyncClient) -> None:
    url = str(school.base_url).rstrip("/")
    code, text = await said(root, "webinar.py", url, "keynote", "--stage", "ada,bob,cleo", "--audience", str(AUDIENCE))
    assert code == 0, text
    tokens = json.loads(text)
    viewers = {name for name in tokens if name.startswith("viewer-")}
    assert (len(viewers), len(tokens)) == (AUDIENCE, AUDIENCE + 3)
    async with AsyncExitStack() as stack, backend(school) as sfu:
        people = {name: await stack.enter_async_context(person(school, "keynote", jwt)) for name, jwt in tokens.items()}
        for name in ("ada", "bob", "cleo"):
            await publish(people[name], "video", "camera")
        for name in viewers:
            await people[name].ask("offer", sdp=sdp([("video", "recvonly")] * 3))
        assert (await people["viewer-0"].ask("publish", cid="c", kind="video"))["code"] == "not_allowed"

        async def all_watch() -> bool:
            tracks = (await sfu.list_tracks("keynote")).tracks
            return [viewers <= set(one.subscribers) for one in tracks] == [True] * 3

        await until(all_watch)
        code, text = await said(root, "webinar.py", url, "keynote", "--stage", "ada,bob,viewer-7")
        assert code == 0, text
        assert (await sfu.show_room("keynote")).on_stage == ("ada", "bob", "viewer-7")
        may = [(await sfu.show_participant("keynote", one)).permissions.can_publish for one in ("viewer-7", "cleo")]
        assert may == [True, False]
        await publish(people["viewer-7"], "audio", "microphone")
    code, text = await said(root, "webinar.py", url, "keynote", "--stage", "a,b,c,d")
    assert (code, text) == (1, "A stage has 3 seats.\n")


async def test_a_bot_mutes_microphones_of_those_who_are_not_on_stage(root: Path, school: httpx.AsyncClient) -> None:
    async with backend(school) as sfu:
        await sfu.create_room("hall", on_stage=["ada"])
        async with person(school, "hall", token("bob", "hall")) as bob:
            early = await publish(bob, "audio", "microphone")
            async with (
                running(root, "moderator_bot.py", str(school.base_url).rstrip("/"), "hall"),
                person(school, "hall", token("ada", "hall")) as ada,
                person(school, "hall", token("cleo", "hall")) as cleo,
            ):
                stays = await publish(ada, "audio", "microphone")
                late = await publish(cleo, "audio", "microphone")
                # The bot was there before, or it comes now.
                assert (await bob.hear("muted"))["track"] == early
                assert (await cleo.hear("muted"))["track"] == late
                muted = {one.track.sid for one in (await sfu.list_tracks("hall")).tracks if one.track.muted}
                assert muted == {early, late} and stays not in muted


async def test_events_are_written_once_although_the_program_is_killed(
    root: Path, school: httpx.AsyncClient, tmp_path: Path
) -> None:
    url, file = str(school.base_url).rstrip("/"), tmp_path / "events.db"

    async def written(number: int) -> bool:
        return len(rows(file)) >= number

    async with backend(school) as sfu:
        for names in (["a", "b"], ["c"]):
            async with running(root, "events_to_database.py", url, str(file)) as program:
                for name in names:
                    await sfu.create_room(name)
                    async with person(school, name, token("ada", name)):
                        await sfu.delete_room(name)
                count = len([event async for event in sfu.all_events()])
                await until(lambda count=count: written(count))  # type: ignore[misc]
                program.kill()
                await program.wait()
        kept = [(event.id, event.type, event.room.name) async for event in sfu.all_events()]
    assert rows(file) == kept and len({id for id, *_ in kept}) == len(kept)
    assert [name for _, type, name in kept if type == "participant_left"] == ["a", "b", "c"]


def rows(file: Path) -> list[tuple[str, str, str]]:
    try:
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as database:
            found = database.execute("SELECT id, type, room FROM events ORDER BY rowid").fetchall()
        database.close()
    except sqlite3.OperationalError:
        return []
    return found
