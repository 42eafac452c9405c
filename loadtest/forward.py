"""`python -m loadtest forward`: microseconds of the service's CPU time for each packet it forwards, end to end.

One publisher of 1.5 Mbit/s in frames of five or six packets, 30 a second, and N viewers in other processes that give
transport-wide feedback every 100 ms and receiver reports every second: most incoming packets are from viewers.
"""

import asyncio
import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

from loadtest import repair
from loadtest.fleet import fleet, quantiles
from loadtest.service import serving

ROOM = "bench"
SIZES = (10, 100)
TARGET = 3.5
"""Microseconds at N = 100."""
SETTLE = 3.0
"""Seconds."""
SAMPLE = 16
"""A viewer decrypts one packet of this many, because the measured service needs the cores."""
VIEWERS_IN_A_PROCESS = 50


@dataclass(frozen=True, slots=True)
class Window:
    """Differences between two samples of the service's counters."""

    viewers: int
    cpu: float
    worker: float
    """Seconds of CPU time of the packet threads. `cpu` is that of the whole process."""
    seconds: float
    forwarded: float
    sent: float
    messages: float
    received: float
    lost: int
    latencies: tuple[float, ...]
    repairs: repair.Repairs

    def row(self) -> str:
        p50, p95 = quantiles([1e3 * latency for latency in self.latencies])
        each, target = 1e6 / self.forwarded, f"<= {TARGET}" if self.viewers == 100 else ""
        verdict = ("met" if self.cpu * each <= TARGET else "missed") if target else ""
        return (
            f"1 -> {self.viewers:<4} {self.cpu * each:7.2f} {self.worker * each:7.2f}  {self.sent / self.messages:8.2f}"
            f" {self.forwarded / self.seconds:10.0f} {self.received / self.seconds:10.0f} {self.lost:5}"
            f"  {p50:6.1f} {p95:6.1f}  {target:<7} {verdict}"
        ).rstrip()


HEADING = (
    "           us/packet   of it  packets/  forwarded   received  lost  latency ms\n"
    "             process  worker      send        a s        a s           p50    p95  target"
)


async def run(seconds: float = 20.0, sizes: Sequence[int] = SIZES) -> None:
    """Prints the table, row by row. The service gets its own core, as in the measurements of other servers."""
    cores = sorted(os.sched_getaffinity(0))
    core = cores[-1] if len(cores) > 1 else None
    if core is not None:
        os.sched_setaffinity(0, cores[:-1])  # clients inherit this
    print(HEADING)
    for viewers in sizes:
        window = await measure(viewers, seconds, core)
        print(f"{window.row()}\n{window.repairs.row()}", flush=True)


async def measure(viewers: int, seconds: float, core: int | None) -> Window:
    async with contextlib.AsyncExitStack() as stack:
        service = await stack.enter_async_context(serving(core))
        publisher = await stack.enter_async_context(fleet())
        await publisher.publish(service.whip(), [service.token("publisher", ROOM)], ["video"])
        fleets = []
        for first in range(0, viewers, VIEWERS_IN_A_PROCESS):
            tokens = [
                service.token(f"viewer-{i}", ROOM) for i in range(first, min(first + VIEWERS_IN_A_PROCESS, viewers))
            ]
            fleets.append(await stack.enter_async_context(fleet()))
            await fleets[-1].watch(service.whep(), tokens, audios=0, videos=1, sample=SAMPLE)
        await asyncio.sleep(SETTLE)
        for one in fleets:
            await one.report()
        before, cpu, worker = await service.metrics(), service.cpu(), service.worker_cpu()
        await asyncio.sleep(seconds)
        after, cpu, worker = await service.metrics(), service.cpu() - cpu, service.worker_cpu() - worker
        grown = {name: after[name] - before[name] for name in after if name in before}
        reports = [await one.report() for one in fleets]
        repairs = await repair.measure(service, ROOM)
    return Window(
        viewers=viewers,
        cpu=cpu,
        worker=worker,
        seconds=seconds,
        forwarded=grown["sfu_packets_forwarded"],
        sent=grown["sfu_packets_sent"],
        messages=grown["sfu_messages_sent"],
        received=grown["sfu_packets_received"],
        lost=sum(report.gaps for report in reports),
        latencies=tuple(latency for report in reports for latency in report.latencies),
        repairs=repairs,
    )
