# Made from aio/client.py by scripts/make-sync-client.
"""The client: one method for each operation of REST, and iterators over pages."""

import ssl
from types import TracebackType
from typing import Any, Self

import httpx

from ..address import TokenSource, base_of, path, token_source
from ..errors import InvalidAnswer
from .connection import Connection
from .events import EventOperations
from .participants import ParticipantOperations
from .rooms import RoomOperations
from .tokens import TokenOperations
from .whip import MediaOperations

TIMEOUT = 10.0
"""Seconds for each request, by default."""


class Client(RoomOperations, ParticipantOperations, EventOperations, MediaOperations, TokenOperations):
    """A client of one service. Use it in a block, or call `close`.

    `url`: may have a path, under which the service is mounted. With `key` and `secret` it signs a token of an
    administrator for each request; `token` is a token, or a function that returns one. All methods raise ClientError;
    requests are not repeated. Names of rooms and participants may contain any characters.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str = "",
        secret: str = "",
        token: str | TokenSource = "",
        timeout: float = TIMEOUT,
        verify: ssl.SSLContext | bool = True,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(Connection(base_of(url), token_source(token, key, secret), timeout, verify, transport))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def show_protocol(self) -> dict[str, Any]:
        """Returns the description of the WebSocket (AsyncAPI 3.0)."""
        reply = self._connection.ask("GET", path("v1", "protocol.json"), token="")
        try:
            document = reply.json()
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise InvalidAnswer("The description of the protocol is no JSON object.")
        return document
