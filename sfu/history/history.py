"""The history of a service: numbers the events of its rooms, has them written, and lets backends read them."""

import asyncio
import logging
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from sfu import limits
from sfu.config import Config
from sfu.context import Context
from sfu.errors import InvalidRequest, TooManyRequests, Unavailable
from sfu.facts import Entry
from sfu.history.following import Ask, Following
from sfu.history.recorder import Recorder
from sfu.history.store import Store
from sfu.history.writer import Writer
from sfu.model import Octets
from sfu.quoting import quote
from sfu.revocations import Revocations
from sfu.room_events import EventPage, RoomEvent, encode
from sfu.views import AdminCommand

T = TypeVar("T")

log = logging.getLogger(__name__)

ID = re.compile(r"([A-Za-z0-9]{8})-([0-9]{1,15})", re.ASCII)


@dataclass(frozen=True, slots=True)
class HistoryStats:
    """Numbers for the metrics."""

    written: int
    """Events that are in the database, since the start."""
    waiting: int
    """Events that are not yet."""
    octets: int
    """Octets of the events that are kept."""
    dropped: dict[str, int]
    """Events that are no longer kept (`age`, `size`, `deleted`), or never were (`backlog`), by reason. `undelivered`:
    that no longer go to a webhook, because they were removed."""
    followers: int
    """Clients that follow events now."""
    slow_followers: int
    """Clients that were let go because they read too slowly."""


class History:
    """Events are numbered when their facts are read, and can be read once they are in the database."""

    def __init__(
        self,
        context: Context,
        revocations: Revocations | None = None,
        octets: Callable[[str], Octets] = lambda sid: Octets(),
    ) -> None:
        """`revocations`: kept with the events, if these outlive the process. `octets`: of a participant that is in a
        room, by its sid."""
        self._context = context
        self._config: Config = context.config
        self._octets = octets
        self._revocations = revocations
        self._recorder = Recorder(self._config.node, self._append)
        self._writer: Writer | None = None
        self._store: Store | None = None
        self._fresh: list[tuple[int, str]] = []
        """Events of this call of `read`."""
        self._first = 0
        self._position = 0
        """The place of the last event."""
        self._written = 0
        """The place of the last event in the database."""
        self._lost = 0
        """Events that were not written, because too many waited."""
        self._is_failing = False
        """True: the last write failed, and is repeated."""
        self._noted_at = 0.0
        self._followers: dict[Following, None] = {}
        self._deliverers: list[asyncio.Event] = []
        self._slow = 0
        """Followers that were let go because they were slow."""
        self._rooms: deque[tuple[int, str]] = deque()
        """Place and room of the events that are not in the database."""
        self._is_ending = False
        self._news = asyncio.Event()
        """Set when more events are in the database. Each time there is another one."""

    @property
    def is_durable(self) -> bool:
        """Returns whether the events outlive the process."""
        return bool(self._config.state_dir)

    async def open(self) -> None:
        """Opens the database. Raises StateError."""
        config = self._config
        folder = Path(config.state_dir) if config.state_dir else None
        made = partial(
            Store,
            folder,
            node=config.node,
            age=config.event_age,
            octets=config.event_octets,
            webhooks=config.webhooks,
            at=self._context.milliseconds(),
        )
        store = self._store = await asyncio.to_thread(made)
        self._recorder.epoch = store.epoch
        self._first = self._position = self._written = store.position
        if self._revocations is not None:
            self._revocations.restore(store.revocations)
        self._writer = Writer(store, self._handle_written, self._handle_failure)
        if folder is None:
            log.info("events of rooms are kept in memory only, because SFU_STATE_DIR is not set")
        else:
            log.info("events of rooms are kept: folder=%s epoch=%d", folder, store.epoch)
        if store.lost:
            log.warning("the process ended before without closing its rooms: participants=%d", store.lost)

    def end(self) -> None:
        """Lets followers go when they have read everything, because the rooms are closed."""
        self._is_ending = True
        self._end_followers()

    async def close(self) -> None:
        """Writes what waits, and closes the database."""
        if self._writer is not None:
            await self._writer.close()
            self._writer = None

    def read(self, entries: Sequence[Entry]) -> None:
        """Reads the facts of one turn of a room."""
        try:
            self._recorder.read(entries)
        finally:
            self._hand_over()

    def note_command(self, command: AdminCommand) -> None:
        """Records a command that is about no room."""
        self._recorder.note_command(command, self._context.milliseconds())
        self._hand_over()

    def note_limit(self, name: str, identity: str = "", room: str = "") -> None:
        """Records that a request reached a limit. `room`: its sid."""
        self._recorder.note_limit(room, name, identity, self._context.milliseconds())
        self._hand_over()

    @property
    def rooms(self) -> Sequence[tuple[str, str]]:
        """Name and JSON of the rooms that an earlier process kept."""
        return self._store.rooms if self._store is not None else ()

    def keep_rooms(self, rooms: Sequence[tuple[str, str]]) -> None:
        """Keeps rooms, as name and JSON, if the events outlive the process."""
        if self.is_durable and self._writer is not None:
            self._writer.note(lambda store: store.keep_rooms(rooms))

    def handle_timeout(self, now: float) -> None:
        at = self._context.milliseconds()
        self._recorder.handle_timeout(at)
        self._hand_over()
        if self._writer is not None and now >= self._noted_at + limits.EVENT_ALIVE_SECONDS:
            self._noted_at = now
            self._writer.note(lambda store: store.keep_alive(at))
            if self.is_durable:
                usages = list(self._recorder.usages(self._octets, at))
                self._writer.note(lambda store: store.note_usage(usages))

    async def settle(self) -> None:
        """Waits until the events of now are in the database. Returns earlier if that takes too long, or fails."""
        position = self._position
        try:
            async with asyncio.timeout(limits.EVENT_COMMIT_SECONDS):
                while self._written < position and self._writer is not None and not self._is_failing:
                    await self._news.wait()
        except TimeoutError:
            log.warning("an answer did not wait for its events any longer: waiting=%d", self._position - self._written)

    async def page(self, after: str, room: str | None, limit: int) -> EventPage:
        """Returns events after an id. Raises InvalidRequest if it is none."""
        if self._writer is None or self._store is None:
            raise Unavailable("the events cannot be read now")
        position = None
        if after:
            match = ID.fullmatch(after)
            if match is None:
                raise InvalidRequest(f"the parameter after must be the id of an event, not {quote(after)}")
            # Another store, or this one before it was replaced by an older copy.
            is_ours = match[1] == self._store.id and int(match[2]) <= self._position
            position = int(match[2]) if is_ours else -1
        return await self._writer.ask(lambda store: store.read(position, room, limit))

    async def forget(self, identity: str, room: str | None) -> int:
        """Removes the events until now that name an identity, of one room by its name or of all. Returns their number.
        Other work of the database has its turn in between."""
        begun, removed = 0, 0
        last = self._position
        while begun < last:
            end = min(begun + limits.EVENT_FORGET, last)
            removed += await self.ask(partial(Store.forget, identity=identity, room=room, after=begun, last=end))
            begun = end
        await self.ask(Store.shred)
        log.info("events of an identity were removed: events=%d", removed)
        return removed

    @contextmanager
    def following(self, room: str | None, after: str, ask: Ask) -> Iterator[Following]:
        """Raises TooManyRequests if too many clients follow already."""
        if len(self._followers) >= limits.EVENT_FOLLOWERS:
            self.note_limit("followers")
            raise TooManyRequests(
                f"this server has {limits.EVENT_FOLLOWERS} clients that follow events, its maximum: try again later",
                "followers",
                limits.RETRY_SECONDS,
            )
        follower = Following(room, after, ask)
        follower.is_ended = self._is_ending and self._written == self._position
        self._followers[follower] = None
        try:
            yield follower
        finally:
            del self._followers[follower]
            self._slow += follower.was_slow

    async def ask(self, question: Callable[[Store], T]) -> T:
        """Returns what the question returns, in the thread of the database."""
        if self._writer is None:
            raise Unavailable("the events cannot be read now")
        return await self._writer.ask(question)

    def name(self, position: int) -> str:
        """Returns the id of the event at a place."""
        assert self._store is not None
        return self._store.name(position)

    def deliveries_news(self) -> asyncio.Event:
        """Returns what is set whenever there may be events to deliver."""
        news = asyncio.Event()
        self._deliverers.append(news)
        return news

    def wake_deliveries(self) -> None:
        for news in self._deliverers:
            news.set()

    def note_failure(self, error: Exception) -> None:
        """Records an exception of a delivery, which is repeated."""
        self._context.failures.note("webhooks", error)

    def stats(self) -> HistoryStats:
        store = self._store
        dropped = {**store.dropped, "undelivered": store.deliveries.expired} if store is not None else {}
        return HistoryStats(
            written=self._written - self._first,
            waiting=self._position - self._written,
            octets=store.octets if store is not None else 0,
            dropped={**dropped, "backlog": self._lost},
            followers=len(self._followers),
            slow_followers=self._slow,
        )

    def _append(self, event: RoomEvent) -> None:
        if self._position - self._written >= limits.EVENT_BACKLOG:
            self._lost += 1
            return
        self._position += 1
        self._fresh.append((self._position, encode(event)))
        self._rooms.append((self._position, event.room.name))

    def _hand_over(self) -> None:
        fresh, self._fresh = self._fresh, []
        changed = self._revocations.take_changes() if self._revocations is not None else ()
        # Before the events of the same command: whoever waits for these has a revocation that outlives the process.
        if changed and self.is_durable and self._writer is not None:
            self._writer.note(lambda store: store.keep_revocations(changed))
        if fresh and self._writer is not None:
            self._writer.write(fresh)

    def _handle_written(self, position: int) -> None:
        self._written, self._is_failing = position, False
        self._wake()
        self.wake_deliveries()
        rooms: set[str | None] = {None}
        while self._rooms and self._rooms[0][0] <= position:
            rooms.add(self._rooms.popleft()[1])
        for follower in self._followers:
            if follower.room in rooms:
                follower.news.set()
        if self._is_ending:
            self._end_followers()

    def _end_followers(self) -> None:
        if self._written == self._position:
            for follower in self._followers:
                follower.is_ended = True
                follower.news.set()

    def _handle_failure(self, error: Exception) -> None:
        self._context.failures.note("events", error)
        self._is_failing = True
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
