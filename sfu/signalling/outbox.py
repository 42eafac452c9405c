"""What the server says to one participant: numbered, bounded, and readable again after a cut connection.

A participant has one `Tail`: its last messages, each with its `seq`, bounded in number and in octets. A WebSocket reads
it through an `Outbox`. One that falls behind the tail is let go: it may resume, and gets a snapshot.
"""

import asyncio
from collections import deque
from typing import NamedTuple

from sfu import limits
from sfu.model import ParticipantInfo
from sfu.signalling.messages import Joined, Participants, ServerMessage

LEFT = 1000
GOING_AWAY = 1001
POLICY = 1008
"""Too slow to read."""
TRY_AGAIN = 1013
REPLACED = 4000
"""The same session goes on over another connection."""

HALF = 128
"""Unread messages from which on a connection's requests wait."""


class Kept(NamedTuple):
    seq: int
    message: ServerMessage
    end: int
    """Octets of all messages up to the end of this one."""


class Tail:
    """The last messages of one participant: at most `capacity`, and `limits.OUTBOX_OCTETS` beside the oldest of them,
    so that one snapshot of a large room, however large, waits for its reader."""

    def __init__(self, capacity: int) -> None:
        self._kept: deque[Kept] = deque(maxlen=capacity)
        self._outbox: Outbox | None = None
        self.seq = 0
        """Of the newest message."""
        self.octets = 0
        """Of all messages there ever were."""

    def put(self, message: ServerMessage, octets: int | None = None) -> None:
        """`octets`: what it weighs, where that is known already."""
        self.seq += 1
        self.octets += weigh(message) if octets is None else octets
        self._kept.append(Kept(self.seq, message, self.octets))
        while self.octets - self._kept[0].end > limits.OUTBOX_OCTETS:
            self._kept.popleft()
        if self._outbox is not None:
            self._outbox.notice()

    def reaches(self, seq: int) -> bool:
        """Whether everything after `seq` is still here."""
        return self.seq - len(self._kept) <= seq <= self.seq

    def after(self, seq: int) -> tuple[int, ServerMessage]:
        """The message that follows `seq`, which `reaches`."""
        return self._kept[seq - self.seq][:2]

    def unread(self, seq: int) -> tuple[int, int]:
        """How many messages, and how many octets, follow `seq`, which `reaches`; the next one's octets not counted."""
        behind = self.seq - seq
        return behind, self.octets - self._kept[-behind].end if behind else 0

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
        if self._is_behind():
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

    def _is_behind(self) -> bool:
        count, octets = self._tail.unread(self._read)
        return count > HALF or octets > limits.OUTBOX_OCTETS // 2

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
                if not self._is_behind():
                    self._space.set()
                return item
            self._wake.clear()
            await self._wake.wait()


def weigh(message: ServerMessage) -> int:
    """Octets that a message is counted for: of its texts, and a constant for all else."""
    match message:
        case Joined():
            return _BASE + len(message.room.metadata) + sum(map(_weigh, message.participants)) + _weigh(message.you)
        case Participants():
            return _BASE + sum(map(_weigh, message.participants))
        case _:
            names = message.__dataclass_fields__
            return _BASE + sum(_texts(getattr(message, name)) for name in names)


_BASE = 256
"""Of an object and its place in the queue."""
_PART = 64


def _weigh(info: ParticipantInfo) -> int:
    attributes = sum(len(name) + len(value) for name, value in info.attributes.items()) if info.attributes else 0
    return 2 * _BASE + len(info.metadata) + attributes + 2 * _BASE * len(info.tracks)


def _texts(value: object) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict | list | tuple):
        return _PART * len(value)
    return len(getattr(value, "metadata", ""))
