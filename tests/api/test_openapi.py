"""The OpenAPI document."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from sfu.room_events import RoomEvent
from sfu.views import Explanation, ParticipantInfo, PublishedTrack, RoomInfo, SubscriptionInfo

from .server import Server


async def test_openapi_describes_every_path_of_the_protocol_with_examples(server: Server) -> None:
    document = (await server.http.get("/v1/openapi.json")).json()
    wanted = {
        "/v1/rooms": {"get", "post"},
        "/v1/rooms/{room}": {"get", "put", "patch", "delete"},
        "/v1/rooms/{room}/participants": {"get"},
        "/v1/rooms/{room}/participants/{identity}": {"get", "patch", "delete"},
        "/v1/rooms/{room}/participants/{identity}/mute": {"post"},
        "/v1/rooms/{room}/participants/{identity}/subscriptions": {"get", "put"},
        "/v1/rooms/{room}/participants/{identity}/explain": {"get"},
        "/v1/rooms/{room}/tracks": {"get"},
        "/v1/rooms/{room}/tracks/{track}": {"get", "delete"},
        "/v1/rooms/{room}/tracks/{track}/keyframe": {"post"},
        "/v1/rooms/{room}/data": {"post"},
        "/v1/events": {"get", "delete"},
        "/v1/whip": {"post"},
        "/v1/whep": {"post"},
        "/v1/whip/{session}": {"patch", "delete"},
    }
    for path, methods in wanted.items():
        assert methods <= document["paths"][path].keys()
    assert "Problem" in document["components"]["schemas"]
    assert document["components"]["schemas"]["NewRoom"]["properties"]["name"]["examples"] == ["lobby"]


LISTS: list[tuple[str, str, Any]] = [
    ("Rooms", "rooms", RoomInfo),
    ("Participants", "participants", ParticipantInfo),
    ("Tracks", "tracks", PublishedTrack),
    ("Subscriptions", "subscriptions", SubscriptionInfo),
    ("Explanations", "subscriptions", Explanation),
    ("Events", "events", RoomEvent),
]


@pytest.mark.parametrize(("schema", "name", "kind"), LISTS, ids=[case[0] for case in LISTS])
async def test_openapi_has_an_example_of_each_list_that_is_whole(
    server: Server, schema: str, name: str, kind: Any
) -> None:
    document = (await server.http.get("/v1/openapi.json")).json()
    (example,) = document["components"]["schemas"][schema]["properties"][name]["examples"]
    (shown,) = TypeAdapter(list[kind]).validate_python(example)
    # The framework leaves out of its document what is null.
    assert TypeAdapter(kind).dump_python(shown, mode="json", exclude_none=True) == example[0]


async def test_openapi_says_of_whip_that_it_answers_sdp_and_no_json(server: Server) -> None:
    paths = (await server.http.get("/v1/openapi.json")).json()["paths"]
    assert paths["/v1/whip"]["post"]["responses"]["201"]["content"].keys() == {"application/sdp"}
    restarted = paths["/v1/whip/{session}"]["patch"]["responses"]["200"]
    assert restarted["content"].keys() == {"application/trickle-ice-sdpfrag"}
    assert "content" not in paths["/v1/whip/{session}"]["delete"]["responses"]["200"]
