"""What plain `make run` starts, as it stands: Firefox and GStreamer have media with it, on the same machine.

On a machine of its own where this one allows network namespaces, so that the usual ports are free; else on free ports.
"""

import asyncio
import os
import re
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from api import addresses

from . import namespaces
from .browser import Page
from .firefox import Firefox, firefox
from .gstreamer import MISSING, is_installed, watching
from .namespaces import CLIENTS, linked
from .server import ROOT, Server
from .site import site
from .waiting import until

pytestmark = pytest.mark.browser

FREE_PORTS = {"SFU_PORT": "0", "SFU_UDP_PORT": "0"}
FRAMES = 15
LIMIT = 120.0
"""Seconds after which somebody hangs."""


def command() -> str:
    """What `make run` runs once everything is set up."""
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "LAN")}
    planned = subprocess.run(
        ["make", "--no-print-directory", "-n", "-o", "setup", "run"],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return planned.stdout.strip()


@asynccontextmanager
async def running(folder: Path, more: dict[str, str]) -> AsyncIterator[Server]:
    """As a user has it, but for `.sfu-dev.json`, which is made in `folder`."""
    (folder / ".venv").symlink_to(ROOT / ".venv")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SFU_")}
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", command()),
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | more,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    log: list[str] = []

    async def read(output: asyncio.StreamReader) -> None:
        async for line in output:
            log.append(line.decode(errors="replace").rstrip())

    async def page() -> str | None:
        said = re.search(r"Open (http://[^/\s]+)", "\n".join(log))
        assert said or process.returncode is None, log
        return said[1] if said else None

    assert process.stdout is not None
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(read(process.stdout))
        try:
            url = await until(page, bool, "it says which page to open", limit=LIMIT)
            assert url is not None
            async with httpx.AsyncClient(base_url=url) as http:
                yield Server(process, url, url, http, log)
        finally:
            # Asked to stop, it would wait for its participants to leave.
            if process.returncode is None:
                process.kill()
            await process.wait()


@pytest_asyncio.fixture(loop_scope="session")
async def machine(request: pytest.FixtureRequest) -> AsyncIterator[dict[str, str]]:
    """Where the test is from here on; and what the service must be told there."""
    why = namespaces.why_not()
    way = f"this machine and free ports, since {why}" if why else "a machine of its own and the usual ports"
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\n`make run` is tested with {way}.")
    if why:
        if addresses.own_address() is None:
            pytest.skip("this machine has only loopback addresses")
        yield FREE_PORTS
        return
    async with linked() as link:
        with link.inside(CLIENTS):
            yield {}


async def enter(page: Page, server: Server, door: str, bearer: str, shape: Mapping[str, object]) -> None:
    headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/sdp"}
    answer = await server.call("POST", f"/v1/{door}", headers=headers, content=await page.call("offer", shape))
    assert answer.status_code == 201, answer.text
    await page.call("accept", answer.text)
    await until(
        lambda: page.call("bareState"),
        lambda state: state["connection"] == "connected",
        f"{door} connects",
        limit=LIMIT,
    )


def _is_connected(state: dict[str, str]) -> bool:
    return state["connection"] == "connected"


async def give_token(server: Server, name: str) -> str:
    """As the try-it page gets it."""
    given = await server.call("POST", "/v1/dev/token", json={"room": "lobby", "name": name})
    return str(given.json()["token"])


@pytest.mark.skipif(not is_installed(), reason=MISSING)
async def test_firefox_and_gstreamer_have_media_with_plain_make_run(machine: dict[str, str], tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running(tmp_path, machine))
        url = await stack.enter_async_context(site())
        browser: Firefox = await stack.enter_async_context(firefox())
        camera, viewer = await browser.page(url), await browser.page(url)
        # Its made-up camera: what a hidden tab draws itself comes once a second.
        sends = {"sends": [{"kind": "video", "codec": "vp8", "width": 320, "height": 180}]}
        await enter(camera, server, "whip", await give_token(server, "camera"), sends)
        await enter(viewer, server, "whep", await give_token(server, "viewer"), {"receives": ["video"]})
        watcher = await stack.enter_async_context(watching(server, await give_token(server, "watcher")))

        async def frames() -> int:
            return max((int(flow.get("frames") or 0) for flow in await viewer.call("bareFlows")), default=0)

        await until(frames, lambda count: count >= FRAMES, "Firefox sees Firefox", limit=LIMIT)
        await watcher.see(FRAMES)
