# Made from aio/internal.py by scripts/make-sync-client.
"""The client of the internal listener (SFU_INTERNAL_PORT), which has no tokens: drain and webhooks."""

from types import TracebackType
from typing import Self

import httpx

from ..address import base_of, given, path
from ..models import DrainState, Retried, Tested, Webhook, WebhookList
from .client import TIMEOUT
from .connection import Connection
from .requests import read_as


class InternalClient:
    """Use it in a block, or call `close`. All methods raise ClientError."""

    def __init__(self, url: str, *, timeout: float = TIMEOUT, transport: httpx.BaseTransport | None = None) -> None:
        self._connection = Connection(base_of(url), None, timeout, True, transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def drain(self, *, limit: float | None = None) -> DrainState:
        """Starts a drain: nobody can join, and the service ends when all have left, at the latest after `limit`
        seconds."""
        return read_as(DrainState, self._connection.ask("POST", "/drain", query=given(limit=limit)))

    def show_drain(self) -> DrainState:
        return read_as(DrainState, self._connection.ask("GET", "/drain"))

    def list_webhooks(self) -> tuple[Webhook, ...]:
        return read_as(WebhookList, self._connection.ask("GET", "/webhooks")).webhooks

    def retry_webhook(self, name: str) -> int:
        """Sends what waits, and what was given up, at once. Returns the number of events."""
        return read_as(Retried, self._connection.ask("POST", path("webhooks", name, "retry"))).events

    def test_webhook(self, name: str) -> str:
        """Sends an event of the type `test`. Returns why the receiver did not take it. Empty: it did."""
        return read_as(Tested, self._connection.ask("POST", path("webhooks", name, "test"))).error
