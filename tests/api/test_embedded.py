"""The application inside another one: not opened, failed, and what its host learns of that."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from api.app import create_app
from api.listener import bind, listening
from api.settings import read
from sfu.plane import _native
from sfu.signalling.requests import SignallingSession

from .plane import CountingPlane
from .server import KEY, SECRET, Server, admin, sdp, token

SETTINGS, _ = read({"SFU_KEYS": f"{KEY}: {SECRET}"})
OFFER = sdp([("video", "sendonly")])


@asynccontextmanager
async def mounted(app: FastAPI, *, is_opened: bool = True) -> AsyncIterator[httpx.AsyncClient]:
    """A host that has `app` at /media."""
    host = FastAPI()
    host.mount("/media", app)
    transport = httpx.ASGITransport(host, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://host/media") as http:
        http.headers["Authorization"] = f"Bearer {admin()}"
        if not is_opened:
            yield http
            return
        async with app.router.lifespan_context(app):
            yield http


async def requests(http: httpx.AsyncClient) -> list[httpx.Response]:
    """One of each door."""
    bearer = {"Authorization": f"Bearer {token('ada')}", "Content-Type": "application/sdp"}
    return [
        await http.get("/v1/rooms"),
        await http.post("/v1/rooms", json={"name": "lobby"}),
        await http.get("/v1/rooms/lobby/participants"),
        await http.get("/v1/rooms/lobby/participants/ada/explain"),
        await http.post("/v1/whip", content=OFFER, headers=bearer),
        await http.post("/v1/whep", content=OFFER, headers=bearer),
        await http.delete("/v1/whip/session"),
    ]


async def test_an_application_that_nobody_opened_answers_503_and_says_who_should_have() -> None:
    async with mounted(create_app(SETTINGS, plane=CountingPlane()), is_opened=False) as http:
        for answer in await requests(http):
            assert answer.status_code == 503, answer.text
            assert answer.json()["code"] == "unavailable"
            assert "lifespan" in answer.json()["detail"]


async def test_after_a_workers_failure_every_door_answers_503_and_the_host_was_told() -> None:
    plane, told = CountingPlane(), []  # type: tuple[CountingPlane, list[str]]
    app = create_app(SETTINGS, plane=plane, on_failure=told.append)
    async with mounted(app) as http:
        assert (await http.get("/v1/rooms")).status_code == 200
        plane.say(_native.WorkerFailed(worker=0, reason="boom"))
        assert await app.state.sfu.wait_failed() == "worker 0 failed: boom"
        assert told == ["worker 0 failed: boom"]
        for answer in await requests(http):
            assert answer.status_code == 503, answer.text
            assert "worker 0 failed: boom" in answer.json()["detail"]
            assert answer.headers["Retry-After"]


@pytest.mark.parametrize("is_opened", [False, True])
async def test_a_websocket_is_refused_with_503_too(is_opened: bool) -> None:
    plane = CountingPlane()
    app = create_app(SETTINGS, plane=plane)
    sockets = bind(["127.0.0.1"], 0)
    url = f"ws://127.0.0.1:{sockets[0].getsockname()[1]}/v1/rtc?access_token={token('ada')}"
    async with mounted(app, is_opened=is_opened), listening(app, sockets):
        if is_opened:
            plane.say(_native.WorkerFailed(worker=0, reason="boom"))
            await app.state.sfu.wait_failed()
        with pytest.raises(InvalidStatus) as refused:
            await connect(url)
        assert refused.value.response.status_code == 503
        assert b"unavailable" in (refused.value.response.body or b"")


async def test_errors_that_were_contained_are_a_metric(server: Server) -> None:
    assert "sfu_errors_total{" not in (await server.internal.get("/metrics")).text
    server.sfu.failures.note("turn", RuntimeError("a bug"))
    assert 'sfu_errors_total{where="turn"} 1.0' in (await server.internal.get("/metrics")).text


async def test_a_connection_that_fails_here_is_closed_with_1011_and_resumed(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> Any:
        raise RuntimeError("a bug")

    async with server.client("ada") as ada:
        with monkeypatch.context() as patched:
            patched.setattr(SignallingSession, "handle", broken)
            await ada.say("subscribe", id=1, tracks=[], on=True)
            assert await ada.closed() == (1011, "an internal error occurred; the server logged it")
        assert server.sfu.failures.counts["websocket"] == 1
        async with server.rtc(query="?resume=1") as socket:
            again = type(ada)(socket)
            resume = {"sid": ada.sid, "secret": ada.joined["resume_secret"], "seq": ada.seq}
            await again.say("join", resume=resume)
            assert (await again.hear("resumed", "left"))["type"] == "resumed"
