"""Middleware of every request: names with a slash, a limit on the body, CORS, and one log line without tokens."""

import logging
import time
from urllib.parse import quote, unquote

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.dependencies import SLASH
from api.errors import TooLarge, failed, problem_of, too_large
from sfu import quoting
from sfu.errors import InvalidRequest

log = logging.getLogger("api.access")


class SlashesInNames:
    """Restores `%2F` in names of rooms and identities, which the HTTP server decodes too early."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = scope.get("raw_path") or b""
        if b"%2f" in raw.lower():
            segments = raw.decode("ascii", "replace").split("/")
            # A path that an outer application rewrote is left as it is.
            if "/".join(map(unquote, segments)) == scope["path"]:
                scope = {**scope, "path": "/".join(unquote(segment).replace("/", SLASH) for segment in segments)}
        await self._app(scope, receive, send)


class BodyLimit:
    """Refuses bodies of more than `limit` octets: at once if the length is announced, otherwise when it is exceeded."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if announced.isdigit() and int(announced) > self._limit:
            await problem_of(TooLarge(f"the body has more than {self._limit} octets"))(scope, receive, send)
            return
        received = 0

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise too_large(self._limit)
            return message

        await self._app(scope, bounded, send)


class Failed:
    """Turns an unexpected exception into a problem document. It is logged once, and inside of CORS, so pages can read
    it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def noted(message: Message) -> None:
            nonlocal has_begun
            has_begun = has_begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except ClientDisconnect:
            log.debug(
                "%s %s: the client disconnected before its body arrived", scope["method"], loggable(scope["path"])
            )
        except Exception as error:
            log.error("%s %s failed", scope["method"], loggable(scope["path"]), exc_info=error)
            if not has_begun:
                await failed()(scope, receive, send)


class Cors(CORSMiddleware):
    """CORS. A preflight allows whatever a fetch may send. Refusals are problem documents."""

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        method = request_headers["access-control-request-method"]
        allowed = ", ".join(self.allow_methods)
        sentence = f"the method {quoting.quote(method)} is not supported: use {allowed}"
        headers = {name: value for name, value in response.headers.items() if name.startswith(("access-", "vary"))}
        refused = problem_of(InvalidRequest(sentence))
        refused.headers.update(headers)
        return refused


class AccessLog:
    """Logs method, path, status and milliseconds. The query is omitted because it may contain a token. The id of a WHIP
    or WHEP session is omitted because it is enough to end the session."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or not log.isEnabledFor(logging.INFO):
            await self._app(scope, receive, send)
            return
        begun = time.monotonic()
        outcome: object = "-"

        async def noted(message: Message) -> None:
            nonlocal outcome
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                outcome = message["status"]
            elif message["type"] == "websocket.close":
                outcome = message.get("code", 1000)
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            method = scope.get("method", "WEBSOCKET")
            log.info("%s %s %s %.1fms", method, loggable(scope["path"]), outcome, (time.monotonic() - begun) * 1000)


def loggable(path: str) -> str:
    shown, door, _ = next((path.partition(door) for door in ("/whip/", "/whep/") if door in path), (path, "", ""))
    return quote(shown + door, safe="/:@")[:200] + ("…" if door else "")
