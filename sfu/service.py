"""The service: owns the plane, the rooms and every task, and dispatches the events of the plane to rooms."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self, TypeVar

from sfu import execution, limits
from sfu.captures import Captures
from sfu.commands import ADMINISTRATOR, ANYONE, Command, Join, Resume, StartCapture, StopCapture
from sfu.config import Config
from sfu.context import Context
from sfu.execution.joins import Joins
from sfu.facts import Tally
from sfu.failures import Failures
from sfu.lifecycle import Lifecycle, State
from sfu.model import DisconnectReason, Grant, ParticipantKind
from sfu.negotiation.reading import Reading
from sfu.negotiation.sdp import SessionDescription
from sfu.plane import Event, _native
from sfu.plane.binding import Binding, PlaneApi, open_plane
from sfu.quotas import Quotas
from sfu.revocations import Revocations
from sfu.room.events import OnMessage
from sfu.room.room import Room
from sfu.rooms import Rooms
from sfu.signalling import messages
from sfu.signalling.media_session import MediaSessions
from sfu.signalling.requests import SignallingSession
from sfu.signalling.sessions import Signalling
from sfu.views import Census

log = logging.getLogger(__name__)

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
        self.failure: str | None = None
        """Why a packet thread ended. The process should end, too."""
        self.failures = Failures()
        """Contained exceptions, which did not end the process."""
        self.facts = Tally()
        """Numbers of facts by kind, of all rooms since the start."""
        self.failed = asyncio.Event()
        """Set when a packet thread has ended; `wait_failed` returns why."""
        self._plane = plane or open_plane(self.config)
        binding = Binding(self._plane, self._dispatch, self.failures)
        self._context = Context(
            self.config, binding, self._plane.fingerprint(), clock, wall, self.failures, Reading(clock)
        )
        self._lifecycle = Lifecycle()
        self._quotas = Quotas(self.config)
        self._revocations = Revocations(self.config.revocation)
        self._signalling = Signalling(self._context, self.execute)
        self._rooms = Rooms(
            self._context,
            self._plane,
            self._lifecycle,
            self._quotas,
            self._revocations,
            readers=(self.facts.read,),
            on_message=on_message,
            on_open=self._signalling.open,
            on_close=self._handle_closed,
        )
        self._media_sessions = MediaSessions(clock)
        self._joins = Joins(
            self._context, self._lifecycle, self._quotas, self._revocations, self._rooms, self._media_sessions
        )
        self._captures = Captures(self.config, self._plane)
        self._node = execution.Node(
            self.config,
            self._rooms,
            self._media_sessions,
            self._joins,
            self._captures,
            self._plane.counters,
            self.drain,
        )
        self._on_failure = on_failure
        self._empty = asyncio.Event()
        self._tasks = asyncio.TaskGroup()
        self._ticking: asyncio.Task[None] | None = None

    # Its life

    async def __aenter__(self) -> Self:
        self._context.binding.open()
        await self._tasks.__aenter__()
        self._ticking = self._tasks.create_task(self._tick())
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
            # The plane sends BYE and close_notify and joins its threads, within its own deadline.
            await asyncio.to_thread(self._plane.close)

    @property
    def state(self) -> State:
        return self._lifecycle.state

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
        limit = self.config.drain_limit if limit is None else limit
        if not self._lifecycle.drain(self._context.now() + limit):
            return
        deadline = int((self._context.wall() + limit) * 1000)
        for room in self._rooms.values():
            room.note_drain(deadline)
        self._rooms.end_turn()
        self._note_empty()
        log.info("draining: rooms=%d limit=%.1fs", len(self._rooms), limit)

    async def wait_empty(self) -> None:
        """Waits until a draining service is empty, or its limit has removed the last participants."""
        await self._empty.wait()

    async def wait_failed(self) -> str:
        """Waits until a packet thread has ended; returns why. The service is then closed and cannot be reopened: the
        host should end the process, or open another `Sfu`."""
        await self.failed.wait()
        assert self.failure is not None
        return self.failure

    def close(self) -> None:
        """Removes all participants, with a reason, and accepts nothing more."""
        self._lifecycle.close()
        self._rooms.close_all(DisconnectReason.SERVER_SHUTDOWN)
        self._rooms.end_turn()
        if self._ticking is not None:
            self._ticking.cancel()
        self._note_empty()

    def stats(self) -> _native.Stats:
        """Returns the plane's counters, at most a second old."""
        return self._plane.stats()

    async def execute(self, command: Command[R]) -> R:
        """Carries out a command of `sfu/commands`. Returns its result, or raises an SfuError and has then changed
        nothing."""
        return await execution.execute(self._node, command)

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
            member = await self.execute(Resume(by, room, sid, secret, address))
            session = self._signalling.reconnect(self._rooms.find(room), member, seq)
        else:
            member = await self.execute(Join(by, room, join.auto_subscribe, join.client, address, via))
            session = self._signalling.connect(self._rooms.find(room), member)
        if self.state is State.DRAINING:
            remaining = self._lifecycle.deadline - self._context.now()
            session.send(messages.Draining(int((self._context.wall() + remaining) * 1000)))
        try:
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

    async def read_offer(self, sdp: str) -> SessionDescription:
        """Parses an offer for `OpenMediaSession`, in slices, so the event loop continues. Raises NegotiationError."""
        return await self._context.reading.read(sdp)

    def require_valid(self, grant: Grant, room: str) -> None:
        """Raises Revoked if a token with this grant is revoked for the room."""
        self._joins.require_valid(grant, room)

    def require_budget(self, grant: Grant, address: str) -> None:
        """Raises TooManyRequests if a join of this key or address would be refused now, for an early refusal."""
        self._joins.require_budget(grant, address)

    # Time

    def handle_timeout(self, now: float) -> None:
        """Does what is due: speakers, participants who left too long ago, empty rooms, the end of a drain."""
        # A part that fails in every tick keeps nobody else in a room, and does not delay the end of a drain.
        with self.failures.contained("tick"):
            self._rooms.handle_timeout(now)
        with self.failures.contained("tick"):
            self._signalling.handle_timeout()
        with self.failures.contained("tick"):
            self._media_sessions.handle_timeout()
        with self.failures.contained("tick"):
            self._revocations.handle_timeout(self._context.wall())
        with self.failures.contained("tick"):
            self._quotas.handle_timeout(now)
        if self.state is State.DRAINING and self._lifecycle.deadline <= now:
            self._rooms.close_all(DisconnectReason.SERVER_SHUTDOWN)
        self._note_empty()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self.config.tick)
            try:
                self.handle_timeout(self._context.now())
            except Exception as error:
                # Without ticks the service would keep participants who left, and would never end a drain.
                self.failures.note("tick", error)

    # Below

    def _handle_closed(self, room: Room) -> None:
        self._signalling.close(room)
        self._note_empty()

    def _note_empty(self) -> None:
        if self.state is not State.RUNNING and not self._rooms.has_participants:
            self._empty.set()

    def _dispatch(self, event: Event) -> None:
        match event:
            # The most frequent one first.
            case _native.Switched(slot=id) | _native.Refused(slot=id):
                self._hand_out(id, event)
            case _native.AudioLevels(levels=levels):
                self._rooms.handle_levels(levels)
            case _native.WorkerFailed(worker=worker, reason=reason):
                self._fail(worker, reason)
            case _native.Captured():
                self._captures.handle(event)
            case _native.TransportState(transport=id) | _native.ChannelState(transport=id):
                self._hand_out(id, event)
            case _native.Layers(track=id):
                self._hand_out(id, event)
            case _native.Message(channel=id) | _native.Buffered(channel=id):
                self._hand_out(id, event)

    def _hand_out(self, id: int, event: Event) -> None:
        sid = self._context.binding.owners.get(id)
        room = self._rooms.of_participant(sid) if sid is not None else None
        if sid is not None and room is not None:
            room.events.handle(sid, event)

    def _fail(self, worker: int, reason: str) -> None:
        """Fails the whole service, because a packet thread panicked."""
        self.failure = f"worker {worker} failed: {reason}"
        log.critical("%s", self.failure)
        self._lifecycle.close()
        self._rooms.close_all(DisconnectReason.SERVER_SHUTDOWN)
        self._rooms.end_turn()
        self.failed.set()
        if self._on_failure is not None:
            try:
                self._on_failure(self.failure)
            except Exception as error:
                self.failures.note("on_failure", error)
