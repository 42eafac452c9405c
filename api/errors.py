"""Maps exceptions to problem documents (RFC 9457) and to WebSocket close codes. No other file knows either."""

import http
import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.routing import BaseRoute, Match
from starlette.websockets import WebSocket

from sfu import limits
from sfu.errors import (
    Conflict,
    Contended,
    InvalidRequest,
    LimitExceeded,
    NegotiationError,
    NotAllowed,
    NotFound,
    PreconditionRequired,
    RoomFull,
    SfuError,
    Stale,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from sfu.quoting import quote
from sfu.revocations import Revoked

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class TooLarge(InvalidRequest):
    code = "too_large"


class UnsupportedMediaType(InvalidRequest):
    """`headers` list the accepted types (RFC 9110 s15.5.16)."""

    code = "unsupported_media_type"

    def __init__(self, sentence: str, headers: Mapping[str, str]) -> None:
        super().__init__(sentence)
        self.headers = headers


STATUS: Mapping[type[SfuError], int] = {
    InvalidRequest: 400,
    Unauthenticated: 401,
    NotAllowed: 403,
    NotFound: 404,
    Conflict: 409,
    RoomFull: 409,
    LimitExceeded: 422,
    TooManyRequests: 429,
    Stale: 412,
    TooLarge: 413,
    UnsupportedMediaType: 415,
    NegotiationError: 422,
    PreconditionRequired: 428,
    Unavailable: 503,
}

POLICY = 1008
TRY_AGAIN = 1013
REJOIN = 4001
"""A resume named a session that no longer exists: join with a new session."""


class Problem(BaseModel):
    """RFC 9457. `code` is for programs, `detail` for people."""

    type: str = "about:blank"
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["there is no room 'lobby'"])
    code: str = Field(examples=["not_found"])


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Returns the OpenAPI responses of these statuses; 401 is always included."""
    return {
        status: {
            "description": http.HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in (401, *statuses)
    }


def problem(status: int, code: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> JSONResponse:
    body = Problem(title=http.HTTPStatus(status).phrase, status=status, detail=detail, code=code).model_dump()
    return JSONResponse({**body, **more}, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def problem_of(error: SfuError) -> JSONResponse:
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)
    headers: dict[str, str] = {}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    more: dict[str, Any] = {}
    if isinstance(error, Unavailable | TooManyRequests | Revoked | Contended) and error.retry_after:
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, TooManyRequests):
        more["limit"] = error.limit
    if isinstance(error, UnsupportedMediaType):
        headers.update(error.headers)
    return problem(status, error.code, _sentence(str(error)), headers, **more)


def close_code(error: SfuError) -> int:
    """Returns the close code for a join that is refused."""
    match error:
        case Stale():
            return REJOIN
        case Unavailable() | TooManyRequests():
            return TRY_AGAIN
        case _:
            return POLICY


def install(app: FastAPI) -> None:
    """Makes every error of `app` a problem document: its own, the framework's, and unexpected exceptions."""

    async def of_ours(request: HTTPConnection, error: Exception) -> Response:
        assert isinstance(error, SfuError)
        refused = problem_of(error)
        if isinstance(request, WebSocket):
            await request.send_denial_response(refused)
        return refused

    async def of_gone(_: Request, error: Exception) -> Response:
        # Nobody reads the reply: the client is gone, or the listener has closed the connection.
        return problem(400, InvalidRequest.code, "The request ended before its body did.")

    async def of_framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        status, detail, headers = error.status_code, error.detail, error.headers
        if status == 404:
            return nothing_here()
        if status == 405:
            # No route matches: it is a file of the page.
            methods = ", ".join(_methods(request) or ("GET", "HEAD"))
            detail, headers = (
                f"{request.method} is not supported at this path: use {methods}",
                {"Allow": methods},
            )
        return problem(status, _code(status), _sentence(detail), headers)

    async def of_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        if any(one["loc"] == ("body",) and one["input"] for one in error.errors()) and not _is_json(request):
            given = request.headers.get("content-type")
            named = quote(given) if given else "left out"
            return problem_of(UnsupportedMediaType(f"Content-Type must be application/json, not {named}", {}))
        wrong = [{"where": _where(one["loc"]), "message": one["msg"]} for one in error.errors()[: limits.FAULTS]]
        first = wrong[0]
        detail = f"the request is wrong at {first['where']}: {first['message']}" if first["where"] else first["message"]
        return problem(422, InvalidRequest.code, _sentence(detail), errors=wrong)

    described = app.openapi

    def openapi() -> dict[str, Any]:
        document = described()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.setdefault("Problem", Problem.model_json_schema())
        return document

    app.openapi = openapi  # type: ignore[method-assign]
    app.add_exception_handler(SfuError, of_ours)
    app.add_exception_handler(HTTPException, of_framework)
    app.add_exception_handler(ClientDisconnect, of_gone)
    app.add_exception_handler(RequestValidationError, of_validation)


def failed() -> JSONResponse:
    """Returns the problem document of an unexpected exception."""
    return problem(500, SfuError.code, "An internal error occurred; the server logged it.")


def nothing_here() -> JSONResponse:
    """Returns the problem document for an unknown path."""
    return problem(404, NotFound.code, "There is nothing at this path.")


def too_large(limit: int) -> HTTPException:
    """Returns the exception for a body over the limit: while a body is read, the framework passes on only its own
    exceptions."""
    return HTTPException(STATUS[TooLarge], f"the body has more than {limit} octets")


def _is_json(request: Request) -> bool:
    kind, _, form = request.headers.get("content-type", "").partition(";")[0].strip().lower().partition("/")
    return kind == "application" and (form == "json" or form.endswith("+json"))


def _methods(request: Request) -> list[str]:
    """Returns the methods of all routes of this path. The framework lists only those of the first route."""
    routes: list[BaseRoute] = []
    for route in request.app.routes:
        included = getattr(route, "original_router", None)
        routes += included.routes if included is not None else [route]
    matching = (route for route in routes if route.matches(request.scope)[0] is not Match.NONE)
    return sorted({method for route in matching for method in getattr(route, "methods", None) or ()})


def _where(location: tuple[int | str, ...]) -> str:
    parts = [part for part in location if not (isinstance(part, int) and len(location) == 2)]
    return ".".join(quote(part)[1:-1] if isinstance(part, str) else str(part) for part in parts)


def _code(status: int) -> str:
    for kind, known in STATUS.items():
        if known == status:
            return kind.code
    return http.HTTPStatus(status).phrase.lower().replace(" ", "_")


def _sentence(text: str) -> str:
    if not text.startswith("a="):  # Names of SDP attributes keep their case.
        text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", "!")) else text + "."
