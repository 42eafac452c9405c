"""Every interface finds a name in any script, under its percent-encoded path."""

import json
from urllib.parse import quote

import pytest

from ..sfu.test_names import BAD, GOOD
from .server import Client, Server, admin, is_problem, token
from .test_whip import RECEIVING, SENDING, patch, post


@pytest.mark.parametrize("name", GOOD.values(), ids=GOOD.keys())
async def test_every_door_finds_it(server: Server, name: str) -> None:
    path, people = f"/v1/rooms/{quote(name, safe='')}", f"/v1/rooms/{quote(name, safe='')}/participants"
    created = await server.call("POST", "/v1/rooms", {"name": name, "metadata": name})
    assert created.status_code == 201 and created.json()["name"] == name
    assert (await server.call("GET", path)).json()["name"] == name
    assert (await server.call("PATCH", path, {"on_stage": [name]})).json()["on_stage"] == [name]

    jwt = token(name, room=name, name=name)
    published = await post(server, f"{path}/whip", SENDING, jwt)
    assert published.status_code == 201
    location = published.headers["Location"]
    assert location.isascii() and location.startswith(f"{path}/whip/")
    assert (await patch(server, location, If_Match=published.headers["ETag"])).status_code == 204
    watching = await post(server, f"{path}/whep?participant={quote(name, safe='')}", RECEIVING, token("bob", room=name))
    assert watching.status_code == 201
    shown = (await server.call("GET", f"{people}/{quote(name, safe='')}")).json()
    assert (shown["identity"], shown["name"], shown["kind"]) == (name, name, "ingress")
    assert (await server.http.delete(location)).status_code == 200
    assert (await server.http.delete(watching.headers["Location"])).status_code == 200

    async with server.rtc(quote(name, safe=""), additional_headers={"Authorization": f"Bearer {jwt}"}) as socket:
        client = Client(socket)
        await client.say("join")
        joined = await client.hear("joined")
        assert (joined["room"]["name"], joined["you"]["identity"]) == (name, name)
        assert (await server.call("DELETE", f"{people}/{quote(name, safe='')}")).status_code == 204
        assert (await client.hear("left"))["reason"] == "participant_removed"
    assert (await server.call("POST", f"{people}/{quote(name, safe='')}/readmit", {})).status_code == 204
    assert (await server.call("DELETE", path)).status_code == 204


@pytest.mark.parametrize("name", BAD.values(), ids=BAD.keys())
async def test_what_is_none_is_refused_by_every_door_and_not_repeated(server: Server, name: str) -> None:
    path = f"/v1/rooms/{quote(name, safe='')}"
    refused = [
        await server.call("POST", "/v1/rooms", {"name": name}),
        await post(server, f"{path}/whip", SENDING, token(room="")),
        await post(server, "/v1/whip", SENDING, token(name)),
        await post(server, "/v1/whip", SENDING, token("ada", name=name)),
    ]
    for answer in refused:
        assert is_problem(answer, 400, "has no control characters")
        assert json.loads(answer.text)["detail"].isprintable()
    missing = await server.call("GET", path, as_=admin())
    assert missing.status_code == 404 and missing.json()["detail"].isprintable()
