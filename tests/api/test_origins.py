"""REST for pages of other origins (CORS)."""

import pytest

from .server import Server, is_problem


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


async def test_other_origins_may_use_it_with_a_token(server: Server) -> None:
    headers = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization, if-match, content-type",
    }
    reply = await server.http.options("/v1/whip/x", headers=headers)
    assert reply.status_code == 200 and reply.headers["Access-Control-Allow-Origin"] == "*"
    assert "PATCH" in reply.headers["Access-Control-Allow-Methods"]
