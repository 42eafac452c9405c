"""REST: rooms and participants, who may what, and how it is refused."""

import base64
import hmac
import json
import logging
import math
import time
from typing import Any

import httpx
import pytest
import websockets
from pydantic import TypeAdapter

from sfu.views import Explanation, ParticipantInfo, PublishedTrack, RoomInfo, SubscriptionInfo

from ..live import rooms_of
from .server import KEY, SECRET, Client, Server, admin, token

ROOM = "/v1/rooms/room"


def is_problem(reply: httpx.Response, status: int, sentence: str = "") -> bool:
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    body = reply.json()
    assert body["status"] == status and body["title"] and body["code"]
    assert body["detail"][0].isupper() and body["detail"][-1] in ".?!"
    assert sentence in body["detail"], body["detail"]
    return True


async def test_a_room_is_created_once_and_found_again(server: Server) -> None:
    wish = {"name": "lobby", "max_participants": 7, "metadata": "m"}
    created = await server.call("POST", "/v1/rooms", wish)
    again = await server.call("POST", "/v1/rooms", wish)
    assert (created.status_code, again.status_code) == (201, 200)
    assert created.json() == again.json()
    assert created.json()["sid"].startswith("RM_") and created.json()["max_participants"] == 7
    other = await server.call("POST", "/v1/rooms", {"name": "lobby", "max_participants": 8})
    assert is_problem(other, 409, "other options")
    listed = (await server.call("GET", "/v1/rooms")).json()
    assert [room["name"] for room in listed["rooms"]] == ["lobby"]


async def test_a_room_is_changed_where_it_is_named_and_nowhere_else(server: Server) -> None:
    await server.call("POST", "/v1/rooms", {"name": "room", "metadata": "before"})
    async with server.client("ada") as ada:
        changed = await server.call("PATCH", ROOM, {"locked": True, "empty_timeout": 5})
        assert changed.json()["locked"] is True and changed.json()["metadata"] == "before"
        assert (await ada.hear("room"))["room"] == changed.json()
    assert (await server.call("GET", ROOM)).json()["locked"] is True


async def test_a_deleted_room_is_gone(server: Server) -> None:
    await server.call("POST", "/v1/rooms", {"name": "room"})
    assert (await server.call("DELETE", ROOM)).status_code == 204
    assert is_problem(await server.call("GET", ROOM), 404, "'room'")
    assert is_problem(await server.call("DELETE", ROOM), 404)


async def test_participants_are_listed_shown_changed_and_removed(server: Server) -> None:
    async with server.client("ada") as ada, server.client("bob", hidden=True):
        listed = (await server.call("GET", ROOM + "/participants")).json()["participants"]
        assert [one["identity"] for one in listed] == ["ada", "bob"]
        change = {"name": "Ada L.", "attributes": {"hand": "up"}, "permissions": {"can_publish": False}}
        changed = await server.call("PATCH", ROOM + "/participants/ada", change)
        assert changed.json()["name"] == "Ada L." and changed.json()["attributes"] == {"hand": "up"}
        assert changed.json()["permissions"]["can_publish"] is False
        assert changed.json()["permissions"]["can_subscribe"] is True
        assert (await ada.ask("publish", cid="c", kind="audio"))["code"] == "not_allowed"
        assert (await server.call("GET", ROOM + "/participants/ada")).json()["name"] == "Ada L."
        assert (await server.call("DELETE", ROOM + "/participants/ada")).status_code == 204
        assert is_problem(await server.call("GET", ROOM + "/participants/ada"), 404, "'ada'")


async def _publish(server: Server, ada: Any) -> str:
    from ..sfu.scene import sdp

    published = await ada.ask("publish", cid="cam", kind="video", source="camera")
    await ada.ask("offer", sdp=sdp([("video", "sendonly")]), tracks={"0": "cam"})
    return str(published["track"]["sid"])


async def test_a_moderator_mutes_a_track_and_its_owner_cannot_undo_it(server: Server) -> None:
    async with server.client("ada") as ada:
        track = await _publish(server, ada)
        path = ROOM + "/participants/ada/mute"
        muted = await server.call("POST", path, {"track": track, "muted": True})
        assert muted.json()["tracks"][0]["muted"] is True
        assert (await ada.hear("muted"))["track"] == track
        assert (await ada.ask("mute", track=track, muted=False))["code"] == "not_allowed"
        assert (await server.call("POST", path, {"track": track, "muted": False})).status_code == 200
        assert (await ada.ask("mute", track=track, muted=False))["type"] == "ok"
        assert is_problem(await server.call("POST", path, {"track": "TR_?", "muted": True}), 404)


async def test_subscriptions_are_replaced_as_a_whole(server: Server) -> None:
    async with server.client("ada") as ada, server.client("bob") as bob:
        track = await _publish(server, ada)
        await bob.offer("video recvonly")
        path = ROOM + "/participants/bob/subscriptions"
        assert (await server.call("GET", path)).json()["subscriptions"][0]["desired"] is True
        off = await server.call("PUT", path, {"tracks": []})
        assert [(s["track"], s["desired"]) for s in off.json()["subscriptions"]] == [(track, False)]
        on = await server.call("PUT", path, {"tracks": [track]})
        assert on.json()["subscriptions"][0]["desired"] is True
        before = (await server.call("GET", path)).json()
        for wrong in (
            {"tracks": ["TR_?"]},
            {"tracks": [], "settings": [{"track": "TR_?"}]},
            {"tracks": [], "settings": [{"track": track, "width": -1}]},
            {"tracks": ["TR_?"], "settings": [{"track": track, "width": 320}]},
        ):
            assert is_problem(await server.call("PUT", path, wrong), 404 if "TR_?" in str(wrong) else 400)
            assert (await server.call("GET", path)).json() == before, wrong


async def test_why_a_participant_gets_a_track_as_it_does_is_explained(server: Server) -> None:
    async with server.client("ada") as ada, server.client("bob") as bob:
        track = await _publish(server, ada)
        await bob.offer("video recvonly")
        await server.call(
            "PUT", ROOM + "/participants/bob/subscriptions", {"settings": [{"track": track, "visible": False}]}
        )
        (seen,) = (await server.call("GET", ROOM + "/participants/bob/explain")).json()["subscriptions"]
        assert (seen["track"], seen["participant"], seen["source"], seen["cause"]) == (track, "ada", "camera", "paused")
        assert seen["sentence"] == "ada's camera is not shown to bob: bob has switched it off, or does not show it."
        assert (seen["target"], seen["current"], seen["publisher"]) == (None, None, [])
        assert [one["what"] for one in seen["decisions"]] == ["shown", "target", "wanted", "target"]
        assert (await server.call("GET", ROOM + "/participants/ada/explain")).json()["subscriptions"] == []
        assert is_problem(await server.call("GET", ROOM + "/participants/eve/explain"), 404, "'eve'")
        assert is_problem(await server.call("GET", ROOM + "/participants/bob/explain", as_=token("ada")), 403)


async def test_a_backend_says_how_tracks_are_to_be_shown(server: Server) -> None:
    async with server.client("ada") as ada, server.client("bob") as bob:
        track = await _publish(server, ada)
        await bob.offer("video recvonly")
        path = ROOM + "/participants/bob/subscriptions"
        wish = {"track": track, "width": 320, "height": 180, "fps": 15, "visible": False}
        (shown,) = (await server.call("PUT", path, {"settings": [wish]})).json()["subscriptions"]
        assert shown["desired"] is True and shown["reason"] == "not visible at the subscriber"
        assert shown["wish"] == {
            "quality": "high", "width": 320, "height": 180, "fps": 15.0, "priority": 0, "visible": False,
        }  # fmt: skip
        wrong = [{"track": track, "visible": True}, {"track": "TR_?"}]
        assert is_problem(await server.call("PUT", path, {"settings": wrong}), 404, "TR_?")
        wrong = [{"track": track, "visible": True, "priority": 300}]
        assert is_problem(await server.call("PUT", path, {"settings": wrong}), 400, "priority")
        (shown,) = (await server.call("GET", path)).json()["subscriptions"]
        assert shown["wish"]["visible"] is False, "what is refused changes nothing"


async def test_a_large_room_is_set_up_and_changed(server: Server) -> None:
    made = await server.call("POST", "/v1/rooms", {"name": "room", "last_n": 16, "on_stage": ["ada"]})
    assert (made.json()["last_n"], made.json()["on_stage"]) == (16, ["ada"])
    changed = await server.call("PATCH", ROOM, {"on_stage": ["bob", "ada"]})
    assert (changed.json()["last_n"], changed.json()["on_stage"]) == (16, ["bob", "ada"])
    assert is_problem(await server.call("PATCH", ROOM, {"on_stage": [""]}), 400, "identity")


async def test_tracks_are_shown_as_publishers_see_them(server: Server) -> None:
    async with server.client("ada") as ada:
        track = await _publish(server, ada)
        (shown,) = (await server.call("GET", ROOM + "/tracks")).json()["tracks"]
        assert shown["participant"] == "ada" and shown["track"]["sid"] == track
        assert {"encodings", "subscribers", "paused", "backup"} <= shown.keys()


async def test_data_is_sent_by_the_server_to_those_with_a_channel(server: Server) -> None:
    async with server.client("ada"):
        path = ROOM + "/data"
        assert (await server.call("POST", path, {"text": "hello"})).json() == {"receivers": 1}
        lossy = await server.call("POST", path, {"text": "hello", "reliable": False})
        assert lossy.json() == {"receivers": 0}, "her channels are still to open"
        coded = base64.b64encode(b"\x00\xff").decode()
        assert (await server.call("POST", path, {"base64": coded, "to": ["ada"]})).status_code == 200
        assert is_problem(await server.call("POST", path, {"text": "a", "to": ["nobody"]}), 404, "nobody")
        assert is_problem(await server.call("POST", path, {"text": "x" * 65_537}), 422, "65536")
        assert is_problem(await server.call("POST", path, {"text": "a", "base64": coded}), 400, "either")
        assert is_problem(await server.call("POST", path, {}), 400, "either")
        assert is_problem(await server.call("POST", path, {"base64": "%%%"}), 400, "base64")


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
"""Half of a surrogate pair: JSON may name it, and nobody could be told of it in UTF-8."""


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


@pytest.mark.parametrize(
    "name", ["x-requested-with,cache-control", "traceparent, baggage", "If-None-Match", "x-" + "a" * 200]
)
async def test_a_preflight_allows_what_a_fetch_may_send(server: Server, name: str) -> None:
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": f"authorization,content-type,{name}",
    }
    reply = await server.http.options("/v1/whip", headers={"Origin": "https://example.org", **asked})
    assert reply.status_code == 200 and reply.headers["Access-Control-Allow-Origin"] == "*"
    allowed = {one.strip() for one in reply.headers["Access-Control-Allow-Headers"].lower().split(",")}
    assert allowed >= {one.strip() for one in asked["Access-Control-Request-Headers"].lower().split(",")}


async def test_a_preflight_of_an_unknown_method_is_a_problem_that_names_those_there_are(server: Server) -> None:
    asked = {"Origin": "https://example.org", "Access-Control-Request-Method": "PURGE" * 40}
    reply = await server.http.options("/v1/whip", headers=asked)
    assert is_problem(reply, 400, "GET, HEAD, POST") and len(reply.json()["detail"]) < 300
    assert reply.headers["Access-Control-Allow-Origin"] == "*" and len(reply.content) == int(
        reply.headers["content-length"]
    )


async def test_lists_come_in_pages(server: Server) -> None:
    names = [f"room {number:02}" for number in range(25)]
    for name in reversed(names):
        rooms_of(server.sfu).create(name)
    seen: list[str] = []
    after, pages = "", 0
    while pages == 0 or after:
        reply = (await server.http.get("/v1/rooms", params={"limit": 10, "after": after}, headers=bearer())).json()
        seen += [room["name"] for room in reply["rooms"]]
        after, pages = reply["next"], pages + 1
    assert (seen, pages) == (names, 3)
    async with server.client("bob"), server.client("ada"), server.client("eve"):
        path = ROOM + "/participants"
        first = (await server.http.get(path, params={"limit": 2}, headers=bearer())).json()
        rest = (await server.http.get(path, params={"after": first["next"]}, headers=bearer())).json()
    assert [one["identity"] for one in first["participants"]] == ["ada", "bob"]
    assert [one["identity"] for one in rest["participants"]] == ["eve"] and rest["next"] == ""


def bearer() -> dict[str, str]:
    return {"Authorization": f"Bearer {admin()}"}


async def test_num_publishers_counts_those_who_publish_and_are_seen(server: Server) -> None:
    async def count() -> tuple[int, int]:
        room = (await server.call("GET", ROOM)).json()
        return room["num_participants"], room["num_publishers"]

    async with server.client("ada") as ada, server.client("bob"), server.client("eve", hidden=True) as eve:
        assert await count() == (2, 0)
        await _publish(server, ada)
        assert await count() == (2, 1)
        await ada.ask("publish", cid="screen", kind="video", source="screen_share")
        await ada.offer("video sendonly", "video sendonly")
        assert await count() == (2, 1), "once, whatever they publish"
        await eve.ask("publish", cid="c", kind="video", source="camera")
        await eve.offer("video sendonly")
        assert await count() == (2, 1), "who is hidden is not counted"
        tracks = (await server.call("GET", ROOM + "/participants/ada")).json()["tracks"]
        assert len(tracks) == 2
        for track in tracks:
            await ada.ask("unpublish", track=track["sid"])
        assert await count() == (2, 0)


async def test_who_is_hidden_is_not_among_those_a_later_joiner_is_told_of(server: Server) -> None:
    async with server.client("ada"), server.client("eve", hidden=True), server.client("bob") as bob:
        assert [one["identity"] for one in bob.joined["participants"]] == ["ada"]
        assert bob.joined["room"]["num_participants"] == 2


GRANTS: list[tuple[str, str, Any, dict[str, Any]]] = [
    ("GET", "/v1/rooms", None, {"room_list": True}),
    ("POST", "/v1/rooms", {"name": "x"}, {"room_create": True}),
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


async def test_openapi_describes_every_path_of_the_protocol_with_examples(server: Server) -> None:
    document = (await server.http.get("/v1/openapi.json")).json()
    wanted = {
        "/v1/rooms": {"get", "post"},
        "/v1/rooms/{room}": {"get", "patch", "delete"},
        "/v1/rooms/{room}/participants": {"get"},
        "/v1/rooms/{room}/participants/{identity}": {"get", "patch", "delete"},
        "/v1/rooms/{room}/participants/{identity}/mute": {"post"},
        "/v1/rooms/{room}/participants/{identity}/subscriptions": {"get", "put"},
        "/v1/rooms/{room}/participants/{identity}/explain": {"get"},
        "/v1/rooms/{room}/tracks": {"get"},
        "/v1/rooms/{room}/data": {"post"},
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


async def test_other_origins_may_use_it_with_a_token(server: Server) -> None:
    headers = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization, if-match, content-type",
    }
    reply = await server.http.options("/v1/whip/x", headers=headers)
    assert reply.status_code == 200 and reply.headers["Access-Control-Allow-Origin"] == "*"
    assert "PATCH" in reply.headers["Access-Control-Allow-Methods"]


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
