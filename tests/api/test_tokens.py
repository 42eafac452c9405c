"""REST: tokens for backends that have no API secret."""

import time

import jwt

from .server import Server, is_problem, token

BACKEND = {"token_create": True, "room_join": True}


async def test_a_token_that_a_backend_makes_admits_and_shows_its_grant(server: Server) -> None:
    own = token("backend", room="lobby", **BACKEND)
    wish = {"identity": "ada", "name": "Ada", "room": "lobby", "can_publish_sources": ["camera"], "ttl": 60}
    made = await server.call("POST", "/v1/tokens", wish, as_=own)
    assert made.status_code == 201
    claims = jwt.decode(made.json()["token"], options={"verify_signature": False})
    assert (claims["jti"], claims["exp"] * 1000) == (made.json()["jti"], made.json()["expires_at"])
    assert (claims["sub"], claims["video"]) == (
        "ada",
        {"room": "lobby", "roomJoin": True, "canPublishSources": ["camera"]},
    )
    async with server.client("ada", "lobby", jwt=made.json()["token"]) as ada:
        assert ada.joined["you"]["name"] == "Ada"


async def test_a_token_hands_out_no_more_than_it_has(server: Server) -> None:
    expires = time.time() + 100
    own = token("backend", room="lobby", ttl=100.0, **BACKEND)
    ada = {"identity": "ada", "room": "lobby"}
    for more, word in (
        ({"room": ""}, "every room"),
        ({"room": "hall"}, "'hall'"),
        ({"room_admin": True}, "roomAdmin"),
        ({"hidden": True}, "hidden"),
        ({"ttl": 200}, "lifetime"),
    ):
        assert is_problem(await server.call("POST", "/v1/tokens", ada | more, as_=own), 403, word)
    made = (await server.call("POST", "/v1/tokens", ada, as_=own)).json()
    assert made["expires_at"] <= (expires + 1) * 1000, "without a lifetime it ends with the token of its maker"
    assert is_problem(await server.call("POST", "/v1/tokens", ada, as_=made["token"]), 403, "tokenCreate")
    assert is_problem(await server.call("POST", "/v1/tokens", ada | {"identity": ""}, as_=own), 400, "identity")
    assert is_problem(
        await server.call("POST", "/v1/tokens", ada | {"token_create": True}, as_=own), 422, "token_create"
    )
    assert is_problem(await server.call("POST", "/v1/tokens", ada), 403, "tokenCreate")


async def test_who_was_removed_makes_no_more_tokens_for_the_room(server: Server) -> None:
    own = token("backend", room="room", **BACKEND)
    async with server.client("backend"):
        assert (await server.call("DELETE", "/v1/rooms/room/participants/backend")).status_code == 204
    refused = await server.call("POST", "/v1/tokens", {"identity": "ada", "room": "room"}, as_=own)
    assert is_problem(refused, 403)
