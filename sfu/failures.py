"""Contained exceptions are counted by place, and logged once per kind.

One broken participant or room must not affect others, or fill the log with the same traceback five times a second.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Protocol, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")
M = TypeVar("M", covariant=True)

KINDS = 1000
"""The number of kinds that are distinguished. Exceptions of further kinds are counted, but not logged."""


class Lookup(Protocol[M]):
    def get(self, sid: str, /) -> M | None: ...


class Failures:
    """A kind is the place that contained the exception, its type, and the line that raised it."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._logged: set[tuple[str, type[Exception], str, int]] = set()

    @property
    def counts(self) -> Mapping[str, int]:
        """Contained exceptions by place."""
        return MappingProxyType(self._counts)

    def note(self, where: str, error: Exception, about: str = "") -> None:
        """Records an exception that the caller contains. `about` names the object, for example `sid=PA_…`."""
        self._counts[where] += 1
        kind = (where, type(error), *_raised_at(error))
        if kind in self._logged or len(self._logged) >= KINDS:
            return
        self._logged.add(kind)
        log.error(
            "contained an exception; further ones of this kind are only counted: where=%s %s",
            where,
            about,
            exc_info=error,
        )

    def contained(self, where: str, about: str = "") -> "Contained":
        """Records an exception of the block, which is not raised further."""
        return Contained(self, where, about)

    def each(
        self,
        where: str,
        members: "Lookup[T]",
        sids: Iterable[str],
        work: Callable[[T], None],
        again: dict[str, None],
    ) -> None:
        """Calls `work` for each of these members that is still present. A member whose call raises is added to `again`;
        the others are not affected."""
        for sid in sids:
            member = members.get(sid)
            if member is None:
                continue
            try:
                work(member)
            except Exception as error:
                self.note(where, error, f"sid={sid}")
                again[sid] = None


class Contained:
    """A block whose exception is recorded. A generator for the same costs four times as much, for each participant in
    each tick."""

    __slots__ = ("_about", "_failures", "_where")

    def __init__(self, failures: Failures, where: str, about: str) -> None:
        self._failures = failures
        self._where = where
        self._about = about

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> bool:
        if not isinstance(error, Exception):
            return False
        self._failures.note(self._where, error, self._about)
        return True


def _raised_at(error: Exception) -> tuple[str, int]:
    """File and line of the innermost frame."""
    traceback = error.__traceback__
    if traceback is None:
        return "", 0
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback.tb_frame.f_code.co_filename, traceback.tb_lineno
