"""Ends a service: by a drain and its deadline, at once, or because a packet thread ended."""

import asyncio
import logging
from collections.abc import Callable

from sfu.context import Context
from sfu.lifecycle import Lifecycle, State
from sfu.model import EndReason
from sfu.rooms import Rooms

log = logging.getLogger(__name__)


class Ending:
    """`on_failure`: receives the reason of a failure, after all participants were removed."""

    def __init__(
        self, context: Context, lifecycle: Lifecycle, rooms: Rooms, on_failure: Callable[[str], None] | None
    ) -> None:
        self.empty = asyncio.Event()
        """Set when a draining or closed service has no participants."""
        self.failed = asyncio.Event()
        """Set when a packet thread has ended."""
        self.failure: str | None = None
        """Why it ended."""
        self._context = context
        self._lifecycle = lifecycle
        self._rooms = rooms
        self._on_failure = on_failure

    @property
    def deadline(self) -> int:
        """When a draining service removes its participants, in milliseconds since the epoch."""
        remaining = self._lifecycle.deadline - self._context.now()
        return int((self._context.wall() + remaining) * 1000)

    def drain(self, limit: float) -> None:
        """Admits no new participants. Present ones receive `draining` and have `limit` seconds, unless an earlier
        deadline exists."""
        if not self._lifecycle.drain(self._context.now() + limit):
            return
        deadline = int((self._context.wall() + limit) * 1000)
        for room in self._rooms.values():
            room.note_drain(deadline)
        self._rooms.end_turn()
        self.note_empty()
        log.info("draining: rooms=%d limit=%.1fs", len(self._rooms), limit)

    def close(self) -> None:
        """Removes all participants, with a reason, and admits nobody again."""
        self._remove_all()
        self.note_empty()

    def fail(self, reason: str) -> None:
        """Fails the whole service, because a packet thread panicked."""
        self.failure = reason
        log.critical("%s", reason)
        self._remove_all()
        self.failed.set()
        if self._on_failure is not None:
            with self._context.failures.contained("on_failure"):
                self._on_failure(reason)

    def handle_timeout(self, now: float) -> None:
        """Removes the last participants at the end of a drain."""
        if self._lifecycle.state is State.DRAINING and self._lifecycle.deadline <= now:
            self._rooms.close_all(EndReason.SERVER_SHUTDOWN)
        self.note_empty()

    def note_empty(self) -> None:
        """Sets `empty` if the service is to end and has no participants."""
        if self._lifecycle.state is not State.RUNNING and not self._rooms.has_participants:
            self.empty.set()

    def _remove_all(self) -> None:
        """Removes all participants, and admits nobody again."""
        self._lifecycle.close()
        self._rooms.close_all(EndReason.SERVER_SHUTDOWN)
        self._rooms.end_turn()
