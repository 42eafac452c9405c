"""Invalid tokens: each is refused with a sentence, and none is an internal error."""

import json
import time
from typing import Any

import jwt
import pytest
import websockets

from api import auth
from sfu.errors import SfuError, Unauthenticated

from .server import KEY, SECRET, Server

LONG = SECRET * 2
"""Long enough for HS512."""
KEYS = {KEY: LONG}
SOON = int(time.time()) + 86_400
PAST = int(time.time()) - 600
CLAIMS: dict[str, Any] = {"iss": KEY, "sub": "ada", "exp": SOON, "video": {"roomJoin": True, "room": "room"}}


def signed(algorithm: str = "HS256", secret: str = LONG, without: str = "", **claims: object) -> str:
    given = {name: value for name, value in {**CLAIMS, **claims}.items() if name != without}
    # Not by jwt.encode: it refuses claims that anybody can write.
    return jwt.PyJWS().encode(json.dumps(given).encode(), secret if algorithm != "none" else None, algorithm=algorithm)


WRONG = [
    ("", "not a JWT"),
    ("a.b.c", "not a JWT"),
    ("\ud800.x.y", "not a JWT"),
    ("é" * 1000, "not a JWT"),
    (jwt.encode({"a": 1}, LONG), "does not know"),
    (signed(iss="other"), "does not know"),
    (signed(iss=["key"]), "does not know"),
    (signed(without="exp"), "lacks the claim 'exp'"),
    (signed(without="sub"), "lacks the claim 'sub'"),
    (signed(algorithm="none"), "must be signed with HS256"),
    (signed(algorithm="HS384"), "must be signed with HS256"),
    (signed(algorithm="HS512"), "must be signed with HS256"),
    (signed(secret="another secret of thirty-two bytes"), "signature does not match"),
    (signed(exp=PAST), "has expired"),
    (signed(exp=PAST, aud="x"), "has expired"),
    (signed(exp=PAST, aud=["x", 7]), "has expired"),
    (signed(exp=PAST, sub=7), "'sub' must be a string"),
    (signed(exp=PAST, iat="soon"), "iat"),
    (signed(exp=PAST, video=7), "'video' must be an object"),
    (signed(aud="x"), "has an audience (aud)"),
    (signed(aud=7), "aud"),
    (signed(sub=7), "ubject"),
    (signed(exp="soon"), "exp"),
    (signed(exp=10**400), "exp"),
    (signed(exp=float("inf")), "exp"),
    (signed(exp=float("nan")), "exp"),
    (signed(exp=None), "exp"),
    (signed(exp=[SOON]), "exp"),
    (signed(nbf=SOON), "not valid yet"),
    (signed(nbf=float("inf")), "nbf"),
    (signed(iat={"a": 1}), "iat"),
    (signed(iat=float("nan")), "iat"),
    (signed(video="all"), "'video' must be an object"),
    (signed(name=7), "'name' must be a string"),
    (signed(attributes={"a": 1}), "must map strings to strings"),
]


def named(sentence: object) -> str:
    return sentence if isinstance(sentence, str) and len(sentence) < 40 else "token"


@pytest.mark.parametrize(("token", "sentence"), WRONG, ids=named)
def test_a_token_that_does_not_hold_is_refused_with_a_sentence(token: str, sentence: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        auth.verify(token, KEYS)
    assert sentence in str(refused.value) and len(str(refused.value)) < 200
    assert isinstance(refused.value, auth.Expired) is (sentence == "has expired")


def test_claims_nested_beyond_reading_are_refused() -> None:
    header, _, signature = signed().split(".")
    deep = jwt.utils.base64url_encode(b'{"iss":' + b"[" * 100_000).decode()
    with pytest.raises(SfuError):
        auth.verify(f"{header}.{deep}.{signature}", KEYS)


@pytest.mark.parametrize("claims", [{"aud": "x"}, {"exp": PAST, "aud": "x"}, {"exp": float("inf")}])
async def test_no_door_answers_a_token_with_an_error_of_ours(server: Server, claims: dict[str, Any]) -> None:
    token = signed(secret=SECRET, **claims)
    bearer = {"Authorization": f"Bearer {token}"}
    sdp = {"Content-Type": "application/sdp", **bearer}
    for reply in (
        await server.http.get("/v1/rooms", headers=bearer),
        await server.http.post("/v1/whip", headers=sdp, content="v=0"),
        await server.http.post("/v1/rooms/room/whep", headers=sdp, content="v=0"),
        await server.http.get(f"/v1/rooms/room/rtc?access_token={token}"),
    ):
        assert reply.status_code in (401, 404) and reply.headers["content-type"] == "application/problem+json"
    with pytest.raises(websockets.InvalidStatus) as refused:
        await server.rtc(additional_headers=bearer)
    assert refused.value.response.status_code == 401
