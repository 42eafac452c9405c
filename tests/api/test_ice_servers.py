"""ICE servers over HTTP: `Link` of WHIP and WHEP (RFC 9725 s4.6), and `joined` of the WebSocket."""

import json
import re
import time

import httpx
import pytest

from .conftest import Start
from .server import Server, is_problem, token
from .test_whip import RECEIVING, SENDING, fragment, patch, post

TURN = {
    "turn_urls": "turn:a?transport=udp,turns:a:443",
    "turn_secret": "s" * 32,
    "turn_ttl": 900,
    "ice_servers": json.dumps([{"urls": "stun:b"}, {"urls": "turn:c", "username": 'u"\\', "credential": "p; q"}]),
}
QUOTED = r'"((?:[^"\\]|\\.)*)"'
LINK = re.compile(
    rf'<([^>]+)>; rel="ice-server"(?:; username={QUOTED}; credential={QUOTED}; credential-type="password")?'
)
BOTH = [("whip", SENDING), ("whep", RECEIVING)]


def links(headers: httpx.Headers) -> dict[str, tuple[str, str]]:
    """User name and credential of each ICE server, by URL. Each has a field line of its own, as in the example of the
    RFC."""
    lines = headers.get_list("Link")
    found = [LINK.fullmatch(line) for line in lines if "ice-server" in line]
    assert all(found), lines
    return {one[1]: (one[2] or "", one[3] or "") for one in found if one is not None}


@pytest.mark.parametrize(("door", "offer"), BOTH)
async def test_a_session_is_answered_with_the_ice_servers(start: Start, door: str, offer: str) -> None:
    server = await start(**TURN)
    reply = await post(server, f"/v1/{door}", offer)
    found = links(reply.headers)
    assert list(found) == ["turn:a?transport=udp", "turns:a:443", "stun:b", "turn:c"]
    assert found["turn:a?transport=udp"] == found["turns:a:443"]
    expiry, _, user = found["turns:a:443"][0].partition(":")
    assert 800 < int(expiry) - time.time() <= 900 and user.startswith("PA_") and len(found["turns:a:443"][1]) == 28
    assert found["stun:b"] == ("", "") and found["turn:c"] == (r"u\"\\", "p; q")
    assert 'rel="service-desc"' in reply.headers.get_list("Link")[0]


@pytest.mark.parametrize(("door", "offer"), BOTH)
async def test_an_ice_restart_is_answered_with_new_credentials(start: Start, door: str, offer: str) -> None:
    server = await start(**TURN)
    created = await post(server, f"/v1/{door}", offer)
    restarted = await patch(server, created.headers["Location"], fragment("other000"), If_Match="*")
    assert restarted.status_code == 200
    first, second = (links(reply.headers)["turns:a:443"][0] for reply in (created, restarted))
    assert first.partition(":")[2] == second.partition(":")[2] and int(first[:10]) <= int(second[:10])


@pytest.mark.parametrize("path", ["/v1/whip", "/v1/whep", "/v1/rooms/room/whip", "/v1/rooms/room/whep"])
async def test_options_has_credentials_for_who_may_join_only(start: Start, path: str) -> None:
    server = await start(**TURN)

    async def ask(**headers: str) -> httpx.Response:
        return await server.http.options(path, headers=headers)

    anyone = await ask()
    assert anyone.status_code == 204 and links(anyone.headers) == {"stun:b": ("", "")}
    admitted = await ask(Authorization=f"Bearer {token()}")
    found = links(admitted.headers)
    assert len(found) == 4 and found["turns:a:443"][0].partition(":")[2].startswith("ID_")
    assert is_problem(await ask(Authorization="Bearer nonsense"), 401)
    elsewhere = await ask(Authorization=f"Bearer {token(room='elsewhere')}")
    assert is_problem(elsewhere, 403) if "rooms" in path else elsewhere.status_code == 204


async def test_a_preflight_has_no_ice_servers(start: Start) -> None:
    server = await start(**TURN)
    headers = {"Origin": "https://studio.example", "Access-Control-Request-Method": "POST"}
    reply = await server.http.options("/v1/whip", headers=headers)
    assert reply.status_code == 200 and "Link" not in reply.headers


async def test_without_the_settings_there_is_no_link(server: Server) -> None:
    assert links((await post(server, "/v1/whip")).headers) == {}
    async with server.client("ada") as client:
        assert client.joined["ice_servers"] == []


async def test_a_join_is_answered_with_the_ice_servers(start: Start) -> None:
    server = await start(**TURN)
    async with server.client("ada") as client:
        joined = client.joined
    turn, stun, constant = joined["ice_servers"]
    assert turn["urls"] == ["turn:a?transport=udp", "turns:a:443"] and turn["credential"]
    assert turn["username"].partition(":")[2] == joined["you"]["sid"]
    assert stun == {"urls": ["stun:b"], "username": "", "credential": ""}
    assert constant == {"urls": ["turn:c"], "username": 'u"\\', "credential": "p; q"}
