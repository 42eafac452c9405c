"""The internal listener: liveness, readiness, metrics, counters, captures, webhooks, and the start of a drain."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Annotated

from fastapi import FastAPI, Query, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from api import errors
from api.metrics import CONTENT_TYPE, Metrics
from api.pauses import Pauses
from api.webhooks import Webhooks
from sfu import limits
from sfu.commands import ADMINISTRATOR, Drain, ShowCounters
from sfu.errors import Unavailable
from sfu.history.deliveries import WebhookInfo
from sfu.lifecycle import State
from sfu.service import Sfu
from sfu.views import TransportCounters


class Health:
    """The state that the internal listener reports. The listener opens before the service and closes after it."""

    def __init__(self) -> None:
        self.sfu: Sfu | None = None
        self.webhooks: Webhooks | None = None
        self.pauses = Pauses()

    @property
    def state(self) -> str:
        """`starting`, the state of the service, or `failed`."""
        if self.sfu is None:
            return "starting"
        return "failed" if self.sfu.failure is not None else self.sfu.state.value


class Download(StreamingResponse):
    """A file whose source is closed when the file was sent or the client is gone, also before the first octet."""

    def __init__(self, pieces: AsyncIterator[bytes], source: AsyncExitStack) -> None:
        headers = {"Content-Disposition": 'attachment; filename="capture.pcapng"', "Cache-Control": "no-store"}
        super().__init__(pieces, media_type="application/x-pcapng", headers=headers)
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._source:
            await super().__call__(scope, receive, send)


class WebhookList(BaseModel):
    webhooks: list[WebhookInfo]


class Retried(BaseModel):
    events: int


class Tested(BaseModel):
    error: str
    """Empty: the receiver took the event."""


class DrainState(BaseModel):
    state: str
    rooms: int
    participants: int


def create_internal_app(health: Health) -> FastAPI:
    app = FastAPI(title="SFU, internal", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    errors.install(app)
    metrics = Metrics(lambda: health.sfu, health.pauses, lambda: health.webhooks)

    def drain_state() -> DrainState:
        if health.sfu is None:
            return DrainState(state=health.state, rooms=0, participants=0)
        census = health.sfu.census()
        return DrainState(state=health.state, rooms=census.rooms, participants=sum(census.participants.values()))

    @app.get("/live")
    async def live() -> JSONResponse:
        """The liveness probe fails only when a packet thread has ended; the process should then be restarted."""
        return JSONResponse({"state": health.state}, 503 if health.state == "failed" else 200)

    @app.get("/ready")
    async def ready() -> JSONResponse:
        """The readiness probe succeeds while new participants may be sent here."""
        return JSONResponse({"state": health.state}, 200 if health.state == State.RUNNING.value else 503)

    @app.get("/metrics")
    async def show_metrics() -> Response:
        return Response(metrics.render(), media_type=CONTENT_TYPE)

    @app.post("/drain", status_code=202)
    async def begin_drain(limit: Annotated[float | None, Query(ge=0, le=1e7)] = None) -> DrainState:
        """Starts a drain: nobody can join. The process ends when all have left, at the latest after `limit` seconds."""
        if health.sfu is None:
            raise Unavailable("the service is not open")
        await health.sfu.execute(Drain(ADMINISTRATOR, limit))
        return drain_state()

    @app.get("/counters")
    async def show_counters(room: str, identity: str) -> TransportCounters:
        """What the packet plane counted of a participant: datagrams, retransmissions, requests both ways, discards."""
        if health.sfu is None:
            raise Unavailable("the service is not open")
        return await health.sfu.execute(ShowCounters(ADMINISTRATOR, room, identity))

    @app.get("/capture")
    async def capture(
        room: str,
        identity: str,
        seconds: Annotated[float, Query(gt=0, le=limits.CAPTURE_SECONDS)] = 10.0,
        octets: Annotated[int, Query(gt=0, le=limits.CAPTURE_OCTETS)] = limits.CAPTURE_OCTETS,
    ) -> Response:
        """Captures the clear RTP and RTCP of a participant, both ways. The reply is a pcapng file, sent during the
        capture. SFU_CAPTURES must allow it. Closing the connection stops the capture."""
        if health.sfu is None:
            raise Unavailable("the service is not open")
        stack = AsyncExitStack()
        pieces = await stack.enter_async_context(health.sfu.capture(room, identity, seconds=seconds, octets=octets))
        return Download(pieces, stack)

    def webhooks() -> Webhooks:
        if health.webhooks is None:
            raise Unavailable("the service is not open")
        return health.webhooks

    @app.get("/webhooks")
    async def list_webhooks() -> WebhookList:
        """The webhooks, with the numbers of events that wait and that were given up."""
        return WebhookList(webhooks=await webhooks().list())

    @app.post("/webhooks/{name}/retry")
    async def retry_webhook(name: str) -> Retried:
        """Sends what waits, and what was given up, at once."""
        return Retried(events=await webhooks().retry(name))

    @app.post("/webhooks/{name}/test")
    async def test_webhook(name: str) -> Tested:
        """Sends an event of the type `test`."""
        return Tested(error=await webhooks().test(name))

    @app.get("/drain")
    async def show_drain() -> DrainState:
        return drain_state()

    return app
