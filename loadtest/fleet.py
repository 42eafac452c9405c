"""Light clients in a separate process that receives commands as lines of JSON: `python -m loadtest.fleet`."""

import asyncio
import json
import signal
import statistics
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from loadtest import wire
from loadtest.wire.sdp import Kind

TOGETHER = 8
"""The number of concurrent joins."""
LIMIT = 120.0
"""The time limit of a command in seconds."""


class FleetError(Exception):
    """A command of a fleet failed. The sentence comes from the fleet's process."""


@dataclass(frozen=True, slots=True)
class Report:
    """The counters of all clients of a fleet since the last report."""

    clients: int
    packets: int
    gaps: int
    refused: int
    latencies: tuple[float, ...]
    """Seconds; at most a thousand values, evenly chosen."""
    keyframe_requests: int


class Fleet:
    """Controls a fleet's process over a pipe."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def publish(self, url: str, tokens: Sequence[str], sends: Sequence[Kind] = ("audio", "video")) -> None:
        """Starts one publisher for each token. Returns when all are connected and send."""
        await self._order(do="publish", url=url, tokens=tokens, sends=sends)

    async def watch(self, url: str, tokens: Sequence[str], *, audios: int, videos: int, sample: int = 1) -> None:
        """Starts one viewer for each token. Returns when all are connected."""
        await self._order(do="watch", url=url, tokens=tokens, audios=audios, videos=videos, sample=sample)

    async def report(self) -> Report:
        answer = await self._order(do="report")
        return Report(**answer | {"latencies": tuple(answer["latencies"])})

    def freeze(self) -> None:
        """Sends SIGSTOP: the process neither sends nor reads, and its sockets stay open."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    async def _order(self, **order: object) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        async with asyncio.timeout(LIMIT):
            line = await self._process.stdout.readline()
        if not line:
            raise FleetError("a fleet has ended")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise FleetError(answer["error"])
        return answer


@asynccontextmanager
async def fleet() -> AsyncIterator[Fleet]:
    """Runs a fleet for the duration of the block. The process is killed; its participants end with the service."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "loadtest.fleet",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    try:
        yield Fleet(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class Crew:
    """The clients of this process."""

    def __init__(self) -> None:
        self._clients: list[wire.Client] = []
        self._packets = self._gaps = self._refused = 0

    async def publish(self, *, url: str, tokens: Sequence[str], sends: Sequence[Kind]) -> dict[str, Any]:
        clients = [wire.Client(sends=sends) for _ in tokens]
        await self._join(url, tokens, clients)
        for client in clients:
            client.play()
        return {}

    async def watch(self, *, url: str, tokens: Sequence[str], audios: int, videos: int, sample: int) -> dict[str, Any]:
        clients = [wire.Client(audios=audios, videos=videos, sample=sample) for _ in tokens]
        await self._join(url, tokens, clients)
        return {}

    async def report(self) -> dict[str, Any]:
        receivers = [client.receiver for client in self._clients]
        packets = sum(receiver.packets for receiver in receivers)
        gaps = sum(one.gaps for receiver in receivers for one in receiver.receptions.values())
        refused = sum(receiver.refused for receiver in receivers)
        latencies = [latency for receiver in receivers for latency in receiver.latencies]
        for receiver in receivers:
            receiver.latencies.clear()
        answer = {
            "clients": len(self._clients),
            "packets": packets - self._packets,
            "gaps": gaps - self._gaps,
            "refused": refused - self._refused,
            "latencies": sorted(latencies)[:: len(latencies) // 1000 + 1],
            "keyframe_requests": sum(one.keyframe_requests for client in self._clients for one in client.senders),
        }
        self._packets, self._gaps, self._refused = packets, gaps, refused
        return answer

    async def _join(self, url: str, tokens: Sequence[str], clients: Sequence[wire.Client]) -> None:
        gate = asyncio.Semaphore(TOGETHER)

        async def join(token: str, client: wire.Client) -> None:
            async with gate:
                await wire.open_session(url, token, client)

        async with asyncio.TaskGroup() as tasks:
            for token, client in zip(tokens, clients, strict=True):
                tasks.create_task(join(token, client))
        self._clients += clients


async def obey() -> None:
    """Executes commands line by line until the pipe closes, because then the parent process is gone."""
    reader = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    crew = Crew()
    orders: dict[str, Callable[..., Awaitable[dict[str, Any]]]] = {
        "publish": crew.publish,
        "watch": crew.watch,
        "report": crew.report,
    }
    while line := await reader.readline():
        order = json.loads(line)
        try:
            answer = await orders[order.pop("do")](**order)
        except* (wire.Refused, wire.ConnectError, wire.HandshakeError, OSError) as failed:
            answer = {"error": str(failed.exceptions[0])}
        print(json.dumps(answer), flush=True)


def quantiles(values: Sequence[float]) -> tuple[float, float]:
    """Returns the median and the 95th percentile (linear between neighbours)."""
    if len(values) < 2:
        return (values[0], values[0]) if values else (float("nan"), float("nan"))
    return statistics.median(values), statistics.quantiles(values, n=20, method="inclusive")[-1]


if __name__ == "__main__":
    asyncio.run(obey())
