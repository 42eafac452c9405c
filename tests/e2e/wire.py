"""A cable between a page and the service: TCP connections pass through it until it is pulled out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


@asynccontextmanager
async def wire(port: int) -> AsyncIterator["Wire"]:
    """To a port of 127.0.0.1."""
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
        """Connections tried while it was pulled out."""
        self._port = port
        self._is_plugged = True
        self._writers: set[asyncio.StreamWriter] = set()

    def pull(self) -> None:
        """Every connection ends without a word, and no other comes up."""
        self._is_plugged = False
        self.cut()

    def plug(self) -> None:
        self._is_plugged = True

    def cut(self) -> None:
        """Every connection ends without a word."""
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
