"""The public application: routes, page, middleware. Its lifespan opens and closes the Sfu."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from api import asyncapi, dev, errors, events, explain, participants, rooms, signaling, tokens, tracks, whip
from api.middleware import AccessLog, BodyLimit, Cors, Failed, SlashesInNames
from api.settings import Settings
from api.webhooks import Webhooks
from sfu import limits
from sfu.plane.binding import PlaneApi
from sfu.service import Sfu

WEB = Path(__file__).parent / "web"
EXPOSED = (
    "Location",
    "ETag",
    "Link",
    "Accept-Patch",
    "Accept-Post",
    "Allow",
    "Access-Control-Allow-Methods",
    "Retry-After",
    whip.UNDECODABLE,
    whip.INACTIVE,
)
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def create_app(
    settings: Settings, *, plane: PlaneApi | None = None, on_failure: Callable[[str], None] | None = None
) -> FastAPI:
    """Creates the application. Its lifespan opens and closes the service. `plane` replaces the native plane in tests.

    `on_failure` is called once, with the reason, when a packet thread has ended. At that time all rooms are closed and
    every route answers 503. The caller decides whether the process ends.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with Sfu(settings.config(), plane=plane, on_failure=on_failure) as sfu:
            app.state.sfu = sfu
            app.state.webhooks = Webhooks(sfu.history, settings.config().webhooks, settings.keys)
            async with app.state.webhooks.delivering():
                yield

    app = FastAPI(
        title="SFU",
        version=settings.config().version,
        summary="Rooms, participants and tracks of a selective forwarding unit.",
        description="The WebSocket has a description of its own, in AsyncAPI: `GET /v1/protocol.json`.",
        lifespan=lifespan,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=errors.responses(422),
    )
    app.state.settings = settings
    errors.install(app)
    # Routes are matched in this order, and joins are the most frequent requests of a large room.
    for door in (signaling, rooms, tracks, participants, tokens, explain, whip, events, asyncapi):
        app.include_router(door.router)
    if settings.mode.dev:
        dev.install(app, settings)
    _serve_pages(app)

    # The last middleware added is the outermost.
    app.add_middleware(SlashesInNames)
    app.add_middleware(BodyLimit, limit=limits.BODY_OCTETS)
    app.add_middleware(Failed)
    app.add_middleware(
        Cors,
        allow_origins=["*"],
        allow_methods=METHODS,
        # Tracing and frameworks add their own headers. None of them grants a permission.
        allow_headers=["*"],
        expose_headers=EXPOSED,
        max_age=7200,
    )
    app.add_middleware(AccessLog)
    return app


class Pages(StaticFiles):
    """Static files that browsers revalidate at each visit (304 if unchanged), because modules of two versions do not
    fit together."""

    def file_response(self, *arguments: Any, **more: Any) -> Response:
        response = super().file_response(*arguments, **more)
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def _serve_pages(app: FastAPI) -> None:
    """Serves the page and its client if no route matches. A mount would also hide the 405 of routes that match in
    part."""
    pages, otherwise = Pages(directory=WEB, html=True) if WEB.is_dir() else None, app.router.default

    async def fallback(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            # The framework would close it without a reply, which is a 403, as if a token were missing.
            await WebSocket(scope, receive, send).send_denial_response(errors.nothing_here())
        elif pages is not None and scope["type"] == "http" and not scope["path"].startswith("/v1/"):
            await pages(scope, receive, send)
        else:
            await otherwise(scope, receive, send)

    app.router.default = fallback
