"""The history of a service: what it tells of a call, what waits for its commit, and what a failing disk costs."""

import asyncio
import sqlite3
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sfu import limits
from sfu.commands import ADMINISTRATOR, CreateRoom, DeleteRoom, ListEvents, ListParticipants
from sfu.config import Config
from sfu.errors import InvalidRequest
from sfu.history.history import History
from sfu.history.store import Store
from sfu.model import Kind, Source
from sfu.room_events import EventPage
from sfu.signalling import messages

from ..scene import Scene, scene, turn


async def events(it: Scene, after: str = "", room: str | None = None, limit: int = 500) -> EventPage:
    await turn()
    return await it.sfu.execute(ListEvents(ADMINISTRATOR, room, after, limit))


def types(page: EventPage) -> list[str]:
    return [event.type.value for event in page.events]


async def test_a_call_can_be_read_as_events() -> None:
    async with scene(Config(node="n1")) as it:
        ada = await it.client("ada")
        await ada.connect("application")
        track = await ada.publish(Kind.AUDIO, Source.MICROPHONE)
        await ada.ask(messages.Mute, track=track, muted=True)
        it.clock.now += 60
        await ada.session.handle(messages.Leave("leave"))
        first = await events(it)
        await it.sfu.execute(DeleteRoom(ADMINISTRATOR, "room"))
        rest = await events(it, first.latest)
        assert types(first) == [
            "room_started",
            "participant_joined",
            "track_published",
            "track_muted",
            "track_unpublished",
            "participant_left",
        ]
        assert types(rest) == ["command", "room_finished"] and rest.events[1].reason == "room_deleted"
        assert [event.seq for event in (*first.events, *rest.events)] == list(range(1, 9))
        assert first.events[5].duration == 60_000
        assert {event.node for event in first.events} == {"n1"}


async def test_whoever_is_named_as_joined_can_be_read_at_once() -> None:
    async with scene() as it:
        after = ""
        for number in range(50):
            await it.client(f"p{number}")
            page = await events(it, after)
            (joined,) = [event for event in page.events if event.type == "participant_joined"]
            present = await it.sfu.execute(ListParticipants(ADMINISTRATOR, "room"))
            assert joined.participant and joined.participant.sid in {info.sid for info in present.entries}
            after = page.latest


async def test_events_of_one_room_are_read_by_its_name_and_after_it_has_ended() -> None:
    async with scene() as it:
        for name in ("a", "b", "a"):
            await it.sfu.execute(CreateRoom(ADMINISTRATOR, name))
            await it.sfu.execute(DeleteRoom(ADMINISTRATOR, name))
        page = await events(it, room="a", limit=5)
        assert types(page) == ["room_started", "command", "command", "room_finished", "room_started"]
        assert types(await events(it, page.next, "a")) == ["command", "command", "room_finished"]


@pytest.mark.parametrize("after", ["x", "abcdefgh", "abcdefgh-", "abcdefgh-1x", "abcdefgh-" + "1" * 16, "-1"])
async def test_an_id_that_is_none_is_refused(after: str) -> None:
    async with scene() as it:
        with pytest.raises(InvalidRequest, match="must be the id of an event"):
            await events(it, after)


async def test_an_id_of_another_store_begins_with_the_oldest_event_and_says_so() -> None:
    async with scene() as it:
        await it.client("ada")
        page = await events(it)
        for other in ("22222222-1", page.latest[:9] + "999"):
            again = await events(it, other)
            assert again.missed and again.events == page.events
        assert not page.missed


async def test_the_events_of_a_process_outlive_it_and_its_end_is_told(tmp_path: Path) -> None:
    config = Config(state_dir=str(tmp_path))
    async with scene(config) as it:
        await it.client("ada")
        before = await events(it)
    async with scene(config) as it:
        page = await events(it, before.latest)
        assert types(page) == ["participant_left", "room_finished"]
        assert [event.reason for event in page.events] == ["server_shutdown", "server_shutdown"]
        assert [event.id for event in (await events(it)).events] == [
            event.id for event in (*before.events, *page.events)
        ]


async def test_a_join_is_answered_when_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    append = Store.append

    def spy(self: Store, batch: Sequence[tuple[int, str]]) -> None:
        append(self, batch)
        written.extend(body for _, body in batch)

    monkeypatch.setattr(Store, "append", spy)
    async with scene(Config(state_dir=str(tmp_path))) as it:
        for number in range(20):
            client = await it.client(f"p{number}")
            assert any(client.sid in body for body in written)
        await it.sfu.execute(DeleteRoom(ADMINISTRATOR, "room"))
        assert '"room_finished"' in written[-1]


async def test_events_wait_while_the_disk_is_full_and_calls_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, full = Store.append, [True]

    def fail(self: Store, batch: Sequence[tuple[int, str]]) -> None:
        if full:
            raise sqlite3.OperationalError("database or disk is full")
        append(self, batch)

    monkeypatch.setattr(Store, "append", fail)
    monkeypatch.setattr(limits, "EVENT_BACKLOG", 4)
    async with scene(Config(state_dir=str(tmp_path))) as it:
        for number in range(8):
            await it.client(f"p{number}")
        stats = it.sfu.history_stats()
        assert (stats.written, stats.waiting, stats.dropped["backlog"]) == (0, 4, 5)
        assert it.sfu.failures.counts["events"] > 0
        assert types(await events(it)) == []
        full.clear()
        # The next batch brings the ones that waited.
        history(it)._written = history(it)._position - 1
        await it.client("last")
        page = await events(it)
        assert types(page) == ["room_started", *["participant_joined"] * 4]
        assert [event.seq for event in page.events] == [1, 2, 3, 4, 10], "a gap shows that events were lost"


def history(it: Scene) -> History:
    return it.sfu._history


async def test_age_and_the_last_time_seen_are_noted_every_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[int] = []
    monkeypatch.setattr(Store, "keep_alive", lambda self, at: noted.append(at))
    async with scene() as it:
        for _ in range(12):
            await it.pass_time(1)
        await events(it)
    assert [after - before for before, after in pairwise(noted)] == [5_000, 5_000]


async def test_a_reader_waits_for_no_one() -> None:
    """Pages are read by the thread, so the loop goes on while one is made."""
    async with scene() as it:
        await it.client("ada")
        reading: asyncio.Task[Any] = asyncio.create_task(events(it))
        turns = 0
        while not reading.done():
            turns += 1
            await asyncio.sleep(0)
        assert turns > 1
