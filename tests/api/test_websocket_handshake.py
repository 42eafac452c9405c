"""The handshake of the WebSocket: tokens, and how a client is refused."""

import json
import logging
import time
from typing import Any

import pytest
import websockets

from ..live import rooms_of
from .conftest import Start
from .server import ORIGIN, OTHER_SECRET, SECRET, Client, Server, token


@pytest.mark.parametrize(
    "way",
    [
        lambda jwt: {"additional_headers": {"Authorization": f"Bearer {jwt}"}},
        lambda jwt: {"subprotocols": ["sfu.v1", f"bearer.{jwt}"]},
        lambda jwt: {"query": f"?access_token={jwt}"},
    ],
    ids=["authorization", "subprotocol", "query"],
)
@pytest.mark.parametrize("path", ["/v1/rooms/room/rtc", "/v1/rtc"])
async def test_a_token_may_come_in_three_ways_on_both_paths(server: Server, way: Any, path: str) -> None:
    arguments = way(token())
    url = f"ws://127.0.0.1:{server.port}{path}{arguments.pop('query', '')}"
    async with websockets.connect(url, **arguments) as socket:
        client = Client(socket)
        await client.say("join")
        assert (await client.hear("joined"))["room"]["name"] == "room"
        assert socket.subprotocol == ("sfu.v1" if "subprotocols" in arguments else None)


async def test_a_token_with_much_metadata_fits_into_the_request_line(server: Server) -> None:
    url = f"ws://127.0.0.1:{server.port}/v1/rtc?access_token={token(metadata='m' * 30_000)}"
    async with websockets.connect(url) as socket:
        client = Client(socket)
        await client.say("join")
        assert len((await client.hear("joined"))["you"]["metadata"]) == 30_000


REFUSED = [
    ("no token", "", 401, "A token is needed"),
    ("not a JWT", "nonsense", 401, "not a JWT"),
    ("expired", token(now=time.time() - 7200), 401, "has expired"),
    ("not yet valid", token(now=time.time() + 86_400), 401, "not valid yet"),
    ("an unknown key", token(key="other"), 401, "does not know"),
    ("a wrong secret", token(secret=OTHER_SECRET), 401, "signature"),
    ("another room", token(room="elsewhere"), 403, "is for the room 'elsewhere', not for 'room'"),
    ("no roomJoin", token(room_join=False), 403, "does not allow joining"),
]


@pytest.mark.parametrize(
    ("jwt", "status", "sentence"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
async def test_a_handshake_is_refused_with_a_problem_document(
    server: Server, caplog: pytest.LogCaptureFixture, jwt: str, status: int, sentence: str
) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with server.rtc(additional_headers={"Authorization": f"Bearer {jwt}"} if jwt else None):
            pass
    response = refused.value.response
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = json.loads(response.body)
    assert sentence in problem["detail"] and problem["status"] == status
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING], (
        "a refusal is no error of ours"
    )


@pytest.mark.parametrize("path", ["/v1/rtx", "/rtc", "/v1/rooms"])
async def test_a_websocket_to_nowhere_is_told_so(server: Server, path: str) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with websockets.connect(f"ws://127.0.0.1:{server.port}{path}", origin="http://page.example"):  # type: ignore[arg-type]
            pass
    assert refused.value.response.status_code == 404
    assert json.loads(refused.value.response.body)["detail"] == "There is nothing at this path."


@pytest.mark.parametrize(
    ("jwt", "status", "sentence"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
async def test_a_browser_which_hides_the_status_is_told_behind_the_door(
    server: Server, jwt: str, status: int, sentence: str
) -> None:
    offered = ["sfu.v1", f"bearer.{jwt}"] if jwt else ["sfu.v1"]
    async with server.rtc(subprotocols=offered, additional_headers=ORIGIN) as socket:
        client = Client(socket)
        await client.say("join")
        left = await client.hear("left")
        assert sentence.lower() in left["message"].lower() and left["reason"] == "join_failure"
        code, reason = await client.closed()
        assert code == 1008 and reason == left["message"].encode()[:123].decode()


@pytest.mark.parametrize("claim", [{"name": "\ud83d"}, {"metadata": "\ud83d"}, {"attributes": {"a": "\ud83d"}}])
async def test_half_a_character_in_a_token_lets_nobody_in_and_nobody_fall(
    server: Server, claim: dict[str, Any]
) -> None:
    async with server.client("ada") as ada:
        bearer = {"Authorization": f"Bearer {token('eve', **claim)}"}
        async with server.rtc(additional_headers=bearer) as socket:
            eve = Client(socket)
            await eve.say("join")
            assert "surrogate" in (await eve.hear("left"))["message"]
        assert (await ada.ask("subscribe", tracks=[], on=True))["type"] == "ok"


async def test_a_token_of_either_key_counts_while_keys_rotate(start: Start) -> None:
    server = await start(keys=f"old: {SECRET}, new: {OTHER_SECRET}")
    async with server.client("ada", key="old"), server.client("bob", key="new", secret=OTHER_SECRET):
        assert len(rooms_of(server.sfu)["room"].participants) == 2
