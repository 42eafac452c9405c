"""Pages: their octets are counted as in JSON, and entries are made only when needed."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import TypeAdapter
from pydantic_core import to_json

from api import explain, participants, rooms, tracks
from sfu import limits, paging
from sfu.views import Decision, Explanation, ParticipantInfo, PublishedTrack, RoomInfo, SubscriptionInfo

from ..live import rooms_of
from .server import ROOM, Client, Server, admin, is_problem

A_ROOM = TypeAdapter(RoomInfo).validate_python(rooms.ROOM)
TRACK = TypeAdapter(PublishedTrack).validate_python(tracks.TRACK)
PARTICIPANT = TypeAdapter(ParticipantInfo).validate_python(participants.PARTICIPANT)
SUBSCRIPTION = TypeAdapter(SubscriptionInfo).validate_python(participants.SUBSCRIPTION)
EXPLANATION = TypeAdapter(Explanation).validate_python(explain.EXAMPLE)
DECISION: Decision = EXPLANATION.decisions[0]
ATTRIBUTES = {str(number): "v" * 200 for number in range(256)}

AWKWARD = ("é" * 30_000, "😀" * 15_000, '"' * 60_000, "\x01" * 60_000)
"""As many octets as metadata may have; in JSON as many, twice as many, and six times as many."""
NAMES = "😀" * 256

ENTRIES: list[tuple[str, Any, Any]] = [
    ("a room", A_ROOM, paging.of_room),
    ("a room with metadata", replace(A_ROOM, metadata="m" * 60_000), paging.of_room),
    ("a room with a full stage", replace(A_ROOM, on_stage=("n" * 256,) * 256), paging.of_room),
    ("a participant", PARTICIPANT, paging.of_participant),
    ("one with metadata", replace(PARTICIPANT, metadata="m" * 60_000), paging.of_participant),
    (
        "one with attributes",
        replace(PARTICIPANT, attributes={str(n): "v" * 200 for n in range(256)}),
        paging.of_participant,
    ),
    ("one with 64 tracks", replace(PARTICIPANT, tracks=(TRACK.track,) * 64), paging.of_participant),
    ("a track", TRACK, paging.of_track),
    ("a track with 5,000 viewers", replace(TRACK, subscribers=("viewer",) * 5_000), paging.of_track),
    *((f"a room with {m[0]!r}", replace(A_ROOM, metadata=m), paging.of_room) for m in AWKWARD),
    *((f"one with {m[0]!r}", replace(PARTICIPANT, metadata=m), paging.of_participant) for m in AWKWARD),
    *(
        (f"one with attributes of {m[0]!r}", replace(PARTICIPANT, attributes={"a": m}), paging.of_participant)
        for m in AWKWARD
    ),
    ("one with long names", replace(PARTICIPANT, identity=NAMES, name=NAMES), paging.of_participant),
    (
        "a track with long names",
        replace(
            TRACK, participant=NAMES, track=replace(TRACK.track, name=NAMES, stream=NAMES), subscribers=(NAMES,) * 90
        ),
        paging.of_track,
    ),
    ("a subscription", SUBSCRIPTION, paging.of_subscription),
    ("an explanation", EXPLANATION, paging.of_explanation),
    ("an explanation with 64 decisions", replace(EXPLANATION, decisions=(DECISION,) * 64), paging.of_explanation),
]


@pytest.mark.parametrize(("entry", "weigh"), [one[1:] for one in ENTRIES], ids=[one[0] for one in ENTRIES])
def test_an_entry_weighs_about_what_it_is_in_json(entry: Any, weigh: Any) -> None:
    octets = len(TypeAdapter(type(entry)).dump_json(entry))
    assert octets / 2 <= weigh(entry) <= max(4 * octets, 2 * paging.ENTRY)


def test_a_page_ends_with_the_entry_that_makes_it_full_and_makes_no_more_than_one_beyond() -> None:
    made: list[int] = []

    def entries() -> Iterator[tuple[str, int]]:
        for number in range(1, 1_000):
            made.append(number)
            yield str(number), number

    assert paging.page(entries(), 3, lambda _: 1) == ([1, 2, 3], "3")
    assert made == [1, 2, 3, 4]
    assert paging.page(entries(), 500, lambda _: limits.LIST_OCTETS // 2) == ([1, 2], "2")
    assert paging.page(entries(), 500, lambda _: limits.LIST_OCTETS * 2) == ([1], "1"), "one there always is"
    assert paging.page(iter(()), 500, lambda _: 1) == ([], "")


def test_as_many_plain_entries_fit_as_may_be_asked_for() -> None:
    assert limits.LIST_PAGE * paging.ENTRY <= limits.LIST_OCTETS


PAGED = {
    "/v1/events": "events",
    "/v1/rooms": "rooms",
    ROOM + "/participants": "participants",
    ROOM + "/tracks": "tracks",
    ROOM + "/participants/bob/subscriptions": "subscriptions",
    ROOM + "/participants/bob/explain": "subscriptions",
}


async def paged(server: Server, path: str, limit: int) -> list[list[Any]]:
    """The pages of a list."""
    found: list[list[Any]] = []
    after = ""
    while not found or after:
        reply = (await server.http.get(path, params={"limit": limit, "after": after}, headers=bearer())).json()
        found.append(reply[PAGED[path]])
        after = reply["next"]
    return found


@pytest.mark.parametrize("text", [*AWKWARD, "\x7f\u2028\n\t\b\f\r\\/<>&", ""], ids=lambda text: repr(text[:1]))
def test_a_text_weighs_its_octets_in_json(text: str) -> None:
    assert paging.octets(text) == len(to_json(text))


@pytest.mark.parametrize("metadata", AWKWARD, ids=lambda text: repr(text[:1]))
def test_a_page_exceeds_its_octets_by_one_entry_at_most_whatever_the_text(metadata: str) -> None:
    entry = replace(PARTICIPANT, metadata=metadata)
    found, _ = paging.page(((str(n), entry) for n in range(500)), 500, paging.of_participant)
    octets = len(TypeAdapter(list[ParticipantInfo]).dump_json(found))
    assert octets <= limits.LIST_OCTETS + len(TypeAdapter(ParticipantInfo).dump_json(entry))


async def test_every_list_of_rest_comes_in_pages(server: Server) -> None:
    """One that is added later is to be in the table above."""
    listing = {
        path.format(room="room", identity="bob"): {one["name"] for one in operations["get"].get("parameters", ())}
        for path, operations in server.app.openapi()["paths"].items()
        for answer in [operations.get("get", {}).get("responses", {}).get("200", {})]
        for schema in [answer.get("content", {}).get("application/json", {}).get("schema", {})]
        if "next" in server.app.openapi()["components"]["schemas"].get(_name(schema), {}).get("properties", {})
        or _is_list(server, schema)
    }
    assert listing.keys() == PAGED.keys()
    assert all({"after", "limit"} <= given for given in listing.values())


def _name(schema: dict[str, Any]) -> str:
    return str(schema.get("$ref", "")).rsplit("/", 1)[-1]


def _is_list(server: Server, schema: dict[str, Any]) -> bool:
    """One property that is a list, and nothing else."""
    properties = server.app.openapi()["components"]["schemas"].get(_name(schema), {}).get("properties", {})
    return len(properties) == 1 and next(iter(properties.values())).get("type") == "array"


@pytest.mark.parametrize("path", PAGED)
async def test_a_page_of_any_list_has_no_more_than_was_asked_for_nor_than_a_reply_may_have(
    server: Server, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        rooms_of(server.sfu).create(f"beside {number}")
    async with server.client("bob"), server.client("ada") as ada, server.client("eve") as eve:
        for publisher in (ada, eve):
            for number in range(3):
                await ask_ok(publisher, f"{number}")
            await publisher.offer(*["video sendonly"] * 3)
        whole = await paged(server, path, limits.LIST_PAGE)
        assert len(whole) == 1 and len(whole[0]) >= 3
        for limit in (1, 2):
            found = await paged(server, path, limit)
            assert [entry for page in found for entry in page] == whole[0]
            assert {len(page) for page in found[:-1]} == {limit} and 1 <= len(found[-1]) <= limit
        monkeypatch.setattr(limits, "LIST_OCTETS", 2000)
        short = await paged(server, path, limits.LIST_PAGE)
        assert [entry for page in short for entry in page] == whole[0] and len(short) > 1
    for wrong in ({"limit": 0}, {"limit": limits.LIST_PAGE + 1}, {"after": "x" * 300}):
        assert is_problem(await server.http.get(path, params=wrong, headers=bearer()), 422)


async def test_a_page_goes_on_where_it_ended_also_if_that_track_is_gone(server: Server) -> None:
    async with server.client("ada") as ada:
        sids = [await ask_ok(ada, f"{number}") for number in range(3)]
        await ada.offer(*["video sendonly"] * 3)
        path = ROOM + "/tracks"
        first = (await server.http.get(path, params={"limit": 1}, headers=bearer())).json()
        assert (await ada.ask("unpublish", track=sids[0]))["type"] == "ok"
        rest = (await server.http.get(path, params={"after": first["next"]}, headers=bearer())).json()
        assert [one["track"]["sid"] for one in rest["tracks"]] == sids[1:]
        for wrong in ("TR_5hJk2mNpQrSt", "1", "1.x", "-1.2", "1.2.3", "\u0661.1"):
            refused = await server.http.get(path, params={"after": wrong}, headers=bearer())
            assert is_problem(refused, 400, "`next` of the previous page")


async def ask_ok(client: Client, cid: str) -> str:
    published = await client.ask("publish", cid=cid, kind="video", source="camera")
    assert published["type"] == "published"
    return str(published["track"]["sid"])


def bearer() -> dict[str, str]:
    return {"Authorization": f"Bearer {admin()}"}
