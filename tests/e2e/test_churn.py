"""Five hundred joins that end in six ways, interleaved: they leave nothing behind, and nobody else notices."""

import asyncio
import itertools
import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from loadtest import wire

from .guests import ENDINGS, Guest, Ingress, talk_and_leave
from .server import ROOT, Server, serving, token
from .waiting import until

JOINS = 500
HUNDRED = 100
TOGETHER = 6
OCTETS_A_JOIN = 2048
EVENT_OCTETS = 65_536
"""Less than the first hundred joins make, so that the events that are kept do not grow."""
TALKERS = 10
SEED = 11
ONE_ALLOCATOR = {"PYTHONMALLOC": "malloc", "MALLOC_ARENA_MAX": "1"}
"""So that what is in use can be told from what an allocator keeps for later."""
GAUGES = ("sfu_transports", "sfu_tracks", "sfu_slots", "sfu_channels", "sfu_rooms", "sfu_published_tracks")

Kill = Callable[[dict[str, str]], Awaitable[None]]


@pytest.mark.slow
async def test_nothing_stays_behind_of_those_who_came_and_went() -> None:
    ways = list(itertools.islice(itertools.cycle([*ENDINGS, "kill -9"]), JOINS - TALKERS)) + TALKERS * [
        "leave, having talked"
    ]
    random.Random(SEED).shuffle(ways)
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(
            serving("-m", "tests.e2e.brisk_service", host="127.0.0.1", event_octets=EVENT_OCTETS)
        )
        kill = await stack.enter_async_context(killing())
        room = service.new_room()
        camera = wire.Client(sends=["audio", "video"])
        stack.callback(camera.close)
        await wire.open_session(f"{service.url}/v1/whip", token("camera", room), camera)
        camera.play()
        viewer = wire.Client(audios=1, videos=1)
        stack.callback(viewer.close)
        await wire.open_session(f"{service.url}/v1/whep?participant=camera", token("viewer", room), viewer)
        await until_alone(service)

        held: list[dict[str, Any]] = []
        for first in range(0, JOINS, HUNDRED):
            await all_of(service, room, kill, ways[first : first + HUNDRED], first)
            held.append(await until_alone(service, held[0] if held else None))

        assert all((one["tasks"], one["descriptors"]) == (held[0]["tasks"], held[0]["descriptors"]) for one in held)
        grown = (held[-1]["octets"] - held[0]["octets"]) / (JOINS - HUNDRED)
        print(f"{grown:.0f} octets a join; endings: {dict(Counter(ways))}; first {held[0]}, last {held[-1]}")
        assert grown < OCTETS_A_JOIN
        assert sum(one.gaps for one in viewer.receiver.receptions.values()) == 0, "the viewer lost nothing"


async def all_of(service: Server, room: str, kill: Kill, ways: list[str], first: int) -> None:
    """All these joins, a few at the same time."""
    waiting = iter(enumerate(ways, first))

    async def one_after_the_other() -> None:
        for number, way in waiting:
            identity = f"guest-{number}"
            given = {"url": service.url, "room": room, "token": token(identity, room)}
            try:
                async with asyncio.timeout(20):
                    match way:
                        case "kill -9":
                            await kill(given)
                        case "leave, having talked":
                            await talk_and_leave(**given)
                        case "cut WebSocket":
                            await ENDINGS[way](Guest(**given))
                        case _:
                            await ENDINGS[way]((Guest, Guest, Ingress)[number % 3](**given))
            except Exception as error:
                error.add_note(f"join {number}, which was to end by {way}")
                raise

    async with asyncio.TaskGroup() as tasks:
        for _ in range(TOGETHER):
            tasks.create_task(one_after_the_other())


async def holds(service: Server) -> dict[str, Any]:
    """Returns the objects of the service: its gauges, and its own output."""
    metrics = await service.metrics()
    said = sum(line.startswith("holds: ") for line in service.log)
    service.process.send_signal(signal.SIGUSR1)

    async def lines() -> list[str]:
        return [line for line in service.log if line.startswith("holds: ")]

    found = await until(lines, lambda lines: len(lines) > said, "the service says what it holds")
    participants = sum(value for name, value in metrics.items() if name.startswith("sfu_participants"))
    gauges = {name: metrics[name] for name in GAUGES} | {"participants": participants}
    held: dict[str, Any] = json.loads(found[-1].removeprefix("holds: ")) | gauges
    return held


async def until_alone(service: Server, before: dict[str, Any] | None = None) -> dict[str, Any]:
    """Waits until only the camera and its viewer are there, with the tasks and descriptors of before."""

    def is_alone(held: dict[str, Any]) -> bool:
        if before is not None and any(held[name] != before[name] for name in ("tasks", "descriptors", *GAUGES)):
            return False
        return (held["participants"], held["sfu_transports"], held["sfu_tracks"]) == (2, 2, 2)

    try:
        return await until(lambda: holds(service), is_alone, "everybody else is gone", limit=30.0, every=0.5)
    except AssertionError as error:
        error.add_note(await remaining(service))
        raise


async def remaining(service: Server) -> str:
    """Describes the remaining participants, and the service's log about them."""
    (room,) = (await service.ask("GET", "/v1/rooms"))["rooms"]
    people = (await service.ask("GET", f"/v1/rooms/{room['name']}/participants"))["participants"]
    lines = [line for line in service.log if any(one["sid"] in line for one in people)]
    return "\n".join([*map(json.dumps, people), *lines])


@asynccontextmanager
async def killing() -> AsyncIterator[Kill]:
    """Guests in processes of their own, which are killed as soon as they are in."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.e2e.guests"), cwd=ROOT, stdin=pipe, stdout=pipe
    )
    assert process.stdin and process.stdout
    reader, writer = process.stdout, process.stdin
    turn = asyncio.Lock()

    async def kill(given: dict[str, str]) -> None:
        async with turn:
            writer.write(json.dumps(given).encode() + b"\n")
            os.kill(int(await reader.readline()), signal.SIGKILL)

    try:
        yield kill
    finally:
        writer.close()
        await process.wait()
