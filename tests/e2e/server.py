"""Runs the service like a user: `sfu serve` in its own process, on free ports."""

import asyncio
import os
import re
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from api import auth
from api.addresses import default_address
from sfu.model import Grant, Permissions

KEY = "key"
SECRET = "a secret of thirty-two bytes or more"
START_LIMIT = 20.0
STOP_LIMIT = 10.0
"""Seconds."""
ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def serving(
    *command: str, environment: Mapping[str, str] | None = None, **settings: object
) -> AsyncIterator["Server"]:
    """`settings`: SFU_ variables in lower case and without SFU_. `command` replaces `sfu serve`. `environment`: other
    variables."""
    internal = _free_port()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SFU_")}
    given: dict[str, object] = {
        "host": ",".join(addresses()),
        "keys": f"{KEY}: {SECRET}",
        "port": 0,
        "udp_port": 0,
        # Many tests lose, delay or cut UDP; browsers would use TCP then.
        "tcp_port": "off",
        "workers": 1,
        "internal_port": internal,
        "drain_limit": 0,
    }
    given |= settings
    environ |= {f"SFU_{name.upper()}": str(value) for name, value in given.items()} | dict(environment or {})
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *(command or ("-c", "from api.cli import main; main()", "serve")),
        cwd=ROOT,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    log: list[str] = []
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        # Reads to the end, including the output during the stop.
        tasks.create_task(_read(process, log, listening))
        try:
            async with asyncio.timeout(START_LIMIT):
                url = await listening
            async with httpx.AsyncClient(base_url=url) as http:
                # The loopback address, or the configured one.
                hosts = str(given["host"]).split(",")
                near = hosts[0] if "." in hosts[0] and hosts[0] != "0.0.0.0" else "127.0.0.1"
                yield Server(process, url, f"http://{near}:{internal}", http, log)
        finally:
            await _stop(process)


class Server:
    def __init__(
        self, process: asyncio.subprocess.Process, url: str, internal: str, http: httpx.AsyncClient, log: list[str]
    ) -> None:
        self.process = process
        self.url = url
        self.log = log
        """Its output so far."""
        self._internal = internal
        self._http = http
        self._rooms = 0

    @property
    def port(self) -> int:
        return httpx.URL(self.url).port or 80

    def new_room(self) -> str:
        """Returns a name that no other test uses."""
        self._rooms += 1
        return f"room-{self._rooms}"

    async def ask(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """Sends a request as an administrator. Returns the JSON of the reply. Raises if it is refused."""
        bearer = {"Authorization": f"Bearer {admin()}"}
        answer = await self._http.request(method, path, json=body, headers=bearer, **more)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        return await self._http.request(method, path, **more)

    async def counters(self, room: str, identity: str) -> dict[str, Any]:
        """Returns what was counted of a participant's transport; empty before there is anything."""
        answer = await self._http.get(f"{self._internal}/counters", params={"room": room, "identity": identity})
        return dict(answer.json()) if answer.status_code == 200 else {}

    async def metrics(self) -> dict[str, float]:
        """Returns the metrics of the internal listener, by their name in the exposition format, with labels."""
        text = (await self._http.get(f"{self._internal}/metrics")).text
        lines = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, value in lines}


def addresses() -> list[str]:
    """Returns the addresses at which tests listen. Firefox has no candidate at 127.0.0.1 and pairs no other with it, so
    it needs the address of the default route, which also uses the loopback device on this machine."""
    return ["127.0.0.1", *filter(None, [default_address()])]


def token(identity: str, room: str = "", **permissions: Any) -> str:
    grant = Grant(identity, room=room, room_join=True, permissions=Permissions(**permissions), key=KEY)
    return auth.sign(grant, SECRET, ttl=3600, now=time.time())


def admin() -> str:
    return auth.sign(Grant("admin", room_admin=True, room_create=True, room_list=True, key=KEY), SECRET, ttl=3600)


async def _read(process: asyncio.subprocess.Process, log: list[str], listening: asyncio.Future[str]) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        log.append(line.decode(errors="replace").rstrip())
        said = re.search(r"listening: (http\S+)", log[-1])
        if said and not listening.done():
            listening.set_result(said[1])
    if not listening.done():
        listening.set_exception(RuntimeError("the service did not start:\n" + "\n".join(log)))


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_LIMIT)
    except TimeoutError:
        process.kill()
        await process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
