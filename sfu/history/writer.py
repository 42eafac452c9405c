"""The thread that alone uses the database of events: a commit waits for the disk, and the event loop must not.

What arrives during a commit is written by the next one. A write that fails is repeated, so events wait until the disk
has space again; the reads go on.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from sfu import limits
from sfu.history.store import Store

T = TypeVar("T")

Batch = Sequence[tuple[int, str]]
"""Events, each as its place and its body."""
Job = Callable[[Store], None]


class Writer:
    """`on_written` receives the place of the last event that is on the disk, `on_failure` a failed write. Both are
    called in the event loop."""

    def __init__(
        self,
        store: Store,
        on_written: Callable[[int], None],
        on_failure: Callable[[Exception], None],
        retry: float = limits.EVENT_RETRY_SECONDS,
    ) -> None:
        self._store = store
        self._on_written = on_written
        self._on_failure = on_failure
        self._retry = retry
        self._loop = asyncio.get_running_loop()
        self._work: queue.SimpleQueue[Batch | Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="sfu-events", daemon=True)
        self._thread.start()

    def write(self, batch: Batch) -> None:
        self._work.put(batch)

    async def ask(self, question: Callable[[Store], T]) -> T:
        """Returns what the question returns, after everything before it was written."""
        answer: asyncio.Future[T] = self._loop.create_future()

        def job(store: Store) -> None:
            try:
                found = question(store)
            except Exception as error:
                self._tell(_resolve, answer, None, error)
            else:
                self._tell(_resolve, answer, found, None)

        self._work.put(job)
        return await answer

    def note(self, job: Job) -> None:
        """Does something that nobody waits for."""
        self._work.put(job)

    async def close(self) -> None:
        """Writes what waits, once, and closes the database."""
        self._work.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        unwritten: list[tuple[int, str]] = []
        work: Batch | Job | None
        while True:
            try:
                work = self._work.get(timeout=self._retry if unwritten else None)
            except queue.Empty:
                work = ()
            # All batches that wait are one commit.
            while work is not None and not callable(work):
                unwritten += work
                try:
                    work = self._work.get_nowait()
                except queue.Empty:
                    break
            if unwritten and self._write(unwritten):
                unwritten = []
            if work is None:
                break
            if callable(work):
                try:
                    work(self._store)
                except Exception as error:
                    self._tell(self._on_failure, error)
        self._store.close()

    def _write(self, batch: Batch) -> bool:
        try:
            self._store.append(batch)
        except sqlite3.Error as error:
            self._tell(self._on_failure, error)
            return False
        self._tell(self._on_written, batch[-1][0])
        return True

    def _tell(self, callback: Callable[..., object], *arguments: object) -> None:
        self._loop.call_soon_threadsafe(callback, *arguments)


def _resolve(answer: asyncio.Future[T], found: T, error: Exception | None) -> None:
    if answer.done():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(found)
