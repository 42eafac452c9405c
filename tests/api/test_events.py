"""REST: the events of rooms as pages, over a restart and over a kill."""

import random
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import websockets

from .conftest import Start
from .kill import Killed
from .plane import COUNTERS
from .server import Server, is_problem, serving, token
from .test_process import FREE_PORTS, said

EVENTS = "/v1/events"


async def page(server: Server, query: str = "", as_: str | None = None) -> dict[str, Any]:
    reply = await server.call("GET", EVENTS + query, as_=as_)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


async def test_a_backend_reads_what_happened_page_by_page(server: Server) -> None:
    async with server.client("ada"), server.client("bob"):
        pass
    await server.call("DELETE", "/v1/rooms/room")
    first = await page(server, "?limit=3")
    rest = await page(server, f"?after={first['next']}")
    told = first["events"] + rest["events"]
    assert [event["type"] for event in told][:3] == ["room_started", "participant_joined", "participant_joined"]
    assert Counter(event["type"] for event in told) == {
        "room_started": 1,
        "participant_joined": 2,
        "command": 1,
        "participant_left": 2,
        "room_finished": 1,
    }
    assert rest["next"] == "" and rest["latest"] == told[-1]["id"] and not rest["missed"]
    (left,) = [e for e in told if e["type"] == "participant_left" and e["participant"]["identity"] == "ada"]
    assert left["reason"] == "room_deleted" and left["duration"] >= 0 and "track" not in left
    assert (await page(server, f"?after={rest['latest']}"))["events"] == []
    assert (await page(server, "?room=other"))["events"] == []


@pytest.mark.parametrize(
    ("query", "grant", "status"),
    [
        ("?room=room", {"room": "room", "room_admin": True}, 200),
        ("?room=room", {"room": "", "room_admin": True}, 200),
        ("?room=room", {"room": "other", "room_admin": True}, 403),
        ("?room=room", {"room": "room", "room_list": True}, 403),
        ("", {"room": "", "room_admin": True, "room_list": True}, 200),
        ("", {"room": "room", "room_admin": True, "room_list": True}, 403),
        ("", {"room": "", "room_admin": True}, 403),
        ("", {"room": "", "room_list": True}, 403),
        ("", {"room": "", "room_create": True}, 403),
    ],
)
async def test_a_moderator_reads_its_room_and_a_lister_who_moderates_all_reads_all(
    server: Server, query: str, grant: dict[str, Any], status: int
) -> None:
    reply = await server.call("GET", EVENTS + query, as_=token("backend", room_join=False, **grant))
    assert reply.status_code == status
    assert status == 200 or is_problem(reply, 403, "does not allow" if query == "" or "room_list" in grant else "")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?after=x", 400),
        ("?limit=0", 422),
        ("?limit=501", 422),
        ("?room=" + "r" * 257, 422),
        ("?after=" + "a" * 257, 422),
    ],
)
async def test_a_request_that_is_wrong_is_refused(server: Server, query: str, status: int) -> None:
    assert is_problem(await server.call("GET", EVENTS + query), status)


async def test_one_who_leaves_and_the_room_have_the_octets_of_all_transports(server: Server) -> None:
    async with server.client("ada") as ada, server.client("bob"):
        await ada.offer("audio sendonly")
        # Nothing was sent to bob, who has no transport.
    await server.call("DELETE", "/v1/rooms/room")
    used = {
        event["participant"]["identity"] if "participant" in event else "": event["usage"]
        for event in (await page(server))["events"]
        if "usage" in event
    }
    octets = {name: (usage["octets_received"], usage["octets_sent"]) for name, usage in used.items()}
    counted = (COUNTERS.bytes_received, COUNTERS.bytes_sent)
    assert octets == {"ada": counted, "bob": (0, 0), "": counted} and counted[0] > 0
    assert used[""]["present"] == used["ada"]["present"] + used["bob"]["present"]


async def test_the_events_of_an_identity_are_removed_and_later_ones_are_kept(server: Server) -> None:
    async with server.client("ada"), server.client("bob"):
        reply = await server.call("DELETE", EVENTS + "?identity=ada&room=other")
        assert (reply.status_code, reply.json()) == (200, {"removed": 0})
        assert (await server.call("DELETE", EVENTS + "?identity=ada")).json() == {"removed": 1}
    await server.call("DELETE", "/v1/rooms/room")
    named = [event["participant"]["identity"] for event in (await page(server))["events"] if "participant" in event]
    assert sorted(named) == ["ada", "bob", "bob"]
    assert 'sfu_events_dropped_total{reason="deleted"} 1.0' in (await server.internal.get("/metrics")).text
    for query, status in (("", 422), ("?identity=", 422), ("?identity=" + "a" * 257, 422)):
        assert is_problem(await server.call("DELETE", EVENTS + query), status)
    of_room = token("backend", room="room", room_join=False, room_admin=True)
    assert is_problem(await server.call("DELETE", EVENTS + "?identity=bob", as_=of_room), 403, "following all rooms")
    assert (await server.call("DELETE", EVENTS + "?identity=bob&room=room", as_=of_room)).json() == {"removed": 2}
    told = [event["command"] for event in (await page(server))["events"] if "command" in event]
    assert [(one["name"], one["key"], one["author"]) for one in told] == [
        *[("delete_events", "key", "admin")] * 2,
        ("delete_room", "key", "admin"),
        ("delete_events", "key", "backend"),
    ]


async def test_events_are_read_over_a_restart(start: Start, tmp_path: Path) -> None:
    settings = {"state_dir": tmp_path, "node": "n1"}
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(serving(**settings))
        async with one.client("ada"):
            before = await page(one)
    two = await start(**settings)
    rest = await page(two, f"?after={before['latest']}")
    assert [event["type"] for event in rest["events"]] == ["participant_left", "room_finished"]
    assert {event["node"] for event in rest["events"]} == {"n1"}
    numbers = (await two.internal.get("/metrics")).text
    assert "sfu_events_waiting 0.0" in numbers and 'sfu_events_dropped_total{reason="backlog"} 0.0' in numbers


async def test_one_who_was_removed_stays_out_over_a_restart_until_it_is_readmitted(
    start: Start, tmp_path: Path
) -> None:
    jwt = token("ada")
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(serving(state_dir=tmp_path))
        async with one.client("ada"):
            assert (await one.call("DELETE", "/v1/rooms/room/participants/ada")).status_code == 204
    two = await stack.enter_async_context(serving(state_dir=tmp_path))
    async with stack:
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with two.rtc(additional_headers={"Authorization": f"Bearer {jwt}"}):
                pass
        assert refused.value.response.status_code == 403 and b"revoked" in (refused.value.response.body or b"")
        assert (await two.call("POST", "/v1/rooms/room/participants/ada/readmit", {})).status_code == 204
    three = await start(state_dir=tmp_path)
    async with three.client("ada"):
        pass


async def test_rooms_of_requests_and_their_options_are_kept_over_a_restart_and_those_of_joins_are_not(
    start: Start, tmp_path: Path
) -> None:
    async with serving(state_dir=tmp_path) as one:
        for name in ("made", "deleted"):
            reply = await one.call("POST", "/v1/rooms", {"name": name, "metadata": "m", "on_stage": ["ada"]})
            assert reply.status_code == 201
        async with one.client("ada", room="joined"), one.client("ada", room="changed"):
            assert (await one.call("PATCH", "/v1/rooms/changed", {"locked": True})).status_code == 200
            assert (await one.call("PATCH", "/v1/rooms/made", {"last_n": 4})).status_code == 200
            assert (await one.call("DELETE", "/v1/rooms/deleted")).status_code == 204
    two = await start(state_dir=tmp_path)
    found = {room["name"]: room for room in (await two.call("GET", "/v1/rooms")).json()["rooms"]}
    assert found.keys() == {"changed", "made"} and found["changed"]["locked"]
    made = found["made"]
    assert (made["metadata"], made["on_stage"], made["last_n"], made["num_participants"]) == ("m", ["ada"], 4, 0)


async def test_a_folder_that_cannot_be_used_stops_the_start_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = await said(tmp_path, "serve", **FREE_PORTS, SFU_STATE_DIR=str(tmp_path / "file"))
    assert code == 1 and "sfu: the events cannot be kept in" in err and "Traceback" not in err


@pytest.mark.slow
async def test_each_answered_join_has_one_joined_and_one_left_whenever_the_service_is_killed(tmp_path: Path) -> None:
    killed = Killed(tmp_path, random.Random(7))
    await killed.run(kills=3)
    await killed.check()


async def test_the_check_sees_a_join_that_is_missing(tmp_path: Path) -> None:
    killed = Killed(tmp_path, random.Random(7))
    await killed.run(kills=1)
    killed.answered.append("PA_nobody")
    with pytest.raises(AssertionError, match="PA_nobody"):
        await killed.check()
