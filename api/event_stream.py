"""The events of rooms as server-sent events (HTML Living Standard, section 9.2).

A client that reads too slowly is let go with the reason, so it never holds more than its connection. It continues with
`Last-Event-ID`.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api.http_protocols import CONNECTION, HttpProtocol
from sfu import limits
from sfu.history.following import Following
from sfu.room_events import EventPage

log = logging.getLogger(__name__)

MEDIA_TYPE = "text/event-stream"
RETRY = 1000
"""Milliseconds that a client waits before it connects again."""
PIECE = 100
"""Events that are encoded at once, which takes a millisecond."""
HEADERS = {"Cache-Control": "no-store", "Connection": "close", "X-Accel-Buffering": "no"}


class EventStream(StreamingResponse):
    """`source` is closed when the stream ends or the client is gone."""

    def __init__(self, following: Following, source: AsyncExitStack) -> None:
        super().__init__(encoded(following.pages()), media_type=MEDIA_TYPE, headers=HEADERS)
        self._following = following
        self._source = source
        self._scope: Scope = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        async with self._source:
            await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        last = end("server_shutdown")
        async for piece in self.body_iterator:
            try:
                async with asyncio.timeout(limits.EVENT_SEND_SECONDS):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            except TimeoutError:
                self._following.was_slow = True
                log.warning("let go of a client that reads events too slowly: room=%s", self._following.room)
                last = end("slow")
                release(self._scope)
                break
        await send({"type": "http.response.body", "body": last, "more_body": False})


async def encoded(pages: AsyncIterator[EventPage]) -> AsyncIterator[bytes]:
    yield format_sse_event(retry=RETRY)
    async for page in pages:
        if page.missed:
            yield format_sse_event(event="missed", data_str="{}")
        elif not page.kept:
            yield KEEPALIVE_COMMENT
        for begin in range(0, len(page.kept), PIECE):
            # The JSON is one line.
            piece = [f"data: {one.json}\nid: {one.id}\n\n" for one in page.kept[begin : begin + PIECE]]
            yield "".join(piece).encode("ascii")
            # Others have their turn before the next piece.
            await asyncio.sleep(0)


def end(reason: str) -> bytes:
    return format_sse_event(event="end", data_str=json.dumps({"reason": reason}))


def release(scope: Scope) -> None:
    """Lets the end of an answer follow what its client has not read yet. The connection is closed after it."""
    connection = scope.get(CONNECTION)
    protocol = connection.transport.get_protocol() if connection is not None else None
    if isinstance(protocol, HttpProtocol):
        protocol.flow.resume_writing()
