"""Runs GStreamer's webrtcbin as a viewer at WHEP: `gstreamer_viewer.py`, by the system's Python."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

from .server import Server
from .waiting import when

PYTHON = "/usr/bin/python3"
VIEWER = Path(__file__).with_name("gstreamer_viewer.py")
MISSING = "needs Debian's python3-gst-1.0 and the plugins of webrtcbin"


@cache
def is_installed() -> bool:
    return subprocess.run([PYTHON, VIEWER, "--check"], capture_output=True, check=False).returncode == 0


class Viewer:
    """The output of GStreamer."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.said: list[dict[str, object]] = []
        self._process = process

    @property
    def pictures(self) -> int:
        return sum("pictures" in line for line in self.said)

    @property
    def state(self) -> object:
        return next((line["state"] for line in reversed(self.said) if "state" in line), None)

    async def see(self, pictures: int) -> None:
        """Waits until this many more pictures are decoded."""
        before = self.pictures
        await when(lambda: self.pictures >= before + pictures, f"GStreamer sees {pictures} pictures more", limit=60)

    async def listen(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.said.append(json.loads(line))

    async def answer(self, sdp: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"answer": sdp}).encode() + b"\n")
        await self._process.stdin.drain()


@asynccontextmanager
async def watching(server: Server, bearer: str) -> AsyncIterator[Viewer]:
    """Runs a connected viewer with this token."""
    process = await asyncio.create_subprocess_exec(
        PYTHON, VIEWER, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    viewer = Viewer(process)
    try:
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(viewer.listen())
            await when(lambda: "offer" in str(viewer.said), "GStreamer offers", limit=60)
            headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/sdp"}
            offer = next(str(line["offer"]) for line in viewer.said if "offer" in line)
            answer = await server.call("POST", "/v1/whep", content=offer.encode(), headers=headers)
            assert answer.status_code == 201, answer.text
            await viewer.answer(answer.text)
            await when(lambda: viewer.state == "connected", "GStreamer connects", limit=60)
            yield viewer
            listening.cancel()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
