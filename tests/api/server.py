"""Runs the service in the test's event loop: a real uvicorn on a free port, an HTTP client, WebSockets, and tokens."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import httpx
import websockets
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect

from api import auth, descriptors
from api.app import create_app
from api.health import Health, create_internal_app
from api.listener import bind, listening
from api.settings import Mode, read
from sfu.model import Grant, Permissions
from sfu.service import Sfu

from ..sfu.scene import sdp
from . import schema
from .plane import CountingPlane

KEY = "key"
SECRET = "a secret of thirty-two bytes or more"
ROOM = "/v1/rooms/room"
ORIGIN = {"Origin": "http://page.example"}
OTHER_SECRET = "another secret that is long enough to sign"


@asynccontextmanager
async def serving(real_plane: bool = False, dev: bool = False, **settings: object) -> AsyncIterator["Server"]:
    environ = {"SFU_KEYS": f"{KEY}: {SECRET}", "SFU_UDP_PORT": "0", "SFU_WORKERS": "1"}
    environ |= {f"SFU_{name.upper()}": str(value) for name, value in settings.items()}
    made, _ = read(environ, {}, Mode(dev=dev))
    plane = None if real_plane else CountingPlane(made.workers)
    app = create_app(made, plane=plane)
    health = Health()
    inside = httpx.ASGITransport(create_internal_app(health))
    sockets = bind(made.host, 0)
    port = sockets[0].getsockname()[1]
    connections = descriptors.connections(made)
    async with (
        app.router.lifespan_context(app),
        listening(app, sockets, connections=connections, proxies=made.trusted_proxies),
    ):
        health.sfu, health.webhooks = app.state.sfu, app.state.webhooks
        async with (
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http,
            httpx.AsyncClient(base_url="http://internal", transport=inside) as internal,
        ):
            yield Server(app, app.state.sfu, plane, http, port, internal)
        app.state.sfu.close()


class Server:
    def __init__(
        self,
        app: FastAPI,
        sfu: Sfu,
        plane: CountingPlane | None,
        http: httpx.AsyncClient,
        port: int,
        internal: httpx.AsyncClient,
    ) -> None:
        self.app = app
        self.sfu = sfu
        self.plane = plane
        self.http = http
        self.port = port
        self.internal = internal

    async def call(self, method: str, path: str, body: Any = None, *, as_: str | None = None) -> httpx.Response:
        """Sends a request as an administrator, or with the given token."""
        bearer = {"Authorization": f"Bearer {as_ or admin()}"}
        return await self.http.request(method, path, json=body, headers=bearer)

    def rtc(self, room: str = "room", query: str = "", **arguments: Any) -> connect:
        """A connection that always reads, as browsers do. The library's default stops at 16 messages that the test has
        not read, and then waits 10 s in vain for the end when it closes."""
        url = f"ws://127.0.0.1:{self.port}/v1/rooms/{room}/rtc{query}"
        return connect(url, **{"max_queue": None, **arguments})

    @asynccontextmanager
    async def client(
        self, identity: str, room: str = "room", *, jwt: str = "", **grant: Any
    ) -> AsyncIterator["Client"]:
        """Returns a client that has joined, with the token `jwt` or one of this grant."""
        bearer = {"Authorization": f"Bearer {jwt or token(identity, room=room, **grant)}"}
        async with joined(self.rtc(room, additional_headers=bearer)) as client:
            yield client


class Client:
    """One WebSocket, from the client's side."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.joined: dict[str, Any] = {}
        self.seq = 0

    @property
    def sid(self) -> str:
        return str(self.joined["you"]["sid"])

    async def say(self, type: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": type, **fields}))

    async def hear(self, *types: str) -> dict[str, Any]:
        """Returns the next message of these types and skips others. Each must be valid by `/v1/protocol.json`."""
        while True:
            message: dict[str, Any] = json.loads(await self.socket.recv())
            self.seq = message["seq"]
            schema.check(message)
            if message["type"] in types:
                return message

    async def ask(self, type: str, **fields: Any) -> dict[str, Any]:
        await self.say(type, id=77, **fields)
        while True:
            answer = await self.hear("ok", "published", "answer", "error")
            if answer["id"] == 77:
                return answer

    async def offer(self, *sections: str) -> dict[str, Any]:
        parts = [section.partition(" ") for section in sections]
        return await self.ask("offer", sdp=sdp((kind, direction) for kind, _, direction in parts))

    async def closed(self) -> tuple[int, str]:
        """Reads to the end. Returns the close code and reason."""
        try:
            while True:
                await self.socket.recv()
        except websockets.ConnectionClosed as closed:
            assert closed.rcvd is not None, "the connection ended without a close frame"
            return closed.rcvd.code, closed.rcvd.reason

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.socket.close()


@asynccontextmanager
async def joined(connection: connect) -> AsyncIterator[Client]:
    """A client that has joined over this connection. Its socket is closed in any case: also if the test is cancelled
    while it waits for the end of the connection."""
    async with connection as socket:
        try:
            client = Client(socket)
            await client.say("join")
            client.joined = await client.hear("joined")
            yield client
            await socket.close()
        finally:
            socket.transport.abort()


def grant(identity: str = "ada", *, room: str = "room", **fields: Any) -> Grant:
    permissions = {name: fields.pop(name) for name in list(fields) if name in Permissions.__dataclass_fields__}
    given = {"room_join": True, "key": KEY, **fields}
    return Grant(identity=identity, room=room, permissions=Permissions(**permissions), **given)


def token(
    identity: str = "ada", *, secret: str = SECRET, ttl: float = 3600, now: float | None = None, **fields: Any
) -> str:
    return auth.sign(grant(identity, **fields), secret, ttl=ttl, now=time.time() if now is None else now)


def admin(room: str = "") -> str:
    return token("admin", room=room, room_join=False, room_admin=True, room_create=True, room_list=True)


def bearer() -> dict[str, str]:
    """The headers of an administrator."""
    return {"Authorization": f"Bearer {admin()}"}


def is_problem(reply: httpx.Response, status: int, sentence: str = "") -> bool:
    """Checks a refusal (RFC 9457)."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    body = reply.json()
    assert body["status"] == status and body["title"] and body["code"]
    assert body["detail"][0].isupper() and body["detail"][-1] in ".?!"
    assert sentence in body["detail"], body["detail"]
    return True
