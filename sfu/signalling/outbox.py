"""The outgoing messages of one participant: numbered, bounded, and readable again after a disconnect.

A participant has one `Tail`: its last messages, each with its `seq`, bounded in number and in octets. A WebSocket reads
it through an `Outbox`. If the WebSocket falls behind the tail, it is closed. It may resume and then gets a snapshot.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from sfu import limits
from sfu.quoting import octets
from sfu.signalling.messages import Joined, Participants, ServerMessage, Subscriptions
from sfu.views import ParticipantInfo

LEFT = 1000
GOING_AWAY = 1001
POLICY = 1008
"""The client reads too slowly."""
TRY_AGAIN = 1013
REPLACED = 4000
"""Another connection continues the same session."""

HALF = 128
"""Requests of a connection wait while it has more unread messages than this."""


@dataclass(slots=True, eq=False)
class Outgoing:
    """A message to one participant, or to many, who share this object."""

    message: ServerMessage
    octets: int
    """Its weight, as returned by `weigh`."""
    is_shared: bool = False
    body: bytes | None = None
    """The message as encoded, without its number. The codec keeps it here if the message is shared, so that it is
    encoded once."""

    @classmethod
    def of(cls, message: ServerMessage, *, is_shared: bool = False) -> "Outgoing":
        return cls(message, weigh(message), is_shared)


class Tail:
    """The last messages of one participant: at most `capacity`, and at most `limits.OUTBOX_OCTETS` without the oldest.
    The oldest is not counted, so that a snapshot of a large room is kept whatever its size."""

    __slots__ = ("_drops_above", "_kept", "_outbox", "octets", "seq")

    def __init__(self, capacity: int) -> None:
        self._kept: deque[tuple[int, Outgoing, int]] = deque(maxlen=capacity)
        """Each with its number, and the octets of all messages up to its end."""
        self._outbox: Outbox | None = None
        self.seq = 0
        """The number of the newest message."""
        self.octets = 0
        """The octets of all messages so far, including dropped ones."""
        self._drops_above = limits.OUTBOX_OCTETS
        """No message is dropped for its octets before `octets` is above this."""

    def put(self, message: ServerMessage | Outgoing) -> None:
        """Appends a message. `Outgoing`: one that others receive, too."""
        outgoing = message if isinstance(message, Outgoing) else Outgoing.of(message)
        self.seq += 1
        self.octets += outgoing.octets
        kept = self._kept
        kept.append((self.seq, outgoing, self.octets))
        if self.octets > self._drops_above:
            while self.octets - kept[0][2] > limits.OUTBOX_OCTETS:
                kept.popleft()
            self._drops_above = kept[0][2] + limits.OUTBOX_OCTETS
        if self._outbox is not None:
            self._outbox.notice(outgoing)

    def reaches(self, seq: int) -> bool:
        """Returns whether all messages after `seq` are still kept."""
        return self.seq - len(self._kept) <= seq <= self.seq

    def after(self, seq: int) -> tuple[int, Outgoing]:
        """Returns the message after `seq`, with its number. `reaches(seq)` must hold."""
        return self._kept[seq - self.seq][:2]

    def unread(self, seq: int) -> tuple[int, int] | None:
        """Returns the number of messages after `seq`, and their octets except those of the next message. None: some are
        not kept any more."""
        behind = self.seq - seq
        if behind > len(self._kept):
            return None
        return (behind, self.octets - self._kept[-behind][2]) if behind else (0, 0)

    def open(self, after: int, first: ServerMessage | None = None) -> "Outbox":
        """Opens a reader that starts after `after`. Ends the present reader, because a participant has one connection.

        `first` is sent before, with the number `after`. It must contain nothing that a later resume could miss.
        """
        self.shut(REPLACED, drop=True)
        self._outbox = Outbox(self, after, first)
        return self._outbox

    def shut(self, code: int, *, drop: bool = False) -> None:
        """Ends the reader after the present messages; with `drop`, immediately."""
        if self._outbox is not None:
            self._outbox.close(code, drop=drop)
            self._outbox = None

    def is_read_by(self, outbox: "Outbox") -> bool:
        return self._outbox is outbox


Write = Callable[[int, Outgoing], bool]
"""Sends a message with its number. False: that is not possible now, and the reader takes it. Raises nothing."""


class Outbox:
    """One connection's view of a tail: an iterator over `(seq, message)`. At its end `close_code` is set."""

    __slots__ = (
        "_first",
        "_is_waiting",
        "_last",
        "_read",
        "_space",
        "_tail",
        "_wake",
        "close_code",
        "lost",
        "write",
    )

    def __init__(self, tail: Tail, after: int, first: ServerMessage | None) -> None:
        self._tail = tail
        self._read = after
        self._first = Outgoing.of(first) if first is not None else None
        self._last: int | None = None
        self._is_waiting = False
        """The reader has read everything and waits."""
        self.write: Write | None = None
        """Sends a message at once, without waking the reader."""
        self._wake = asyncio.Event()
        self._space = asyncio.Event()
        self._space.set()
        self.close_code: int | None = None
        self.lost = asyncio.Event()
        """Set when the connection must end now, even in the middle of a send: replaced, or too slow."""

    def notice(self, newest: Outgoing) -> None:
        """Called after a message was put into the tail."""
        seq = self._tail.seq
        if self._is_waiting and self._read == seq - 1 and self.write is not None and self.write(seq, newest):
            self._read = seq
            return
        unread = self._tail.unread(self._read)
        if unread is None:
            self.close(POLICY, drop=True)
            return
        if _is_much(unread):
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
        """Waits until the reader keeps up. So a client that floods the server with requests waits for its own
        replies."""
        await self._space.wait()

    def __aiter__(self) -> "Outbox":
        return self

    async def __anext__(self) -> tuple[int, ServerMessage]:
        seq, outgoing = await self._next()
        return seq, outgoing.message

    async def outgoing(self) -> AsyncIterator[tuple[int, Outgoing]]:
        """Iterates like the outbox itself, over messages that keep how they are encoded."""
        while True:
            try:
                item = await self._next()
            except StopAsyncIteration:
                return
            yield item

    def poll(self) -> tuple[int, Outgoing] | None:
        """Returns the next message with its number. None: there is none yet. Raises StopAsyncIteration at the end."""
        if self._first is not None:
            first, self._first = self._first, None
            return self._read, first
        if self._last is not None and self._read >= self._last:
            raise StopAsyncIteration
        if self._read == self._tail.seq:
            return None
        item = self._tail.after(self._read)
        self._read += 1
        unread = self._tail.unread(self._read)
        if unread is not None and not _is_much(unread):
            self._space.set()
        return item

    async def _next(self) -> tuple[int, Outgoing]:
        while True:
            item = self.poll()
            if item is not None:
                return item
            self._wake.clear()
            self._is_waiting = True
            try:
                await self._wake.wait()
            finally:
                self._is_waiting = False


def _is_much(unread: tuple[int, int]) -> bool:
    """Returns whether a reader is so far behind that its requests wait."""
    return unread[0] > HALF or unread[1] > limits.OUTBOX_OCTETS // 2


def weigh(message: ServerMessage) -> int:
    """Returns the weight of a message in octets: its texts in UTF-8, and a constant for everything else."""
    match message:
        case Joined():
            return (
                _BASE
                + octets(message.room.metadata)
                + _weigh_participants(message.participants)
                + weigh_participant(message.you)
            )
        case Participants():
            return _BASE + _weigh_participants(message.participants)
        case Subscriptions():  # The most frequent one.
            return _BASE + sum([_BASE + octets(state.reason) for state in message.subscriptions])
        case _:
            names = message.__dataclass_fields__
            return _BASE + sum(_texts(getattr(message, name)) for name in names)


_BASE = 256
"""The weight of an object and its place in the queue."""
_PART = 64


def weigh_participant(info: ParticipantInfo) -> int:
    """Returns the octets of a participant in a message, as `weigh` counts them."""
    attributes = sum(octets(name) + octets(value) for name, value in info.attributes.items()) if info.attributes else 0
    return 2 * _BASE + octets(info.metadata) + attributes + 2 * _BASE * len(info.tracks)


def _weigh_participants(infos: Sequence[ParticipantInfo]) -> int:
    # A snapshot of a large room has many of whom only the names are known.
    varied = [info for info in infos if info.tracks or info.metadata or info.attributes]
    return 2 * _BASE * (len(infos) - len(varied)) + sum(map(weigh_participant, varied))


def _texts(value: object) -> int:
    if isinstance(value, str):
        return octets(value)
    if isinstance(value, dict | list | tuple):
        return _PART * len(value)
    return octets(getattr(value, "metadata", ""))
