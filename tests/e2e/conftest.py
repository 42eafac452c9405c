"""One Chromium and one Firefox for the whole run, one service for each module, and people in its rooms."""

from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from pathlib import Path
from typing import Any

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


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Browsers outlive tests: all tests here share one event loop, and run in it.
    for item in items:
        if item.path.is_relative_to(HERE) and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session", name="site")
async def _site() -> AsyncIterator[str]:
    async with site() as url:
        yield url


@pytest_asyncio.fixture(scope="session", loop_scope="session", name="chromium")
async def _chromium() -> AsyncIterator[Chromium]:
    # Sends all three encodings of a small picture, because encoding a large one takes a whole core.
    async with chromium(trials=["WebRTC-LegacySimulcastLayerLimit/Disabled"]) as browser:
        yield browser


@pytest_asyncio.fixture(scope="session", loop_scope="session", name="firefox")
async def _firefox() -> AsyncIterator[Firefox]:
    async with firefox() as browser:
        yield browser


@pytest.fixture(params=["chromium", "firefox"])
def browser(request: pytest.FixtureRequest) -> Browser:
    """Both browsers, one after the other."""
    browser: Browser = request.getfixturevalue(request.param)
    return browser


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server() -> AsyncIterator[Server]:
    async with serving() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def room(server: Server) -> str:
    return server.new_room()


@pytest_asyncio.fixture(loop_scope="session")
async def enter(request: pytest.FixtureRequest, server: Server, site: str, room: str) -> AsyncIterator[Enter]:
    """`await enter(browser, "ada")`: a participant in the room of this test until it ends."""
    present: list[Person] = []

    async def enter(browser: Browser, identity: str, **given: Any) -> Person:
        person = await Person.enter(browser, site, server, room, identity, **given)
        present.append(person)
        return person

    yield enter
    if request.node.stash.get(FAILED, False):
        for person in present:
            print(f"{person.identity}:", await person.describe())
        print("the service:", *server.log[-40:], sep="\n")
        print(await server.metrics())
    for person in present:
        await person.close()
