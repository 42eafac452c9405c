"""What RFC 9725 (WHIP) and draft-ietf-wish-whep-03 ask of a server, a row each; at both doors and both of their paths.

Of what they leave to the server we have no server-sent events and no layer selection of WHEP's extensions, and no
redirection of our own (s4.5).
"""

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from .server import Server, is_problem, token
from .test_whip import FRAGMENT, RECEIVING, SENDING, fragment, patch, post

ORIGIN = {"Origin": "https://studio.example"}
BOTH = ("whip", "whep")
PATHS = ("/v1/{}", "/v1/rooms/room/{}")
RESTARTING = fragment("restart0", "anotherpasswordanotherpw")


class Door:
    """An endpoint with one session."""

    def __init__(self, server: Server, path: str, kind: str, created: httpx.Response) -> None:
        self.server, self.path, self.kind, self.created = server, path, kind, created
        self.session = created.headers["Location"]
        self.etag = created.headers["ETag"]

    async def ask(self, method: str, path: str, **headers: str) -> httpx.Response:
        return await self.server.http.request(method, path, headers={"Authorization": f"Bearer {token()}", **headers})


@pytest.fixture(params=[(kind, path) for kind in BOTH for path in PATHS], ids=lambda one: one[1].format(one[0]))
async def door(server: Server, request: pytest.FixtureRequest) -> AsyncIterator[Door]:
    kind, path = request.param
    path = path.format(kind)
    yield Door(server, path, kind, await post(server, path, SENDING if kind == "whip" else RECEIVING, **ORIGIN))


async def created(door: Door) -> None:
    """s4.2: 201, the answer as application/sdp, Location of the session, which is no endpoint of another client."""
    assert door.created.status_code == 201 and door.created.headers["Content-Type"] == "application/sdp"
    assert door.session.startswith(door.path + "/") and len(door.session) > len(door.path) + 20


async def one_way(door: Door) -> None:
    """s4.2: the answer is recvonly for WHIP, sendonly for WHEP; s4.4.1: one bundle, and RTCP multiplexed."""
    answer = door.created.text
    assert ("a=recvonly" in answer, "a=sendonly" in answer) == (door.kind == "whip", door.kind == "whep")
    assert "a=sendrecv" not in answer and "a=group:BUNDLE" in answer
    assert answer.count("a=rtcp-mux") == answer.count("\nm=")


async def role(door: Door) -> None:
    """s4.4.2: the answer chooses a DTLS role; actpass is the offer's."""
    assert "a=setup:passive" in door.created.text and "actpass" not in door.created.text


async def candidates(door: Door) -> None:
    """s4.3.1: all candidates of the server are in the answer, and it says that they are all."""
    assert "a=candidate:" in door.created.text and "a=end-of-candidates" in door.created.text
    assert "a=ice-lite" in door.created.text


async def strong(door: Door) -> None:
    """s4.3.1: a strong entity tag (RFC 9110 s8.8.3) names the ICE session."""
    assert door.etag.startswith('"') and door.etag.endswith('"') and len(door.etag) > 10


async def reserved(door: Door) -> None:
    """s4.2: GET, HEAD and PUT are 405 at both; at the endpoint PATCH and DELETE, at the session POST as well."""
    for path, more in ((door.path, ("PATCH", "DELETE")), (door.session, ("POST",))):
        for method in ("GET", "HEAD", "PUT", *more):
            reply = await door.ask(method, path, **{"Content-Type": "application/sdp"})
            assert reply.status_code == 405 and method not in reply.headers["Allow"].split(", "), (method, path)


async def options(door: Door) -> None:
    """s4.2: OPTIONS needs no token, for CORS, and names what is accepted."""
    at_door = await door.server.http.options(door.path)
    at_session = await door.server.http.options(door.session)
    assert at_door.is_success and at_door.headers["Accept-Post"] == "application/sdp"
    assert at_session.is_success and at_session.headers["Accept-Patch"] == FRAGMENT


async def preflight(door: Door) -> None:
    """s4.2: a browser may send what it has to."""
    for path, method in ((door.path, "POST"), (door.session, "PATCH"), (door.session, "DELETE")):
        asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization,if-match"}
        reply = await door.server.http.options(path, headers={**ORIGIN, **asked})
        assert reply.status_code == 200 and method in reply.headers["Access-Control-Allow-Methods"]
        assert {"authorization", "if-match"} <= set(
            reply.headers["Access-Control-Allow-Headers"].lower().replace(" ", "").split(",")
        )


async def exposed(door: Door) -> None:
    """s4.2: a page of another origin reads what it needs."""
    names = door.created.headers["Access-Control-Expose-Headers"].lower().split(", ")
    assert {"location", "etag", "link", "accept-patch", "retry-after"} <= set(names)


async def trickled(door: Door) -> None:
    """s4.3.2: 204 without a body for candidates of the session that If-Match names."""
    reply = await patch(door.server, door.session, If_Match=door.etag)
    assert reply.status_code == 204 and reply.content == b""
    several = await patch(door.server, door.session, If_Match=f'"other", {door.etag}')
    assert several.status_code == 204


async def preconditions(door: Door) -> None:
    """s4.3.1: 428 without If-Match, 412 where it names another ICE session."""
    assert is_problem(await patch(door.server, door.session, fragment("another0")), 428)
    assert is_problem(await patch(door.server, door.session, If_Match='"other"'), 412)


async def restarted(door: Door) -> None:
    """s4.3.3: If-Match `*` restarts: 200, our new credentials as a fragment, another ETag; the old one is stale."""
    reply = await patch(door.server, door.session, RESTARTING, If_Match="*")
    assert reply.status_code == 200 and reply.headers["Content-Type"] == FRAGMENT
    assert reply.headers["ETag"] != door.etag and "a=ice-ufrag:" in reply.text and "a=ice-pwd:" in reply.text
    first = next(line for line in door.created.text.splitlines() if line.startswith("a=ice-ufrag"))
    assert first not in reply.text
    assert is_problem(await patch(door.server, door.session, RESTARTING, If_Match=door.etag), 412)
    assert (await patch(door.server, door.session, RESTARTING, If_Match=reply.headers["ETag"])).status_code == 204


async def malformed(door: Door) -> None:
    """s4.3.2: what is no fragment is refused with a 4xx, and changes nothing. Not 422 (s4.3: not supported)."""
    for body in ("", "nonsense", "a=ice-ufrag:n2\r\na=ice-pwd:n2\r\n"):
        for given in (door.etag, "*"):
            assert (await patch(door.server, door.session, body, If_Match=given)).status_code == 400
    assert (await patch(door.server, door.session, If_Match=door.etag)).status_code == 204


async def media_types(door: Door) -> None:
    """s4.2, s4.3: 415 for another type, with the one that is accepted (RFC 9110 s15.5.16); parameters are fine."""
    other = await post(door.server, door.path, SENDING, **{"Content-Type": "application/json"})
    assert is_problem(other, 415) and other.headers["Accept-Post"] == "application/sdp"
    wrong = await patch(door.server, door.session, If_Match=door.etag, Content_Type="application/sdp")
    assert is_problem(wrong, 415) and wrong.headers["Accept-Patch"] == FRAGMENT
    fine = await patch(door.server, door.session, If_Match=door.etag, Content_Type=f"{FRAGMENT}; charset=utf-8")
    assert fine.status_code == 204


async def accepted_or_not(door: Door) -> None:
    """RFC 9110 s12.5.1: who accepts anything else is answered all the same, as clients send what their library does."""
    offer = SENDING if door.kind == "whip" else RECEIVING
    for accept in ("application/sdp", "*/*", "text/html"):
        assert (await post(door.server, door.path, offer, as_=token(f"p {accept}"), Accept=accept)).status_code == 201


async def ended(door: Door) -> None:
    """s4.2: DELETE is 200, without a token (its name is secret); then there is no session for anything."""
    assert (await door.server.http.delete(door.session)).status_code == 200
    assert is_problem(await door.server.http.delete(door.session), 404)
    assert is_problem(await patch(door.server, door.session, If_Match=door.etag), 404)
    assert is_problem(await patch(door.server, door.session, RESTARTING, If_Match="*"), 404)


async def unauthorised(door: Door) -> None:
    """s4.7: a bearer token (RFC 6750), and a 401 says so."""
    for bearer in ("", "Bearer nonsense"):
        reply = await post(door.server, door.path, SENDING, Authorization=bearer, **ORIGIN)
        assert is_problem(reply, 401) and reply.headers["WWW-Authenticate"].startswith("Bearer")
        assert reply.headers["Access-Control-Allow-Origin"]


async def kept(door: Door) -> None:
    """s4.5: where a client is sent elsewhere it keeps method and body: 307 or 308."""
    reply = await door.server.http.post(door.path + "/", content=SENDING, follow_redirects=False)
    assert reply.status_code in (307, 308, 404, 405)


async def draining(door: Door) -> None:
    """s4.5: 503 with Retry-After while no session is taken."""
    door.server.sfu.drain(30)
    reply = await post(door.server, door.path, SENDING, as_=token("bob"), **ORIGIN)
    assert is_problem(reply, 503) and int(reply.headers["Retry-After"]) > 0


async def links(door: Door) -> None:
    """s4.9, RFC 8288: extensions are named by Link; no relation is claimed that is not served."""
    assert (
        'rel="service-desc"' in door.created.headers["Link"] and "urn:ietf:params" not in door.created.headers["Link"]
    )


ROWS: list[Callable[[Door], Awaitable[None]]] = [
    created, one_way, role, candidates, strong, reserved, options, preflight, exposed, trickled, preconditions,
    restarted, malformed, media_types, accepted_or_not, ended, unauthorised, kept, draining, links,
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.__name__)
async def test_what_the_documents_ask_of_a_server(door: Door, row: Callable[[Door], Awaitable[None]]) -> None:
    await row(door)
