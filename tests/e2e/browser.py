"""The interface of a browser for tests: pages that call functions of `pages/peer.js`."""

import os
import shutil
from typing import Any, Protocol

import pytest


class Page(Protocol):
    """A tab. Arguments and results travel as JSON."""

    async def call(self, name: str, *arguments: Any) -> Any:
        """Calls a function of `pages/peer.js` and waits for its promise."""

    async def close(self) -> None: ...


class Browser(Protocol):
    name: str

    async def page(self, url: str) -> Page: ...


class PageError(Exception):
    """An exception in the page."""


def program(name: str, package: str) -> str:
    """Returns the path of an installed browser. Without one the test is skipped; with CI=true it fails."""
    found = shutil.which(name)
    if found is not None:
        return found
    sentence = f"{name} is not installed (Debian: sudo apt-get install {package})"
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)
