"""The example that publishes with GStreamer, by the system's Python: its picture and tone arrive, and it leaves."""

import asyncio
import subprocess
from pathlib import Path

import httpx
import pytest

from sfu_client import AccessToken, Client

from .test_examples import KEYS, LIMIT, school, until

__all__ = ["school"]

PYTHON = "/usr/bin/python3"
EXAMPLE = "examples/whip_gstreamer.py"
KEY, _, SECRET = KEYS.partition(": ")


def is_installed(root: Path) -> bool:
    # A refused connection is the last thing that the example tries.
    try:
        tried = subprocess.run(
            [PYTHON, EXAMPLE, "http://127.0.0.1:1", "x", "--seconds", "20"], cwd=root, capture_output=True, text=True
        )
    except FileNotFoundError:
        return False
    return "refused" in tried.stderr


@pytest.mark.slow
async def test_gstreamer_publishes_a_picture_and_a_tone_by_whip(root: Path, school: httpx.AsyncClient) -> None:
    if not is_installed(root):
        pytest.skip("needs Debian's python3-gst-1.0 and the plugins of webrtcbin")
    url = str(school.base_url).rstrip("/")
    token = AccessToken(identity="gst", room="studio", room_join=True).sign(KEY, SECRET)
    process = await asyncio.create_subprocess_exec(
        PYTHON, EXAMPLE, url, token, cwd=root, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with Client(url, key=KEY, secret=SECRET) as sfu:

            async def arrive() -> bool:
                assert process.returncode is None, (await process.communicate())[0].decode()
                if not [room async for room in sfu.all_rooms()]:
                    return False
                tracks = (await sfu.list_tracks("studio")).tracks
                mimes = {one.track.mime for one in tracks if sum(encoding.bitrate for encoding in one.encodings) > 0}
                return mimes == {"video/VP8", "audio/opus"}

            await until(arrive)
            # The server's end of the session ends the example.
            await sfu.remove_participant("studio", "gst")
            async with asyncio.timeout(LIMIT):
                output, _ = await process.communicate()
        assert "connected" in output.decode().split()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
