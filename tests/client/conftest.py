"""Clients of a server on a free port, with a fake plane."""

from collections.abc import AsyncIterator

import pytest

from sfu_client import Client

from ..api.conftest import real_plane, server, start
from ..api.server import KEY, SECRET, Server

__all__ = ["real_plane", "server", "start"]


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    """An administrator."""
    async with Client(f"http://127.0.0.1:{server.port}", key=KEY, secret=SECRET) as client:
        yield client
