"""Following events: nothing is lost or comes twice, over cut connections and restarts; waits are bounded."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from sfu_client import (
    Client,
    Event,
    EventsMissed,
    Following,
    InvalidAnswer,
    NotAllowed,
    RequestFailed,
    SyncClient,
    TooManyRequests,
    Unreachable,
    sse,
)
from sfu_client.aio.connection import Connection
from sfu_client.backoff import Backoff

from ..api.server import KEY, SECRET, Server
from ..api.test_process import free_port, running

Reply = httpx.Response | Exception


class Stream(httpx.AsyncByteStream):
    """Octets, and then the end of the connection, or a cut."""

    def __init__(self, octets: bytes, cut: bool) -> None:
        self._octets = octets
        self._cut = cut

    async def __aiter__(self) -> AsyncIterator[bytes]:
        # In pieces that end anywhere.
        for at in range(0, len(self._octets), 7):
            yield self._octets[at : at + 7]
        if self._cut:
            raise httpx.ReadError("cut")


def item(number: int, **more: Any) -> str:
    body = {"id": f"e-{number}", "type": "x", "at": 1, "room": {"sid": "RM_1", "name": "room"}, "seq": number}
    return f"data: {json.dumps({**body, 'node': '', 'epoch': 1, **more})}\nid: e-{number}\n\n"


def stream(*items: str, cut: bool = False) -> httpx.Response:
    return httpx.Response(200, stream=Stream("".join(items).encode(), cut))


class Script:
    """A service that answers one after the other, and then never again. `asked` has the Last-Event-ID of each request,
    `waits` the seconds between them."""

    def __init__(self, *replies: Reply) -> None:
        self.asked: list[str] = []
        self.waits: list[float] = []
        self._replies = list(replies)
        self._now = 0.0

    def follow(self, give_up: float = 100.0, on_missed: Any = None, after: str = "") -> Following:
        transport = httpx.MockTransport(self._answer)
        connection = Connection("http://sfu", lambda: "t", 1.0, True, transport)
        clock: dict[str, Any] = {"sleep": self._sleep, "now": lambda: self._now, "chance": lambda: 0.0}
        return Following(connection, after, None, on_missed, give_up, **clock)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.headers.get("Last-Event-ID", ""))
        reply = self._replies.pop(0) if self._replies else httpx.ConnectError("refused")
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self._now += seconds


async def taken(following: Following, count: int) -> list[int]:
    return [(await anext(following)).seq for _ in range(count)]


async def test_a_cut_stream_continues_after_the_last_whole_event() -> None:
    script = Script(stream(item(1), item(2), item(3)[:40], cut=True), stream(item(3)), stream(item(4)))
    async with script.follow() as events:
        assert await taken(events, 4) == [1, 2, 3, 4]
        assert events.last == "e-4"
    assert script.asked == ["", "e-2", "e-3"]


async def test_it_starts_after_an_event_that_is_given() -> None:
    script = Script(stream(item(8)))
    async with script.follow(after="e-7") as events:
        assert await taken(events, 1) == [8]
    assert script.asked == ["e-7"]


async def test_waits_double_up_to_a_limit_and_begin_anew_after_an_answer() -> None:
    away = [httpx.ConnectError("refused")] * 7
    script = Script(*away, stream("retry: 2000\n\n", item(1)), httpx.ConnectError("refused"), stream(item(2)))
    async with script.follow(give_up=math.inf) as events:
        assert await taken(events, 2) == [1, 2]
    assert script.waits == [1, 2, 4, 8, 16, 30, 30, 2, 4]


async def test_it_waits_as_long_as_it_is_told_within_the_limit() -> None:
    busy = httpx.Response(429, json={"detail": "Too many followers."}, headers={"Retry-After": "7"})
    long = httpx.Response(503, json={"detail": "Not now."}, headers={"Retry-After": "99999"})
    script = Script(busy, long, httpx.Response(502, text="<html>"), stream(item(1)))
    async with script.follow() as events:
        assert await taken(events, 1) == [1]
    assert script.waits == [7, 30, 4]


@pytest.mark.parametrize(
    ("replies", "kind"),
    [
        ([], Unreachable),
        ([httpx.Response(429, json={"detail": "Too many followers."})] * 50, TooManyRequests),
        ([httpx.Response(200, content=b"")] * 50, RequestFailed),
    ],
    ids=["away", "busy", "empty"],
)
async def test_it_gives_up_after_a_time_without_an_answer(replies: list[Reply], kind: type[Exception]) -> None:
    script = Script(*replies)
    with pytest.raises(kind):
        await anext(script.follow(give_up=100))
    assert 100 <= sum(script.waits) <= 130


async def test_a_refusal_ends_it_at_once() -> None:
    script = Script(httpx.Response(403, json={"detail": "This token may not."}))
    with pytest.raises(NotAllowed, match="This token may not"):
        await anext(script.follow())
    assert script.waits == []


async def test_missed_events_are_never_passed_over_in_silence() -> None:
    missed = "event: missed\ndata: {}\n\n"
    with pytest.raises(EventsMissed, match="Events after e-1 are no longer kept"):
        await anext(Script(stream(missed, item(9))).follow(after="e-1"))
    told: list[str] = []

    async def on_missed() -> None:
        told.append("missed")

    async with Script(stream(missed, item(9))).follow(after="e-1", on_missed=on_missed) as events:
        assert await taken(events, 1) == [9]
    assert told == ["missed"]


async def test_what_is_no_event_ends_it() -> None:
    for wrong in ("data: x\n\n", "data: {}\n\n"):
        with pytest.raises(InvalidAnswer, match="is no event"):
            await anext(Script(stream(wrong)).follow())


async def test_an_item_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "ITEM_OCTETS", 1000)
    for endless in ("data: " + "x" * 2000, "data: x\n" * 200):
        with pytest.raises(InvalidAnswer, match="more than 1000 octets"):
            await anext(Script(stream(endless)).follow())
    parser = sse.Parser()
    assert [one for _ in range(500) for one in parser.feed(b": keep-alive\n\n")] == []


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_items_are_read_as_the_standard_says(size: int) -> None:
    octets = "id: 1\r\ndata: a\r\n\r\n: c\n\nevent: end\ndata:b\ndata:  c\nother\nid: 2\n\nevent: x\n\n"
    octets += "retry: 5\nretry: x\n"
    parser = sse.Parser()
    found = [one for at in range(0, len(octets), size) for one in parser.feed(octets[at : at + size].encode())]
    assert found == [sse.Item("message", "a", "1"), sse.Item("end", "b\n c", "2")]
    assert parser.retry == 0.005


def test_a_wait_is_shortened_by_chance_up_to_a_half() -> None:
    chances = iter((0.0, 0.5, 1.0))
    waits = [Backoff(1.0, lambda: 0.0, lambda: next(chances)).wait() for _ in range(3)]
    assert waits == [1.0, 0.75, 0.5]


async def test_without_resumption_it_ends_with_the_service_and_says_why(client: Client, server: Server) -> None:
    async with server.client("ada"), client.follow(resume=False) as events:
        assert [(await anext(events)).type for _ in range(2)] == ["room_started", "participant_joined"]
        server.sfu.close()
        assert [event.type async for event in events] == ["participant_left", "room_finished"]
        assert events.ended == "server_shutdown"


async def test_the_synchronous_twin_follows_one_room(server: Server) -> None:
    def work() -> list[Event]:
        with (
            SyncClient(f"http://127.0.0.1:{server.port}", key=KEY, secret=SECRET) as client,
            client.follow(room="room") as events,
        ):
            return [next(events) for _ in range(5)]

    async with server.client("bob", room="other"):
        following = asyncio.create_task(asyncio.to_thread(work))
        async with server.client("ada"):
            await server.call("DELETE", "/v1/rooms/room")
        types = [event.type for event in await following]
    assert types == ["room_started", "participant_joined", "command", "participant_left", "room_finished"]


@pytest.mark.slow
async def test_nothing_is_lost_or_twice_over_kills_of_the_service(tmp_path: Path) -> None:
    """One follower lives through three processes at one address, of which two are killed."""
    port = free_port()
    seen: list[Event] = []
    state = {"SFU_PORT": str(port), "SFU_STATE_DIR": str(tmp_path / "state")}
    came = asyncio.Event()

    async def collect(client: Client) -> None:
        async with client.follow() as events:
            async for event in events:
                seen.append(event)
                came.set()

    async def until(is_true: Callable[[], bool]) -> None:
        while not is_true():
            came.clear()
            await came.wait()

    joins: list[str] = []
    every: list[Event] = []
    async with Client(f"http://127.0.0.1:{port}", key=KEY, secret=SECRET) as client:
        following = asyncio.create_task(collect(client))
        try:
            for number in range(2):
                async with running(tmp_path, **state) as process, process.client(f"p{number}") as one:
                    joins.append(one.sid)
                    await until(lambda: joined(seen) == joins)
                    process.child.kill()
                    await process.child.wait()
            async with running(tmp_path, **state):
                await client.create_room("other")
                await client.delete_room("other")
                every += [event async for event in client.all_events()]
                await until(lambda: len(seen) == len(every))
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
    assert seen == every and len({event.id for event in seen}) == len(seen)
    lost = [event for event in seen if event.type == "participant_left" and event.reason == "server_lost"]
    assert [event.participant.sid for event in lost if event.participant] == joins


def joined(events: list[Event]) -> list[str]:
    found = [event.participant for event in events if event.type == "participant_joined"]
    return [participant.sid for participant in found if participant is not None]
