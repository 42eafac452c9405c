"""The rooms of a service: creates each on the worker with the fewest participants, ends their turns, and closes
them."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence

from sfu import limits
from sfu.context import Context
from sfu.errors import Conflict, NotFound, TooManyRequests
from sfu.facts import Reader
from sfu.lifecycle import Lifecycle, State
from sfu.model import Candidate, DisconnectReason, EndReason, Octets, RoomOptions
from sfu.plane.binding import PlaneApi
from sfu.quotas import Quotas
from sfu.quoting import quote
from sfu.revocations import Revocations
from sfu.room.events import OnMessage
from sfu.room.room import Room


class Rooms(Mapping[str, Room]):
    """Rooms by name. One that nobody entered yet may exist without being listed."""

    def __init__(
        self,
        context: Context,
        plane: PlaneApi,
        lifecycle: Lifecycle,
        quotas: Quotas,
        revocations: Revocations,
        *,
        readers: Sequence[Reader] = (),
        on_message: OnMessage | None = None,
        on_open: Callable[[Room], None] = lambda room: None,
        on_close: Callable[[Room], None] = lambda room: None,
    ) -> None:
        self._context = context
        self._plane = plane
        self._lifecycle = lifecycle
        self._quotas = quotas
        self._revocations = revocations
        self._readers = readers
        self._on_message = on_message
        self._on_open = on_open
        self._on_close = on_close
        self._rooms: dict[str, Room] = {}
        self._names: dict[str, str] = {}
        """The names of rooms, by sid."""
        self._by_participant: dict[str, Room] = {}
        """The room of each participant, by sid."""
        self._turn: dict[Room, None] = {}
        """Rooms with changes to flush at the end of this turn of the loop."""

    def __getitem__(self, name: str) -> Room:
        return self._rooms[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rooms)

    def __len__(self) -> int:
        return len(self._rooms)

    @property
    def has_changes(self) -> bool:
        """Returns whether rooms report changes at the end of this turn of the loop."""
        return bool(self._turn)

    @property
    def has_participants(self) -> bool:
        return any(len(room.members) for room in self._rooms.values())

    def find(self, name: str) -> Room:
        found = self._rooms.get(name)
        if found is None:
            raise NotFound(f"there is no room {quote(name)}")
        return found

    def name_of(self, room: str) -> str:
        """Returns the name of a room that exists, from its name or sid. Returns others as they are."""
        return self._names.get(room, room)

    def of_participant(self, sid: str) -> Room | None:
        """Returns the room in which a participant is."""
        return self._by_participant.get(sid)

    def octets(self, sid: str) -> Octets:
        """Returns what a participant sent and received, by its sid."""
        room = self.of_participant(sid)
        participant = room.members.get(sid) if room is not None else None
        return participant.transport.octets() if participant is not None else Octets()

    def create(self, name: str, options: RoomOptions | None = None, *, key: str = "") -> tuple[Room, bool]:
        """Returns the room, and whether it is new. A room that exists with the same options is returned as it is.
        `key`: the API key for whose quota the room counts."""
        options = options or self._context.config.room
        present = self._rooms.get(name)
        if present is not None:
            if options not in (present.options, present.made_with):
                raise Conflict(f"the room {quote(name)} exists with other options")
            return present, False
        room = self.build(name, options, key)
        room.is_requested = True
        self.keep(room)
        return room, True

    def build(self, name: str, options: RoomOptions, key: str) -> Room:
        """Returns a new room that is not listed. Raises if the service or the key may have no more rooms."""
        self._lifecycle.admit()
        most = self._context.config.max_rooms
        if len(self._rooms) >= most:
            raise TooManyRequests(
                f"this server has {most} rooms, its maximum: try again later", "rooms", limits.RETRY_SECONDS
            )
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
            by_participant=self._by_participant,
            soon=self._soon,
            on_message=self._on_message,
            readers=self._readers,
        )

    def keep(self, room: Room) -> None:
        """Lists a room that `build` returned."""
        if self._rooms.setdefault(room.name, room) is room and not room.is_kept:
            room.is_kept = True
            self._names[room.sid] = room.name
            self._on_open(room)
            room.note_start()
            self._quotas.make(room.key)

    def close(self, room: Room, reason: EndReason) -> None:
        """Removes all participants of a room, and the room."""
        stops = reason is EndReason.SERVER_SHUTDOWN
        try:
            room.close(DisconnectReason.SERVER_SHUTDOWN if stops else DisconnectReason.ROOM_DELETED)
        except Exception as error:
            self._context.failures.note("closing", error, f"room={room.name}")
        if self._rooms.get(room.name) is room:
            del self._rooms[room.name]
            self._names.pop(room.sid, None)
            room.note_end(reason)
            self._on_close(room)
            self._quotas.close(room.key)

    def delete(self, name: str) -> None:
        self.close(self.find(name), EndReason.ROOM_DELETED)

    def close_all(self, reason: EndReason) -> None:
        for room in list(self._rooms.values()):
            self.close(room, reason)

    def handle_levels(self, levels: Sequence[tuple[int, bytes]]) -> None:
        """Passes audio levels, by the id of the track, to the rooms of the tracks."""
        by_room: dict[Room, list[tuple[int, bytes]]] = {}
        for track, samples in levels:
            room = self._by_participant.get(self._context.binding.owners.get(track, ""))
            if room is not None:
                by_room.setdefault(room, []).append((track, samples))
        now = self._context.now()
        for room, heard in by_room.items():
            try:
                room.events.handle_levels(heard, now)
            except Exception as error:
                self._context.failures.note("event", error, f"event=AudioLevels room={room.name}")

    def handle_timeout(self, now: float) -> None:
        """Does what is due in every room, and closes rooms that were empty for long enough."""
        for room in list(self._rooms.values()):
            try:
                room.handle_timeout(now)
                expires = room.expires_at()
                if expires is not None and expires <= now:
                    self.close(room, EndReason.EMPTY)
            except Exception as error:
                # The failure of one room does not affect the others of this tick.
                self._context.failures.note("tick", error, f"room={room.name}")

    def end_turn(self) -> None:
        """Flushes the rooms with changes."""
        turn, self._turn = self._turn, {}
        for room in turn:
            try:
                room.flush()
            except Exception as error:
                # The failure of one room does not affect the others of this turn.
                self._context.failures.note("turn", error, f"room={room.name}")

    def _soon(self, room: Room) -> None:
        if not self._turn and self._lifecycle.state is not State.CLOSED:
            asyncio.get_running_loop().call_soon(self.end_turn)
        self._turn[room] = None

    def _place(self) -> tuple[int, tuple[Candidate, ...]]:
        """Returns the worker with the fewest participants, and the addresses at which it is reached: first those of
        UDP."""
        addresses = self._plane.addresses()
        load = [0] * len(addresses)
        for room in self._rooms.values():
            load[room.worker] += len(room.members) + 1
        worker = load.index(min(load))
        address, port = addresses[worker]
        announced, tcp = self._context.config.announced_addresses or (address,), self._plane.tcp_port()
        candidates = [Candidate(address, port) for address in announced]
        if tcp is not None:
            candidates += [Candidate(address, tcp, "tcp") for address in announced]
        return worker, tuple(candidates)
