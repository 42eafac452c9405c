"""Resuming is exact: a client gets each message once and in order, or is told to start a new session."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import NamedTuple
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu import limits
from sfu.config import Config
from sfu.signalling import messages
from sfu.signalling.outbox import POLICY, Outgoing, Tail
from sfu.signalling.requests import SignallingSession

from ...live import rooms_of
from ..scene import Scene, grant, scene

CAPACITY = 8
"""Messages that a resume can replay here."""

Log = list[messages.ServerMessage]
"""Everything that one participant was ever sent: the message with the number n is at n - 1."""


class Act(NamedTuple):
    what: str
    who: int
    number: int


ACTS = ("broadcast", "own", "time", "read", "cut", "resume", "replace", "come", "go")
acts = st.builds(Act, st.sampled_from(ACTS), st.integers(0, 1), st.integers(0, CAPACITY + 3))


@pytest.mark.parametrize("small", [1, limits.SMALL_ROOM], ids=["large room", "small room"])
@settings(max_examples=100, deadline=None)
@given(script=st.lists(acts, max_size=40))
def test_each_message_comes_once_and_in_order_or_the_client_starts_anew(small: int, script: list[Act]) -> None:
    with patch.object(limits, "SMALL_ROOM", small):
        asyncio.run(play(script))


async def play(script: list[Act]) -> None:
    with recorded() as logs:
        async with scene(Config(outbox=CAPACITY)) as it:
            readers = [await Reader.join(it, "ada", logs), await DirectReader.join(it, "bob", logs)]
            for number, act in enumerate(script):
                reader = readers[act.who]
                match act.what:
                    case "broadcast":
                        for part in range(act.number):
                            rooms_of(it.sfu).find("room").update(metadata=f"{number}.{part}")
                            await asyncio.sleep(0)
                    case "own":
                        for part in range(act.number):
                            reader.session.send(messages.Ok(100 * number + part))
                    case "time":
                        await it.pass_time(act.number / 20)
                    case "read":
                        await reader.read(act.number)
                    case "cut":
                        await reader.cut()
                    case "resume":
                        await reader.cut()
                        await reader.resume(act.number)
                    case "replace":
                        await reader.resume(act.number)
                    case "come":
                        await it.client(f"other{number}")
                    case "go":
                        for name in [
                            p.identity for p in rooms_of(it.sfu).find("room").members if p.identity.startswith("other")
                        ]:
                            rooms_of(it.sfu).find("room").moderation.remove(name)
                        await asyncio.sleep(0)
            await it.pass_time(1)
            for reader in readers:
                await reader.resume(0)
                await reader.read(10_001)
                assert reader.read_to == reader.session.tail.seq, "the rest has come"
            assert not it.sfu.failures.counts


@contextmanager
def recorded() -> Iterator[dict[Tail, Log]]:
    logs: dict[Tail, Log] = defaultdict(list)
    put = Tail.put

    def noted(tail: Tail, message: messages.ServerMessage | Outgoing) -> None:
        logs[tail].append(message.message if isinstance(message, Outgoing) else message)
        put(tail, message)

    with patch.object(Tail, "put", noted):
        yield logs


class Reader:
    """A client that compares what it reads with what it was sent."""

    def __init__(self, it: Scene, logs: dict[Tail, Log]) -> None:
        self.read_to = 0
        """The number of the last message."""
        self.session: SignallingSession
        self._it = it
        self._logs = logs
        self._block = AsyncExitStack()
        self._secret = ""

    @classmethod
    async def join(cls, it: Scene, identity: str, logs: dict[Tail, Log]) -> "Reader":
        reader = cls(it, logs)
        reader.session = await reader._block.enter_async_context(
            it.sfu.attach(grant(identity), "room", messages.Join("join"))
        )
        it.blocks.push_async_callback(reader.cut)
        reader.attach()
        await reader.read(1)
        return reader

    def attach(self) -> None:
        """Starts to read the outbox of a new session."""

    async def read(self, most: int) -> None:
        for _ in range(most):
            step = self.session.outbox.__anext__()
            try:
                step.send(None)
            except StopIteration as result:
                self._check(*result.value)
                continue
            except StopAsyncIteration:
                return
            step.close()
            return

    def _check(self, seq: int, message: messages.ServerMessage) -> None:
        match message:
            case messages.Resumed(seq_from=seq_from):
                assert (seq, seq_from) == (self.read_to, self.read_to + 1)
                return
            case messages.Joined(resume_secret=secret, resumed=resumed):
                self._secret = secret
                assert seq > self.read_to if resumed else seq == 1
            case _:
                assert seq == self.read_to + 1, "none is missing, and none comes twice"
        assert message is self._logs[self.session.tail][seq - 1]
        self.read_to = seq

    async def cut(self) -> None:
        await self._block.aclose()

    async def resume(self, unread: int) -> None:
        """Resumes over another connection, as if the last `unread` messages had not arrived."""
        self.read_to = max(0, self.read_to - unread)
        block, tail = AsyncExitStack(), self.session.tail
        resume = messages.Resume(self.session.by.sid, self._secret, self.read_to)
        could = tail.reaches(self.read_to)
        first = tail.seq + 1
        self.session = await block.enter_async_context(
            self._it.sfu.attach(None, "room", messages.Join("join", resume=resume))
        )
        # The connection before is still open, as far as it knows, and ends without an effect on this one.
        await self._block.aclose()
        self._block = block
        self.attach()
        if could:
            assert not self.session.is_snapshot
        else:
            assert self.session.is_snapshot and isinstance(self._logs[tail][first - 1], messages.Joined)
            self.read_to = first - 1


class DirectReader(Reader):
    """A client whose connection writes at once while it can, as that of the server does. `read` of an odd number makes
    it writable, of an even number unwritable."""

    def __init__(self, it: Scene, logs: dict[Tail, Log]) -> None:
        super().__init__(it, logs)
        self._writable = asyncio.Event()
        self._writable.set()
        self._reading: asyncio.Task[None] | None = None
        self.written = 0
        """Messages that were written without the task."""

    def attach(self) -> None:
        self._stop()
        self.session.outbox.write = self._write
        self._reading = asyncio.create_task(self._read())

    async def read(self, most: int) -> None:
        if most % 2 or most > 100:
            self._writable.set()
        else:
            self._writable.clear()
        for _ in range(2 * CAPACITY):
            await asyncio.sleep(0)

    async def cut(self) -> None:
        self._stop()
        await super().cut()

    def _stop(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        self._reading = None

    async def _read(self) -> None:
        async for seq, outgoing in self.session.outbox.outgoing():
            await self._writable.wait()
            self._check(seq, outgoing.message)

    def _write(self, seq: int, outgoing: Outgoing) -> bool:
        if not self._writable.is_set():
            return False
        self._check(seq, outgoing.message)
        self.written += 1
        return True


def test_the_acts_reach_what_they_are_for() -> None:
    """A slow reader is disconnected, a resume replays, and a resume that missed too much gets a snapshot."""

    async def check() -> None:
        with recorded() as logs:
            async with scene(Config(outbox=CAPACITY)) as it:
                ada = await Reader.join(it, "ada", logs)
                for number in range(CAPACITY + 2):
                    ada.session.send(messages.Ok(number))
                assert ada.session.outbox.close_code == POLICY
                await ada.resume(0)
                assert ada.session.is_snapshot
                await ada.read(100)
                await ada.resume(3)
                assert not ada.session.is_snapshot
                bob = await DirectReader.join(it, "bob", logs)
                bob.session.send(messages.Ok(1))
                assert (bob.written, bob.read_to) == (1, bob.session.tail.seq)

    asyncio.run(check())
