"""Runs a server on a free port with a fake plane; with SFU_TEST_PLANE=native, with the real one."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from .server import Server, serving

Start = Callable[..., Awaitable[Server]]


@pytest.fixture
def real_plane() -> bool:
    return os.environ.get("SFU_TEST_PLANE") == "native"


@pytest.fixture
async def start(real_plane: bool) -> AsyncIterator[Start]:
    """Starts servers with the settings of a test: names of variables without SFU_."""
    async with AsyncExitStack() as stack:

        async def start(dev: bool = False, **settings: object) -> Server:
            return await stack.enter_async_context(serving(real_plane, dev, **settings))

        yield start


@pytest.fixture
async def server(start: Start) -> Server:
    return await start()
