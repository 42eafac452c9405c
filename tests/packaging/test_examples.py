"""The examples, run as their README says: each a process of its own, together one story."""

import asyncio
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

LIMIT = 30.0
"""Seconds that any step may take."""
INTERVAL = 0.1
KEYS = "school: " + "s" * 32


@asynccontextmanager
async def running(root: Path, example: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SFU_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        f"examples/{example}",
        *arguments,
        cwd=root,
        env=environment | {"SFU_KEYS": KEYS, "SFU_UDP_PORT": "0", "SFU_WORKERS": "1", "PYTHONPATH": str(root)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(LIMIT):
            await process.wait()


async def said(root: Path, example: str, *arguments: str) -> tuple[int, str]:
    async with running(root, example, *arguments) as process:
        async with asyncio.timeout(LIMIT):
            output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode()


async def until(look: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(int(LIMIT / INTERVAL)):
        if await look():
            return
        await asyncio.sleep(INTERVAL)
    pytest.fail(f"not so after {LIMIT:g} s")


@pytest.fixture
async def school(root: Path) -> AsyncIterator[httpx.AsyncClient]:
    """examples/embed.py, answering."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with (
        running(root, "embed.py", str(port)) as process,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http,
    ):

        async def answers() -> bool:
            assert process.returncode is None, (await process.communicate())[0].decode()
            try:
                return (await http.get("/class/none")).is_success
            except httpx.TransportError:
                return False

        await until(answers)
        yield http


async def test_a_pupil_enters_publishes_is_muted_and_is_removed(root: Path, school: httpx.AsyncClient) -> None:
    url = str(school.base_url).rstrip("/")
    token = (await school.post("/class/algebra/enter", json={"name": "Ada"})).json()["token"]
    async with running(root, "whip_publish.py", url, token, "--seconds", "60") as ada:

        async def flows() -> bool:
            assert ada.returncode is None, (await ada.communicate())[0].decode()
            code, text = await said(root, "moderate.py", url, "algebra")
            return code == 0 and re.search(r"ada: \S+ video/VP8, [1-9]\d* kbit/s", text) is not None

        async def is_there() -> bool:
            return bool((await school.get("/class/algebra")).json() == {"present": ["Ada"]})

        await until(is_there)
        await until(flows)
        code, text = await said(root, "moderate.py", url, "algebra", "--mute", "ada", "--lock")
        assert (code, text.count(", muted")) == (0, 2), text
        await said(root, "moderate.py", url, "algebra", "--remove", "ada")
        # The server's close_notify ends the example by itself.
        async with asyncio.timeout(LIMIT):
            output, _ = await ada.communicate()
        assert ada.returncode == 0 and output.decode().split()[-1] == "closed", output.decode()
    assert (await school.get("/class/algebra")).json() == {"present": []}


async def test_refusals_are_sentences(root: Path, school: httpx.AsyncClient) -> None:
    url = str(school.base_url).rstrip("/")
    assert await said(root, "moderate.py", url, "nowhere") == (1, "There is no room 'nowhere'.\n")
    code, text = await said(root, "whip_publish.py", url, "no.token.atall")
    assert (code, "token" in text) == (1, True), text


async def test_the_pages_and_doors_of_the_service_are_there_too(school: httpx.AsyncClient) -> None:
    assert (await school.get("/")).headers["content-type"].startswith("text/html")
    assert (await school.get("/v1/rooms")).status_code == 401
