"""The database of events: pages, retention, and what a lost process leaves."""

import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sfu import limits
from sfu.errors import StateError
from sfu.history.store import FILE, Store
from sfu.model import Cause, ParticipantKind
from sfu.room_events import (
    EventLimit,
    EventPage,
    EventParticipant,
    EventQuality,
    EventRoom,
    EventType,
    RoomEvent,
    Usage,
    encode,
)
from sfu.views import AdminCommand

LOBBY, HALL = EventRoom("RM_1", "lobby"), EventRoom("RM_2", "hall")
LARGE = EventParticipant("PA_1", "ada", metadata="m" * 400)
ADA = EventParticipant("PA_ada", "ada", "Ada", ParticipantKind.STANDARD, 1000, metadata="m")


def store(folder: Path | None = None, *, age: float = 1e6, octets: int = 1 << 20, at: int = 1_000_000) -> Store:
    return Store(folder, node="n", age=age, octets=octets, at=at)


def event(type: EventType, seq: int, room: EventRoom = LOBBY, at: int = 1000, **more: Any) -> RoomEvent:
    return RoomEvent("", type, at, room, seq, "n", 1, **more)


def write(it: Store, *events: RoomEvent) -> None:
    it.append([(it.position + n, encode(one)) for n, one in enumerate(events, 1)])


def story(kept: EventPage) -> list[tuple[str, str, int]]:
    return [(one.room.name, one.type.value, one.seq) for one in kept.events]


STARTED = event(EventType.ROOM_STARTED, 1)
JOINED = event(EventType.PARTICIPANT_JOINED, 2, participant=ADA)
LEFT = event(EventType.PARTICIPANT_LEFT, 3, participant=ADA, reason="client_initiated", duration=5)


def test_the_events_of_an_identity_are_removed_from_a_room_or_from_all() -> None:
    it = store()
    bob, twin = replace(ADA, sid="PA_bob", identity="bob"), replace(ADA, sid="PA_2")
    write(it, STARTED, JOINED, event(EventType.PARTICIPANT_JOINED, 3, participant=bob))
    write(it, event(EventType.PARTICIPANT_JOINED, 1, HALL, participant=twin), event(EventType.ROOM_FINISHED, 2, HALL))
    assert it.forget("ada", "lobby", 0, 9) == 1 and it.forget("ada", None, 4, 9) == 0
    assert it.forget("ada", None, 0, 9) == 1 and it.dropped["deleted"] == 2
    assert story(it.read(None, None, 9)) == [
        ("lobby", "room_started", 1),
        ("lobby", "participant_joined", 3),
        ("hall", "room_finished", 2),
    ]
    assert it.octets == sum(len(encode(replace(one, id=""))) for one in it.read(None, None, 9).events)


def test_events_that_name_an_identity_elsewhere_are_removed_too() -> None:
    it = store()
    write(
        it,
        event(EventType.COMMAND, 1, command=AdminCommand("mute_track", "token", identity="ada")),
        event(EventType.COMMAND, 2, command=AdminCommand("mute_track", "token", author="ada")),
        event(EventType.LIMIT_HIT, 3, limit=EventLimit("rooms", identity="ada")),
        event(EventType.QUALITY_CHANGED, 4, quality=EventQuality("active", Cause.LOSS, ("bob", "ada"), 2)),
        event(EventType.QUALITY_CHANGED, 5, quality=EventQuality("active", Cause.LOSS, ("bob",), 1)),
    )
    assert it.forget("ada", "hall", 0, 9) == 0 and it.forget("ada", "lobby", 0, 2) == 2
    assert it.forget("ada", None, 0, 9) == 2 and [one.seq for one in it.read(None, None, 9).events] == [5]


def test_what_was_removed_is_overwritten_on_the_disk(tmp_path: Path) -> None:
    it = store(tmp_path)
    write(it, STARTED, event(EventType.TRACK_MUTED, 2, participant=replace(ADA, identity="nobody-else")))
    kept = [path for path in tmp_path.iterdir() if b"nobody-else" in path.read_bytes()]
    it.forget("nobody-else", None, 0, 9)
    it.shred()
    assert kept and not [path for path in tmp_path.iterdir() if b"nobody-else" in path.read_bytes()]


def test_a_lost_process_leaves_what_was_last_noted_of_the_usage(tmp_path: Path) -> None:
    it = store(tmp_path)
    write(it, STARTED, JOINED, replace(JOINED, seq=3, participant=replace(ADA, sid="PA_2")))
    it.note_usage([("PA_gone", Usage(9, 9, 9, 9, 9))])
    it.note_usage([("PA_ada", Usage(1, 2, 3, 4, 5)), ("RM_1", Usage(10, 20, 30, 40, 50))])
    it.keep_alive(3000)
    it.close()
    used = [one.usage for one in store(tmp_path).read(3, None, 9).events]
    assert used == [Usage(0, 0, 2000), Usage(1, 2, 2000, 4, 5), Usage(11, 22, 4030, 44, 55)]


def test_revocations_are_kept_until_they_have_ended(tmp_path: Path) -> None:
    it = store(tmp_path)
    it.keep_revocations([("room", "ada", "1"), ("room", "bob", "1")])
    it.keep_revocations([("room", "ada", "2"), ("room", "bob", ""), ("room", "eve", "")])
    assert it.revocations == []
    it.close()
    assert store(tmp_path).revocations == [("room", "ada", "2")]


def test_pages_continue_where_the_last_one_ended() -> None:
    it = store()
    write(it, STARTED, JOINED)
    write(it, event(EventType.ROOM_STARTED, 1, HALL), LEFT)
    first = it.read(None, None, 3)
    assert story(first) == [
        ("lobby", "room_started", 1),
        ("lobby", "participant_joined", 2),
        ("hall", "room_started", 1),
    ]
    assert (first.next, first.latest, first.missed) == (it.name(3), it.name(4), False)
    rest = it.read(3, None, 3)
    assert story(rest) == [("lobby", "participant_left", 3)] and rest.next == ""
    assert [one.seq for one in it.read(None, "lobby", 10).events] == [1, 2, 3]
    assert it.read(4, None, 10).events == () and not it.read(4, None, 10).missed
    assert it.read(None, None, 10).events[1].participant == ADA


def test_ids_go_on_over_a_restart_and_never_come_back(tmp_path: Path) -> None:
    one = store(tmp_path)
    write(one, STARTED, JOINED, LEFT, event(EventType.ROOM_FINISHED, 4))
    name = one.name(4)
    one.close()
    two = store(tmp_path, age=0, at=1_000_000)
    assert two.name(4) == name and two.epoch == one.epoch + 1 and two.lost == 0
    two.keep_alive(2_000)
    assert two.read(None, None, 10).events == () and two.octets == 0 and two.dropped["age"] == 4
    two.close()
    three = store(tmp_path)
    assert three.position == 4 and three.read(2, None, 10).missed and not three.read(4, None, 10).missed
    three.close()


def test_what_a_lost_process_left_is_ended_at_the_last_time_seen(tmp_path: Path) -> None:
    one = store(tmp_path)
    write(one, STARTED, JOINED, event(EventType.ROOM_STARTED, 1, HALL, at=900))
    one.keep_alive(7_000)
    one.close()
    two = store(tmp_path)
    ended = two.read(3, None, 10).events
    assert [(e.room.name, e.type, e.seq, e.at, e.reason, e.duration, e.epoch) for e in ended] == [
        ("hall", EventType.ROOM_FINISHED, 2, 7_000, "server_lost", 6_100, two.epoch),
        ("lobby", EventType.PARTICIPANT_LEFT, 3, 7_000, "server_lost", 6_000, two.epoch),
        ("lobby", EventType.ROOM_FINISHED, 4, 7_000, "server_lost", 6_000, two.epoch),
    ]
    assert ended[1].participant is not None and ended[1].participant.identity == "ada"
    assert two.lost == 1
    two.close()
    three = store(tmp_path)
    assert three.lost == 0 and three.position == 6
    three.close()


def test_numbers_of_a_room_go_on_after_its_events_were_removed(tmp_path: Path) -> None:
    one = store(tmp_path, age=0)
    write(one, STARTED, JOINED)
    one.keep_alive(5_000)
    one.close()
    two = store(tmp_path)
    assert [(e.type, e.seq) for e in two.read(None, None, 9).events] == [
        (EventType.PARTICIPANT_LEFT, 3),
        (EventType.ROOM_FINISHED, 4),
    ]
    two.close()


def test_the_oldest_events_go_when_the_size_is_exceeded() -> None:
    it = store(octets=20_000)
    for seq in range(2, 400):
        write(it, event(EventType.SPEAKER_CHANGED, seq))
    kept = it.read(None, None, 400)
    assert it.octets == sum(len(encode(one)) for one in kept.events) <= 20_000
    assert it.octets > 17_000 and kept.events[-1].seq == 399
    assert it.dropped["size"] == 398 - len(kept.events)
    assert it.read(1, None, 1).missed


def test_a_batch_that_fails_is_not_written_in_part() -> None:
    it = store()
    write(it, STARTED)
    with pytest.raises(sqlite3.Error):
        it.append([(2, encode(JOINED)), (2, encode(LEFT))])
    assert story(it.read(None, None, 9)) == [("lobby", "room_started", 1)] and it.position == 1
    write(it, JOINED)
    assert it.position == 2


def test_the_folder_is_used_by_one_process_and_has_a_known_version(tmp_path: Path) -> None:
    one = store(tmp_path / "new")
    with pytest.raises(StateError, match="another process uses it"):
        store(tmp_path / "new")
    one.close()
    with sqlite3.connect(tmp_path / "new" / FILE) as database:
        database.execute("pragma user_version = 9")
    database.close()
    with pytest.raises(StateError, match="version 9"):
        store(tmp_path / "new")
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StateError, match="cannot be kept in"):
        store(tmp_path / "file")
    (tmp_path / FILE).write_text("this is no database" * 100)
    with pytest.raises(StateError, match="not a database"):
        store(tmp_path)


def test_a_page_ends_with_the_event_that_makes_it_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LIST_OCTETS", 700)
    it = store()
    write(it, *(event(EventType.PARTICIPANT_JOINED, n, participant=replace(LARGE, sid=f"PA_{n}")) for n in range(1, 5)))
    first = it.read(None, None, 10)
    assert [one.seq for one in first.events] == [1, 2] and first.next == it.name(2)
    assert [one.seq for one in it.read(2, None, 10).events] == [3, 4] and it.read(2, None, 10).next == ""


def test_a_body_is_kept_as_it_was_encoded() -> None:
    it = store()
    odd = event(EventType.ROOM_STARTED, 1, EventRoom("RM_1", "caf\u00e9 \"'\\ \u2028 \U0001f600"))
    write(it, odd)
    (read,) = it.read(None, odd.room.name, 2).events
    assert (read.room.name, json.loads(encode(read))) == (odd.room.name, json.loads(encode(odd)))
