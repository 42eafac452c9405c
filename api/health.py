"""The internal listener: liveness, readiness, metrics, and the start of a drain."""

from typing import Annotated

from fastapi import FastAPI, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from api import errors
from api.metrics import CONTENT_TYPE, Metrics
from api.pauses import Pauses
from sfu.commands import ADMINISTRATOR, Drain
from sfu.errors import Unavailable
from sfu.lifecycle import State
from sfu.service import Sfu


class Health:
    """The state that the internal listener reports. The listener opens before the service and closes after it."""

    def __init__(self) -> None:
        self.sfu: Sfu | None = None
        self.pauses = Pauses()

    @property
    def state(self) -> str:
        """`starting`, the state of the service, or `failed`."""
        if self.sfu is None:
            return "starting"
        return "failed" if self.sfu.failure is not None else self.sfu.state.value


class DrainState(BaseModel):
    state: str
    rooms: int
    participants: int


def create_internal_app(health: Health) -> FastAPI:
    app = FastAPI(title="SFU, internal", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    errors.install(app)
    metrics = Metrics(lambda: health.sfu, health.pauses)

    def drain_state() -> DrainState:
        if health.sfu is None:
            return DrainState(state=health.state, rooms=0, participants=0)
        census = health.sfu.census()
        return DrainState(state=health.state, rooms=census.rooms, participants=sum(census.participants.values()))

    @app.get("/live")
    async def live() -> JSONResponse:
        """Whether the process should be left alone: false only when a packet thread is gone."""
        return JSONResponse({"state": health.state}, 503 if health.state == "failed" else 200)

    @app.get("/ready")
    async def ready() -> JSONResponse:
        """Whether new participants should be sent here."""
        return JSONResponse({"state": health.state}, 200 if health.state == State.RUNNING.value else 503)

    @app.get("/metrics")
    async def show_metrics() -> Response:
        return Response(metrics.render(), media_type=CONTENT_TYPE)

    @app.post("/drain", status_code=202)
    async def begin_drain(limit: Annotated[float | None, Query(ge=0, le=1e7)] = None) -> DrainState:
        """Nobody new; those inside are told, and have `limit` seconds. The process ends when they have gone."""
        if health.sfu is None:
            raise Unavailable("the service is not open")
        await health.sfu.execute(Drain(ADMINISTRATOR, limit))
        return drain_state()

    @app.get("/drain")
    async def show_drain() -> DrainState:
        return drain_state()

    return app
