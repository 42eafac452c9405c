"""One Chromium and one Firefox for the whole run, one service for each module, and people in its rooms."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from .browser import Browser
from .chromium import Chromium, chromium
from .firefox import Firefox, firefox
from .person import Person
from .server import Server, serving
from .site import site

HERE = Path(__file__).parent

Enter = Callable[..., Awaitable[Person]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Browsers outlive tests: all tests here share one event loop, and run in it.
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session", name="site")
async def _site() -> AsyncIterator[str]:
    async with site() as url:
        yield url


@pytest_asyncio.fixture(scope="session", loop_scope="session", name="chromium")
async def _chromium() -> AsyncIterator[Chromium]:
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(scope="session", loop_scope="session", name="firefox")
async def _firefox() -> AsyncIterator[Firefox]:
    async with firefox() as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server() -> AsyncIterator[Server]:
    async with serving() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def room(server: Server) -> str:
    return server.new_room()


@pytest_asyncio.fixture(loop_scope="session")
async def enter(server: Server, site: str, room: str) -> AsyncIterator[Enter]:
    """`await enter(browser, "ada")`: somebody in the room of this test, until it ends."""
    present: list[Person] = []

    async def enter(browser: Browser, identity: str, **given: object) -> Person:
        person = await Person.enter(browser, site, server, room, identity, **given)
        present.append(person)
        return person

    yield enter
    for person in present:
        await person.close()
