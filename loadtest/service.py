"""Runs a new service process for measurements, on free ports of loopback with its own key, and reads its resource
usage."""

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import jwt

from loadtest import wire

KEY, SECRET = "loadtest", "the secret of a service that lives for one measurement"
START_LIMIT = 20.0
STOP_LIMIT = 10.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Service:
    url: str
    internal_url: str
    pid: int

    def token(self, identity: str, room: str) -> str:
        return token(identity, room)

    def whip(self) -> str:
        return f"{self.url}/v1/whip"

    def whep(self) -> str:
        return f"{self.url}/v1/whep"

    def cpu(self) -> float:
        """Returns the seconds of CPU time so far, of all threads: from clock_getcpuclockid(3), not the ticks of
        /proc."""
        return time.clock_gettime(~self.pid << 3 | 2)

    def worker_cpu(self) -> float:
        """Returns the seconds of CPU time of the packet threads."""
        used = 0.0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            with contextlib.suppress(OSError):
                if (task / "comm").read_text().startswith("sfu-worker"):
                    used += int((task / "schedstat").read_text().split()[0]) / 1e9
        return used

    def rss(self) -> int:
        """Returns the resident memory of the process in octets."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    async def metrics(self) -> dict[str, float]:
        """Returns the counters of /metrics, except those with labels."""
        _, _, text = await wire.request("GET", f"{self.internal_url}/metrics")
        lines = (line.rpartition(" ") for line in text.decode().splitlines() if not line.startswith("#"))
        return {name.removesuffix("_total"): float(value) for name, _, value in lines if "{" not in name}


def token(identity: str, room: str, key: str = KEY, secret: str = SECRET) -> str:
    """Returns a token. It is signed here and not by the service's code, so that it also checks the format."""
    video = {"roomJoin": True, "room": room, "canPublish": True, "canSubscribe": True}
    claims = {"iss": key, "sub": identity, "exp": int(time.time()) + 3600, "video": video}
    return jwt.encode(claims, secret, algorithm="HS256")


@asynccontextmanager
async def serving(core: int | None = None, **settings: object) -> AsyncIterator[Service]:
    """Runs `sfu serve` for the duration of the block, on one core if given. `settings` are SFU_* in lower case."""
    port, internal = _free_ports(2)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SFU_")}
    environ |= {
        "SFU_KEYS": f"{KEY}: {SECRET}",
        "SFU_PORT": str(port),
        "SFU_UDP_PORT": "0",
        "SFU_WORKERS": "1",
        "SFU_INTERNAL_PORT": str(internal),
        "SFU_LOG_LEVEL": "warning",
        "SFU_MAX_PARTICIPANTS": "0",
        # All clients have the same address here.
        "SFU_JOINS_PER_ADDRESS": "100000",
        "SFU_JOINS_PER_KEY": "100000",
    }
    environ |= {f"SFU_{name.upper()}": str(value) for name, value in settings.items()}
    pinned = f"import os; os.sched_setaffinity(0, {{{core}}}); " if core is not None else ""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", f"{pinned}from api.cli import main; main()", "serve", env=environ
    )
    try:
        service = Service(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{internal}", process.pid)
        await _ready(service, process)
        yield service
    finally:
        if process.returncode is None:
            process.kill()  # all participants are test clients, so no orderly end is needed
        async with asyncio.timeout(STOP_LIMIT):
            await process.wait()


async def _ready(service: Service, process: asyncio.subprocess.Process) -> None:
    limit = time.monotonic() + START_LIMIT
    while time.monotonic() < limit:
        if process.returncode is not None:
            raise RuntimeError(f"the service ended with {process.returncode} before it was ready")
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            status, _, _ = await wire.request("GET", f"{service.internal_url}/ready")
            if status == 200:
                return
        await asyncio.sleep(0.05)
    raise RuntimeError(f"the service was not ready within {START_LIMIT:g} s")


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
