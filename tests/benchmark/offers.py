"""Measures how long large offers block the loop: `python -m tests.benchmark.offers`.

Four participants offer 256 KB each at the same time, of the most expensive kinds. It measures the CPU time of the
loop's thread between two turns, which excludes other processes, and the CPU time for 100 kB of offer. The packet plane
is the fake one of the tests.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack

from api import collector
from sfu.config import Config
from sfu.limits import SDP_OCTETS
from sfu.service import Sfu
from sfu.signalling import messages

from ..sfu.fake_plane import FakePlane
from ..sfu.negotiation.hostile import PRODUCTS, many_formats, many_lines, many_sections
from ..sfu.negotiation.offers import VIDEO
from ..sfu.scene import grant
from .crowd import chromium

TARGET_MS = 10.0
OFFERS = 4

KINDS = {
    "37 sections of Chromium": lambda size: chromium([("video", "recvonly")] * 37, "ufrag"),
    "256 sections": many_sections(VIDEO, "a=recvonly", "a=y:" + "y" * 500),
    "payload types of their own in each section": many_formats(96),
    "lines of two characters": many_lines("a=", is_numbered=False),
    "streams x restrictions": PRODUCTS[0],
    "mids x sections": PRODUCTS[1],
}


async def measure(texts: Sequence[str]) -> tuple[float, float]:
    """Returns the longest turn of the loop, and the sum of all turns, in ms of CPU."""
    turns: list[float] = []

    async def watch() -> None:
        before = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            turns.append((now - before) * 1000)
            before = now

    config = Config(tick=1e6)
    async with (
        Sfu(config, plane=FakePlane(config.workers)) as sfu,
        AsyncExitStack() as inside,
        asyncio.TaskGroup() as tasks,
    ):
        join = messages.Join("join")
        everybody = [
            await inside.enter_async_context(sfu.attach(grant(f"p{n}", issued=0, expires=0), f"room {n}", join))
            for n in range(len(texts))
        ]
        await asyncio.sleep(0)
        watching = tasks.create_task(watch())
        await asyncio.sleep(0)
        turns.clear()
        offers = [messages.Offer("offer", 1, text) for text in texts]
        await asyncio.gather(*(one.handle(offer) for one, offer in zip(everybody, offers, strict=True)))
        for _ in range(4):
            await asyncio.sleep(0)
        watching.cancel()
    return max(turns), sum(turns)


def main() -> None:
    print(f"{OFFERS} offers at a time; target: no turn of the loop above {TARGET_MS:.0f} ms, 50 ms for 100 kB")
    collector.settle()
    worst = 0.0
    for kind, grow in KINDS.items():
        texts = [grow(SDP_OCTETS - 16_384).replace("s=-", f"s={number}") for number in range(OFFERS)]
        # Results of earlier offers are cached, so all offers differ.
        texts = [text.replace("a=rtcp-mux", f"a=rtcp-mux\r\na=n:{n}") for n, text in enumerate(texts)]
        lag, spent = asyncio.run(measure(texts))
        worst = max(worst, lag)
        octets = sum(map(len, texts))
        each, rate = octets // OFFERS // 1000, spent / octets * 1e5
        print(f"{kind}: {each} kB each, turns of {lag:.1f} ms, {rate:.1f} ms for 100 kB")
    print(f"worst turn: {worst:.1f} ms, target {'met' if worst <= TARGET_MS else 'missed'}")


if __name__ == "__main__":
    main()
