"""The listener itself: pings, slow readers, the page, the access log, addresses."""

import asyncio
import base64
import json
import os
import socket

import pytest
from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import connect

from api import listener, logs
from api.middleware import loggable

from ..live import rooms_of
from .conftest import Start
from .server import Client, Server, token


class RawSocket:
    """A WebSocket client that answers no ping and reads only when told: what a browser never is."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def open(self) -> None:
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", self._port))
        self.reader, self.writer = await asyncio.open_connection(sock=raw, limit=4096)
        key = base64.b64encode(os.urandom(16)).decode()
        self.writer.write(
            f"GET /v1/rtc HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nAuthorization: Bearer {token()}\r\n\r\n".encode()
        )
        assert b"101" in await self.reader.readline()
        join = json.dumps({"type": "join"}).encode()
        self.writer.write(bytes([0x81, 0x80 | len(join), 0, 0, 0, 0]) + join)


async def test_no_websocket_is_compressed_though_its_client_offers_it(server: Server) -> None:
    """Browsers offer it. It costs more than all the rest of a message."""
    url = f"ws://127.0.0.1:{server.port}/v1/rtc"
    async with connect(url, additional_headers={"Authorization": f"Bearer {token()}"}, compression="deflate") as socket:
        assert socket.request is not None and "permessage-deflate" in socket.request.headers["Sec-WebSocket-Extensions"]
        assert socket.response is not None and "Sec-WebSocket-Extensions" not in socket.response.headers


async def until(what: object, seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not what():  # type: ignore[operator]  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_silence_drops_a_websocket_and_its_participant_may_resume(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "PING_INTERVAL", 0.1)
    monkeypatch.setattr(listener, "PING_TIMEOUT", 0.2)
    server = await start()
    raw = RawSocket(server.port)
    await raw.open()
    await until(lambda: "room" in rooms_of(server.sfu))
    ada = rooms_of(server.sfu)["room"].members.find("ada")
    assert ada.signal_gone is None
    await until(lambda: ada.signal_gone is not None)
    assert rooms_of(server.sfu)["room"].participants == {"ada": ada}
    raw.writer.close()


async def test_a_client_that_answers_pings_is_kept(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "PING_INTERVAL", 0.05)
    monkeypatch.setattr(listener, "PING_TIMEOUT", 0.5)
    server = await start()
    async with server.client("ada") as ada:
        await asyncio.sleep(0.5)
        assert (await ada.ask("subscribe", tracks=[], on=True))["type"] == "ok"


async def test_a_reader_that_is_too_slow_is_let_go_and_the_others_are_not(server: Server) -> None:
    raw = RawSocket(server.port)
    await raw.open()
    await until(lambda: "room" in rooms_of(server.sfu))
    room = rooms_of(server.sfu)["room"]
    ada = room.members.find("ada")
    async with server.client("bob") as bob:
        for number in range(600):
            room.update(metadata=f"{number}" + "m" * 30_000)
            await bob.hear("room")
        await until(lambda: ada.signal_gone is not None)
        assert (await bob.ask("subscribe", tracks=[], on=True))["type"] == "ok"
    raw.writer.transport.abort()


async def test_the_page_and_its_modules_are_served(server: Server) -> None:
    page = await server.http.get("/")
    assert page.status_code == 200 and page.headers["Content-Type"].startswith("text/html")
    module = await server.http.get("/client.js")
    assert module.status_code == 200 and "javascript" in module.headers["Content-Type"]
    assert module.headers["Cache-Control"] == "no-cache"
    again = await server.http.get("/client.js", headers={"If-None-Match": module.headers["ETag"]})
    assert again.status_code == 304
    for path in ("/../app.py", "/%2e%2e/app.py", "/client"):
        assert (await server.http.get(path)).status_code == 404


@pytest.mark.parametrize("path", ["/v1/rtc/none", "/nothing"])
async def test_a_websocket_at_no_address_is_refused(server: Server, path: str) -> None:
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidStatus

    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"ws://127.0.0.1:{server.port}{path}"):
            pass
    assert refused.value.response.status_code in (403, 404)


def test_the_log_has_no_session_ids_and_no_line_breaks() -> None:
    assert loggable("/v1/rooms/a/whip/Secret_Id") == "/v1/rooms/a/whip/…"
    assert loggable("/v1/whep/Secret_Id") == "/v1/whep/…"
    assert loggable("/v1/rooms/line\nbreak") == "/v1/rooms/line%0Abreak"


def test_a_token_in_a_line_of_somebody_else_is_blotted_out() -> None:
    import logging

    jwt = token()
    record = logging.LogRecord("x", logging.ERROR, "", 0, "GET /?access_token=a.b.c failed for %s", (jwt,), None)
    line = logs.Redacting("%(message)s").format(record)
    assert line == "GET /?access_token=<token> failed for <token>"
    begun = logging.LogRecord("x", logging.INFO, "", 0, "GET %s…", ("/v1/rooms/" + jwt[: jwt.rindex(".") - 3],), None)
    assert logs.Redacting("%(message)s").format(begun) == "GET /v1/rooms/<token>…"


def test_two_addresses_share_a_port() -> None:
    sockets = listener.bind(["127.0.0.1", "::1"], 0)
    assert len({bound.getsockname()[1] for bound in sockets}) == 1
    for bound in sockets:
        bound.close()


async def test_a_taken_port_names_itself() -> None:
    (bound,) = listener.bind(["127.0.0.1"], 0)
    with bound:
        bound.listen()
        with pytest.raises(OSError, match=f"127.0.0.1:{bound.getsockname()[1]}"):
            listener.bind(["127.0.0.1"], bound.getsockname()[1])


async def test_a_join_over_ipv6(start: Start) -> None:
    server = await start(host="::1")
    from websockets.asyncio.client import connect

    async with connect(f"ws://[::1]:{server.port}/v1/rtc?access_token={token()}") as socket6:
        client = Client(socket6)
        await client.say("join")
        await client.hear("joined")


async def test_a_listener_that_is_told_to_end_does_not_wait_for_its_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "TICK", 3600.0)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("nobody asks")

    async with asyncio.timeout(30), listener.listening(app, listener.bind(["127.0.0.1"], 0)):
        pass
