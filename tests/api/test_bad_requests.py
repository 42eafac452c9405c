"""REST: requests that are refused: types, names, bodies, paths."""

import logging
from typing import Any

import pytest

from ..live import rooms_of
from .server import ROOM, Client, Server, admin, is_problem, token

ADA = ROOM + "/participants/ada"
WRONG: list[tuple[str, str, Any, str]] = [
    ("POST", "/v1/rooms", {}, "name"),
    ("POST", "/v1/rooms", {"name": 5}, "name"),
    ("POST", "/v1/rooms", [], "body"),
    ("POST", "/v1/rooms", {"name": "x", "colour": "red"}, "colour"),
    ("POST", "/v1/rooms", {"name": "x", "max_participants": -1}, "max_participants"),
    ("POST", "/v1/rooms", {"name": "x", "max_participants": "many"}, "max_participants"),
    ("POST", "/v1/rooms", {"name": "x", "empty_timeout": "soon"}, "empty_timeout"),
    ("PATCH", ROOM, {"locked": "perhaps"}, "locked"),
    ("PATCH", ADA, {"permissions": {"can_fly": True}}, "can_fly"),
    ("PATCH", ADA, {"permissions": {"can_publish_sources": ["radio"]}}, "can_publish_sources"),
    ("PATCH", ADA, {"attributes": {"a": 1}}, "attributes"),
    ("POST", ADA + "/mute", {"track": "TR_?"}, "muted"),
    ("PUT", ADA + "/subscriptions", {"tracks": "TR_?"}, "tracks"),
    ("PUT", ADA + "/subscriptions", {"settings": [{"track": "TR_?", "quality": "best"}]}, "quality"),
    ("POST", "/v1/rooms", {"name": "x", "last_n": -1}, "last_n"),
    ("PATCH", ROOM, {"on_stage": "ada"}, "on_stage"),
    ("POST", ROOM + "/data", {"text": {"a": 1}}, "text"),
]


@pytest.mark.parametrize(("method", "path", "body", "where"), WRONG)
async def test_wrong_types_are_a_422_that_says_where(
    server: Server, method: str, path: str, body: Any, where: str
) -> None:
    async with server.client("ada"):
        reply = await server.call(method, path, body)
        assert is_problem(reply, 422, where)
        assert where in reply.json()["errors"][0]["where"]


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[" * 5_000, b'{"name": "\\ud800"}'])
async def test_what_is_not_json_is_refused(server: Server, content: bytes) -> None:
    headers = {"Authorization": f"Bearer {admin()}", "Content-Type": "application/json"}
    reply = await server.http.post("/v1/rooms", content=content, headers=headers)
    assert reply.status_code in (400, 422) and is_problem(reply, reply.status_code)


@pytest.mark.parametrize("kind", [None, "application/x-www-form-urlencoded", "text/plain"])
async def test_json_that_is_not_announced_as_such_is_a_415_that_says_so(server: Server, kind: str | None) -> None:
    headers = {"Authorization": f"Bearer {admin()}"} | ({"Content-Type": kind} if kind else {})
    reply = await server.http.post("/v1/rooms", content=b'{"name": "x"}', headers=headers)
    assert is_problem(reply, 415, "Content-Type must be application/json") and reply.json()["code"]


@pytest.mark.parametrize("name", ["", "x" * 257, "line\nbreak"])
async def test_a_room_needs_a_printable_name_of_bounded_length(server: Server, name: str) -> None:
    reply = await server.call("POST", "/v1/rooms", {"name": name})
    assert reply.status_code in (400, 422) and is_problem(reply, reply.status_code)


async def test_names_with_a_slash_are_found_as_percent_2f(server: Server) -> None:
    assert (await server.call("POST", "/v1/rooms", {"name": "school/3b"})).status_code == 201
    room = "/v1/rooms/school%2F3b"
    assert (await server.call("GET", room)).json()["name"] == "school/3b"
    rooms = token("ada/1", room="school/3b")
    async with server.rtc("school%2f3b", additional_headers={"Authorization": f"Bearer {rooms}"}) as socket:
        await Client(socket).say("join")
        assert (await Client(socket).hear("joined"))["you"]["identity"] == "ada/1"
        assert (await server.call("GET", room + "/participants/ada%2F1")).json()["identity"] == "ada/1"
        assert is_problem(await server.call("GET", room + "/participants/ada/1"), 404, "nothing at this path")
        assert is_problem(await server.call("GET", room + "/participants/ada%2F2"), 404, "'ada/2'")
        assert (await server.call("DELETE", room + "/participants/ada%2F1")).status_code == 204
    assert is_problem(await server.call("GET", room + "/tracks", as_=admin("school")), 403, "'school/3b'")
    assert (await server.call("DELETE", room)).status_code == 204


HALF = r"\ud83d"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/rooms", '{"name": "%s"}'),
        ("POST", "/v1/rooms", '{"name": "other", "metadata": "%s"}'),
        ("POST", "/v1/rooms", '{"name": "other", "%s": 1}'),
        ("PATCH", ROOM, '{"metadata": "%s"}'),
        ("PATCH", ROOM, '{"on_stage": ["%s"]}'),
        ("PATCH", ROOM + "/participants/ada", '{"name": "%s"}'),
        ("PATCH", ROOM + "/participants/ada", '{"metadata": "%s"}'),
        ("PATCH", ROOM + "/participants/ada", '{"attributes": {"a": "%s"}}'),
        ("PATCH", ROOM + "/participants/ada", '{"attributes": {"%s": "a"}}'),
        ("POST", ROOM + "/data", '{"text": "%s"}'),
        ("POST", ROOM + "/data", '{"text": "x", "to": ["%s"]}'),
    ],
)
async def test_half_a_character_is_refused_and_nobody_else_suffers(
    server: Server, method: str, path: str, body: str
) -> None:
    async with server.client("ada") as ada:
        bearer = {"Authorization": f"Bearer {admin()}", "Content-Type": "application/json"}
        reply = await server.http.request(method, path, content=body % HALF, headers=bearer)
        assert is_problem(reply, reply.status_code) and 400 <= reply.status_code < 500
        assert (await ada.ask("subscribe", tracks=[], on=True))["type"] == "ok"
        assert (await server.call("GET", ROOM + "/participants")).status_code == 200


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_of_a_mebibyte_is_refused(server: Server, chunked: bool) -> None:
    async def chunks() -> Any:
        for _ in range(16):
            yield b"x" * 65_536

    headers = {"Authorization": f"Bearer {admin()}", "Content-Type": "application/json"}
    content = chunks() if chunked else b"x" * 1024 * 1024
    reply = await server.http.post("/v1/rooms", content=content, headers=headers)
    assert is_problem(reply, 413, "262144 octets") and reply.json()["code"] == "too_large"


async def test_unknown_paths_and_methods_are_problem_documents_too(server: Server) -> None:
    assert is_problem(await server.call("GET", "/v1/nothing"), 404)
    assert is_problem(await server.call("GET", "/nothing"), 404)
    reply = await server.call("PUT", "/v1/rooms")
    assert is_problem(reply, 405, "PUT") and reply.headers["Allow"] == "GET, POST"
    reply = await server.call("POST", "/client.js")
    assert is_problem(reply, 405, "GET, HEAD") and reply.headers["Allow"] == "GET, HEAD"


async def test_a_failure_nobody_foresaw_is_a_500_without_details(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("inside")

    monkeypatch.setattr(rooms_of(server.sfu), "find", fail)
    origin = {"Origin": "http://page.example", "Authorization": f"Bearer {admin()}"}
    reply = await server.http.get(ROOM, headers=origin)
    assert is_problem(reply, 500) and "inside" not in reply.text
    assert reply.headers["Access-Control-Allow-Origin"] == "*", "a page can read it"
    assert [record.exc_info is not None for record in caplog.records if record.levelno >= logging.ERROR] == [True]
