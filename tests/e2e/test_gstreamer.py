"""GStreamer watches by WHEP: it waits longer than any silence that ends consent to send, and sees who comes then."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from loadtest import sources
from loadtest.bot import Bot

from .server import Server, token
from .waiting import when

pytestmark = pytest.mark.browser

PYTHON = "/usr/bin/python3"
VIEWER = Path(__file__).with_name("gstreamer_viewer.py")
SILENCES = 14.0
"""Seconds: beyond the 8 s after which a peer that says nothing is sent nothing."""


def is_installed() -> bool:
    return subprocess.run([PYTHON, VIEWER, "--check"], capture_output=True, check=False).returncode == 0


@asynccontextmanager
async def watching(server: Server, room: str, identity: str) -> AsyncIterator[list[dict[str, object]]]:
    """What GStreamer says, as it comes."""
    process = await asyncio.create_subprocess_exec(
        PYTHON, VIEWER, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None and process.stdout is not None
    said: list[dict[str, object]] = []

    async def listen(output: asyncio.StreamReader) -> None:
        async for line in output:
            said.append(json.loads(line))

    try:
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(listen(process.stdout))
            await when(lambda: "offer" in str(said), "GStreamer offers", limit=60)
            headers = {"Authorization": f"Bearer {token(identity, room)}", "Content-Type": "application/sdp"}
            offer = next(str(line["offer"]) for line in said if "offer" in line)
            answer = await server.call("POST", "/v1/whep", content=offer.encode(), headers=headers)
            assert answer.status_code == 201, answer.text
            process.stdin.write(json.dumps({"answer": answer.text}).encode() + b"\n")
            await process.stdin.drain()
            await when(lambda: {"state": "connected"} in said, "GStreamer connects", limit=20)
            yield said
            listening.cancel()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.skipif(not is_installed(), reason="needs Debian's python3-gst-1.0 and the plugins of webrtcbin")
async def test_gstreamer_that_waited_longer_than_any_silence_sees_who_comes(server: Server, room: str) -> None:
    async with watching(server, room, "viewer") as said:
        # What is waited for is that nothing happens: it is there, and stays.
        await asyncio.sleep(SILENCES)
        viewer = await server.ask("GET", f"/v1/rooms/{room}/participants/viewer")
        assert viewer["state"] == "active"
        async with Bot(server.url, room=room, token=token("camera", room), source=sources.card(3)):
            await when(
                lambda: sum("pictures" in line for line in said) >= 30, "GStreamer sees thirty pictures", limit=20
            )
        assert [line["state"] for line in said if "state" in line][-1] == "connected"
