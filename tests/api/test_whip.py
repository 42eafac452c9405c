"""WHIP (RFC 9725) and WHEP: status codes and headers, request by request."""

import time
from contextlib import AsyncExitStack
from typing import Any, Literal

import httpx
import pytest
import websockets
from fastapi import FastAPI

from sfu import limits
from sfu.bucket import Bucket
from sfu.model import Source
from sfu.plane import TransportState

from ..live import media_sessions_of, rooms_of
from ..sfu.scene import sdp
from .conftest import Start
from .server import Client, Server, admin, is_problem, token

SENDING = sdp([("audio", "sendonly"), ("video", "sendonly")])
RECEIVING = sdp([("audio", "recvonly"), ("video", "recvonly")])
FRAGMENT = "application/trickle-ice-sdpfrag"


def fragment(ufrag: str = "client00", pwd: str = "clientpasswordclientpassword") -> str:
    candidate = "a=candidate:1 1 udp 2122260223 127.0.0.1 50000 typ host\r\n"
    return f"a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n{candidate}"


async def post(
    server: Server, path: str, offer: str = SENDING, as_: str | None = None, **headers: str
) -> httpx.Response:
    given = {"Authorization": f"Bearer {as_ or token()}", "Content-Type": "application/sdp", **headers}
    return await server.http.post(path, content=offer, headers=given)


async def patch(server: Server, where: str, body: str = fragment(), **headers: str) -> httpx.Response:
    given = {name.replace("_", "-"): value for name, value in {"Content_Type": FRAGMENT, **headers}.items()}
    return await server.http.patch(where, content=body, headers=given)


@pytest.mark.parametrize("path", ["/v1/whip", "/v1/rooms/room/whip"])
async def test_whip_publishes(server: Server, path: str) -> None:
    reply = await post(server, path, Origin="https://studio.example")
    assert reply.status_code == 201 and reply.headers["Content-Type"] == "application/sdp"
    assert reply.text.startswith("v=0\r\n") and "a=recvonly" in reply.text
    location = reply.headers["Location"]
    assert location.startswith(path + "/") and len(location.rsplit("/", 1)[1]) >= 22
    assert reply.headers["ETag"].startswith('"') and reply.headers["Accept-Patch"] == FRAGMENT and reply.headers["Link"]
    exposed = reply.headers["Access-Control-Expose-Headers"]
    assert all(name in exposed for name in ("Location", "ETag", "Link", "Accept-Patch"))
    (shown,) = (await server.call("GET", "/v1/rooms/room/participants")).json()["participants"]
    assert (shown["identity"], shown["kind"]) == ("ada", "ingress")
    assert {track["source"] for track in shown["tracks"]} == {"microphone", "camera"}
    assert (await server.http.delete(location)).status_code == 200
    assert is_problem(await server.http.delete(location), 404)
    assert (await server.call("GET", "/v1/rooms/room")).json()["num_participants"] == 0


@pytest.mark.parametrize("path", ["/v1/whep", "/v1/rooms/room/whep", "/v1/whep?participant=ada"])
async def test_whep_watches_hidden_also_before_anybody_publishes(server: Server, path: str) -> None:
    reply = await post(server, path, RECEIVING, as_=token("viewer"))
    assert reply.status_code == 201 and "a=sendonly" in reply.text
    assert (await server.call("GET", "/v1/rooms/room")).json()["num_participants"] == 0
    (shown,) = (await server.call("GET", "/v1/rooms/room/participants")).json()["participants"]
    assert shown["kind"] == "viewer" and shown["permissions"]["hidden"] is True
    assert (await server.http.delete(reply.headers["Location"])).status_code == 200


@pytest.mark.parametrize("room", ["caf%C3%A9%20%3F", "school%2F3b", "whip%2Fwhep"])
async def test_a_room_name_is_quoted_in_the_location(server: Server, room: str) -> None:
    reply = await post(server, f"/v1/rooms/{room}/whip", as_=token(room=""))
    assert reply.headers["Location"].startswith(f"/v1/rooms/{room}/whip/")
    assert (await server.http.delete(reply.headers["Location"])).status_code == 200


async def test_trickle_is_read_with_the_etag_of_the_session(server: Server) -> None:
    created = await post(server, "/v1/whip")
    where, etag = created.headers["Location"], created.headers["ETag"]
    assert (await patch(server, where, If_Match=etag)).status_code == 204
    bare = await patch(server, where)
    assert bare.status_code == 204 and bare.headers["ETag"] == etag, "the credentials say which session is meant"
    assert is_problem(await patch(server, where, fragment("another0")), 428, "If-Match")
    assert is_problem(await patch(server, where, If_Match='"other"'), 412)
    assert is_problem(await patch(server, where, fragment("another0"), If_Match=etag), 412, "credentials")
    assert is_problem(await patch(server, where, "nonsense", If_Match=etag), 400)
    wrong = await patch(server, where, If_Match=etag, Content_Type="application/json")
    assert is_problem(wrong, 415, FRAGMENT) and wrong.headers["Accept-Patch"] == FRAGMENT


async def test_an_ice_restart_answers_with_our_credentials_and_a_new_etag(server: Server) -> None:
    created = await post(server, "/v1/whip")
    where, etag = created.headers["Location"], created.headers["ETag"]
    reply = await patch(server, where, fragment("restart0", "anotherpasswordanotherpw"), If_Match="*")
    assert reply.status_code == 200 and reply.headers["Content-Type"] == FRAGMENT
    assert "a=ice-ufrag:" in reply.text and "a=ice-pwd:" in reply.text
    assert reply.headers["ETag"] != etag
    again = await patch(server, where, fragment("restart0", "anotherpasswordanotherpw"), If_Match=etag)
    assert is_problem(again, 412)
    assert (
        await patch(server, where, fragment("restart0", "anotherpasswordanotherpw"), If_Match=reply.headers["ETag"])
    ).status_code == 204


async def test_the_star_of_a_restart_may_be_quoted(server: Server) -> None:
    """RFC 9725 s4.3.3 has it in quotes."""
    created = await post(server, "/v1/whip")
    where = created.headers["Location"]
    reply = await patch(server, where, fragment("restart0", "anotherpasswordanotherpw"), If_Match='"*"')
    assert reply.status_code == 200 and reply.headers["ETag"] != created.headers["ETag"]


async def test_a_refused_fragment_is_told_by_the_name_of_its_attribute(server: Server) -> None:
    created = await post(server, "/v1/whip")
    reply = await patch(server, created.headers["Location"], fragment("n2"), If_Match="*")
    assert reply.status_code == 400 and reply.json()["detail"].startswith("a=ice-ufrag and a=ice-pwd")


REFUSED: list[tuple[str, str, str, dict[str, Any], int, str]] = [
    ("wrong type", "/v1/whip", SENDING, {"Content-Type": "text/plain"}, 415, "application/sdp"),
    ("no SDP", "/v1/whip", "hello", {}, 422, ""),
    ("empty", "/v1/whip", "", {}, 422, ""),
    ("nothing sent", "/v1/whip", RECEIVING, {}, 422, "nothing that may be published"),
    ("too many sent", "/v1/whip", sdp([("video", "sendonly")] * (limits.TRACKS + 1)), {}, 422, "more than 64 sections"),
    ("nothing received", "/v1/whep", SENDING, {}, 422, "no section"),
    ("no token", "/v1/whip", SENDING, {"Authorization": ""}, 401, "token"),
    ("wrong room", "/v1/rooms/other/whip", SENDING, {}, 403, "'other'"),
    ("may not publish", "/v1/whip", SENDING, {"as_": token(can_publish=False)}, 403, "publishing"),
    ("may not subscribe", "/v1/whep", RECEIVING, {"as_": token(can_subscribe=False)}, 403, "subscribing"),
    ("no room named", "/v1/whip", SENDING, {"as_": token(room="")}, 400, "names no room"),
]


@pytest.mark.parametrize(
    ("path", "offer", "given", "status", "sentence"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED]
)
async def test_a_refusal_says_why_and_leaves_nobody_behind(
    server: Server, path: str, offer: str, given: dict[str, Any], status: int, sentence: str
) -> None:
    assert is_problem(await post(server, path, offer, **given), status, sentence)
    assert rooms_of(server.sfu) == {}


async def test_joins_beyond_the_rate_are_429_and_say_which_limit_and_when(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bucket, "_refill", lambda bucket, now: None)
    server = await start(joins_per_address=2, joins_per_key=100)
    replies = [await post(server, "/v1/whip", as_=token(f"p{number}")) for number in range(6)]
    assert [reply.status_code for reply in replies[:4]] == [201] * 4
    assert is_problem(replies[-1], 429, "2 joins a second") and replies[-1].json()["limit"] == "joins_per_address"
    assert replies[-1].json()["code"] == "too_many_requests" and int(replies[-1].headers["Retry-After"]) >= 1
    bearer = {"Authorization": f"Bearer {token('w')}"}
    with pytest.raises(websockets.InvalidStatus) as refused:
        await server.rtc(additional_headers=bearer)
    assert refused.value.response.status_code == 429 and refused.value.response.headers["Retry-After"] == "1"
    async with server.rtc(additional_headers={"Origin": "http://page.example", **bearer}) as socket:
        client = Client(socket)
        await client.say("join")
        assert (await client.hear("left"))["action"] == "rejoin"
        assert (await client.closed())[0] == 1013


@pytest.mark.parametrize(
    ("root", "forwarded", "prefix"),
    [
        ("/media", "", "/media"),
        ("", "/sfu", "/sfu"),
        ("", "/sfu/", "/sfu"),
        ("/media", "/sfu", "/sfu/media"),
        ("/media", "/sfu/media", "/sfu/media"),
        ("", "//evil.example", ""),
        ("", "https://evil.example", ""),
        ("", '/a>; rel="x"', ""),
        ("", "/" + "a" * 300, ""),
    ],
)
async def test_location_and_link_have_what_stands_before_our_paths(
    server: Server, root: str, forwarded: str, prefix: str
) -> None:
    async with AsyncExitStack() as stack:
        http = server.http
        if root:
            host = FastAPI()
            host.mount(root, server.app)
            http = await stack.enter_async_context(
                httpx.AsyncClient(transport=httpx.ASGITransport(host), base_url="http://host")
            )
        given = {"Authorization": f"Bearer {token()}", "Content-Type": "application/sdp"}
        given |= {"X-Forwarded-Prefix": forwarded} if forwarded else {}
        reply = await http.post(root + "/v1/whip", content=SENDING, headers=given)
        where = reply.headers["Location"]
        assert where.startswith(prefix + "/v1/whip/") and reply.headers["Link"].startswith(
            f"<{prefix}/v1/openapi.json>"
        )
        inside = where.removeprefix(prefix.removesuffix(root))
        assert (await http.delete(inside)).status_code == 200


@pytest.mark.parametrize("state", ["closed", "failed"])
@pytest.mark.parametrize("door", ["whip", "whep"])
async def test_a_session_that_ended_by_itself_can_be_deleted_for_a_minute(
    server: Server, door: str, state: Literal["closed", "failed"], monkeypatch: pytest.MonkeyPatch
) -> None:
    created = await post(server, f"/v1/{door}", SENDING if door == "whip" else RECEIVING)
    where = created.headers["Location"]
    (session,) = media_sessions_of(server.sfu).values()
    transport = session.participant.transport.id
    assert transport is not None
    session.room.events.handle(session.participant.sid, TransportState(transport, state, "test"))
    assert not session.is_open
    other = {"whip": "whep", "whep": "whip"}[door]
    assert is_problem(await server.http.delete(where.replace(f"/{door}/", f"/{other}/")), 404)
    assert is_problem(await patch(server, where, If_Match="*"), 404)
    assert [(await server.http.delete(where)).status_code for _ in range(2)] == [200, 200]
    monkeypatch.setattr(limits, "ENDED_SECONDS", 0.0)
    assert is_problem(await server.http.delete(where), 404)


async def test_a_session_that_another_replaced_cannot_be_deleted(server: Server) -> None:
    first = await post(server, "/v1/whip")
    await post(server, "/v1/whip")
    assert is_problem(await server.http.delete(first.headers["Location"]), 404)


async def test_what_a_client_library_looks_for_is_on_every_reply(server: Server) -> None:
    origin = {"Origin": "https://studio.example"}
    created = await post(server, "/v1/whip", **origin)
    door = await server.http.options("/v1/whip", headers=origin)
    session = await server.http.options(created.headers["Location"], headers=origin)
    for reply in (created, door, session):
        assert reply.headers["Accept-Patch"] == FRAGMENT
        assert "PATCH" in reply.headers["Access-Control-Allow-Methods"]
        assert "Access-Control-Allow-Methods" in reply.headers["Access-Control-Expose-Headers"]


async def test_an_sdp_without_fingerprint_is_422(server: Server) -> None:
    without = "\r\n".join(line for line in SENDING.split("\r\n") if not line.startswith("a=fingerprint"))
    assert is_problem(await post(server, "/v1/whip", without), 422, "fingerprint")


async def test_options_tell_what_is_accepted(server: Server) -> None:
    door = await server.http.options("/v1/whip")
    assert door.status_code == 204 and door.headers["Accept-Post"] == "application/sdp"
    created = await post(server, "/v1/whep", RECEIVING)
    session = await server.http.options(created.headers["Location"])
    assert session.headers["Accept-Patch"] == FRAGMENT


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
async def test_other_methods_are_405(server: Server, method: str) -> None:
    created = await post(server, "/v1/whip")
    for path in ("/v1/whip", "/v1/whep", created.headers["Location"]):
        reply = await server.http.request(method, path)
        assert reply.status_code == 405 and "OPTIONS" in reply.headers["Allow"]


async def test_a_session_is_found_by_its_own_door_only(server: Server) -> None:
    created = await post(server, "/v1/rooms/room/whip")
    id = created.headers["Location"].rsplit("/", 1)[1]
    for path in (f"/v1/whep/{id}", f"/v1/rooms/other/whip/{id}", "/v1/whip/" + "x" * 32):
        assert is_problem(await server.http.delete(path), 404)
    assert (await server.http.delete(f"/v1/whip/{id}")).status_code == 200


async def test_a_draining_server_takes_no_session(server: Server) -> None:
    async with server.client("bob"):
        server.sfu.drain(30)
        assert is_problem(await post(server, "/v1/whip"), 503)


async def test_a_removed_publisher_has_no_session_any_more(server: Server) -> None:
    created = await post(server, "/v1/whip")
    await server.call("DELETE", "/v1/rooms/room/participants/ada", as_=admin())
    assert is_problem(await patch(server, created.headers["Location"], If_Match="*"), 404)
    assert is_problem(await post(server, "/v1/whip", as_=token(now=time.time() - 10)), 403, "revoked")


async def test_one_token_has_many_viewers_and_rest_shows_each(server: Server) -> None:
    locations = [(await post(server, "/v1/whep", RECEIVING)).headers["Location"] for _ in range(3)]
    people = "/v1/rooms/room/participants"
    listed = (await server.call("GET", people, as_=admin())).json()["participants"]
    assert [(one["identity"], one["kind"]) for one in listed] == [(n, "viewer") for n in ("ada", "ada#2", "ada#3")]
    assert (await server.call("DELETE", f"{people}/ada%232", as_=admin())).status_code == 204
    assert (await server.http.delete(locations[1])).status_code == 404
    assert (await server.http.delete(locations[2])).status_code == 200
    for _ in range(2):
        assert (await post(server, "/v1/whep", RECEIVING, token(max_viewers=3))).status_code == 201
    refused = await post(server, "/v1/whep", RECEIVING, token(max_viewers=3))
    assert refused.status_code == 201, "a claim below the setting takes nothing away"


async def test_the_third_publisher_within_ten_seconds_is_told_to_wait(server: Server) -> None:
    first, second = await post(server, "/v1/whip"), await post(server, "/v1/whip")
    assert is_problem(await patch(server, first.headers["Location"], If_Match="*"), 404)
    refused = await post(server, "/v1/whip")
    assert is_problem(refused, 409, "stop all but one")
    assert refused.headers["Retry-After"] == "10"
    assert (await server.http.delete(second.headers["Location"])).status_code == 200
    assert (await post(server, "/v1/whip")).status_code == 201


@pytest.mark.parametrize("claim", [-1, "many", True, 1.5])
async def test_a_claim_of_viewers_that_is_no_number_is_refused(server: Server, claim: Any) -> None:
    assert is_problem(await post(server, "/v1/whep", RECEIVING, token(max_viewers=claim)), 401, "maxViewers")


async def test_as_many_sections_as_may_be_published_are(server: Server) -> None:
    reply = await post(server, "/v1/whip", sdp([("video", "sendonly")] * limits.TRACKS))
    assert reply.status_code == 201 and reply.text.count("a=recvonly") == limits.TRACKS
    assert "Sfu-Inactive" not in reply.headers


@pytest.mark.parametrize(("sources", "named"), [(("microphone",), "1"), (("camera",), "0"), ((), None)])
async def test_a_publisher_is_told_which_sections_its_token_does_not_let_it_publish(
    server: Server, sources: tuple[str, ...], named: str | None
) -> None:
    allowed = token(can_publish_sources=tuple(Source(source) for source in sources))
    reply = await post(server, "/v1/whip", as_=allowed, Origin="https://studio.example")
    assert reply.status_code == 201 and reply.headers.get("Sfu-Inactive") == named
    assert reply.text.count("a=inactive") == (named is not None)
    assert "Sfu-Inactive" in reply.headers["Access-Control-Expose-Headers"]
