"""REST: which grant each request needs, and tokens that do not count."""

import base64
import hmac
import json
import math
import time
from typing import Any

import pytest
import websockets

from .server import KEY, ROOM, SECRET, Client, Server, admin, is_problem, token

GRANTS: list[tuple[str, str, Any, dict[str, Any]]] = [
    ("GET", "/v1/rooms", None, {"room_list": True}),
    ("POST", "/v1/rooms", {"name": "x"}, {"room_create": True}),
    ("PUT", ROOM, {}, {"room_create": True}),
    ("PUT", ROOM, {"last_n": 3}, {"room_create": True, "room_admin": True}),
    ("GET", ROOM, None, {"room_admin": True}),
    ("GET", ROOM, None, {"room_list": True}),
    ("PATCH", ROOM, {}, {"room_admin": True}),
    ("GET", ROOM + "/participants", None, {"room_admin": True}),
    ("GET", ROOM + "/tracks", None, {"room_admin": True}),
    ("DELETE", ROOM, None, {"room_create": True}),
    ("DELETE", ROOM, None, {"room_admin": True}),
]


@pytest.mark.parametrize(("method", "path", "body", "needed"), GRANTS)
async def test_each_request_needs_its_grant_and_no_more(
    server: Server, method: str, path: str, body: Any, needed: dict[str, Any]
) -> None:
    await server.call("POST", "/v1/rooms", {"name": "room"})
    assert is_problem(await server.call(method, path, body, as_=token("ada", room="")), 403, "does not allow")
    enough = token("ada", room="", room_join=False, **needed)
    assert (await server.call(method, path, body, as_=enough)).is_success


async def test_a_moderator_of_another_room_is_refused(server: Server) -> None:
    await server.call("POST", "/v1/rooms", {"name": "room"})
    assert is_problem(await server.call("GET", ROOM, as_=token(room="elsewhere", room_admin=True)), 403, "'elsewhere'")


@pytest.mark.parametrize("header", ["", "Basic YTpi", "Bearer", "Bearer x.y.z", f"Bearer {token(key='other')}"])
async def test_without_a_token_that_holds_it_is_401(server: Server, header: str) -> None:
    reply = await server.http.get("/v1/rooms", headers={"Authorization": header} if header else {})
    assert is_problem(reply, 401) and reply.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "claims",
    [{"exp": 10**400}, {"exp": -(10**400)}, {"exp": [1]}, {"exp": math.inf}, {"nbf": {}}, {"exp": 1, "nbf": 2**40}],
    ids=["beyond", "before", "list", "infinity", "object", "over before it begins"],
)
async def test_a_token_with_times_that_are_none_is_401(server: Server, claims: dict[str, Any]) -> None:
    grant = {"iss": KEY, "sub": "ada", "exp": 2**33, "video": {"roomList": True}}
    head, body = token().split(".")[0], base64.urlsafe_b64encode(json.dumps({**grant, **claims}).encode()).rstrip(b"=")
    by = base64.urlsafe_b64encode(hmac.digest(SECRET.encode(), head.encode() + b"." + body, "sha256")).rstrip(b"=")
    assert is_problem(await server.call("GET", "/v1/rooms", as_=f"{head}.{body.decode()}.{by.decode()}"), 401)


async def test_a_draining_server_makes_no_rooms(server: Server) -> None:
    async with server.client("ada"):
        server.sfu.drain(30)
        reply = await server.call("POST", "/v1/rooms", {"name": "new"})
        assert is_problem(reply, 503, "draining") and int(reply.headers["Retry-After"]) > 0


async def test_who_was_removed_is_refused_with_retry_after_and_readmitted_by_jti_or_from_now_on(server: Server) -> None:
    # Integer times, of a clock that is 50 s ahead: as old as it may be, and it looks new.
    ahead = float(int(time.time()) + 50)
    old, other = token("ada", now=ahead), token("ada", now=ahead, jti="other")
    people = ROOM + "/participants"
    async with server.client("ada"):
        assert (await server.call("DELETE", people + "/ada")).status_code == 204
    for jwt in (old, other, token("ada")):
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with server.rtc(additional_headers={"Authorization": f"Bearer {jwt}"}):
                pass
        answer = refused.value.response
        assert answer.status_code == 403 and b"revoked" in (answer.body or b"")
        assert 0 < int(answer.headers["Retry-After"]) <= 61

    assert (await server.call("POST", people + "/ada/readmit", {"jti": "other"})).status_code == 204
    assert await joins(server, other)
    assert not await joins(server, old)
    assert (await server.call("DELETE", people + "/ada")).status_code == 204
    assert not await joins(server, other)
    assert (await server.call("POST", people + "/ada/readmit", {})).status_code == 204
    assert await joins(server, token("ada", now=float(int(time.time()))))


@pytest.mark.parametrize(
    ("body", "as_", "status"),
    [
        ({"jti": ""}, None, 422),
        ({"jti": "x" * 257}, None, 422),
        ({"id": "x"}, None, 422),
        ({}, token("ada"), 403),
        ({}, admin("other"), 403),
    ],
)
async def test_a_readmission_needs_the_right_for_the_room(
    server: Server, body: Any, as_: str | None, status: int
) -> None:
    assert is_problem(await server.call("POST", ROOM + "/participants/ada/readmit", body, as_=as_), status)


async def joins(server: Server, jwt: str) -> bool:
    headers = {"Authorization": f"Bearer {jwt}", "Origin": "https://page.example"}
    async with server.rtc(additional_headers=headers) as socket:
        client = Client(socket)
        await client.say("join")
        return (await client.hear("joined", "left"))["type"] == "joined"
