"""The clients of a benchmark, in a process of their own: `python -m tests.benchmark.clients PORT`.

Each line on standard input joins one client: it offers sections as Chromium writes them and then reads all messages.
Its sid is written to standard output when its offer is answered.
"""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from ..api.server import token
from .crowd import chromium

SECTIONS = [*[("video", "recvonly")] * 8, *[("audio", "recvonly")] * 8, ("application", "sendrecv")]
PUBLISHED = {"m": ("audio", "microphone"), "c": ("video", "camera")}


class Client:
    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def join(self, *, publishes: bool) -> str:
        await self._say("join")
        sid = str((await self._hear("joined"))["you"]["sid"])
        sections, tracks = list(SECTIONS), {}
        for cid, (kind, source) in PUBLISHED.items() if publishes else ():
            await self._say("publish", id=1, cid=cid, kind=kind, source=source, width=1280, height=720)
            await self._hear("published")
            tracks[str(len(sections))] = cid
            sections.append((kind, "sendonly"))
        await self._say("offer", id=2, sdp=chromium(sections, f"client{sid[-6:]}"), tracks=tracks)
        await self._hear("answer")
        return sid

    async def read(self) -> None:
        async for _ in self._socket:
            pass

    async def _say(self, type: str, **fields: Any) -> None:
        await self._socket.send(json.dumps({"type": type, **fields}))

    async def _hear(self, type: str) -> dict[str, Any]:
        while True:
            message: dict[str, Any] = json.loads(await self._socket.recv())
            if message["type"] == type:
                return message


async def main(port: int) -> None:
    asked = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(asked), sys.stdin)
    async with AsyncExitStack() as sockets, asyncio.TaskGroup() as tasks:
        while line := await asked.readline():
            wanted = json.loads(line)
            bearer = {"Authorization": f"Bearer {token(wanted['name'])}"}
            url = f"ws://127.0.0.1:{port}/v1/rooms/room/rtc"
            client = Client(await sockets.enter_async_context(connect(url, additional_headers=bearer)))
            print(await client.join(publishes=wanted["publishes"]), flush=True)
            tasks.create_task(client.read())


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
