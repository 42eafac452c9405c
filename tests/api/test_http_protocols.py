"""Frames of messages over WebSockets: how they are made, and when they leave."""

import asyncio
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState
from websockets.frames import Opcode
from websockets.protocol import CLIENT, Protocol

from api.connections import Connections
from api.http_protocols import WebSocketProtocol, protocols, text_frame
from sfu import limits

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Transport:
    """Keeps each write."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def get_extra_info(self, _name: str) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


async def _connected() -> tuple[WebSocketProtocol, Transport]:
    """An open WebSocket, whose application waits."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await asyncio.Event().wait()

    config = Config(app=app, lifespan="off", ws="websockets-sansio")
    config.load()
    kind = protocols(Connections(16, 16))[1]
    protocol, transport = kind(config, ServerState(), {}), Transport()
    protocol.connection_made(transport)  # type: ignore[arg-type]
    protocol.data_received(HANDSHAKE)
    await asyncio.sleep(0)
    assert transport.writes.pop().startswith(b"HTTP/1.1 101")
    return protocol, transport


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 200_000])
def test_a_frame_is_read_as_the_message_it_was_made_of(size: int) -> None:
    client = Protocol(CLIENT, max_size=None)
    client.receive_data(text_frame(b"a" * size))
    (frame,) = client.events_received()
    assert (frame.opcode, frame.fin, bytes(frame.data)) == (Opcode.TEXT, True, b"a" * size)


async def test_the_first_message_of_a_turn_leaves_at_once_and_the_others_in_one_write() -> None:
    protocol, transport = await _connected()
    for text in (b"one", b"two", b"three"):
        assert protocol.write_text(text)
    assert transport.writes == [text_frame(b"one")]
    await asyncio.sleep(0)
    assert transport.writes[1:] == [text_frame(b"two") + text_frame(b"three")]
    assert protocol.write_text(b"four")
    assert transport.writes[2:] == [text_frame(b"four")]


async def test_each_connection_has_a_first_message() -> None:
    (ada, to_ada), (ben, to_ben) = await _connected(), await _connected()
    assert ada.write_text(b"one") and ben.write_text(b"one")
    assert to_ada.writes == to_ben.writes == [text_frame(b"one")]


async def test_messages_that_wait_for_the_end_of_the_turn_are_bounded() -> None:
    protocol, transport = await _connected()
    large = b"a" * (limits.TURN_OCTETS // 2)
    for _ in range(4):
        protocol.write_text(large)
    assert transport.writes == [text_frame(large), text_frame(large) * 2]
    await asyncio.sleep(0)
    assert transport.writes[2:] == [text_frame(large)]


async def test_messages_that_wait_leave_before_the_close_frame() -> None:
    protocol, transport = await _connected()
    for text in (b"one", b"two"):
        protocol.write_text(text)
    await protocol.send({"type": "websocket.close", "code": 1000, "reason": ""})
    assert transport.writes[1] == text_frame(b"two")
    assert transport.writes[2][:1] == b"\x88"
    assert not protocol.write_text(b"three")


async def test_messages_that_wait_leave_before_a_shutdown() -> None:
    protocol, transport = await _connected()
    for text in (b"one", b"two"):
        protocol.write_text(text)
    protocol.shutdown()
    assert transport.writes[1] == text_frame(b"two")
    assert transport.writes[2][:1] == b"\x88"


async def test_nothing_is_written_after_the_peer_closed() -> None:
    protocol, transport = await _connected()
    for text in (b"one", b"two"):
        protocol.write_text(text)
    protocol.data_received(b"\x88\x80\x00\x00\x00\x00")
    closing = list(transport.writes)
    await asyncio.sleep(0)
    assert transport.writes == closing
