"""What tests need of a browser, whichever it is: pages that call functions of `pages/peer.js`."""

import asyncio
import os
import shutil
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

import pytest

T = TypeVar("T")


class Page(Protocol):
    """A tab. Arguments and results travel as JSON."""

    async def call(self, name: str, *arguments: Any) -> Any:
        """Calls a function of `pages/peer.js` and waits for its promise."""

    async def close(self) -> None: ...


class Browser(Protocol):
    name: str

    async def page(self, url: str) -> Page: ...


class PageError(Exception):
    """What was thrown in the page."""


def program(name: str, package: str) -> str:
    """The path of an installed browser. Without it the test is skipped, or fails where CI=true."""
    found = shutil.which(name)
    if found is not None:
        return found
    sentence = f"{name} is not installed (Debian: sudo apt-get install {package})"
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)


async def until(read: Callable[[], Awaitable[T]], holds: Callable[[T], object], what: str, *, limit: float = 20.0) -> T:
    """Reads until the reading holds, and returns it. After `limit` seconds the test fails with the last one."""
    deadline = time.monotonic() + limit
    while True:
        reading = await read()
        if holds(reading):
            return reading
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {limit:g} s: {what}; the last reading was {reading!r}")
        await asyncio.sleep(0.1)
