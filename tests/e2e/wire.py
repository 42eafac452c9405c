"""A TCP proxy between a page and the service, whose connections the test can cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


@asynccontextmanager
async def wire(port: int) -> AsyncIterator["Wire"]:
    """Runs a proxy to a port of 127.0.0.1."""
    cable = Wire(port)
    listener = await asyncio.start_server(cable.carry, "127.0.0.1", 0)
    cable.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield cable
    finally:
        cable.pull()
        listener.close()


class Wire:
    def __init__(self, port: int) -> None:
        self.url = ""
        self.attempts = 0
        """The number of connections attempted while it was cut off."""
        self._port = port
        self._is_plugged = True
        self._writers: set[asyncio.StreamWriter] = set()

    def pull(self) -> None:
        """Aborts every connection and accepts no others."""
        self._is_plugged = False
        self.cut()

    def plug(self) -> None:
        self._is_plugged = True

    def cut(self) -> None:
        """Aborts every connection."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._is_plugged:
            self.attempts += 1
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers |= {writer, far_writer}
        with suppress(ConnectionError):
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        self._writers -= {writer, far_writer}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while octets := await reader.read(65_536):
            writer.write(octets)
            await writer.drain()
    writer.close()
