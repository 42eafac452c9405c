"""The service in a process whose Python stands still when told to: `python -m tests.plane.stalling`.

It prints its port, then answers each line of its input by a stall of a second, and prints when that began and ended
(CLOCK_MONOTONIC, seconds).
"""

import asyncio
import ctypes
import sys
import time

from ..api.server import serving

STALL = 1_000_000
"""Microseconds."""


def stall() -> tuple[float, float]:
    # PyDLL keeps the interpreter lock during the call, as a long computation in C does. It takes no core away, though:
    # where there are two, the latency of the peers would measure the scheduler.
    began = time.monotonic()
    ctypes.PyDLL(None).usleep(STALL)
    return began, time.monotonic()


async def main() -> None:
    async with serving(real_plane=True) as server:
        print(server.port, flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(*stall(), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
