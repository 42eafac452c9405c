"""Development mode: tokens for this machine only; the page."""

import stat
from pathlib import Path
from typing import Any

import pytest

from api import auth, devfile, lan
from api.dev import COOKIE

from .conftest import Start
from .server import KEY, SECRET, Client, Server, is_problem

WISH = {"room": "room", "name": "Ada Lovelace"}


@pytest.fixture
async def dev(start: Start) -> Server:
    return await start(dev=True)


async def test_a_token_joins_its_room_with_a_fresh_identity_each_time(dev: Server) -> None:
    first, second = [(await dev.http.post("/v1/dev/token", json=WISH)).json() for _ in range(2)]
    assert first["identity"] != second["identity"] and first["identity"].startswith("ada-lovelace-")
    grant = auth.verify(first["token"], {KEY: SECRET})
    assert (grant.room, grant.name, grant.identity) == ("room", "Ada Lovelace", first["identity"])
    assert not (grant.room_admin or grant.room_create or grant.room_list)
    async with dev.rtc(subprotocols=["sfu.v1", f"bearer.{first['token']}"]) as socket:
        client = Client(socket)
        await client.say("join")
        assert (await client.hear("joined"))["you"]["name"] == "Ada Lovelace"


async def test_without_development_mode_there_is_no_such_door(server: Server) -> None:
    assert is_problem(await server.http.post("/v1/dev/token", json=WISH), 404)


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"Host": "localhost:7880"}, True),
        ({"Host": "[::1]:7880"}, True),
        ({"Host": "localhost:7880", "Origin": "http://localhost:7880"}, True),
        ({"Origin": "http://127.0.0.1:3000"}, True),
        ({"Host": "rebound.example"}, False),
        ({"Host": "localhost.evil.example"}, False),
        ({"Host": ""}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"X-Forwarded-For": "203.0.113.5"}, False),
    ],
)
async def test_pages_of_others_and_names_of_others_get_no_token(
    dev: Server, headers: dict[str, str], allowed: bool
) -> None:
    reply = await dev.http.post("/v1/dev/token", json=WISH, headers=headers)
    assert reply.status_code == 200 if allowed else is_problem(reply, 403)


@pytest.mark.parametrize("body", [{}, {"room": 5}, {"room": "r", "name": None}, {"room": "r", "is_admin": True}])
async def test_a_wish_of_wrong_types_is_refused(dev: Server, body: Any) -> None:
    assert is_problem(await dev.http.post("/v1/dev/token", json=body), 422)


@pytest.mark.parametrize("body", [r'{"room": ""}', r'{"room": "\ud83d"}', r'{"room": "r", "name": "\ud83d"}'])
async def test_a_wish_for_names_that_no_join_would_take_is_refused(dev: Server, body: str) -> None:
    reply = await dev.http.post("/v1/dev/token", content=body, headers={"Content-Type": "application/json"})
    assert is_problem(reply, 400)


async def test_an_invitation_becomes_a_cookie_and_only_the_right_one(start: Start) -> None:
    server = await start(dev=True)
    server.app.state.dev_door = type(server.app.state.dev_door)(frozenset(), "the-invitation")
    assert is_problem(await server.http.get("/v1/dev/enter?invite=guess"), 403)
    reply = await server.http.get("/v1/dev/enter?invite=the-invitation")
    assert reply.status_code == 303 and reply.headers["Location"] == "/"
    cookie = reply.headers["Set-Cookie"]
    assert all(word in cookie for word in (COOKIE, "HttpOnly", "Secure", "SameSite=strict"))
    remote = {"X-Forwarded-For": "203.0.113.5"}
    refused = await server.http.post("/v1/dev/token", json=WISH, headers=remote)
    invited = await server.http.post(
        "/v1/dev/token", json=WISH, headers={**remote, "Cookie": f"{COOKIE}=the-invitation"}
    )
    assert (refused.status_code, invited.status_code) == (403, 200)


def test_the_key_is_made_once_kept_for_its_owner_alone_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / ".sfu-dev.json"
    made = devfile.open_or_make(path)
    devfile.keep(made, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert devfile.open_or_make(path) == made and len(made.secret.encode()) >= 32
    path.chmod(0o644)
    devfile.keep(made, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": "a", "secret": "short"}', '{"key": "a", "other": 1}'])
def test_a_file_that_is_no_use_is_made_anew(tmp_path: Path, text: str) -> None:
    path = tmp_path / ".sfu-dev.json"
    path.write_text(text)
    assert devfile.load(path) is None and devfile.open_or_make(path).key


def test_a_certificate_is_for_its_address_and_is_used_again() -> None:
    certificate, _ = lan.certificate("192.0.2.7")
    assert lan.is_good(certificate, "192.0.2.7")
    assert not lan.is_good(certificate, "192.0.2.8") and not lan.is_good("", "192.0.2.7")


def test_a_qr_code_is_drawn() -> None:
    assert len(lan.qr_code("https://192.0.2.7:7880/").splitlines()) > 10
