"""The client has a method for each operation of the OpenAPI document, with all of its parameters and fields."""

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

import httpx
import pytest
from pydantic import BaseModel

import sfu_client
from sfu_client import Client, MediaSession, SyncClient, models

from ..api.server import Server

ROOM, IDENTITY, SESSION, TRACK = "the-room", "the-identity", "the-session", "the-track"
SAMPLES: dict[str, Any] = {
    "room": ROOM,
    "identity": IDENTITY,
    "after": "x",
    "limit": 1,
    "token": "t",
    "offer": "v=0",
    "fragment": "a=x",
    "participant": IDENTITY,
    "track": TRACK,
}
PARTS = {ROOM: "{room}", IDENTITY: "{identity}", SESSION: "{session}", TRACK: "{track}"}
NOT_OPERATIONS = {"close", "follow"}

Operation = tuple[str, str]


@dataclass
class Sent:
    """What the client was seen to send for one operation."""

    query: set[str] = field(default_factory=set)
    body: set[str] = field(default_factory=set)


class Recorder:
    """A transport that keeps each request and refuses it."""

    def __init__(self) -> None:
        self.sent: dict[Operation, Sent] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        where = "/".join(PARTS.get(part, part) for part in request.url.path.split("/"))
        sent = self.sent.setdefault((request.method.lower(), where), Sent())
        sent.query |= set(request.url.params)
        if request.headers.get("content-type") == "application/json":
            sent.body |= set(json.loads(request.content))
        return httpx.Response(503, json={"detail": "Not now.", "code": "unavailable"})


async def recorded() -> dict[Operation, Sent]:
    """Calls every method of the client with all of its arguments. Values matter only in paths."""
    recorder = Recorder()
    async with Client("http://sfu", token="t", transport=httpx.MockTransport(recorder)) as client:
        for name, method in inspect.getmembers(client, inspect.iscoroutinefunction):
            if name.startswith("_") or name in NOT_OPERATIONS:
                continue
            named = arguments(method)
            rooms = [None, ROOM] if "room" in named and named["room"] is None else [ROOM]
            for room in rooms:
                for session in sessions() if "session" in named else [None]:
                    given = {one: SAMPLES.get(one, "x") for one in named} | {"room": room, "session": session}
                    with pytest.raises(sfu_client.Unavailable):
                        await method(**{one: given[one] for one in named})
    return recorder.sent


def arguments(method: Callable[..., Any]) -> dict[str, Any]:
    """Returns the names of all arguments of a method, also of those in a dictionary, and their defaults."""
    found: dict[str, Any] = {}
    for name, parameter in inspect.signature(method).parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            (kind,) = get_args(parameter.annotation)
            found |= dict.fromkeys(kind.__annotations__, "")
        else:
            found[name] = parameter.default
    return found


def sessions() -> list[MediaSession]:
    return [MediaSession(f"/v1/{door}/{SESSION}", "", "e", (), (), ()) for door in ("whip", "whep")]


@pytest.fixture
async def document(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = (await server.http.get("/v1/openapi.json")).json()
    return found


def operations(document: Mapping[str, Any]) -> dict[Operation, dict[str, Any]]:
    return {(method, path): one for path, methods in document["paths"].items() for method, one in methods.items()}


async def test_each_operation_of_the_document_has_a_method(document: dict[str, Any]) -> None:
    assert (await recorded()).keys() == operations(document).keys()


async def test_each_method_can_send_all_parameters_and_fields(document: dict[str, Any]) -> None:
    sent = await recorded()
    schemas = document["components"]["schemas"]
    for operation, described in operations(document).items():
        query = {one["name"] for one in described.get("parameters", []) if one["in"] == "query"}
        assert sent[operation].query == query, operation
        content = described.get("requestBody", {}).get("content", {}).get("application/json")
        body = set(schemas[content["schema"]["$ref"].split("/")[-1]]["properties"]) if content else set()
        assert sent[operation].body == body, operation


TYPES: dict[str, type[BaseModel]] = {
    "RoomInfo": models.Room,
    "ParticipantInfo": models.Participant,
    "TrackInfo": models.Track,
    "EncodingInfo": models.Encoding,
    "BackupInfo": models.Backup,
    "PublishedTrack": models.PublishedTrack,
    "TrackDetails": models.TrackDetails,
    "TrackViewer": models.TrackViewer,
    "RemovedEvents": models.RemovedEvents,
    "AdminCommand": sfu_client.AdminCommand,
    "EventLimit": sfu_client.EventLimit,
    "EventQuality": sfu_client.EventQuality,
    "Usage": sfu_client.Usage,
    "SubscriptionInfo": models.Subscription,
    "Wish": models.Wish,
    "Layer": models.Layer,
    "Permissions": models.Permissions,
    "Explanation": models.Explanation,
    "Picture": models.Picture,
    "Decision": models.Decision,
    "Delivery": models.Delivery,
    "IssuedToken": models.IssuedToken,
    "Rooms": models.RoomPage,
    "Participants": models.ParticipantPage,
    "Tracks": models.TrackPage,
    "Subscriptions": models.SubscriptionPage,
    "Explanations": models.ExplanationPage,
    "Events": sfu_client.EventPage,
    "RoomEvent": sfu_client.Event,
    "EventRoom": sfu_client.EventRoom,
    "EventParticipant": sfu_client.EventParticipant,
    "EventTrack": sfu_client.EventTrack,
}


async def test_each_object_of_an_answer_has_a_type_with_all_of_its_fields(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    answers = {name for one in operations(document).values() for name in answered(one, schemas)} - {"Problem"}
    assert answers == TYPES.keys()
    for name, kind in TYPES.items():
        assert set(kind.model_fields) == set(schemas[name]["properties"]), name


def answered(operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> set[str]:
    """Returns the names of the objects in successful answers, and of those within them."""
    successes = [reply for status, reply in operation["responses"].items() if status.startswith("2")]
    found: set[str] = set()
    waiting = references(successes)
    while waiting:
        name = waiting.pop()
        if name not in found and "properties" in schemas[name]:
            found.add(name)
            waiting |= references(schemas[name])
    return found


def references(value: Any) -> set[str]:
    if isinstance(value, list):
        return {name for one in value for name in references(one)}
    if not isinstance(value, dict):
        return set()
    own = {value["$ref"].split("/")[-1]} if isinstance(value.get("$ref"), str) else set()
    return own | {name for one in value.values() for name in references(one)}


def test_the_synchronous_twin_has_the_same_methods() -> None:
    for twin, origin in ((SyncClient, Client), (sfu_client.SyncInternalClient, sfu_client.InternalClient)):
        names = {name for name in vars(origin) if not name.startswith("__a")}
        assert names <= vars(twin).keys() | {"__doc__"}
        for name in names:
            method = vars(origin)[name]
            if inspect.isfunction(method) and not name.startswith("__"):
                assert list(inspect.signature(method).parameters) == list(
                    inspect.signature(vars(twin)[name]).parameters
                )
                assert not inspect.iscoroutinefunction(vars(twin)[name]), name
