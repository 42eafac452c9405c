"""What still goes to which webhook: filters, order per room, and what the retention removes."""

from pathlib import Path
from typing import Any

from sfu.config import Webhook
from sfu.history.deliveries import Outcome
from sfu.history.store import Store
from sfu.room_events import EventRoom, EventType, RoomEvent, encode

ALL = Webhook("all", "https://a")
LATER = 1 << 50
HALLS = Webhook("halls", "https://b", rooms="hall-[12]", events=("room_started",))


def store(folder: Path | None = None, *targets: Webhook, **more: Any) -> Store:
    return Store(folder, node="n", age=more.get("age", 1e9), octets=more.get("octets", 1 << 20), at=1, webhooks=targets)


def write(it: Store, *rooms: str, type: EventType = EventType.ROOM_STARTED) -> None:
    events = [RoomEvent("", type, 1000, EventRoom(f"RM_{it.position}_{n}", r), n, "n", 1) for n, r in enumerate(rooms)]
    it.append([(it.position + n, encode(one)) for n, one in enumerate(events, 1)])


def places(it: Store, target: str = "all", limit: int = 9) -> list[int]:
    return [one.position for one in it.deliveries.heads(target, limit)]


def said(it: Store, sid: str, count: int) -> None:
    """Events of a room."""
    event = RoomEvent("", EventType.SPEAKER_CHANGED, 1000, EventRoom(sid, sid), 1, "n", 1)
    it.append([(it.position + n, encode(event)) for n in range(1, count + 1)])


def test_a_target_gets_the_rooms_and_types_of_its_filter() -> None:
    it = store(None, ALL, HALLS)
    write(it, "hall-1", "hall-3", "lobby")
    write(it, "hall-2", type=EventType.SPEAKER_CHANGED)
    assert places(it) == [1, 2, 3, 4] and places(it, "halls") == [1] and places(it, "other") == []
    assert it.deliveries.heads("halls", 9)[0].body["room"]["name"] == "hall-1"


def test_the_next_event_of_a_room_is_due_when_the_one_before_it_is_delivered_or_given_up() -> None:
    it = store(None, ALL)
    said(it, "a", 3)
    said(it, "b", 2)
    assert places(it) == [1, 4] and places(it, limit=1) == [1]
    it.deliveries.note("all", [Outcome(1, "no", due=LATER), Outcome(4)])
    assert places(it) == [5, 1], "one that waits comes after the others"
    assert [(one.attempts, one.due) for one in it.deliveries.heads("all", 9)] == [(0, 0), (1, LATER)]
    it.deliveries.note("all", [Outcome(1, "no", due=99, dead=True)])
    assert places(it) == [2, 5]
    (info,) = it.deliveries.list()
    assert (info.pending, info.dead, info.error) == (3, 1, "no") and info.oldest > 0
    assert it.deliveries.retry("all", 7) == 1
    assert places(it) == [1, 5] and it.deliveries.heads("all", 1)[0].attempts == 0


def test_rooms_that_are_busy_are_left_out_and_those_that_failed_are_counted_apart() -> None:
    it = store(None, ALL)
    for sid in "abcd":
        said(it, sid, 2)
    it.deliveries.note("all", [Outcome(1, "no", due=5), Outcome(3, "no", due=5)])
    assert places(it, limit=1) == [1, 5], "the earliest of those that failed, and of the others"
    heads = it.deliveries.heads("all", 9, ["a", "d"])
    assert [(one.sid, one.position) for one in heads] == [("b", 3), ("c", 5)]


def test_an_event_that_is_removed_goes_to_no_target_and_the_next_of_its_room_does() -> None:
    it = store(None, ALL)
    said(it, "a", 2)
    it.deliveries.drop([1])
    assert places(it) == [2] and it.deliveries.expired == 1


def test_what_waits_outlives_the_process_and_a_target_that_is_gone_does_not(tmp_path: Path) -> None:
    one = store(tmp_path, ALL, HALLS)
    write(one, "hall-1")
    one.close()
    two = store(tmp_path, ALL)
    # The room was lost, which goes to the webhook, too.
    assert [one.body["type"] for one in two.deliveries.heads("all", 9)] == ["room_started"]
    two.deliveries.note("all", [Outcome(1)])
    assert [one.body["reason"] for one in two.deliveries.heads("all", 9)] == ["server_lost"]
    two.close()
    three = store(tmp_path, ALL, HALLS)
    assert places(three, "halls") == [] and places(three) == [2]
    three.close()


def test_an_event_that_is_removed_goes_to_no_webhook() -> None:
    it = store(None, ALL, age=0)
    said(it, "a", 3)
    it.deliveries.note("all", [Outcome(1, "no", dead=True)])
    it.keep_alive(5_000)
    assert places(it) == [] and it.deliveries.expired == 3
    (info,) = it.deliveries.list()
    assert (info.pending, info.dead) == (0, 0)
