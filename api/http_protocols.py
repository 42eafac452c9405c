"""HTTP and WebSocket on one connection: uvicorn's protocols, with limits that apply before authentication.

A request has its headers within `limits.HEADER_OCTETS` and `HEADER_SECONDS`, its body within `BODY_SECONDS`, and a
WebSocket its first message within `FIRST_MESSAGE_OCTETS` (`api/signaling.py` has the seconds).
"""

import asyncio
import http
import json
import time
from typing import Any

import websockets.http11
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.protocol import OPEN

from api.connections import Connection, Connections
from api.handshakes import Handshake
from sfu import limits
from sfu.bucket import Bucket

# The library reads this constant when it parses, and has no argument for it.
websockets.http11.MAX_LINE_LENGTH = limits.REQUEST_LINE_OCTETS

TOO_LONG = "The headers are too long."
CONNECTION = "sfu.connection"
"""The key of a scope's `Connection`."""


class HttpProtocol(HttpToolsProtocol):
    """HTTP with limits. `connections_of_listener` belongs to the listener."""

    connections_of_listener: Connections
    handshake: Handshake | None = None
    """The TLS handshake that represented this connection until now."""
    _connection: Connection | None = None
    _timer: asyncio.TimerHandle | None = None
    _is_head = True
    _is_body = False
    _octets = 0
    """Octets of this request so far, including framing."""
    _header_octets = 0
    _refusal: http.HTTPStatus | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        connections = self.connections_of_listener
        if self.handshake is not None:
            connections.replace(self.handshake, transport)
        self._connection = connections.of(transport) or connections.admit(transport)
        if self._connection is None:
            self.refuse(http.HTTPStatus.SERVICE_UNAVAILABLE, "There are too many connections: try again in a while.")
            return
        self._wait(limits.HEADER_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self.connections_of_listener.forget(self.transport)
        super().connection_lost(exc)

    @property
    def is_receiving(self) -> bool:
        """Returns whether a request has started and is incomplete."""
        return self._is_body or (self._is_head and self._octets > 0)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._octets += len(data)
        was_head = self._is_head
        super().data_received(data)
        if self.transport.is_closing() or self.parser is None:
            return
        if self._is_head and was_head and self._octets > limits.HEADER_OCTETS:
            self._too_many_headers()
        elif self._octets > limits.REQUEST_OCTETS and self.is_receiving:
            self.transport.abort()

    def handle_websocket_upgrade(self) -> None:
        self._stop_waiting()
        super().handle_websocket_upgrade()
        self.parser = None  # type: ignore[assignment]  # A cycle: only the collector would free this protocol.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_head, self._header_octets = True, 0
        self.scope[CONNECTION] = self._connection  # type: ignore[literal-required]
        if self._timer is None:
            self._wait(limits.HEADER_SECONDS)

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_head, self._is_body = False, True
        self._stop_waiting()
        if self._connection is not None:
            self._connection.is_busy = True
        self._wait(limits.BODY_SECONDS)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_body, self._octets = False, 0
        self._stop_waiting()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        if self._connection is not None:
            self._connection.is_busy = False
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        status = self._refusal or http.HTTPStatus.BAD_REQUEST
        self.refuse(status, msg if self._refusal is None else TOO_LONG)

    def refuse(self, status: http.HTTPStatus, detail: str) -> None:
        """Answers without the application and closes the connection."""
        self._stop_waiting()
        problem = {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail}
        body = json.dumps(problem).encode()
        head = (
            f"HTTP/1.1 {int(status)} {status.phrase}\r\nContent-Type: application/problem+json\r\n"
            f"Content-Length: {len(body)}\r\nAccess-Control-Allow-Origin: *\r\nConnection: close\r\n"
        )
        if status in (http.HTTPStatus.SERVICE_UNAVAILABLE, http.HTTPStatus.TOO_MANY_REQUESTS):
            head += "Retry-After: 5\r\n"
        self.transport.write(head.encode() + b"\r\n" + body)
        self.transport.close()

    def _count(self, octets: int) -> None:
        self._header_octets += octets
        if self._header_octets > limits.HEADER_OCTETS:
            self._refusal = http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise ValueError("the headers are too long")  # Ends the parser, which calls send_400_response.

    def _too_many_headers(self) -> None:
        self.refuse(http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, TOO_LONG)

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(seconds, self._give_up)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if self.transport.is_closing():
            return
        if self._is_head and self._octets > 0:
            self.refuse(http.HTTPStatus.REQUEST_TIMEOUT, "The headers did not arrive in time.")
        else:
            # There is no request yet, or the application waits for a body and has not replied.
            self.transport.abort()


class Turn:
    """The present turn of the event loop. The first frame to a connection leaves at once, and further frames of the
    same turn leave together at its end, because each write to a socket costs as much as all else of a message."""

    def __init__(self) -> None:
        self.number = 0
        self._is_running = False
        self._holding: list[WebSocketProtocol] = []

    def begin(self) -> None:
        if not self._is_running:
            self._is_running = True
            asyncio.get_running_loop().call_soon(self._end)

    def hold(self, protocol: "WebSocketProtocol") -> None:
        """Registers a connection with frames that leave at the end of the turn."""
        self._holding.append(protocol)

    def _end(self) -> None:
        self.number += 1
        self._is_running = False
        holding, self._holding = self._holding, []
        for protocol in holding:
            protocol.release()


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Drops a silent peer immediately: an orderly close would wait until the peer has read all queued data. It also
    does not log refusals: uvicorn logs an error for every handshake that is not answered by a WebSocket."""

    connections_of_listener: Connections
    turn: Turn
    _connection: Connection | None = None
    _written_in = -1
    """The turn of the last frame of `write_text`."""
    _held: list[bytes]
    """Frames that leave at the end of the turn."""
    _held_octets = 0
    _is_paused = False
    """The client does not read what was sent before."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._connection = self.connections_of_listener.of(transport)
        if self._connection is not None:
            self._connection.is_busy = False
        self._held = []
        self._controls = Bucket(limits.CONTROL_FRAMES_PER_SECOND, limits.CONTROL_FRAME_BURST, time.monotonic())
        self.conn.max_message_size = limits.FIRST_MESSAGE_OCTETS

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections_of_listener.forget(self.transport)
        super().connection_lost(exc)
        # Both are cycles: only the collector would free this protocol, in a long pause (api/collector.py).
        self.conn.parser.close()
        if hasattr(self, "scope"):
            self.scope.pop(CONNECTION, None)  # type: ignore[misc]

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        if hasattr(self, "scope"):
            self.scope[CONNECTION] = self  # type: ignore[literal-required]

    def know(self) -> None:
        """Marks the client as authenticated. Its messages may be longer from now on."""
        self.conn.max_message_size = limits.MESSAGE_OCTETS
        if self._connection is not None:
            self._connection.know()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._is_paused = True

    def resume_writing(self) -> None:
        super().resume_writing()
        self._is_paused = False

    def write_text(self, data: bytes) -> bool:
        """Sends a text frame at once, after the handshake. False: the client does not read what was sent before, or the
        connection ends."""
        # Whatever ends the state OPEN of `conn` also does one of these. Reading the state takes as long as all of them.
        if self._is_paused or self.close_sent or self.transport.is_closing():
            return False
        # The library takes three times as long to make the same frame, for each of hundreds of receivers.
        frame = text_frame(data)
        if self._written_in != self.turn.number:
            self._written_in = self.turn.number
            self.turn.begin()
            self.transport.write(frame)
            return True
        if not self._held:
            self.turn.hold(self)
        self._held.append(frame)
        self._held_octets += len(frame)
        if self._held_octets > limits.TURN_OCTETS:
            self.release()
        return True

    def release(self) -> None:
        """Sends the frames that wait for the end of the turn, unless the connection ends."""
        held, self._held, self._held_octets = self._held, [], 0
        if held and self.conn.state is OPEN and not self.close_sent and not self.transport.is_closing():
            self.transport.write(b"".join(held))

    def shutdown(self) -> None:
        self.release()
        super().shutdown()

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= limits.FRAGMENTS:
            self._fail(1009, "a message has too many fragments")
            return
        super().handle_cont(event)

    def handle_ping(self) -> None:
        if not self._controls.take(time.monotonic()):
            self._fail(1008, "too many pings")
        elif self.writable.is_set():
            super().handle_ping()
        else:
            # The client does not read its pongs. RFC 6455 s5.5.3 allows the last pong to answer all pings.
            self.conn.data_to_send()

    def keepalive_timeout(self) -> None:
        if self.read_paused and self.writable.is_set():
            # Its pong is queued behind requests that we read slowly, but it still accepts our data.
            self.pong_timer = self.pending_ping_payload = None
            self.schedule_ping()
            return
        super().keepalive_timeout()
        self.transport.abort()

    async def send(self, message: ASGISendEvent) -> None:
        self.release()
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            self.handshake_complete = True

    def _fail(self, code: int, reason: str) -> None:
        self.conn.fail(code, reason)
        self.handle_parser_exception()


def text_frame(data: bytes) -> bytes:
    """Returns a whole message as one frame, unmasked and uncompressed (RFC 6455 s5.2)."""
    size = len(data)
    if size < 126:
        return b"\x81%c%b" % (size, data)
    if size < 1 << 16:
        return b"\x81\x7e%b%b" % (size.to_bytes(2), data)
    return b"\x81\x7f%b%b" % (size.to_bytes(8), data)


def protocols(connections: Connections) -> tuple[type[HttpProtocol], type[WebSocketProtocol]]:
    """Returns the protocol classes of one listener."""
    given = {"connections_of_listener": connections, "turn": Turn()}
    return type("HttpOfListener", (HttpProtocol,), given), type("WebSocketOfListener", (WebSocketProtocol,), given)
