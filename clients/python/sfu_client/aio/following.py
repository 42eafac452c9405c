"""Following events: a stream that connects again by itself, after the last event that it has returned."""

import asyncio
import json
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from types import TracebackType
from typing import Self

from pydantic import ValidationError

from ..address import given
from ..backoff import Backoff
from ..errors import ApiError, EventsMissed, InvalidAnswer, RequestFailed, TooManyRequests, Unreachable
from ..events import Event
from ..sse import Parser
from .connection import Connection

SILENCE = 60.0
"""Seconds without an octet after which a stream has failed. The service sends something every 15."""
GIVE_UP = 600.0
"""Seconds without an answer after which a follower fails, by default."""

Missed = Callable[[], Awaitable[None]]


class Following:
    """Events, oldest first; each once, also over restarts of a service that keeps them (SFU_STATE_DIR).

    `last` is the id of the last event that was returned. `ended` is why the service ended its last stream, for example
    `server_shutdown`; empty: it did not say. Leave the block, or call `close`, to end the stream.
    """

    def __init__(
        self,
        connection: Connection,
        after: str,
        room: str | None,
        on_missed: Missed | None,
        give_up: float,
        *,
        resume: bool = True,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.last = after
        self.ended = ""
        self._connection = connection
        self._room = room
        self._on_missed = on_missed
        self._backoff = Backoff(give_up, now, chance)
        self._resume = resume
        self._sleep = sleep
        self._events = self._follow()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        return await anext(self._events)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._events.aclose()

    async def _follow(self) -> AsyncGenerator[Event, None]:
        while True:
            failure: Exception | None = None
            at_least = 0.0
            stream = self._stream()
            try:
                async for event in stream:
                    self.last = event.id
                    yield event
            except (Unreachable, RequestFailed) as error:
                failure = error
            except ApiError as error:
                if error.status < 500 and not isinstance(error, TooManyRequests):
                    raise
                failure, at_least = error, error.retry_after or 0.0
            finally:
                await stream.aclose()
            if not self._resume:
                if failure is not None:
                    raise failure
                return
            wait = self._backoff.wait(at_least)
            if wait is None:
                raise failure or RequestFailed(f"The stream of events of {self._connection.base} ends again and again.")
            await self._sleep(wait)

    async def _stream(self) -> AsyncGenerator[Event, None]:
        """Yields the events of one connection."""
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": self.last} if self.last else {})
        parser = Parser()
        async with self._connection.stream(
            "/v1/events", query=given(room=self._room), headers=headers, silence=SILENCE
        ) as reply:
            async for piece in reply.aiter_bytes():
                for item in parser.feed(piece):
                    self._backoff.answered()
                    self._backoff.first = parser.retry or self._backoff.first
                    if item.event == "message":
                        yield _event(item.data)
                    elif item.event == "missed":
                        if self._on_missed is None:
                            raise EventsMissed(self.last)
                        await self._on_missed()
                    elif item.event == "end":
                        self.ended = _reason(item.data)


def _reason(data: str) -> str:
    try:
        return str(json.loads(data)["reason"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""


def _event(data: str) -> Event:
    try:
        return Event.model_validate_json(data)
    except ValidationError:
        raise InvalidAnswer("An item of the stream of events is no event.") from None
