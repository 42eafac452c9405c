"""WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep-03): publishing and watching by HTTP."""

import re
from collections.abc import Iterable
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Header, Request, Response

from api.dependencies import GrantDep, PossibleGrantDep, SfuDep, address_of, know, prefix_of, reached_at
from api.errors import UnsupportedMediaType, responses
from sfu import commands, quoting
from sfu.commands import ANYONE
from sfu.errors import InvalidRequest, NegotiationError
from sfu.model import Grant, IceServer, ParticipantKind
from sfu.service import Sfu

# Each route declares the type of its reply. With the default class the framework would also describe JSON.
router = APIRouter(tags=["WHIP and WHEP"], default_response_class=Response)

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
"""RFC 8840 s9."""

UNDECODABLE = "Sfu-Undecodable"
"""Published media types that the WHEP viewer cannot decode, although it has sections for them."""

INACTIVE = "Sfu-Inactive"
"""Mids of sections that the WHIP publisher offers to send, but its token does not allow."""
MIDS = 1024
"""The maximum length of that header in characters, because clients choose the mids."""

OF_SESSION = {"Accept-Patch": FRAGMENT, "Access-Control-Allow-Methods": "DELETE, OPTIONS, PATCH, POST"}
"""Client libraries decide by these headers whether to trickle. Without them a library waits for all candidates."""
ANY_SESSION = ("*", '"*"')
"""RFC 9725 s4.3.3 writes the star in quotes, RFC 9110 s13.1.1 without."""
ENTITY_TAG = re.compile(r'(?:^|,)\s*"([^",]*)"\s*(?=,|$)')
"""A strong entity tag in a list (RFC 9110 s8.8.3)."""
DOORS = {"whip": ParticipantKind.INGRESS, "whep": ParticipantKind.VIEWER}
OFFER: dict[str, Any] = {"requestBody": {"required": True, "content": {SDP: {"schema": {"type": "string"}}}}}
PATCH: dict[str, Any] = {"requestBody": {"required": True, "content": {FRAGMENT: {"schema": {"type": "string"}}}}}
HEADERS = ("Location", "ETag", "Link", "Accept-Patch", UNDECODABLE, INACTIVE)
CREATED: dict[int | str, dict[str, Any]] = {
    **responses(400, 403, 404, 409, 415, 422, 429, 503),
    201: {
        "description": "The answer. `Location` is the session: PATCH trickles and restarts ICE, DELETE ends it.",
        "content": {SDP: {"schema": {"type": "string"}}},
        "headers": {name: {"schema": {"type": "string"}} for name in HEADERS},
    },
}
PATCHED: dict[int | str, dict[str, Any]] = {
    **responses(400, 404, 412, 415, 428),
    200: {
        "description": "ICE is restarted: the server's credentials.",
        "content": {FRAGMENT: {"schema": {"type": "string"}}},
    },
    204: {"description": "Read."},
}

IfMatch = Annotated[str | None, Header(description="The ETag of the session to trickle, `*` to restart ICE.")]


@router.post("/v1/whip", status_code=201, responses=CREATED, openapi_extra=OFFER)
async def publish(request: Request, sfu: SfuDep, grant: GrantDep) -> Response:
    """Publishes what the offer sends, with the identity and into the room of the token."""
    return await _open(request, sfu, grant, "whip", _named(grant))


@router.post("/v1/rooms/{room:name}/whip", status_code=201, responses=CREATED, openapi_extra=OFFER)
async def publish_in(room: str, request: Request, sfu: SfuDep, grant: GrantDep) -> Response:
    """The same, for a token of any room."""
    return await _open(request, sfu, grant, "whip", room)


@router.post("/v1/whep", status_code=201, responses=CREATED, openapi_extra=OFFER)
async def watch(request: Request, sfu: SfuDep, grant: GrantDep, participant: str | None = None) -> Response:
    """Watches one participant, or the room: in the order in which publishers joined or, with few sections, speakers."""
    return await _open(request, sfu, grant, "whep", _named(grant), participant)


@router.post("/v1/rooms/{room:name}/whep", status_code=201, responses=CREATED, openapi_extra=OFFER)
async def watch_in(
    room: str, request: Request, sfu: SfuDep, grant: GrantDep, participant: str | None = None
) -> Response:
    """The same, for a token of any room."""
    return await _open(request, sfu, grant, "whep", room, participant)


@router.options("/v1/whip", include_in_schema=False)
@router.options("/v1/whep", include_in_schema=False)
@router.options("/v1/rooms/{room:name}/whip", include_in_schema=False)
@router.options("/v1/rooms/{room:name}/whep", include_in_schema=False)
async def describe_door(request: Request, sfu: SfuDep, grant: PossibleGrantDep) -> Response:
    """With a token that the door admits, the reply has the ICE servers, for clients that need them before they offer
    (RFC 9725 s4.6)."""
    room = request.path_params.get("room") or (_named(grant) if grant is not None else "")
    servers = await sfu.execute(commands.ListIceServers(grant or ANYONE, room))
    headers = {"Allow": "OPTIONS, POST", "Accept-Post": SDP, **OF_SESSION}
    return _linked(Response(status_code=204, headers=headers), servers)


@router.options("/v1/whip/{session}", include_in_schema=False)
@router.options("/v1/whep/{session}", include_in_schema=False)
@router.options("/v1/rooms/{room:name}/whip/{session}", include_in_schema=False)
@router.options("/v1/rooms/{room:name}/whep/{session}", include_in_schema=False)
async def describe_session() -> Response:
    return Response(status_code=204, headers={"Allow": "DELETE, OPTIONS, PATCH", **OF_SESSION})


# A session is authorised by its unguessable id, because tokens expire before sessions do.


@router.patch("/v1/whip/{session}", responses=PATCHED, openapi_extra=PATCH)
@router.patch("/v1/whep/{session}", responses=PATCHED, openapi_extra=PATCH)
@router.patch("/v1/rooms/{room:name}/whip/{session}", responses=PATCHED, openapi_extra=PATCH, include_in_schema=False)
@router.patch("/v1/rooms/{room:name}/whep/{session}", responses=PATCHED, openapi_extra=PATCH, include_in_schema=False)
async def patch_session(session: str, request: Request, sfu: SfuDep, if_match: IfMatch = None) -> Response:
    """Trickle ICE (RFC 8840), or an ICE restart. Candidates are parsed and ignored: the server learns addresses from
    checks."""
    where = _where(request)
    found = await sfu.execute(commands.FindMediaSession(ANYONE, session, *where))
    know(request)
    _require_type(request, FRAGMENT, {"Accept-Patch": FRAGMENT})
    fragment = await _text(request)
    try:
        if if_match is not None and if_match.strip() in ANY_SESSION:
            restarted = await sfu.execute(commands.RestartIce(ANYONE, found.id, *where, fragment))
            if restarted.fragment is not None:
                reply = Response(restarted.fragment, 200, headers=_etag(restarted.etag), media_type=FRAGMENT)
                return _linked(reply, restarted.ice_servers)
            return Response(status_code=204, headers=_etag(restarted.etag))
        # A library may trickle before it has read the ETag.
        etags = None if if_match is None else ENTITY_TAG.findall(if_match)
        trickled = await sfu.execute(commands.TrickleIce(ANYONE, found.id, *where, fragment, etags))
        return Response(status_code=204, headers=_etag(trickled.etag))
    except NegotiationError as error:
        # 422 tells a client that trickling or restarts are not supported (RFC 9725 s4.3).
        raise InvalidRequest(str(error)) from None


@router.delete("/v1/whip/{session}", responses=responses(404))
@router.delete("/v1/whep/{session}", responses=responses(404))
@router.delete("/v1/rooms/{room:name}/whip/{session}", responses=responses(404), include_in_schema=False)
@router.delete("/v1/rooms/{room:name}/whep/{session}", responses=responses(404), include_in_schema=False)
async def end_session(session: str, request: Request, sfu: SfuDep) -> Response:
    """Ends the session; its participant leaves the room. A session that ended by itself (the client closed its peer
    connection first, or fell silent) can be deleted for another minute."""
    await sfu.execute(commands.EndMediaSession(ANYONE, session, *_where(request)))
    know(request)
    return Response(status_code=200)


async def _open(
    request: Request, sfu: Sfu, grant: Grant, door: str, room: str, participant: str | None = None
) -> Response:
    _require_type(request, SDP, {"Accept-Post": SDP})
    address = address_of(request)
    # This comes before the offer is read, because reading costs more than a refusal.
    sfu.require_budget(grant, address)
    offer = await sfu.read_offer(await _text(request))
    session = await sfu.execute(
        commands.OpenMediaSession(grant, room, DOORS[door], offer, participant, address, reached_at(request))
    )
    base = f"/v1/rooms/{quote(room, safe='')}/{door}" if "room" in request.path_params else f"/v1/{door}"
    prefix = prefix_of(request)
    headers = {
        "Location": f"{prefix}{base}/{session.id}",
        **OF_SESSION,
        "Link": f'<{prefix}/v1/openapi.json>; rel="service-desc"',
        **_etag(session.etag),
    }
    if session.undecodable:
        headers[UNDECODABLE] = ", ".join(session.undecodable)
    if session.inactive:
        headers[INACTIVE] = ", ".join(session.inactive)[:MIDS]
    return _linked(Response(session.answer, 201, headers=headers, media_type=SDP), session.ice_servers)


def _named(grant: Grant) -> str:
    if not grant.room:
        raise InvalidRequest("the token names no room: use /v1/rooms/{room}/whip or …/whep")
    return grant.room


def _where(request: Request) -> tuple[ParticipantKind, str | None]:
    """Returns the kind of the session, and the room, if the path names it."""
    return DOORS[request.url.path.rsplit("/", 2)[-2]], request.path_params.get("room")


def _linked(response: Response, servers: Iterable[IceServer]) -> Response:
    """Adds a Link for each address of the ICE servers (RFC 9725 s4.6)."""
    for server in servers:
        given = ""
        if server.username:
            username, credential = _quoted(server.username), _quoted(server.credential)
            given = f'; username={username}; credential={credential}; credential-type="password"'
        for url in server.urls:
            response.headers.append("Link", f'<{url}>; rel="ice-server"{given}')
    return response


def _quoted(text: str) -> str:
    """Returns printable ASCII as a quoted-string (RFC 9110 s5.6.4)."""
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _etag(etag: str) -> dict[str, str]:
    return {"ETag": f'"{etag}"'}


def _require_type(request: Request, wanted: str, headers: dict[str, str]) -> None:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != wanted:
        named = quoting.quote(given) if given else "left out"
        raise UnsupportedMediaType(f"Content-Type must be {wanted}, not {named}", headers)


async def _text(request: Request) -> str:
    try:
        return (await request.body()).decode()
    except UnicodeDecodeError:
        raise InvalidRequest("the body is not UTF-8") from None
