"""Makes one call between processes with the commands of the README: WHIP in, WHEP out.

Run in a checkout after `make setup`: `.venv/bin/python -m tests.packaging.call`. Prints what arrived, as JSON.
"""

import asyncio
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription

from loadtest import loopback

URL = "http://127.0.0.1:7880"
COMMANDS = Path(sys.executable).parent
LIMIT = 30.0
"""Seconds until video and audio must arrive."""


def main() -> None:
    loopback.allow(URL)
    os.environ |= {"SFU_KEYS": f"key: {secrets.token_hex(32)}", "SFU_DRAIN_LIMIT": "0"}
    with ExitStack() as processes:
        processes.enter_context(running(COMMANDS / "sfu", "serve"))
        publisher = token("camera")
        until_it_answers()
        processes.enter_context(running(sys.executable, "examples/whip_publish.py", URL, publisher))
        print(json.dumps(asyncio.run(watch(token("viewer")))))


@contextmanager
def running(*command: str | Path) -> Iterator[None]:
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": "."}, stdout=sys.stderr)
    try:
        yield
    finally:
        process.terminate()
        process.wait(LIMIT)


def token(identity: str) -> str:
    command = (str(COMMANDS / "sfu"), "token", "--room", "lobby", "--identity", identity)
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def until_it_answers() -> None:
    with httpx.Client(transport=httpx.HTTPTransport(retries=8)) as http:
        http.get(URL).raise_for_status()


async def watch(bearer: str) -> dict[str, str]:
    """Returns descriptions of the first video and audio frames of a WHEP viewer."""
    connection = RTCPeerConnection()
    sections = [connection.addTransceiver(kind, direction="recvonly") for kind in ("audio", "video")]
    try:
        await connection.setLocalDescription(await connection.createOffer())
        async with httpx.AsyncClient(base_url=URL, headers={"Authorization": f"Bearer {bearer}"}) as http:
            offer, headers = connection.localDescription.sdp, {"Content-Type": "application/sdp"}
            answer = await http.post("/v1/whep", content=offer, headers=headers)
        answer.raise_for_status()
        await connection.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
        async with asyncio.timeout(LIMIT):
            return dict(await asyncio.gather(*(first(section.receiver.track) for section in sections)))
    finally:
        await connection.close()


async def first(track: MediaStreamTrack) -> tuple[str, str]:
    return track.kind, type(await track.recv()).__name__


if __name__ == "__main__":
    main()
