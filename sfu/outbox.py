"""What the server says to one participant: numbered, bounded, and readable again after a cut connection.

A participant has one `Tail`: its last 256 messages, each with its `seq`. A WebSocket reads it through an `Outbox`. One
that falls behind the tail is let go: it may resume, and gets a snapshot.
"""

import asyncio
from collections import deque

from sfu.messages import ServerMessage

LEFT = 1000
GOING_AWAY = 1001
POLICY = 1008
"""Too slow to read."""
TRY_AGAIN = 1013
REPLACED = 4000
"""The same session goes on over another connection."""

HALF = 128
"""Unread messages from which on a connection's requests wait."""


class Tail:
    """The last messages of one participant."""

    def __init__(self, capacity: int) -> None:
        self._kept: deque[tuple[int, ServerMessage]] = deque(maxlen=capacity)
        self._outbox: Outbox | None = None
        self.seq = 0
        """Of the newest message."""

    def put(self, message: ServerMessage) -> None:
        self.seq += 1
        self._kept.append((self.seq, message))
        if self._outbox is not None:
            self._outbox.notice()

    def reaches(self, seq: int) -> bool:
        """Whether everything after `seq` is still here."""
        return self.seq - len(self._kept) <= seq <= self.seq

    def after(self, seq: int) -> tuple[int, ServerMessage]:
        """The message that follows `seq`, which `reaches`."""
        return self._kept[seq - self.seq]

    def open(self, after: int, first: ServerMessage | None = None) -> "Outbox":
        """A reader from behind `after` on. One that reads already is ended: a participant has one connection.

        `first` goes before, with the number `after`: it says nothing that a later resume could miss.
        """
        self.shut(REPLACED, drop=True)
        self._outbox = Outbox(self, after, first)
        return self._outbox

    def shut(self, code: int, *, drop: bool = False) -> None:
        """Ends the reader, behind what was put so far; with `drop`, at once."""
        if self._outbox is not None:
            self._outbox.close(code, drop=drop)
            self._outbox = None

    def is_read_by(self, outbox: "Outbox") -> bool:
        return self._outbox is outbox


class Outbox:
    """One connection's view of a tail: iterate over `(seq, message)`. When it ends, `close_code` says with what."""

    def __init__(self, tail: Tail, after: int, first: ServerMessage | None) -> None:
        self._tail = tail
        self._read = after
        self._first = first
        self._last: int | None = None
        self._wake = asyncio.Event()
        self._space = asyncio.Event()
        self._space.set()
        self.close_code: int | None = None
        self.lost = asyncio.Event()
        """Set when the connection must end now, even in the middle of a send: replaced, or too slow."""

    def notice(self) -> None:
        """Something was put into the tail."""
        if not self._tail.reaches(self._read):
            self.close(POLICY, drop=True)
            return
        if self._tail.seq - self._read > HALF:
            self._space.clear()
        self._wake.set()

    def close(self, code: int, *, drop: bool) -> None:
        if self.close_code is not None:
            return
        self.close_code = code
        self._last = self._read if drop else self._tail.seq
        if drop:
            self._first = None
            self.lost.set()
        self._wake.set()
        self._space.set()

    async def space(self) -> None:
        """Waits until the reader keeps up. Who floods us with requests waits for its own answers."""
        await self._space.wait()

    def __aiter__(self) -> "Outbox":
        return self

    async def __anext__(self) -> tuple[int, ServerMessage]:
        while True:
            if self._first is not None:
                first, self._first = self._first, None
                return self._read, first
            if self._last is not None and self._read >= self._last:
                raise StopAsyncIteration
            if self._read < self._tail.seq:
                item = self._tail.after(self._read)
                self._read += 1
                if self._tail.seq - self._read <= HALF:
                    self._space.set()
                return item
            self._wake.clear()
            await self._wake.wait()
