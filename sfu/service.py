"""The service: owns the plane, the rooms and every task, and connects clients with participants."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self, TypeVar

from sfu import execution, limits
from sfu.captures import Captures
from sfu.commands import ADMINISTRATOR, ANYONE, Asker, Command, Join, ListEvents, Resume, StartCapture, StopCapture
from sfu.config import Config
from sfu.context import Context
from sfu.driver import Driver
from sfu.ending import Ending
from sfu.errors import TooManyRequests
from sfu.execution.joins import Joins
from sfu.facts import Tally
from sfu.failures import Failures
from sfu.history.following import Following
from sfu.history.history import History, HistoryStats
from sfu.kept_rooms import KeptRooms
from sfu.lifecycle import Lifecycle, State
from sfu.model import Grant, ParticipantKind
from sfu.negotiation.reading import Reading
from sfu.negotiation.sdp import SessionDescription
from sfu.plane import _native
from sfu.plane.binding import Binding, PlaneApi, open_plane
from sfu.quotas import Quotas
from sfu.revocations import Revocations
from sfu.room.events import OnMessage
from sfu.room.room import Room
from sfu.room_events import EventPage
from sfu.rooms import Rooms
from sfu.signalling import messages
from sfu.signalling.media_session import MediaSessions
from sfu.signalling.requests import SignallingSession
from sfu.signalling.sessions import Signalling
from sfu.views import Census

R = TypeVar("R")


class Sfu:
    """The service: `async with Sfu(config) as sfu`. Plane and clocks are arguments for tests."""

    def __init__(
        self,
        config: Config | None = None,
        *,
        plane: PlaneApi | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        on_message: OnMessage | None = None,
        on_failure: Callable[[str], None] | None = None,
    ) -> None:
        self.config = config or Config()
        self.failures = Failures()
        """Contained exceptions, which did not end the process."""
        self.facts = Tally()
        """Numbers of facts by kind, of all rooms since the start."""
        self._plane = plane or open_plane(self.config)
        binding = Binding(self._plane, self.failures)
        self._context = Context(
            self.config, binding, self._plane.fingerprint(), clock, wall, self.failures, Reading(clock)
        )
        self._lifecycle = Lifecycle()
        self._quotas = Quotas(self.config)
        self._revocations = Revocations(self.config.revocation)
        self._history = History(self._context, self._revocations, lambda sid: self._rooms.octets(sid))
        self._kept = KeptRooms(lambda: self._rooms, self._history.keep_rooms)
        self._signalling = Signalling(self._context, self._carry_out)
        self._rooms = Rooms(
            self._context,
            self._plane,
            self._lifecycle,
            self._quotas,
            self._revocations,
            # Rooms are kept before the events of the same request are written.
            readers=(self.facts.read, self._kept.read, self._history.read),
            on_message=on_message,
            on_open=self._signalling.open,
            on_close=self._handle_closed,
        )
        self._ending = Ending(self._context, self._lifecycle, self._rooms, on_failure)
        self.failed = self._ending.failed
        """Set when a packet thread has ended; `wait_failed` returns why."""
        sessions = MediaSessions(clock)
        self._joins = Joins(self._context, self._lifecycle, self._quotas, self._revocations, self._rooms, sessions)
        self._captures = Captures(self.config, self._plane)
        self._node = execution.Node(
            self.config,
            self._rooms,
            sessions,
            self._joins,
            self._captures,
            self._history,
            self._plane.counters,
            self.drain,
        )
        self._driver = Driver(
            self._context,
            self._rooms,
            self._signalling,
            sessions,
            self._revocations,
            self._quotas,
            self._captures,
            self._history,
            self._ending,
        )
        self._tasks = asyncio.TaskGroup()
        self._ticking: asyncio.Task[None] | None = None

    # Its life

    async def __aenter__(self) -> Self:
        try:
            await self._history.open()
        except BaseException:
            await asyncio.to_thread(self._plane.close)
            raise
        self._context.binding.open(self._driver.handle_event)
        await self._tasks.__aenter__()
        self._ticking = self._tasks.create_task(self._driver.run())
        self._kept.restore(self._history.rooms)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        if not isinstance(error, asyncio.CancelledError):
            # A task group would wrap exceptions of the block; the caller gets them unchanged.
            kind = error = traceback = None
        try:
            await self._tasks.__aexit__(kind, error, traceback)
        finally:
            self._context.binding.close()
            await self._history.close()
            # The plane sends BYE and close_notify and joins its threads, within its own deadline.
            await asyncio.to_thread(self._plane.close)

    @property
    def state(self) -> State:
        return self._lifecycle.state

    @property
    def failure(self) -> str | None:
        """Why a packet thread ended. The process should end, too."""
        return self._ending.failure

    @property
    def has_rooms(self) -> bool:
        return bool(self._rooms)

    @property
    def joins(self) -> int:
        """The number of participants ever admitted."""
        return self._joins.count

    def drain(self, limit: float | None = None) -> None:
        """Starts a drain: no new participants; present ones receive `draining` and have `limit` seconds. If called
        again, an earlier deadline counts."""
        self._ending.drain(self.config.drain_limit if limit is None else limit)

    async def wait_empty(self) -> None:
        """Waits until a draining service is empty, or its limit has removed the last participants."""
        await self._ending.empty.wait()

    async def wait_failed(self) -> str:
        """Waits until a packet thread has ended; returns why. The service is then closed and cannot be reopened: the
        host should end the process, or open another `Sfu`."""
        await self.failed.wait()
        assert self.failure is not None
        return self.failure

    def close(self) -> None:
        """Removes all participants, with a reason, and accepts nothing more."""
        self._ending.close()
        self._history.end()
        if self._ticking is not None:
            self._ticking.cancel()

    def stats(self) -> _native.Stats:
        """Returns the plane's counters, at most a second old."""
        return self._plane.stats()

    async def execute(self, command: Command[R]) -> R:
        """Carries out a command of `sfu/commands`. Returns its result, or raises an SfuError and has then changed
        nothing. If events outlive the process, those of the command are written before it returns."""
        result = await self._carry_out(command)
        await self._settle()
        return result

    @property
    def history(self) -> History:
        """The events of all rooms, for what delivers them elsewhere."""
        return self._history

    def history_stats(self) -> HistoryStats:
        """Counts the events of all rooms."""
        return self._history.stats()

    def census(self) -> Census:
        """Counts rooms, participants and tracks."""
        inside = [p for room in self._rooms.values() for p in room.members]
        return Census(
            rooms=len(self._rooms),
            participants={kind: sum(1 for p in inside if p.kind is kind) for kind in ParticipantKind},
            tracks=sum(track.primary is None for p in inside for track in p.tracks.values()),
        )

    # Participants

    @asynccontextmanager
    async def attach(
        self, grant: Grant | None, room: str, join: messages.Join, *, address: str = "", via: str | None = None
    ) -> AsyncIterator[SignallingSession]:
        """Connects a WebSocket with a new or resumed participant. Leaving the block disconnects it; the session can be
        resumed.

        `address`: the client's address, for the quota of joins. `via`: the server's address that the request reached,
        which is announced first.

        With `join.resume` the session's secret counts and no grant is needed. Raises what `refusal` turns into a
        message.
        """
        by = grant or ANYONE
        if join.resume:
            sid, secret, seq = join.resume.sid, join.resume.secret, join.resume.seq
            member = await self._carry_out(Resume(by, room, sid, secret, address))
            session = self._signalling.reconnect(self._rooms.find(room), member, seq)
        else:
            member = await self._carry_out(Join(by, room, join.auto_subscribe, join.client, address, via))
            session = self._signalling.connect(self._rooms.find(room), member)
        if self.state is State.DRAINING:
            session.send(messages.Draining(self._ending.deadline))
        try:
            await self._settle()
            yield session
        finally:
            self._signalling.detach(session)

    @asynccontextmanager
    async def capture(
        self, room: str, identity: str, *, seconds: float, octets: int = limits.CAPTURE_OCTETS
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Captures the clear RTP and RTCP of a participant, for the administrator: yields the pieces of a pcapng file.
        Leaving the block stops the capture."""
        id = await self.execute(StartCapture(ADMINISTRATOR, room, identity, seconds, octets))
        try:
            yield self._captures.find(id).pieces()
        finally:
            await self.execute(StopCapture(ADMINISTRATOR, id))

    @asynccontextmanager
    async def follow(self, by: Asker, room: str | None = None, after: str = "") -> AsyncIterator[Following]:
        """Follows the events of a room, by its name or sid, or of all rooms, after this id: `async for page in
        following.pages()`. A reader that takes long keeps nothing and nobody waiting."""
        room = self._rooms.name_of(room) if room is not None else None
        await self._carry_out(ListEvents(by, room, after, limit=1))

        async def ask(after: str, limit: int) -> EventPage:
            return await self._carry_out(ListEvents(by, room, after, limit))

        with self._history.following(room, after, ask) as following:
            yield following

    async def read_offer(self, sdp: str) -> SessionDescription:
        """Parses an offer for `OpenMediaSession`, in slices, so the event loop continues. Raises NegotiationError."""
        return await self._context.reading.read(sdp)

    def name_of(self, room: str) -> str:
        """Returns the name of a room that exists, from its name or sid. Returns others as they are."""
        return self._rooms.name_of(room)

    def require_valid(self, grant: Grant, room: str) -> None:
        """Raises Revoked if a token with this grant is revoked for the room."""
        self._joins.require_valid(grant, room)

    def require_budget(self, grant: Grant, address: str) -> None:
        """Raises TooManyRequests if a join of this key or address would be refused now, for an early refusal."""
        try:
            self._joins.require_budget(grant, address)
        except TooManyRequests as refused:
            self._history.note_limit(refused.limit, grant.identity)
            raise

    # Below

    async def _carry_out(self, command: Command[R]) -> R:
        return await execution.execute(self._node, command)

    async def _settle(self) -> None:
        """Waits until what was just changed is written, if events outlive the process."""
        if self._history.is_durable:
            if self._rooms.has_changes:
                # The rooms pass on their facts at the end of this turn.
                await asyncio.sleep(0)
            await self._history.settle()

    def _handle_closed(self, room: Room) -> None:
        self._signalling.close(room)
        self._ending.note_empty()
