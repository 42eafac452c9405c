"""The service: owns the plane, the rooms and every task; admits participants; dispatches events to rooms."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from types import MappingProxyType, TracebackType
from typing import NamedTuple, Self, TypeVar

from sfu import limits, names
from sfu.commands import Command
from sfu.config import Config
from sfu.context import Context
from sfu.errors import Conflict, InvalidRequest, NotAllowed, NotFound, TooManyRequests
from sfu.execution import Execution
from sfu.facts import Tally
from sfu.failures import Failures
from sfu.lifecycle import Lifecycle, State
from sfu.model import Census, DisconnectReason, Grant, ParticipantKind, RoomOptions
from sfu.negotiation.reading import Reading
from sfu.negotiation.sdp import SessionDescription
from sfu.plane import Event, _native
from sfu.plane.binding import Binding, PlaneApi, open_plane
from sfu.quotas import Quotas
from sfu.quoting import quote
from sfu.revocations import Revocations
from sfu.room.room import OnMessage, Room
from sfu.signalling import messages
from sfu.signalling.media_session import MediaSession
from sfu.signalling.requests import Session
from sfu.signalling.sessions import Signalling

log = logging.getLogger(__name__)

R = TypeVar("R")

BY_ITSELF = (
    DisconnectReason.CLIENT_INITIATED,
    DisconnectReason.CONNECTION_TIMEOUT,
    DisconnectReason.MEDIA_FAILURE,
    DisconnectReason.SIGNAL_CLOSE,
)
"""Reasons for the end of a media session that its client caused, or did not survive."""


class Ended(NamedTuple):
    at: float
    kind: ParticipantKind
    room: str


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
        self.rooms: dict[str, Room] = {}
        """By name."""
        self.failure: str | None = None
        """Why a packet thread ended. The process should end, too."""
        self.failures = Failures()
        """Contained exceptions, which did not end the process."""
        self.joins = 0
        """The number of participants ever admitted."""
        self.facts = Tally()
        """How often what happened, of all rooms there ever were."""
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
        self._sessions: dict[str, MediaSession] = {}
        self._ended: dict[str, Ended] = {}
        """Media sessions that ended by themselves, by id, oldest first."""
        self._on_message = on_message
        self._on_failure = on_failure
        self._turn: dict[Room, None] = {}
        """Rooms with changes to flush at the end of this turn of the loop."""
        self._homes: dict[str, Room] = {}
        """The room of each participant, by sid."""
        self._empty = asyncio.Event()
        self._tasks = asyncio.TaskGroup()
        self._execution = Execution(self)
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
            # An exception of the block is the caller's as it is; a task group would wrap it.
            kind = error = traceback = None
        try:
            await self._tasks.__aexit__(kind, error, traceback)
        finally:
            self._context.binding.close()
            # BYE and close_notify leave, and the threads are joined: up to a deadline of the plane's own.
            await asyncio.to_thread(self._plane.close)

    @property
    def state(self) -> State:
        return self._lifecycle.state

    @property
    def has_rooms(self) -> bool:
        return bool(self.rooms)

    def drain(self, limit: float | None = None) -> None:
        """Starts a drain: no new participants; present ones receive `draining` and have `limit` seconds. If called
        again, an earlier deadline counts."""
        limit = self.config.drain_limit if limit is None else limit
        if not self._lifecycle.drain(self._context.now() + limit):
            return
        deadline = int((self._context.wall() + limit) * 1000)
        for room in self.rooms.values():
            room.note_drain(deadline)
        self._end_turn()
        self._note_empty()
        log.info("draining: rooms=%d limit=%.1fs", len(self.rooms), limit)

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
        for room in list(self.rooms.values()):
            self._close_room(room, DisconnectReason.SERVER_SHUTDOWN)
        self._end_turn()
        if self._ticking is not None:
            self._ticking.cancel()
        self._note_empty()

    def stats(self) -> _native.Stats:
        """Returns the plane's counters, at most a second old."""
        return self._plane.stats()

    async def execute(self, command: Command[R]) -> R:
        """Carries out a command of `sfu/commands.py`. Returns its result, or raises an SfuError and has then changed
        nothing."""
        return await self._execution.execute(command)

    def census(self) -> Census:
        """Counts rooms, participants and tracks."""
        inside = [p for room in self.rooms.values() for p in room.members]
        return Census(
            rooms=len(self.rooms),
            participants={kind: sum(1 for p in inside if p.kind is kind) for kind in ParticipantKind},
            tracks=sum(track.primary is None for p in inside for track in p.tracks.values()),
        )

    # Rooms

    def create_room(self, name: str, options: RoomOptions | None = None, *, key: str = "") -> tuple[Room, bool]:
        """Returns the room, and whether it is new. A room that exists with the same options is returned as it is.
        `key`: the API key for whose quota the room counts."""
        options = options or self.config.room
        present = self.rooms.get(name)
        if present is not None:
            if options not in (present.options, present.made_with):
                raise Conflict(f"the room {quote(name)} exists with other options")
            return present, False
        room = self._build_room(name, options, key)
        self._keep(room)
        return room, True

    def room(self, name: str) -> Room:
        found = self.rooms.get(name)
        if found is None:
            raise NotFound(f"there is no room {quote(name)}")
        return found

    def delete_room(self, name: str) -> None:
        self._close_room(self.room(name), DisconnectReason.ROOM_DELETED)

    # Participants

    @asynccontextmanager
    async def attach(
        self, grant: Grant | None, room: str, join: messages.Join, *, address: str = "", via: str | None = None
    ) -> AsyncIterator[Session]:
        """Attaches a WebSocket to a new or resumed participant. Leaving the block detaches it; the session can be
        resumed.

        `address`: the client's address, for the quota of joins. `via`: the server's address that the request reached,
        which is announced first.

        With `join.resume` the session's secret counts and no grant is needed. Raises what `refusal` turns into a
        message.
        """
        self._quotas.join("" if join.resume or grant is None else grant.key, address, self._context.now())
        if join.resume:
            session = self._signalling.resume(self.rooms.get(room), grant, join.resume)
        else:
            session = self._join(grant, room, join, via)
        if self.state is State.DRAINING:
            remaining = self._lifecycle.deadline - self._context.now()
            session.send(messages.Draining(int((self._context.wall() + remaining) * 1000)))
        try:
            yield session
        finally:
            self._signalling.detach(session)

    async def read_offer(self, sdp: str) -> SessionDescription:
        """Parses an offer for `open_session`, in slices, so the event loop continues. Raises NegotiationError."""
        return await self._context.reading.read(sdp)

    def open_session(
        self,
        grant: Grant,
        room: str,
        kind: ParticipantKind,
        sdp: str | SessionDescription,
        *,
        participant: str | None = None,
        address: str = "",
        via: str | None = None,
    ) -> MediaSession:
        """Opens a WHIP (`INGRESS`) or WHEP (`VIEWER`) session. A viewer sees only `participant`, if one is named."""
        if kind is ParticipantKind.STANDARD:
            raise InvalidRequest("a media session publishes or watches")
        permissions = grant.permissions
        if kind is ParticipantKind.INGRESS and not permissions.can_publish:
            raise NotAllowed("this token does not allow to publish")
        if kind is ParticipantKind.VIEWER:
            if not permissions.can_subscribe:
                raise NotAllowed("this token does not allow to subscribe")
            permissions = replace(permissions, can_publish=False, can_publish_data=False, hidden=True)
        self._quotas.join(grant.key, address, self._context.now())
        home = self._admit(grant, room)
        member = home.prepare(replace(grant, permissions=permissions), kind, only=participant, via=via)
        try:
            session = MediaSession.open(home, member, sdp)
        finally:
            # A refused offer leaves no room behind.
            if len(home.members):
                self._keep(home)
        self.joins += 1
        self._sessions[session.id] = session
        return session

    @property
    def media_sessions(self) -> Mapping[str, MediaSession]:
        """Open media sessions, by their unguessable id."""
        self._forget_sessions()
        return MappingProxyType(self._sessions)

    def has_ended(self, id: str, kind: ParticipantKind, room: str | None) -> bool:
        """Returns whether a media session ended by itself within the last minute: its client may not know yet."""
        self._forget_sessions()
        ended = self._ended.get(id)
        return ended is not None and ended.kind is kind and room in (None, ended.room)

    def require_valid(self, grant: Grant, room: str) -> None:
        """Raises Revoked if a token with this grant is revoked for the room."""
        self._revocations.admit(room, grant, self._context.wall())

    def readmit(self, room: str, identity: str, jti: str | None = None) -> None:
        """Readmits an identity that was removed, or whose grant was reduced: with the token of this `jti`, or without
        one with every token issued from now on. The room need not exist."""
        self._revocations.readmit(names.room_name(room), names.identity(identity), self._context.wall(), jti)

    # Time

    def handle_timeout(self, now: float) -> None:
        """Does what is due: speakers, participants who left too long ago, empty rooms, the end of a drain."""
        for room in list(self.rooms.values()):
            try:
                room.handle_timeout(now)
                self._signalling.handle_timeout(room)
                expires = room.expires_at()
                if expires is not None and expires <= now:
                    self._close_room(room, DisconnectReason.ROOM_DELETED)
            except Exception as error:
                # The others of this tick have done nothing wrong.
                self.failures.note("tick", error, f"room={room.name}")
        self._forget_sessions()
        self._revocations.handle_timeout(self._context.wall())
        self._quotas.handle_timeout(now)
        if self.state is State.DRAINING and self._lifecycle.deadline <= now:
            for room in list(self.rooms.values()):
                self._close_room(room, DisconnectReason.SERVER_SHUTDOWN)
        self._note_empty()

    def _forget_sessions(self) -> None:
        now = self._context.now()
        gone = [session for session in self._sessions.values() if not session.is_open]
        for session in gone:
            del self._sessions[session.id]
            if not session.was_closed and session.participant.disconnect_reason in BY_ITSELF:
                self._ended[session.id] = Ended(now, session.participant.kind, session.room.name)
        for id in list(self._ended):
            if self._ended[id].at > now - limits.ENDED_SECONDS and len(self._ended) <= limits.ENDED_SESSIONS:
                break
            del self._ended[id]

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self.config.tick)
            try:
                self.handle_timeout(self._context.now())
            except Exception as error:
                # Without its tick the service would keep who has gone, and never end a drain.
                self.failures.note("tick", error)

    # Below

    def _join(self, grant: Grant | None, room: str, join: messages.Join, via: str | None) -> Session:
        if grant is None:
            raise NotAllowed("a join needs a grant")
        home = self._admit(grant, room)
        member = home.prepare(
            grant, ParticipantKind.STANDARD, auto_subscribe=join.auto_subscribe, client=join.client, via=via
        )
        self._keep(home)
        home.enter(member)
        self.joins += 1
        return self._signalling.join(home, member)

    def _admit(self, grant: Grant, name: str) -> Room:
        """The room someone with this grant may enter now. One that is new is not kept before somebody enters."""
        self._lifecycle.admit()
        names.room_name(name)
        if not grant.room_join:
            raise NotAllowed("this token does not allow to join a room")
        if grant.room and grant.room != name:
            raise NotAllowed(f"this token is for the room {quote(grant.room)}, not for {quote(name)}")
        self.require_valid(grant, name)
        names.identity(grant.identity)
        present = self.rooms.get(name)
        if present is None or present.members.named(grant.identity) is None:
            self._quotas.require_participant(grant.key)
        if present is not None:
            return present
        if not self.config.create_on_demand and not grant.room_create:
            raise NotFound(f"there is no room {quote(name)}")
        return self._build_room(name, self.config.room, grant.key)

    def require_budget(self, grant: Grant, address: str) -> None:
        """Raises TooManyRequests if a join of this key or address would be refused now, for an early refusal."""
        self._quotas.require(grant.key, address, self._context.now())

    def _keep(self, room: Room) -> None:
        if self.rooms.setdefault(room.name, room) is room and not room.is_kept:
            room.is_kept = True
            self._signalling.open(room)
            self._quotas.make(room.key)

    def _build_room(self, name: str, options: RoomOptions, key: str) -> Room:
        self._lifecycle.admit()
        if len(self.rooms) >= self.config.max_rooms:
            sentence = f"this server has {self.config.max_rooms} rooms, and makes no more"
            raise TooManyRequests(sentence, "rooms", limits.RETRY_SECONDS)
        self._quotas.require_room(key)
        worker, candidates = self._place()
        return Room(
            self._context,
            name,
            options,
            worker=worker,
            candidates=candidates,
            revocations=self._revocations,
            quotas=self._quotas,
            key=key,
            homes=self._homes,
            soon=self._soon,
            on_message=self._on_message,
            readers=(self.facts.read,),
        )

    def _place(self) -> tuple[int, tuple[tuple[str, int], ...]]:
        """The worker with the fewest participants, and where it is reached."""
        addresses = self._plane.addresses()
        load = [0] * len(addresses)
        for room in self.rooms.values():
            load[room.worker] += len(room.members) + 1
        worker = load.index(min(load))
        address, port = addresses[worker]
        return worker, tuple((announced, port) for announced in self.config.announced_addresses or (address,))

    def _close_room(self, room: Room, reason: DisconnectReason) -> None:
        try:
            room.close(reason)
        except Exception as error:
            self.failures.note("closing", error, f"room={room.name}")
        if self.rooms.get(room.name) is room:
            del self.rooms[room.name]
            self._signalling.close(room)
            self._quotas.close(room.key)
        self._note_empty()

    def _note_empty(self) -> None:
        if self.state is not State.RUNNING and not any(len(room.members) for room in self.rooms.values()):
            self._empty.set()

    def _soon(self, room: Room) -> None:
        if not self._turn and self.state is not State.CLOSED:
            asyncio.get_running_loop().call_soon(self._end_turn)
        self._turn[room] = None

    def _end_turn(self) -> None:
        turn, self._turn = self._turn, {}
        for room in turn:
            try:
                room.flush()
            except Exception as error:
                # The others of this turn have done nothing wrong.
                self.failures.note("turn", error, f"room={room.name}")

    def _dispatch(self, event: Event) -> None:
        match event:
            case _native.AudioLevels(levels=levels):
                self._hand_out_levels(levels)
            case _native.WorkerFailed(worker=worker, reason=reason):
                self._fail(worker, reason)
            case _native.TransportState(transport=id) | _native.ChannelState(transport=id):
                self._hand_out(id, event)
            case _native.Layers(track=id):
                self._hand_out(id, event)
            case _native.Switched(slot=id) | _native.Refused(slot=id):
                self._hand_out(id, event)
            case _native.Message(channel=id) | _native.Buffered(channel=id):
                self._hand_out(id, event)

    def _hand_out(self, id: int, event: Event) -> None:
        sid = self._context.binding.owners.get(id)
        room = self._homes.get(sid) if sid is not None else None
        if sid is not None and room is not None:
            room.handle_event(sid, event)

    def _hand_out_levels(self, levels: list[tuple[int, bytes]]) -> None:
        by_room: dict[Room, list[tuple[int, bytes]]] = {}
        for track, samples in levels:
            room = self._homes.get(self._context.binding.owners.get(track, ""))
            if room is not None:
                by_room.setdefault(room, []).append((track, samples))
        now = self._context.now()
        for room, heard in by_room.items():
            try:
                room.handle_levels(heard, now)
            except Exception as error:
                self.failures.note("event", error, f"event=AudioLevels room={room.name}")

    def _fail(self, worker: int, reason: str) -> None:
        """A packet thread panicked: never half dead."""
        self.failure = f"worker {worker} failed: {reason}"
        log.critical("%s", self.failure)
        self._lifecycle.close()
        for room in list(self.rooms.values()):
            self._close_room(room, DisconnectReason.SERVER_SHUTDOWN)
        self._end_turn()
        self.failed.set()
        if self._on_failure is not None:
            try:
                self._on_failure(self.failure)
            except Exception as error:
                self.failures.note("on_failure", error)
