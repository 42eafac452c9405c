"""The events of rooms as server-sent events: resumption, ends, and clients that read too slowly."""

import asyncio
import json
import random
import signal
import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from sfu import limits
from sfu.facts import Entry, ParticipantJoined, RoomStarted

from ..live import history_of
from .conftest import Start
from .server import KEY, SECRET, Server, bearer, is_problem, serving, token
from .test_events import EVENTS, page
from .test_pages import PARTICIPANT
from .test_process import free_port, running, said, sfu


async def follow(server: Server, query: str = "", last: str = "") -> AsyncGenerator[tuple[str, dict[str, Any]], None]:
    """Yields the kind and the data of each item of a stream."""
    headers = bearer() | {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
    async with server.http.stream("GET", EVENTS + query, headers=headers, timeout=None) as reply:
        assert reply.status_code == 200, await reply.aread()
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert reply.headers["cache-control"] == "no-store"
        kind, data, id = "message", "", ""
        async for line in reply.aiter_lines():
            name, _, value = line.partition(": ")
            match name:
                case "event":
                    kind = value
                case "data":
                    data = value
                case "id":
                    id = value
                case "" if not line and data:
                    item = json.loads(data)
                    assert kind != "message" or item["id"] == id
                    yield kind, item
                    kind, data, id = "message", "", ""


async def take(stream: AsyncIterator[tuple[str, dict[str, Any]]], count: int) -> list[tuple[str, dict[str, Any]]]:
    return [await anext(stream) for _ in range(count)]


def types(items: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [item["type"] for _, item in items]


async def test_a_stream_has_what_was_and_what_comes_and_continues_after_the_last_id(server: Server) -> None:
    async with server.client("ada"):
        stream = follow(server)
        before = await take(stream, 2)
        assert types(before) == ["room_started", "participant_joined"]
        async with server.client("bob") as bob:
            (joined,) = await take(stream, 1)
            assert joined[1]["participant"]["sid"] == bob.sid
            assert joined[1] == (await page(server, f"?after={before[1][1]['id']}"))["events"][0]
            await stream.aclose()
            await bob.say("leave")
            await bob.hear("left")
        # The header counts more than the query, which clients repeat.
        again = follow(server, f"?after={before[0][1]['id']}", last=joined[1]["id"])
        ((_, left),) = await take(again, 1)
        assert (left["type"], left["participant"]["identity"]) == ("participant_left", "bob")
        await again.aclose()
        only = follow(server, "?room=room&after=22222222-7")
        assert (await take(only, 2))[0] == ("missed", {})
        await only.aclose()


async def test_a_stream_of_one_room_wakes_for_its_events_alone(server: Server) -> None:
    async with server.client("ada"), server.client("bob", room="other"):
        stream = follow(server, "?room=other")
        assert types(await take(stream, 2)) == ["room_started", "participant_joined"]
        await server.call("DELETE", "/v1/rooms/room")
        await server.call("DELETE", "/v1/rooms/other")
        assert types(await take(stream, 3)) == ["command", "participant_left", "room_finished"]
        await stream.aclose()


async def test_a_stream_ends_with_the_service_after_its_last_event(server: Server) -> None:
    async with server.client("ada"):
        stream = follow(server)
        await take(stream, 2)
        server.sfu.close()
        rest = [item async for item in stream]
    assert types(rest[:-1]) == ["participant_left", "room_finished"]
    assert rest[-1] == ("end", {"reason": "server_shutdown"})


async def test_a_stream_needs_the_right_and_a_known_id_and_there_are_so_many(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept = {"Accept": "text/event-stream"}
    one_room = {"Authorization": f"Bearer {token(room_admin=True)}"}
    assert is_problem(await server.http.get(EVENTS, headers=one_room | accept), 403)
    assert is_problem(await server.http.get(EVENTS + "?after=x", headers=bearer() | accept), 400)
    monkeypatch.setattr(limits, "EVENT_FOLLOWERS", 1)
    async with server.client("ada"):
        stream = follow(server)
        await anext(stream)
        assert is_problem(await server.http.get(EVENTS, headers=bearer() | accept), 429)
        assert "sfu_event_followers 1.0" in (await server.internal.get("/metrics")).text
        await stream.aclose()


async def test_a_silent_stream_has_comments(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "EVENT_SILENCE_SECONDS", 0.01)
    headers = bearer() | {"Accept": "text/event-stream"}
    async with server.http.stream("GET", EVENTS, headers=headers) as reply:
        lines = reply.aiter_lines()
        read = [await anext(lines) for _ in range(6)]
    assert read[0] == "retry: 1000" and sum(line.startswith(":") for line in read) == 2


async def test_a_client_that_reads_nothing_is_let_go_with_a_reason_and_others_go_on(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "EVENT_SEND_SECONDS", 0.05)
    # More than the buffers of the system take.
    large = [replace(PARTICIPANT, sid=f"PA_{number}", metadata="m" * 1_000_000) for number in range(16)]
    joined = [ParticipantJoined(info) for info in large]
    now = int(time.time() * 1000)
    facts = [Entry("RM_1", number, now, fact) for number, fact in enumerate([RoomStarted("lobby", 1), *joined])]
    history_of(server.sfu).read(facts)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.transport.pause_reading()
    request = f"GET {EVENTS} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n"
    writer.write((request + "".join(f"{k}: {v}\r\n" for k, v in bearer().items()) + "\r\n").encode())
    while server.sfu.history_stats().slow_followers == 0:
        assert (await page(server, "?limit=1"))["events"], "another one reads meanwhile"
    assert server.sfu.history_stats().followers == 0
    writer.transport.resume_reading()
    rest = await reader.read()
    assert rest.endswith(b'event: end\ndata: {"reason": "slow"}\n\n\r\n0\r\n\r\n')
    assert b'"sid":"PA_0"' in rest and b'"sid":"PA_15"' not in rest
    writer.close()


async def test_nothing_is_lost_or_twice_in_a_stream_that_is_cut_often(start: Start, tmp_path: Path) -> None:
    """Over cuts of the connection and restarts of the service."""
    seen: list[str] = []
    chance = random.Random(3)
    for _ in range(3):
        async with serving(state_dir=tmp_path) as one, one.client("ada"), one.client("bob"):
            for _ in range(4):
                stream = follow(one, last=seen[-1] if seen else "")
                async with one.client(f"p{len(seen)}"):
                    for kind, item in await take(stream, 1 + chance.randrange(2)):
                        assert kind == "message"
                        seen.append(item["id"])
                await stream.aclose()
    last = await start(state_dir=tmp_path)
    every: list[str] = []
    body = await page(last, "?limit=7")
    while body["events"]:
        every += [event["id"] for event in body["events"]]
        body = await page(last, f"?limit=7&after={every[-1]}")
    assert seen == every[: len(seen)] and len(every) > len(seen) > 12


async def test_the_command_prints_events_and_follows_them_until_the_service_ends(tmp_path: Path) -> None:
    internal = free_port()
    async with running(tmp_path, SFU_INTERNAL_PORT=str(internal)) as process:
        environ = {"SFU_URL": f"http://127.0.0.1:{process.port}", "SFU_API_KEY": KEY, "SFU_API_SECRET": SECRET}
        async with process.client("ada"):
            code, out, err = await said(tmp_path, "events", "--room", "room", **environ)
            told = [json.loads(line) for line in out.splitlines()]
            assert (code, err) == (0, "") and [e["type"] for e in told] == ["room_started", "participant_joined"]
            following = await sfu(tmp_path, "events", "-f", "--after", told[0]["id"], **environ)
            async with httpx.AsyncClient(base_url=environ["SFU_URL"], headers=bearer(), timeout=60) as http:
                while "sfu_event_followers 1.0" not in (await http.get(f"http://127.0.0.1:{internal}/metrics")).text:
                    continue
                await http.delete("/v1/rooms/room")
        process.signal(signal.SIGTERM)
        printed, _ = await following.communicate()
        told = [json.loads(line) for line in printed.splitlines()]
        assert [e["type"] for e in told] == [
            "participant_joined",
            "command",
            "participant_left",
            "room_finished",
            "end",
        ]
        assert following.returncode == 0 and told[-1]["reason"] == "server_shutdown"
        await process.ended()
        code, _, err = await said(tmp_path, "events", "--follow", **environ)
        assert code == 1 and "Nothing answers at" in err
